/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which backend a packet of an open slot belongs to. Old flows are recognised by not being
 * remembered; only flows that were opened while the slot was open are. Nothing here runs for a slot
 * that is closed.
 */
#ifndef LEAT_BPF_TRANSITION_H
#define LEAT_BPF_TRANSITION_H

#include "bpf/maps.h"
#include "bpf/packet.h"
#include "maps/hash.h"

#define SECOND_NS 1000000000ULL
#define TCP_FIN	  0x01
#define TCP_SYN	  0x02
#define TCP_RST	  0x04
#define TCP_ACK	  0x10

/* What a packet of an open slot is, in few enough words for a call. */
struct open_packet {
	__u64 flow; /* key of flows and half_open */
	__u64 now_ns;
	__u32 table;
	__u32 slot;
	__u32 current;
	__u32 previous;
};

static __always_inline struct leat_flow open_flow(const struct open_packet *o, __u32 backend)
{
	struct leat_flow flow = {
		.backend = backend,
		.table = o->table,
		.slot = o->slot,
		.seen_s = o->now_ns / SECOND_NS,
	};

	return flow;
}

/* A backend that is down, disabled or gone keeps no flow: its entry has no forwarding. */
static __always_inline int serves(__u32 id)
{
	const struct leat_backend *backend = bpf_map_lookup_elem(&backends, &id);

	return backend && backend->forward != LEAT_FORWARD_NONE;
}

static __always_inline __u32 remembered(const struct open_packet *o, __u8 tcp_flags)
{
	struct leat_flow *flow = bpf_map_lookup_elem(&flows, &o->flow);
	__u32 now_s = o->now_ns / SECOND_NS;

	if (!flow || !serves(flow->backend))
		return 0;
	if (flow->seen_s != now_s && !flow->is_closing)
		flow->seen_s = now_s;
	if (tcp_flags & (TCP_FIN | TCP_RST))
		flow->is_closing = 1;
	return flow->backend;
}

/* The first packet after a SYN: from now on only time makes the flow forgotten. */
static __always_inline __u32 promote(const struct open_packet *o)
{
	struct leat_flow *half = bpf_map_lookup_elem(&half_open, &o->flow);
	struct leat_flow flow;

	if (!half || !serves(half->backend))
		return 0;
	flow = open_flow(o, half->backend);
	bpf_map_update_elem(&flows, &o->flow, &flow, BPF_ANY);
	bpf_map_delete_elem(&half_open, &o->flow);
	return flow.backend;
}

/*
 * Where both are the same, closing the slot would move nobody, and nothing is noted. Times are never
 * subtracted: the coarse clock may be some milliseconds behind the daemon's.
 */
static __always_inline __u32 pick_previous(const struct open_packet *o,
					   struct leat_transition *transition)
{
	if (!o->previous || o->previous == o->current)
		return o->current;
	if (o->now_ns > transition->previous_ns + SECOND_NS)
		transition->previous_ns = o->now_ns;
	return o->previous;
}

/* A SYN that repeats one stays where that went; any other opens a new flow, whatever was remembered. */
static __always_inline __u32 open_tcp_flow(const struct open_packet *o)
{
	struct leat_flow *half = bpf_map_lookup_elem(&half_open, &o->flow), flow;
	__u32 now_s = o->now_ns / SECOND_NS;

	if (half && now_s - half->seen_s <= LEAT_SYN_REPEAT_S && serves(half->backend)) {
		half->seen_s = now_s;
		return half->backend;
	}
	flow = open_flow(o, o->current);
	bpf_map_update_elem(&half_open, &o->flow, &flow, BPF_ANY);
	bpf_map_delete_elem(&flows, &o->flow);
	return o->current;
}

static __always_inline __u32 pick_tcp(const struct open_packet *o, __u8 tcp_flags,
				      struct leat_transition *transition)
{
	__u32 backend;

	if ((tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN)
		return open_tcp_flow(o);
	backend = remembered(o, tcp_flags);
	if (!backend)
		backend = promote(o);
	return backend ? backend : pick_previous(o, transition);
}

/* UDP says nothing of a flow's age: what is unknown counts as old until old flows have gone silent. */
static __always_inline __u32 pick_udp(const struct open_packet *o,
				      struct leat_transition *transition)
{
	__u32 backend = remembered(o, 0);
	struct leat_flow flow;

	if (backend)
		return backend;
	if (o->now_ns < transition->changed_ns + LEAT_UDP_IDLE_S * SECOND_NS)
		backend = pick_previous(o, transition);
	else
		backend = o->current;
	flow = open_flow(o, backend);
	bpf_map_update_elem(&flows, &o->flow, &flow, BPF_ANY);
	return backend;
}

/*
 * The backend's id for a packet of flow `flow` whose slot holds `backends` (current in the lower half,
 * previous with its bit in the upper). A function of its own, with nothing but numbers, so that the
 * fast path stays short and in registers.
 */
static __noinline __u32 transition_pick(__u64 flow, __u32 table, __u32 slot, __u32 backends_in_slot,
					__u32 protocol_and_flags)
{
	struct open_packet o = {
		.flow = flow,
		.now_ns = bpf_ktime_get_coarse_ns(),
		.table = table,
		.slot = slot,
		.current = backends_in_slot & 0xffff,
		.previous = backends_in_slot >> 16 & LEAT_SLOT_BACKEND,
	};
	struct leat_transition *transition = bpf_map_lookup_elem(&transitions, &table);

	if (!transition)
		return o.current;
	if (protocol_and_flags >> 8 == IPPROTO_TCP)
		return pick_tcp(&o, protocol_and_flags & 0xff, transition);
	return pick_udp(&o, transition);
}

#endif
