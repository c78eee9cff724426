/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the program tells of a packet, with options.trace. What is told at once need not be kept for the
 * end.
 */
#ifndef LEAT_BPF_TRACE_H
#define LEAT_BPF_TRACE_H

#include "bpf/maps.h"
#include "bpf/packet.h"
#include "maps/trace.h"

struct leat_trace trace;

/* Of a packet of the usual shape. */
static __always_inline void trace_packet(const struct packet *p)
{
	if (!options.trace)
		return;
	trace.key = p->service_key;
	trace.source = p->source;
	trace.ports = p->ports;
	trace.tcp_flags = p->tcp_flags;
	trace.is_parsed = 1;
}

static __always_inline void trace_slot(__u32 index, struct leat_slot slot)
{
	if (!options.trace)
		return;
	trace.slot = index;
	trace.current = slot.current;
	trace.previous = slot.previous;
	trace.has_slot = 1;
	trace.choice = LEAT_CHOICE_SLOT;
}

/* What a list of sources says: enum leat_access, or NULL. */
static __always_inline void trace_access(__u32 list, const __u32 *found)
{
	if (!options.trace || !found)
		return;
	if (list == LEAT_ACCESS_NODE)
		trace.node_access = *found;
	else
		trace.service_access = *found;
}

static __always_inline void trace_choice(enum leat_choice choice)
{
	if (options.trace)
		trace.choice = choice;
}

/* kind: enum leat_memory_kind. */
static __always_inline void trace_noted(__u32 kind)
{
	if (options.trace)
		trace.noted |= 1 << kind;
}

#endif
