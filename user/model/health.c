/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/health.h"

#include <assert.h>

#include "base/macros.h"

/* Up and no failure since the last success. */
static int32_t top(const struct health *health)
{
	return (int32_t)(health->rise + health->fall - 1);
}

struct health health_new(uint32_t rise, uint32_t fall)
{
	assert(rise > 0 && fall > 0);
	return (struct health){ .counter = HEALTH_UNKNOWN, .rise = rise, .fall = fall };
}

bool health_is_up(const struct health *health)
{
	return health->counter >= (int32_t)health->rise;
}

bool health_is_unknown(const struct health *health)
{
	return health->counter == HEALTH_UNKNOWN;
}

static int32_t after_success(const struct health *health)
{
	if (health_is_unknown(health) || health->counter + 1 >= (int32_t)health->rise)
		return top(health);
	return health->counter + 1;
}

static int32_t after_failure(const struct health *health)
{
	return health->counter > (int32_t)health->rise ? health->counter - 1 : 0;
}

bool health_update(struct health *health, bool is_success)
{
	const struct health before = *health;

	health->counter = is_success ? after_success(&before) : after_failure(&before);
	return health_is_unknown(&before) || health_is_up(health) != health_is_up(&before);
}

void health_set_thresholds(struct health *health, uint32_t rise, uint32_t fall)
{
	int32_t failures = top(health) - health->counter;
	struct health moved = health_new(rise, fall);

	if (health_is_up(health))
		moved.counter = MAX(top(&moved) - failures, (int32_t)rise);
	else
		moved.counter = MIN(health->counter, (int32_t)rise - 1);
	*health = moved;
}

struct health health_restore(int32_t counter, bool was_up, uint32_t rise, uint32_t fall)
{
	struct health health = health_new(rise, fall);

	if (was_up)
		health.counter = MIN(MAX(counter, (int32_t)rise), top(&health));
	else
		health.counter = MIN(MAX(counter, HEALTH_UNKNOWN), (int32_t)rise - 1);
	return health;
}
