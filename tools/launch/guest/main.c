// SPDX-License-Identifier: GPL-2.0
/*
 * What the guest does, in this order: it says what it is, has #VC answer CPUID
 * and OUT, reads its parameters, takes a page when #VC says that it is not
 * validated, shares pages, starts the other vCPUs, asks for a report, takes the
 * pages back, and ends.
 *
 * Words of the command line: "zap" takes away the VMSA of vCPU 1 while it runs; "psc" tries
 * every kind of page state change; "certs" asks for a report with certificates; "vmpl" has
 * vCPU 1 run at VMPL1;
 * "status=N" ends with that status; "term", "hang", "nowhere" and "crash" end in a
 * termination request, never, in an access to memory that is not there, and in a
 * triple fault.
 */
#include "guest.h"

#define MSR_SEV_STATUS		0xc0010131

#define GHCB_AP_CREATION	0x80000013ull
#define AP_CREATE		1
#define AP_VMPL(vmpl)		((vmpl) << 16)
#define AP_REFUSED		2		/* in SW_EXITINFO1: malformed input */

#define CONSOLE_PORT		0x3f8
#define EXIT_PORT		0xf4

#define NR_SHARED		16	/* 0 to 6: GHCBs of APs; the last six: guest request */
#define SHARED_CERTS		10
#define NR_CERTS		4
#define SHARED_REQUEST		14
#define SHARED_RESPONSE		15

static u8 boot_area[CPU_AREA_SIZE] __attribute__((aligned(CPU_AREA_SIZE)));

/* Lets the vCPU of that number go on; see head.S. */
u64 volatile cpu_area[MAX_CPUS] = { (u64)boot_area };

static u8 *shared_pages;	/* by their private address */
static u32 nr_contexts;
static volatile bool spin;	/* what APs do in the end: spin or halt */

static void __attribute__((noreturn)) end(u8 status)
{
	ghcb_out(EXIT_PORT, status, 1);
	failed("exit port: the guest runs on", 1, 0);
}

/* The word, or what follows "word=" in it; NULL if it is not there. */
static const char *option(const char *word)
{
	const char *s = (const char *)parameters + PARAM_COMMAND_LINE;
	size_t len = strlen(word);

	while (*s) {
		while (*s == ' ')
			s++;
		if (!memcmp(s, word, len) && (!s[len] || s[len] == ' ' || s[len] == '='))
			return s + len + (s[len] == '=');
		while (*s && *s != ' ')
			s++;
	}
	return NULL;
}

static void cpuid(u32 leaf, u32 out[4])
{
	asm volatile("cpuid" : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3])
		     : "a"(leaf), "c"(0));
}

static void show_vc(void)
{
	static const char text[] = "guest: #VC: this line by OUT instructions\n";
	u32 reg[4], vendor[4] = { 0 };
	const char *s;

	cpuid(0, reg);
	vendor[0] = reg[1];
	vendor[1] = reg[3];
	vendor[2] = reg[2];
	cpuid(1, reg);
	print("guest: #VC: CPUID from the page that firmware checked: %s, signature 0x%x\n",
	      (char *)vendor, reg[0]);
	for (s = text; *s; s++)
		asm volatile("out %0, %1" : : "a"(*s), "d"((u16)CONSOLE_PORT));
	CHECK("exceptions of CPUID and OUT", this_cpu()->nr_vc, 2 + strlen(text));
}

/* The number of local APICs in the table; the checksum is right if it is not 0. */
static u32 count_apics(const u8 *madt)
{
	u32 size = *(u32 *)(madt + 4), i, nr = 0;
	u8 sum = 0;

	if (memcmp(madt, "APIC", 4) || size > PARAM_MEMORY_MAP - PARAM_MADT)
		return 0;
	for (i = 0; i < size; i++)
		sum += madt[i];
	for (i = 44; i + 1 < size && madt[i + 1]; i += madt[i + 1])
		nr += madt[i] == 0;
	return sum ? 0 : nr;
}

static u32 show_parameters(void)
{
	const struct { u64 first, pages; u16 type, flags; u32 reserved; } *map =
		(void *)(parameters + PARAM_MEMORY_MAP);
	const char *line = (const char *)parameters + PARAM_COMMAND_LINE;
	u32 nr = *(u32 *)(parameters + PARAM_VP_COUNT), i;
	u64 pages = 0;

	for (i = 0; map[i].pages && (u8 *)&map[i + 1] <= parameters + PAGE_SIZE; i++)
		pages += map[i].type ? 0 : map[i].pages;
	print("guest: parameters: %u vCPUs (%u in the file), %lu KiB of memory, \"%s\"\n", nr,
	      nr_contexts, pages * 4, line);
	CHECK("local APICs in the MADT", count_apics(parameters + PARAM_MADT), nr);
	CHECK("vCPUs", nr >= 1 && nr <= MAX_CPUS && nr >= nr_contexts, 1);
	return nr;
}

static void show_not_validated(void)
{
	u64 *page = alloc_page(false);

	*(volatile u64 *)page = 0x1122334455667788;
	CHECK("#VC 0x404", vc_not_validated, 1);
	CHECK("what was written", *(volatile u64 *)page, 0x1122334455667788);
	print("guest: #VC: page 0x%lx was not validated; now it is\n", (u64)page);
}

/* The host follows an access, too, without having been asked. */
static void show_implicit(void)
{
	u64 *page = alloc_page(false);

	*(volatile u64 *)shared(page) = 1;
	CHECK("what was written, shared", *(volatile u64 *)shared(page), 1);
	*(volatile u64 *)page = 2;
	CHECK("what was written, private", *(volatile u64 *)page, 2);
	CHECK("#VC 0x404", vc_not_validated, 2);
	print("guest: page 0x%lx was shared and private by access alone\n", (u64)page);
}

static void share_pages(void)
{
	u32 i;

	for (i = 0; i < NR_SHARED; i++) {
		u8 *page = alloc_page(true);

		if (!i)
			shared_pages = page;
		memset(page, 0x5a, PAGE_SIZE);
		CHECK("PVALIDATE before sharing", pvalidate(page, false), 0);
	}
	CHECK("page state change to shared", ghcb_psc(shared_pages, NR_SHARED, false), 0);
	for (i = 0; i < NR_SHARED; i++)
		*(volatile u64 *)shared(shared_pages + i * PAGE_SIZE) = ~(u64)i;
	for (i = 0; i < NR_SHARED; i++)
		CHECK("shared memory", *(volatile u64 *)shared(shared_pages + i * PAGE_SIZE),
		      ~(u64)i);
	print("guest: %u pages at 0x%lx are shared\n", NR_SHARED, (u64)shared_pages);
}

static void unshare_pages(void)
{
	u32 i;

	CHECK("page state change to private", ghcb_psc(shared_pages, NR_SHARED, true), 0);
	for (i = 0; i < NR_SHARED; i++) {
		CHECK("PVALIDATE after sharing", pvalidate(shared_pages + i * PAGE_SIZE, true), 0);
		memset(shared_pages + i * PAGE_SIZE, i, PAGE_SIZE);
	}
	for (i = 0; i < NR_SHARED * PAGE_SIZE; i++)
		CHECK("private memory", shared_pages[i], i / PAGE_SIZE);
	print("guest: %u pages at 0x%lx are private again\n", NR_SHARED, (u64)shared_pages);
}

static struct cpu *make_area(u32 index)
{
	struct cpu *cpu;
	u8 *page;
	u32 i;

	do
		page = alloc_page(true);
	while ((u64)page % CPU_AREA_SIZE);
	for (i = 1; i < CPU_AREA_SIZE / PAGE_SIZE; i++)
		alloc_page(true);
	cpu = (struct cpu *)page;
	cpu->index = index;
	return cpu;
}

static bool is_vmpl1(u32 index)
{
	return index == 1 && option("vmpl");
}

/* VMPL1 gets all that the program uses, but not the secrets. */
static void allow_vmpl1(void)
{
	u8 *page;

	for (page = _start; page < image_end; page += PAGE_SIZE)
		CHECK("RMPADJUST of the program", rmpadjust(page, RMP_ATTR(1, RMP_ALL)), 0);
	for (page = memory; page < memory_next; page += PAGE_SIZE)
		if (page < shared_pages || page >= shared_pages + NR_SHARED * PAGE_SIZE)
			CHECK("RMPADJUST of memory", rmpadjust(page, RMP_ATTR(1, RMP_ALL)), 0);
	CHECK("RMPADJUST of CPUID", rmpadjust(cpuid_page, RMP_ATTR(1, RMP_ALL)), 0);
	CHECK("RMPADJUST of parameters", rmpadjust(parameters, RMP_ATTR(1, RMP_ALL)), 0);
}

static void *make_vmsa(u32 index)
{
	u64 features = rdmsr(MSR_SEV_STATUS) >> 2;
	struct vmsa *vmsa = alloc_page(true);

	vmsa_flat32(vmsa, (u64)_start, index, nr_contexts, features);
	if (is_vmpl1(index)) {
		allow_vmpl1();
		vmsa->vmpl = 1;
	}
	CHECK("RMPADJUST", rmpadjust_vmsa(vmsa, true), 0);
	/* KVM has one VMSA for each vCPU, and calls it VMPL0's. */
	CHECK("AP_CREATE for VMPL1",
	      ghcb_call(GHCB_AP_CREATION, (u64)index << 32 | AP_VMPL(1) | AP_CREATE, (u64)vmsa,
			features), AP_REFUSED);
	print("guest: vCPU %u: AP_CREATE, VMSA at 0x%lx\n", index, (u64)vmsa);
	CHECK("AP_CREATE", ghcb_call(GHCB_AP_CREATION, (u64)index << 32 | AP_CREATE, (u64)vmsa,
				     features), 0);
	return vmsa;
}

/* Returns the VMSA that it made, or NULL if the file has one for this vCPU. */
static void *start_cpu(u32 index)
{
	struct cpu *cpu = make_area(index);
	void *vmsa = NULL;

	/* The area is complete before the vCPU may see it. */
	asm volatile("" : : : "memory");
	cpu_area[index] = (u64)cpu;
	if (index >= nr_contexts)
		vmsa = make_vmsa(index);
	while (!cpu->done)
		cpu_relax();
	CHECK("what the vCPU says of itself", cpu->done, 0x100 | index);
	return vmsa;
}

static void __attribute__((noreturn)) ap_main(struct cpu *cpu)
{
	u32 reg[4];

	trap_init();
	ghcb_init(shared_pages + (cpu->index - 1) * PAGE_SIZE, true);
	cpuid(1, reg);
	CHECK("APIC id in CPUID", reg[1] >> 24, cpu->index);
	print("guest: vCPU %lu runs, %s: SEV_STATUS 0x%lx, %u #VC\n", cpu->index,
	      cpu->index < nr_contexts ? "as the file has it" : "started by the guest",
	      rdmsr(MSR_SEV_STATUS), cpu->nr_vc);
	if (is_vmpl1(cpu->index)) {
		CHECK("RMPADJUST of the own VMPL", rmpadjust(cpu, RMP_ATTR(1, RMP_ALL)),
		      RMP_FAIL_PERMISSION);
		CHECK("RMPADJUST of a weaker VMPL", rmpadjust(cpu, RMP_ATTR(2, RMP_ALL)), 0);
		print("guest: vCPU %lu is at VMPL1\n", cpu->index);
	}
	for (;;) {
		cpu->done = 0x100 | cpu->index;
		if (spin)
			cpu_relax();
		else
			asm volatile("hlt");
	}
}

static void zap(void *vmsa)
{
	struct cpu *cpu = (void *)cpu_area[1];

	print("guest: vCPU 1: its VMSA at 0x%lx becomes shared while it runs\n", (u64)vmsa);
	CHECK("page state change of the VMSA", ghcb_psc(vmsa, 1, false), 0);
	/* A new VMSA that came too soon would hide that the old one is gone. */
	while (!ghcb_in(EXIT_PORT, 1))
		cpu_relax();
	cpu->done = 0;
	cpu->nr_vc = 0;
	cpu->ghcb = NULL;
	make_vmsa(1);
	while (!cpu->done)
		cpu_relax();
	print("guest: vCPU 1 runs again\n");
}

static void odd_ends(void)
{
	static const u8 no_idt[10];
	const char *s = option("status");

	if (option("term"))
		terminate(TERM_CHECK);
	if (option("hang"))
		for (;;)
			cpu_relax();
	if (option("crash"))
		asm volatile("lidt %0; ud2" : : "m"(no_idt));
	if (option("nowhere"))
		*(volatile u64 *)(SHARED_ALIAS - PAGE_SIZE) = 0;
	if (s)
		end((u8)(*s - '0'));
}

void __attribute__((noreturn)) start(u32 index, u32 contexts)
{
	struct cpu *cpu = this_cpu();
	void *vmsa = NULL;
	u32 i, nr;
	u64 xmm0;

	if (index)
		ap_main(cpu);

	/* Nothing has used it so far: it is what the VMSA has. */
	asm volatile("movq %%xmm0, %0" : "=r"(xmm0));
	trap_init();
	nr_contexts = contexts;
	ghcb_init(alloc_page(true), false);

	print("guest: SEV_STATUS 0x%lx, C-bit %u, XMM0 0x%lx\n", rdmsr(MSR_SEV_STATUS), c_bit,
	      xmm0);
	show_vc();
	nr = show_parameters();
	odd_ends();
	show_not_validated();
	show_implicit();
	if (option("psc"))
		psc_rows();
	share_pages();
	spin = option("zap");
	for (i = 1; i < nr; i++) {
		void *made = start_cpu(i);

		if (i == 1)
			vmsa = made;
	}
	if (spin) {
		CHECK("zap: vCPU 1 with a VMSA of the guest's", vmsa != NULL, 1);
		zap(vmsa);
	}
	report(shared(shared_pages + SHARED_REQUEST * PAGE_SIZE),
	       shared(shared_pages + SHARED_RESPONSE * PAGE_SIZE));
	if (option("certs"))
		certificates(shared(shared_pages + SHARED_REQUEST * PAGE_SIZE),
			     shared(shared_pages + SHARED_RESPONSE * PAGE_SIZE),
			     shared(shared_pages + SHARED_CERTS * PAGE_SIZE), NR_CERTS);
	unshare_pages();
	print("guest: done, %u vCPUs\n", nr);
	end(0);
}
