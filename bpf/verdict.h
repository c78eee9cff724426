/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one place where packets are counted and become an XDP action. A packet that is forwarded is
 * counted at its backend alone; any other at its reason, and at its service if it has one.
 */
#ifndef LEAT_BPF_VERDICT_H
#define LEAT_BPF_VERDICT_H

#include "bpf/answer.h"
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

static __always_inline int reason_action(const struct packet *p, __u32 reason)
{
	enum { FORWARD, PASS, DROP, ANSWER };
	static const __u8 verdicts[] = {
#define X(name, verdict, label, text) [LEAT_##name] = verdict,
		LEAT_REASONS(X)
#undef X
	};

	if (reason >= LEAT_REASON_COUNT)
		return XDP_DROP;
	if (verdicts[reason] == PASS)
		return XDP_PASS;
	return verdicts[reason] == ANSWER ? answer(p->ctx, reason, p->mtu) : XDP_DROP;
}

static __always_inline int verdict_forwarded(__u32 backend, __u64 size, int action)
{
	count(&backend_count, backend, size);
	return action;
}

/* A service's packet that was not forwarded. */
static __noinline void count_refused(__u32 service, __u64 size, __u32 reason)
{
	struct leat_refusals *refused = bpf_map_lookup_elem(&refusals, &service);

	count(&service_count, service, size);
	if (refused && reason < LEAT_REASON_COUNT)
		refused->packets[reason]++;
}

/* What became of a service's packet of `size` bytes: an action, a negative reason, or UNUSUAL. */
static __always_inline int verdict_of_service(const struct leat_service *service, __u64 size,
					      int result)
{
	if (result < 0 && result != UNUSUAL)
		count_refused(service->id, size, -result);
	return result;
}

/* The same of any packet, which is not changed yet if the result is a reason. */
static __always_inline int verdict(const struct packet *p, __u64 size, int result)
{
	if (result >= 0)
		return result;
	if (options.trace)
		trace.reason = -result;
	count(&reason_count, -result, size);
	return reason_action(p, -result);
}

#endif
