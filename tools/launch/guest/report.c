// SPDX-License-Identifier: GPL-2.0
/*
 * Attestation reports, if the platform has them: ABI, chapter "Guest Messages"; and the
 * certificates that come with them: GHCB, "SNP Extended Guest Request".
 */
#include "guest.h"

#define GHCB_GUEST_REQUEST	0x80000011ull
#define GHCB_EXT_GUEST_REQUEST	0x80000012ull
/* Upper half of SW_EXITINFO2: what the hypervisor says; the last one is KVM's own */
#define VMM_INVALID_LEN		1u
#define VMM_BUSY		2u
#define VMM_GENERIC		0xffffffffu
/* SW_EXITINFO1, and 2 with it */
#define RESP_MALFORMED		2
#define ERR_INVALID_INPUT	5

#define MSG_REPORT_REQ		5
#define MSG_REPORT_RSP		6
#define ALGO_AES_256_GCM	1
#define SECRETS_VMPCK0		0x20
#define NR_VMPL			4
#define STATUS_INVALID_PARAM	0x16

/* ABI, table "Guest Message Header"; the tag covers what comes after it. */
struct message {
	u8 tag[32];
	u64 seqno;
	u64 reserved_28;
	u8 algo;
	u8 header_version;
	u16 header_size;
	u8 type;
	u8 version;
	u16 size;
	u32 reserved_38;
	u8 vmpck;
	u8 reserved_3d[35];
	u8 payload[4000];
} __attribute__((packed, aligned(8)));

#define AAD_START	offsetof(struct message, algo)
#define AAD_SIZE	(offsetof(struct message, payload) - AAD_START)

static_assert(sizeof(struct message) == PAGE_SIZE, "guest message");
static_assert(AAD_SIZE == 48, "guest message");

/* ABI, tables "MSG_REPORT_REQ", "MSG_REPORT_RSP" and "ATTESTATION_REPORT" */
#define REQ_SIZE		96
#define RSP_REPORT		32
#define REPORT_SIZE		1184
#define REPORT_VMPL		0x030
#define REPORT_DATA		0x050
#define REPORT_MEASUREMENT	0x090

/* Certificates: GUID as it is written, from left to right; offset and length */
struct cert {
	u8 guid[16];
	u32 offset, length;
};

/* Messages so far, both ways, under each key of the secrets page */
static u64 seqno[NR_VMPL];
static struct message msg;

/*
 * A report for @vmpl, asked for under the key of VMPL @vmpck.  @request and @response
 * are shared; *@pages of certificates go to @certs if that is not NULL.  Returns
 * SW_EXITINFO2; if it is 0 the answer is in msg.
 */
static u64 ask(void *request, void *response, u32 vmpck, u32 vmpl, void *certs, u64 *pages)
{
	const u8 *key = secrets_page + SECRETS_VMPCK0 + 32 * vmpck;
	u64 error;
	u32 i, malformed;

	memset(&msg, 0, sizeof(msg));
	msg.seqno = seqno[vmpck] + 1;
	msg.algo = ALGO_AES_256_GCM;
	msg.header_version = 1;
	msg.header_size = offsetof(struct message, payload);
	msg.type = MSG_REPORT_REQ;
	msg.version = 1;
	msg.size = REQ_SIZE;
	msg.vmpck = vmpck;
	for (i = 0; i < 64; i++)
		msg.payload[i] = 0xa0 + i;
	memcpy(msg.payload + 64, &vmpl, sizeof(vmpl));
	gcm_encrypt(key, msg.seqno, (u8 *)&msg + AAD_START, AAD_SIZE, msg.payload, msg.size,
		    msg.tag);
	memcpy(request, &msg, sizeof(msg));
	memset(response, 0, PAGE_SIZE);

	malformed = ghcb_call_rbx(certs ? GHCB_EXT_GUEST_REQUEST : GHCB_GUEST_REQUEST,
				  (u64)request - SHARED_ALIAS, (u64)response - SHARED_ALIAS,
				  certs ? (u64)certs - SHARED_ALIAS : 0, pages);
	error = this_cpu()->ghcb->sw_exit_info_2;
	if (malformed) {
		CHECK("what is wrong with the request", malformed, RESP_MALFORMED);
		CHECK("why it is wrong", error, ERR_INVALID_INPUT);
		return error;
	}
	if (error)
		return error;

	/* The other side may still write to the page: judge a copy. */
	memcpy(&msg, response, sizeof(msg));
	seqno[vmpck] += 2;
	CHECK("sequence number of the answer", msg.seqno, seqno[vmpck]);
	CHECK("type of the answer", msg.type, MSG_REPORT_RSP);
	CHECK("size of the answer", msg.size <= sizeof(msg.payload), 1);
	CHECK("tag of the answer", gcm_decrypt(key, msg.seqno, (u8 *)&msg + AAD_START, AAD_SIZE,
					       msg.payload, msg.size, msg.tag), 1);
	return 0;
}

static void check_report(u32 vmpl)
{
	u32 i;

	CHECK("status of the report", *(u32 *)msg.payload, 0);
	CHECK("size of the report", msg.size >= RSP_REPORT + REPORT_SIZE, 1);
	CHECK("VMPL of the report", *(u32 *)(msg.payload + RSP_REPORT + REPORT_VMPL), vmpl);
	for (i = 0; i < 64; i++)
		CHECK("report data", msg.payload[RSP_REPORT + REPORT_DATA + i], 0xa0 + i);
}

/* A VMPL speaks for itself and for those that have less to say. */
static void by_vmpl(void *request, void *response)
{
	u32 vmpck, vmpl;

	for (vmpck = 0; vmpck < NR_VMPL; vmpck++)
		for (vmpl = 0; vmpl <= NR_VMPL; vmpl++) {
			CHECK("guest request", ask(request, response, vmpck, vmpl, NULL, NULL), 0);
			if (vmpl >= vmpck && vmpl < NR_VMPL)
				check_report(vmpl);
			else
				CHECK("status of a report for another VMPL",
				      *(u32 *)msg.payload, STATUS_INVALID_PARAM);
		}
	print("guest: reports for each VMPL, by the keys of those that may ask for them\n");
}

/*
 * @request and @response: pages that are shared.  Says what came back; that
 * there is no report is no failure of the guest.
 */
void report(void *request, void *response)
{
	u64 error = ask(request, response, 0, 0, NULL, NULL);

	if (error) {
		print("guest: no attestation report: firmware 0x%x%s, hypervisor 0x%x\n",
		      (u32)error, (u32)error == 0x11 ? " (INVALID_COMMAND)" : "",
		      (u32)(error >> 32));
		return;
	}
	check_report(0);
	print("guest: attestation report, measurement ");
	print_hex(msg.payload + RSP_REPORT + REPORT_MEASUREMENT, 48);
	print("\n");
	by_vmpl(request, response);
}

/* Each one once, within the pages, and in DER of that length; returns where they end. */
static u32 check_table(const u8 *table, u32 size)
{
	static const struct {
		u8 guid[16];
		const char *name;
	} known[] = {
		{ { 0x63, 0xda, 0x75, 0x8d, 0xe6, 0x64, 0x45, 0x64,
		    0xad, 0xc5, 0xf4, 0xb9, 0x3b, 0xe8, 0xac, 0xcd }, "VCEK" },
		{ { 0x4a, 0xb7, 0xb3, 0x79, 0xbb, 0xac, 0x4f, 0xe4,
		    0xa0, 0x2f, 0x05, 0xae, 0xf3, 0x27, 0xc7, 0x82 }, "ASK" },
		{ { 0xc0, 0xb4, 0x06, 0xa4, 0xa8, 0x03, 0x49, 0x52,
		    0x97, 0x43, 0x3f, 0xb6, 0x01, 0x4c, 0xd0, 0xae }, "ARK" },
	};
	const struct cert none = { 0 }, *c = (const void *)table;
	const u8 *der;
	u32 i, end = 0;

	for (i = 0; i < 3; i++, c++) {
		CHECK("GUID of a certificate", memcmp(c->guid, known[i].guid, 16), 0);
		CHECK("place of a certificate", c->offset >= 4 * sizeof(*c) && c->length >= 4 &&
		      c->offset <= size && c->length <= size - c->offset, 1);
		der = table + c->offset;
		CHECK("SEQUENCE with a length of two bytes", der[0] << 8 | der[1], 0x3082);
		CHECK("length in the certificate", (der[2] << 8 | der[3]) + 4, c->length);
		print("guest: certificate of the %s, %u bytes\n", known[i].name, c->length);
		if (c->offset + c->length > end)
			end = c->offset + c->length;
	}
	CHECK("end of the table", memcmp(c, &none, sizeof(none)), 0);
	return end;
}

/* A report with certificates, for which there is room in @nr shared pages at @pages. */
void certificates(void *request, void *response, void *pages, u32 nr)
{
	u64 have = 0, busy = 0, error;
	u8 *table = pages;
	u32 i, size;

	have = nr;
	CHECK("certificates, unaligned", ask(request, response, 0, 0, table + 8, &have),
	      ERR_INVALID_INPUT);
	have = 0;
	while ((error = ask(request, response, 0, 0, pages, &have))) {
		CHECK("firmware's part of the error", (u32)error, 0);
		switch (error >> 32) {
		case VMM_INVALID_LEN:
			CHECK("pages that are needed", have > 0 && have <= nr, 1);
			print("guest: certificates need %lu pages\n", have);
			break;
		case VMM_BUSY:
			if (!busy++)
				print("guest: certificates: the hypervisor is busy\n");
			break;
		case VMM_GENERIC:
			print("guest: certificates: the hypervisor failed\n");
			/* The same number again, for the firmware saw nothing. */
			CHECK("report without certificates",
			      ask(request, response, 0, 0, NULL, NULL), 0);
			check_report(0);
			return;
		default:
			failed("error of the hypervisor", error >> 32, 0);
		}
	}
	check_report(0);
	if (!have) {
		/* Who gives none says so where there is room for it. */
		have = 1;
		memset(table, 0xff, PAGE_SIZE);
		CHECK("certificates", ask(request, response, 0, 0, pages, &have), 0);
		check_report(0);
		for (i = 0; i < sizeof(struct cert); i++)
			CHECK("empty table", table[i], 0);
		CHECK("behind the empty table", table[i], 0xff);
		print("guest: certificates: an empty table\n");
		return;
	}
	size = check_table(table, have * PAGE_SIZE);
	for (i = 0; i < size; i += 64) {
		print("guest: certs ");
		print_hex(table + i, size - i < 64 ? size - i : 64);
		print("\n");
	}
}
