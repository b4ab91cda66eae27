# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# To be sourced: the lines of a KTAP test list. The caller sets n=0 bad=0 before,
# prints the header and the plan ($n), and exits with $bad.

# result STATUS TEXT: STATUS 0 is ok
result() {
	n=$((n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $n $2"
	else
		# shellcheck disable=SC2034
		bad=1
		echo "not ok $n $2"
	fi
}
