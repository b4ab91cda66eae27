/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VMRUN and #VMEXIT of encrypted guests: the checks, the save area, and the
 * host state that the processor swaps.
 *
 * Sources: AMD64 APM volume 2, "VMRUN" in the SEV, SEV-ES and SEV-SNP
 * chapters, appendix B table "VMSA Layout" (swap types); Linux svm/sev.c and
 * svm/vmenter.S for what a hypervisor relies on.
 */
#include "qemu/osdep.h"
#include "qemu/log.h"
#include "vmsa.h"
#include "exec/address-spaces.h"
#include "exec/exec-all.h"
#include "hw/i386/snp/snp-ctl.h"
#include "tcg/helper-tcg.h"

/* The save area is used as it lies in memory. */
QEMU_BUILD_BUG_ON(HOST_BIG_ENDIAN);

static uint64_t vmcb_ldq(CPUX86State *env, hwaddr offset)
{
    return x86_ldq_phys(env_cpu(env), env->vm_vmcb + offset);
}

static bool vmsa_read(CPUX86State *env, hwaddr pa, SnpVmsa *v)
{
    return address_space_read(env_cpu(env)->as, pa, MEMTXATTRS_UNSPECIFIED,
                              v, sizeof(*v)) == MEMTX_OK;
}

static void vmsa_write(CPUX86State *env, hwaddr pa, const SnpVmsa *v)
{
    address_space_write(env_cpu(env)->as, pa, MEMTXATTRS_UNSPECIFIED,
                        v, sizeof(*v));
}

/* Ends the guest for the RMP; a CPU reset inside a guest leaves marks. */
static void guest_reset(SnpCpuState *g)
{
    g->sev = g->es = g->snp = g->loaded = false;
    g->asid = 0;
    if (g->vmsa_held) {
        g->vmsa_held = false;
        snp_page_put(g->vmsa_spa);
    }
    if (g->vmcb_held) {
        g->vmcb_held = false;
        snp_page_put(g->vmcb_spa);
    }
}

void snp_vmrun_vmcb(CPUX86State *env, hwaddr vmcb, uintptr_t ra)
{
    SnpCpuState *g = &env->snp;
    CPUState *cs = env_cpu(env);
    uint32_t asid;

    if (!snp_platform) {
        return;
    }
    asid = x86_ldl_phys(cs, vmcb + offsetof(struct vmcb, control.asid));
    snp_cpu_hold(cs, SNP_CTL_HOLD_VMRUN, asid, ra);
    guest_reset(g);
    if (!snp_rmp_active()) {
        return;
    }
    /*
     * The host's state is stored there, and the page may have been assigned
     * since VM_HSAVE_PA was written.  Noted as if a TLB had it, so that an
     * RMPUPDATE elsewhere waits for these stores.
     */
    if (!env->vm_hsave ||
        !snp_hv_write_ok_cached(NULL, 0, 0, env->vm_hsave, TARGET_PAGE_SIZE)) {
        raise_exception_err_ra(env, EXCP0D_GPF, 0, ra);
    }
    /* Marked before looked at, so that no RMPUPDATE comes in between. */
    if (!snp_page_get(vmcb)) {
        raise_exception_err_ra(env, EXCP0D_GPF, 0, ra);
    }
    g->vmcb_spa = vmcb;
    g->vmcb_held = true;
    if (!snp_hv_write_ok(vmcb, TARGET_PAGE_SIZE)) {
        guest_reset(g);
        raise_exception_err_ra(env, EXCP0D_GPF, 0, ra);
    }
}

static bool features_ok(CPUX86State *env, const SnpVmsa *v)
{
    uint64_t allowed = vmcb_ldq(env, SNP_VMCB_ALLOWED_FEATURES);
    uint32_t eax, ebx, ecx, edx;

    if (v->sev_features & SNP_FEAT_UNMODELLED) {
        snp_unmodelled("VMRUN with SEV_FEATURES 0x%" PRIx64, v->sev_features);
        return false;
    }
    /* CPUID announces none of these. */
    if (v->sev_features & ~SNP_FEAT_SNP_ACTIVE) {
        return false;
    }
    /* CPUID 8000001F EAX bit 27: AllowedSevFeatures */
    cpu_x86_cpuid(env, 0x8000001f, 0, &eax, &ebx, &ecx, &edx);
    if ((eax & (1U << 27)) && (allowed & SNP_ALLOWED_FEATURES_VALID) &&
        (v->sev_features & ~allowed)) {
        return false;
    }
    return true;
}

/* As XSETBV has it: what this CPU has, x87 always, and AVX only with SSE. */
static bool xcr0_ok(CPUX86State *env, uint64_t xcr0)
{
    uint32_t lo, hi, ebx, ecx;

    cpu_x86_cpuid(env, 0xd, 0, &lo, &ebx, &ecx, &hi);
    return (xcr0 & XSTATE_FP_MASK) &&
           !(xcr0 & ~(XSTATE_FP_MASK | lo | (uint64_t)hi << 32)) &&
           (xcr0 & (XSTATE_SSE_MASK | XSTATE_YMM_MASK)) != XSTATE_YMM_MASK;
}

typedef enum { VMRUN_OK, VMRUN_INVALID, VMRUN_STALE } VmrunResult;

static VmrunResult check_vmsa_page(CPUX86State *env, SnpCpuState *g, hwaddr pa)
{
    SnpRmpEntry e;
    SnpVmsa v;

    if (pa & ~TARGET_PAGE_MASK ||
        pa & ~MAKE_64BIT_MASK(0, env_archcpu(env)->phys_bits)) {
        return VMRUN_INVALID;
    }

    if (snp_rmp_active()) {
        if (!snp_rmp_covers(pa)) {
            return VMRUN_INVALID;
        }
        /*
         * From here on the RMP must take this CPU into account: it looks at
         * the marks and at env->snp under the lock that snp_page_get() takes.
         */
        qatomic_set(&g->snp, true);
        if (!snp_page_get(pa)) {
            return VMRUN_INVALID;
        }
        g->vmsa_spa = pa;
        g->vmsa_held = true;
        /*
         * The RMP says what guest this is.  The content cannot: that of a
         * page which was freed and reused is zero, and would look like an
         * SEV-ES guest's.
         */
        if (!snp_rmp_read(pa, &e)) {
            return VMRUN_INVALID;
        }
        if (e.assigned) {
            /* Without a key no VMSA of that ASID, whatever the RMP says. */
            if (!e.vmsa || e.asid != g->asid || !snp_asid_is_snp(g->asid)) {
                return VMRUN_STALE;
            }
            if (e.immutable) {
                return VMRUN_INVALID;
            }
        } else if (snp_asid_is_snp(g->asid)) {
            return VMRUN_STALE;
        } else if (e.immutable) {
            /* HV-fixed: never a page of a guest */
            return VMRUN_INVALID;
        } else {
            qatomic_set(&g->snp, false);
        }
    }

    if (!vmsa_read(env, pa, &v)) {
        return VMRUN_INVALID;
    }
    if (g->snp != !!(v.sev_features & SNP_FEAT_SNP_ACTIVE) ||
        v.vmpl >= (g->snp ? SNP_NR_VMPL : 1) ||
        !features_ok(env, &v) || !xcr0_ok(env, v.xcr0)) {
        return VMRUN_INVALID;
    }
    g->sev_features = v.sev_features;
    g->vmpl = v.vmpl;
    g->vmsa_spa = pa;
    return VMRUN_OK;
}

static VmrunResult check_vmrun(CPUX86State *env, SnpCpuState *g, uint64_t ctl)
{
    CPUState *cs = env_cpu(env);
    uint32_t inj;

    qatomic_set(&g->asid, x86_ldl_phys(cs, env->vm_vmcb +
                                       offsetof(struct vmcb, control.asid)));
    if (!(ctl & SNP_CTL_SEV) || !(ctl & SNP_CTL_NPT)) {
        return VMRUN_INVALID;
    }
    if (!(ctl & SNP_CTL_SEV_ES)) {
        if (g->asid < SNP_MIN_SEV_ASID || g->asid > SNP_MAX_ASID) {
            return VMRUN_INVALID;
        }
        g->sev = true;
        return VMRUN_OK;
    }

    /* Only SEV without SEV-ES has a lower bound of its own. */
    if (g->asid == 0 || g->asid > SNP_MAX_ASID ||
        !(vmcb_ldq(env, SNP_VMCB_LBR_CTL) & 1)) {
        return VMRUN_INVALID;
    }
    inj = x86_ldl_phys(cs, env->vm_vmcb +
                       offsetof(struct vmcb, control.event_inj));
    if (!snp_event_inj_ok(env, inj)) {
        return VMRUN_INVALID;
    }
    if (env->intercept_exceptions & (1U << SNP_EXCP_VC)) {
        snp_unmodelled("intercept of #VC in an SEV-ES guest");
        return VMRUN_INVALID;
    }
    return check_vmsa_page(env, g, vmcb_ldq(env, SNP_VMCB_VMSA_PA));
}

bool snp_vmrun_check(CPUX86State *env)
{
    SnpCpuState *g = &env->snp;
    uint64_t ctl = vmcb_ldq(env, SNP_VMCB_NESTED_CTL);
    VmrunResult r;

    if (!snp_platform || !(ctl & (SNP_CTL_SEV | SNP_CTL_SEV_ES))) {
        return true;
    }
    r = check_vmrun(env, g, ctl);
    if (r != VMRUN_OK) {
        snp_count(r == VMRUN_STALE ? SNP_CNT_VMRUN_STALE_VMSA :
                                     SNP_CNT_VMRUN_INVALID);
        qemu_log_mask(LOG_GUEST_ERROR,
                      "VMRUN refused (%s): vmcb 0x%" HWADDR_PRIx
                      " vmsa 0x%" PRIx64 " asid %u\n",
                      r == VMRUN_STALE ? "stale VMSA" : "invalid",
                      (hwaddr)env->vm_vmcb, vmcb_ldq(env, SNP_VMCB_VMSA_PA),
                      g->asid);
        return false;
    }
    g->sev = true;
    g->es = ctl & SNP_CTL_SEV_ES;
    return true;
}

/*
 * The hypervisor may inject interrupts, NMI and exceptions other than #BP and
 * #OF; never a software interrupt, which needs the guest's RIP.
 */
bool snp_event_inj_ok(CPUX86State *env, uint32_t event_inj)
{
    uint8_t vector = event_inj & SVM_EVTINJ_VEC_MASK;

    if (!(event_inj & SVM_EVTINJ_VALID)) {
        return true;
    }
    switch (event_inj & SVM_EVTINJ_TYPE_MASK) {
    case SVM_EVTINJ_TYPE_INTR:
    case SVM_EVTINJ_TYPE_NMI:
        return true;
    case SVM_EVTINJ_TYPE_EXEPT:
        return vector < 32 && vector != EXCP02_NMI &&
               vector != EXCP03_INT3 && vector != EXCP04_INTO;
    default:
        return false;
    }
}

static void load_seg(CPUX86State *env, const struct vmcb_seg *s,
                     SegmentCache *sc)
{
    int shift = 64 - cpu_x86_virtual_addr_width(env);

    sc->selector = s->selector;
    sc->limit = s->limit;
    sc->flags = (s->attrib & 0xff) << 8 | (s->attrib & 0xf00) << 12;
    sc->base = (int64_t)(s->base << shift) >> shift;
}

static void load_seg_cache(CPUX86State *env, const struct vmcb_seg *s, int reg)
{
    SegmentCache sc;

    load_seg(env, s, &sc);
    cpu_x86_load_seg_cache(env, reg, sc.selector, sc.base, sc.limit,
                           sc.flags);
}

static void save_seg(struct vmcb_seg *s, const SegmentCache *sc)
{
    s->selector = sc->selector;
    s->limit = sc->limit;
    s->attrib = ((sc->flags >> 8) & 0xff) | ((sc->flags >> 12) & 0xf00);
    s->base = sc->base;
}

/* Everything that VMLOAD loads; in the VMSA and in the host save area. */
static void load_vmload_state(CPUX86State *env, const SnpVmsa *v)
{
    load_seg_cache(env, &v->fs, R_FS);
    load_seg_cache(env, &v->gs, R_GS);
    load_seg(env, &v->tr, &env->tr);
    load_seg(env, &v->ldtr, &env->ldt);
    env->kernelgsbase = v->kernel_gs_base;
    env->star = v->star;
    env->lstar = v->lstar;
    env->cstar = v->cstar;
    env->fmask = v->sfmask;
    env->sysenter_cs = v->sysenter_cs;
    env->sysenter_esp = v->sysenter_esp;
    env->sysenter_eip = v->sysenter_eip;
}

/* All but RAX and RSP. */
static void load_gprs(CPUX86State *env, const SnpVmsa *v)
{
    env->regs[R_ECX] = v->rcx;
    env->regs[R_EDX] = v->rdx;
    env->regs[R_EBX] = v->rbx;
    env->regs[R_EBP] = v->rbp;
    env->regs[R_ESI] = v->rsi;
    env->regs[R_EDI] = v->rdi;
    for (int i = 0; i < 8; i++) {
        env->regs[R_R8 + i] = v->r8_r15[i];
    }
}

static void load_xstate_regs(CPUX86State *env, uint64_t xcr0, uint64_t xss,
                             uint32_t pkru)
{
    env->xcr0 = xcr0;
    env->xss = xss;
    env->pkru = pkru;
    cpu_sync_bndcs_hflags(env);
    cpu_sync_avx_hflag(env);
}

static void load_fpu(CPUX86State *env, const SnpVmsa *v)
{
    cpu_set_fpuc(env, v->x87_fcw);
    env->fpstt = (v->x87_fsw >> 11) & 7;
    env->fpus = v->x87_fsw & ~0x3800;
    env->fpop = v->x87_fop;
    env->fpip = v->x87_rip;
    env->fpdp = v->x87_dp;
    env->fpcs = v->x87_cs;
    env->fpds = v->x87_ds;
    for (int i = 0; i < 8; i++) {
        floatx80 *st = &env->fpregs[(env->fpstt + i) & 7].d;

        env->fptags[i] = !(v->x87_ftw & (1 << i));
        st->low = v->x87_mant[i];
        st->high = v->x87_sexp[i];
    }
    cpu_set_mxcsr(env, v->mxcsr);
    for (int i = 0; i < 16; i++) {
        ZMMReg *r = &env->xmm_regs[i];

        r->ZMM_Q(0) = v->xmm[i][0];
        r->ZMM_Q(1) = v->xmm[i][1];
        r->ZMM_Q(2) = v->ymm_hi[i][0];
        r->ZMM_Q(3) = v->ymm_hi[i][1];
    }
}

static void save_fpu(CPUX86State *env, SnpVmsa *v)
{
    update_mxcsr_from_sse_status(env);
    v->x87_fcw = env->fpuc;
    v->x87_fsw = (env->fpus & ~0x3800) | (env->fpstt & 7) << 11;
    v->x87_fop = env->fpop;
    v->x87_rip = env->fpip;
    v->x87_dp = env->fpdp;
    v->x87_cs = env->fpcs;
    v->x87_ds = env->fpds;
    v->x87_ftw = 0;
    for (int i = 0; i < 8; i++) {
        const floatx80 *st = &env->fpregs[(env->fpstt + i) & 7].d;

        v->x87_ftw |= !env->fptags[i] << i;
        v->x87_mant[i] = st->low;
        v->x87_sexp[i] = st->high;
    }
    v->mxcsr = env->mxcsr;
    for (int i = 0; i < 16; i++) {
        const ZMMReg *r = &env->xmm_regs[i];

        v->xmm[i][0] = r->ZMM_Q(0);
        v->xmm[i][1] = r->ZMM_Q(1);
        v->ymm_hi[i][0] = r->ZMM_Q(2);
        v->ymm_hi[i][1] = r->ZMM_Q(3);
    }
}

void snp_tlb_tag(CPUX86State *env, SvmTlbTag *tag)
{
    const SnpCpuState *g = &env->snp;

    tag->snp_kind = g->sev | g->es << 1 | g->snp << 2;
    if (g->snp) {
        tag->snp_kind |= g->vmpl << 8;
        tag->rmp_generation = snp_rmp_generation(g->asid);
    }
}

void snp_vmrun_load(CPUX86State *env)
{
    SnpCpuState *g = &env->snp;
    SnpVmsa v;

    vmsa_read(env, g->vmsa_spa, &v);

    if (g->snp) {
        uint64_t id = env_cpu(env)->cpu_index + 1;

        /* It ran elsewhere since, or software wants it to look so. */
        if (v.pcpu_id != id) {
            env->svm_guest_tag.asid = 0;
        }
        v.pcpu_id = id;
        vmsa_write(env, g->vmsa_spa, &v);
    }
    snp_count(g->snp ? SNP_CNT_VMRUN_SNP : SNP_CNT_VMRUN_ES);
    g->host_pat = env->pat;
    g->loaded = true;

    cpu_x86_load_cr0(env, v.cr0);
    cpu_x86_load_cr4(env, v.cr4);
    env->cr[3] = v.cr3;
    env->cr[2] = v.cr2;
    cpu_load_efer(env, v.efer);
    env->eflags = 0;
    cpu_load_eflags(env, v.rflags,
                    ~(CC_O | CC_S | CC_Z | CC_A | CC_P | CC_C | DF_MASK));
    load_seg_cache(env, &v.es, R_ES);
    load_seg_cache(env, &v.cs, R_CS);
    load_seg_cache(env, &v.ss, R_SS);
    load_seg_cache(env, &v.ds, R_DS);
    load_seg(env, &v.idtr, &env->idt);
    load_seg(env, &v.gdtr, &env->gdt);
    load_vmload_state(env, &v);

    env->eip = v.rip;
    env->regs[R_ESP] = v.rsp;
    env->regs[R_EAX] = v.rax;
    load_gprs(env, &v);

    cpu_x86_update_dr7(env, v.dr7);
    env->dr[6] = v.dr6;
    env->pat = v.g_pat;
    load_xstate_regs(env, v.xcr0, v.xss, v.pkru);
    load_fpu(env, &v);
}

void snp_vmexit_save(CPUX86State *env)
{
    SnpCpuState *g = &env->snp;
    SnpVmsa v;

    /* What is not modelled keeps what the guest or the firmware put there. */
    vmsa_read(env, g->vmsa_spa, &v);

    save_seg(&v.es, &env->segs[R_ES]);
    save_seg(&v.cs, &env->segs[R_CS]);
    save_seg(&v.ss, &env->segs[R_SS]);
    save_seg(&v.ds, &env->segs[R_DS]);
    save_seg(&v.fs, &env->segs[R_FS]);
    save_seg(&v.gs, &env->segs[R_GS]);
    v.gdtr.base = env->gdt.base;
    v.gdtr.limit = env->gdt.limit;
    v.idtr.base = env->idt.base;
    v.idtr.limit = env->idt.limit;
    save_seg(&v.ldtr, &env->ldt);
    save_seg(&v.tr, &env->tr);
    v.cpl = env->hflags & HF_CPL_MASK;
    v.efer = env->efer;
    v.xss = env->xss;
    v.cr4 = env->cr[4];
    v.cr3 = env->cr[3];
    v.cr0 = env->cr[0];
    v.cr2 = env->cr[2];
    v.dr7 = env->dr[7];
    v.dr6 = env->dr[6];
    v.rflags = cpu_compute_eflags(env);
    v.rip = env->eip;
    v.rsp = env->regs[R_ESP];
    v.rax = env->regs[R_EAX];
    v.rcx = env->regs[R_ECX];
    v.rdx = env->regs[R_EDX];
    v.rbx = env->regs[R_EBX];
    v.rbp = env->regs[R_EBP];
    v.rsi = env->regs[R_ESI];
    v.rdi = env->regs[R_EDI];
    for (int i = 0; i < 8; i++) {
        v.r8_r15[i] = env->regs[R_R8 + i];
    }
    v.star = env->star;
    v.lstar = env->lstar;
    v.cstar = env->cstar;
    v.sfmask = env->fmask;
    v.kernel_gs_base = env->kernelgsbase;
    v.sysenter_cs = env->sysenter_cs;
    v.sysenter_esp = env->sysenter_esp;
    v.sysenter_eip = env->sysenter_eip;
    v.g_pat = env->pat;
    v.pkru = env->pkru;
    v.xcr0 = env->xcr0;
    save_fpu(env, &v);

    if (g->snp) {
        v.guest_exit_code = vmcb_ldq(env, offsetof(struct vmcb,
                                                   control.exit_code));
        v.guest_exit_info_1 = vmcb_ldq(env, offsetof(struct vmcb,
                                                     control.exit_info_1));
        v.guest_exit_info_2 = vmcb_ldq(env, offsetof(struct vmcb,
                                                     control.exit_info_2));
        /* do_vmexit() makes this EXITINTINFO */
        v.guest_exit_int_info = vmcb_ldq(env, offsetof(struct vmcb,
                                                       control.event_inj));
    }

    vmsa_write(env, g->vmsa_spa, &v);
}

/*
 * Type B comes from the host save area although VMRUN did not put it there;
 * type C gets its reset value.
 */
static void restore_host(CPUX86State *env, SnpCpuState *g)
{
    SnpVmsa h;

    vmsa_read(env, env->vm_hsave + offsetof(struct vmcb, save), &h);
    load_vmload_state(env, &h);
    load_gprs(env, &h);
    load_xstate_regs(env, h.xcr0, h.xss, h.pkru);
    env->pat = g->host_pat;

    env->cr[2] = 0;
    h.x87_fcw = 0x40;
    h.x87_ftw = 0xff;
    h.x87_fsw = h.x87_fop = h.x87_cs = h.x87_ds = 0;
    h.x87_rip = h.x87_dp = 0;
    h.mxcsr = 0x1f80;
    memset(h.x87_mant, 0, sizeof(h.x87_mant));
    memset(h.x87_sexp, 0, sizeof(h.x87_sexp));
    memset(h.xmm, 0, sizeof(h.xmm));
    memset(h.ymm_hi, 0, sizeof(h.ymm_hi));
    load_fpu(env, &h);
}

void snp_vmexit_host(CPUX86State *env)
{
    SnpCpuState *g = &env->snp;

    if (!snp_platform) {
        return;
    }
    if (g->loaded) {
        restore_host(env, g);
    } else if (g->es) {
        /* The page was right, its content failed the consistency checks. */
        snp_count(SNP_CNT_VMRUN_INVALID);
    }
    guest_reset(g);
}
