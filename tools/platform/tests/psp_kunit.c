// SPDX-License-Identifier: GPL-2.0
/*
 * State machine of the SEV firmware, seen from the kernel.
 *
 * Each row names a command, what holds before it and the status that the
 * firmware ABI gives. Rows run through ccp's own sev_do_cmd(), so the same
 * module runs on the emulated platform and on hardware. Some need to know what
 * only the former tells; there they are skipped. Load it with no guest
 * running: it uses ASIDs from the top of KVM's ranges.
 */
#include <kunit/test.h>
#include <linux/cc_platform.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/psp-sev.h>
#include <linux/sizes.h>
#include <linux/smp.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <asm/sev.h>
#include "kernel_compat.h"
#include "snp-ctl-regs.h"

#define GPA		0x1000ULL
#define GPA_2M		0x200000ULL
#define POLICY		(SNP_POLICY_MASK_RSVD_MBO | SNP_POLICY_MASK_SMT)
#define POLICY_DBG	(POLICY | SNP_POLICY_MASK_DEBUG)

/* Guest of SNP: how far it has come. */
enum progress {
	G_NONE,
	G_CREATED,
	G_LAUNCH,
	G_ACTIVE,
	G_ACTIVE_DEBUG,
	G_RUNNING,
};

/* Target page. */
enum target {
	P_HV,
	P_FIRMWARE,
	P_RECLAIM,
	P_PRE_GUEST,
	P_PRE_GUEST_OTHER,
	P_GUEST_INVALID,
	P_GUEST_VALID,
	/* The block of 2 MiB, or its first page */
	P_FIRMWARE_2M,
	P_FIRMWARE_4K,
	P_PRE_GUEST_2M,
};

/* Guest of SEV. */
enum legacy {
	L_NONE,
	L_STARTED,
	L_ACTIVE,
	L_ACTIVE_ES,
	L_ACTIVE_NODBG,
	L_MEASURED,
	L_RUNNING,
};

struct fixture {
	void *gctx, *page, *plain, *fw;
	u64 gctx_pa, pa, plain_pa, fw_pa;
	struct page *block;		/* 2 MiB, for rows that need it */
	u64 block_pa;
	bool block_is_large;
	u32 asid, other_asid;
	u32 sev_asid;
	u32 handle;
	bool created, bound, sev_bound;
};

struct row {
	const char *name;
	enum progress guest;
	enum target page;
	enum legacy legacy;
	int cmd;
	void (*fill)(struct fixture *f, const struct row *r, void *buf);
	u64 arg;
	int status;
	bool emulated;
};

/* What the host does not know by itself; 0 on hardware. */
static u64 rmp_base, rmp_end, tmr, event_log, completion_store;
static u8 __iomem *ctl;

static int cmd(int id, void *data)
{
	int error = 0;
	int ret = sev_do_cmd(id, data, &error);

	if (ret && ret != -EIO)
		return ret;
	return error;
}

#define CMD_OK(id, data) KUNIT_ASSERT_EQ_MSG(test, 0, cmd(id, data), #id)

static bool make_firmware(u64 pa)
{
	return !rmp_make_private(pa >> PAGE_SHIFT, 0, PG_LEVEL_4K, 0, true);
}

/* Works for each state but Context. */
static void make_shared(struct kunit *test, u64 pa)
{
	struct sev_data_snp_page_reclaim d = { .paddr = pa };
	bool assigned;
	int level;

	cmd(SEV_CMD_SNP_PAGE_RECLAIM, &d);
	if (!snp_lookup_rmpentry(pa >> PAGE_SHIFT, &assigned, &level) && assigned)
		KUNIT_EXPECT_EQ(test, 0,
				rmp_make_shared(pa >> PAGE_SHIFT, PG_LEVEL_4K));
}

static void take_block(struct kunit *test, struct fixture *f, bool large, u64 gpa, u32 asid)
{
	f->block = alloc_pages(GFP_KERNEL | __GFP_ZERO, 9);
	KUNIT_ASSERT_NOT_NULL(test, f->block);
	f->block_pa = page_to_phys(f->block);
	f->block_is_large = large;
	KUNIT_ASSERT_EQ(test, 0,
			rmp_make_private(PHYS_PFN(f->block_pa), gpa,
					 large ? PG_LEVEL_2M : PG_LEVEL_4K, asid, true));
}

static void give_block(struct kunit *test, struct fixture *f)
{
	struct sev_data_snp_page_reclaim d = { .paddr = f->block_pa | f->block_is_large };

	if (!f->block)
		return;
	cmd(SEV_CMD_SNP_PAGE_RECLAIM, &d);
	KUNIT_EXPECT_EQ(test, 0, rmp_make_shared(PHYS_PFN(f->block_pa), f->block_is_large ?
						 PG_LEVEL_2M : PG_LEVEL_4K));
	__free_pages(f->block, 9);
}

static void guest_to(struct kunit *test, struct fixture *f, enum progress to)
{
	struct sev_data_snp_addr create = { .address = f->gctx_pa };
	struct sev_data_snp_launch_start start = {
		.gctx_paddr = f->gctx_pa,
		.policy = to == G_ACTIVE_DEBUG ? POLICY_DBG : POLICY,
	};
	struct sev_data_snp_activate act = {
		.gctx_paddr = f->gctx_pa, .asid = f->asid,
	};
	struct sev_data_snp_launch_finish fin = { .gctx_paddr = f->gctx_pa };

	if (to == G_NONE)
		return;
	CMD_OK(SEV_CMD_SNP_GCTX_CREATE, &create);
	f->created = true;
	if (to == G_CREATED)
		return;
	CMD_OK(SEV_CMD_SNP_LAUNCH_START, &start);
	if (to == G_LAUNCH)
		return;
	CMD_OK(SEV_CMD_SNP_ACTIVATE, &act);
	if (to == G_RUNNING)
		CMD_OK(SEV_CMD_SNP_LAUNCH_FINISH, &fin);
}

/* The target page, as one of the launch */
static struct sev_data_snp_launch_update update_of(struct fixture *f, u32 type)
{
	return (struct sev_data_snp_launch_update) {
		.gctx_paddr = f->gctx_pa,
		.page_type = type,
		.address = f->pa,
	};
}

static void page_to(struct kunit *test, struct fixture *f, enum target to)
{
	struct sev_data_snp_page_reclaim reclaim = { .paddr = f->pa };
	struct sev_data_snp_launch_update upd = update_of(f, SNP_PAGE_TYPE_ZERO);
	u64 pfn = f->pa >> PAGE_SHIFT;

	switch (to) {
	case P_HV:
		break;
	case P_FIRMWARE:
		KUNIT_ASSERT_TRUE(test, make_firmware(f->pa));
		break;
	case P_RECLAIM:
		KUNIT_ASSERT_TRUE(test, make_firmware(f->pa));
		CMD_OK(SEV_CMD_SNP_PAGE_RECLAIM, &reclaim);
		break;
	case P_PRE_GUEST:
	case P_PRE_GUEST_OTHER:
	case P_GUEST_VALID:
		KUNIT_ASSERT_EQ(test, 0,
				rmp_make_private(pfn, GPA, PG_LEVEL_4K,
						 to == P_PRE_GUEST_OTHER ?
						 f->other_asid : f->asid, true));
		if (to == P_GUEST_VALID)
			CMD_OK(SEV_CMD_SNP_LAUNCH_UPDATE, &upd);
		break;
	case P_GUEST_INVALID:
		KUNIT_ASSERT_EQ(test, 0,
				rmp_make_private(pfn, GPA, PG_LEVEL_4K, f->asid,
						 false));
		break;
	case P_FIRMWARE_2M:
		take_block(test, f, true, 0, 0);
		break;
	case P_FIRMWARE_4K:
		take_block(test, f, false, 0, 0);
		break;
	case P_PRE_GUEST_2M:
		take_block(test, f, true, GPA_2M, f->asid);
		break;
	}
}

static void legacy_to(struct kunit *test, struct fixture *f, enum legacy to)
{
	struct sev_data_launch_start start = { };
	struct sev_data_activate act;
	struct sev_data_launch_measure meas = { };
	struct sev_data_launch_finish fin;

	if (to == L_NONE)
		return;
	if (to == L_ACTIVE_ES)
		start.policy = SEV_POLICY_MASK_ES;
	if (to == L_ACTIVE_NODBG)
		start.policy = SEV_POLICY_MASK_NODBG;
	CMD_OK(SEV_CMD_LAUNCH_START, &start);
	f->handle = start.handle;
	if (to == L_STARTED)
		return;
	act.handle = f->handle;
	act.asid = to == L_ACTIVE_ES ? f->asid : f->sev_asid;
	CMD_OK(SEV_CMD_ACTIVATE, &act);
	f->sev_bound = true;
	if (to < L_MEASURED)
		return;
	meas.handle = f->handle;
	meas.address = f->plain_pa;
	meas.len = 256;
	CMD_OK(SEV_CMD_LAUNCH_MEASURE, &meas);
	fin.handle = f->handle;
	if (to == L_RUNNING)
		CMD_OK(SEV_CMD_LAUNCH_FINISH, &fin);
}

static void fixture_exit(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct sev_data_snp_addr addr = { .address = f->gctx_pa };

	if (f->handle) {
		struct sev_data_deactivate de = { .handle = f->handle };
		struct sev_data_decommission dc = { .handle = f->handle };

		cmd(SEV_CMD_DEACTIVATE, &de);
		cmd(SEV_CMD_DECOMMISSION, &dc);
	}
	cmd(SEV_CMD_SNP_DECOMMISSION, &addr);
	/* A row may have made a context of the target page. */
	addr.address = f->pa;
	cmd(SEV_CMD_SNP_DECOMMISSION, &addr);

	make_shared(test, f->gctx_pa);
	make_shared(test, f->pa);
	make_shared(test, f->fw_pa);
	give_block(test, f);
	free_page((unsigned long)f->gctx);
	free_page((unsigned long)f->page);
	free_page((unsigned long)f->plain);
	free_page((unsigned long)f->fw);
	cmd(SEV_CMD_SNP_DF_FLUSH, NULL);
}

static u64 page_state(u64 pa)
{
	writeq(pa, ctl + SNP_CTL_PAGE);
	return readq(ctl + SNP_CTL_PAGE_STATE);
}

/* The block of 2 MiB that the firmware has all of, and that is not the RMP's */
static u64 find_tmr(void)
{
	u64 pa, end = (rmp_end + 1 - rmp_base) / 16 * PAGE_SIZE;

	for (pa = 0; pa < end; pa += SZ_2M) {
		if (pa + SZ_2M > rmp_base && pa <= rmp_end)
			continue;
		if (page_state(pa) == SNP_CTL_PAGE_FIRMWARE &&
		    page_state(pa + SZ_1M) == SNP_CTL_PAGE_FIRMWARE &&
		    page_state(pa + SZ_2M - PAGE_SIZE) == SNP_CTL_PAGE_FIRMWARE)
			return pa;
	}
	return 0;
}

static int fixture_init(struct kunit *test)
{
	struct sev_platform_init_args args = { };
	struct fixture *f;
	u32 min_sev_asid, nr_asids;

	if (!cc_platform_has(CC_ATTR_HOST_SEV_SNP))
		kunit_skip(test, "this host has no SEV-SNP");

	KUNIT_ASSERT_EQ(test, 0, sev_platform_init(&args));

	f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, f);
	nr_asids = cpuid_ecx(0x8000001f);
	min_sev_asid = cpuid_edx(0x8000001f);
	f->asid = min_sev_asid - 1;
	f->other_asid = min_sev_asid - 2;
	f->sev_asid = nr_asids;

	f->gctx = (void *)get_zeroed_page(GFP_KERNEL);
	f->page = (void *)get_zeroed_page(GFP_KERNEL);
	f->plain = (void *)get_zeroed_page(GFP_KERNEL);
	f->fw = (void *)get_zeroed_page(GFP_KERNEL);
	if (!f->gctx || !f->page || !f->plain || !f->fw)
		return -ENOMEM;
	f->gctx_pa = __pa(f->gctx);
	f->pa = __pa(f->page);
	f->plain_pa = __pa(f->plain);
	f->fw_pa = __pa(f->fw);
	if (!make_firmware(f->gctx_pa) || !make_firmware(f->fw_pa))
		return -EIO;

	/* There since the platform was initialised */
	if (ctl && !tmr)
		tmr = find_tmr();

	test->priv = f;
	return 0;
}

/* --- buffers ---------------------------------------------------------- */

static void f_gctx(struct fixture *f, const struct row *r, void *buf)
{
	*(u64 *)buf = f->gctx_pa + r->arg;
}

static void f_page(struct fixture *f, const struct row *r, void *buf)
{
	*(u64 *)buf = f->pa + r->arg;
}

static void f_block(struct fixture *f, const struct row *r, void *buf)
{
	*(u64 *)buf = f->block_pa + r->arg;
}

/* arg: 0 to the first page, 1 to the last one. None of its entries is of use to Linux. */
static void f_rmp(struct fixture *f, const struct row *r, void *buf)
{
	*(u64 *)buf = r->arg ? rmp_end & PAGE_MASK : rmp_base;
}

static void f_tmr(struct fixture *f, const struct row *r, void *buf)
{
	*(u64 *)buf = tmr + r->arg;
}

static void f_event_log(struct fixture *f, const struct row *r, void *buf)
{
	*(u64 *)buf = event_log + r->arg;
}

static void f_store(struct fixture *f, const struct row *r, void *buf)
{
	*(u64 *)buf = completion_store + r->arg;
}

static void f_literal(struct fixture *f, const struct row *r, void *buf)
{
	*(u64 *)buf = r->arg;
}

static void f_start(struct fixture *f, const struct row *r, void *buf)
{
	struct sev_data_snp_launch_start *d = buf;

	d->gctx_paddr = f->gctx_pa;
	d->policy = r->arg;
}

static void f_start_rsvd(struct fixture *f, const struct row *r, void *buf)
{
	f_start(f, r, buf);
	((struct sev_data_snp_launch_start *)buf)->rsvd = 1;
}

/* arg: ASID, 0 for the one of the fixture */
static void f_activate(struct fixture *f, const struct row *r, void *buf)
{
	struct sev_data_snp_activate *d = buf;

	d->gctx_paddr = f->gctx_pa;
	d->asid = r->arg ?: f->asid;
}

static void f_activate_zero(struct fixture *f, const struct row *r, void *buf)
{
	((struct sev_data_snp_activate *)buf)->gctx_paddr = f->gctx_pa;
}

static void f_activate_sev(struct fixture *f, const struct row *r, void *buf)
{
	f_activate(f, r, buf);
	((struct sev_data_snp_activate *)buf)->asid = f->asid + 1;
}

/* arg: type */
static void f_update(struct fixture *f, const struct row *r, void *buf)
{
	struct sev_data_snp_launch_update *d = buf;

	d->gctx_paddr = f->gctx_pa;
	d->page_type = r->arg;
	d->address = f->pa;
}

#define F_UPDATE_WITH(name, stmt)						\
static void f_update_##name(struct fixture *f, const struct row *r, void *buf)	\
{										\
	struct sev_data_snp_launch_update *d = buf;				\
										\
	f_update(f, r, buf);							\
	stmt;									\
}

F_UPDATE_WITH(rsvd, d->rsvd = 1)
F_UPDATE_WITH(rsvd2, d->rsvd2 = 1)
F_UPDATE_WITH(rsvd3, d->rsvd3 = 1)
F_UPDATE_WITH(rsvd4, d->rsvd4 = 1)
F_UPDATE_WITH(perms, d->vmpl1_perms = 0x10)
F_UPDATE_WITH(imi, d->imi_page = 1)
F_UPDATE_WITH(large_unaligned, d->page_size = 1; d->address |= 0x1000)
F_UPDATE_WITH(unaligned, d->address += 0x10)
F_UPDATE_WITH(no_ctx, d->gctx_paddr = f->plain_pa)
F_UPDATE_WITH(no_memory, d->address = 1ULL << 47)
F_UPDATE_WITH(block, d->address = f->block_pa)
F_UPDATE_WITH(block_2m, d->page_size = 1; d->address = f->block_pa)

static void f_finish(struct fixture *f, const struct row *r, void *buf)
{
	((struct sev_data_snp_launch_finish *)buf)->gctx_paddr = f->gctx_pa;
}

static void f_finish_rsvd(struct fixture *f, const struct row *r, void *buf)
{
	f_finish(f, r, buf);
	((struct sev_data_snp_launch_finish *)buf)->rsvd = 1;
}

/* An ID block of zeros: version 0. */
static void f_finish_idb(struct fixture *f, const struct row *r, void *buf)
{
	struct sev_data_snp_launch_finish *d = buf;

	f_finish(f, r, buf);
	d->id_block_en = 1;
	d->id_block_paddr = f->plain_pa;
	d->id_auth_paddr = f->plain_pa;
}

/*
 * A request for a report, right but for its tag. arg: offset << 8 | value of one byte
 * that is changed
 */
static void f_request(struct fixture *f, const struct row *r, void *buf)
{
	struct sev_data_snp_guest_request *d = buf;
	struct snp_guest_msg_hdr *hdr = f->plain;

	d->gctx_paddr = f->gctx_pa;
	d->req_paddr = f->plain_pa;
	d->res_paddr = f->fw_pa;
	hdr->msg_seqno = 1;
	hdr->algo = 1;
	hdr->hdr_version = 1;
	hdr->hdr_sz = sizeof(*hdr);
	hdr->msg_type = SNP_MSG_REPORT_REQ;
	hdr->msg_version = 1;
	hdr->msg_sz = sizeof(struct snp_report_req);
	if (r->arg)
		((u8 *)f->plain)[r->arg >> 8] = r->arg;
}

#define F_REQUEST_WITH(name, stmt)						\
static void f_request_##name(struct fixture *f, const struct row *r, void *buf)	\
{										\
	struct sev_data_snp_guest_request *d = buf;				\
										\
	f_request(f, r, buf);							\
	stmt;									\
}

F_REQUEST_WITH(no_ctx, d->gctx_paddr = f->plain_pa)
F_REQUEST_WITH(unaligned, d->req_paddr += 0x10)
F_REQUEST_WITH(no_memory, d->req_paddr = 1ULL << 47)
F_REQUEST_WITH(of_guest, d->req_paddr = f->pa)
F_REQUEST_WITH(rsp_unaligned, d->res_paddr += 0x10)
F_REQUEST_WITH(rsp_hv, d->res_paddr = f->plain_pa)

/* arg: 0 to a page of the hypervisor, 1 to a Firmware page */
static void f_status(struct fixture *f, const struct row *r, void *buf)
{
	struct sev_data_snp_guest_status *d = buf;

	d->gctx_paddr = f->gctx_pa;
	d->address = r->arg ? f->fw_pa : f->plain_pa;
}

static void f_status_block(struct fixture *f, const struct row *r, void *buf)
{
	f_status(f, r, buf);
	((struct sev_data_snp_guest_status *)buf)->address = f->block_pa;
}

static void f_pstatus(struct fixture *f, const struct row *r, void *buf)
{
	*(u64 *)buf = r->arg ? f->fw_pa : f->plain_pa;
}

static void f_decrypt(struct fixture *f, const struct row *r, void *buf)
{
	struct sev_data_snp_dbg *d = buf;

	d->gctx_paddr = f->gctx_pa;
	d->src_addr = f->pa + r->arg;
	d->dst_addr = f->fw_pa;
}

static void f_decrypt_block(struct fixture *f, const struct row *r, void *buf)
{
	f_decrypt(f, r, buf);
	((struct sev_data_snp_dbg *)buf)->dst_addr = f->block_pa;
}

static void f_decrypt_hv(struct fixture *f, const struct row *r, void *buf)
{
	f_decrypt(f, r, buf);
	((struct sev_data_snp_dbg *)buf)->dst_addr = f->plain_pa;
}

static void f_encrypt(struct fixture *f, const struct row *r, void *buf)
{
	struct sev_data_snp_dbg *d = buf;

	d->gctx_paddr = f->gctx_pa;
	d->src_addr = f->plain_pa + r->arg;
	d->dst_addr = f->pa;
}

/* arg: len and flags of the buffer */
static void f_shutdown(struct fixture *f, const struct row *r, void *buf)
{
	*(u64 *)buf = r->arg;
}

static void f_config(struct fixture *f, const struct row *r, void *buf)
{
	*(u64 *)buf = r->arg;
}

static void f_config_rsvd(struct fixture *f, const struct row *r, void *buf)
{
	((struct sev_user_data_snp_config *)buf)->rsvd = 1;
}

static void f_handle(struct fixture *f, const struct row *r, void *buf)
{
	*(u32 *)buf = f->handle + r->arg;
}

/* arg: ASID, 0 for the one of the fixture */
static void f_lactivate(struct fixture *f, const struct row *r, void *buf)
{
	struct sev_data_activate *d = buf;

	d->handle = f->handle;
	d->asid = r->arg ?: f->sev_asid;
}

static void f_lstart(struct fixture *f, const struct row *r, void *buf)
{
	((struct sev_data_launch_start *)buf)->policy = r->arg;
}

static void f_lstart_rsvd(struct fixture *f, const struct row *r, void *buf)
{
	((struct sev_data_launch_start *)buf)->reserved = 1;
}

static void f_lupdate(struct fixture *f, const struct row *r, void *buf)
{
	struct sev_data_launch_update_data *d = buf;

	d->handle = f->handle;
	d->address = f->plain_pa;
	d->len = r->arg;
}

static void f_lupdate_off(struct fixture *f, const struct row *r, void *buf)
{
	f_lupdate(f, r, buf);
	((struct sev_data_launch_update_data *)buf)->address += 8;
}

static void f_lmeasure(struct fixture *f, const struct row *r, void *buf)
{
	struct sev_data_launch_measure *d = buf;

	d->handle = f->handle;
	d->address = f->plain_pa;
	d->len = r->arg;
}

static void f_ldbg(struct fixture *f, const struct row *r, void *buf)
{
	struct sev_data_dbg *d = buf;

	d->handle = f->handle;
	d->src_addr = f->pa;
	d->dst_addr = f->plain_pa;
	d->len = r->arg;
}

/* --- rows ------------------------------------------------------------- */

#define R(c, n, g, p, fn, a, s)						\
	{ .name = #c ": " n, .guest = g, .page = p, .cmd = SEV_CMD_##c,	\
	  .fill = fn, .arg = a, .status = s }
/* Needs what only the emulated platform tells. */
#define E(c, n, g, p, fn, a, s)						\
	{ .name = #c ": " n, .guest = g, .page = p, .cmd = SEV_CMD_##c,	\
	  .fill = fn, .arg = a, .status = s, .emulated = true }
#define L(c, n, l, fn, a, s)						\
	{ .name = #c ": " n, .legacy = l, .cmd = SEV_CMD_##c,		\
	  .fill = fn, .arg = a, .status = s }

#define OK		SEV_RET_SUCCESS
#define ADDRESS		SEV_RET_INVALID_ADDRESS
#define PAGE_STATE	SEV_RET_INVALID_PAGE_STATE
#define PARAM		SEV_RET_INVALID_PARAM
#define GUEST		SEV_RET_INVALID_GUEST
#define GSTATE		SEV_RET_INVALID_GUEST_STATE
#define PSTATE		SEV_RET_INVALID_PLATFORM_STATE
#define SIZE_WRONG	SEV_RET_INVALID_PAGE_SIZE

static const struct row rows[] = {
	/* Platform; the fixture leaves SEV and SNP initialised. */
	R(SNP_INIT, "twice", G_NONE, P_HV, NULL, 0, PSTATE),
	R(SNP_INIT_EX, "twice", G_NONE, P_HV, f_literal, 1, PSTATE),
	R(SNP_INIT_EX, "reserved bit", G_NONE, P_HV, f_literal, 1u << 31, PARAM),
	R(INIT, "twice", G_NONE, P_HV, f_literal, 0, PSTATE),
	R(FACTORY_RESET, "initialised", G_NONE, P_HV, NULL, 0, PSTATE),
	R(SNP_SHUTDOWN_EX, "SEV initialised", G_NONE, P_HV, f_shutdown, 8, PSTATE),
	R(SNP_SHUTDOWN_EX, "bad length", G_NONE, P_HV, f_shutdown, 4,
	  SEV_RET_INVALID_LEN),
	R(SNP_SHUTDOWN_EX, "reserved bit", G_NONE, P_HV, f_shutdown,
	  8 | 1ULL << 40, PARAM),
	R(SNP_PLATFORM_STATUS, "to the hypervisor's page", G_NONE, P_HV,
	  f_pstatus, 0, PAGE_STATE),
	R(SNP_PLATFORM_STATUS, "to a Firmware page", G_NONE, P_HV, f_pstatus, 1, OK),
	R(SNP_PLATFORM_STATUS, "to a Reclaim page", G_NONE, P_RECLAIM, f_page, 0,
	  PAGE_STATE),
	R(SNP_PLATFORM_STATUS, "unaligned", G_NONE, P_FIRMWARE, f_page, 4, OK),
	R(SNP_PLATFORM_STATUS, "to no memory", G_NONE, P_HV, f_literal,
	  1ULL << 47, ADDRESS),
	R(SNP_PLATFORM_STATUS, "across the end of a page", G_NONE, P_FIRMWARE,
	  f_page, PAGE_SIZE - 16, ADDRESS),
	R(SNP_PLATFORM_STATUS, "to a Firmware page of 2 MiB", G_NONE,
	  P_FIRMWARE_2M, f_block, 0, SIZE_WRONG),
	R(SNP_PLATFORM_STATUS, "to the RMP", G_NONE, P_HV, f_rmp, 1, PAGE_STATE),
	E(SNP_PLATFORM_STATUS, "to the TMR", G_NONE, P_HV, f_tmr, 0, PAGE_STATE),
	E(SNP_PLATFORM_STATUS, "to the end of the TMR", G_NONE, P_HV, f_tmr,
	  SZ_2M - PAGE_SIZE, PAGE_STATE),
	E(SNP_PLATFORM_STATUS, "to the IOMMU's event log", G_NONE, P_HV,
	  f_event_log, 0, PAGE_STATE),
	E(SNP_PLATFORM_STATUS, "to the IOMMU's completion store", G_NONE, P_HV,
	  f_store, 0, PAGE_STATE),
	R(SNP_DF_FLUSH, "idle", G_NONE, P_HV, NULL, 0, OK),
	R(DF_FLUSH, "idle", G_NONE, P_HV, NULL, 0, OK),
	R(SNP_COMMIT, "good length", G_NONE, P_HV, f_literal, 4, OK),
	R(SNP_COMMIT, "bad length", G_NONE, P_HV, f_literal, 8,
	  SEV_RET_INVALID_LEN),
	R(SNP_CONFIG, "default", G_NONE, P_HV, f_config, 0, OK),
	R(SNP_CONFIG, "TCB above the current one", G_NONE, P_HV, f_config, ~0ULL,
	  PARAM),
	R(SNP_CONFIG, "reserved bit", G_NONE, P_HV, f_config_rsvd, 0, PARAM),
	R(SNP_ACTIVATE_EX, "not modelled", G_NONE, P_HV, NULL, 0,
	  SEV_RET_INVALID_COMMAND),

	/* Pages */
	R(SNP_PAGE_RECLAIM, "Firmware", G_NONE, P_FIRMWARE, f_page, 0, OK),
	R(SNP_PAGE_RECLAIM, "Reclaim", G_NONE, P_RECLAIM, f_page, 0, OK),
	R(SNP_PAGE_RECLAIM, "Pre-Guest", G_NONE, P_PRE_GUEST, f_page, 0, OK),
	R(SNP_PAGE_RECLAIM, "Hypervisor", G_NONE, P_HV, f_page, 0, PAGE_STATE),
	R(SNP_PAGE_RECLAIM, "Context", G_CREATED, P_HV, f_gctx, 0, PAGE_STATE),
	R(SNP_PAGE_RECLAIM, "Guest-Invalid", G_NONE, P_GUEST_INVALID, f_page, 0,
	  PAGE_STATE),
	R(SNP_PAGE_RECLAIM, "Guest-Valid", G_ACTIVE, P_GUEST_VALID, f_page, 0,
	  PAGE_STATE),
	R(SNP_PAGE_RECLAIM, "unaligned", G_NONE, P_FIRMWARE, f_page, 0x10, ADDRESS),
	R(SNP_PAGE_RECLAIM, "no memory", G_NONE, P_HV, f_literal, 1ULL << 47,
	  ADDRESS),
	R(SNP_PAGE_RECLAIM, "2 MiB", G_NONE, P_FIRMWARE_2M, f_block, 1, OK),
	R(SNP_PAGE_RECLAIM, "2 MiB, Pre-Guest", G_NONE, P_PRE_GUEST_2M, f_block, 1,
	  OK),
	R(SNP_PAGE_RECLAIM, "4 KiB of 2 MiB", G_NONE, P_FIRMWARE_2M, f_block, 0,
	  SIZE_WRONG),
	R(SNP_PAGE_RECLAIM, "2 MiB of 4 KiB", G_NONE, P_FIRMWARE_4K, f_block, 1,
	  SIZE_WRONG),
	R(SNP_PAGE_RECLAIM, "2 MiB, unaligned", G_NONE, P_FIRMWARE_2M, f_block,
	  SZ_4K | 1, ADDRESS),
	R(SNP_PAGE_RECLAIM, "the RMP", G_NONE, P_HV, f_rmp, 0, PAGE_STATE),
	E(SNP_PAGE_RECLAIM, "the TMR", G_NONE, P_HV, f_tmr, SZ_1M, PAGE_STATE),
	E(SNP_PAGE_RECLAIM, "the IOMMU's event log", G_NONE, P_HV, f_event_log, 0,
	  PAGE_STATE),
	E(SNP_PAGE_RECLAIM, "the IOMMU's completion store", G_NONE, P_HV, f_store,
	  0, PAGE_STATE),

	/* Contexts */
	R(SNP_GCTX_CREATE, "Firmware", G_NONE, P_FIRMWARE, f_page, 0, OK),
	R(SNP_GCTX_CREATE, "Hypervisor", G_NONE, P_HV, f_page, 0, PAGE_STATE),
	R(SNP_GCTX_CREATE, "Reclaim", G_NONE, P_RECLAIM, f_page, 0, PAGE_STATE),
	R(SNP_GCTX_CREATE, "Pre-Guest", G_NONE, P_PRE_GUEST, f_page, 0, PAGE_STATE),
	R(SNP_GCTX_CREATE, "Context", G_CREATED, P_HV, f_gctx, 0, PAGE_STATE),
	R(SNP_GCTX_CREATE, "unaligned", G_NONE, P_FIRMWARE, f_page, 0x10, ADDRESS),
	R(SNP_GCTX_CREATE, "2 MiB", G_NONE, P_FIRMWARE_2M, f_block, 0, SIZE_WRONG),
	R(SNP_GCTX_CREATE, "the RMP", G_NONE, P_HV, f_rmp, 1, PAGE_STATE),
	E(SNP_GCTX_CREATE, "the TMR", G_NONE, P_HV, f_tmr, 0, PAGE_STATE),
	E(SNP_GCTX_CREATE, "the IOMMU's event log", G_NONE, P_HV, f_event_log, 0,
	  PAGE_STATE),
	R(SNP_DECOMMISSION, "created", G_CREATED, P_HV, f_gctx, 0, OK),
	R(SNP_DECOMMISSION, "active", G_ACTIVE, P_HV, f_gctx, 0, OK),
	R(SNP_DECOMMISSION, "running", G_RUNNING, P_HV, f_gctx, 0, OK),
	R(SNP_DECOMMISSION, "no context", G_NONE, P_HV, f_gctx, 0, GUEST),
	R(SNP_DECOMMISSION, "unaligned", G_CREATED, P_HV, f_gctx, 0x10, ADDRESS),

	/* LAUNCH_START */
	R(SNP_LAUNCH_START, "created", G_CREATED, P_HV, f_start, POLICY, OK),
	R(SNP_LAUNCH_START, "no context", G_NONE, P_HV, f_start, POLICY, GUEST),
	R(SNP_LAUNCH_START, "twice", G_LAUNCH, P_HV, f_start, POLICY, GSTATE),
	R(SNP_LAUNCH_START, "running", G_RUNNING, P_HV, f_start, POLICY, GSTATE),
	R(SNP_LAUNCH_START, "policy without bit 17", G_CREATED, P_HV, f_start,
	  SNP_POLICY_MASK_SMT, SEV_RET_POLICY_FAILURE),
	R(SNP_LAUNCH_START, "policy with a reserved bit", G_CREATED, P_HV, f_start,
	  POLICY | 1ULL << 63, SEV_RET_POLICY_FAILURE),
	R(SNP_LAUNCH_START, "policy asks for ABI 255.255", G_CREATED, P_HV, f_start,
	  POLICY | 0xffff, SEV_RET_POLICY_FAILURE),
	R(SNP_LAUNCH_START, "reserved bit", G_CREATED, P_HV, f_start_rsvd, POLICY,
	  PARAM),

	/* ACTIVATE */
	R(SNP_ACTIVATE, "launch", G_LAUNCH, P_HV, f_activate, 0, OK),
	R(SNP_ACTIVATE, "no context", G_NONE, P_HV, f_activate, 0, GUEST),
	R(SNP_ACTIVATE, "before LAUNCH_START", G_CREATED, P_HV, f_activate, 0,
	  GSTATE),
	R(SNP_ACTIVATE, "twice", G_ACTIVE, P_HV, f_activate, 0, SEV_RET_ACTIVE),
	R(SNP_ACTIVATE, "ASID 0", G_LAUNCH, P_HV, f_activate_zero, 0,
	  SEV_RET_INVALID_ASID),
	R(SNP_ACTIVATE, "ASID of plain SEV", G_LAUNCH, P_HV, f_activate_sev, 0,
	  SEV_RET_INVALID_ASID),
	R(SNP_ACTIVATE, "ASID too large", G_LAUNCH, P_HV, f_activate, 0x10000,
	  SEV_RET_INVALID_ASID),

	/* LAUNCH_UPDATE */
	R(SNP_LAUNCH_UPDATE, "NORMAL", G_ACTIVE, P_PRE_GUEST, f_update, 1, OK),
	R(SNP_LAUNCH_UPDATE, "VMSA", G_ACTIVE, P_PRE_GUEST, f_update, 2, OK),
	R(SNP_LAUNCH_UPDATE, "ZERO", G_ACTIVE, P_PRE_GUEST, f_update, 3, OK),
	R(SNP_LAUNCH_UPDATE, "UNMEASURED", G_ACTIVE, P_PRE_GUEST, f_update, 4, OK),
	R(SNP_LAUNCH_UPDATE, "SECRETS", G_ACTIVE, P_PRE_GUEST, f_update, 5, OK),
	R(SNP_LAUNCH_UPDATE, "CPUID, empty", G_ACTIVE, P_PRE_GUEST, f_update, 6, OK),
	R(SNP_LAUNCH_UPDATE, "type 0", G_ACTIVE, P_PRE_GUEST, f_update, 0, PARAM),
	R(SNP_LAUNCH_UPDATE, "type 7", G_ACTIVE, P_PRE_GUEST, f_update, 7, PARAM),
	R(SNP_LAUNCH_UPDATE, "no context", G_NONE, P_PRE_GUEST, f_update, 1, GUEST),
	R(SNP_LAUNCH_UPDATE, "context is the hypervisor's page", G_ACTIVE,
	  P_PRE_GUEST, f_update_no_ctx, 1, GUEST),
	R(SNP_LAUNCH_UPDATE, "before LAUNCH_START", G_CREATED, P_PRE_GUEST, f_update,
	  1, GSTATE),
	R(SNP_LAUNCH_UPDATE, "before ACTIVATE", G_LAUNCH, P_PRE_GUEST, f_update, 1,
	  SEV_RET_INACTIVE),
	R(SNP_LAUNCH_UPDATE, "after LAUNCH_FINISH", G_RUNNING, P_PRE_GUEST, f_update,
	  1, GSTATE),
	R(SNP_LAUNCH_UPDATE, "Hypervisor", G_ACTIVE, P_HV, f_update, 1, PAGE_STATE),
	R(SNP_LAUNCH_UPDATE, "Firmware", G_ACTIVE, P_FIRMWARE, f_update, 1,
	  PAGE_STATE),
	R(SNP_LAUNCH_UPDATE, "Guest-Invalid", G_ACTIVE, P_GUEST_INVALID, f_update, 1,
	  PAGE_STATE),
	R(SNP_LAUNCH_UPDATE, "Guest-Valid", G_ACTIVE, P_GUEST_VALID, f_update, 1,
	  PAGE_STATE),
	R(SNP_LAUNCH_UPDATE, "page of another guest", G_ACTIVE, P_PRE_GUEST_OTHER,
	  f_update, 1, SEV_RET_INVALID_PAGE_OWNER),
	R(SNP_LAUNCH_UPDATE, "2 MiB, unaligned", G_ACTIVE, P_PRE_GUEST,
	  f_update_large_unaligned, 1, ADDRESS),
	R(SNP_LAUNCH_UPDATE, "2 MiB, NORMAL", G_ACTIVE, P_PRE_GUEST_2M,
	  f_update_block_2m, 1, OK),
	R(SNP_LAUNCH_UPDATE, "2 MiB, VMSA", G_ACTIVE, P_PRE_GUEST_2M,
	  f_update_block_2m, 2, SIZE_WRONG),
	R(SNP_LAUNCH_UPDATE, "2 MiB, CPUID", G_ACTIVE, P_PRE_GUEST_2M,
	  f_update_block_2m, 6, SIZE_WRONG),
	R(SNP_LAUNCH_UPDATE, "4 KiB of 2 MiB", G_ACTIVE, P_PRE_GUEST_2M,
	  f_update_block, 1, SIZE_WRONG),
	R(SNP_LAUNCH_UPDATE, "unaligned", G_ACTIVE, P_PRE_GUEST, f_update_unaligned,
	  1, ADDRESS),
	R(SNP_LAUNCH_UPDATE, "no memory", G_ACTIVE, P_PRE_GUEST, f_update_no_memory,
	  1, ADDRESS),
	R(SNP_LAUNCH_UPDATE, "reserved bits", G_ACTIVE, P_PRE_GUEST, f_update_rsvd, 1,
	  PARAM),
	R(SNP_LAUNCH_UPDATE, "reserved word", G_ACTIVE, P_PRE_GUEST, f_update_rsvd2,
	  1, PARAM),
	R(SNP_LAUNCH_UPDATE, "reserved VMPL0", G_ACTIVE, P_PRE_GUEST, f_update_rsvd3,
	  1, PARAM),
	R(SNP_LAUNCH_UPDATE, "reserved last word", G_ACTIVE, P_PRE_GUEST,
	  f_update_rsvd4, 1, PARAM),
	R(SNP_LAUNCH_UPDATE, "reserved permission", G_ACTIVE, P_PRE_GUEST,
	  f_update_perms, 1, PARAM),
	R(SNP_LAUNCH_UPDATE, "IMI page of a guest without", G_ACTIVE, P_PRE_GUEST,
	  f_update_imi, 1, PARAM),

	/* LAUNCH_FINISH */
	R(SNP_LAUNCH_FINISH, "active", G_ACTIVE, P_HV, f_finish, 0, OK),
	R(SNP_LAUNCH_FINISH, "no context", G_NONE, P_HV, f_finish, 0, GUEST),
	R(SNP_LAUNCH_FINISH, "before LAUNCH_START", G_CREATED, P_HV, f_finish, 0,
	  GSTATE),
	R(SNP_LAUNCH_FINISH, "twice", G_RUNNING, P_HV, f_finish, 0, GSTATE),
	R(SNP_LAUNCH_FINISH, "reserved bit", G_ACTIVE, P_HV, f_finish_rsvd, 0, PARAM),
	R(SNP_LAUNCH_FINISH, "ID block of version 0", G_ACTIVE, P_HV, f_finish_idb, 0,
	  PARAM),

	/* GUEST_REQUEST: what a guest gets granted, a guest of Linux tells */
	R(SNP_GUEST_REQUEST, "tag is wrong", G_RUNNING, P_HV, f_request, 0,
	  SEV_RET_BAD_MEASUREMENT),
	R(SNP_GUEST_REQUEST, "before LAUNCH_FINISH", G_ACTIVE, P_HV, f_request, 0, GSTATE),
	R(SNP_GUEST_REQUEST, "no context", G_NONE, P_HV, f_request_no_ctx, 0, GUEST),
	R(SNP_GUEST_REQUEST, "request unaligned", G_RUNNING, P_HV, f_request_unaligned, 0,
	  ADDRESS),
	R(SNP_GUEST_REQUEST, "request in no memory", G_RUNNING, P_HV,
	  f_request_no_memory, 0, ADDRESS),
	R(SNP_GUEST_REQUEST, "request in a guest's page", G_RUNNING, P_PRE_GUEST,
	  f_request_of_guest, 0, PAGE_STATE),
	R(SNP_GUEST_REQUEST, "response unaligned", G_RUNNING, P_HV,
	  f_request_rsp_unaligned, 0, ADDRESS),
	R(SNP_GUEST_REQUEST, "response to the hypervisor's page", G_RUNNING, P_HV,
	  f_request_rsp_hv, 0, PAGE_STATE),
	R(SNP_GUEST_REQUEST, "number 0", G_RUNNING, P_HV, f_request, 0x2000, PARAM),
	R(SNP_GUEST_REQUEST, "number 2", G_RUNNING, P_HV, f_request, 0x2002, PARAM),
	R(SNP_GUEST_REQUEST, "reserved 28h", G_RUNNING, P_HV, f_request, 0x2801, PARAM),
	R(SNP_GUEST_REQUEST, "algorithm 0", G_RUNNING, P_HV, f_request, 0x3000, PARAM),
	R(SNP_GUEST_REQUEST, "header version 2", G_RUNNING, P_HV, f_request, 0x3102, PARAM),
	R(SNP_GUEST_REQUEST, "header size", G_RUNNING, P_HV, f_request, 0x3261, PARAM),
	R(SNP_GUEST_REQUEST, "message of a page", G_RUNNING, P_HV, f_request, 0x3710, PARAM),
	R(SNP_GUEST_REQUEST, "reserved 38h", G_RUNNING, P_HV, f_request, 0x3801, PARAM),
	R(SNP_GUEST_REQUEST, "VMPCK 4", G_RUNNING, P_HV, f_request, 0x3c04, PARAM),
	R(SNP_GUEST_REQUEST, "reserved 3Dh", G_RUNNING, P_HV, f_request, 0x3d01, PARAM),

	/* GUEST_STATUS, debug */
	R(SNP_GUEST_STATUS, "to a Firmware page", G_ACTIVE, P_HV, f_status, 1, OK),
	R(SNP_GUEST_STATUS, "to the hypervisor's page", G_ACTIVE, P_HV, f_status, 0,
	  PAGE_STATE),
	R(SNP_GUEST_STATUS, "to a Firmware page of 2 MiB", G_ACTIVE, P_FIRMWARE_2M,
	  f_status_block, 0, SIZE_WRONG),
	R(SNP_GUEST_STATUS, "no context", G_NONE, P_HV, f_status, 1, GUEST),
	R(SNP_DBG_DECRYPT, "policy allows", G_ACTIVE_DEBUG, P_GUEST_VALID, f_decrypt,
	  0, OK),
	R(SNP_DBG_DECRYPT, "policy forbids", G_ACTIVE, P_GUEST_VALID, f_decrypt, 0,
	  SEV_RET_POLICY_FAILURE),
	R(SNP_DBG_DECRYPT, "source is the hypervisor's", G_ACTIVE_DEBUG, P_HV,
	  f_decrypt, 0, PAGE_STATE),
	R(SNP_DBG_DECRYPT, "source is another guest's", G_ACTIVE_DEBUG,
	  P_PRE_GUEST_OTHER, f_decrypt, 0, SEV_RET_INVALID_PAGE_OWNER),
	R(SNP_DBG_DECRYPT, "to the hypervisor's page", G_ACTIVE_DEBUG, P_GUEST_VALID,
	  f_decrypt_hv, 0, PAGE_STATE),
	R(SNP_DBG_DECRYPT, "unaligned", G_ACTIVE_DEBUG, P_GUEST_VALID, f_decrypt,
	  0x10, ADDRESS),
	R(SNP_DBG_DECRYPT, "before LAUNCH_START", G_CREATED, P_PRE_GUEST, f_decrypt,
	  0, GSTATE),
	R(SNP_DBG_DECRYPT, "no context", G_NONE, P_PRE_GUEST, f_decrypt, 0, GUEST),
	R(SNP_DBG_ENCRYPT, "policy allows", G_ACTIVE_DEBUG, P_GUEST_VALID, f_encrypt,
	  0, OK),
	R(SNP_DBG_ENCRYPT, "policy forbids", G_ACTIVE, P_GUEST_VALID, f_encrypt, 0,
	  SEV_RET_POLICY_FAILURE),
	R(SNP_DBG_ENCRYPT, "to the hypervisor's page", G_ACTIVE_DEBUG, P_HV,
	  f_encrypt, 0, PAGE_STATE),
	R(SNP_DBG_ENCRYPT, "unaligned", G_ACTIVE_DEBUG, P_GUEST_VALID, f_encrypt,
	  0x10, ADDRESS),

	/* SEV */
	L(LAUNCH_START, "plain", L_NONE, f_lstart, 0, OK),
	L(LAUNCH_START, "policy with a reserved bit", L_NONE, f_lstart, BIT(6),
	  SEV_RET_POLICY_FAILURE),
	L(LAUNCH_START, "reserved word", L_NONE, f_lstart_rsvd, 0, PARAM),
	L(LAUNCH_START, "policy asks for API 255", L_NONE, f_lstart, 0xff0000,
	  SEV_RET_POLICY_FAILURE),
	L(ACTIVATE, "started", L_STARTED, f_lactivate, 0, OK),
	L(ACTIVATE, "twice", L_ACTIVE, f_lactivate, 0, SEV_RET_ACTIVE),
	L(ACTIVATE, "unknown handle", L_NONE, f_lactivate, 0, GUEST),
	L(ACTIVATE, "ASID of SEV-ES", L_STARTED, f_lactivate, 1,
	  SEV_RET_INVALID_ASID),
	L(ACTIVATE, "ASID too large", L_STARTED, f_lactivate, 0x10000,
	  SEV_RET_INVALID_ASID),
	L(DEACTIVATE, "active", L_ACTIVE, f_handle, 0, OK),
	L(DEACTIVATE, "not active", L_STARTED, f_handle, 0, SEV_RET_INACTIVE),
	L(DEACTIVATE, "unknown handle", L_STARTED, f_handle, 1000, GUEST),
	L(DECOMMISSION, "active", L_ACTIVE, f_handle, 0, SEV_RET_ACTIVE),
	L(DECOMMISSION, "unknown handle", L_STARTED, f_handle, 1000, GUEST),
	L(GUEST_STATUS, "unknown handle", L_STARTED, f_handle, 1000, GUEST),
	L(GUEST_STATUS, "started", L_STARTED, f_handle, 0, OK),
	L(LAUNCH_UPDATE_DATA, "active", L_ACTIVE, f_lupdate, PAGE_SIZE, OK),
	L(LAUNCH_UPDATE_DATA, "not active", L_STARTED, f_lupdate, PAGE_SIZE,
	  SEV_RET_INACTIVE),
	L(LAUNCH_UPDATE_DATA, "measured", L_MEASURED, f_lupdate, PAGE_SIZE, GSTATE),
	L(LAUNCH_UPDATE_DATA, "running", L_RUNNING, f_lupdate, PAGE_SIZE, GSTATE),
	L(LAUNCH_UPDATE_DATA, "length 15", L_ACTIVE, f_lupdate, 15,
	  SEV_RET_INVALID_LEN),
	L(LAUNCH_UPDATE_DATA, "unaligned", L_ACTIVE, f_lupdate_off, 16, ADDRESS),
	L(LAUNCH_UPDATE_VMSA, "SEV-ES", L_ACTIVE_ES, f_lupdate, PAGE_SIZE, OK),
	L(LAUNCH_UPDATE_VMSA, "plain SEV", L_ACTIVE, f_lupdate, PAGE_SIZE, GSTATE),
	L(LAUNCH_UPDATE_VMSA, "half a page", L_ACTIVE_ES, f_lupdate, PAGE_SIZE / 2,
	  SEV_RET_INVALID_LEN),
	L(LAUNCH_MEASURE, "active", L_ACTIVE, f_lmeasure, 256, OK),
	L(LAUNCH_MEASURE, "too short", L_ACTIVE, f_lmeasure, 16,
	  SEV_RET_INVALID_LEN),
	L(LAUNCH_MEASURE, "twice", L_MEASURED, f_lmeasure, 256, GSTATE),
	L(LAUNCH_FINISH, "measured", L_MEASURED, f_handle, 0, OK),
	L(LAUNCH_FINISH, "twice", L_RUNNING, f_handle, 0, GSTATE),
	L(DBG_DECRYPT, "policy allows", L_RUNNING, f_ldbg, 64, OK),
	L(DBG_DECRYPT, "policy forbids", L_ACTIVE_NODBG, f_ldbg, 64,
	  SEV_RET_POLICY_FAILURE),
	L(DBG_DECRYPT, "length 15", L_RUNNING, f_ldbg, 15, SEV_RET_INVALID_LEN),
};

static void row_desc(const struct row *r, char *desc)
{
	strscpy(desc, r->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(rows, rows, row_desc);

static void psp_row(struct kunit *test)
{
	const struct row *r = test->param_value;
	struct fixture *f = test->priv;
	u8 buf[128] = { };
	int status;

	if (r->emulated && !ctl)
		kunit_skip(test, "needs the emulated platform");
	guest_to(test, f, r->guest);
	page_to(test, f, r->page);
	legacy_to(test, f, r->legacy);
	if (r->fill)
		r->fill(f, r, buf);
	status = cmd(r->cmd, r->fill ? buf : NULL);
	KUNIT_EXPECT_EQ_MSG(test, r->status, status, "%s", r->name);
	if (r->cmd == SEV_CMD_LAUNCH_START && !status)
		f->handle = *(u32 *)buf;
}

/* --- sequences -------------------------------------------------------- */

/* As for any output; it needs two pages. */
static void psp_decrypt_to_2m(struct kunit *test)
{
	static const struct row r;
	struct fixture *f = test->priv;
	u8 buf[128] = { };

	guest_to(test, f, G_ACTIVE_DEBUG);
	page_to(test, f, P_GUEST_VALID);
	page_to(test, f, P_FIRMWARE_2M);
	f_decrypt_block(f, &r, buf);
	KUNIT_EXPECT_EQ(test, SEV_RET_INVALID_PAGE_SIZE, cmd(SEV_CMD_SNP_DBG_DECRYPT, buf));
}

/* An ASID is good again only after DF_FLUSH. */
static void psp_asid_reuse(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct sev_data_snp_addr addr = { .address = f->gctx_pa };
	struct sev_data_snp_activate act = {
		.gctx_paddr = f->gctx_pa, .asid = f->asid,
	};

	guest_to(test, f, G_ACTIVE);
	CMD_OK(SEV_CMD_SNP_DECOMMISSION, &addr);
	guest_to(test, f, G_LAUNCH);
	KUNIT_EXPECT_EQ(test, SEV_RET_DFFLUSH_REQUIRED,
			cmd(SEV_CMD_SNP_ACTIVATE, &act));
	CMD_OK(SEV_CMD_SNP_DF_FLUSH, NULL);
	CMD_OK(SEV_CMD_SNP_ACTIVATE, &act);
}

/* One ASID, two guests. */
static void psp_asid_owned(struct kunit *test)
{
	struct fixture *f = test->priv, second = *f;
	struct sev_data_snp_activate act = {
		.gctx_paddr = f->fw_pa, .asid = f->asid,
	};

	guest_to(test, f, G_ACTIVE);
	second.gctx_pa = f->fw_pa;
	guest_to(test, &second, G_LAUNCH);
	KUNIT_EXPECT_EQ(test, SEV_RET_ASID_OWNED,
			cmd(SEV_CMD_SNP_ACTIVATE, &act));
	cmd(SEV_CMD_SNP_DECOMMISSION, &act.gctx_paddr);
}

/* NORMAL page of 0xf4 at GPA 0x1000: vector "S1" of the digest tests. */
static const u8 digest_s1[48] = {
	0xe4, 0xf6, 0xf9, 0x47, 0x2e, 0x1f, 0x93, 0xda, 0xc0, 0xbc, 0x2b, 0x34,
	0x42, 0x64, 0x4c, 0xff, 0x31, 0x78, 0x5e, 0xa8, 0x19, 0x56, 0x5c, 0x70,
	0x06, 0xb2, 0x52, 0x10, 0xed, 0xb6, 0x3e, 0xc4, 0xfa, 0x55, 0x6d, 0xb6,
	0xcd, 0x81, 0x17, 0x56, 0xe3, 0xcb, 0x14, 0x7e, 0x94, 0xd9, 0x9b, 0x5f,
};

struct id_block {
	u8 ld[48];
	u8 family_id[16];
	u8 image_id[16];
	u32 version;
	u32 guest_svn;
	u64 policy;
} __packed;

/*
 * On hardware an ID block needs a signed authentication structure, so there
 * the good block gives BAD_SIGNATURE; the two refusals are the same.
 */
static void psp_id_block(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct sev_data_snp_launch_update upd = update_of(f, SNP_PAGE_TYPE_NORMAL);
	struct sev_data_snp_launch_finish fin = {
		.gctx_paddr = f->gctx_pa,
		.id_block_paddr = f->plain_pa,
		.id_auth_paddr = f->plain_pa,
		.id_block_en = 1,
	};
	struct id_block *idb = f->plain;
	int status;

	guest_to(test, f, G_ACTIVE);
	memset(f->page, 0xf4, PAGE_SIZE);
	page_to(test, f, P_PRE_GUEST);
	CMD_OK(SEV_CMD_SNP_LAUNCH_UPDATE, &upd);

	memcpy(idb->ld, digest_s1, sizeof(digest_s1));
	idb->version = 1;
	idb->policy = POLICY;
	idb->ld[0] ^= 1;
	KUNIT_EXPECT_EQ(test, SEV_RET_BAD_MEASUREMENT,
			cmd(SEV_CMD_SNP_LAUNCH_FINISH, &fin));
	idb->ld[0] ^= 1;
	idb->policy ^= SNP_POLICY_MASK_DEBUG;
	KUNIT_EXPECT_EQ(test, SEV_RET_POLICY_FAILURE,
			cmd(SEV_CMD_SNP_LAUNCH_FINISH, &fin));
	idb->policy = POLICY;
	status = cmd(SEV_CMD_SNP_LAUNCH_FINISH, &fin);
	KUNIT_EXPECT_TRUE(test, status == SEV_RET_SUCCESS ||
			  status == SEV_RET_BAD_SIGNATURE);
}

/* What LAUNCH_UPDATE leaves is the guest's: only RMPUPDATE takes it back. */
static void psp_update_content(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct sev_data_snp_launch_update upd = update_of(f, SNP_PAGE_TYPE_UNMEASURED);
	struct sev_data_snp_dbg dbg = {
		.gctx_paddr = f->gctx_pa,
		.src_addr = f->pa,
		.dst_addr = f->fw_pa,
	};

	guest_to(test, f, G_ACTIVE_DEBUG);
	memset(f->page, 0x5a, PAGE_SIZE);
	page_to(test, f, P_PRE_GUEST);
	CMD_OK(SEV_CMD_SNP_LAUNCH_UPDATE, &upd);
	CMD_OK(SEV_CMD_SNP_DBG_DECRYPT, &dbg);
	KUNIT_EXPECT_EQ(test, 0x5a, *(u8 *)f->fw);
	KUNIT_EXPECT_NULL(test, memchr_inv(f->fw, 0x5a, PAGE_SIZE));
}

/* A CPUID table that promises too much is refused and corrected. */
static void psp_cpuid_page(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct sev_data_snp_launch_update upd = update_of(f, SNP_PAGE_TYPE_CPUID);
	u32 *p = f->page, *e = p + 4;
	u32 ebx = cpuid_ebx(0x80000008);

	guest_to(test, f, G_ACTIVE);
	p[0] = 1;
	e[0] = 0x80000008;
	e[6] = cpuid_eax(0x80000008);
	e[7] = ~0u;
	e[8] = cpuid_ecx(0x80000008);
	page_to(test, f, P_PRE_GUEST);
	KUNIT_EXPECT_EQ(test, SEV_RET_INVALID_PARAM,
			cmd(SEV_CMD_SNP_LAUNCH_UPDATE, &upd));
	KUNIT_EXPECT_EQ(test, ebx, e[7]);
	CMD_OK(SEV_CMD_SNP_LAUNCH_UPDATE, &upd);
}

/* What is reserved in a CPUID table is zero, or the firmware makes it so. */
static void psp_cpuid_reserved(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct sev_data_snp_launch_update upd = update_of(f, SNP_PAGE_TYPE_CPUID);
	u32 *p = f->page, *e = p + 4;

	guest_to(test, f, G_ACTIVE);
	p[0] = 1;
	p[1] = 1;
	p[3] = 1;
	e[0] = 0x80000008;
	e[10] = 1;
	page_to(test, f, P_PRE_GUEST);
	KUNIT_EXPECT_EQ(test, SEV_RET_INVALID_PARAM,
			cmd(SEV_CMD_SNP_LAUNCH_UPDATE, &upd));
	KUNIT_EXPECT_EQ(test, 0, p[1]);
	KUNIT_EXPECT_EQ(test, 0, p[3]);
	KUNIT_EXPECT_EQ(test, 0, e[10]);
	CMD_OK(SEV_CMD_SNP_LAUNCH_UPDATE, &upd);
}

static void hsave_off(void *saved)
{
	u64 *pa = (u64 *)saved + smp_processor_id();

	rdmsrq(MSR_VM_HSAVE_PA, *pa);
	wrmsrq(MSR_VM_HSAVE_PA, 0);
}

static void hsave_on(void *saved)
{
	wrmsrq(MSR_VM_HSAVE_PA, ((u64 *)saved)[smp_processor_id()]);
}

/* SNP_INIT_EX that keeps the RMP, with the target page to be made HV-fixed */
static int init_ex(struct fixture *f, u32 reserved)
{
	struct sev_data_snp_init_ex init = {
		.list_paddr_en = 1,
		.list_paddr = f->plain_pa,
	};
	struct sev_data_range_list *list = f->plain;

	memset(list, 0, PAGE_SIZE);
	list->num_elements = 1;
	list->ranges[0].base = f->pa;
	list->ranges[0].page_count = 1;
	list->ranges[0].rsvd = reserved;
	return cmd(SEV_CMD_SNP_INIT_EX, &init);
}

/*
 * The firmware is shut down and comes up again, all but its RMP. To be the last test:
 * what fails in between leaves it down. One page stays HV-fixed, and is lost.
 */
static void psp_before_init(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct sev_data_snp_shutdown_ex down = { .len = sizeof(down) };
	struct sev_data_snp_init_ex init = { };
	struct sev_data_init sev_init = {
		.flags = SEV_INIT_FLAGS_SEV_ES,
		.tmr_address = tmr,
		.tmr_len = SZ_2M,
	};
	u8 buf[128] = { };
	u64 *hsave;

	if (!ctl)
		kunit_skip(test, "needs the emulated platform");
	KUNIT_ASSERT_NE(test, tmr, 0);
	hsave = kunit_kcalloc(test, nr_cpu_ids, sizeof(*hsave), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, hsave);

	CMD_OK(SEV_CMD_SHUTDOWN, NULL);
	KUNIT_EXPECT_EQ(test, PSTATE, cmd(SEV_CMD_DF_FLUSH, NULL));
	KUNIT_EXPECT_EQ(test, PSTATE, cmd(SEV_CMD_LAUNCH_START, buf));
	KUNIT_EXPECT_EQ(test, PSTATE, cmd(SEV_CMD_GUEST_STATUS, buf));
	CMD_OK(SEV_CMD_FACTORY_RESET, NULL);

	CMD_OK(SEV_CMD_SNP_DF_FLUSH, NULL);
	CMD_OK(SEV_CMD_SNP_SHUTDOWN_EX, &down);
	KUNIT_EXPECT_EQ(test, PSTATE, cmd(SEV_CMD_SNP_SHUTDOWN_EX, &down));
	KUNIT_EXPECT_EQ(test, PSTATE, cmd(SEV_CMD_SNP_DF_FLUSH, NULL));
	KUNIT_EXPECT_EQ(test, PSTATE, cmd(SEV_CMD_SNP_CONFIG, buf));
	*(u64 *)buf = f->gctx_pa;
	KUNIT_EXPECT_EQ(test, PSTATE, cmd(SEV_CMD_SNP_GCTX_CREATE, buf));
	KUNIT_EXPECT_EQ(test, PSTATE, cmd(SEV_CMD_SNP_PAGE_RECLAIM, buf));
	/* The IOMMU has its pages still. */
	*(u64 *)buf = event_log;
	KUNIT_EXPECT_EQ(test, PAGE_STATE, cmd(SEV_CMD_SNP_PLATFORM_STATUS, buf));

	/* kvm_amd has set VM_HSAVE_PA. */
	KUNIT_EXPECT_EQ(test, SEV_RET_INVALID_CONFIG, cmd(SEV_CMD_SNP_INIT_EX, &init));
	on_each_cpu(hsave_off, hsave, 1);
	KUNIT_EXPECT_EQ(test, PARAM, init_ex(f, 1));
	page_to(test, f, P_GUEST_INVALID);
	KUNIT_EXPECT_EQ(test, PAGE_STATE, init_ex(f, 0));
	KUNIT_EXPECT_EQ(test, SNP_CTL_PAGE_GUEST_INVALID, page_state(f->pa));
	KUNIT_EXPECT_EQ(test, 0, rmp_make_shared(PHYS_PFN(f->pa), PG_LEVEL_4K));
	KUNIT_EXPECT_EQ(test, 0, init_ex(f, 0));
	KUNIT_EXPECT_EQ(test, SNP_CTL_PAGE_HV_FIXED, page_state(f->pa));
	on_each_cpu(hsave_on, hsave, 1);
	get_page(virt_to_page(f->page));

	CMD_OK(SEV_CMD_SNP_DF_FLUSH, NULL);
	CMD_OK(SEV_CMD_INIT, &sev_init);
	CMD_OK(SEV_CMD_DF_FLUSH, NULL);
}

static struct kunit_case psp_cases[] = {
	KUNIT_CASE_PARAM(psp_row, rows_gen_params),
	KUNIT_CASE(psp_asid_reuse),
	KUNIT_CASE(psp_asid_owned),
	KUNIT_CASE(psp_id_block),
	KUNIT_CASE(psp_update_content),
	KUNIT_CASE(psp_cpuid_page),
	KUNIT_CASE(psp_cpuid_reserved),
	KUNIT_CASE(psp_decrypt_to_2m),
	KUNIT_CASE(psp_before_init),
	{ }
};

/* Where QEMU has the registers of the one IOMMU */
#define IOMMU_MMIO	0xfed80000
#define IOMMU_EVENT_LOG	0x10
#define IOMMU_STORE	0x20	/* Exclusion Base, without SNP */

static int psp_suite_init(struct kunit_suite *suite)
{
	struct pci_dev *dev = pci_get_device(SNP_CTL_VENDOR_ID, SNP_CTL_DEVICE_ID, NULL);
	u8 __iomem *iommu;

	rdmsrq_safe(MSR_AMD64_RMP_BASE, &rmp_base);
	rdmsrq_safe(MSR_AMD64_RMP_END, &rmp_end);
	if (dev && !pci_enable_device_mem(dev))
		ctl = ioremap(pci_resource_start(dev, 0), SNP_CTL_BAR_SIZE);
	pci_dev_put(dev);
	if (!ctl)
		return 0;

	iommu = ioremap(IOMMU_MMIO, PAGE_SIZE);
	if (!iommu)
		return -ENOMEM;
	event_log = readq(iommu + IOMMU_EVENT_LOG) & GENMASK_ULL(51, 12);
	completion_store = readq(iommu + IOMMU_STORE) & GENMASK_ULL(51, 12);
	iounmap(iommu);
	return 0;
}

static void psp_suite_exit(struct kunit_suite *suite)
{
	if (ctl)
		iounmap(ctl);
	ctl = NULL;
}

static struct kunit_suite psp_suite = {
	.name = "snp_psp",
	.suite_init = psp_suite_init,
	.suite_exit = psp_suite_exit,
	.init = fixture_init,
	.exit = fixture_exit,
	.test_cases = psp_cases,
};
kunit_test_suite(psp_suite);

MODULE_DESCRIPTION("State machine of the SEV firmware");
MODULE_LICENSE("GPL");
