/* SPDX-License-Identifier: GPL-2.0 */
/*
 * From 32-bit protected mode without paging, where every access is private, to C.
 *
 * EDI	number of this vCPU: vp_index of its VP context, or what the BSP put into
 *	the VMSA that it made
 * ESI	number of VP contexts in the file
 */
#include "layout.h"

#define MSR_EFER	0xc0000080
#define MSR_GHCB	0xc0010130
#define EFER_LME	0x100
#define CR4_BITS	0x620		/* PAE, OSFXSR, OSXMMEXCPT */
#define CR0_BITS	0x80000023	/* PG, NE, MP, PE */

#define CPUID_ENTRY	48
#define CPUID_EBX	28

	.section .text.head, "ax"
	.code32
	.globl _start
_start:
	cld
	testl	%edi, %edi
	jnz	go

	/* The position of the C-bit, from the page that firmware has checked. */
	movl	cpuid_page, %ecx
	movl	$cpuid_page + 16, %ebx
1:	testl	%ecx, %ecx
	jz	no_c_bit
	cmpl	$0x8000001f, (%ebx)
	je	2f
	addl	$CPUID_ENTRY, %ebx
	decl	%ecx
	jmp	1b
2:	movl	CPUID_EBX(%ebx), %ecx
	andl	$0x3f, %ecx
	movl	%ecx, c_bit
	cmpl	$32, %ecx
	jb	no_c_bit
	movl	$1, %edx
	subl	$32, %ecx
	shll	%cl, %edx		/* upper half of a private entry */

	/* 1 GiB of memory, private at its address and shared at SHARED_ALIAS. */
	movl	$pdpt + 3, pml4
	movl	%edx, pml4 + 4
	movl	$pd_private + 3, pdpt
	movl	%edx, pdpt + 4
	movl	$pd_shared + 3, pdpt + 8
	movl	%edx, pdpt + 12
	xorl	%ecx, %ecx
	movl	$0x83, %eax
1:	movl	%eax, pd_private(,%ecx,8)
	movl	%edx, pd_private + 4(,%ecx,8)
	movl	%eax, pd_shared(,%ecx,8)
	addl	$0x200000, %eax
	incl	%ecx
	cmpl	$512, %ecx
	jb	1b

	/* A vCPU other than the first waits until that one has made its area. */
go:	pause
	movl	cpu_area(,%edi,8), %esp
	testl	%esp, %esp
	jz	go
	addl	$CPU_AREA_SIZE, %esp

	movl	$pml4, %eax
	movl	%eax, %cr3
	movl	%cr4, %eax
	orl	$CR4_BITS, %eax
	movl	%eax, %cr4
	movl	$MSR_EFER, %ecx
	rdmsr
	orl	$EFER_LME, %eax
	wrmsr
	movl	%cr0, %eax
	orl	$CR0_BITS, %eax
	movl	%eax, %cr0
	lgdt	gdt_ptr
	ljmp	$GUEST_CS, $go64

no_c_bit:
	movl	$MSR_GHCB, %ecx
	movl	$(0x100 | TERM_SET << 12 | TERM_NO_C_BIT << 16), %eax
	xorl	%edx, %edx
	wrmsr
	rep; vmmcall
	jmp	no_c_bit

	.code64
go64:
	movl	$GUEST_DS, %eax
	movl	%eax, %ss
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %fs
	movl	%eax, %gs
	movl	%esp, %esp
	movl	%edi, %edi
	movl	%esi, %esi
	xorl	%ebp, %ebp
	call	start
	ud2

	/*
	 * Exceptions: all registers on the stack, then trap().
	 */
	.align	16
	.globl	vectors
vectors:
	.set	n, 0
	.rept	32
	.align	16
	.if n != 8 && n != 17 && n != 21 && n != 29 && n != 30 && (n < 10 || n > 14)
	pushq	$0		/* in place of an error code */
	.endif
	pushq	$n
	jmp	trap_common
	.set	n, n + 1
	.endr

trap_common:
	pushq	%rax
	pushq	%rcx
	pushq	%rdx
	pushq	%rbx
	pushq	%rbp
	pushq	%rsi
	pushq	%rdi
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	%r11
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	cld
	movq	%rsp, %rdi
	call	trap
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%r11
	popq	%r10
	popq	%r9
	popq	%r8
	popq	%rdi
	popq	%rsi
	popq	%rbp
	popq	%rbx
	popq	%rdx
	popq	%rcx
	popq	%rax
	addq	$16, %rsp
	iretq

	.data
	.align	8
gdt:	.quad	0
	.quad	0x00cf9b000000ffff	/* 32-bit code */
	.quad	0x00cf93000000ffff	/* data */
	.quad	0x00af9b000000ffff	/* 64-bit code */
gdt_end:
gdt_ptr:
	.word	gdt_end - gdt - 1
	.quad	gdt

	.bss
	.globl	c_bit
	.align	4096
pml4:	.skip	4096
pdpt:	.skip	4096
pd_private:
	.skip	4096
pd_shared:
	.skip	4096
c_bit:	.skip	4

	.section .note.GNU-stack, "", @progbits
