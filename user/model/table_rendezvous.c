/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Weighted rendezvous hashing (Schindelhauer and Schomaker, SPAA 2005) with bounded loads. In the
 * order of the slots, each takes the backend with the smallest -ln(u(slot, backend)) / weight among
 * those with room. All in integers, so that every CPU agrees.
 *
 * u is made in two parts. Its upper 16 bits are a permutation of the slot's lower 16, another one
 * for each backend, so that over 65536 slots every backend gets each value once: half the variance
 * of independent draws, and so far fewer backends that meet their bound. The lower 32 bits are
 * drawn, and only where the upper ones leave a choice.
 *
 * What makes it fast: who wins a slot has a small score there, so sweep() walks each backend's
 * permutation backwards, from its best slot on, and stops where nearly all slots have a winner. That
 * is at most five steps for each slot, however many backends there are. A step compares marks, which
 * are scores read off a chord of the logarithm; scores proper are computed where two are too close.
 */
#include <assert.h>
#include <errno.h>

#include "maps/hash.h"
#include "model/table_kinds.h"

/* As many slots as 16 bits count; each block has its own permutations. */
#define BLOCK 65536

#define DISTANCE_ONE  (1ULL << TABLE_DISTANCE_BITS)
/* Scores are in units of 2^-58, which the largest logarithm, 34 / 1, just fits. */
#define SCORE_SHIFT   10
#define COARSE_SHIFT  (TABLE_DISTANCE_BITS - 16)
#define LOG_CELL_BITS 40

/* Coarse distances of which sweep() takes care in one go: a cell of the logarithm's. */
#define RUN	   256
/* sweep() goes up to the score REACH / sum of weights; e^-5 of all slots have none below. */
#define REACH	   5ULL
/* A mark is a score of sweep()'s: 20 bits of it, and then the index of the contender. */
#define INDEX_BITS 12
#define INDEX_MASK ((1U << INDEX_BITS) - 1)
#define NO_MARK	   0xc0000000U
/* More than what marks are off for being rounded. */
#define ROUNDING   (4U << INDEX_BITS)

_Static_assert(RUN == 1 << (LOG_CELL_BITS - COARSE_SHIFT), "a run is a cell");
_Static_assert(LEAT_MAX_SERVICE_BACKENDS <= 1 << INDEX_BITS, "an index fits a mark");

/* -ln(1 - i / 256), in units of 2^-48. */
static const uint64_t logs[129] = {
	0x000000000000ULL, 0x010080559589ULL, 0x020202aeb11cULL, 0x030489147114ULL,
	0x0408159624d6ULL, 0x050caa496603ULL, 0x0612494a3233ULL, 0x0718f4bb052bULL,
	0x0820aec4f3a2ULL, 0x09297997c68cULL, 0x0a33576a16f2ULL, 0x0b3e4a796a5eULL,
	0x0c4a550a4fdaULL, 0x0d5779687d88ULL, 0x0e65b9e6eed9ULL, 0x0f7518e0035cULL,
	0x108598b59e3aULL, 0x11973bd14655ULL, 0x12aa04a44718ULL, 0x13bdf5a7d1eeULL,
	0x14d3115d207fULL, 0x15e95a4d9792ULL, 0x1700d30aeac1ULL, 0x18197e2f40e4ULL,
	0x19335e5d594aULL, 0x1a4e7640b1bcULL, 0x1b6ac88dad5bULL, 0x1c885801bc4bULL,
	0x1da727638447ULL, 0x1ec739830a11ULL, 0x1fe89139dbd5ULL, 0x210b316b3c74ULL,
	0x222f1d044fc9ULL, 0x235456fc47eeULL, 0x247ae2549384ULL, 0x25a2c2190d02ULL,
	0x26cbf9602b20ULL, 0x27f68b4b3252ULL, 0x29227b06676bULL, 0x2a4fcbc9436bULL,
	0x2b7e80d6a87bULL, 0x2cae9d7d1826ULL, 0x2de02516ead5ULL, 0x2f131b0a8899ULL,
	0x304782caa348ULL, 0x317d5fd671fdULL, 0x32b4b5b9ee03ULL, 0x33ed880e112dULL,
	0x3527da7915b4ULL, 0x3663b0aeb79cULL, 0x37a10e7077b1ULL, 0x38dff78de01fULL,
	0x3a206fe4cabdULL, 0x3b627b61a913ULL, 0x3ca61dffce20ULL, 0x3deb5bc9ba00ULL,
	0x3f3238d96767ULL, 0x407ab9589b1aULL, 0x41c4e1813562ULL, 0x4310b59d858cULL,
	0x445e3a089f92ULL, 0x45ad732eb3eeULL, 0x46fe658d69aeULL, 0x485115b43ae3ULL,
	0x49a58844d36eULL, 0x4afbc1f3724dULL, 0x4c53c7874d74ULL, 0x4dad9ddaf844ULL,
	0x4f0949dcccc6ULL, 0x5066d08f57a3ULL, 0x51c63709c710ULL, 0x532782785cb1ULL,
	0x548ab81ce28fULL, 0x55efdd4f2348ULL, 0x5756f77d657dULL, 0x58c00c2ceab1ULL,
	0x5a2b20fa71a8ULL, 0x5b983b9abc66ULL, 0x5d0761db19efULL, 0x5e7899a1f3edULL,
	0x5febe8ef6054ULL, 0x616155ddb730ULL, 0x62d8e6a22cb8ULL, 0x6452a18d6fdaULL,
	0x65ce8d0c4d5bULL, 0x674cafa857b5ULL, 0x68cd100893eaULL, 0x6a4fb4f22b68ULL,
	0x6bd4a5492337ULL, 0x6d5be81118a4ULL, 0x6ee5846e038cULL, 0x707181a4fe8eULL,
	0x71ffe71d1553ULL, 0x7390bc60191dULL, 0x7524091b7beaULL, 0x76b9d5213258ULL,
	0x785228689c9bULL, 0x79ed0b0f76b6ULL, 0x7b8a855ad050ULL, 0x7d2a9fb80c65ULL,
	0x7ecd62bde922ULL, 0x8072d72d903dULL, 0x821b05f3b01dULL, 0x83c5f8299e2bULL,
	0x8573b71682a8ULL, 0x87244c308e67ULL, 0x88d7c11e3ad5ULL, 0x8a8e1fb794b1ULL,
	0x8c47720791e5ULL, 0x8e03c24d7300ULL, 0x8fc31afe30b3ULL, 0x918586c5f5e5ULL,
	0x934b1089a6ddULL, 0x9513c3687608ULL, 0x96dfaabd86faULL, 0x98aed221a034ULL,
	0x9a81456cec64ULL, 0x9c5710b8cbb7ULL, 0x9e304061b5feULL, 0xa00ce1092e55ULL,
	0xa1ecff97c91eULL, 0xa3d0a93f4517ULL, 0xa5b7eb7cb861ULL, 0xa7a2d41ad271ULL,
	0xa991713433c3ULL, 0xab83d135dc63ULL, 0xad7a02e1b24fULL, 0xaf74155120c9ULL,
	0xb17217f7d1cfULL,
};

uint64_t table_rendezvous_log(uint64_t distance)
{
	uint64_t u = DISTANCE_ONE - distance;
	unsigned int halvings = (unsigned int)__builtin_clzll((u - 1) | 1) - 16;
	uint64_t cell, rest, square, cube;

	/* 1 - distance = 2^-halvings * (1 - cell / 256) * (1 - rest), with rest below 1 / 128. */
	distance = DISTANCE_ONE - (u << halvings);
	cell = distance >> LOG_CELL_BITS;
	rest = ((distance & ((1ULL << LOG_CELL_BITS) - 1)) << 8) / (256 - cell);
	square = ((rest >> 9) * (rest >> 9)) >> 30;
	cube = ((square >> 8) * (rest >> 8)) >> 32;
	return halvings * logs[128] + logs[cell] + rest + square / 2 + cube / 3;
}

uint32_t table_rendezvous_room(uint32_t size, uint32_t weight, uint64_t weight_sum)
{
	return (uint32_t)(((uint64_t)size * weight * 105 + weight_sum * 100 - 1) /
			  (weight_sum * 100));
}

/* One backend's permutation of a block: 16-bit arithmetic throughout. */
struct permutation {
	uint16_t factors[3]; /* odd, so that multiplying can be undone */
	uint16_t terms[2];
};

static struct permutation permutation_new(uint64_t hash, uint32_t block)
{
	uint64_t key = leat_mix(hash + block);
	uint64_t more = leat_mix(key);

	return (struct permutation){
		.factors = { (uint16_t)(key | 1), (uint16_t)(key >> 16 | 1), (uint16_t)(more | 1) },
		.terms = { (uint16_t)(key >> 32), (uint16_t)(key >> 48) },
	};
}

/* Unsigned products of 16-bit numbers that are cut to 16 bits again: int would overflow. */
static inline uint16_t multiply(uint16_t x, uint16_t factor)
{
	return (uint16_t)((uint32_t)x * factor);
}

static inline uint16_t permute(const struct permutation *p, uint16_t x)
{
	x = (uint16_t)(multiply(x, p->factors[0]) + p->terms[0]);
	x = (uint16_t)(x ^ x >> 8);
	x = (uint16_t)(multiply(x, p->factors[1]) + p->terms[1]);
	x = (uint16_t)(x ^ x >> 7);
	return multiply(x, p->factors[2]);
}

/* Modulo 2^16, by Newton's method: an odd number is its own inverse to 3 bits, and each step doubles
 * them. */
static uint16_t inverse(uint16_t odd)
{
	uint16_t x = odd;

	for (int bits = 3; bits < 16; bits *= 2)
		x = multiply(x, (uint16_t)(2 - multiply(odd, x)));
	return x;
}

/* What unpermute() takes. */
static struct permutation permutation_reverse(const struct permutation *p)
{
	return (struct permutation){
		.factors = { inverse(p->factors[0]), inverse(p->factors[1]),
			     inverse(p->factors[2]) },
		.terms = { p->terms[0], p->terms[1] },
	};
}

static inline uint16_t unpermute(const struct permutation *reverse, uint16_t x)
{
	x = multiply(x, reverse->factors[2]);
	x = (uint16_t)(x ^ x >> 7 ^ x >> 14);
	x = multiply((uint16_t)(x - reverse->terms[1]), reverse->factors[1]);
	x = (uint16_t)(x ^ x >> 8);
	return multiply((uint16_t)(x - reverse->terms[0]), reverse->factors[0]);
}

static uint64_t full_distance(uint64_t hash, uint32_t slot, uint16_t coarse)
{
	uint32_t fine = (uint32_t)leat_mix(~hash ^ slot);

	return (uint64_t)coarse << COARSE_SHIFT | fine;
}

uint64_t table_rendezvous_distance(uint64_t hash, uint32_t slot)
{
	struct permutation permutation = permutation_new(hash, slot / BLOCK);

	return full_distance(hash, slot, permute(&permutation, (uint16_t)slot));
}

struct contender {
	struct permutation permutation; /* of the current block */
	uint16_t id;
	uint32_t weight;
	uint32_t room;
	uint64_t hash;
	uint64_t least_score; /* for a coarse distance of one */
};

struct rendezvous {
	struct contender *contenders; /* those that had room at the start of the block */
	size_t count;
	uint32_t first; /* slot of the block */

	unsigned int mark_shift; /* from a score to a mark */
	uint32_t limit;		 /* marks up to here are complete ... */
	uint32_t margin;	 /* ... and decide if they differ by more than this */
	uint32_t *marks;	 /* the best of each slot of the block */
};

static void contender_init(struct contender *c, const struct table_backend *backend, uint64_t seed,
			   uint32_t room)
{
	*c = (struct contender){
		.id = backend->id,
		.weight = backend->weight,
		.room = room,
		.hash = table_hash_address(&backend->address, seed),
		.least_score = (1ULL << (COARSE_SHIFT + SCORE_SHIFT)) / backend->weight,
	};
}

static uint64_t score_of_distance(const struct contender *c, uint64_t distance)
{
	return (table_rendezvous_log(distance) << SCORE_SHIFT) / c->weight;
}

static uint64_t score_of_slot(const struct contender *c, uint32_t slot, uint16_t coarse)
{
	return score_of_distance(c, full_distance(c->hash, slot, coarse));
}

/* Only between blocks: marks know contenders by their index. */
static void drop_full(struct rendezvous *r)
{
	size_t kept = 0;

	for (size_t i = 0; i < r->count; i++) {
		if (r->contenders[i].room > 0)
			r->contenders[kept++] = r->contenders[i];
	}
	r->count = kept;
}

static uint64_t contenders_weight(const struct rendezvous *r)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < r->count; i++)
		sum += r->contenders[i].weight;
	return sum;
}

static void start_block(struct rendezvous *r)
{
	uint64_t weight_sum, limit;

	drop_full(r);
	weight_sum = contenders_weight(r);
	assert(weight_sum > 0);
	limit = (REACH << (TABLE_DISTANCE_BITS + SCORE_SHIFT)) / weight_sum;
	r->mark_shift = 33 - (unsigned int)__builtin_clzll(limit);
	r->limit = (uint32_t)(limit >> r->mark_shift);
	/* Wide enough for chords of all who have half of the mean weight. */
	r->margin = (uint32_t)((uint64_t)r->limit * r->count * 4 / (REACH * BLOCK));
	r->margin = MAX(r->margin, r->limit / 1024);
	for (size_t i = 0; i < r->count; i++) {
		struct contender *c = &r->contenders[i];

		c->permutation = permutation_new(c->hash, r->first / BLOCK);
	}
}

/* A contender's slots for consecutive coarse distances, and its marks there. */
struct run {
	uint32_t index;
	uint16_t first; /* coarse distance */
	uint32_t length;
	uint16_t slots[RUN];
	uint32_t marks[RUN];
};

static uint32_t mark_new(uint64_t rough_score, uint32_t index)
{
	return (uint32_t)rough_score >> INDEX_BITS << INDEX_BITS | index;
}

/* From one end of the cell to the other in equal steps. */
static void mark_by_chord(struct run *run, uint32_t start, uint32_t step, uint32_t limit)
{
	run->length = MIN((limit - start) / step + 1, RUN);
	for (uint32_t i = 0; i < RUN; i++)
		run->marks[i] = mark_new(start + i * step, run->index);
}

static void mark_by_score(struct run *run, const struct rendezvous *r)
{
	const struct contender *c = &r->contenders[run->index];
	uint64_t limit = (uint64_t)r->limit << r->mark_shift;

	for (run->length = 0; run->length < RUN; run->length++) {
		uint16_t coarse = (uint16_t)(run->first + run->length);
		uint32_t slot = r->first + run->slots[run->length];
		uint64_t score;

		if (coarse * c->least_score > limit)
			break;
		score = MIN(score_of_slot(c, slot, coarse), limit);
		run->marks[run->length] = mark_new(score >> r->mark_shift, run->index);
	}
}

/* A score may exceed its mark by a step, as its distance exceeds the coarse one. It may be less, as a
 * curve is below its chord: by a quarter of the cell's width times how much steeper the curve gets,
 * at most. With half a margin for each, two marks a margin apart are in the order of their scores. */
static bool is_chord_close(const struct rendezvous *r, uint32_t cell, uint64_t span)
{
	uint64_t step = span / RUN, sag = span / (4 * (255 - cell));

	return MAX(step, sag) <= (r->margin - ROUNDING) / 2;
}

static uint64_t cell_start(const struct rendezvous *r, const struct contender *c, uint32_t cell)
{
	return score_of_distance(c, (uint64_t)cell << LOG_CELL_BITS) >> r->mark_shift;
}

static bool is_better(const struct rendezvous *r, uint32_t index, uint32_t other, uint16_t slot)
{
	const struct contender *a = &r->contenders[index], *b = &r->contenders[other];
	uint64_t first = score_of_slot(a, r->first + slot, permute(&a->permutation, slot));
	uint64_t second = score_of_slot(b, r->first + slot, permute(&b->permutation, slot));

	return first < second || (first == second && index < other);
}

static void enter_run(struct rendezvous *r, const struct run *run)
{
	const uint32_t margin = r->margin;
	uint32_t *marks = r->marks;

	for (uint32_t i = 0; i < run->length; i++) {
		uint16_t slot = run->slots[i];
		uint32_t mark = run->marks[i], best = marks[slot];

		if (__builtin_expect(mark - best + margin > 2 * margin, 1))
			marks[slot] = MIN(mark, best);
		else if (is_better(r, run->index, best & INDEX_MASK, slot))
			marks[slot] = mark;
	}
}

/* Ends before the last cell, where the logarithm has no end: REACH is below ln(256). */
static void sweep_contender(struct rendezvous *r, uint32_t index)
{
	const struct contender *c = &r->contenders[index];
	const struct permutation reverse = permutation_reverse(&c->permutation);
	struct run run = { .index = index };
	uint64_t start = 0, span;

	for (uint32_t cell = 0; start <= r->limit; cell++, start += span) {
		span = cell_start(r, c, cell + 1) - start;
		run.first = (uint16_t)(cell * RUN);
		for (uint16_t i = 0; i < RUN; i++)
			run.slots[i] = unpermute(&reverse, (uint16_t)(run.first + i));
		if (is_chord_close(r, cell, span))
			mark_by_chord(&run, (uint32_t)start, (uint32_t)(span / RUN), r->limit);
		else
			mark_by_score(&run, r);
		enter_run(r, &run);
	}
}

/* Finds the winners of a block as if all who have room now had room to its end. Walks go over all of
 * a block, so for a few slots find_winner() is quicker; 40 more looks stand for its scores. */
static void sweep(struct rendezvous *r, uint32_t slot_count)
{
	for (uint32_t i = 0; i < BLOCK; i++)
		r->marks[i] = NO_MARK;
	if (slot_count * (r->count + 40) < REACH * BLOCK)
		return;
	for (uint32_t i = 0; i < r->count; i++)
		sweep_contender(r, i);
}

/* One slot's winner among those who have room at this moment. */
static struct contender *find_winner(struct rendezvous *r, uint32_t slot)
{
	struct contender *winner = NULL;
	uint64_t best = UINT64_MAX;

	for (size_t i = 0; i < r->count; i++) {
		struct contender *c = &r->contenders[i];
		uint16_t coarse = permute(&c->permutation, (uint16_t)slot);
		uint64_t score;

		if (coarse * c->least_score >= best || c->room == 0)
			continue;
		score = score_of_slot(c, slot, coarse);
		if (score < best) {
			best = score;
			winner = c;
		}
	}
	return winner;
}

/* Gives each slot of the block to its winner, in order, or to the next in line if that one filled up
 * or sweep() found none. There always is one: rooms add up to more than the size. */
static void settle(struct rendezvous *r, uint16_t *slots, uint32_t size)
{
	for (uint32_t i = 0; i < BLOCK && r->first + i < size; i++) {
		uint32_t mark = r->marks[i];
		struct contender *c = &r->contenders[mark & INDEX_MASK];

		if (mark > r->limit - r->margin || c->room == 0)
			c = find_winner(r, r->first + i);
		assert(c);
		c->room--;
		slots[r->first + i] = c->id;
	}
}

int table_rendezvous_build(const struct table_backend *backends, size_t count, uint64_t seed,
			   uint16_t *slots, uint32_t size)
{
	cleanup(freep) struct contender *contenders = calloc(count, sizeof(*contenders));
	cleanup(freep) uint32_t *marks = calloc(BLOCK, sizeof(*marks));
	uint64_t weight_sum = table_weight_sum(backends, count);
	struct rendezvous r = { .contenders = contenders, .count = count, .marks = marks };

	if (!contenders || !marks)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		contender_init(&contenders[i], &backends[i], seed,
			       table_rendezvous_room(size, backends[i].weight, weight_sum));
	for (; r.first < size; r.first += BLOCK) {
		start_block(&r);
		sweep(&r, MIN(size - r.first, BLOCK));
		settle(&r, slots, size);
	}
	return 0;
}
