/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fragments: the first one has the ports and is remembered, the others go after it. Those that come
 * before it have only addresses; who wants them hashed says so in the service.
 */
#ifndef LEAT_BPF_FRAGMENT_H
#define LEAT_BPF_FRAGMENT_H

#include "bpf/access.h"
#include "bpf/dissect.h"
#include "bpf/flow_table.h"
#include "bpf/service.h"

/* RFC 791: source, destination, identification and protocol are one packet's own. With IPv6 the
 * protocol may be in the first fragment only. */
static __always_inline __u64 fragment_digest(const struct dissection *d)
{
	__u32 is_ipv4 = leat_addr_is_ipv4(&d->source);
	__u64 key = memory.flow_key ^ leat_mix(d->key.address.halves[0]);

	key = leat_mix(key ^ d->key.address.halves[1]) + (is_ipv4 ? d->protocol : 0);
	return leat_flow_digest(key, 0, &d->source, d->fragment_id);
}

static __always_inline __u32 fragment_now(void)
{
	return bpf_ktime_get_coarse_ns() >> LEAT_TICK_SHIFT;
}

static __always_inline void fragment_remember(__u64 digest, __u32 backend, __u32 service,
					      __u32 flags)
{
	struct leat_flow_state state = {
		.backend = backend,
		.seen = fragment_now(),
		.slot = service,
		.flags = flags,
	};
	struct leat_flow *flow = flow_find(FRAGMENTS, digest);

	if (flow)
		flow->state = state;
	else
		flow_insert(FRAGMENTS, digest, state, LEAT_TICKS(LEAT_FRAGMENT_MS));
}

/* The backend that `d`'s packet went to, and its service; 0: not known. */
static __always_inline struct leat_flow_state fragment_recall(__u64 digest)
{
	const struct leat_flow *flow = flow_find(FRAGMENTS, digest);
	struct leat_flow_state state = { 0 };

	if (flow && flow_age(flow->state, fragment_now()) <= LEAT_TICKS(LEAT_FRAGMENT_MS))
		state = flow->state;
	return state;
}

/* Of the first fragment, which its flow sends to `backend`: where it goes. Not there, if a fragment of
 * the same packet was hashed before it. */
__noinline __u32 fragment_first(const struct dissection *d, __u32 backend, __u32 service)
{
	struct leat_flow_state known;
	__u64 digest;

	if (!d)
		return backend;
	digest = fragment_digest(d);
	known = fragment_recall(digest);
	if (known.flags & LEAT_FLOW_HASHED && known.slot == service && serves(known.backend)) {
		trace_choice(LEAT_CHOICE_FRAGMENT);
		return known.backend;
	}
	fragment_remember(digest, backend, service, 0);
	return backend;
}

static __always_inline int is_service_address(const struct leat_addr *address)
{
	struct leat_service_key key = { .address = *address, .protocol = LEAT_ADDRESS_ENTRY };

	return service_lookup(&key) != NULL;
}

static __always_inline const struct leat_service *fragment_service(const struct dissection *d)
{
	struct leat_service_key key = { .address = d->key.address };

	if (d->protocol == IPPROTO_TCP)
		key.protocol = LEAT_FRAGMENTS_TCP;
	else if (d->protocol == IPPROTO_UDP)
		key.protocol = LEAT_FRAGMENTS_UDP;
	else
		return NULL;
	return service_lookup(&key);
}

static __always_inline void trace_fragment(enum leat_choice choice, __u32 service)
{
	if (!options.trace)
		return;
	trace.choice = choice;
	trace.service = service + 1;
}

/* Backend and service in one number, for a global function to return. */
#define FRAGMENT_BACKEND(fate) ((__u32)(fate)&0xffff)
#define FRAGMENT_SERVICE(fate) ((__u32)(fate) >> 16)

_Static_assert(LEAT_MAX_BACKENDS <= 1 << 16 && LEAT_MAX_SERVICES <= 1 << 15,
	       "a fragment's fate is not negative");

static __always_inline int fragment_fate(__u32 backend, __u32 service)
{
	return service << 16 | (backend & 0xffff);
}

/* A fate, or a negative reason. */
static __always_inline int fragment_hash(const struct dissection *d, __u64 digest)
{
	const struct leat_service *service = fragment_service(d);
	__u32 backend, slot;
	__u64 hash;
	int r;

	if (!service)
		return -LEAT_FRAGMENT_LOST;
	r = access_check(service->id, &d->source);
	if (r < 0)
		return r;
	hash = leat_flow_hash(service->lookup.hash_key, &d->source, 0);
	slot = leat_hash_slot(hash, service->lookup.size);
	backend = lookup_slot(&service->lookup, slot).current;
	if (!backend)
		return -LEAT_NO_BACKEND;
	fragment_remember(digest, backend, service->id, LEAT_FLOW_HASHED);
	trace_fragment(LEAT_CHOICE_HASHED, service->id);
	count_event(LEAT_EVENT_FRAGMENT_HASHED);
	return fragment_fate(backend, service->id);
}

/* Where a fragment goes that is not the first one: a fate, or a negative reason. */
__noinline int fragment_later(const struct dissection *d)
{
	struct leat_flow_state known;
	__u64 digest;

	if (!d)
		return -LEAT_INTERNAL;
	digest = fragment_digest(d);
	known = fragment_recall(digest);
	if (known.backend) {
		trace_fragment(LEAT_CHOICE_FRAGMENT, known.slot);
		return fragment_fate(known.backend, known.slot);
	}
	if ((d->protocol != IPPROTO_TCP && d->protocol != IPPROTO_UDP) ||
	    !is_service_address(&d->key.address))
		return -LEAT_FRAGMENT;
	return fragment_hash(d, digest);
}

#endif
