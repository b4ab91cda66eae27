/* SPDX-License-Identifier: GPL-2.0 */
/* The emulated platform, if that is where we are. */
#ifndef LAUNCH_PLATFORM_H
#define LAUNCH_PLATFORM_H

#include <stdbool.h>
#include <stdint.h>

/* "emulated", or "no emulated platform found", as no machine says that it is real. */
const char *platform_name(void);

/* The digest at the last LAUNCH_FINISH, if the platform shows it: 48 bytes. */
bool platform_digest(uint8_t *digest);

#endif
