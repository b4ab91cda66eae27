#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# snp_digest.sh SANITIZED STATIC OVMF: the program snp-digest from outside.
# SANITIZED is built with ASan and UBSan, STATIC as users have it; OVMF is Debian's
# package, unpacked.
#
# Expected digests are published ones; each names the public suite it came from.
set -u

san=$(realpath "$1") static=$(realpath "$2") ovmf=${3:?no package ovmf}/usr/share/ovmf/OVMF.fd
here=$(cd "$(dirname "$0")" && pwd)
corpus=$(cd "$here/../corpus" && pwd)
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
cd "$tmp" || exit 1

n=0 bad=0
# shellcheck source=tools/vm/ktap.sh
. "$here/../../vm/ktap.sh"

# The program may end without freeing what it has: it is no leak then.
run() { ASAN_OPTIONS=detect_leaks=0 "$san" "$@"; }

# digest NAME WANTED ARGUMENTS...: by both programs
digest() {
	name=$1 want=$2 rc=0
	shift 2
	for p in "$san" "$static"; do
		got=$(ASAN_OPTIONS=detect_leaks=1 "$p" "$@" 2>&1) && [ "$got" = "$want" ] && continue
		echo "# $(basename "$(dirname "$p")")/snp-digest $*:"
		echo "$got" | sed 's/^/#   /'
		echo "#   wanted $want"
		rc=1
	done
	result $rc "$name"
}

# refused EXIT_CODE MESSAGE ARGUMENTS...: nothing on stdout, and a message of one line
refused() {
	code=$1 message=$2 rc=0
	shift 2
	run "$@" > out 2> err
	got=$?
	case $(cat err) in
	*"$message"*) ;;
	*) rc=1 ;;
	esac
	[ "$got" = "$code" ] && [ ! -s out ] && [ "$(wc -l < err)" -le 2 ] || rc=1
	[ $rc = 0 ] || sed 's/^/# /' out err
	result $rc "refused ($got): $message"
}

# page FILE: 4096 bytes: zeros, but for lines "OFFSET BYTE..." (hexadecimal) on stdin
page() {
	LC_ALL=C gawk '
		{ at = strtonum("0x" $1); for (i = 2; i <= NF; i++) byte[at++] = $i }
		END { for (i = 0; i < 4096; i++) printf "%c", strtonum("0x" byte[i]) }' > "$1"
}

echo "TAP version 13"

#
# Lists of pages
#

# google/gce-tcb-verifier, sev/sev_test.go
page first <<END
0 4c 47 54 4d 4c 47 54 4d 4c 47 54 4d 4c 47 54 4d
END
page last <<END
ff0 4c 47 54 4d 4c 47 54 4d 4c 47 54 4d 4c 47 54 4d
END
printf 'normal 0 first\nnormal 0x1000 -\nnormal 0x2000 last\n' > a1
digest "A1: normal pages" \
	cba1cd767c33b30f96271837dbbae4081a945464a5af397b9b0336b5d8759ee88cc6b62c05d915c4424a9ac5747437d4 \
	--pages a1
printf '# zeros\nzero 0x9000 -\nzero 0xa000 -\nzero 0xb000 -\n' > a2
digest "A2: zero pages" \
	4bfe18477ba370a50329da74b9621e721c4f29663176e08fbcf088a17c1bc45f133898b86d5082acbe202a6e9419808a \
	--pages a2

# Synthetic; two independent implementations agree.
head -c 4096 /dev/zero | tr '\0' '\364' > f
# The VMSA of a BSP as QEMU and KVM make it, EPYC-v4, SEV_FEATURES 1.
page vmsa <<END
000 00 00 93 00 ff ff
010 00 f0 9b 00 ff ff 00 00 00 00 ff ff
020 00 00 93 00 ff ff
030 00 00 93 00 ff ff
040 00 00 93 00 ff ff
050 00 00 93 00 ff ff
064 ff ff
070 00 00 82 00 ff ff
084 ff ff
090 00 00 8b 00 ff ff
0d0 00 10
148 40
158 10
160 00 04
168 f0 0f ff ff
170 02
178 f0 ff
268 06 04 07 00 06 04 07
310 12 0f 80
3b0 01
3e8 01
408 80 1f
410 7f 03
END
echo "normal 0x1000 f" > s1
digest "S1: a normal page" \
	e4f6f9472e1f93dac0bc2b3442644cff31785ea819565c7006b25210edb63ec4fa556db6cd811756e3cb147e94d99b5f \
	--pages s1
echo "unmeasured 0x5000 f" > s2
digest "S2: an unmeasured page" \
	7d2de4ec67cb8b23d14189e7c2dc7fb13f7380893873205f441cbec4cd3221fec56fe2672edc876723f41078c2e1b525 \
	--pages s2
echo "vmsa 0xfffffffff000 vmsa" > s3
digest "S3: a VMSA" \
	108432463da76821f35c5daf2f7aecc0ce9ce88652de5f70f638c7a0345c11f2f80025654b80e7be10a9fe0ee1b75f33 \
	--pages s3
cat s1 s3 > s5
s5=2a4b9f61239267b92aef31dc7c3e5e96389f295f9d2da17913dc6ae4a52ab74103280587922bc9c0488a44a4cfca2275
digest "S5: both" $s5 --pages s5
# A pipe has no size, and this is more than a buffer.
[ "$({ yes "# a comment" | head -n 20000; cat s5; } | run --pages /dev/stdin)" = $s5 ]
result $? "S5: by a pipe, behind 240,000 bytes of comments"
digest "S5: the second, from the digest of the first" $s5 --pages s3 \
	--seed e4f6f9472e1f93dac0bc2b3442644cff31785ea819565c7006b25210edb63ec4fa556db6cd811756e3cb147e94d99b5f

#
# OVMF. virtee/sev-snp-measure, tests/test_guest.py: the image with a place for
# kernel hashes is rebuilt without its code, so that the digest starts behind it.
#
hashes="--ovmf $corpus/ovmf/kernel-hashes --skip-image --seed"
hashes="$hashes 086e2e9149ebf45abdc3445fba5b2da8270bdbb04094d7a2c37faaa4b24af3aa16aff8c374c2a55c467a50da6d466b74"
# shellcheck disable=SC2086
{
	digest "OVMF, kernel, 1 vCPU" \
		ddc5224521617a536ee7ce9dd6224d1b58a8d4fda1c741f3ac99fc4bfa04ba6e9fc98646d4a07a9079397fa3852819b5 \
		$hashes --vcpus 1 --cpu EPYC-v4 --kernel /dev/null --initrd /dev/null --append ""
	digest "OVMF, no kernel, 1 vCPU" \
		19358ba9a7615534a9a1e2f0dfc29384dcd4dcb7062ff9c6013b26869a5fc6ecabe033c48dd6f6db5d6d76e7c5df632d \
		$hashes --vcpus 1 --cpu-sig 0x800f12
	digest "OVMF, kernel, 4 vCPUs" \
		5061fffb019493a903613d56d54b94912a1a2f9e4502385f5c194616753720a92441310ba6c4933de877c36e23046ad5 \
		$hashes --vcpus 4 --cpu EPYC --kernel /dev/null
	digest "OVMF, kernel with command line, SEV_FEATURES 0x21" \
		803f691094946e42068aaa3a8f9e26a5c89f36f7b73ecfb28c653360fe4b3aba7e534442e7e1e17895dfe778d0228977 \
		$hashes --vcpus 1 --cpu EPYC-v4 --sev-features 0x21 --kernel /dev/null \
		--append "console=ttyS0 loglevel=7"
}

# Debian's image: its last page is that of the other image of that suite, which
# measures this page alone.
tail -c 4096 "$ovmf" > suffix
digest "Debian's OVMF, last page, SEV_FEATURES 1" \
	da0296de8193586a5512078dcd719eccecbd87e2b825ad4148c44f665dc87df21e5b49e21523a9ad993afdb6a30b4005 \
	--ovmf suffix --vcpus 1 --cpu EPYC-v4
digest "Debian's OVMF, last page, SEV_FEATURES 0x21" \
	28797ae0afaba4005a81e629acebfb59e6687949d6be44007cd5506823b0dd66f146aaae26ff291eed7b493d8a64c385 \
	--ovmf suffix --vcpus 1 --cpu EPYC-v4 --sev-features 0x21
# The whole image, by way of the list of its pages
run --ovmf "$ovmf" --vcpus 3 --cpu EPYC-Milan --explain > explained
image_pages=$(($(stat -c %s "$ovmf") / 4096))
split -b 4096 -a 4 -d "$ovmf" part.
awk -v image=$image_pages 'NF == 5 && NR <= image { printf "%s %s part.%04d\n", $2, $3, $1 }
	NF == 5 && NR > image && $2 != "vmsa" { print $2, $3, "-" }' explained > list
[ "$(run --pages list)" = "$(awk '$2 == "vmsa" { exit } { d = $5 } END { print d }' explained)" ]
result $? "Debian's OVMF: --explain and --pages agree on $image_pages pages and the sections"
[ "$(awk '$2 == "vmsa" && $3 == "0xfffffffff000"' explained | wc -l)" = 3 ]
result $? "Debian's OVMF: 3 VMSAs at KVM's address"
refused 1 "has no place for kernel hashes" --ovmf "$ovmf" --vcpus 1 --cpu EPYC --kernel f

# A VMSA that is not KVM's makes the number of other vCPUs immaterial.
# shellcheck disable=SC2086
{
	one=$(run $hashes --vcpus 1 --cpu EPYC --vmsa-gpa 0x7000)
	[ -n "$one" ] && [ "$one" = "$(run $hashes --vcpus 3 --cpu EPYC --vmsa-gpa 0x7000,none,none)" ]
	result $? "a VMSA at a GPA, and APs that have none"
	[ "$(run $hashes --vcpus 2 --cpu EPYC --vmsa-gpa kvm,0x7000 --explain |
		awk '$2 == "vmsa" { printf "%s ", $3 }')" = "0x000000007000 0xfffffffff000 " ]
	result $? "KVM's VMSAs come last"
}

#
# IGVM, and the forms of output
#
digest "IGVM: a VMSA is a page like others" "$(printf 'vmsa 0x7000 zeros\n' > z
	head -c 4096 /dev/zero > zeros; run --pages z)" --igvm "$corpus/igvm/vp-context"
digest "IGVM: a VMSA at another GPA" "$(printf 'vmsa 0xfffffffff000 zeros\n' > z; run --pages z)" \
	--igvm "$corpus/igvm/vp-context" --vmsa-gpa kvm
run --igvm "$corpus/igvm/pages" --explain --empty-pages zero 2> err |
	awk 'NF == 5 { printf "%s-%s ", $2, substr($3, 9) }' > out
[ "$(cat out)" = "zero-000000 cpuid-002000 cpuid-003000 " ] &&
	grep -q "has no VP context" err
result $? "IGVM: types of pages, and a warning without VP context"

run --igvm "$corpus/igvm/id-block" --json > out 2> err
[ $? = 3 ] && grep -q '"id_block_matches": false' out && grep -q "would refuse the launch" err
result $? "IGVM: an ID block with another digest"
run --igvm "$corpus/igvm/id-block" --json --seed "$(printf %096d 0 | tr 0 a)" > out 2> err &&
	grep -q '"id_block_matches": true' out && ! grep -q refuse err
result $? "IGVM: an ID block with this digest"

[ "$(run --pages s5 --explain | wc -l)" = 3 ] &&
	[ "$(run --pages s5 --explain | tail -n 1)" = $s5 ] &&
	[ "$(run --pages s5 --explain | awk 'NR == 2 { print $1, $2, $3, $4, $5 }')" = \
	"1 vmsa 0xfffffffff000 $(sha384sum < vmsa | cut -d' ' -f1) $s5" ] &&
	[ "$(run --pages s2 --explain | awk 'NR == 1 { print $4 }')" = "-" ]
result $? "--explain"
for a in "--pages s5" "--pages /dev/null" "--igvm $corpus/igvm/pages --empty-pages zero"; do
	# shellcheck disable=SC2086
	run $a --json --explain 2> /dev/null | python3 -m json.tool > /dev/null || break
done
result $? "--json is JSON"
run --help > out && grep -q -- --vmsa-gpa out
result $? "--help"
run --pages s5 > /dev/full 2> err
[ $? = 1 ] && grep -q "cannot write the result: No space left" err
result $? "a full disk"

#
# Errors: what failed, the value seen, the value wanted, the next step
#
refused 2 "one of --igvm, --ovmf and --pages is needed"
refused 2 "--igvm, --ovmf and --pages exclude each other" --igvm x --pages y
refused 2 "--seed is given twice" --pages x --seed 1 --seed 2
refused 2 "what is 'x'" --pages y x
refused 2 "see snp-digest --help" --nonsense
refused 2 "--vcpus does not go with --pages" --pages s5 --vcpus 1
refused 2 "--empty-pages does not go with --ovmf" --ovmf f --empty-pages zero
refused 2 "--empty-pages 'no': wanted normal or zero" --igvm f --empty-pages no
refused 2 "--seed 'abc': wanted 96 hexadecimal digits" --pages s5 --seed abc
refused 2 "--ovmf needs --vcpus" --ovmf f --cpu EPYC
refused 2 "--ovmf needs one of --cpu and --cpu-sig" --ovmf f --vcpus 1
refused 2 "--ovmf needs one of --cpu and --cpu-sig" --ovmf f --vcpus 1 --cpu EPYC --cpu-sig 1
refused 2 "--vcpus '0': wanted a number from 0x1 to 0x1000" --ovmf f --vcpus 0 --cpu EPYC
refused 2 "--vcpus '-1': wanted" --ovmf f --vcpus -1 --cpu EPYC
refused 2 "--vcpus '1x': wanted" --ovmf f --vcpus 1x --cpu EPYC
refused 2 "--cpu 'EPYC-Naples' is not known" --ovmf f --vcpus 1 --cpu EPYC-Naples
refused 2 "--cpu 'EPYC-v' is not known" --ovmf f --vcpus 1 --cpu EPYC-v
refused 2 "--cpu-sig '0x100000000': wanted" --ovmf f --vcpus 1 --cpu-sig 0x100000000
refused 2 "--sev-features 0x20: bit 0, SNPActive" --ovmf f --vcpus 1 --cpu EPYC --sev-features 0x20
refused 2 "--initrd and --append need --kernel" --ovmf f --vcpus 1 --cpu EPYC --append x
refused 2 "--skip-image needs --seed" --ovmf f --vcpus 1 --cpu EPYC --skip-image
refused 2 "--vmsa-gpa '0x10': wanted a multiple of 4096" --ovmf f --vcpus 1 --cpu EPYC --vmsa-gpa 0x10
refused 2 "--vmsa-gpa '': wanted a number" --ovmf f --vcpus 1 --cpu EPYC --vmsa-gpa kvm,
refused 2 "--vmsa-gpa has 2 entries for 1 vCPUs" --ovmf f --vcpus 1 --cpu EPYC --vmsa-gpa kvm,kvm
refused 2 "--vmsa-gpa has 2 entries, but" --igvm "$corpus/igvm/vp-context" --vmsa-gpa kvm,kvm
refused 1 "cannot read '$tmp/none': No such file" --igvm "$tmp/none"
refused 1 "cannot read '$tmp': Is a directory" --igvm "$tmp"
refused 1 "'f' is refused: at offset 0x0: no IGVM file: magic 0xf4f4f4f4" --igvm f
refused 1 "'f' is refused: at offset 0xfd0: no table of GUIDs" --ovmf f --vcpus 1 --cpu EPYC
printf 'normal 0 f\nnormal 0x1000 none\n' > list
refused 1 "'list', line 2: cannot read 'none': No such file" --pages list
printf 'normal 0 f\nnormal 0x1000 s5\n' > list
refused 1 "'list', line 2: 's5' has 41 bytes, wanted 4096" --pages list --explain
printf '\nmeasured 0 f\n' > list
refused 1 "'list' is refused: line 2: type 'measured', wanted normal" --pages list --json
LC_ALL=C gawk 'BEGIN { for (i = 0; i < 32; i++) printf "%c", i }' > list
refused 1 "type" --pages list

echo "1..$n"
exit $bad
