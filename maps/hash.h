/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How a flow becomes a slot. Compiled into the datapath and into everything that must agree with
 * it: every node of a fleet with the same seed sends a flow to the same slot.
 */
#ifndef LEAT_MAPS_HASH_H
#define LEAT_MAPS_HASH_H

#include "maps/layout.h"

#ifndef __always_inline
#define __always_inline inline __attribute__((__always_inline__))
#endif

/* The finaliser of MurmurHash3 (Appleby, public domain): a bijection in which every input bit flips
 * every output bit with a probability near one half. */
static __always_inline __u64 leat_mix(__u64 x)
{
	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdULL;
	x ^= x >> 33;
	x *= 0xc4ceb9fe1a85ec53ULL;
	x ^= x >> 33;
	return x;
}

/* Only the last 32 bits of a mapped IPv4 address differ, so one round has all of them. */
static __always_inline int leat_addr_is_ipv4(const struct leat_addr *a)
{
	return a->halves[0] == 0 && a->words[2] == __builtin_bswap32(0xffff);
}

/* The value of a source prefix: mapped IPv4 lies within short IPv6 prefixes, and must not be let in by
 * them. */
static __always_inline __u8 leat_decap_family(const struct leat_addr *address)
{
	return leat_addr_is_ipv4(address) ? 4 : 6;
}

/*
 * key: leat_service.hash_key. ports: source port, destination port as they stand in the packet, or 0
 * for LEAT_HASH_SOURCE. Each part is mixed under the key before the next joins, so nobody who does
 * not know the seed can choose addresses that share a slot.
 */
static __always_inline __u64 leat_flow_hash(__u64 key, const struct leat_addr *source, __u32 ports)
{
	if (!leat_addr_is_ipv4(source)) {
		key = leat_mix(key ^ source->halves[0]);
		key ^= source->words[2];
		key = leat_mix(key);
	}
	return leat_mix(key ^ ((__u64)source->words[3] << 32 | ports));
}

/* The upper half picks the slot, without a division and for any size. */
static __always_inline __u32 leat_hash_slot(__u64 hash, __u32 table_size)
{
	return (__u32)(((hash >> 32) * table_size) >> 32);
}

/* The lower half is left for everything else, such as the bits of an outer source. */
static __always_inline __u32 leat_hash_spread(__u64 hash)
{
	return (__u32)hash;
}

/* Stands for the flow wherever flows are remembered; ports: as above. Keyed by the node and the service,
 * and not by the seed: a flow is found again after a change of the seed. */
static __always_inline __u64 leat_flow_digest(__u64 flow_key, __u32 service,
					      const struct leat_addr *source, __u32 ports)
{
	__u64 digest = leat_flow_hash(flow_key + service * 0x9e3779b97f4a7c15ULL, source, ports);

	return digest == LEAT_DIGEST_NONE || digest == LEAT_DIGEST_CLAIMED ? 1 : digest;
}

/* The second slot that least connections looks at. */
static __always_inline __u64 leat_second_hash(__u64 hash)
{
	return leat_mix(hash + 0x9e3779b97f4a7c15ULL);
}

/* Of a source and destination port, the other way round. */
static __always_inline __u32 leat_swap_ports(__u32 ports)
{
	return ports << 16 | ports >> 16;
}

/* The key of the other direction of a flow, of which this one's packets become `nat`. */
static __always_inline void leat_nat_peer(const struct leat_nat_key *key,
					  const struct leat_nat *nat, struct leat_nat_key *ret_peer)
{
	ret_peer->source = nat->destination;
	ret_peer->destination = nat->source;
	ret_peer->ports = leat_swap_ports(nat->ports);
	ret_peer->protocol = key->protocol;
}

static __always_inline int leat_service_key_equal(const struct leat_service_key *a,
						  const struct leat_service_key *b)
{
	return a->address.halves[0] == b->address.halves[0] &&
	       a->address.halves[1] == b->address.halves[1] && a->transport == b->transport;
}

/* Where the search for a service begins, below LEAT_SERVICE_ENTRIES. Fibonacci hashing (Knuth, The Art
 * of Computer Programming 3, 6.4): services are the operator's, so nobody aims at collisions. What
 * differs in both halves of addresses, as subnets and hosts do, must not cancel out; for IPv4, whose
 * upper half is 0, one multiplication is all. */
static __always_inline __u32 leat_service_entry_index(const struct leat_service_key *key)
{
	__u64 x = key->address.halves[0] * 0xd1b54a32d192ed03ULL;

	x ^= key->address.halves[1] ^ key->transport;
	return (__u32)((x * 0x9e3779b97f4a7c15ULL) >> (64 - 14));
}

_Static_assert(LEAT_SERVICE_ENTRIES == 1 << 14, "leat_service_entry_index() takes 14 bits");

/* A key per service, so that two services of one address do not send a client to the same slot. */
static __always_inline __u64 leat_service_hash_key(__u64 seed, const struct leat_service_key *s)
{
	__u64 key = leat_mix(seed ^ s->address.halves[0]);

	key = leat_mix(key ^ s->address.halves[1]);
	return leat_mix(key ^ ((__u64)s->port << 8 | s->protocol));
}

#endif
