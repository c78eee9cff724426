/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rise and fall in one integer, after HAProxy: 0 to rise - 1 is down and counts successes,
 * rise to rise + fall - 1 is up and counts failures backwards from the top. -1 is unknown: no probe
 * has ended yet. A value kept by an earlier daemon is clamped into today's rise and fall.
 */
#ifndef LEAT_MODEL_HEALTH_H
#define LEAT_MODEL_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#define HEALTH_UNKNOWN (-1)

struct health {
	int32_t counter;
	uint32_t rise;
	uint32_t fall;
};

struct health health_new(uint32_t rise, uint32_t fall);
/* Down needs `rise` successes in a row to be up, up needs `fall` failures in a row to be down, and
 * unknown becomes either with its first result. */
bool health_is_up(const struct health *health);
bool health_is_unknown(const struct health *health);
/* Takes one result; returns whether the backend's state (up, down, unknown) changed. */
bool health_update(struct health *health, bool is_success);
/* Adopts other thresholds and keeps the state. */
void health_set_thresholds(struct health *health, uint32_t rise, uint32_t fall);
/* Continues from `counter` as an earlier daemon with its own thresholds left it. */
struct health health_restore(int32_t counter, bool was_up, uint32_t rise, uint32_t fall);

#endif
