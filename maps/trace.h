/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a program that is loaded with options.trace tells of the one packet that it was run with: what it
 * saw, and each decision where it was made. Nothing of it is kept in a map, so none of it is layout.
 */
#ifndef LEAT_MAPS_TRACE_H
#define LEAT_MAPS_TRACE_H

#include <linux/types.h>

#include "maps/layout.h"

/*
 * Why a packet goes to its backend. A later step may overrule an earlier one.
 *
 * X(NAME, "label", "what it means")
 */
#define LEAT_CHOICES(X)                                                                            \
	X(NONE, "none", "no backend was chosen")                                                   \
	X(SLOT, "slot", "its slot is closed: all of its flows go to one backend")                  \
	X(CURRENT, "current",                                                                      \
	  "its slot is open, and its previous backend is the same or serves no more")              \
	X(PREVIOUS, "previous",                                                                    \
	  "its slot is open, and a flow that is not remembered is an older one")                   \
	X(REMEMBERED, "remembered", "its flow is remembered")                                      \
	X(SECOND, "second", "its flow is known from its first packet, and remembered from now on") \
	X(REPEATED, "repeated", "a SYN of a moment ago on the same flow went there")               \
	X(OPENS, "opens", "it opens a flow, which gets the scheduler's choice")                    \
	X(STICKY, "sticky", "it opens a flow, and its client went there last")                     \
	X(FALLBACK, "fallback", "its flow should be remembered and is not, so its slot decides")   \
	X(QUOTED, "quoted", "the flow that it is an error about goes there")                       \
	X(QUIC, "quic", "its connection id was issued by that backend")                            \
	X(NAT, "nat", "its flow is translated already")                                            \
	X(ANSWER, "answer", "it is the backend's answer on a flow that is translated")             \
	X(FRAGMENT, "fragment", "another fragment of the same packet went there")                  \
	X(HASHED, "hashed", "it is a fragment whose first one has not come: addresses decide")

enum leat_choice {
#define X(name, label, text) LEAT_CHOICE_##name,
	LEAT_CHOICES(X)
#undef X
		LEAT_CHOICE_COUNT,
};

/* What a packet is to the datapath. */
enum leat_shape {
	LEAT_SHAPE_TRANSPORT,	/* TCP or UDP */
	LEAT_SHAPE_FIRST,	/* the first fragment of such a packet */
	LEAT_SHAPE_FIRST_SHORT, /* the same, without the whole transport header */
	LEAT_SHAPE_LATER,	/* another fragment of any packet */
	LEAT_SHAPE_ECHO,	/* an echo request */
	LEAT_SHAPE_ERROR, /* an ICMP error: key, source and ports are the quoted flow's, as its
			   * client sends them */
};

/* Where something of a flow is noted. */
enum leat_memory_kind {
	LEAT_MEMORY_FLOWS,
	LEAT_MEMORY_HALF_OPEN_TCP,
	LEAT_MEMORY_HALF_OPEN_UDP,
	LEAT_MEMORY_CLIENTS,
	LEAT_MEMORY_FRAGMENTS,
	LEAT_MEMORY_NAT,
};

enum leat_rate_answer {
	LEAT_RATE_UNASKED,
	LEAT_RATE_ADMITTED,
	LEAT_RATE_REFUSED,
};

struct leat_trace {
	__u32 reason;
	__u32 service; /* id + 1; 0: none */
	__u32 backend; /* id; 0: none */
	__u32 slot;

	/* Of the packet, or of what an ICMP error quotes, as its client sends it. */
	struct leat_service_key key;
	struct leat_addr source;
	__u32 ports; /* source and destination, as they stand in the packet */

	__u16 current, previous; /* of the slot, LEAT_SLOT_OPEN included */
	__u8 is_parsed;		 /* shape, key and source hold */
	__u8 shape;		 /* enum leat_shape */
	__u8 tcp_flags;
	__u8 has_slot;
	__u8 choice;	     /* enum leat_choice */
	__u8 noted;	     /* bits by enum leat_memory_kind: an entry was made there */
	__u8 rate;	     /* enum leat_rate_answer */
	__u8 node_access;    /* enum leat_access of the node's list; 0: the source is not in it */
	__u8 service_access; /* the same of the service's */
	__u8 zero[7];
};

#endif
