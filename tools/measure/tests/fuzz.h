/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MEASURE_TESTS_FUZZ_H
#define MEASURE_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Hand @data to a reader; abort if it does not keep its promises. */
void fuzz_igvm(const uint8_t *data, size_t size);
void fuzz_ovmf(const uint8_t *data, size_t size);
void fuzz_pages(const uint8_t *data, size_t size);

#endif
