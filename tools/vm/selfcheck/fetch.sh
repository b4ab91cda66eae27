#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# fetch.sh: what fetching does when it cannot.
set -u

top=$(cd "$(dirname "$0")/../../.." && pwd)
fetch=$top/tools/fetch/fetch.sh
SNP_CACHE=$(mktemp -d "${TMPDIR:-/tmp}/snp-fetch.XXXXXX")
export SNP_CACHE
trap 'rm -rf "$SNP_CACHE"' EXIT
n=0 bad=0

result() {
	n=$((n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $n $2"
	else
		bad=1
		echo "not ok $n $2"
		sed 's/^/# /' "$SNP_CACHE/err"
	fi
}

echo "KTAP version 1"
# Port 9 refuses at once.
export SNP_RETRIES=0
SNP_MIRROR=http://127.0.0.1:9/debian "$fetch" linux-7.3 > "$SNP_CACHE/out" 2> "$SNP_CACHE/err"
[ $? -eq 1 ] && grep -q 'LINUX=/path' "$SNP_CACHE/err" && grep -q linux-source-7.3 "$SNP_CACHE/err"
result $? "no network: names LINUX= and the packages"
SNP_MIRROR=http://127.0.0.1:9/debian "$fetch" qemu > "$SNP_CACHE/out" 2> "$SNP_CACHE/err"
[ $? -eq 1 ] && grep -q 'QEMU=/path' "$SNP_CACHE/err"
result $? "no network: names QEMU="
[ ! -s "$SNP_CACHE/out" ]; result $? "prints no directory"
[ -z "$(ls "$SNP_CACHE/src")" ]; result $? "leaves no tree"
# What an interrupted run leaves: a name without its tree.
echo linux-source-7.3-x > "$SNP_CACHE/src/linux-7.3.current"
SNP_MIRROR=http://127.0.0.1:9/debian "$fetch" linux-7.3 > "$SNP_CACHE/out" 2> "$SNP_CACHE/err"
[ $? -eq 1 ]; result $? "a name without a tree does not count"
mkdir "$SNP_CACHE/src/linux-source-7.3-x"
[ "$("$fetch" linux-7.3 2> "$SNP_CACHE/err")" = "$SNP_CACHE/src/linux-source-7.3-x" ]
result $? "what is there needs no network"
"$fetch" nonsense > "$SNP_CACHE/out" 2> "$SNP_CACHE/err"
[ $? -eq 1 ]; result $? "unknown package"
SNP_KEYRING=/dev/null/none "$fetch" qemu > "$SNP_CACHE/out" 2> "$SNP_CACHE/err"
[ $? -eq 1 ] && grep -q keyring "$SNP_CACHE/err"; result $? "no keyring"
echo "1..$n"
exit $bad
