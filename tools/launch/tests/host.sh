#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# host.sh DIR: snp-launch and snp-mkigvm, built in DIR with sanitizers, with what
# they must refuse, and as far as they come without KVM.
set -u

here=$(cd "$(dirname "$0")" && pwd)
cd "$1" || exit 1
tmp=$(mktemp -d "${TMPDIR:-/tmp}/snp-launch.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
# No status of the programs' own; and they leave it to exit() to free memory.
export ASAN_OPTIONS=exitcode=99:detect_leaks=0 UBSAN_OPTIONS=exitcode=99
n=0 bad=0
# shellcheck source=/dev/null
. "$here/../../vm/ktap.sh"

# run STATUS COMMAND...
run() {
	want=$1
	shift
	"$@" > "$tmp/out" 2> "$tmp/err"
	rc=$?
	[ $rc -eq "$want" ] && return 0
	echo "# $*: exit status $rc, wanted $want"
	sed 's/^/# /' "$tmp/out" "$tmp/err"
	return 1
}

# Each first part of a file, in 40 steps
cuts() {
	size=$(wc -c < "$1")
	i=0
	while [ $i -lt 40 ]; do
		echo $((size * i / 40))
		i=$((i + 1))
	done
}

echo "KTAP version 1"
for f in guest guest-2 guest-kvm guest-xmm; do
	run 0 ./snp-launch --dry-run "$f.igvm" &&
		grep -q "predicted *$(cat "$f.igvm.digest")$" "$tmp/out"
	result $? "$f.igvm: digest without KVM is the writer's"
done
run 0 ./snp-launch --dry-run --cpus 4 --append text guest-2.igvm &&
	grep -q "vCPU 1   VMSA of the file, at 0x19000" "$tmp/out" &&
	grep -q "vCPU 3   no VMSA" "$tmp/out"
result $? "the plan"
run 0 ./snp-launch --dry-run --vmsa kvm --cpus 2 guest.igvm &&
	grep -q "vCPU 1   VMSA of KVM, .*as at reset" "$tmp/out"
result $? "the plan, VMSAs of KVM"
run 0 ./snp-launch --dry-run --memory 4K guest.igvm &&
	grep -q "memory   0x0 to 0x400000" "$tmp/out"
result $? "the plan, memory that the file requires"
run 0 ./snp-launch --dry-run --json guest.igvm &&
	grep -q "\"predicted\": \"$(cat guest.igvm.digest)\"" "$tmp/out"
result $? "JSON"
run 4 ./snp-launch guest.igvm && grep -q "^snp-launch: " "$tmp/err"
result $? "a host without SNP"

ok=0
for i in $(cuts guest.igvm); do
	head -c "$i" guest.igvm > "$tmp/cut"
	run 3 ./snp-launch --dry-run "$tmp/cut" || ok=1
done
result $ok "IGVM files cut short are refused"
ok=0
for i in $(cuts guest.elf); do
	head -c "$i" guest.elf > "$tmp/cut"
	run 1 ./snp-mkigvm -o "$tmp/igvm" "$tmp/cut" || ok=1
done
result $ok "ELF files cut short are refused"
[ ! -e "$tmp/igvm" ]
result $? "and nothing is written"

run 3 ./snp-launch --dry-run --append "$(head -c 2000 /dev/zero | tr '\0' x)" guest.igvm &&
	grep -q "COMMAND_LINE at offset 0x[0-9a-f]* has room for 768 bytes" "$tmp/err"
result $? "a command line without room"
for a in "--cpus 0" "--cpus 65" "--cpus x" "--memory 2000G" "--memory 1X" "--vmsa here" \
	"--empty no" "--expect 12" "--zap no" "--timeout 0" "--expect" \
	"--no-id-block --expect $(cat guest.igvm.digest)"; do
	# shellcheck disable=SC2086
	run 2 ./snp-launch $a guest.igvm
	result $? "snp-launch $a"
done
run 2 ./snp-launch guest.igvm guest.igvm
result $? "two files"
run 0 ./snp-launch --help && run 0 ./snp-mkigvm --help
result $? "--help"

for a in "--vps 0" "--vps 9" "--vps x" "--policy 0x" "--id-key $tmp/none" "--id-key guest.elf"; do
	# shellcheck disable=SC2086
	run 1 ./snp-mkigvm $a -o "$tmp/igvm" guest.elf
	result $? "snp-mkigvm $a"
done
run 2 ./snp-mkigvm guest.elf
result $? "snp-mkigvm without -o"
run 1 ./snp-mkigvm -o "$tmp/no/igvm" guest.elf
result $? "snp-mkigvm into no directory"
run 1 ./snp-mkigvm -o "$tmp/igvm" snp-mkigvm
result $? "snp-mkigvm of a program that is not for it"
openssl ecparam -name secp384r1 -genkey -noout -out "$tmp/key" &&
	run 0 ./snp-mkigvm --id-key "$tmp/key" -o "$tmp/igvm" guest.elf &&
	run 0 ./snp-launch --dry-run "$tmp/igvm"
result $? "a key of one's own"
openssl ecparam -name prime256v1 -genkey -noout -out "$tmp/key" &&
	run 1 ./snp-mkigvm --id-key "$tmp/key" -o "$tmp/igvm" guest.elf &&
	grep -q "wanted a key on secp384r1" "$tmp/err"
result $? "a key on another curve"
echo "1..$n"
exit $bad
