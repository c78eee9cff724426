/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How many flows a source may open in a second, for services with `rate`. The generic cell rate
 * algorithm (ITU-T I.371, annex A) is a token bucket in one number: the time at which the bucket is full
 * again. A source whose time has come is as good as one that was never seen, so that random sources
 * push out hardly anybody.
 */
#ifndef LEAT_BPF_RATE_H
#define LEAT_BPF_RATE_H

#include "bpf/flow.h"
#include "bpf/packet.h"
#include "maps/hash.h"

#define RATE_TRIES 4 /* while other CPUs take in flows of the same source */

/* An IPv4 address or an IPv6 /64, which is the least that a site gets (RFC 6177). */
static __always_inline __u64 rate_digest(__u32 service, const struct leat_addr *source)
{
	struct leat_addr site = *source;

	if (!leat_addr_is_ipv4(source))
		site.halves[1] = 0;
	return leat_flow_digest(memory.flow_key, service, &site, 0);
}

/* Of two CPUs that take one place for two sources, the later one has it: that costs the other one's
 * source nothing but a fuller bucket. */
static __always_inline struct leat_source *rate_take(struct leat_source_bucket *bucket,
						     __u64 digest, __u64 now_ns)
{
	__u64 first_ns = ~0ULL;
	struct leat_source *source;
	__u32 first = 0;

#pragma unroll
	for (__u32 i = 0; i < LEAT_BUCKET_SOURCES; i++) {
		if (bucket->sources[i].full_ns < first_ns) {
			first_ns = bucket->sources[i].full_ns;
			first = i;
		}
	}
	barrier_var(first);
	source = &bucket->sources[first % LEAT_BUCKET_SOURCES];
	if (first_ns > now_ns)
		count_event(LEAT_EVENT_EVICTED_SOURCE);
	source->full_ns = 0;
	*(volatile __u64 *)&source->digest = digest;
	return source;
}

static __always_inline struct leat_source *rate_source(__u64 digest, __u64 now_ns)
{
	__u32 index = (__u32)digest & (LEAT_SOURCE_BUCKETS - 1);
	struct leat_source_bucket *bucket = bpf_map_lookup_elem(&sources, &index);

	if (!bucket)
		return NULL;
#pragma unroll
	for (__u32 i = 0; i < LEAT_BUCKET_SOURCES; i++) {
		if (bucket->sources[i].digest == digest)
			return &bucket->sources[i];
	}
	return rate_take(bucket, digest, now_ns);
}

/* Whether the source whose address these halves are may open one more flow now. A global function, as
 * flow_pick(). Its clock is the exact one: the coarse one stands still for longer than some gaps. */
__noinline int rate_admits(__u32 service, __u64 upper, __u64 lower)
{
	struct leat_addr address = { .halves = { upper, lower } };
	const struct leat_policy *policy = bpf_map_lookup_elem(&policies, &service);
	__u64 now_ns = bpf_ktime_get_ns(), full_ns, next_ns, depth_ns;
	struct leat_source *source;

	if (!policy)
		return 1;
	depth_ns = (__u64)policy->rate_gap_ns * policy->rate_burst;
	source = rate_source(rate_digest(service, &address), now_ns);
	if (!depth_ns || !source)
		return 1;
#pragma unroll
	for (int i = 0; i < RATE_TRIES; i++) {
		full_ns = *(volatile __u64 *)&source->full_ns;
		next_ns = (full_ns > now_ns ? full_ns : now_ns) + policy->rate_gap_ns;
		if (next_ns - now_ns > depth_ns)
			return 0;
		if (__sync_val_compare_and_swap(&source->full_ns, full_ns, next_ns) == full_ns)
			return 1;
	}
	return 0;
}

/* 0 or -LEAT_RATE_LIMITED. Only an opening SYN says that its flow is new. */
static __always_inline int rate_check(const struct leat_service *service, const struct packet *p)
{
	if (!options.rate || !(service->flags & LEAT_SERVICE_RATE) || p->is_quoted ||
	    (p->tcp_flags & (TCP_SYN | TCP_ACK)) != TCP_SYN)
		return 0;
	if (options.trace)
		trace.rate = LEAT_RATE_ADMITTED;
	if (rate_admits(service->id, p->source.halves[0], p->source.halves[1]))
		return 0;
	if (options.trace)
		trace.rate = LEAT_RATE_REFUSED;
	return -LEAT_RATE_LIMITED;
}

#endif
