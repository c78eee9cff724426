/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A backend with n of the positions has as many turns, and its turn k, from 0, belongs between the
 * positions floor(k * size / n) and ceil((k + 1) * size / n) - 1. Then its share of any first
 * positions is off by less than one. Such are the windows of Pfair scheduling (Baruah et al.,
 * Algorithmica 15, 1996).
 *
 * There is a position for each turn: the turns whose windows lie within the positions a to b - 1 are
 * floor(b * n / size) - ceil(a * n / size) of a backend's, and at most b - a of all, since all
 * shares add up to one. For windows, that suffices (Hall's theorem). To take turns by the ends of
 * their windows and to give each its earliest free position then finds one for all: a turn that has
 * this position instead, and whose window ends later, can take any other that the first one can.
 */
#include "model/order.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define NOBODY UINT16_MAX

struct share {
	struct table_backend backend;
	uint32_t positions;
	uint64_t remainder; /* what was cut off from its positions */

	/* Its next turn. */
	uint32_t turn;
	uint32_t earliest;
	uint16_t next; /* of those whose next turn's window ends at the same position */
};

struct plan {
	uint32_t size;
	struct share *shares;
	uint16_t *ending; /* whose next turn's window ends at a position: the head of a list */
	uint32_t *free;	  /* where to go on looking for a free position; itself if it is free */
};

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
	while (b != 0) {
		uint64_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

uint32_t order_size(const struct table_backend *backends, size_t count, uint32_t most)
{
	uint64_t sum = 0, divisor = 0;

	for (size_t i = 0; i < count; i++) {
		sum += backends[i].weight;
		divisor = common_divisor(divisor, backends[i].weight);
	}
	if (sum == 0)
		return 0;
	sum /= divisor;
	return sum > most ? most : most - most % (uint32_t)sum;
}

static int compare_heavier(const void *a, const void *b)
{
	const struct share *first = a, *second = b;

	if (first->backend.weight != second->backend.weight)
		return first->backend.weight > second->backend.weight ? -1 : 1;
	return address_compare(&first->backend.address, &second->backend.address);
}

static int compare_remainders(const void *a, const void *b)
{
	const struct share *first = a, *second = b;

	if (first->remainder != second->remainder)
		return first->remainder > second->remainder ? -1 : 1;
	return compare_heavier(a, b);
}

/* Keeps the backends that have a weight, the heaviest first. */
static size_t select_shares(const struct table_backend *backends, size_t count,
			    struct share *ret_shares)
{
	size_t selected = 0;

	for (size_t i = 0; i < count; i++) {
		if (backends[i].weight > 0)
			ret_shares[selected++] = (struct share){ .backend = backends[i] };
	}
	qsort(ret_shares, selected, sizeof(*ret_shares), compare_heavier);
	return selected;
}

/* By largest remainder. */
static void divide(struct share *shares, size_t count, uint64_t weight_sum, uint32_t size)
{
	uint32_t left = size;

	for (size_t i = 0; i < count; i++) {
		uint64_t product = (uint64_t)shares[i].backend.weight * size;

		shares[i].positions = (uint32_t)(product / weight_sum);
		shares[i].remainder = product % weight_sum;
		left -= shares[i].positions;
	}
	if (left == 0)
		return;
	qsort(shares, count, sizeof(*shares), compare_remainders);
	for (size_t i = 0; i < left; i++)
		shares[i].positions++;
	qsort(shares, count, sizeof(*shares), compare_heavier);
}

/* Needs the heaviest first, and no more of them than positions. */
static void share_out(struct share *shares, size_t count, uint32_t size)
{
	uint64_t weight_sum = 0;

	for (size_t i = 0; i < count; i++)
		weight_sum += shares[i].backend.weight;
	/* One position for each that is due less leaves less for the next one, too. */
	while (count > 0 && (uint64_t)shares[count - 1].backend.weight * size < weight_sum) {
		count--;
		shares[count].positions = 1;
		size--;
		weight_sum -= shares[count].backend.weight;
	}
	divide(shares, count, weight_sum, size);
}

static void plan_deinit(struct plan *plan)
{
	free(plan->ending);
	free(plan->free);
}

static int plan_init(struct plan *plan, struct share *shares, uint32_t size)
{
	*plan = (struct plan){
		.size = size,
		.shares = shares,
		.ending = malloc(size * sizeof(*plan->ending)),
		.free = malloc((size + 1UL) * sizeof(*plan->free)),
	};
	if (!plan->ending || !plan->free)
		return -ENOMEM;
	for (uint32_t i = 0; i < size; i++)
		plan->ending[i] = NOBODY;
	for (uint32_t i = 0; i <= size; i++)
		plan->free[i] = i;
	return 0;
}

static void await_turn(struct plan *plan, uint16_t index)
{
	struct share *share = &plan->shares[index];
	uint64_t end = (share->turn + 1ULL) * plan->size - 1;
	uint32_t latest = (uint32_t)(end / share->positions);

	share->earliest = (uint32_t)((uint64_t)share->turn * plan->size / share->positions);
	share->next = plan->ending[latest];
	plan->ending[latest] = index;
}

static uint32_t find_free(struct plan *plan, uint32_t position)
{
	uint32_t *free = plan->free;

	while (free[position] != position) {
		free[position] = free[free[position]];
		position = free[position];
	}
	return position;
}

/* All whose window ends there; returns the list from its end. */
static uint16_t take_turns(struct plan *plan, uint32_t latest, uint16_t *order)
{
	uint16_t reversed = NOBODY;

	for (uint16_t i = plan->ending[latest], next; i != NOBODY; i = next) {
		struct share *share = &plan->shares[i];
		uint32_t position = find_free(plan, share->earliest);

		assert(position <= latest);
		order[position] = share->backend.id;
		plan->free[position] = position + 1;
		share->turn++;
		next = share->next;
		share->next = reversed;
		reversed = i;
	}
	return reversed;
}

/* Who comes to a list later leads it, since its window is narrower. Those with equal windows come
 * together, and from the end, so that they keep their order from turn to turn. */
static void take_all_turns(struct plan *plan, size_t count, uint16_t *order)
{
	for (size_t i = count; i > 0; i--)
		await_turn(plan, (uint16_t)(i - 1));
	for (uint32_t latest = 0; latest < plan->size; latest++) {
		uint16_t next;

		for (uint16_t i = take_turns(plan, latest, order); i != NOBODY; i = next) {
			next = plan->shares[i].next;
			if (plan->shares[i].turn < plan->shares[i].positions)
				await_turn(plan, i);
		}
	}
}

int order_build(const struct table_backend *backends, size_t count, uint16_t *order, uint32_t size)
{
	cleanup(plan_deinit) struct plan plan = { 0 };
	cleanup(freep) struct share *shares = NULL;

	assert(count <= LEAT_MAX_SERVICE_BACKENDS);
	if (size == 0)
		return 0;
	/* One more than needed: calloc() may answer NULL for none. */
	shares = calloc(count + 1, sizeof(*shares));
	if (!shares || plan_init(&plan, shares, size) < 0)
		return -ENOMEM;
	count = MIN(select_shares(backends, count, shares), size);
	if (count == 0) {
		memset(order, 0, size * sizeof(*order));
		return 0;
	}
	share_out(shares, count, size);
	take_all_turns(&plan, count, order);
	return 0;
}
