/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The keys and values that the datapath and the daemon exchange through pinned maps. Everything
 * here is layout: whoever changes a size, an order or a meaning raises LEAT_LAYOUT, and a daemon
 * that finds another number among the pins loads beside it instead of reusing it.
 */
#ifndef LEAT_MAPS_LAYOUT_H
#define LEAT_MAPS_LAYOUT_H

#include <linux/types.h>

#include "maps/events.h"
#include "maps/limits.h"
#include "maps/reasons.h"
#include "maps/ticks.h"

#define LEAT_LAYOUT 6

/* An IPv6 address, or an IPv4 one mapped into ::ffff:0:0/96. One type for both families. */
struct leat_addr {
	union {
		__u8 bytes[16];
		__be32 words[4];
		__u64 halves[2];
	};
};

struct leat_service_key {
	struct leat_addr address;
	union {
		struct {
			__be16 port; /* 0: any port */
			__u8 protocol; /* IPPROTO_TCP or IPPROTO_UDP; see also enum leat_address_kind */
			__u8 zero[5];
		};
		__u64 transport; /* all of the above, to compare at once */
	};
};

enum leat_hash_input {
	LEAT_HASH_FLOW,	  /* source address and both ports */
	LEAT_HASH_SOURCE, /* source address */
};

/* Who gets a flow that is new. */
enum leat_scheduler {
	LEAT_SCHEDULER_HASH,		  /* the backend of its slot */
	LEAT_SCHEDULER_ROUND_ROBIN,	  /* the next one in the order of the service */
	LEAT_SCHEDULER_LEAST_CONNECTIONS, /* of two slots' backends the one with fewer flows */
};

enum leat_service_flag {
	LEAT_SERVICE_PING = 0x10,      /* of a LEAT_ADDRESS_ENTRY: pings are answered */
	LEAT_SERVICE_FRAGMENTS = 0x20, /* fragments that come before their first one are hashed */
	LEAT_SERVICE_RATE = 0x40,      /* a source may open so many flows in a second */
	LEAT_SERVICE_QUIC = 0x80,      /* connection ids name backends */
	LEAT_SERVICE_NAT = 0x08,       /* its packets are translated */
};

/* How a flow finds its slot. */
struct leat_lookup {
	__u64 hash_key; /* leat_service_hash_key(): seed and identity of the service */
	__u32 size;	/* slots, not lines; 0: there is no such table */
	__u16 table;	/* index in the maps of tables and of clocks */
	__u8 hash;	/* enum leat_hash_input */
	__u8 zero;
};

/*
 * former: the table from before a change of hash key, size or hash. While it is there, all slots of
 * the present one are open, and their previous backends are looked up in it.
 */
struct leat_service {
	struct leat_lookup lookup;
	struct leat_lookup former;
	__u32 id;	/* index of its counters, policy, order and cursor */
	__u8 scheduler; /* enum leat_scheduler */
	__u8 flags;	/* enum leat_service_flag */
	__u8 zero[2];
};

/*
 * All services are one inner map, a hash table with linear probing that ends at the first empty
 * entry. It is built aside and swapped whole, so a reload is seen at once or not at all. A
 * BPF_MAP_TYPE_HASH would cost a packet four times as much.
 */
struct leat_service_entry {
	struct leat_service_key key; /* protocol 0: empty */
	struct leat_service value;
};

/*
 * The same map answers what a packet without ports asks. Such entries have the port 0 and one of these
 * instead of a protocol; they are made from the services' own ones.
 */
enum leat_address_kind {
	LEAT_ADDRESS_ENTRY = 253, /* the address is some service's */
	LEAT_FRAGMENTS_TCP = 254, /* who gets fragments without a first one: */
	LEAT_FRAGMENTS_UDP = 255, /* a copy of that service's entry */
};

/*
 * Two backends a slot: current for new flows, previous for flows older than the change that opened
 * the slot. Both are equal while the slot is closed. Index 0 is no backend; as previous of an open
 * slot it means that the older flows' backend is no more.
 */
#define LEAT_SLOT_OPEN	  0x8000
#define LEAT_SLOT_BACKEND 0x7fff

struct leat_slot {
	__u16 current;
	__u16 previous; /* LEAT_SLOT_OPEN is this field's top bit */
};

/*
 * A table consists of parts, each a map of its own, and nearly always of one: it has room for the default
 * table size, and for the prime above that. In a part with few backends, half a byte is all that a
 * packet reads of its slot while that is closed: the index in `members` of who has it. So 65 536 slots
 * take 32 KiB of a cache, and not 256. An open slot's half says to look into `slots`; what a packed part
 * has there for closed ones means nothing.
 */
#define LEAT_PART_SLOTS	     65600
#define LEAT_PART_MEMBERS    15 /* this index: see `slots` */
#define LEAT_TABLE_MAX_PARTS 16

struct leat_table_part {
	__u16 members[LEAT_PART_MEMBERS + 1];
	__u32 is_packed; /* 0: more backends than members, so that `closed` says nothing */
	__u32 zero[7];
	__u8 closed[LEAT_PART_SLOTS / 2]; /* two slots a byte, the even one's lower half first */
	struct leat_slot slots[LEAT_PART_SLOTS];
};

#define LEAT_MAX_PARTS	       (LEAT_MAX_TABLES * LEAT_TABLE_MAX_PARTS)
#define LEAT_TABLE_PARTS(size) (((size) + LEAT_PART_SLOTS - 1) / LEAT_PART_SLOTS)

/* Of a slot's part in the map of tables. */
static inline __u32 leat_part_index(__u32 table, __u32 slot)
{
	return table * LEAT_TABLE_MAX_PARTS + slot / LEAT_PART_SLOTS;
}

/* Slots that share a clock. */
#define LEAT_SLOTS_PER_LINE    16
#define LEAT_TABLE_LINES(size) (((size) + LEAT_SLOTS_PER_LINE - 1) / LEAT_SLOTS_PER_LINE)

/* Of a line of slots, in ticks. An array of them lies beside each table that has open slots. */
#define LEAT_CLOCK_IMPORTED                                                                        \
	0x80000000 /* opened for flows that another node had: any backend has them */

struct leat_clock {
	__u32 opened;	/* when one of its slots was opened last, and that bit; the daemon's */
	__u32 previous; /* when a packet went to a slot's previous last; the datapath's */
};

enum leat_flow_flag {
	LEAT_FLOW_CLOSING = 1, /* FIN or RST was seen */
	LEAT_FLOW_OLD =
		2, /* older than its slot's change: remembered to be counted, and first to go */
	LEAT_FLOW_UDP = 4,
	LEAT_FLOW_HASHED = 8, /* fragments: it came before the first one */
};

/*
 * A flow, or a client of a service with `sticky`. The digest is leat_flow_digest(): 64 bits under a key
 * that nobody outside knows stand for the whole 5-tuple. An entry is claimed by compare-and-swap of its
 * digest, filled, and then given its new one.
 */
#define LEAT_DIGEST_NONE    0ULL
#define LEAT_DIGEST_CLAIMED (~0ULL)

struct leat_flow_state {
	__u16 backend;
	__u16 seen;		    /* ticks; written at most once a tick */
	__u32 slot : 24, flags : 8; /* fragments: not a slot, but the service */
};

struct leat_flow {
	__u64 digest;
	struct leat_flow_state state;
};

/* One cache line. A digest may be in either of two buckets, by its lower and by its upper half. */
#define LEAT_BUCKET_FLOWS 4

struct leat_bucket {
	struct leat_flow flows[LEAT_BUCKET_FLOWS];
};

/* Of one service, by its id; in ticks. */
struct leat_policy {
	__u16 tcp_idle; /* how long a flow may be silent without being forgotten */
	__u16 udp_idle;
	__u32 sticky;	    /* how long a client stays with a backend; 0: it does not */
	__u32 rate_gap_ns;  /* between two flows that a source opens, in the mean; 0: any */
	__u32 rate_burst;   /* flows that it may open at once */
	__u32 quic_lengths; /* of server ids: four bits for each configuration of QUIC-LB */
	__u32 zero;
};

/*
 * QUIC-LB (draft-ietf-quic-load-balancers), the plaintext form: a connection id that a server issued begins
 * with three bits that say by which configuration, five that say nothing here, and the server's id.
 * Configuration 7 is for servers that have none.
 */
#define LEAT_QUIC_CONFIGS	7
#define LEAT_QUIC_SERVER_ID_MAX 15

struct leat_quic_key {
	__u32 service; /* id */
	__u8 config;
	__u8 server_id[LEAT_QUIC_SERVER_ID_MAX]; /* the rest is zero */
};

/* Of a configuration's server ids; 0: there is no such configuration. */
static inline __u32 leat_quic_length(__u32 lengths, __u32 config)
{
	return lengths >> 4 * config & 15;
}

/* One that opens flows of a service with `rate`; the digest is of both. */
struct leat_source {
	__u64 digest;
	__u64 full_ns; /* when it may open its whole burst again, by the monotonic clock */
};

#define LEAT_BUCKET_SOURCES 4

struct leat_source_bucket {
	struct leat_source sources[LEAT_BUCKET_SOURCES];
};

/* The key of a longest-prefix match. */
struct leat_prefix {
	__u32 len; /* of the mapped form: IPv4's /8 is 104 */
	__be32 address[4];
};

/*
 * What becomes of a source whose longest prefix in a list has this value; one that has none is let in.
 * The order is that of precedence: of two for the same prefix, the lower one counts.
 */
enum leat_access {
	LEAT_ACCESS_DENIED = 1,
	LEAT_ACCESS_ALLOWED,
	LEAT_ACCESS_NOT_ALLOWED, /* of all addresses, where only some are allowed */
};

/* In the map of access lists: the node's own. The others have their services' ids. */
#define LEAT_ACCESS_NODE LEAT_MAX_SERVICES

enum leat_load_flag {
	LEAT_LOAD_COUNTED =
		1, /* draining: its old flows are remembered, so that they can be counted */
};

/* Of one backend. The daemon corrects `flows` against what is remembered, once a second. */
struct leat_load {
	__u32 flows;  /* live ones, of services that count them */
	__u16 weight; /* 0: takes no new flows */
	__u16 flags;
};

/* The order in which a round robin visits backends, in lines; the first one holds only its size. */
#define LEAT_ORDER_PER_LINE 32

struct leat_order_line {
	union {
		__u32 size; /* positions; 0: no backend takes new flows */
		__u16 backends[LEAT_ORDER_PER_LINE];
	};
};

#define LEAT_ORDER_LINES(size) (1 + ((size) + LEAT_ORDER_PER_LINE - 1) / LEAT_ORDER_PER_LINE)

enum leat_forward {
	LEAT_FORWARD_NONE, /* down, disabled or gone: keeps no flow */
	LEAT_FORWARD_L2,
	LEAT_FORWARD_IPIP,
	LEAT_FORWARD_GUE,
	LEAT_FORWARD_NAT,
	LEAT_FORWARD_UNRESOLVED, /* keeps its flows, whose packets are dropped meanwhile */
};

/* A bit beside the above: packets leave with a VLAN tag, which is not on the fast path. */
#define LEAT_FORWARD_TAGGED 0x80

/* GUE (draft-ietf-intarea-gue), version 0 without options, behind an outer UDP header. */
struct leat_gue {
	__be16 source;
	__be16 destination;
	__be16 len; /* from `source` on */
	__be16 check;
	__u8 version_and_len;
	__u8 protocol; /* IPPROTO_IPIP or IPPROTO_IPV6: what follows */
	__be16 flags;
};

#define LEAT_OUTER_MAX	   40 /* precomputed */
#define LEAT_OUTER_LEN_MAX (LEAT_OUTER_MAX + sizeof(struct leat_gue))

/*
 * One cache line: all that forwarding a packet to this backend needs. An IPv4 outer header has its
 * total length, TOS and the host bits of its source zero, and the checksum of just that, not
 * complemented, in its check field; the datapath adds what differs per packet. It computes the first
 * word of either header, which leaves room here.
 */
struct leat_backend {
	__u8 forward;	    /* enum leat_forward */
	__u8 outer_len;	    /* 0, or that of the outer header: 20 or 40, and 12 more with GUE */
	__u16 mtu;	    /* largest IP packet that the egress takes; 0: do not check */
	__u32 ifindex;	    /* egress; 0: the interface that the packet came in on */
	__be32 source_mask; /* bits of the outer source's last word that the flow's hash fills */
	union {
		struct {
			__u8 dst_mac[6];
			__u8 src_mac
				[6]; /* unused when ifindex is 0: the packet's own destination serves */
		};
		__u32 mac_words[3];
	};
	union {
		__u8 outer[LEAT_OUTER_MAX];
		__u32 outer_words[LEAT_OUTER_MAX / 4]; /* the datapath copies by words */
		struct {
			__be16 vlan;	 /* VID of the tag to leave with; 0: none */
			__be16 gue_port; /* destination */
			__u32 outer_rest[LEAT_OUTER_MAX / 4 - 1];
		};
		struct {
			__be16 nat_vlan; /* the same as above */
			__be16 nat_port; /* of the backend; 0: the one that the packet is for */
			__u32 nat_zero;
			struct leat_addr nat_address; /* the backend's own */
			__u32 nat_rest[LEAT_OUTER_MAX / 4 - 6];
		};
	};
};

/* A packet that is translated, as it comes in: a client's for a service, or a backend's for an address of
 * the pool. */
struct leat_nat_key {
	struct leat_addr source;
	struct leat_addr destination;
	__u32 ports;	/* source and destination, as they stand in the packet */
	__u32 protocol; /* IPPROTO_TCP or IPPROTO_UDP */
};

/* Of one direction of a flow. */
enum leat_nat_flag {
	LEAT_NAT_FROM_BACKEND = 1, /* from the backend; else from the client */
	LEAT_NAT_LIVE = 2,	   /* a packet came; of a TCP client, one that does not open */
	LEAT_NAT_FIN = 4,
	LEAT_NAT_RST = 8, /* and nothing else after it */
};

/*
 * What such a packet becomes. A flow has two entries, one for each direction, whose keys follow from each
 * other: leat_nat_peer(). Each is written by packets of its own direction alone. Both say how the
 * client's last packet came in, because the backend's leave by that way.
 */
struct leat_nat {
	struct leat_addr source;
	struct leat_addr destination;
	__u32 ports;
	__u32 seen; /* ticks; written at most once a tick */
	__u32 ifindex;
	__be16 vlan; /* VID of the tag; 0: none */
	__u16 backend;
	__u16 service; /* id */
	__u8 flags;    /* enum leat_nat_flag */
	__u8 zero;
	__u8 own_mac[6];
	__u8 client_mac[6]; /* of the client's side */
};

/* Where the ports of flows to backends are taken from; one for each family. */
struct leat_nat_pool {
	__u32 count; /* addresses; 0: there is no pool */
	__u16 first_port;
	__u16 zero;
	__u32 port_count;
	__u32 zero_too;
	struct leat_addr addresses[LEAT_NAT_ADDRESSES];
};

/* Of one CPU: the ICMP errors that it sent within a tick. */
struct leat_answers {
	__u32 tick;
	__u32 sent;
};

/* In the map of retired counters, the sum over all services that ever were. */
#define LEAT_RETIRED_TOTAL LEAT_MAX_SERVICES

struct leat_counter {
	__u64 packets;
	__u64 bytes; /* of the frame as it came in */
};

/*
 * What a restarted daemon must find again and the datapath never reads: which id a service's backend
 * has, and its health.
 */
struct leat_registry_key {
	struct leat_service_key service;
	struct leat_addr backend;
};

struct leat_registry_entry {
	__u32 id;
	__s32 health;	  /* struct health's counter */
	__u64 changed_s;  /* UNIX time of the last change of state */
	__u8 is_up;	  /* what the counter meant under its daemon's thresholds */
	char reason[103]; /* of that change, for people; NUL terminated */
	char name[64];	  /* of the backend, for one that has left the file */
};

/* One entry: who wrote these maps and for which program. */
struct leat_node {
	__u32 layout;
	__u32 zero;
	__u64 program; /* digest of the program's ELF and options */
	__u64 started_s;
	__u64 flow_key; /* of leat_flow_digest(), drawn when the maps were made */
};

/* Packets of a service that were not forwarded, by reason. */
struct leat_refusals {
	__u64 packets[LEAT_REASON_COUNT];
};

/* Set before load; what is off costs nothing, because the verifier deletes it. */
struct leat_options {
	__u8 any_port;	/* some service has port 0 */
	__u8 remembers; /* some service's scheduler remembers every flow */
	__u8 trace;	/* the program tells what it does: maps/trace.h */
	__u8 rate;	/* some service limits how many flows a source opens */
	__u8 access;	/* there is a list of sources to let in or to keep out */
	__u8 quic;	/* some service goes by connection ids */
	__u8 nat;	/* some service's packets are translated */
};

/* Of the pinned maps, set before load: a program that replaces another finds the same flows. */
struct leat_memory {
	__u64 flow_key;
	__u32 flow_mask; /* buckets - 1 */
	__u32 zero;
};

/* leat-decap has as plain keys its inner and outer destinations, and prefixes of outer sources. */

struct leat_decap_options {
	__be16 gue_port;
	__u8 check_source;
};

#define LEAT_SAME_SIZE(type, size) _Static_assert(sizeof(type) == (size), #type " changed its size")

LEAT_SAME_SIZE(struct leat_addr, 16);
LEAT_SAME_SIZE(struct leat_service_key, 24);
LEAT_SAME_SIZE(struct leat_lookup, 16);
LEAT_SAME_SIZE(struct leat_service, 40);
LEAT_SAME_SIZE(struct leat_service_entry, 64);
LEAT_SAME_SIZE(struct leat_table_part, 64 + LEAT_PART_SLOTS / 2 + 4 * LEAT_PART_SLOTS);
LEAT_SAME_SIZE(struct leat_backend, 64);
LEAT_SAME_SIZE(struct leat_gue, 12);
LEAT_SAME_SIZE(struct leat_counter, 16);
LEAT_SAME_SIZE(struct leat_flow, 16);
LEAT_SAME_SIZE(struct leat_bucket, 64);
LEAT_SAME_SIZE(struct leat_clock, 8);
LEAT_SAME_SIZE(struct leat_policy, 24);
LEAT_SAME_SIZE(struct leat_quic_key, 20);
LEAT_SAME_SIZE(struct leat_source_bucket, 64);
LEAT_SAME_SIZE(struct leat_load, 8);
LEAT_SAME_SIZE(struct leat_nat_key, 40);
LEAT_SAME_SIZE(struct leat_nat, 64);
LEAT_SAME_SIZE(struct leat_nat_pool, 16 + 16 * LEAT_NAT_ADDRESSES);
LEAT_SAME_SIZE(struct leat_order_line, 64);
LEAT_SAME_SIZE(struct leat_prefix, 20);
LEAT_SAME_SIZE(struct leat_registry_key, 40);
LEAT_SAME_SIZE(struct leat_registry_entry, 184);
LEAT_SAME_SIZE(struct leat_node, 32);

#endif
