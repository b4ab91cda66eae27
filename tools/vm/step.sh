#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# step.sh LABEL LOG LINES COMMAND...: run a long command, its output into LOG;
# say on stderr, in one line, what runs, how far it is and for how long; show the
# end of LOG when it fails. LINES is about how many lines LOG will have. With V=1
# the output goes to the terminal as well.
set -u

label=$1 log=$2 lines=$3
shift 3
mkdir -p "$(dirname "$log")"
start=$(date +%s)

# Lines of ninja count themselves; of others the log tells.
far() {
	n=$(tail -c 4096 "$log" 2>/dev/null | tr '\r' '\n' |
		sed -n 's/^\[\([0-9]*\)\/\([0-9]*\)\].*/\1 of \2/p' | tail -n 1)
	if [ -n "$n" ]; then
		echo "$n"
		return
	fi
	n=$(wc -l < "$log" 2>/dev/null || echo 0)
	if [ "$lines" -gt 0 ] && [ "$n" -lt "$lines" ]; then
		echo "$((n * 100 / lines))%"
	else
		echo "$n lines"
	fi
}

elapsed() {
	s=$(($(date +%s) - start))
	printf '%d:%02d' $((s / 60)) $((s % 60))
}

if [ "${V:-0}" = 1 ]; then
	echo "$label: $*" >&2
	# The pipe hides the exit code; the file does not.
	{ "$@" 2>&1; echo $? > "$log.rc"; } | tee "$log" >&2
	rc=$(cat "$log.rc")
	rm -f "$log.rc"
else
	"$@" > "$log" 2>&1 &
	pid=$!
	trap 'kill $pid 2>/dev/null; exit 130' INT TERM HUP
	tick=0 shown=
	while kill -0 $pid 2>/dev/null; do
		sleep 0.2
		tick=$((tick + 1))
		# Short steps say nothing, and a log file gets a line now and then.
		if [ -t 2 ] && [ $((tick % 5)) -eq 0 ]; then
			printf '\r\033[K%s: %s, %s' "$label" "$(far)" "$(elapsed)" >&2
			shown=1
		elif [ ! -t 2 ] && [ $((tick % 150)) -eq 10 ]; then
			echo "$label: $(far), $(elapsed)" >&2
			shown=1
		fi
	done
	wait $pid
	rc=$?
	[ -t 2 ] && [ -n "$shown" ] && printf '\r\033[K' >&2
	[ -n "$shown" ] && [ $rc -eq 0 ] && echo "$label: done, $(elapsed)" >&2
fi
if [ "$rc" -ne 0 ]; then
	echo "$label: failed (exit code $rc) after $(elapsed); the end of $log:" >&2
	tail -n 30 "$log" >&2
fi
exit "$rc"
