// SPDX-License-Identifier: GPL-2.0
/*
 * libFuzzer's mutations of IGVM files, with a fixed header that is good most of
 * the time: by chance alone no checksum ever is.
 */
#include <string.h>

#include "igvm.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
			       unsigned int seed);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
			       unsigned int seed)
{
	struct igvm_fixed_header h;

	size = LLVMFuzzerMutate(data, size, max_size);
	if (size < sizeof(h) || seed % 16 == 0)
		return size;
	memcpy(&h, data, sizeof(h));
	h.magic = IGVM_MAGIC;
	h.version = IGVM_VERSION_1;
	h.total_size = size;
	if (h.variable_offset < sizeof(h) || h.variable_offset > size ||
	    h.variable_offset % IGVM_ALIGN)
		h.variable_offset = sizeof(h);
	if (h.variable_size > size - h.variable_offset || h.variable_size % IGVM_ALIGN)
		h.variable_size = (size - h.variable_offset) & ~(IGVM_ALIGN - 1);
	memcpy(data, &h, sizeof(h));
	h.checksum = igvm_checksum(data);
	memcpy(data, &h, sizeof(h));
	return size;
}
