/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Numbers that depend on nothing but the state that they are drawn from (SplitMix64 with the
 * datapath's finaliser).
 */
#ifndef LEAT_TOOLS_SIM_RANDOM_H
#define LEAT_TOOLS_SIM_RANDOM_H

#include <math.h>
#include <stdint.h>

#include "maps/hash.h"

static inline uint64_t random_next(uint64_t *state)
{
	*state += 0x9e3779b97f4a7c15ULL;
	return leat_mix(*state);
}

/* 0 to count - 1. */
static inline uint32_t random_below(uint64_t *state, uint32_t count)
{
	return (uint32_t)(((random_next(state) >> 32) * count) >> 32);
}

static inline uint32_t random_between(uint64_t *state, uint32_t least, uint32_t most)
{
	return least + random_below(state, most - least + 1);
}

/* Above 0, and 1 at most. */
static inline double random_unit(uint64_t *state)
{
	return (double)((random_next(state) >> 11) + 1) * 0x1p-53;
}

static inline double random_exponential(uint64_t *state, double mean)
{
	return -mean * log(random_unit(state));
}

#endif
