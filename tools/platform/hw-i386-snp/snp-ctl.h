/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the control device offers to the rest of the platform.
 *
 * A place for a hold point: give it a number in enum snp_ctl_hold, then call
 * snp_cpu_hold() where the wait is to happen.  On a CPU that is the start of a
 * helper, before it changes anything: the instruction is executed again until
 * somebody releases the place.
 */
#ifndef HW_I386_SNP_CTL_H
#define HW_I386_SNP_CTL_H

#include "hw/core/cpu.h"
#include "snp-ctl-regs.h"

#define SNP_HOLD_WHO_PSP    63

/*
 * Must @who (number of the CPU, or SNP_HOLD_WHO_PSP) wait at @place?  Costs
 * one load while nothing is armed.  Any thread, with or without the BQL.
 */
bool snp_hold(unsigned place, unsigned who, uint64_t arg);

/*
 * Does not return if @cs must wait at @place: what it does is started over,
 * once work that others queued for it is done.  @ra: GETPC() of the helper; 0
 * if no instruction is under way.
 */
void snp_cpu_hold(CPUState *cs, unsigned place, uint64_t arg, uintptr_t ra);

/* Told by the control device, with the BQL, when the PSP may go on. */
void snp_psp_released(void);

#endif
