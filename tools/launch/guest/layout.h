/* SPDX-License-Identifier: GPL-2.0 */
/* What the guest's assembly, C and linker script agree on. */
#ifndef GUEST_LAYOUT_H
#define GUEST_LAYOUT_H

#define GUEST_CS		0x18
#define GUEST_DS		0x10

/* Stack of a vCPU, with struct cpu at its lower end; a power of two. */
#define CPU_AREA_SIZE		0x4000

/* All memory of the guest is below; above it is the same, shared (C=0). */
#define SHARED_ALIAS		0x40000000

/* Termination requests of the GHCB: reason set and codes of this guest */
#define TERM_SET		7
#define TERM_NO_C_BIT		1	/* no usable CPUID page */
#define TERM_NO_GHCB		2	/* the GHCB can't be shared or registered */
#define TERM_EXCEPTION		3	/* an exception before there is a console */
#define TERM_CHECK		4	/* a check failed, see the console */

#endif
