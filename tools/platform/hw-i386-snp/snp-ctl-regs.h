/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Registers of snp-ctl, the control device of the emulated SNP platform.
 *
 * Plain C without includes: QEMU, programs in the machine and host tests all
 * use this very file.  PCI 1234:5e01, BAR 0, 4 KiB, 64-bit little-endian
 * registers, 8-byte accesses only.  A register that does not exist reads all
 * ones.
 *
 * Root reaches the BAR without a driver: enable the device (write 1 to
 * /sys/bus/pci/devices/<bdf>/enable, which sets Memory Space Enable in the
 * PCI command register), then mmap resource0.  tools/vm/snpctl.h does it.
 *
 * Append only.  A layout change that is not an addition raises the version.
 */
#ifndef SNP_CTL_REGS_H
#define SNP_CTL_REGS_H

#define SNP_CTL_VENDOR_ID       0x1234
#define SNP_CTL_DEVICE_ID       0x5e01
#define SNP_CTL_BAR_SIZE        0x1000

/* "SNPCTL01", read as a little-endian number */
#define SNP_CTL_MAGIC_VALUE     0x31304c5443504e53ULL
#define SNP_CTL_VERSION_VALUE   1

/* Identification, read only */
#define SNP_CTL_MAGIC           0x000
#define SNP_CTL_VERSION         0x008
#define SNP_CTL_NR_COUNTERS     0x010
#define SNP_CTL_NR_STATES       0x018
#define SNP_CTL_NR_HOLDS        0x020
/* bit 0: SYSCFG.SNP_EN is set; bit 1: firmware is in the SNP INIT state */
#define SNP_CTL_STATUS          0x028
#define   SNP_CTL_STATUS_SNP_EN     0x1
#define   SNP_CTL_STATUS_SNP_INIT   0x2
/* Guest contexts between GCTX_CREATE and DECOMMISSION; bound to an ASID */
#define SNP_CTL_CONTEXTS        0x030
#define SNP_CTL_BOUND           0x038
/* Any write clears every counter */
#define SNP_CTL_CLEAR           0x040
/* Any write is traced as event snp_ctl_mark: where two records meet */
#define SNP_CTL_MARK            0x048

/*
 * Counters, in the order of enum SnpCounter; any write clears that one.
 */
#define SNP_CTL_COUNTER_BASE    0x100
#define SNP_CTL_COUNTER(n)      (SNP_CTL_COUNTER_BASE + 8 * (n))
#define SNP_CTL_COUNTER_MAX     64

enum snp_ctl_counter {
    SNP_CTL_CNT_RMPUPDATE,
    SNP_CTL_CNT_RMPUPDATE_FAIL,
    SNP_CTL_CNT_PSMASH,
    SNP_CTL_CNT_PVALIDATE,
    SNP_CTL_CNT_RMPADJUST,
    SNP_CTL_CNT_VMRUN_ES,
    SNP_CTL_CNT_VMRUN_SNP,
    SNP_CTL_CNT_VMRUN_STALE_VMSA,
    SNP_CTL_CNT_VMRUN_INVALID,
    SNP_CTL_CNT_RMP_FAULT,
    SNP_CTL_CNT_NPF_RMP,
    SNP_CTL_CNT_VC,
    SNP_CTL_CNT_DMA_BLOCKED,
    SNP_CTL_CNT_PSP_CMD,
    SNP_CTL_CNT_PSP_ERR,
    SNP_CTL_CNT_TLB_FLUSH,
    SNP_CTL_CNT_DECOMMISSION_LEAK,
};

/*
 * Computed when read: each walks the whole RMP, so read these at idle only.
 *
 * LEAKED: pages in a guest state (assigned, ASID != 0) whose ASID is bound to
 * no guest context, SNP or legacy.  Linux decommissions the context first
 * (last reference to the VM) and gives gmem's pages back after that (eviction
 * of the inode), so this may be non-zero for a moment after a VM is closed.
 * It must be zero at idle.
 */
#define SNP_CTL_LEAKED          0x300
/* All pages assigned to any ASID but 0 */
#define SNP_CTL_GUEST_PAGES     0x308
/* Write an ASID, then read the number of pages assigned to it */
#define SNP_CTL_ASID            0x310
#define SNP_CTL_ASID_PAGES      0x318
/* Write a page's system physical address, then read its state (below) */
#define SNP_CTL_PAGE            0x320
#define SNP_CTL_PAGE_STATE      0x328
/*
 * Firmware, Context, Metadata and Reclaim pages: what the driver of the
 * firmware still owns.  Constant from one idle point to the next.
 */
#define SNP_CTL_FW_PAGES        0x330
/*
 * RMP entry of SNP_CTL_PAGE: ENTRY is the low quadword in the architectural
 * layout, and bit 63 if a CPU uses the page as VMCB or VMSA; PERMS holds the
 * permissions of VMPL n in bits 8n+7:8n.
 */
#define SNP_CTL_PAGE_ENTRY      0x338
#define SNP_CTL_PAGE_PERMS      0x340
/*
 * Write a guest physical address, then read the system physical address of the
 * page that is assigned for it (with ASID other than 0: to that guest), or all
 * ones.  Walks the RMP when read.
 */
#define SNP_CTL_GPA             0x348
#define SNP_CTL_GPA_PAGE        0x350

/* 4 KiB pages per state; the states of the firmware ABI, table "Page States" */
#define SNP_CTL_STATE_BASE      0x380
#define SNP_CTL_STATE(n)        (SNP_CTL_STATE_BASE + 8 * (n))

enum snp_ctl_page_state {
    SNP_CTL_PAGE_HYPERVISOR,
    SNP_CTL_PAGE_HV_FIXED,
    SNP_CTL_PAGE_RECLAIM,
    SNP_CTL_PAGE_FIRMWARE,
    SNP_CTL_PAGE_CONTEXT,
    SNP_CTL_PAGE_METADATA,
    SNP_CTL_PAGE_PRE_GUEST,
    SNP_CTL_PAGE_PRE_SWAP,
    SNP_CTL_PAGE_GUEST_INVALID,
    SNP_CTL_PAGE_GUEST_VALID,
    SNP_CTL_PAGE_NOT_COVERED,
    SNP_CTL_PAGE_NR
};

/*
 * Fault injection: FAIL_NTH = n makes the n-th firmware command from now
 * (1 = the next) return FAIL_STATUS without being carried out, or with
 * FAIL_AFTER other than 0 after it was carried out.  With FAIL_CMD other than
 * 0 only commands with that number count.  With FAIL_COUNT above 1 so many
 * commands fail from the n-th on, with all ones all of them.  Set NTH last; it
 * counts down to 0, and writing 0 turns all off.  HITS counts commands that
 * were made to fail, any write clears it.
 */
#define SNP_CTL_FAIL_NTH        0x500
#define SNP_CTL_FAIL_STATUS     0x508
#define SNP_CTL_FAIL_CMD        0x510
#define SNP_CTL_FAIL_HITS       0x518
#define SNP_CTL_FAIL_COUNT      0x520
#define SNP_CTL_FAIL_AFTER      0x528

/*
 * Hold points: places at which a CPU or the firmware waits until released.
 *
 * ARM      number of arrivals to hold; 0 disarms (and does not release)
 * MATCH    hold only arrivals with this argument (0: any); see the places
 * WAITING  who waits now, read only (0: nobody)
 * RELEASE  any write releases whoever waits
 *
 * A CPU that is held executes its instruction again until it is released, or
 * takes its interrupt again: it serves interrupts that it would serve there,
 * and no other CPU is blocked.  At VMEXIT it is still in the guest, but
 * executes nothing of it.
 */
#define SNP_CTL_HOLD_BASE       0x600
#define SNP_CTL_HOLD_SIZE       0x20
#define SNP_CTL_HOLD_ARM(p)     (SNP_CTL_HOLD_BASE + SNP_CTL_HOLD_SIZE * (p))
#define SNP_CTL_HOLD_MATCH(p)   (SNP_CTL_HOLD_ARM(p) + 0x08)
#define SNP_CTL_HOLD_WAITING(p) (SNP_CTL_HOLD_ARM(p) + 0x10)
#define SNP_CTL_HOLD_RELEASE(p) (SNP_CTL_HOLD_ARM(p) + 0x18)

/*
 * PSP_BEFORE   command accepted, not carried out; MATCH: command number
 * PSP_AFTER    carried out, completion not yet shown; MATCH: command number
 * VMRUN        before any check; MATCH: ASID
 * RMPUPDATE    before any check; MATCH: page address
 * VMEXIT       of an SEV-ES or SNP guest, before anything is saved; MATCH:
 *              exit code
 */
enum snp_ctl_hold {
    SNP_CTL_HOLD_PSP_BEFORE,
    SNP_CTL_HOLD_PSP_AFTER,
    SNP_CTL_HOLD_VMRUN,
    SNP_CTL_HOLD_RMPUPDATE,
    SNP_CTL_HOLD_VMEXIT,
    SNP_CTL_HOLD_NR
};

/*
 * Launch digest, 48 bytes, of the guest whose SNP_LAUNCH_FINISH came last,
 * whether it was accepted or not; zeros if there was none.  Hardware shows it
 * to nobody but the guest.
 */
#define SNP_CTL_LD              0x700
#define SNP_CTL_LD_WORDS        6

#endif
