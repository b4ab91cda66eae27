/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the emulated SNP platform asks of the AMD IOMMU.
 */
#ifndef HW_I386_SNP_IOMMU_H
#define HW_I386_SNP_IOMMU_H

#include "exec/memory.h"

/* What the IOMMU itself writes to. */
enum SnpIommuRange {
    SNP_IOMMU_EVENT_LOG,
    SNP_IOMMU_PPR_LOG,
    SNP_IOMMU_STORE,            /* of COMPLETION_WAIT */
    SNP_IOMMU_NR
};

/* Does the IOMMU of this machine announce SNP? */
bool snp_iommu_present(void);

/*
 * Takes write permission from a translation whose page is not the
 * hypervisor's; restricts the translation to that page then.
 */
void snp_iommu_check(hwaddr iova, bool is_write, IOMMUTLBEntry *entry);

/* May the IOMMU write there on its own account? */
bool snp_iommu_own_write(enum SnpIommuRange what, hwaddr addr, uint64_t len);

#endif
