#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# launch.sh ext|base: snp-launch and its guest in a machine, on a KVM that has the
# uAPI and on one that has not. Digests are compared with those that snp-mkigvm
# printed when the files were made.
# shellcheck disable=SC2015
set -u

cd "$(dirname "$0")" || exit 1
PATH=$PATH:.
out=/tmp/launch.out err=/tmp/launch.err
n=0 bad=0
# shellcheck source=/dev/null
. ./ktap.sh

# run STATUS TEXT ARGUMENT...: is that its exit status?
run() {
	want=$1 text=$2
	shift 2
	snp-launch --timeout 100 "$@" > $out 2> $err
	rc=$?
	[ $rc -eq "$want" ]
	result $? "$text: exit status $rc"
	[ $rc -eq "$want" ] || sed 's/^/# /' $out $err
}

# has TEXT PATTERN: is there such a line of output?
has() {
	grep -q -- "$2" $out $err
	result $? "$1"
	grep -q -- "$2" $out $err || sed 's/^/# /' $out $err
}

# hasnot TEXT PATTERN
hasnot() {
	! grep -q -- "$2" $out $err
	result $? "$1"
}

predicted() {
	sed -n 's/^digest *predicted *//p' $out
}

# Firmware's digest, shown by the emulated platform, and firmware's verdict
digests() {
	shown=$(sed -n 's/^ *firmware *\([0-9a-f]*\)$/\1/p' $out)
	[ -n "$(predicted)" ] && { [ "$shown" = "$(predicted)" ] ||
		grep -q 'platform: hardware' $out; }
	result $? "$1: predicted and firmware's digest"
	has "$1: ID block accepted" "firmware took the ID block"
}

# The digest that was printed when this file was made
digest_of() {
	sed -n "s/^$1 //p" digests
}

# is_digest TEXT FILE.igvm: is it what was printed when the file was made?
is_digest() {
	[ "$(predicted)" = "$(digest_of "$2")" ]
	result $? "$1"
}

# Everything that the guest does and counts, for this number of vCPUs
guest() {
	has "$1: guest's end" "^guest: done, $2 vCPUs"
	has "$1: PVALIDATE by #VC" "^guest: #VC: page .* was not validated; now it is"
	has "$1: OUT by #VC" "^guest: #VC: this line by OUT"
	has "$1: conversion by access" "^guest: page .* was shared and private by access alone"
	has "$1: conversions" "^pages    18 became shared, 17 private; 2 of these by access"
	report=$(sed -n 's/^guest: attestation report, measurement //p' $out)
	if [ -n "$report" ]; then
		[ "$report" = "$(predicted)" ]
		result $? "$1: measurement in the attestation report"
		has "$1: reports for each VMPL" "^guest: reports for each VMPL"
	else
		has "$1: why no attestation report" "^guest: no attestation report: firmware 0x"
	fi
}

flip() {
	case $1 in
	0*) echo "1${1#?}" ;;
	*) echo "0${1#?}" ;;
	esac
}

ends() {
	run 6 "status of the guest" "$@" --append status=3
	has "status of the guest: said" "ended with status 3"
	run 6 "termination" "$@" --append term
	has "termination: set and code" "termination: reason set 7, code 4"
	run 6 "no memory" "$@" --append nowhere
	has "no memory: address" "vCPU 0 accessed 0x3ffff000 (private), where no memory is"
	run 6 "triple fault" "$@" --append crash
	has "triple fault: said" "vCPU 0 shut down"
	run 7 "a guest that hangs" --timeout 2 "$@" --append hang
}

# Is what the guest got, in hexadecimal, what the file begins with? (A host may lack xxd.)
got_certs() {
	[ "$(sed -n 's/^guest: certs //p' $out | tr -d '\n')" = "$(
		od -An -v -tx1 certs | tr -d ' \n')" ]
	result $? "$1: all of them"
}

# Extended guest requests; before Linux 7.0 KVM itself gives an empty table.
certs() {
	run 0 "no certificates" "$@" --append certs
	has "no certificates: an empty table" "^guest: certificates: an empty table"
	case $(uname -r) in
	6.*)
		run 4 "certificates" --certs certs "$@"
		has "certificates: why not" "no certificates"
		return
		;;
	esac
	run 0 "certificates" --certs certs "$@" --append certs
	has "certificates: how many pages" "^guest: certificates need 1 pages"
	has "certificates: the platform's" "^guest: certificate of the VCEK, "
	got_certs "certificates"
	cp certs /tmp/certs
	truncate -s 8193 /tmp/certs
	run 0 "certificates on three pages" --certs /tmp/certs "$@" --append certs
	has "certificates on three pages: how many" "^guest: certificates need 3 pages"
	got_certs "certificates on three pages"
	hold /tmp/certs > /tmp/held &
	holder=$!
	until grep -q held /tmp/held; do sleep 0.1; done
	: > $out
	# The guest says so once, and asks again.
	(until grep -q "the hypervisor is busy" $out; do sleep 0.1; done; kill $holder) &
	run 0 "certificates that are being changed" --certs /tmp/certs "$@" --append certs
	kill $! $holder 2>/dev/null
	has "certificates that are being changed: busy" "the hypervisor is busy"
	got_certs "certificates that are being changed"
	run 0 "certificates that are not there" --certs /tmp/none "$@" --append certs
	has "certificates that are not there: said" "^guest: certificates: the hypervisor failed"
	: > /tmp/empty
	run 0 "certificates of no length" --certs /tmp/empty "$@" --append certs
	has "certificates of no length: said" "^guest: certificates: the hypervisor failed"
}

page_states() {
	run 0 "page state changes" "$@" --append psc
	has "page state changes: all rows" "^guest: page state changes: all rows"
	# Beside the 18 and 17: one page, 2 MiB, its last page, 127 of 253, one by MSR; and
	# the same back with 126 of 253 and 2 MiB more.
	has "page state changes: what became of the pages" \
		"^pages    660 became shared, 1170 private; 2 of these by access"
}

vmpl() {
	run 0 "a vCPU at VMPL1" --cpus 3 "$@" --append vmpl
	has "a vCPU at VMPL1: it is" "^guest: vCPU 1 is at VMPL1"
	has "a vCPU at VMPL1: the next one is not" "^guest: vCPU 2 runs, started by the guest"
	hasnot "a vCPU at VMPL1: and does not say so" "^guest: vCPU 2 is at VMPL1"
}

kvm_vmsa() {
	run 0 "--vmsa kvm" --vmsa kvm guest.igvm
	guest "--vmsa kvm" 1
	digests "--vmsa kvm"
	is_digest "--vmsa kvm: digest of the file with its context there" guest-kvm.igvm
	run 0 "--vmsa kvm, an AP" --vmsa kvm --cpus 2 guest.igvm
	guest "--vmsa kvm, an AP" 2
	digests "--vmsa kvm, an AP"
	has "--vmsa kvm, an AP: it runs" "^guest: vCPU 1 runs, started by the guest"
	[ "$(predicted)" != "$(digest_of guest-kvm.igvm)" ]
	result $? "--vmsa kvm, an AP: the digest depends on it"
	run 0 "--vmsa kvm, two contexts" --vmsa kvm --cpus 3 guest-2.igvm
	guest "--vmsa kvm, two contexts" 3
	digests "--vmsa kvm, two contexts"
	has "--vmsa kvm, two contexts: the second runs" "^guest: vCPU 1 runs, as the file has it"
	run 5 "--vmsa kvm, ID block for another place" --vmsa kvm guest-id.igvm
	has "--vmsa kvm, ID block for another place: refused" "BAD_MEASUREMENT"
	run 3 "--vmsa kvm, XMM registers" --vmsa kvm guest-xmm.igvm
	has "--vmsa kvm, XMM registers: where" "offset 0x470: 0x5a, KVM has 0x00"
}

negative() {
	head -c 5000 guest.igvm > /tmp/short.igvm
	run 3 "a file cut short" /tmp/short.igvm
	has "a file cut short: offset" "offset 0x"
	hasnot "a file cut short: nothing launched" "launched"
	run 3 "no file" /tmp/none.igvm
	run 2 "no option of that name" --nonsense guest.igvm
	run 2 "too few vCPUs" --cpus 1 guest-2.igvm
	run 4 "SEV_FEATURES that KVM lacks" guest-feature.igvm
	has "SEV_FEATURES that KVM lacks: which" "bits that KVM lacks: 0x8"
	run 1 "policy for another ABI" --vmsa kvm guest-policy.igvm
	has "policy: firmware's error" "LAUNCH_START .*firmware 0x7 POLICY_FAILURE"
}

echo "KTAP version 1"
case ${1:-} in
ext)
	run 0 "launch" --cpus 2 guest.igvm
	guest launch 2
	digests launch
	is_digest "launch: digest of the file" guest.igvm
	has "launch: the AP runs" "^guest: vCPU 1 runs, started by the guest"
	run 0 "four vCPUs" --cpus 4 guest.igvm
	guest "four vCPUs" 4
	digests "four vCPUs"
	is_digest "four vCPUs: the same digest" guest.igvm
	run 0 "two contexts" --cpus 3 guest-2.igvm
	guest "two contexts" 3
	digests "two contexts"
	is_digest "two contexts: digest of the file" guest-2.igvm
	has "two contexts: the second runs" "^guest: vCPU 1 runs, as the file has it"
	has "two contexts: the third too" "^guest: vCPU 2 runs, started by the guest"
	run 0 "empty pages as ZERO" --empty zero guest.igvm
	digests "empty pages as ZERO"
	[ "$(predicted)" != "$(digest_of guest.igvm)" ]
	result $? "empty pages as ZERO: another digest"
	run 0 "context at KVM's address" --cpus 2 guest-kvm.igvm
	digests "context at KVM's address"
	is_digest "context at KVM's address: digest of the file" guest-kvm.igvm
	run 0 "--vmsa build" --vmsa build --cpus 3 guest-2.igvm
	has "--vmsa build: where" "vCPU 1   VMSA built by KVM at 0x19000"
	guest "--vmsa build" 3
	digests "--vmsa build"
	run 3 "--vmsa build, XMM registers" --vmsa build guest-xmm.igvm
	run 0 "XMM registers" guest-xmm.igvm
	has "XMM registers: in the guest" "^guest: .*XMM0 0x5a$"
	is_digest "XMM registers: digest of the file" guest-xmm.igvm
	run 0 "ID block of the file" guest-id.igvm
	digests "ID block of the file"
	run 0 "no ID block" --no-id-block guest.igvm
	run 5 "a wrong digest" --expect "$(flip "$(digest_of guest.igvm)")" guest.igvm
	has "a wrong digest: firmware refuses" "BAD_MEASUREMENT"
	hasnot "a wrong digest: nothing runs" "^guest:"
	run 6 "zap" --cpus 2 --append zap guest.igvm
	has "zap: said" "the VMSA of vCPU 1 at 0x[0-9a-f]* was taken away (LOST"
	run 0 "zap and recovery" --cpus 2 --append zap --zap wait guest.igvm
	has "zap and recovery: it runs again" "^guest: vCPU 1 runs again"
	run 0 "JSON" --cpus 2 --append zap --zap wait --json guest.igvm
	has "JSON: result" '^  "result": "ok",'
	has "JSON: predicted digest" "^    \"predicted\": \"$(digest_of guest.igvm)\","
	has "JSON: firmware's digest" "^    \"firmware\": \"$(digest_of guest.igvm)\","
	has "JSON: zap" '^  "zaps": 1,'
	! grep -q "^guest:" $out
	result $? "JSON: the console is elsewhere"
	run 1 "VMSA at a multiple of 2 MiB" guest-2m.igvm
	has "VMSA at a multiple of 2 MiB: why" "must not be a multiple of 2 MiB"
	ends guest.igvm
	certs guest.igvm
	page_states guest.igvm
	vmpl guest.igvm
	kvm_vmsa
	negative
	;;
base)
	run 4 "a VMSA in guest memory" guest.igvm
	has "a VMSA in guest memory: what to do" "--vmsa kvm launches"
	run 4 "--vmsa build" --vmsa build guest.igvm
	run 0 "context at KVM's address" guest-kvm.igvm
	guest "context at KVM's address" 1
	digests "context at KVM's address"
	is_digest "context at KVM's address: digest of the file" guest-kvm.igvm
	ends --vmsa kvm guest.igvm
	certs --vmsa kvm guest.igvm
	page_states --vmsa kvm guest.igvm
	vmpl --vmsa kvm guest.igvm
	kvm_vmsa
	negative
	;;
*)
	echo "usage: launch.sh ext|base" >&2
	exit 2
	;;
esac
echo "1..$n"
exit $bad
