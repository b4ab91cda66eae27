/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * snp-psp: PCI device of the AMD Secure Processor (PSP), mailbox only.
 *
 * Source: Linux drivers/crypto/ccp, sp-pci.c (id 1022:14ca, BAR 2, pspv4 and
 * sevv2 register offsets), psp-dev.c, sev-dev.c (protocol of the mailbox).
 *
 * A command goes through three steps: the CPU writes the mailbox; the
 * firmware carries it out in an exclusive section, all CPUs stopped; the main
 * loop shows completion and interrupts.  So a command is atomic for every
 * CPU, completion is never seen by the very instruction that submitted it,
 * and the order does not depend on the host's clock.
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "qemu/module.h"
#include "qapi/error.h"
#include "hw/pci/pci_device.h"
#include "hw/pci/msi.h"
#include "hw/core/cpu.h"
#include "hw/resettable.h"
#include "snp-ctl.h"
#include "psp-fw.h"
#include "trace.h"

#define TYPE_SNP_PSP "snp-psp"
OBJECT_DECLARE_SIMPLE_TYPE(SnpPsp, SNP_PSP)

#define PSP_BAR_SIZE        0x20000

#define R_INTEN             0x10690
#define R_INTSTS            0x10694
#define   INT_SEV_DONE          (1u << 1)
#define R_CMDRESP           0x10980
#define   CMDRESP_IOC           (1u << 0)
#define   CMDRESP_RESP          (1u << 31)
#define R_CMDBUF_LO         0x109e0
#define R_CMDBUF_HI         0x109e4
#define R_BOOTLOADER        0x109ec
#define R_FEATURE           0x109fc
#define   FEATURE_SEV           (1u << 0)

typedef enum PspStep {
    STEP_IDLE,
    STEP_HELD_BEFORE,
    STEP_RUNNING,
    STEP_DONE,              /* carried out, completion not shown */
    STEP_HELD_AFTER,
} PspStep;

struct SnpPsp {
    PCIDevice parent_obj;

    MemoryRegion mmio;
    QEMUBH *bh;

    uint32_t inten;
    uint32_t intsts;
    uint32_t cmdresp;
    uint64_t cmdbuf;

    PspStep step;
    uint32_t generation;    /* of the command; a reset makes a new one */
    uint16_t cmd;
    uint16_t status;
    bool ioc;
};

static SnpPsp *the_psp;

static void psp_update_irq(SnpPsp *s)
{
    PCIDevice *pdev = PCI_DEVICE(s);
    bool level = s->intsts & s->inten;

    if (msi_enabled(pdev)) {
        if (level) {
            msi_notify(pdev, 0);
        }
    } else {
        pci_set_irq(pdev, level);
    }
}

static void psp_complete(SnpPsp *s)
{
    s->step = STEP_IDLE;
    s->cmdresp = CMDRESP_RESP | (s->cmd << 16 & 0x7ff0000) | s->status;
    trace_snp_psp_complete(s->cmd, s->status, s->ioc);
    if (s->ioc) {
        s->intsts |= INT_SEV_DONE;
        psp_update_irq(s);
    }
}

static void psp_bh(void *opaque)
{
    SnpPsp *s = opaque;

    if (s->step != STEP_DONE) {
        return;
    }
    if (snp_hold(SNP_CTL_HOLD_PSP_AFTER, SNP_HOLD_WHO_PSP, s->cmd)) {
        s->step = STEP_HELD_AFTER;
        return;
    }
    psp_complete(s);
}

static void psp_work(CPUState *cs, run_on_cpu_data data)
{
    SnpPsp *s = the_psp;

    /* The machine was reset before this came to run. */
    if (s->step != STEP_RUNNING || s->generation != data.host_int) {
        return;
    }
    s->status = snp_fw_command(s->cmd, s->cmdbuf);
    s->step = STEP_DONE;
    qemu_bh_schedule(s->bh);
}

static void psp_start(SnpPsp *s)
{
    CPUState *cs = current_cpu ? current_cpu : first_cpu;

    s->step = STEP_RUNNING;
    async_safe_run_on_cpu(cs, psp_work, RUN_ON_CPU_HOST_INT(s->generation));
}

void snp_psp_released(void)
{
    SnpPsp *s = the_psp;

    if (!s) {
        return;
    }
    if (s->step == STEP_HELD_BEFORE &&
        !snp_hold(SNP_CTL_HOLD_PSP_BEFORE, SNP_HOLD_WHO_PSP, s->cmd)) {
        psp_start(s);
    } else if (s->step == STEP_HELD_AFTER &&
               !snp_hold(SNP_CTL_HOLD_PSP_AFTER, SNP_HOLD_WHO_PSP, s->cmd)) {
        psp_complete(s);
    }
}

static void psp_submit(SnpPsp *s, uint32_t val)
{
    if (s->step != STEP_IDLE) {
        warn_report_once("snp-psp: command 0x%x written while 0x%x is in "
                         "progress; ignored", val >> 16 & 0x7ff, s->cmd);
        return;
    }
    if (val & CMDRESP_RESP) {
        return;
    }
    s->generation++;
    s->cmd = val >> 16 & 0x7ff;
    s->ioc = val & CMDRESP_IOC;
    s->cmdresp = val;
    trace_snp_psp_submit(s->cmd, s->cmdbuf, s->ioc);

    if (snp_hold(SNP_CTL_HOLD_PSP_BEFORE, SNP_HOLD_WHO_PSP, s->cmd)) {
        s->step = STEP_HELD_BEFORE;
        return;
    }
    psp_start(s);
}

static uint64_t psp_read(void *opaque, hwaddr addr, unsigned size)
{
    SnpPsp *s = opaque;

    switch (addr) {
    case R_INTEN:
        return s->inten;
    case R_INTSTS:
        return s->intsts;
    case R_CMDRESP:
        return s->cmdresp;
    case R_CMDBUF_LO:
        return extract64(s->cmdbuf, 0, 32);
    case R_CMDBUF_HI:
        return extract64(s->cmdbuf, 32, 32);
    case R_FEATURE:
        return FEATURE_SEV;
    case R_BOOTLOADER:
    default:
        /* What the platform gives no access to reads as all ones. */
        return UINT32_MAX;
    }
}

static void psp_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    SnpPsp *s = opaque;

    switch (addr) {
    case R_INTEN:
        s->inten = val;
        break;
    case R_INTSTS:
        s->intsts &= ~val;
        if (!msi_enabled(PCI_DEVICE(s))) {
            psp_update_irq(s);
        }
        break;
    case R_CMDBUF_LO:
    case R_CMDBUF_HI:
        if (s->step != STEP_IDLE) {
            snp_unmodelled("another buffer for PSP command 0x%x, which is in "
                           "progress", s->cmd);
            break;
        }
        s->cmdbuf = deposit64(s->cmdbuf, addr == R_CMDBUF_LO ? 0 : 32, 32,
                              val);
        break;
    case R_CMDRESP:
        psp_submit(s, val);
        break;
    default:
        snp_unmodelled("write of 0x%" PRIx64 " to PSP register 0x%"
                       HWADDR_PRIx, val, addr);
        break;
    }
}

static const MemoryRegionOps psp_ops = {
    .read = psp_read,
    .write = psp_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 4, .max_access_size = 4 },
    .impl = { .min_access_size = 4, .max_access_size = 4 },
};

static void psp_reset(Object *obj, ResetType type)
{
    SnpPsp *s = SNP_PSP(obj);

    s->generation++;
    s->step = STEP_IDLE;
    s->inten = 0;
    s->intsts = 0;
    s->cmdresp = CMDRESP_RESP;
    s->cmdbuf = 0;
    qemu_bh_cancel(s->bh);
    snp_fw_reset();
}

static void psp_realize(PCIDevice *pdev, Error **errp)
{
    SnpPsp *s = SNP_PSP(pdev);

    if (!snp_platform) {
        error_setg(errp, "snp-psp needs the platform: add -object "
                   "snp-platform,id=snp0");
        return;
    }
    if (the_psp) {
        error_setg(errp, "snp-psp: a machine has only one; remove the second");
        return;
    }

    pci_config_set_interrupt_pin(pdev->config, 1);
    memory_region_init_io(&s->mmio, OBJECT(s), &psp_ops, s, TYPE_SNP_PSP,
                          PSP_BAR_SIZE);
    pci_register_bar(pdev, 2, PCI_BASE_ADDRESS_SPACE_MEMORY, &s->mmio);
    if (msi_init(pdev, 0, 1, true, false, errp)) {
        return;
    }
    s->bh = qemu_bh_new(psp_bh, s);
    the_psp = s;
    snp_fw_reset();
}

static void psp_class_init(ObjectClass *oc, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);
    PCIDeviceClass *k = PCI_DEVICE_CLASS(oc);
    ResettableClass *rc = RESETTABLE_CLASS(oc);

    k->realize = psp_realize;
    k->vendor_id = PCI_VENDOR_ID_AMD;
    k->device_id = 0x14ca;
    k->revision = 0;
    k->class_id = 0x1080;       /* encryption controller, other */
    rc->phases.hold = psp_reset;
    dc->desc = "AMD Secure Processor of the emulated SNP platform";
    dc->hotpluggable = false;
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
}

static const TypeInfo psp_info = {
    .name = TYPE_SNP_PSP,
    .parent = TYPE_PCI_DEVICE,
    .instance_size = sizeof(SnpPsp),
    .class_init = psp_class_init,
    .interfaces = (InterfaceInfo[]) {
        { INTERFACE_CONVENTIONAL_PCI_DEVICE },
        { }
    },
};

static void psp_register(void)
{
    type_register_static(&psp_info);
}
type_init(psp_register)
