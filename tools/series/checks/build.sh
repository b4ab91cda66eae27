#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# scope: commit
# base: linux
#
# Each commit builds: KVM_AMD=m, KVM_INTEL=m, KVM_WERROR=y, W=1; and the selftests, when
# it changes them. Nothing is warned of.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
bad=0

# clean LOG: it is the log of a build that succeeded, without a warning
clean() {
	if [ "$(cat "${1%.log}.rc")" != 0 ]; then
		grep -E 'error: |\[-W|undefined|apply' "$1" || tail -n 20 "$1"
		bad=1
	# What W=1 adds is no error.
	elif grep -E -e '^[^ ]+:[0-9]+:[0-9]+: warning: .*\[-W' -e modpost: "$1"; then
		bad=1
	fi
}

clean "$("$here/../build.sh")"
git -C "$TREE" diff --quiet "$PARENT" "$COMMIT" -- tools/testing/selftests ||
	clean "$("$here/../selftests.sh")"
exit $bad
