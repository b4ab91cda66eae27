/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RMP checks of device accesses.
 *
 * From SNP_INIT to SNP_SHUTDOWN_EX with IOMMU_SNP_SHUTDOWN the IOMMU lets no
 * device write to a page that is not the hypervisor's.  The IOMMU's own
 * writes (event log, completion store) go to the Firmware pages that SNP_INIT
 * made for them, and to no others.
 */
#include "qemu/osdep.h"
#include "psp-fw.h"
#include "snp-iommu.h"
#include "trace.h"

bool snp_iommu_present(void)
{
    return snp_platform != NULL;
}

void snp_iommu_check(hwaddr iova, bool is_write, IOMMUTLBEntry *entry)
{
    hwaddr off, page;

    if (!snp_platform || !qatomic_read(&snp_fw.iommu_enforce) ||
        !(entry->perm & IOMMU_WO)) {
        return;
    }

    off = iova & entry->addr_mask & ~(FW_PAGE - 1);
    page = (entry->translated_addr & ~entry->addr_mask) + off;
    if (!snp_rmp_covers(page)) {
        return;
    }

    /* Answer for one page: its neighbours may be in another state. */
    entry->iova = iova & ~(FW_PAGE - 1);
    entry->translated_addr = page;
    entry->addr_mask = FW_PAGE - 1;

    if (!snp_hv_write_ok(page, FW_PAGE)) {
        entry->perm &= ~IOMMU_WO;
        if (is_write) {
            snp_count(SNP_CNT_DMA_BLOCKED);
            trace_snp_iommu_dma_blocked(iova, page);
        }
    }
}

bool snp_iommu_own_write(enum SnpIommuRange what, hwaddr addr, uint64_t len)
{
    const FwRange *r = &snp_fw.iommu[what];

    if (!snp_platform || !qatomic_read(&snp_fw.iommu_enforce) ||
        (addr >= r->base && addr + len <= r->base + r->len)) {
        return true;
    }
    snp_unmodelled("the IOMMU writes to 0x%" HWADDR_PRIx ", where it had "
                   "nothing to write to at SNP_INIT", addr);
    return false;
}
