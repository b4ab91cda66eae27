#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# vmsa_zap_cli.sh PROGRAM: its options, its JSON, and that a signal ends it in order.
zap=/vm/bin/$1
n=0 bad=0 shown="/tmp/zap.out /tmp/zap.err"
# shellcheck source=tools/vm/ktap.sh
. /vm/bin/ktap.sh

# shellcheck disable=SC2317
gives() {
	want=$1 text=$2
	shift 2
	"$zap" "$@" > /tmp/zap.out 2> /tmp/zap.err
	rc=$?
	[ "$rc" = "$want" ] && cat /tmp/zap.out /tmp/zap.err | grep -q -e "$text"
}

# shellcheck disable=SC2317
says() { grep -q -e "$1" /tmp/zap.out; }

# A run without losses is none that is ok: wait for the first, however slow the host is.
# shellcheck disable=SC2317
ends_on() {
	"$zap" --seconds 100 > /tmp/zap.out 2> /tmp/zap.err &
	pid=$! tries=0
	until grep -q ' [1-9][0-9]* losses/s' /tmp/zap.err || [ $((tries += 1)) -gt 400 ]; do
		sleep 0.2
	done
	kill -"$1" "$pid"
	wait "$pid"
}

echo "KTAP version 1"
t "help" gives 0 '^usage: vmsa-zap' --help
t "no number" gives 2 "got 'x', wanted a number from 1 to" --aps x
t "too many" gives 2 "got '99', wanted a number from 1 to" --aps 99
t "none" gives 2 "got '0', wanted a number from 1 to" --depth 0
t "no time" gives 2 "got '-1', wanted a number above 0" --seconds -1
t "no way" gives 2 "wanted io_uring, fallocate or both" --way ioctl
t "nobody" gives 2 "wanted guest, host or mix" --recover me
t "an argument" gives 2 "got 'what', wanted none" what
t "JSON" gives 0 '^{"seed":7,' --json --quiet --seed 7 --seconds 2 --way fallocate --recover host
t "no request by the other way" says '"io_uring":{"punches":0,"refills":0,'
t "no reload by the other side" says '"reloads_guest":0,'
t "no stale run" says '"stale_vmruns":0,"pages_left":0,"backend":"emulated","ok":true}$'
t "SIGTERM ends it in order" ends_on TERM
t "with its summary" says '^ok$'
t "SIGINT, too" ends_on INT
echo "1..$n"
exit $bad
