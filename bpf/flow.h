/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which backend a packet belongs to when its slot alone does not say: the slot is open, or the
 * service's scheduler remembers every flow. In open slots, old flows are recognised by not being
 * remembered; only flows that were opened while the slot was open are. Nothing here runs for a closed
 * slot of a service with `scheduler: hash`.
 */
#ifndef LEAT_BPF_FLOW_H
#define LEAT_BPF_FLOW_H

#include "bpf/schedule.h"

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

static __always_inline struct leat_flow_state flow_state(const struct flow_query *q, __u32 backend,
							 __u32 flags)
{
	struct leat_flow_state state = {
		.backend = backend,
		.seen = q->now,
		.slot = q->packet->slot,
		.flags = flags | (q->packet->protocol == IPPROTO_UDP ? LEAT_FLOW_UDP : 0),
	};

	return state;
}

/* A backend that is down, disabled or gone keeps no flow: its entry has no forwarding. */
static __always_inline int serves(__u32 id)
{
	const struct leat_backend *backend = bpf_map_lookup_elem(&backends, &id);

	return backend && backend->forward != LEAT_FORWARD_NONE;
}

static __always_inline enum flow_table half_open_of(const struct flow_query *q)
{
	return q->packet->protocol == IPPROTO_UDP ? HALF_OPEN_UDP : HALF_OPEN_TCP;
}

static __always_inline int counts_flows(const struct flow_query *q)
{
	return options.remembers && q->service->scheduler == LEAT_SCHEDULER_LEAST_CONNECTIONS;
}

static __always_inline struct leat_clock *line_clock(const struct flow_query *q)
{
	__u32 index = q->service->lookup.table;
	void *lines = bpf_map_lookup_elem(&clocks, &index);

	index = q->packet->slot / LEAT_SLOTS_PER_LINE;
	return lines ? bpf_map_lookup_elem(lines, &index) : NULL;
}

static __always_inline void note_previous(const struct flow_query *q)
{
	struct leat_clock *clock = line_clock(q);

	if (clock && clock->previous != q->now)
		clock->previous = q->now;
}

/* A flow that goes on is stamped with the slot that it is in now: its table may have changed. */
static __always_inline void flow_touch(const struct flow_query *q, struct leat_flow *flow)
{
	struct leat_flow_state state = flow->state;
	__u32 flags = state.flags;

	if (q->packet->protocol == IPPROTO_TCP && (q->packet->tcp_flags & (TCP_FIN | TCP_RST)))
		flags |= LEAT_FLOW_CLOSING;
	if (state.seen == (__u16)q->now && state.flags == flags)
		return;
	if (counts_flows(q) && flags != state.flags)
		load_add(state.backend, -1);
	if (flags & LEAT_FLOW_OLD)
		note_previous(q);
	flow->state = flow_state(q, state.backend, flags);
}

/* Takes it out of what least connections goes by, if it is in there. */
static __always_inline void flow_drop(const struct flow_query *q, struct leat_flow *flow)
{
	if (counts_flows(q) && !(flow->state.flags & LEAT_FLOW_CLOSING))
		load_add(flow->state.backend, -1);
	flow_forget(flow, q->digest);
}

static __always_inline __u32 pick_remembered(const struct flow_query *q)
{
	struct leat_flow *flow = flow_find(FLOWS, q->digest);
	__u32 backend;

	if (!flow)
		return 0;
	backend = flow->state.backend;
	if (!serves(backend)) {
		flow_drop(q, flow);
		return 0;
	}
	flow_touch(q, flow);
	trace_choice(LEAT_CHOICE_REMEMBERED);
	return backend;
}

/* Two CPUs remembered a flow at the same time, and both entries say the same. */
static __always_inline void forget_twin(const struct flow_query *q)
{
	struct leat_flow *flow = flow_find(FLOWS, q->digest);

	if (flow)
		flow_forget(flow, q->digest);
}

/* The second packet: from now on only time makes the flow forgotten. */
static __always_inline __u32 promote(const struct flow_query *q)
{
	struct leat_flow *half = flow_find(half_open_of(q), q->digest);
	__u32 backend;

	if (!half)
		return 0;
	backend = half->state.backend;
	if (!serves(backend)) {
		flow_forget(half, q->digest);
		return 0;
	}
	trace_choice(LEAT_CHOICE_SECOND);
	if (!flow_insert(FLOWS, q->digest, flow_state(q, backend, 0), 0xffff))
		return backend;
	if (!flow_forget(half, q->digest)) {
		forget_twin(q);
		return backend;
	}
	count_event(LEAT_EVENT_REMEMBERED);
	if (counts_flows(q))
		load_add(backend, 1);
	return backend;
}

/* Another CPU may promote the flow between the two look-ups. It remembers it before it takes it out of
 * half_open, so that a third one finds it. */
static __always_inline __u32 pick_known(const struct flow_query *q)
{
	__u32 backend = pick_remembered(q);

	if (!backend)
		backend = promote(q);
	return backend ? backend : pick_remembered(q);
}

static __always_inline void remember_half_open(const struct flow_query *q, __u32 backend)
{
	flow_insert(half_open_of(q), q->digest, flow_state(q, backend, 0),
		    LEAT_TICKS(LEAT_HALF_OPEN_MS));
}

/* A SYN that repeats one stays where that went; any other opens a new flow, whatever was remembered. */
static __always_inline __u32 open_tcp_flow(const struct flow_query *q)
{
	struct leat_flow *half = flow_find(half_open_of(q), q->digest), *flow;
	__u32 backend;

	if (half && flow_age(half->state, q->now) <= LEAT_TICKS(LEAT_SYN_REPEAT_MS) &&
	    serves(half->state.backend)) {
		half->state.seen = q->now;
		trace_choice(LEAT_CHOICE_REPEATED);
		return half->state.backend;
	}
	backend = schedule(q);
	if (half)
		half->state = flow_state(q, backend, 0);
	else if (backend)
		remember_half_open(q, backend);
	flow = flow_find(FLOWS, q->digest);
	if (flow)
		flow_drop(q, flow);
	return backend;
}

/* While there is a former table, what it says goes. Its own slots may be open, too. */
static __always_inline __u32 find_previous(const struct flow_query *q)
{
	const struct leat_lookup *former = &q->service->former;
	__u32 ports = former->hash == LEAT_HASH_FLOW ? q->packet->ports : 0;
	__u64 hash;

	if (!former->size)
		return q->packet->previous;
	hash = leat_flow_hash(former->hash_key, &q->packet->source, ports);
	return lookup_slot(former, leat_hash_slot(hash, former->size)).previous & LEAT_SLOT_BACKEND;
}

/* Whether its flows are remembered to be counted: it drains. */
static __always_inline int counts_old_flows(__u32 backend)
{
	const struct leat_load *load = backend_load(backend);

	return load && (load->flags & LEAT_LOAD_COUNTED);
}

static __always_inline int remembers_old_flows(const struct flow_query *q, __u32 previous)
{
	if (options.remembers && q->service->scheduler != LEAT_SCHEDULER_HASH)
		return 1;
	return previous != q->packet->current && counts_old_flows(previous);
}

/* The old flows of a backend that drains are remembered, to be counted; and those of a scheduler that
 * remembers all, so that it does once the slot is closed. */
static __always_inline void note_old_flow(const struct flow_query *q, __u32 previous)
{
	if (!remembers_old_flows(q, previous) || (q->packet->tcp_flags & (TCP_FIN | TCP_RST)))
		return;
	if (flow_insert(FLOWS, q->digest, flow_state(q, previous, LEAT_FLOW_OLD), 0xffff) &&
	    counts_flows(q))
		load_add(previous, 1);
}

/* Where both are the same, closing the slot would move nobody. */
static __always_inline __u32 pick_previous(const struct flow_query *q)
{
	__u32 previous = find_previous(q);

	trace_choice(LEAT_CHOICE_CURRENT);
	if (!previous || !serves(previous))
		return q->packet->current;
	trace_choice(LEAT_CHOICE_PREVIOUS);
	if (previous != q->packet->current)
		note_previous(q);
	if (q->packet->protocol == IPPROTO_TCP)
		note_old_flow(q, previous);
	return previous;
}

static __always_inline __u32 pick_tcp(const struct flow_query *q)
{
	__u32 backend;

	if ((q->packet->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN)
		return open_tcp_flow(q);
	backend = pick_known(q);
	if (backend)
		return backend;
	if (options.remembers && q->service->scheduler != LEAT_SCHEDULER_HASH) {
		count_event(LEAT_EVENT_FALLBACK);
		trace_choice(LEAT_CHOICE_FALLBACK);
	}
	return q->packet->is_open ? pick_previous(q) : q->packet->current;
}

static __always_inline __u32 look_up_backend(const struct flow_query *q, enum flow_table table)
{
	const struct leat_flow *flow = flow_find(table, q->digest);

	return flow && serves(flow->state.backend) ? flow->state.backend : 0;
}

/* Whose flow an ICMP error is about. */
static __always_inline __u32 pick_quoted(const struct flow_query *q)
{
	__u32 backend = look_up_backend(q, FLOWS);

	trace_choice(LEAT_CHOICE_QUOTED);
	if (!backend)
		backend = look_up_backend(q, half_open_of(q));
	if (!backend && q->packet->is_open)
		backend = find_previous(q);
	return backend && serves(backend) ? backend : q->packet->current;
}

/* The coarse clock may be some milliseconds behind the daemon's, so nothing is subtracted. */
static __always_inline int may_be_old(const struct flow_query *q)
{
	const struct leat_clock *clock = q->packet->is_open ? line_clock(q) : NULL;
	__u32 opened = clock ? clock->opened & ~LEAT_CLOCK_IMPORTED : 0;

	return clock && q->now <= opened + q->policy.udp_idle;
}

/* UDP says nothing of a flow's age: what is unknown counts as old until old flows have gone silent. */
static __always_inline __u32 pick_udp(const struct flow_query *q)
{
	__u32 backend = pick_known(q);

	if (backend)
		return backend;
	backend = may_be_old(q) ? pick_previous(q) : schedule(q);
	if (backend)
		remember_half_open(q, backend);
	return backend;
}

/* A packet of a flow that went to `backend`, which drains, for another reason than its slot: the flow is
 * remembered as one of its old ones. Always 0. */
__noinline int flow_note(const struct leat_service *service, const struct flow_packet *packet,
			 __u32 backend)
{
	struct flow_query q = { .service = service, .packet = packet };
	struct leat_flow *flow;

	if (!service || !packet)
		return 0;
	q.now = bpf_ktime_get_coarse_ns() >> LEAT_TICK_SHIFT;
	q.digest = leat_flow_digest(memory.flow_key, service->id, &packet->source, packet->ports);
	flow = flow_find(FLOWS, q.digest);
	if (!flow)
		flow_insert(FLOWS, q.digest, flow_state(&q, backend, LEAT_FLOW_OLD), 0xffff);
	else if (flow->state.backend != backend || flow->state.seen != (__u16)q.now)
		flow->state = flow_state(&q, backend, LEAT_FLOW_OLD);
	return 0;
}

/*
 * A backend's id, or 0. A global function: the verifier goes through it once, and not once for each way
 * that leads here, and the fast path stays short and in registers.
 */
__noinline __u32 flow_pick(const struct leat_service *service, const struct flow_packet *packet)
{
	struct flow_query q = { .service = service, .packet = packet };
	const struct leat_policy *policy;
	__u32 id;

	if (!service || !packet)
		return 0;
	id = service->id;
	policy = bpf_map_lookup_elem(&policies, &id);
	if (!policy)
		return 0;
	q.policy = *policy;
	q.now = bpf_ktime_get_coarse_ns() >> LEAT_TICK_SHIFT;
	q.digest = leat_flow_digest(memory.flow_key, id, &packet->source, packet->ports);
	if (packet->is_quoted)
		return pick_quoted(&q);
	return packet->protocol == IPPROTO_TCP ? pick_tcp(&q) : pick_udp(&q);
}

#endif
