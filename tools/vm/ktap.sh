# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# To be sourced: the lines of a KTAP test list. The caller sets n=0 bad=0 before,
# prints the header and the plan ($n), and exits with $bad. $shown, if it is set, names
# files that explain a failure.

# result STATUS TEXT: STATUS 0 is ok
result() {
	n=$((n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $n $2"
	else
		# shellcheck disable=SC2034
		bad=1
		echo "not ok $n $2"
		# shellcheck disable=SC2086
		[ -z "${shown:-}" ] || sed 's/^/# /' $shown
	fi
}

# t TEXT COMMAND...: the result of the command
t() {
	ktap_text=$1
	shift
	if "$@"; then
		result 0 "$ktap_text"
	else
		result 1 "$ktap_text"
	fi
}
