#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# lock.sh FILE COMMAND...: run it when no other build holds FILE.
set -eu

file=$1
shift
mkdir -p "$(dirname "$file")"
exec 8> "$file"
if ! flock -n 8; then
	echo "another build runs in $(dirname "$file"); waiting for it" >&2
	flock 8
fi
# The lock must not live on in what the command leaves behind.
exec "$@"
