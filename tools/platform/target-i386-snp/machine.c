/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Emulated SEV-SNP host platform: the BIOS's part, which is to keep memory
 * for the RMP out of the operating system's hands.
 *
 * Sources: APM volume 2 ("Initializing the RMP": size, alignment, coverage),
 * Linux arch/x86/virt/svm/sev.c (the table must cover max_pfn and itself).
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/units.h"
#include "system/reset.h"
#include "system/tcg.h"
#include "exec/memory.h"
#include "hw/i386/e820_memory_layout.h"
#include "cpu.h"
#include "snp.h"

/* The firmware wants 1 MiB; whole large pages keep Linux' fix-up idle. */
#define RMP_ALIGN   (2 * MiB)

static void snp_machine_reset(void *opaque)
{
    SnpPlatform *s = opaque;

    qatomic_set(&s->snp_en, false);
}

uint64_t snp_machine_reserve(MemoryRegion *ram, uint64_t below_4g,
                             uint64_t above_4g_start, uint64_t above_4g,
                             uint64_t maxram)
{
    SnpPlatform *s = snp_platform;
    uint64_t ram_top, top, size, offset;

    if (!s) {
        return 0;
    }
    if (!tcg_enabled()) {
        error_report("snp-platform: only TCG emulates it; use -accel tcg");
        exit(EXIT_FAILURE);
    }
    if (!memory_region_is_ram(ram)) {
        error_report("snp-platform: the RMP needs memory in one piece; remove "
                     "memdev from -numa");
        exit(EXIT_FAILURE);
    }
    if (maxram > below_4g + above_4g) {
        error_report("snp-platform: memory that can be plugged later is not "
                     "covered by the RMP; remove maxmem and slots from -m");
        exit(EXIT_FAILURE);
    }

    ram_top = above_4g ? above_4g_start + above_4g : below_4g;
    top = QEMU_ALIGN_DOWN(ram_top, RMP_ALIGN);
    size = ROUND_UP(SNP_RMP_BOOKKEEPING +
                    (DIV_ROUND_UP(ram_top, 4 * KiB) + 1) * SNP_RMP_ENTRY_SIZE,
                    RMP_ALIGN);
    if (size + 64 * MiB > (above_4g ? above_4g : below_4g)) {
        error_report("snp-platform: no room for an RMP of %" PRIu64 " MiB at "
                     "0x%" PRIx64 "; give the machine more memory",
                     size / MiB, top);
        exit(EXIT_FAILURE);
    }

    s->rmp_base = top - size;
    s->rmp_end = top - 1;
    offset = above_4g ? s->rmp_base - above_4g_start + below_4g : s->rmp_base;
    s->rmp_host = (uint8_t *)memory_region_get_ram_ptr(ram) + offset;
    s->rmp_pages = (size - SNP_RMP_BOOKKEEPING) / SNP_RMP_ENTRY_SIZE;
    s->assigned_2m = g_new0(uint16_t, DIV_ROUND_UP(s->rmp_pages, 512));
    s->writer_4k = g_new0(uint64_t, s->rmp_pages);
    s->writer_2m = g_new0(uint64_t, DIV_ROUND_UP(s->rmp_pages, 512));

    e820_add_entry(s->rmp_base, ram_top - s->rmp_base, E820_RESERVED);
    qemu_register_reset(snp_machine_reset, s);

    return above_4g ? 0 : ram_top - s->rmp_base;
}
