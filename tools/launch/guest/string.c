// SPDX-License-Identifier: GPL-2.0
/* What gcc calls, and the console's output. */
#include <stdarg.h>

#include "guest.h"

void *memset(void *dst, int c, size_t len)
{
	void *d = dst;

	asm volatile("rep stosb" : "+D"(d), "+c"(len) : "a"(c) : "memory");
	return dst;
}

void *memcpy(void *dst, const void *src, size_t len)
{
	void *d = dst;

	asm volatile("rep movsb" : "+D"(d), "+S"(src), "+c"(len) : : "memory");
	return dst;
}

int memcmp(const void *a, const void *b, size_t len)
{
	const u8 *p = a, *q = b;

	for (; len; len--, p++, q++)
		if (*p != *q)
			return *p - *q;
	return 0;
}

size_t strlen(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

/* Lines go out whole: those of two vCPUs do not mix. */
static void put(char c)
{
	struct cpu *cpu = this_cpu();

	cpu->line[cpu->line_len++] = c;
	if (c == '\n' || cpu->line_len == sizeof(cpu->line)) {
		ghcb_puts(cpu->line, cpu->line_len);
		cpu->line_len = 0;
	}
}

static void number(u64 v, u32 base, int width)
{
	char buf[20];
	int n = 0;

	do {
		buf[n++] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	for (; width > n; width--)
		put('0');
	while (n)
		put(buf[--n]);
}

void print(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	for (; *fmt; fmt++) {
		bool wide = false;
		const char *s;
		int width = 0;

		if (*fmt != '%') {
			put(*fmt);
			continue;
		}
		for (fmt++; *fmt >= '0' && *fmt <= '9'; fmt++)
			width = width * 10 + *fmt - '0';
		if (*fmt == 'l') {
			wide = true;
			fmt++;
		}
		switch (*fmt) {
		case 's':
			for (s = va_arg(ap, const char *); *s; s++)
				put(*s);
			break;
		case 'c':
			put(va_arg(ap, int));
			break;
		case 'u':
		case 'x':
			number(wide ? va_arg(ap, u64) : va_arg(ap, u32), *fmt == 'u' ? 10 : 16,
			       width);
			break;
		default:
			put(*fmt);
		}
	}
	va_end(ap);
}

void print_hex(const u8 *data, size_t len)
{
	while (len--)
		number(*data++, 16, 2);
}

void failed(const char *what, u64 got, u64 want)
{
	print("guest: %s: 0x%lx, not 0x%lx\n", what, got, want);
	terminate(TERM_CHECK);
}
