#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Every shell script of the project; those without a suffix by their first line.
set -u

cd "$(dirname "$0")/../../.." || exit 1
n=0 bad=0
echo "KTAP version 1"
for f in $(find .ci tools kernel selftests -type f 2>/dev/null | sort); do
	case $(head -c 64 "$f" | head -n 1 | tr -d '\0') in
	'#!/bin/sh'* | '#!/bin/bash'*) ;;
	*) continue ;;
	esac
	n=$((n + 1))
	if out=$(shellcheck -x "$f" 2>&1); then
		echo "ok $n $f"
	else
		bad=1
		echo "not ok $n $f"
		echo "$out" | sed 's/^/# /'
	fi
done
echo "1..$n"
[ $n -gt 0 ] || bad=1
exit $bad
