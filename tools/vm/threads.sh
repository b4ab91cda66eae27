#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# threads.sh PID: what the threads of a process do: twice, so that one that moves can be
# told from one that doesn't. From the kernel state, CPU time (ticks), and where it waits;
# where gdb is installed, also what it executes.
set -u

pid=$1
for _ in 1 2; do
	echo "# $(date '+%T.%N')"
	for t in "/proc/$pid/task"/*; do
		read -r stat < "$t/stat" || continue
		# After the name, which may hold anything.
		# shellcheck disable=SC2086 # words
		set -- ${stat##*)}
		echo "thread ${t##*/} ($(cat "$t/comm")): state $1, user ${12}, system ${13}," \
			"page faults $8 + ${10}, waits in $(cat "$t/wchan" 2> /dev/null)"
		sed 's/^/    /' "$t/stack" 2> /dev/null
	done
	command -v gdb > /dev/null &&
		timeout 60 gdb -nx -batch -p "$pid" -ex 'thread apply all bt 30' 2>&1
	sleep 1
done
exit 0
