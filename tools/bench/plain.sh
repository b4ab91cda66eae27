#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# plain.sh ROUNDS QEMU...: what each of these QEMUs takes, in CPU seconds, to boot an
# ordinary machine without any platform and to do some work in it. They take turns, so
# that whatever else the host does meets all alike. One line for each run:
# "QEMU USER+SYSTEM ELAPSED".
#
#   KERNEL  bzImage    FIRMWARE  directories, with colons between    OUT  directory
set -eu

rounds=${1:?number of rounds}
shift
: "${KERNEL:?}" "${FIRMWARE:?}" "${OUT:?}"

mkdir -p "$OUT/plain/bin"
cp "$(command -v busybox)" "$OUT/plain/bin/busybox"
cat > "$OUT/plain/init" <<'INIT'
#!/bin/busybox sh
export PATH=/bin
/bin/busybox --install -s /bin
mkdir -p /proc /sys /tmp
mount -t proc proc /proc
mount -t sysfs sys /sys
echo "bench: up"
# Processes, page faults, files, system calls, arithmetic; on all processors.
work() {
	i=0
	while [ $i -lt 150 ]; do
		sh -c 'cat /proc/self/status' > /dev/null
		i=$((i + 1))
	done
	find /sys | sort | md5sum
	dd if=/dev/zero bs=64k count=64 2> /dev/null | gzip -1 | md5sum
	i=0
	while [ $i -lt 20000 ]; do i=$((i + 1)); done
}
work > /tmp/1 &
work > /tmp/2
wait
echo "bench: end"
reboot -f
INIT
chmod +x "$OUT/plain/init"
(cd "$OUT/plain" && find . | sort | cpio -o -H newc --quiet -R 0:0) > "$OUT/plain.cpio"

# Without what only the patches know: all shall run the same code.
cpu=EPYC-Milan,-xsavec,-topoext,-svm
fw=$(echo "$FIRMWARE" | sed 's/[^:]*/-L &/g; s/:/ /g')
for _ in $(seq "$rounds"); do
	for qemu; do
		rm -f "$OUT/plain.log"
		start=$(date +%s.%N) rc=0
		# A shell of its own, whose only child it is.
		# shellcheck disable=SC2086
		(timeout -k 5 300 "$qemu" $fw -nodefaults -no-user-config -display none \
			-no-reboot -accel tcg,thread=multi,tb-size=256 -smp 2 -m 1G \
			-machine q35 -cpu "$cpu" -kernel "$KERNEL" -initrd "$OUT/plain.cpio" \
			-append "console=ttyS0 panic=-1 quiet tsc=nowatchdog no_timer_check rdinit=/init" \
			-serial "file:$OUT/plain.log" < /dev/null 2> "$OUT/plain.err" && times) \
			> "$OUT/plain.times" || rc=$?
		end=$(date +%s.%N)
		if [ $rc != 0 ] || ! grep -qs '^bench: end' "$OUT/plain.log"; then
			echo "plain.sh: $qemu (exit status $rc) did not get to the end;" \
				"see $OUT/plain.log and .err" >&2
			exit 1
		fi
		# The second line is of the children: "0m1.23s 0m0.45s".
		sed -n '2s/[ms]/ /gp' "$OUT/plain.times" |
			awk -v q="$qemu" -v t="$(echo "$end $start" | awk '{ print $1 - $2 }')" \
				'{ printf "%s %.2f %.2f\n", q, $1 * 60 + $2 + $3 * 60 + $4, t }'
	done
done
