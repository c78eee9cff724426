/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The keys and values that the datapath and the daemon exchange through pinned maps. Everything
 * here is layout: whoever changes a size, an order or a meaning raises LEAT_LAYOUT, and a daemon
 * that finds another number among the pins loads beside it instead of reusing it.
 */
#ifndef LEAT_MAPS_LAYOUT_H
#define LEAT_MAPS_LAYOUT_H

#include <linux/types.h>

#include "maps/limits.h"
#include "maps/reasons.h"

#define LEAT_LAYOUT 1

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
			__be16 port;   /* 0: any port */
			__u8 protocol; /* IPPROTO_TCP or IPPROTO_UDP */
			__u8 zero[5];
		};
		__u64 transport; /* all of the above, to compare at once */
	};
};

enum leat_hash_input {
	LEAT_HASH_FLOW,	  /* source address and both ports */
	LEAT_HASH_SOURCE, /* source address */
};

struct leat_service {
	__u64 hash_key;	  /* leat_service_hash_key(): seed and identity of the service */
	__u32 id;	  /* index of its counters */
	__u32 table;	  /* index in the map of tables */
	__u32 table_size; /* slots, not lines */
	__u8 hash;	  /* enum leat_hash_input */
	__u8 zero[3];
};

/*
 * All services are one inner map, a hash table with linear probing that ends at the first empty
 * entry. It is built aside and swapped whole, so a reload is seen at once or not at all. A
 * BPF_MAP_TYPE_HASH would cost a packet four times as much.
 */
struct leat_service_entry {
	struct leat_service_key key; /* protocol 0: empty */
	struct leat_service value;
	__u64 zero[2];
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

/* An array map rounds its values up to eight bytes; a cache line of slots wastes nothing. */
#define LEAT_SLOTS_PER_LINE 16

struct leat_slot_line {
	struct leat_slot slots[LEAT_SLOTS_PER_LINE];
};

#define LEAT_TABLE_LINES(size) (((size) + LEAT_SLOTS_PER_LINE - 1) / LEAT_SLOTS_PER_LINE)

/* A flow that was opened in an open slot, by leat_flow_hash() over addresses and ports. */
struct leat_flow {
	__u16 backend;
	__u16 is_closing; /* sent FIN or RST: seen_s stays */
	__u32 table;
	__u32 slot;
	__u32 seen_s; /* monotonic; written at most once a second */
};

/* Of a table, in nanoseconds of the monotonic clock. */
struct leat_transition {
	__u64 changed_ns;  /* when slots were opened last; the daemon's */
	__u64 previous_ns; /* when a packet went to some slot's previous last; the datapath's */
};

enum leat_forward {
	LEAT_FORWARD_NONE, /* down, disabled or gone: keeps no flow */
	LEAT_FORWARD_L2,
	LEAT_FORWARD_IPIP,
	LEAT_FORWARD_UNRESOLVED, /* keeps its flows, whose packets are dropped meanwhile */
};

#define LEAT_OUTER_MAX 40

/*
 * One cache line: all that forwarding a packet to this backend needs. An IPv4 outer header has its
 * total length, TOS and the host bits of its source zero, and the checksum of just that, not
 * complemented, in its check field; the datapath adds what differs per packet.
 */
struct leat_backend {
	__u8 forward;	    /* enum leat_forward */
	__u8 outer_len;	    /* 0, 20 (outer IPv4) or 40 (outer IPv6) */
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
	};
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
};

/* One entry: who wrote these maps and for which program. */
struct leat_node {
	__u32 layout;
	__u32 zero;
	__u64 program; /* digest of the program's ELF and options */
	__u64 started_s;
};

/* What became of one packet; written only by a program loaded with options.trace. */
struct leat_trace {
	__u32 reason;
	__u32 service; /* id + 1; 0: none */
	__u32 backend; /* id; 0: none */
	__u32 slot;
};

/* Set before load; what is off costs nothing, because the verifier deletes it. */
struct leat_options {
	__u8 any_port; /* some service has port 0 */
	__u8 trace;
};

/* leat-decap: an outer source prefix (LPM) and, as plain keys, inner and outer destinations. */
struct leat_decap_source {
	__u32 prefix_len; /* of the mapped form: IPv4's /8 is 104 */
	__be32 address[4];
};

struct leat_decap_options {
	__u8 check_source;
};

#define LEAT_SAME_SIZE(type, size) _Static_assert(sizeof(type) == (size), #type " changed its size")

LEAT_SAME_SIZE(struct leat_addr, 16);
LEAT_SAME_SIZE(struct leat_service_key, 24);
LEAT_SAME_SIZE(struct leat_service, 24);
LEAT_SAME_SIZE(struct leat_service_entry, 64);
LEAT_SAME_SIZE(struct leat_slot_line, 64);
LEAT_SAME_SIZE(struct leat_backend, 64);
LEAT_SAME_SIZE(struct leat_counter, 16);
LEAT_SAME_SIZE(struct leat_flow, 16);
LEAT_SAME_SIZE(struct leat_transition, 16);
LEAT_SAME_SIZE(struct leat_decap_source, 20);
LEAT_SAME_SIZE(struct leat_registry_key, 40);
LEAT_SAME_SIZE(struct leat_registry_entry, 120);
LEAT_SAME_SIZE(struct leat_node, 24);

#endif
