#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# init.sh: PID 1 of the SNP guest. Says who it is, asks the firmware, and ends.
export PATH=/bin
/bin/busybox --install -s /bin
mkdir -p /dev /proc /sys
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
echo "guest: up"
dmesg | grep -e 'Memory Encryption' -e 'SEV: ' -e 'smp: Brought'
# From here on the console is ours: the report must not be torn.
dmesg -n 1
echo "guest: $(grep -c ^processor /proc/cpuinfo) vCPUs"
sh -c 'echo "guest: a shell, PID $$, $(uname -r)"'

while read -r m; do
	insmod "/lib/$m.ko"
done < /lib/order
dmesg | grep 'SEV guest driver'
report
echo "guest: report exits with $?"

mount -t configfs config /sys/kernel/config
r=/sys/kernel/config/tsm/report/r
mkdir $r
head -c 64 /dev/zero > $r/inblob
echo "guest: configfs-tsm: $(cat $r/provider), $(wc -c < $r/outblob) bytes"
# The driver can't come back while there is one.
rmdir $r

dmesg | grep -e 'detected stall' -e 'soft lockup' -e 'Call Trace' -e 'blocked for more' \
	-e 'BUG:' -e 'WARNING: CPU' || echo "guest: no complaint of the kernel"

# stress SECONDS: all processors busy with page faults, forks and wake-ups; meanwhile an
# NMI for each of the others, and its answer, over and over.
stress() {
	cpus=$(grep -c ^processor /proc/cpuinfo)
	end=$(($(cut -d. -f1 /proc/uptime) + $1)) rounds=0 answers=0 stalls=0
	for cpu in $(seq 0 $((cpus - 1))); do
		while :; do
			taskset "$((1 << cpu))" dd if=/dev/zero bs=64k count=8 2>/dev/null | md5sum
			ls -R /sys/class
		done > /dev/null 2>&1 &
	done
	while [ "$(cut -d. -f1 /proc/uptime)" -lt $end ]; do
		stalls=$((stalls + $(dmesg -c | grep -c -e 'detected stall' -e 'soft lockup')))
		echo l > /proc/sysrq-trigger
		sleep 1
		answers=$((answers + $(dmesg | grep -c 'NMI backtrace for cpu')))
		rounds=$((rounds + 1))
	done
	grep -e NMI -e LOC -e RES -e CAL -e TLB /proc/interrupts
	echo "guest: stress: $rounds rounds, $answers answers of $cpus CPUs, $stalls stalls"
	[ $answers -ne $((rounds * cpus)) ] || [ $stalls -gt 0 ] || echo "guest: stress: good"
}

# storm: the driver makes pages shared when it comes and private when it goes.
storm() {
	rounds=0
	while [ ! -e /calm ] && rmmod sev_guest && insmod /lib/sev-guest.ko; do
		rounds=$((rounds + 1))
	done
	[ ! -e /calm ] || [ ! -c /dev/sev-guest ] || echo "guest: storm: good, $rounds rounds"
}

case " $(cat /proc/cmdline) " in
*" snp.storm "*)
	echo "guest: storm begins"
	storm &
	storm=$!
	;;
esac

case " $(cat /proc/cmdline) " in
*" snp.stress="*)
	s=$(sed 's/.*snp\.stress=\([0-9]*\).*/\1/' /proc/cmdline)
	stress "$s"
	;;
esac

if [ -n "${storm:-}" ]; then
	touch /calm
	wait "$storm"
	report > /report
	echo "guest: after the storm: report exits with $?"
	# The processes of stress go on.
	echo "guest: waits to be punched"
	sleep 300
fi

# For a person, not for a test
case " $(cat /proc/cmdline) " in
*" snp.shell "*) setsid -c sh -i ;;
esac
echo "guest: end"
poweroff -f
