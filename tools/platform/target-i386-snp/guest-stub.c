/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Emulated SEV-SNP host platform: stand-ins for the guest MMU until it is
 * there; no SNP guest can run without it.
 */
#include "qemu/osdep.h"
#include "cpu.h"
#include "snp.h"

void snp_guest_translate(CPUX86State *env, uint64_t va, SnpGuestPage *pg,
                         uintptr_t ra)
{
    g_assert_not_reached();
}

void snp_raise_npf(CPUX86State *env, hwaddr gpa, uint64_t bits, uintptr_t ra)
{
    g_assert_not_reached();
}

void snp_raise_not_validated(CPUX86State *env, uint64_t va, uintptr_t ra)
{
    g_assert_not_reached();
}
