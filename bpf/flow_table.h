/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A memory of flows in an array of buckets: a look-up touches one cache line, seldom two, and so does
 * an insert, which takes no lock and no list. When both buckets are full, the flow that has been
 * silent for longest goes, and is counted. Knows nothing of what the entries are for.
 */
#ifndef LEAT_BPF_FLOW_TABLE_H
#define LEAT_BPF_FLOW_TABLE_H

#include "bpf/maps.h"
#include "bpf/trace.h"

/* Which entry makes room: the one with the highest rank. RANK_FREE holds nothing. */
#define RANK_FREE 0x20000
#define RANK_OLD  0x10000

struct flow_place {
	struct leat_bucket *bucket;
	__u64 digest; /* that was there when it was ranked */
	__u32 index;
	__u32 rank;
};

static __always_inline void count_event(__u32 event)
{
	__u64 *count = bpf_map_lookup_elem(&event_count, &event);

	if (count)
		(*count)++;
}

/* A flood of SYNs must not make flows of one datagram forgotten, so each protocol has its half of
 * half_open. */
enum flow_table {
	FLOWS = LEAT_MEMORY_FLOWS,
	HALF_OPEN_TCP = LEAT_MEMORY_HALF_OPEN_TCP,
	HALF_OPEN_UDP = LEAT_MEMORY_HALF_OPEN_UDP,
	CLIENTS = LEAT_MEMORY_CLIENTS,
	FRAGMENTS = LEAT_MEMORY_FRAGMENTS,
};

#define HALF_OPEN_HALF (LEAT_HALF_OPEN_BUCKETS / 2)

static __always_inline struct leat_bucket *flow_bucket(enum flow_table table, __u32 half)
{
	__u32 index = half & (HALF_OPEN_HALF - 1);

	if (table == HALF_OPEN_UDP)
		index += HALF_OPEN_HALF;
	if (table == HALF_OPEN_TCP || table == HALF_OPEN_UDP)
		return bpf_map_lookup_elem(&half_open, &index);
	index = half & (LEAT_CLIENT_BUCKETS - 1);
	if (table == CLIENTS)
		return bpf_map_lookup_elem(&clients, &index);
	index = half & (LEAT_FRAGMENT_BUCKETS - 1);
	if (table == FRAGMENTS)
		return bpf_map_lookup_elem(&fragments, &index);
	index = half & memory.flow_mask;
	return bpf_map_lookup_elem(&flows, &index);
}

/* 1 to 4, or 0. */
static __always_inline __u32 bucket_find(const struct leat_bucket *bucket, __u64 digest)
{
#pragma unroll
	for (__u32 i = 0; i < LEAT_BUCKET_FLOWS; i++) {
		if (bucket->flows[i].digest == digest)
			return i + 1;
	}
	return 0;
}

/*
 * Where a flow is: twice its index in its bucket, plus one if that is the second one; or -1. This and
 * flow_insert() are global functions so that the verifier goes through them once.
 */
__noinline int flow_search(enum flow_table table, __u64 digest)
{
	struct leat_bucket *bucket = flow_bucket(table, (__u32)digest);
	__u32 found = bucket ? bucket_find(bucket, digest) : 0;

	if (found)
		return 2 * (found - 1);
	bucket = flow_bucket(table, (__u32)(digest >> 32));
	found = bucket ? bucket_find(bucket, digest) : 0;
	return found ? 2 * (found - 1) + 1 : -1;
}

static __always_inline struct leat_flow *flow_find(enum flow_table table, __u64 digest)
{
	int place = flow_search(table, digest);
	struct leat_bucket *bucket;

	/* The compiler knows what comes out of a function, and the verifier does not. */
	barrier_var(place);
	if (place < 0)
		return NULL;
	bucket = flow_bucket(table, place & 1 ? (__u32)(digest >> 32) : (__u32)digest);
	return bucket ? &bucket->flows[(place >> 1) % LEAT_BUCKET_FLOWS] : NULL;
}

static __always_inline __u32 flow_age(struct leat_flow_state state, __u32 now)
{
	return leat_flow_age(now, state.seen);
}

/* A state is as good as a number, which a global function can take. */
union flow_word {
	__u64 word;
	struct leat_flow_state state;
};

/* lifetime: after how many silent ticks an entry is as good as free. What lives longer is for the daemon
 * to take away. Global for the verifier, as those below. */
__noinline __u32 flow_rank(__u64 digest, __u64 word, __u32 now, __u32 lifetime)
{
	union flow_word entry = { .word = word };
	__u32 age = flow_age(entry.state, now);

	if (digest == LEAT_DIGEST_CLAIMED)
		return 0;
	if (digest == LEAT_DIGEST_NONE || age > lifetime)
		return RANK_FREE;
	if ((entry.state.flags & LEAT_FLOW_CLOSING) && age > LEAT_TICKS(LEAT_CLOSING_MS))
		return RANK_FREE;
	return entry.state.flags & LEAT_FLOW_OLD ? RANK_OLD + age : age;
}

/* The first entry of a bucket that is free, or the one to evict. How many are free. */
static __always_inline __u32 bucket_rank(struct leat_bucket *bucket, __u32 now, __u32 lifetime,
					 struct flow_place *best)
{
	__u32 free = 0;

#pragma unroll
	for (__u32 i = 0; i < LEAT_BUCKET_FLOWS; i++) {
		__u64 digest = bucket->flows[i].digest;
		union flow_word entry = { .state = bucket->flows[i].state };
		__u32 rank = flow_rank(digest, entry.word, now, lifetime);

		free += rank / RANK_FREE; /* a branch would double what the verifier looks at */
		if (best->bucket && rank <= best->rank)
			continue;
		best->bucket = bucket;
		best->digest = digest;
		best->index = i;
		best->rank = rank;
	}
	return free;
}

/*
 * In the first bucket while it is half empty, so that most look-ups end there; then in the one with more
 * room. At a quarter of all entries, which is what is configured, not one of half a million flows then
 * found both of its buckets full in a simulation; were the first one filled up at first, 27 did.
 */
static __always_inline struct flow_place flow_place_for(enum flow_table table, __u64 digest,
							__u32 now, __u32 lifetime)
{
	struct leat_bucket *first = flow_bucket(table, (__u32)digest);
	struct leat_bucket *second = flow_bucket(table, (__u32)(digest >> 32));
	struct flow_place in_first = { 0 }, in_second = { 0 };
	__u32 free, free_in_second;

	if (!first || !second)
		return in_first;
	free = bucket_rank(first, now, lifetime, &in_first);
	if (free >= LEAT_BUCKET_FLOWS / 2)
		return in_first;
	free_in_second = bucket_rank(second, now, lifetime, &in_second);
	if (free_in_second > free || (!free && in_second.rank > in_first.rank))
		return in_second;
	return in_first;
}

/* Whether it was there until now: of two CPUs only one is told so. */
static __always_inline int flow_forget(struct leat_flow *flow, __u64 digest)
{
	return __sync_val_compare_and_swap(&flow->digest, digest, LEAT_DIGEST_NONE) == digest;
}

static __always_inline __u32 eviction_event(enum flow_table table)
{
	if (table == FLOWS)
		return LEAT_EVENT_EVICTED;
	if (table == FRAGMENTS)
		return LEAT_EVENT_EVICTED_FRAGMENT;
	return table == CLIENTS ? LEAT_EVENT_EVICTED_CLIENT : LEAT_EVENT_EVICTED_HALF_OPEN;
}

/*
 * Remembers a flow that flow_find() did not find. A flow that is only counted (LEAT_FLOW_OLD) pushes
 * out nothing but its like. Whether it is remembered now.
 */
__noinline int flow_insert_word(enum flow_table table, __u64 digest, __u64 word, __u32 lifetime)
{
	union flow_word entry = { .word = word };
	struct flow_place place = flow_place_for(table, digest, entry.state.seen, lifetime);
	__u32 index = place.index;
	struct leat_flow *flow;

	barrier_var(index);
	if (!place.bucket || place.digest == LEAT_DIGEST_CLAIMED ||
	    ((entry.state.flags & LEAT_FLOW_OLD) && place.rank < RANK_OLD))
		goto refused;
	flow = &place.bucket->flows[index % LEAT_BUCKET_FLOWS];
	if (__sync_val_compare_and_swap(&flow->digest, place.digest, LEAT_DIGEST_CLAIMED) !=
	    place.digest)
		goto refused;
	flow->state = entry.state;
	*(volatile __u64 *)&flow->digest = digest;
	trace_noted(table);
	if (place.rank < RANK_FREE)
		count_event(eviction_event(table));
	return 1;

refused:
	count_event(LEAT_EVENT_REFUSED);
	return 0;
}

static __always_inline int flow_insert(enum flow_table table, __u64 digest,
				       struct leat_flow_state state, __u32 lifetime)
{
	union flow_word entry = { .state = state };

	return flow_insert_word(table, digest, entry.word, lifetime);
}

#endif
