#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# build.sh: build KVM as it is in TREE, with W=1 and sparse, and print the name of the
# log; beside it NAME.rc has the exit status. What was built before is not built again.
# Environment as in checks/README.
#
# All commits are built in one place, so that only what differs is compiled and checked
# anew. What was said of a file holds until then: it is kept, and is in every log.
set -eu

: "${TREE:?}" "${COMMIT:?}" "${OUT:?}" "${KDIR:?}" "${TOP:?}" "${BASE:?}" "${SPARSE:?}"
g() { git -C "$TREE" "$@"; }

key=$({ for p in arch/x86/kvm arch/x86/include virt/kvm include; do
	g rev-parse "$COMMIT:$p"; done; echo "$SPARSE"; cat "$0" "$TOP/tools/vm/build-modules.sh" \
	"$TOP/Kbuild" "$KDIR/Module.symvers"; } | sha256sum | cut -c1-16)
log=$OUT/builds/$key.log
mkdir -p "$OUT/builds"
echo "$log"
[ ! -f "$OUT/builds/$key.rc" ] || exit 0

# What an interrupted build said is lost.
[ ! -e "$OUT/kvm.busy" ] || rm -rf "$OUT/kvm" "$OUT/said"
touch "$OUT/kvm.busy"
mkdir -p "$OUT/said"
kvm=$OUT/kvm/src/arch/x86/kvm
rm -f "$kvm"/*.ko

# KDIR is configured without KVM_INTEL, which cannot run in the machine: it lacks a symbol or
# two, and its exports to the modules of KVM do not name kvm-intel.
rc=0
LINUX=$TREE LINUX_KEY=$COMMIT NOEXT=1 OUT=$OUT/kvm V=0 \
	SHADOW=$({ g diff --name-only base series; g diff --name-only base "$COMMIT"; } | sort -u | tr '\n' ' ') \
	KARGS="--output-sync=target W=1 C=1 CHECK=$SPARSE CONFIG_KVM_INTEL=m CONFIG_KVM_WERROR=y
		KCFLAGS=-DCONFIG_KVM_INTEL_MODULE=1
		CONFIG_MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS=y KBUILD_MODPOST_WARN=1" \
	"$TOP/tools/vm/build-modules.sh" > "$log.new" 2>&1 || rc=$?
for m in kvm kvm-amd kvm-intel; do
	[ $rc != 0 ] || [ -f "$kvm/$m.ko" ] || { echo "error: $m.ko was not built" >> "$log.new"; rc=1; }
done

# The lines between that of an object's compilation and the next step are the object's.
# Older kernels print the whole path.
awk -v said="$OUT/said" -v kvm="$kvm/" '
	/^  / && $1 != "CHECK" {
		if (file)
			close(file)
		file = ""
	}
	/^  CC.*\.o$/ {
		file = $NF
		if (index(file, kvm) == 1)
			file = substr(file, length(kvm) + 1)
		gsub("/", "%", file)
		file = said "/" file
		printf "" > file
	}
	file { print >> file }
' "$log.new"
rm "$OUT/kvm.busy"
if [ $rc = 0 ]; then
	for f in "$OUT/said"/*; do
		[ ! -f "$kvm/$(basename "$f" .o | tr % /).c" ] || cat "$f"
	done > "$log"
	grep modpost: "$log.new" | grep -v -e 'kvm-intel.*\(from namespace\|x86_entry_from_kvm\)' \
		-e '"\(l1tf_mitigation\|asm_exc_nmi_kvm_vmx\)".*/kvm-intel.ko' >> "$log" || :
	rm "$log.new"
else
	mv "$log.new" "$log"
fi
echo "$rc" > "$OUT/builds/$key.rc"
