#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# run.sh VCPUS [WORDS]: in the machine, start Debian's kernel as an SNP guest
# with Debian's QEMU and OVMF, and judge it. KTAP on stdout; "#" lines are what the
# guest said and when, in seconds of the machine's clock. WORDS are added to the guest's
# kernel command line: snp.stress=SECONDS, snp.shell (see init.sh).
vcpus=${1:?number of vCPUs}
shift
dir=/guest
log=/tmp/guest.log
n=0 bad=0 last=

t() {
	n=$((n + 1))
	what=$1
	shift
	if "$@"; then
		echo "ok $n $what"
	else
		bad=1
		echo "not ok $n $what"
	fi
}

# shellcheck disable=SC2317
said() { grep -q -- "$1" "$log"; }

now() { cut -d' ' -f1 /proc/uptime; }

# stage NAME: the time since the one before
stage() {
	at=$(now)
	[ -z "$last" ] || echo "$name $last $at" | awk '{ printf "# %6.1f s  %s\n", $3 - $2, $1 }' |
		tr _ ' '
	last=$at name=$1
}

listen() {
	stage QEMU_starts
	while IFS= read -r line; do
		line=$(printf '%s' "$line" | tr -d '\r\033')
		echo "$line" >> "$log"
		case $line in
		*snp_launch_finish*) stage OVMF ;;
		*"EFI stub: Loaded initrd"*) stage kernel_unpacks_itself ;;
		*"Linux version"*) stage kernel_boots ;;
		*"guest: up"*) stage what_the_guest_does ;;
		*"guest: end"*) stage shutdown ;;
		# QEMU stops the guest, and waits for somebody to look at it.
		*"KVM: unknown exit"* | *"Kernel panic"*) killall qemu-system-x86_64 ;;
		esac
		case $line in
		*"Linux version"* | *"Memory Encryption"* | *"SEV: "* | "guest: "* | *"smp: Brought"* | \
		*"qemu-system-x86_64: "[!w]* | *"KVM: "* | *panic* | "ok "* | "not ok "* | "# "[!r]*)
			echo "# $line" | cut -c1-150
			;;
		esac
	done
	stage end
}

echo "KTAP version 1"
: > "$log"
# -cpu: what AMD's own scripts give, on processors of every generation.
qemu-system-x86_64 -enable-kvm -cpu EPYC-v4 -smp "$vcpus" -m 320 \
	-machine q35,confidential-guest-support=sev0,memory-backend=ram0 \
	-object memory-backend-memfd,id=ram0,size=320M,share=true \
	-object sev-snp-guest,id=sev0,cbitpos=51,reduced-phys-bits=5,policy=0x30000,host-data="$(
		printf 'host data of the emulated guest.' | base64)" \
	-bios $dir/OVMF.fd -kernel $dir/vmlinuz -initrd $dir/initrd \
	-append "console=ttyS0 panic=-1 $*" -nodefaults -display none -no-user-config -no-reboot \
	-serial stdio -trace 'kvm_sev_*finish*' < /dev/null 2>&1 | listen

t "the firmware and the kernel see SEV-SNP" \
	said 'Memory Encryption Features active: AMD SEV SEV-ES SEV-SNP'
t "$vcpus vCPUs" said "guest: $vcpus vCPUs"
t "a shell" said 'guest: a shell'
t "the sev-guest driver" said 'Initialized SEV guest driver'
t "requests to the firmware" said 'guest: report exits with 0'
t "a report by configfs-tsm" said 'guest: configfs-tsm: sev_guest'
t "shutdown" said 'guest: end'
t "no complaint of the guest's kernel" said 'guest: no complaint of the kernel'
case $* in
*snp.stress=*)
	t "interrupts, IPIs and NMIs under load" said 'guest: stress: good'
	;;
esac

sed -n 's/^# report //p' "$log" > /tmp/report
$dir/snp-verify /tmp/report > /tmp/verify 2>&1
t "the report is signed by the platform's key" test $? = 0
sed 's/^/# /' /tmp/verify
predicted=$($dir/snp-digest --ovmf $dir/OVMF.fd --vcpus "$vcpus" --cpu EPYC)
echo "# predicted    $predicted"
t "the digest is the predicted one" \
	test "$(sed -n 's/^measurement *//p' /tmp/verify)" = "$predicted"
if [ $bad != 0 ]; then
	echo "# the guest's last words:"
	tail -n 80 "$log" | sed 's/^/# /'
fi
echo "1..$n"
exit $bad
