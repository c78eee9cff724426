/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one place where packets are counted and become an XDP action.
 */
#ifndef LEAT_BPF_VERDICT_H
#define LEAT_BPF_VERDICT_H

#include "bpf/maps.h"
#include "bpf/packet.h"

static __always_inline void count(void *map, __u32 index, const struct packet *p)
{
	struct leat_counter *counter = bpf_map_lookup_elem(map, &index);

	if (!counter)
		return;
	counter->packets++;
	counter->bytes += p->frame_len;
}

static __always_inline void verdict_trace(const struct packet *p, __u32 reason)
{
	trace.reason = reason;
	trace.service = p->has_service ? p->service_id + 1 : 0;
	trace.backend = p->backend_id;
	trace.slot = p->slot;
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

static __always_inline int verdict(const struct packet *p, __u32 reason)
{
	if (options.trace)
		verdict_trace(p, reason);
	if (reason == LEAT_FORWARDED) {
		count(&backend_count, p->backend_id, p);
		return p->action;
	}
	count(&reason_count, reason, p);
	if (p->has_service)
		count(&service_count, p->service_id, p);
	return reason_action(reason);
}

#endif
