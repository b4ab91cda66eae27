/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory of the guest.  The sections .igvm.* are for snp-mkigvm, which makes
 * directives of them (Documentation/snp-launch.rst).
 */
#include "layout.h"

ENTRY(_start)

SECTIONS
{
	.igvm.secrets 0x10000 (NOLOAD) : { secrets_page = .; . += 0x1000; }
	.igvm.cpuid 0x11000 (NOLOAD) : { cpuid_page = .; . += 0x1000; }
	.igvm.parameters 0x12000 (NOLOAD) : { parameters = .; . += 0x1000; }
	/* Up to eight VP contexts */
	.igvm.vmsa 0x18000 (NOLOAD) : { . += 0x8000; }

	.text 0x100000 : { *(.text.head) *(.text .text.*) }
	.rodata ALIGN(16) : { *(.rodata .rodata.*) }
	.data ALIGN(4096) : { *(.data .data.*) }
	.bss ALIGN(16) (NOLOAD) : { *(.bss .bss.*) *(COMMON) }
	. = ALIGN(4096);
	image_end = .;

	/* Not launched: the guest takes what it needs with PVALIDATE. */
	.igvm.memory 0x200000 (NOLOAD) : { memory = .; . += 0x200000; memory_end = .; }

	/DISCARD/ : { *(.comment) *(.note.*) *(.eh_frame*) }
}

ASSERT(SIZEOF(.text) + SIZEOF(.data) + SIZEOF(.bss) < 0x100000, "the image reaches .igvm.memory")
ASSERT(memory_end <= SHARED_ALIAS, "memory above the alias")
