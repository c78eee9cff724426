/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A flow table in front of a consistent hash, as Katran has it: a map of its own for each CPU, which
 * throws out what was used least recently. A hit marks an entry, and the hand that looks for room
 * passes by marked ones once: the kernel's LRU maps do about that, too, instead of moving entries.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/macros.h"
#include "tools/sim/subject.h"

#define MARK	   0x8000
#define LARGE_PAGE (UINT32_C(2) << 20)

struct entry {
	uint32_t flow;
	uint16_t generation; /* 0: nothing was ever here */
	uint16_t backend;    /* and MARK */
};

/* Of a node. The entries of its CPUs lie one after the other. */
struct lru_node {
	struct entry *entries;
	uint32_t *hands;
	uint32_t *places; /* by flow: where its entry was put last */
};

struct lru {
	char name[32];
	struct lru_node nodes[WORLD_MAX_NODES];
	uint32_t cpus;
	uint32_t per_cpu;
	uint32_t flows;
};

static void lru_drop_node(struct lru_node *node)
{
	free(node->entries);
	free(node->hands);
	free(node->places);
	*node = (struct lru_node){ 0 };
}

static void lru_free(void *state)
{
	struct lru *lru = state;

	for (size_t i = 0; i < WORLD_MAX_NODES; i++)
		lru_drop_node(&lru->nodes[i]);
	free(lru);
}

/* Millions of entries at random are as many misses in the TLB, unless pages are large. */
static void *allocate_large(size_t count, size_t size)
{
	size_t bytes = (count * size + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE;
	void *memory = aligned_alloc(LARGE_PAGE, bytes);

	if (!memory)
		return NULL;
	madvise(memory, bytes, MADV_HUGEPAGE);
	memset(memory, 0, bytes);
	return memory;
}

static int lru_join(const struct subject *subject, const struct world *world, uint8_t index)
{
	struct lru *lru = subject->state;
	struct lru_node *node = &lru->nodes[index];

	(void)world;
	node->entries = allocate_large((size_t)lru->cpus * lru->per_cpu, sizeof(*node->entries));
	node->hands = calloc(lru->cpus, sizeof(*node->hands));
	node->places = allocate_large(lru->flows, sizeof(*node->places));
	return node->entries && node->hands && node->places ? 0 : -ENOMEM;
}

static void lru_leave(const struct subject *subject, uint8_t index)
{
	struct lru *lru = subject->state;

	lru_drop_node(&lru->nodes[index]);
}

static int lru_change(const struct subject *subject, const struct world *world)
{
	(void)subject;
	(void)world;
	return 0;
}

/* An empty entry, or the one that has to go. */
static uint32_t make_room(const struct lru *lru, struct lru_node *node, uint32_t cpu)
{
	for (;;) {
		uint32_t at = cpu * lru->per_cpu + node->hands[cpu];
		struct entry *entry = &node->entries[at];

		node->hands[cpu] = (node->hands[cpu] + 1) % lru->per_cpu;
		if (!(entry->backend & MARK))
			return at;
		entry->backend &= (uint16_t)~MARK;
	}
}

static void lru_insert(const struct lru *lru, struct lru_node *node, uint32_t cpu,
		       const struct flow *flow, uint32_t backend)
{
	uint32_t at = make_room(lru, node, cpu);

	node->entries[at] = (struct entry){ flow->index, flow->generation, (uint16_t)backend };
	node->places[flow->index] = at;
}

static struct entry *lru_find(const struct lru *lru, const struct lru_node *node, uint32_t cpu,
			      const struct flow *flow)
{
	uint32_t at = node->places[flow->index];
	struct entry *entry = &node->entries[at];

	if (at / lru->per_cpu != cpu || entry->flow != flow->index ||
	    entry->generation != flow->generation)
		return NULL;
	return entry;
}

static uint32_t lru_pick(const struct subject *subject, const struct world *world,
			 const struct flow *flow, uint8_t tcp_flags)
{
	struct lru *lru = subject->state;
	struct lru_node *node = &lru->nodes[flow->node];
	uint32_t cpu = world_cpu(world, flow->node, flow->route), backend;
	struct entry *entry = lru_find(lru, node, cpu, flow);

	if (entry && !(tcp_flags & FLOW_SYN)) {
		entry->backend |= MARK;
		return entry->backend & ~(uint32_t)MARK;
	}
	backend = subject->table->kind->pick(subject->table, world, flow, tcp_flags);
	if (entry)
		entry->backend = (uint16_t)backend;
	else
		lru_insert(lru, node, cpu, flow, backend);
	return backend;
}

static void lru_prefetch(const struct subject *subject, const struct flow *flow, bool is_last)
{
	const struct lru *lru = subject->state;
	const struct lru_node *node = &lru->nodes[flow->node];
	const uint32_t *place = &node->places[flow->index];

	if (is_last)
		__builtin_prefetch(&node->entries[*place], 1);
	else
		__builtin_prefetch(place, 1);
}

/* Packets on another CPU or node than before find nothing there. */
static uint16_t lru_changed_by(const struct subject *subject, const struct world *world,
			       const struct flow *flow)
{
	uint16_t changed_by = subject->table->kind->changed_by(subject->table, world, flow);

	return MAX(MAX(changed_by, flow->moved), world->rss_by[flow->node]);
}

int subject_init_lru(struct subject *subject, const struct subject *table, uint32_t entries,
		     const struct world *world, uint32_t flows)
{
	static const struct subject_kind kind = {
		.pick = lru_pick,
		.change = lru_change,
		.join = lru_join,
		.leave = lru_leave,
		.changed_by = lru_changed_by,
		.prefetch = lru_prefetch,
		.free = lru_free,
	};
	struct lru *lru = calloc(1, sizeof(*lru));
	uint32_t thousands = entries / 1000;

	if (!lru)
		return -ENOMEM;
	lru->cpus = world->cpus;
	lru->per_cpu = MAX(entries / world->cpus, 1U);
	lru->flows = flows;
	snprintf(lru->name, sizeof(lru->name), "LRU %u %c",
		 thousands < 1000 ? thousands : thousands / 1000, thousands < 1000 ? 'k' : 'M');
	*subject = (struct subject){ lru->name, &kind, lru, table };
	return 0;
}
