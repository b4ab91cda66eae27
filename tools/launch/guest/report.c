// SPDX-License-Identifier: GPL-2.0
/* An attestation report, if the platform has it: ABI, chapter "Guest Messages". */
#include "guest.h"

#define GHCB_GUEST_REQUEST	0x80000011ull

#define MSG_REPORT_REQ		5
#define MSG_REPORT_RSP		6
#define ALGO_AES_256_GCM	1
#define SECRETS_VMPCK0		0x20

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
#define REPORT_DATA		0x050
#define REPORT_MEASUREMENT	0x090

/*
 * @request and @response: pages that are shared.  Says what came back; that
 * there is no report is no failure of the guest.
 */
void report(void *request, void *response)
{
	const u8 *key = secrets_page + SECRETS_VMPCK0;
	static struct message msg;
	u64 error;
	u32 i;

	msg.seqno = 1;
	msg.algo = ALGO_AES_256_GCM;
	msg.header_version = 1;
	msg.header_size = offsetof(struct message, payload);
	msg.type = MSG_REPORT_REQ;
	msg.version = 1;
	msg.size = REQ_SIZE;
	for (i = 0; i < 64; i++)
		msg.payload[i] = 0xa0 + i;
	gcm_encrypt(key, msg.seqno, (u8 *)&msg + AAD_START, AAD_SIZE, msg.payload, msg.size,
		    msg.tag);
	memcpy(request, &msg, sizeof(msg));
	memset(response, 0, PAGE_SIZE);

	CHECK("guest request", ghcb_call(GHCB_GUEST_REQUEST, (u64)request - SHARED_ALIAS,
					 (u64)response - SHARED_ALIAS, 0), 0);
	error = this_cpu()->ghcb->sw_exit_info_2;
	if (error) {
		print("guest: no attestation report: firmware 0x%x%s, hypervisor 0x%x\n",
		      (u32)error, (u32)error == 0x11 ? " (INVALID_COMMAND)" : "",
		      (u32)(error >> 32));
		return;
	}

	/* The other side may still write to the page: judge a copy. */
	memcpy(&msg, response, sizeof(msg));
	CHECK("sequence number of the answer", msg.seqno, 2);
	CHECK("type of the answer", msg.type, MSG_REPORT_RSP);
	CHECK("size of the answer", msg.size >= RSP_REPORT + REPORT_SIZE &&
	      msg.size <= sizeof(msg.payload), 1);
	CHECK("tag of the answer", gcm_decrypt(key, msg.seqno, (u8 *)&msg + AAD_START, AAD_SIZE,
					       msg.payload, msg.size, msg.tag), 1);
	CHECK("status of the report", *(u32 *)msg.payload, 0);
	for (i = 0; i < 64; i++)
		CHECK("report data", msg.payload[RSP_REPORT + REPORT_DATA + i], 0xa0 + i);
	print("guest: attestation report, measurement ");
	print_hex(msg.payload + RSP_REPORT + REPORT_MEASUREMENT, 48);
	print("\n");
}
