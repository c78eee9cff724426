/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ownership that can be checked inside one function, and the few macros that C lacks.
 */
#ifndef LEAT_BASE_MACROS_H
#define LEAT_BASE_MACROS_H

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define cleanup(fn) __attribute__((__cleanup__(fn)))
#define take_ptr(p)                                                                                \
	({                                                                                         \
		__typeof__(p) *take_p_ = &(p), take_v_ = *take_p_;                                 \
		*take_p_ = NULL;                                                                   \
		take_v_;                                                                           \
	})
#define take_fd(fd)                                                                                \
	({                                                                                         \
		int *take_fd_ = &(fd), take_v_ = *take_fd_;                                        \
		*take_fd_ = -1;                                                                    \
		take_v_;                                                                           \
	})

/* DEFINE_CLEANUP(struct x *, x_free) makes x_freep() for cleanup(x_freep). */
#define DEFINE_CLEANUP(type, fn)                                                                   \
	static inline void fn##p(type *p)                                                          \
	{                                                                                          \
		if (*p)                                                                            \
			fn(*p);                                                                    \
	}

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)	((a) < (b) ? (a) : (b))
#define MAX(a, b)	((a) > (b) ? (a) : (b))
#define printf_like(n)	__attribute__((__format__(__printf__, n, (n) + 1)))
#define vprintf_like(n) __attribute__((__format__(__printf__, n, 0)))

static inline void freep(void *p)
{
	free(*(void **)p);
}

static inline void close_fdp(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void fclosep(FILE **file)
{
	if (*file)
		fclose(*file);
}

#endif
