/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which backend gets a flow that is new: the one of its slot, the next one in turn, or the less loaded
 * of two; or the one that its client went to last.
 */
#ifndef LEAT_BPF_SCHEDULE_H
#define LEAT_BPF_SCHEDULE_H

#include "bpf/flow_table.h"
#include "bpf/packet.h"
#include "maps/hash.h"

/* A packet whose slot alone does not say where it goes; a copy of what is needed, for a function that
 * is verified by itself. */
struct flow_packet {
	struct leat_addr source;
	__u64 hash; /* of the slot */
	__u32 ports;
	__u32 slot;
	__u16 current, previous;
	__u8 is_open;
	__u8 protocol;
	__u8 tcp_flags;
	__u8 is_quoted; /* by an ICMP error, which anybody may have sent: nothing is remembered */
};

/* The question where it goes. */
struct flow_query {
	const struct leat_service *service;
	const struct flow_packet *packet;
	struct leat_policy policy;
	__u64 digest;
	__u32 now; /* ticks */
};

static __always_inline struct leat_load *backend_load(__u32 id)
{
	return bpf_map_lookup_elem(&loads, &id);
}

static __always_inline int takes_new_flows(__u32 id)
{
	const struct leat_load *load = backend_load(id);

	return load && load->weight;
}

static __always_inline void load_add(__u32 id, __s32 flows)
{
	struct leat_load *load = backend_load(id);

	if (load)
		__sync_fetch_and_add(&load->flows, flows);
}

/*
 * The part of a table that a slot lies in; *slot becomes its index there. Which part that is must not
 * depend on the slot where there is only one: the CPU then has it before it has the packet's hash.
 */
static __always_inline const struct leat_table_part *table_part(const struct leat_lookup *lookup,
								__u32 *slot)
{
	__u32 index = leat_part_index(lookup->table, 0), zero = 0;
	void *part;

	if (lookup->size > LEAT_PART_SLOTS) {
		index = leat_part_index(lookup->table, *slot);
		*slot %= LEAT_PART_SLOTS;
		barrier_var(index);
	}
	part = bpf_map_lookup_elem(&tables, &index);
	return part ? bpf_map_lookup_elem(part, &zero) : NULL;
}

static __always_inline struct leat_slot part_slot(const struct leat_table_part *part, __u32 at)
{
	__u32 member = LEAT_PART_MEMBERS;
	__u16 backend;

	/* Linux 6.1 knows the bound only of the register that was compared: it must be the one in use. */
	barrier_var(at);
	if (at >= LEAT_PART_SLOTS)
		return (struct leat_slot){ 0 };
	if (part->is_packed)
		member = part->closed[at / 2] >> 4 * (at % 2) & LEAT_PART_MEMBERS;
	if (member == LEAT_PART_MEMBERS)
		return part->slots[at];
	backend = part->members[member];
	return (struct leat_slot){ .current = backend, .previous = backend };
}

static __always_inline struct leat_slot lookup_slot(const struct leat_lookup *lookup, __u32 slot)
{
	const struct leat_table_part *part = table_part(lookup, &slot);

	return part ? part_slot(part, slot) : (struct leat_slot){ 0 };
}

/* Advances this CPU's cursor, and returns where it was. CPUs begin apart (by Fibonacci hashing), or all
 * would visit the heaviest backends at the same time. */
static __always_inline __u32 next_position(__u32 service, __u32 size)
{
	__u32 *cursor = bpf_map_lookup_elem(&cursors, &service), at;

	if (!cursor)
		return 0;
	if (*cursor)
		at = *cursor;
	else
		at = ((__u64)(bpf_get_smp_processor_id() * 0x9e3779b1U) * size) >> 32;
	/* An order may have got shorter meanwhile. */
	at = at < size ? at : 0;
	*cursor = at + 1;
	return at;
}

static __always_inline __u32 schedule_round_robin(const struct flow_query *q)
{
	__u32 service = q->service->id, line = 0, at;
	void *order = bpf_map_lookup_elem(&orders, &service);
	const struct leat_order_line *header, *entries;

	if (!order)
		return 0;
	header = bpf_map_lookup_elem(order, &line);
	if (!header || !header->size)
		return 0;
	at = next_position(service, header->size);
	line = 1 + at / LEAT_ORDER_PER_LINE;
	entries = bpf_map_lookup_elem(order, &line);
	return entries ? entries->backends[at % LEAT_ORDER_PER_LINE] : 0;
}

/* The power of two choices (Mitzenmacher 1996): slots are as many as weights say, so what is left to
 * compare is flows per weight. */
static __always_inline __u32 schedule_least_connections(const struct flow_query *q)
{
	const struct leat_lookup *lookup = &q->service->lookup;
	__u32 second_slot = leat_hash_slot(leat_second_hash(q->packet->hash), lookup->size);
	__u32 other = lookup_slot(lookup, second_slot).current;
	const struct leat_load *first, *second;

	first = backend_load(q->packet->current);
	second = backend_load(other);
	if (!first || !second || !second->weight)
		return q->packet->current;
	/* With the new flow: one is more to a light backend than to a heavy one. */
	return (second->flows + 1ULL) * first->weight < (first->flows + 1ULL) * second->weight
		       ? other
		       : q->packet->current;
}

static __always_inline __u32 schedule_by_kind(const struct flow_query *q)
{
	if (!options.remembers)
		return q->packet->current;
	switch (q->service->scheduler) {
	case LEAT_SCHEDULER_ROUND_ROBIN:
		return schedule_round_robin(q);
	case LEAT_SCHEDULER_LEAST_CONNECTIONS:
		return schedule_least_connections(q);
	default:
		return q->packet->current;
	}
}

/* A backend that takes no new flows lets its clients go. */
static __always_inline __u32 schedule_sticky(const struct flow_query *q)
{
	__u64 client = leat_flow_digest(memory.flow_key, q->service->id, &q->packet->source, 0);
	struct leat_flow *flow = flow_find(CLIENTS, client);
	struct leat_flow_state state = { .seen = q->now };

	if (flow && flow_age(flow->state, q->now) <= q->policy.sticky &&
	    takes_new_flows(flow->state.backend)) {
		flow->state.seen = q->now;
		trace_choice(LEAT_CHOICE_STICKY);
		return flow->state.backend;
	}
	state.backend = schedule_by_kind(q);
	if (flow)
		flow->state = state;
	else if (state.backend)
		flow_insert(CLIENTS, client, state, q->policy.sticky);
	return state.backend;
}

/* 0: no backend takes new flows. */
static __always_inline __u32 schedule(const struct flow_query *q)
{
	trace_choice(LEAT_CHOICE_OPENS);
	if (options.remembers && q->policy.sticky)
		return schedule_sticky(q);
	return schedule_by_kind(q);
}

#endif
