/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one place where packets are counted and become an XDP action. A packet that is forwarded is
 * counted at its backend alone; any other at its reason, and at its service if it has one.
 */
#ifndef LEAT_BPF_VERDICT_H
#define LEAT_BPF_VERDICT_H

#include "bpf/maps.h"
#include "bpf/packet.h"

static __always_inline void count(void *map, __u32 index, __u64 bytes)
{
	struct leat_counter *counter = bpf_map_lookup_elem(map, &index);

	if (!counter)
		return;
	counter->packets++;
	counter->bytes += bytes;
}

static __always_inline int reason_action(__u32 reason)
{
	enum { FORWARD, PASS, DROP };
	static const __u8 verdicts[] = {
#define X(name, verdict, label, text) [LEAT_##name] = verdict,
		LEAT_REASONS(X)
#undef X
	};

	return reason < LEAT_REASON_COUNT && verdicts[reason] == PASS ? XDP_PASS : XDP_DROP;
}

/* `added` bytes are the outer header's. */
static __always_inline int verdict_forwarded(const struct packet *p, __u32 backend, __u32 added,
					     int action)
{
	count(&backend_count, backend, packet_size(p) - added);
	return action;
}

/* What became of a service's packet: an action, or a negative reason. */
static __always_inline int verdict_of_service(const struct packet *p,
					      const struct leat_service *service, int result)
{
	if (result < 0)
		count(&service_count, service->id, packet_size(p));
	return result;
}

/* The same of any packet. */
static __always_inline int verdict(const struct packet *p, int result)
{
	if (result >= 0)
		return result;
	if (options.trace)
		trace.reason = -result;
	count(&reason_count, -result, packet_size(p));
	return reason_action(-result);
}

#endif
