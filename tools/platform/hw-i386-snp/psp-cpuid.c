/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Emulated SEV firmware: what it compares with the processor.
 *
 * CPUID page: ABI, SNP_LAUNCH_UPDATE, "CPUID Page".  The firmware refuses a
 * table that promises the guest what the processor does not have and hands
 * back values that would pass.  Which fields count is in the tables of each
 * family's PPR; those below are the ones that hold features or limits.
 */
#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "hw/core/cpu.h"
#include "target/i386/cpu.h"
#include "psp-fw.h"

#define SYSCFG_MFDM     (1u << 19)

bool fw_cpus_ready(void)
{
    CPUState *cs;

    CPU_FOREACH(cs) {
        CPUX86State *env = &X86_CPU(cs)->env;

        if (!snp_cpu_enabled(env) || !(snp_cpu_syscfg(env) & SYSCFG_MFDM) ||
            env->vm_hsave) {
            return false;
        }
    }
    return true;
}

/* Header: u32 count, u32 and u64 reserved.  Entry: see below, u64 reserved. */
#define TABLE_HDR       16
#define ENTRY_SIZE      48
#define ENTRY_MAX       64

enum { E_EAX_IN = 0, E_ECX_IN = 4, E_XCR0 = 8, E_XSS = 16, E_REG = 24,
       E_RESERVED = 40 };

typedef enum Rule { ANY, SUBSET, EQUAL, AT_MOST } Rule;

typedef struct CpuidRule {
    uint32_t leaf;
    uint32_t subleaf;
    Rule rule[4];
    uint32_t free[4];       /* bits that the hypervisor may choose */
} CpuidRule;

#define OSXSAVE     (1u << 27)
#define HYPERVISOR  (1u << 31)
#define X2APIC      (1u << 21)
#define TSC_DEADLINE (1u << 24)
#define OSPKE       (1u << 4)

static const CpuidRule rules[] = {
    { 0x00000000, 0, { AT_MOST, EQUAL, EQUAL, EQUAL } },
    { 0x00000001, 0, { ANY, ANY, SUBSET, SUBSET },
      { 0, 0, OSXSAVE | HYPERVISOR | X2APIC | TSC_DEADLINE, 1u << 28 } },
    { 0x00000007, 0, { AT_MOST, SUBSET, SUBSET, SUBSET }, { 0, 0, OSPKE } },
    { 0x0000000d, 0, { SUBSET, ANY, AT_MOST, SUBSET } },
    { 0x0000000d, 1, { SUBSET, ANY, SUBSET, SUBSET } },
    { 0x80000000, 0, { AT_MOST, EQUAL, EQUAL, EQUAL } },
    { 0x80000001, 0, { ANY, ANY, SUBSET, SUBSET } },
    { 0x80000007, 0, { ANY, SUBSET, ANY, SUBSET } },
    { 0x80000008, 0, { ANY, SUBSET, ANY, ANY } },
    { 0x8000001f, 0, { SUBSET, ANY, ANY, ANY } },
    { 0x80000021, 0, { SUBSET, ANY, ANY, ANY } },
};

static bool check_entry(uint8_t *entry, CPUX86State *env)
{
    uint32_t leaf = ldl_le_p(entry + E_EAX_IN);
    uint32_t subleaf = ldl_le_p(entry + E_ECX_IN);
    uint32_t host[4];
    bool ok = true;
    int i, r;

    for (i = 0; i < ARRAY_SIZE(rules); i++) {
        if (rules[i].leaf == leaf && rules[i].subleaf == subleaf) {
            break;
        }
    }
    if (i == ARRAY_SIZE(rules)) {
        return true;
    }

    cpu_x86_cpuid(env, leaf, subleaf, &host[0], &host[1], &host[2], &host[3]);
    for (r = 0; r < 4; r++) {
        uint32_t want = ldl_le_p(entry + E_REG + 4 * r);
        uint32_t fixed = want;

        switch (rules[i].rule[r]) {
        case ANY:
            break;
        case SUBSET:
            fixed = want & (host[r] | rules[i].free[r]);
            break;
        case EQUAL:
            fixed = host[r];
            break;
        case AT_MOST:
            fixed = MIN(want, host[r]);
            break;
        }
        if (fixed != want) {
            stl_le_p(entry + E_REG + 4 * r, fixed);
            ok = false;
        }
    }
    return ok;
}

static bool check_reserved(uint8_t *p, size_t len)
{
    if (buffer_is_zero(p, len)) {
        return true;
    }
    memset(p, 0, len);
    return false;
}

bool fw_cpuid_page_check(uint8_t *page)
{
    CPUX86State *env = &X86_CPU(first_cpu)->env;
    uint32_t n = ldl_le_p(page), i;
    bool ok = check_reserved(page + 4, TABLE_HDR - 4);

    if (n > ENTRY_MAX) {
        stl_le_p(page, ENTRY_MAX);
        n = ENTRY_MAX;
        ok = false;
    }
    for (i = 0; i < n; i++) {
        uint8_t *entry = page + TABLE_HDR + ENTRY_SIZE * i;

        ok &= check_entry(entry, env);
        ok &= check_reserved(entry + E_RESERVED, ENTRY_SIZE - E_RESERVED);
    }
    return ok;
}
