/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/table_part.h"

#include <stdbool.h>
#include <string.h>

/* Of a part while it is being filled. */
struct members {
	uint32_t count;
	uint8_t of[LEAT_MAX_BACKENDS]; /* by backend: one more than its index, or 0 */
};

/* Above LEAT_PART_MEMBERS: one backend too many. */
static uint32_t find_member(struct leat_table_part *part, struct members *members, uint16_t backend)
{
	if (members->of[backend])
		return members->of[backend] - 1U;
	if (members->count == LEAT_PART_MEMBERS)
		return LEAT_PART_MEMBERS + 1;
	part->members[members->count] = backend;
	members->of[backend] = (uint8_t)++members->count;
	return members->count - 1;
}

/* Whether all closed slots' backends are members. */
static bool pack(struct leat_table_part *part, const struct leat_slot *slots, uint32_t size)
{
	struct members members = { 0 };

	for (uint32_t at = 0; at < size; at++) {
		uint32_t member = LEAT_PART_MEMBERS;

		if (slots[at].previous & LEAT_SLOT_OPEN)
			part->slots[at] = slots[at];
		else
			member = find_member(part, &members, slots[at].current);
		if (member > LEAT_PART_MEMBERS)
			return false;
		part->closed[at / 2] |= (uint8_t)(member << 4 * (at % 2));
	}
	return true;
}

/* The fewer pages are written the better: each of them is new. */
void table_part_fill(struct leat_table_part *part, const struct leat_slot *slots, uint32_t size)
{
	part->is_packed = pack(part, slots, size);
	if (!part->is_packed)
		memcpy(part->slots, slots, size * sizeof(*slots));
}

static struct leat_slot read_slot(const struct leat_table_part *part, uint32_t at)
{
	uint32_t member = part->closed[at / 2] >> 4 * (at % 2) & LEAT_PART_MEMBERS;
	uint16_t backend = part->members[member];

	if (!part->is_packed || member == LEAT_PART_MEMBERS)
		return part->slots[at];
	return (struct leat_slot){ .current = backend, .previous = backend };
}

void table_part_read(const struct leat_table_part *part, struct leat_slot *slots, uint32_t size)
{
	for (uint32_t at = 0; at < size; at++)
		slots[at] = read_slot(part, at);
}
