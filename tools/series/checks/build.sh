#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# scope: commit
# base: linux
#
# Each commit builds: KVM_AMD=m, KVM_INTEL=m, KVM_WERROR=y, W=1.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
log=$("$here/../build.sh")
if [ "$(cat "${log%.log}.rc")" != 0 ]; then
	grep -E 'error|warning|undefined|apply' "$log" || tail -n 20 "$log"
	exit 1
fi
# What W=1 adds is no error, and must not be new either.
grep -E '^[^ ]+:[0-9]+:[0-9]+: warning: .*\[-W' "$log" && exit 1
for m in kvm.ko kvm-amd.ko kvm-intel.ko; do
	grep -q "LD \[M\] *$m$" "$log" || { echo "$m was not built, see $log"; exit 1; }
done
