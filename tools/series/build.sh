#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# build.sh: build KVM as it is in TREE, with W=1 and sparse, and print the name of the
# log; beside it NAME.rc has the exit status. What was built before is not built again.
# Environment as in checks/README.
set -eu

: "${TREE:?}" "${COMMIT:?}" "${OUT:?}" "${KDIR:?}" "${TOP:?}" "${BASE:?}" "${SPARSE:=}"
g() { git -C "$TREE" "$@"; }

key=$({ for p in arch/x86/kvm arch/x86/include virt/kvm include; do
	g rev-parse "$COMMIT:$p"; done; echo "$SPARSE"; cat "$0" "$TOP/tools/vm/build-modules.sh" \
	"$TOP/Kbuild" "$KDIR/Module.symvers"; } | sha256sum | cut -c1-16)
log=$OUT/builds/$key.log
mkdir -p "$OUT/builds"
if [ ! -f "$OUT/builds/$key.rc" ]; then
	shadow=$(g diff --name-only base "$COMMIT" -- include arch/x86/include | tr '\n' ' ')
	rm -rf "$OUT/kvm"
	check=
	[ ! -x "$SPARSE" ] || check="C=2 CHECK=$SPARSE"
	rc=0
	# KDIR is configured without KVM_INTEL: it cannot run in the machine.
	LINUX=$TREE NOEXT=1 OUT=$OUT/kvm SHADOW=$shadow V=0 \
		KARGS="W=1 $check CONFIG_KVM_INTEL=m CONFIG_KVM_WERROR=y KCFLAGS=-DCONFIG_KVM_INTEL_MODULE=1" \
		"$TOP/tools/vm/build-modules.sh" > "$log.new" 2>&1 || rc=$?
	mv "$log.new" "$log"
	echo "$rc" > "$OUT/builds/$key.rc"
fi
echo "$log"
