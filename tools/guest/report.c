// SPDX-License-Identifier: GPL-2.0
/*
 * report: what an SNP guest asks the firmware for, through Linux' /dev/sev-guest:
 * an attestation report, derived keys, and requests that must be refused.
 *
 *	report		KTAP on stdout; "# report HEX" are pieces of the report
 *
 * Exit code 0 if all is as the ABI (56860, "Guest Messages") has it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sev-guest.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* STATUS of a response, and where the report starts */
#define STATUS_OK		0x00
#define STATUS_INVALID_PARAM	0x16
#define STATUS_INVALID_KEY	0x27
#define REPORT_OFFSET		0x20
#define REPORT_SIZE		0x4a0

/* MSG_REPORT_REQ as the firmware sees it: Linux has no KEY_SEL. */
struct report_req {
	uint8_t user_data[64];
	uint32_t vmpl;
	uint32_t key_sel;
	uint8_t rsvd[24];
};

static int nr, bad, fd;

static void check(bool ok, const char *what)
{
	printf("%sok %d %s\n", ok ? "" : "not ", ++nr, what);
	bad |= !ok;
}

/* Fills *resp; returns the first word of it, the STATUS, or -1 with a message. */
static long request(unsigned long cmd, void *req, uint8_t *resp, size_t len)
{
	struct snp_guest_request_ioctl arg = {
		.msg_version = 1,
		.req_data = (uintptr_t)req,
		.resp_data = (uintptr_t)resp,
	};
	uint32_t status;

	memset(resp, 0, len);
	if (ioctl(fd, cmd, &arg)) {
		printf("# ioctl 0x%lx: %s, firmware 0x%llx\n", cmd, strerror(errno),
		       (unsigned long long)arg.exitinfo2);
		return -1;
	}
	memcpy(&status, resp, sizeof(status));
	return status;
}

static long report(struct report_req *req, uint8_t *resp)
{
	_Static_assert(sizeof(*req) == sizeof(struct snp_report_req), "MSG_REPORT_REQ");
	return request(SNP_GET_REPORT, req, resp, sizeof(struct snp_report_resp));
}

static long key(struct snp_derived_key_req *req, uint8_t *resp)
{
	return request(SNP_GET_DERIVED_KEY, req, resp, sizeof(struct snp_derived_key_resp));
}

static void reports(void)
{
	struct report_req req = { .vmpl = 0 };
	uint8_t resp[sizeof(struct snp_report_resp)];
	int i;

	for (i = 0; i < 64; i++)
		req.user_data[i] = i;
	check(report(&req, resp) == STATUS_OK, "report");
	check(!memcmp(resp + REPORT_OFFSET + 0x50, req.user_data, 64), "report data");
	for (i = 0; i < REPORT_SIZE; i++)
		printf("%s%02x%s", i % 32 ? "" : "# report ", resp[REPORT_OFFSET + i],
		       i % 32 == 31 ? "\n" : "");

	req.vmpl = 3;
	check(report(&req, resp) == STATUS_OK && resp[REPORT_OFFSET + 0x30] == 3,
	      "report for VMPL 3");
	req.vmpl = 4;
	check(report(&req, resp) == STATUS_INVALID_PARAM, "report for VMPL 4 is refused");
	req.vmpl = 0;
	req.key_sel = 2;
	check(report(&req, resp) == STATUS_INVALID_KEY, "no VLEK");
	req.key_sel = 3;
	check(report(&req, resp) == STATUS_INVALID_PARAM, "KEY_SEL 3 is refused");
	req.key_sel = 0;
	req.rsvd[0] = 1;
	check(report(&req, resp) == STATUS_INVALID_PARAM, "reserved byte is refused");
}

static void keys(void)
{
	struct snp_derived_key_req req = { .guest_field_select = 0x9 };
	uint8_t one[sizeof(struct snp_derived_key_resp)];
	uint8_t two[sizeof(struct snp_derived_key_resp)];

	check(key(&req, one) == STATUS_OK && key(&req, two) == STATUS_OK &&
	      !memcmp(one, two, sizeof(one)), "derived key, twice the same");
	req.guest_field_select = 0x1;
	check(key(&req, two) == STATUS_OK && memcmp(one, two, sizeof(one)),
	      "another field, another key");
	req.vmpl = 1;
	check(key(&req, one) == STATUS_OK && memcmp(one, two, sizeof(one)),
	      "another VMPL, another key");
	req.root_key_select = 1;
	check(key(&req, two) == STATUS_OK && memcmp(one, two, sizeof(one)),
	      "another root, another key");
	req.guest_svn = 1;
	check(key(&req, one) == STATUS_INVALID_PARAM, "SVN above the guest's is refused");
	req.guest_svn = 0;
	req.guest_field_select = 1ULL << 63;
	check(key(&req, one) == STATUS_INVALID_PARAM, "reserved field is refused");
	req.guest_field_select = 0;
	req.tcb_version = UINT64_MAX;
	check(key(&req, one) == STATUS_INVALID_PARAM, "TCB above the firmware's is refused");
}

int main(void)
{
	fd = open("/dev/sev-guest", O_RDWR);
	if (fd < 0) {
		printf("report: /dev/sev-guest: %s; is sev-guest.ko loaded in an SNP guest?\n",
		       strerror(errno));
		return 1;
	}
	printf("KTAP version 1\n");
	reports();
	keys();
	printf("1..%d\n", nr);
	close(fd);
	return bad;
}
