#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# bench.sh RUNNER...: measure and print a table. RUNNER runs the tests that its last
# argument, which we add, names; it leaves what they said in RESULTS.
#
#   OUT, RESULTS           directories
#   KERNEL                 what the ordinary machine boots
#   SEABIOS, QEMU_DATA     unpacked packages: its firmware
#   QEMU_PLAIN, QEMU_OURS  without and with our patches
set -eu

: "${OUT:?}" "${RESULTS:?}" "${KERNEL:?}" "${SEABIOS:?}" "${QEMU_DATA:?}"
: "${QEMU_PLAIN:?}" "${QEMU_OURS:?}"
here=$(cd "$(dirname "$0")" && pwd)
me="bench"

die() { echo "$me: $*" >&2; exit 1; }

# The least of so many runs: what else the host did can only add to it.
least() { sort -n | head -n 1; }

mkdir -p "$OUT"
export OUT KERNEL FIRMWARE="$SEABIOS/usr/share/seabios:$QEMU_DATA/usr/share/qemu"
echo "$me: an ordinary machine, 14 times" >&2
"$here/plain.sh" 7 "$QEMU_PLAIN" "$QEMU_OURS" > "$OUT/plain.runs"
: > "$OUT/machine"
run() {
	"$@" > "$OUT/runner.log" 2>&1 || die "a run failed; see $OUT/runner.log and $RESULTS"
}
for i in 1 2 3; do
	echo "$me: guests, round $i of 3" >&2
	run "$@" "bench_ordinary bench_snp"
	cat "$RESULTS"/bench_ordinary.log "$RESULTS"/bench_snp.log >> "$OUT/machine"
done
run "$@" rmp
cat "$RESULTS"/rmp.log >> "$OUT/machine"

plain=$(awk -v q="$QEMU_PLAIN" '$1 == q { print $2 }' "$OUT/plain.runs" | least)
ours=$(awk -v q="$QEMU_OURS" '$1 == q { print $2 }' "$OUT/plain.runs" | least)
ordinary=$(sed -n 's/.*bench: ordinary guest: \([0-9.]*\) s.*/\1/p' "$OUT/machine" | least)
snp=$(sed -n 's/.*bench: SNP guest: \([0-9.]*\) s.*/\1/p' "$OUT/machine" | least)
ratio() { echo "$1 $2" | awk '{ printf "%.3f", $1 / $2 }'; }

cat <<END
platform: emulated, $(nproc) processors of the host

Debian's kernel by Debian's QEMU and OVMF in the emulated host, 1 vCPU, 320 MiB: from the
start of QEMU to the guest's first program, by the machine's clock; the least of 3, by turns.
  an ordinary guest                     $ordinary s
  the same as an SNP guest              $snp s     $(ratio "$snp" "$ordinary") times

An ordinary machine, with 2 processors and no platform: this project's kernel boots, starts
processes, packs, counts. CPU seconds of QEMU, user and system; the least of 7, by turns.
  QEMU without patches                  $plain s
  QEMU with them                        $ours s     $(ratio "$ours" "$plain") times

RMPUPDATE of the 512 pages of a 2 MiB block, by the host's kernel: the median of one, and how
often all processors had to flush their TLBs for the 512.
END
sed -n 's/.*cost: \(.*\): \([0-9]*\) ns, \([0-9]*\) flushes.*/\1:\2:\3/p' "$OUT/machine" | sort -u -t: -k1,1 |
	awk -F: '{ printf "  %-37s %.2f us  %s flushes\n", $1, $2 / 1000, $3 }'
