/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * snp-ctl: control device of the emulated SNP platform.  Registers and their
 * meaning: snp-ctl-regs.h.
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "qemu/module.h"
#include "qapi/error.h"
#include "hw/pci/pci_device.h"
#include "hw/resettable.h"
#include "snp-ctl.h"
#include "psp-fw.h"
#include "trace.h"

#define TYPE_SNP_CTL "snp-ctl"
OBJECT_DECLARE_SIMPLE_TYPE(SnpCtl, SNP_CTL)

QEMU_BUILD_BUG_ON(SNP_CTL_CNT_DECOMMISSION_LEAK !=
                  (int)SNP_CNT_DECOMMISSION_LEAK);
QEMU_BUILD_BUG_ON(SNP_CNT_MAX > SNP_CTL_COUNTER_MAX);
QEMU_BUILD_BUG_ON(SNP_CTL_PAGE_NR != SNP_PAGE_NOT_COVERED + 1);
QEMU_BUILD_BUG_ON(SNP_CTL_PAGE_GUEST_VALID != (int)SNP_PAGE_GUEST_VALID);
QEMU_BUILD_BUG_ON(SNP_CTL_HOLD_ARM(SNP_CTL_HOLD_NR) > SNP_CTL_BAR_SIZE);

struct SnpCtl {
    PCIDevice parent_obj;

    MemoryRegion mmio;
    uint64_t asid;
    uint64_t page;
    uint64_t gpa;
};

/*
 * Switches live outside of the device: the platform asks them whether the
 * machine has the device or not.
 */
static struct {
    QemuMutex lock;

    uint64_t fail_nth;
    uint64_t fail_status;
    uint64_t fail_cmd;
    uint64_t fail_hits;
    uint64_t fail_count;
    uint64_t fail_after;
    uint64_t fail_left;         /* commands that are still to fail */

    bool any_hold;              /* something is armed or waits */
    struct {
        uint64_t arm;
        uint64_t match;
        uint64_t waiting;       /* bit: who */
        uint64_t released;
    } hold[SNP_CTL_HOLD_NR];
} sw;

static void __attribute__((constructor)) sw_init(void)
{
    qemu_mutex_init(&sw.lock);
}

/* --- fault injection -------------------------------------------------- */

bool snp_ctl_fail_cmd(uint16_t cmd, uint16_t *status, bool *after)
{
    if (!qatomic_read(&sw.fail_nth) && !qatomic_read(&sw.fail_left)) {
        return false;
    }
    QEMU_LOCK_GUARD(&sw.lock);
    if (sw.fail_cmd && sw.fail_cmd != cmd) {
        return false;
    }
    if (sw.fail_nth) {
        if (--sw.fail_nth) {
            return false;
        }
        sw.fail_left = MAX(sw.fail_count, 1);
    }
    if (!sw.fail_left) {
        return false;
    }
    if (sw.fail_left != UINT64_MAX) {
        sw.fail_left--;
    }
    sw.fail_hits++;
    *status = sw.fail_status;
    *after = sw.fail_after;
    trace_snp_ctl_fail(cmd, *status);
    return true;
}

/* --- hold points ------------------------------------------------------ */

static void hold_update_any(void)
{
    bool any = false;
    int i;

    for (i = 0; i < SNP_CTL_HOLD_NR; i++) {
        any |= sw.hold[i].arm || sw.hold[i].waiting || sw.hold[i].released;
    }
    qatomic_set(&sw.any_hold, any);
}

bool snp_hold(unsigned place, unsigned who, uint64_t arg)
{
    uint64_t bit = 1ULL << (who & 63);
    bool wait = false;

    if (!qatomic_read(&sw.any_hold)) {
        return false;
    }

    WITH_QEMU_LOCK_GUARD(&sw.lock) {
        if (sw.hold[place].released & bit) {
            sw.hold[place].released &= ~bit;
        } else if (sw.hold[place].waiting & bit) {
            wait = true;
        } else if (sw.hold[place].arm &&
                   (!sw.hold[place].match || sw.hold[place].match == arg)) {
            sw.hold[place].arm--;
            sw.hold[place].waiting |= bit;
            wait = true;
            trace_snp_ctl_hold(place, who, arg);
        }
        hold_update_any();
    }
    if (wait && who != SNP_HOLD_WHO_PSP) {
        bool locked = bql_locked();

        /*
         * The CPU comes back here at once: leave the host some time, and the
         * others the lock, which an interrupt that is held comes with.
         */
        if (locked) {
            bql_unlock();
        }
        g_usleep(50);
        if (locked) {
            bql_lock();
        }
    }
    return wait;
}

static void hold_release(unsigned place)
{
    uint64_t who;

    WITH_QEMU_LOCK_GUARD(&sw.lock) {
        who = sw.hold[place].waiting;
        sw.hold[place].released |= who;
        sw.hold[place].waiting = 0;
        hold_update_any();
    }
    trace_snp_ctl_release(place, who);
    if (who & (1ULL << SNP_HOLD_WHO_PSP)) {
        snp_psp_released();
    }
}

static void switches_off(void)
{
    QEMU_LOCK_GUARD(&sw.lock);
    sw.fail_nth = sw.fail_status = sw.fail_cmd = sw.fail_hits = 0;
    sw.fail_count = sw.fail_after = sw.fail_left = 0;
    memset(sw.hold, 0, sizeof(sw.hold));
    hold_update_any();
}

/* --- computed registers ----------------------------------------------- */

typedef struct Scan {
    uint64_t state[SNP_CTL_PAGE_NR];
    uint64_t guest;
    uint64_t leaked;
} Scan;

static void scan_rmp(Scan *r)
{
    hwaddr p, end;

    memset(r, 0, sizeof(*r));
    if (!snp_rmp_active()) {
        return;
    }
    end = (snp_platform->rmp_end + 1 - snp_platform->rmp_base -
           SNP_RMP_BOOKKEEPING) / SNP_RMP_ENTRY_SIZE * FW_PAGE;
    for (p = 0; p < end; p += FW_PAGE) {
        SnpRmpEntry e;

        if (!snp_rmp_read(p, &e)) {
            r->state[SNP_CTL_PAGE_NOT_COVERED]++;
            continue;
        }
        r->state[snp_rmp_state(&e)]++;
        if (e.assigned && e.asid) {
            r->guest++;
            if (e.asid > SNP_MAX_ASID || !fw_asid_owned(e.asid)) {
                r->leaked++;
            }
        }
    }
}

static uint64_t count_bound(void)
{
    uint64_t n = 0;
    uint32_t asid;

    for (asid = 1; asid <= SNP_MAX_ASID; asid++) {
        n += snp_asid_is_snp(asid);
    }
    return n;
}

static uint64_t page_entry(hwaddr page, bool perms)
{
    SnpRmpEntry e;

    if (!snp_rmp_active() || !snp_rmp_read(page, &e)) {
        return UINT64_MAX;
    }
    if (perms) {
        return e.perm[0] | e.perm[1] << 8 | e.perm[2] << 16 |
               (uint64_t)e.perm[3] << 24;
    }
    return e.assigned | e.large << 1 | e.immutable << 2 |
           (e.gpa & MAKE_64BIT_MASK(12, 39)) | (uint64_t)e.asid << 51 |
           (uint64_t)e.vmsa << 61 | (uint64_t)e.validated << 62 |
           (uint64_t)snp_page_in_use(page) << 63;
}

static uint64_t find_gpa(uint64_t gpa, uint32_t asid)
{
    SnpRmpEntry e;
    uint64_t pfn;

    if (!snp_rmp_active()) {
        return UINT64_MAX;
    }
    for (pfn = 0; pfn < snp_platform->rmp_pages; pfn++) {
        if (snp_rmp_read(pfn * FW_PAGE, &e) && e.assigned && e.asid &&
            e.gpa == gpa && (!asid || e.asid == asid)) {
            return pfn * FW_PAGE;
        }
    }
    return UINT64_MAX;
}

static uint64_t read_hold(hwaddr off)
{
    unsigned place = off / SNP_CTL_HOLD_SIZE;

    QEMU_LOCK_GUARD(&sw.lock);
    switch (off % SNP_CTL_HOLD_SIZE) {
    case 0x00:
        return sw.hold[place].arm;
    case 0x08:
        return sw.hold[place].match;
    case 0x10:
        return sw.hold[place].waiting;
    default:
        return 0;
    }
}

static void write_hold(hwaddr off, uint64_t val)
{
    unsigned place = off / SNP_CTL_HOLD_SIZE;

    if (off % SNP_CTL_HOLD_SIZE == 0x18) {
        hold_release(place);
        return;
    }
    QEMU_LOCK_GUARD(&sw.lock);
    switch (off % SNP_CTL_HOLD_SIZE) {
    case 0x00:
        sw.hold[place].arm = val;
        break;
    case 0x08:
        sw.hold[place].match = val;
        break;
    }
    hold_update_any();
}

#define IN(addr, base, n, step) \
    ((addr) >= (base) && (addr) < (base) + (hwaddr)(n) * (step))

static uint64_t ctl_read(void *opaque, hwaddr addr, unsigned size)
{
    SnpCtl *s = opaque;
    Scan scan;

    if (IN(addr, SNP_CTL_COUNTER_BASE, SNP_CNT_MAX, 8)) {
        return qatomic_read(
            &snp_platform->counter[(addr - SNP_CTL_COUNTER_BASE) / 8]);
    }
    if (IN(addr, SNP_CTL_LD, SNP_CTL_LD_WORDS, 8)) {
        return ldq_le_p(snp_fw.last_ld + (addr - SNP_CTL_LD));
    }
    if (IN(addr, SNP_CTL_STATE_BASE, SNP_CTL_PAGE_NR, 8)) {
        scan_rmp(&scan);
        return scan.state[(addr - SNP_CTL_STATE_BASE) / 8];
    }
    if (IN(addr, SNP_CTL_HOLD_BASE, SNP_CTL_HOLD_NR, SNP_CTL_HOLD_SIZE)) {
        return read_hold(addr - SNP_CTL_HOLD_BASE);
    }

    switch (addr) {
    case SNP_CTL_MAGIC:
        return SNP_CTL_MAGIC_VALUE;
    case SNP_CTL_VERSION:
        return SNP_CTL_VERSION_VALUE;
    case SNP_CTL_NR_COUNTERS:
        return SNP_CNT_MAX;
    case SNP_CTL_NR_STATES:
        return SNP_CTL_PAGE_NR;
    case SNP_CTL_NR_HOLDS:
        return SNP_CTL_HOLD_NR;
    case SNP_CTL_STATUS:
        return (snp_rmp_active() ? SNP_CTL_STATUS_SNP_EN : 0) |
               (snp_fw.snp_init ? SNP_CTL_STATUS_SNP_INIT : 0);
    case SNP_CTL_CONTEXTS:
        return snp_fw.snp_guests ? g_hash_table_size(snp_fw.snp_guests) : 0;
    case SNP_CTL_BOUND:
        return count_bound();
    case SNP_CTL_LEAKED:
        scan_rmp(&scan);
        return scan.leaked;
    case SNP_CTL_GUEST_PAGES:
        scan_rmp(&scan);
        return scan.guest;
    case SNP_CTL_ASID:
        return s->asid;
    case SNP_CTL_ASID_PAGES:
        return snp_rmp_active() ? snp_rmp_count_asid(s->asid) : 0;
    case SNP_CTL_PAGE:
        return s->page;
    case SNP_CTL_PAGE_STATE:
        return snp_page_state(s->page);
    case SNP_CTL_PAGE_ENTRY:
        return page_entry(s->page, false);
    case SNP_CTL_PAGE_PERMS:
        return page_entry(s->page, true);
    case SNP_CTL_GPA:
        return s->gpa;
    case SNP_CTL_GPA_PAGE:
        return find_gpa(s->gpa, s->asid);
    case SNP_CTL_FW_PAGES:
        scan_rmp(&scan);
        return scan.state[SNP_CTL_PAGE_FIRMWARE] +
               scan.state[SNP_CTL_PAGE_CONTEXT] +
               scan.state[SNP_CTL_PAGE_METADATA] +
               scan.state[SNP_CTL_PAGE_RECLAIM];
    case SNP_CTL_FAIL_NTH:
        return qatomic_read(&sw.fail_nth);
    case SNP_CTL_FAIL_STATUS:
        return sw.fail_status;
    case SNP_CTL_FAIL_CMD:
        return sw.fail_cmd;
    case SNP_CTL_FAIL_HITS:
        return qatomic_read(&sw.fail_hits);
    case SNP_CTL_FAIL_COUNT:
        return sw.fail_count;
    case SNP_CTL_FAIL_AFTER:
        return sw.fail_after;
    default:
        return UINT64_MAX;
    }
}

static void ctl_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    SnpCtl *s = opaque;
    int i;

    if (IN(addr, SNP_CTL_COUNTER_BASE, SNP_CNT_MAX, 8)) {
        qatomic_set(
            &snp_platform->counter[(addr - SNP_CTL_COUNTER_BASE) / 8], 0);
        return;
    }
    if (IN(addr, SNP_CTL_HOLD_BASE, SNP_CTL_HOLD_NR, SNP_CTL_HOLD_SIZE)) {
        write_hold(addr - SNP_CTL_HOLD_BASE, val);
        return;
    }

    switch (addr) {
    case SNP_CTL_CLEAR:
        for (i = 0; i < SNP_CNT_MAX; i++) {
            qatomic_set(&snp_platform->counter[i], 0);
        }
        break;
    case SNP_CTL_MARK:
        trace_snp_ctl_mark(val);
        break;
    case SNP_CTL_ASID:
        s->asid = val;
        break;
    case SNP_CTL_PAGE:
        s->page = val & ~(FW_PAGE - 1);
        break;
    case SNP_CTL_GPA:
        s->gpa = val & ~(FW_PAGE - 1);
        break;
    case SNP_CTL_FAIL_NTH:
        WITH_QEMU_LOCK_GUARD(&sw.lock) {
            qatomic_set(&sw.fail_nth, val);
            qatomic_set(&sw.fail_left, 0);
        }
        break;
    case SNP_CTL_FAIL_STATUS:
        WITH_QEMU_LOCK_GUARD(&sw.lock) {
            sw.fail_status = val & 0xffff;
        }
        break;
    case SNP_CTL_FAIL_CMD:
        WITH_QEMU_LOCK_GUARD(&sw.lock) {
            sw.fail_cmd = val;
        }
        break;
    case SNP_CTL_FAIL_HITS:
        WITH_QEMU_LOCK_GUARD(&sw.lock) {
            sw.fail_hits = 0;
        }
        break;
    case SNP_CTL_FAIL_COUNT:
        WITH_QEMU_LOCK_GUARD(&sw.lock) {
            sw.fail_count = val;
        }
        break;
    case SNP_CTL_FAIL_AFTER:
        WITH_QEMU_LOCK_GUARD(&sw.lock) {
            sw.fail_after = val;
        }
        break;
    default:
        warn_report_once("snp-ctl: write to register 0x%" HWADDR_PRIx
                         ", which is read only or does not exist", addr);
        break;
    }
}

static const MemoryRegionOps ctl_ops = {
    .read = ctl_read,
    .write = ctl_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 8, .max_access_size = 8 },
    .impl = { .min_access_size = 8, .max_access_size = 8 },
};

static void ctl_reset(Object *obj, ResetType type)
{
    SnpCtl *s = SNP_CTL(obj);

    s->asid = 0;
    s->page = 0;
    s->gpa = 0;
    switches_off();
}

static void ctl_realize(PCIDevice *pdev, Error **errp)
{
    SnpCtl *s = SNP_CTL(pdev);

    if (!snp_platform) {
        error_setg(errp, "snp-ctl needs the platform: add -object "
                   "snp-platform,id=snp0");
        return;
    }
    memory_region_init_io(&s->mmio, OBJECT(s), &ctl_ops, s, TYPE_SNP_CTL,
                          SNP_CTL_BAR_SIZE);
    pci_register_bar(pdev, 0, PCI_BASE_ADDRESS_SPACE_MEMORY, &s->mmio);
}

static void ctl_class_init(ObjectClass *oc, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);
    PCIDeviceClass *k = PCI_DEVICE_CLASS(oc);
    ResettableClass *rc = RESETTABLE_CLASS(oc);

    k->realize = ctl_realize;
    k->vendor_id = SNP_CTL_VENDOR_ID;
    k->device_id = SNP_CTL_DEVICE_ID;
    k->class_id = PCI_CLASS_OTHERS;
    rc->phases.hold = ctl_reset;
    dc->desc = "control device of the emulated SNP platform";
    dc->hotpluggable = false;
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
}

static const TypeInfo ctl_info = {
    .name = TYPE_SNP_CTL,
    .parent = TYPE_PCI_DEVICE,
    .instance_size = sizeof(SnpCtl),
    .class_init = ctl_class_init,
    .interfaces = (InterfaceInfo[]) {
        { INTERFACE_CONVENTIONAL_PCI_DEVICE },
        { }
    },
};

static void ctl_register(void)
{
    type_register_static(&ctl_info);
}
type_init(ctl_register)
