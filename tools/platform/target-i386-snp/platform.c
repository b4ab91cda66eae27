/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Emulated SEV-SNP host platform: the object that holds what is common to all
 * CPUs, and the two ways to say that something went wrong.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/module.h"
#include "qemu/atomic.h"
#include "hw/qdev-core.h"
#include "migration/blocker.h"
#include "qom/object_interfaces.h"
#include "snp.h"

SnpPlatform *snp_platform;

void snp_count(SnpCounter c)
{
    qatomic_inc(&snp_platform->counter[c]);
}

void snp_unmodelled(const char *fmt, ...)
{
    va_list ap;
    g_autofree char *msg = NULL;

    va_start(ap, fmt);
    msg = g_strdup_vprintf(fmt, ap);
    va_end(ap);

    if (!snp_platform || snp_platform->strict) {
        error_report("snp-platform: not modelled: %s", msg);
        abort();
    }
    warn_report("snp-platform: not modelled, strict is off: %s", msg);
}

static bool snp_platform_get_strict(Object *obj, Error **errp)
{
    return SNP_PLATFORM(obj)->strict;
}

static void snp_platform_set_strict(Object *obj, bool v, Error **errp)
{
    SNP_PLATFORM(obj)->strict = v;
}

static bool snp_platform_get_rmpquery(Object *obj, Error **errp)
{
    return SNP_PLATFORM(obj)->rmpquery;
}

static void snp_platform_set_rmpquery(Object *obj, bool v, Error **errp)
{
    SNP_PLATFORM(obj)->rmpquery = v;
}

static void snp_platform_complete(UserCreatable *uc, Error **errp)
{
    static Error *blocker;

    if (snp_platform) {
        error_setg(errp, "snp-platform: a machine has only one platform; "
                   "remove the second -object snp-platform");
        return;
    }
    if (phase_check(PHASE_MACHINE_INITIALIZED)) {
        error_setg(errp, "snp-platform: a machine has its platform from the "
                   "start; give -object on the command line");
        return;
    }
    error_setg(&blocker, "snp-platform: the state of pages, CPUs and firmware "
               "is not saved; run the machine without a snapshot");
    if (migrate_add_blocker(&blocker, errp) < 0) {
        return;
    }
    snp_platform = SNP_PLATFORM(uc);
}

/* Processors and devices use it as long as the machine is there. */
static bool snp_platform_can_be_deleted(UserCreatable *uc)
{
    return SNP_PLATFORM(uc) != snp_platform;
}

static void snp_platform_init(Object *obj)
{
    SnpPlatform *s = SNP_PLATFORM(obj);

    s->strict = true;
    qemu_mutex_init(&s->rmp_lock);
}

static void snp_platform_class_init(ObjectClass *oc, void *data)
{
    UserCreatableClass *ucc = USER_CREATABLE_CLASS(oc);

    ucc->complete = snp_platform_complete;
    ucc->can_be_deleted = snp_platform_can_be_deleted;
    object_class_property_add_bool(oc, "strict", snp_platform_get_strict,
                                   snp_platform_set_strict);
    object_class_property_set_description(oc, "strict",
        "Abort on what the platform does not model (default: on)");
    object_class_property_add_bool(oc, "rmpquery", snp_platform_get_rmpquery,
                                   snp_platform_set_rmpquery);
    object_class_property_set_description(oc, "rmpquery",
        "Have and report the RMPQUERY instruction (default: off)");
}

static const TypeInfo snp_platform_info = {
    .name = TYPE_SNP_PLATFORM,
    .parent = TYPE_OBJECT,
    .instance_size = sizeof(SnpPlatform),
    .instance_init = snp_platform_init,
    .class_init = snp_platform_class_init,
    .interfaces = (InterfaceInfo[]) {
        { TYPE_USER_CREATABLE },
        { }
    },
};

static void snp_platform_register(void)
{
    type_register_static(&snp_platform_info);
}
type_init(snp_platform_register)
