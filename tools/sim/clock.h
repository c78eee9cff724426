/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one clock of a simulation. The daemon's modules read it as clock_gettime() and time(), which the
 * linker wraps.
 */
#ifndef LEAT_TOOLS_SIM_CLOCK_H
#define LEAT_TOOLS_SIM_CLOCK_H

#include <stdint.h>

#include "tools/host/clock.h"

static inline void clock_set_s(uint32_t seconds)
{
	host_clock_ns = (uint64_t)seconds * 1000000000;
}

static inline uint32_t clock_now_s(void)
{
	return (uint32_t)(host_clock_ns / 1000000000);
}

static inline uint64_t clock_now_us(void)
{
	return host_clock_ns / 1000;
}

#endif
