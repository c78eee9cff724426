/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every way a packet can leave the datapath, once. The datapath counts by this list; the CLI, the
 * metrics' labels and the documentation are made from it. Order is part of the layout: append only.
 *
 * X(NAME, verdict, "label", "what it means")
 *
 * ANSWER: the packet is dropped, and its sender gets an answer.
 */
#ifndef LEAT_MAPS_REASONS_H
#define LEAT_MAPS_REASONS_H

#define LEAT_REASONS(X)                                                                            \
	X(FORWARDED, FORWARD, "forwarded", "sent to a backend")                                    \
	X(NOT_OURS, PASS, "not_ours", "no service has this address, port and protocol")            \
	X(NOT_IP, PASS, "not_ip", "neither IPv4 nor IPv6, or behind more than two VLAN tags")      \
	X(NOT_TCP_UDP, PASS, "not_tcp_udp",                                                        \
	  "IP, but neither TCP, UDP nor an ICMP error for one of them")                            \
	X(FRAGMENT, PASS, "fragment", "a fragment of a packet that is for no service")             \
	X(RUNT, PASS, "runt", "too short to hold the headers that it announces")                   \
	X(BAD_HEADER, PASS, "bad_header",                                                          \
	  "an IP header with a wrong version or length, or IPv6 with a mapped address")            \
	X(BAD_LENGTH, DROP, "bad_length",                                                          \
	  "for a service, but a length field runs past the packet")                                \
	X(NO_BACKEND, DROP, "no_backend", "the service has no usable backend")                     \
	X(NO_NEXT_HOP, DROP, "no_next_hop", "the backend's route or neighbour is not resolved")    \
	X(TOO_BIG, ANSWER, "too_big",                                                              \
	  "larger than the path to the backend after encapsulation; its sender is told")           \
	X(NO_ROOM, DROP, "no_room", "the driver left no room for the outer header")                \
	X(INTERNAL, DROP, "internal",                                                              \
	  "the maps contradict each other; this is a defect, report it")                           \
	X(LAND, DROP, "land", "for a service, and its source is the service's own address")        \
	X(ECHO, ANSWER, "echo", "a ping of a service's address, answered")                         \
	X(FRAGMENT_LOST, DROP, "fragment_lost",                                                    \
	  "a fragment for a service's address whose first fragment has not come")                  \
	X(FRAGMENT_SHORT, DROP, "fragment_short",                                                  \
	  "a first fragment for a service's address without the transport's whole header")         \
	X(EXTENSIONS, PASS, "extensions", "more IPv6 extension headers than are looked at")        \
	X(RATE_LIMITED, DROP, "rate_limited",                                                      \
	  "opens a flow, and its source has opened more than the service's rate allows")           \
	X(DENIED, DROP, "denied", "for a service, and a deny list has its source")                 \
	X(NOT_ALLOWED, DROP, "not_allowed",                                                        \
	  "for a service with an allow list, which has not its source")                            \
	X(NAT_REPLY, FORWARD, "nat_reply",                                                         \
	  "from a backend, translated back and sent to its client")                                \
	X(NAT_NO_STATE, ANSWER, "nat_no_state",                                                    \
	  "for a service with nat, of a flow that is not known; TCP is reset")                     \
	X(NAT_EXHAUSTED, DROP, "nat_exhausted",                                                    \
	  "opens a flow with nat, and no free port of the pool was found")                         \
	X(NAT_FULL, DROP, "nat_full", "opens a flow with nat, and there is no room to note it")    \
	X(NAT_TTL, DROP, "nat_ttl", "of a flow with nat, and its TTL or hop limit ends here")      \
	X(NAT_SHAPE, DROP, "nat_shape",                                                            \
	  "of a flow with nat, but a fragment or behind tags that are not given back")

enum leat_reason {
#define X(name, verdict, label, text) LEAT_##name,
	LEAT_REASONS(X)
#undef X
		LEAT_REASON_COUNT,
};

/* What leat-decap does with a packet; same form, its own list. */
#define LEAT_DECAP_REASONS(X)                                                                      \
	X(UNWRAPPED, PASS, "unwrapped", "outer header taken off, inner packet passed up")          \
	X(NOT_TUNNELLED, PASS, "not_tunnelled", "neither IP-in-IP nor GUE")                        \
	X(NOT_TO_US, PASS, "not_to_us", "tunnelled to another outer destination")                  \
	X(INNER_REFUSED, PASS, "inner_refused", "the inner destination was not named")             \
	X(SOURCE_REFUSED, PASS, "source_refused", "the outer source is in no named prefix")        \
	X(MALFORMED, PASS, "malformed", "a header is cut short or lies about its length")

enum leat_decap_reason {
#define X(name, verdict, label, text) LEAT_DECAP_##name,
	LEAT_DECAP_REASONS(X)
#undef X
		LEAT_DECAP_REASON_COUNT,
};

#endif
