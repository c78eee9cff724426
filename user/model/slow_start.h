/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Slow start: the weight of a backend that comes up grows in steps, each of which is a change of the
 * table that moves only new flows.
 */
#ifndef LEAT_MODEL_SLOW_START_H
#define LEAT_MODEL_SLOW_START_H

#include "model/node.h"

#define SLOW_START_STEPS 10

/* The percentage of its weight, 10 to 100, that a backend has so long after it came up. */
uint32_t slow_start_percent(uint64_t elapsed_ms, uint32_t slow_start_ms);

/* Whether a backend that comes up at `now_s` (UNIX time) should start slowly: its service asks for it,
 * and has another backend that was up for long enough to have all of its own weight. Where all come up
 * together, there is nobody to take the load meanwhile. */
bool slow_start_applies(const struct backend *backend, uint64_t now_s);

#endif
