/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MEASURE_FILE_H
#define MEASURE_FILE_H

#include <stddef.h>

/**
 * file_read - a whole file, or what comes out of a pipe
 * @path: of the file
 * @data: result, to be given to free()
 * @size: bytes of @data
 *
 * Return: 0 or a negative errno
 */
int file_read(const char *path, void **data, size_t *size);

#endif
