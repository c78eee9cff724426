/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Maglev hashing (Eisenbud et al., NSDI 2016, section 3.4): every backend has its own permutation
 * of the slots, and they take turns at taking the next free one of theirs. The paper leaves weights
 * open. Here a backend has taken n * weight / heaviest slots, rounded down, after turn n, so shares
 * are right on every turn and not only at the end.
 */
#include <errno.h>

#include "maps/hash.h"
#include "model/table_kinds.h"

/* The backend's walk through the slots, and the turn in which it takes its next one. */
struct taker {
	uint64_t turn;
	uint64_t taken;
	uint32_t index; /* of the backend: who goes first within a turn */
	uint32_t weight;
	uint32_t next;
	uint32_t skip;
};

static bool goes_before(const struct taker *a, const struct taker *b)
{
	return a->turn < b->turn || (a->turn == b->turn && a->index < b->index);
}

static int compare_takers(const void *a, const void *b)
{
	return goes_before(a, b) ? -1 : 1;
}

/* The turn n in which n * weight / heaviest reaches one more than was taken. */
static uint64_t next_turn(const struct taker *taker, uint32_t heaviest)
{
	return ((taker->taken + 1) * heaviest + taker->weight - 1) / taker->weight;
}

static uint32_t heaviest_weight(const struct table_backend *backends, size_t count)
{
	uint32_t heaviest = 0;

	for (size_t i = 0; i < count; i++)
		heaviest = MAX(heaviest, backends[i].weight);
	return heaviest;
}

static void takers_init(struct taker *takers, const struct table_backend *backends, size_t count,
			uint64_t seed, uint32_t size)
{
	uint32_t heaviest = heaviest_weight(backends, count);

	for (size_t i = 0; i < count; i++) {
		uint64_t hash = table_hash_address(&backends[i].address, seed);

		takers[i] = (struct taker){
			.index = (uint32_t)i,
			.weight = backends[i].weight,
			.next = (uint32_t)(hash % size),
			.skip = (uint32_t)(leat_mix(hash) % (size - 1)) + 1,
		};
		takers[i].turn = next_turn(&takers[i], heaviest);
	}
	/* Sorted is also a heap. */
	qsort(takers, count, sizeof(*takers), compare_takers);
}

/* Puts the changed first taker where it belongs in the heap. */
static void takers_sift_down(struct taker *takers, size_t count)
{
	struct taker moved = takers[0];
	size_t hole = 0;

	for (size_t child = 1; child < count; child = 2 * hole + 1) {
		if (child + 1 < count && goes_before(&takers[child + 1], &takers[child]))
			child++;
		if (goes_before(&moved, &takers[child]))
			break;
		takers[hole] = takers[child];
		hole = child;
	}
	takers[hole] = moved;
}

static void taker_advance(struct taker *taker, uint32_t size)
{
	taker->next += taker->skip;
	if (taker->next >= size)
		taker->next -= size;
}

/* Ends because size is prime: the walk meets every slot, and one of them is free. */
static void taker_take(struct taker *taker, uint16_t id, uint16_t *slots, uint32_t size)
{
	while (slots[taker->next] != 0)
		taker_advance(taker, size);
	slots[taker->next] = id;
	taker->taken++;
}

int table_maglev_build(const struct table_backend *backends, size_t count, uint64_t seed,
		       uint16_t *slots, uint32_t size)
{
	cleanup(freep) struct taker *takers = calloc(count, sizeof(*takers));
	uint32_t heaviest = heaviest_weight(backends, count);

	if (!takers)
		return -ENOMEM;
	takers_init(takers, backends, count, seed, size);
	for (uint32_t slot = 0; slot < size; slot++)
		slots[slot] = 0;
	for (uint32_t taken = 0; taken < size; taken++) {
		taker_take(&takers[0], backends[takers[0].index].id, slots, size);
		takers[0].turn = next_turn(&takers[0], heaviest);
		takers_sift_down(takers, count);
	}
	return 0;
}

static bool is_prime(uint32_t number)
{
	for (uint32_t divisor = 2; divisor * divisor <= number; divisor++) {
		if (number % divisor == 0)
			return false;
	}
	return number > 1;
}

uint32_t table_maglev_size(uint32_t size)
{
	while (!is_prime(size))
		size++;
	return size;
}
