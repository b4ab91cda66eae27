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
# The lock ends with the command: what that leaves behind has not inherited it. make's
# SIGTERM comes to this process alone, and is handed on; those of the terminal come to the
# command, too, which a shell would have ignore them, as it runs beside it.
env --default-signal=INT,QUIT "$@" <&0 8>&- &
pid=$!
trap 'kill $pid 2>/dev/null || :' TERM HUP
trap : INT QUIT
while :; do
	rc=0
	wait $pid || rc=$?
	kill -0 $pid 2>/dev/null || exit $rc
done
