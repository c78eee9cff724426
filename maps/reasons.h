/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every way a packet can leave the datapath, once. The datapath counts by this list; the CLI, the
 * metrics' labels and the documentation are made from it. Order is part of the layout: append only.
 *
 * X(NAME, verdict, "label", "what it means")
 */
#ifndef LEAT_MAPS_REASONS_H
#define LEAT_MAPS_REASONS_H

#define LEAT_REASONS(X)                                                                            \
	X(FORWARDED, FORWARD, "forwarded", "sent to a backend")                                    \
	X(NOT_OURS, PASS, "not_ours", "no service has this address, port and protocol")            \
	X(NOT_IP, PASS, "not_ip", "neither IPv4 nor IPv6, or behind a VLAN tag")                   \
	X(NOT_TCP_UDP, PASS, "not_tcp_udp", "IP, but neither TCP nor UDP follows the IP header")   \
	X(FRAGMENT, PASS, "fragment", "an IPv4 fragment; the ports cannot be trusted")             \
	X(RUNT, PASS, "runt", "too short to hold the headers that it announces")                   \
	X(BAD_HEADER, PASS, "bad_header",                                                          \
	  "an IP header with a wrong version or length, or IPv6 with a mapped address")            \
	X(BAD_LENGTH, DROP, "bad_length",                                                          \
	  "for a service, but a length field runs past the packet")                                \
	X(NO_BACKEND, DROP, "no_backend", "the service has no usable backend")                     \
	X(NO_NEXT_HOP, DROP, "no_next_hop", "the backend's route or neighbour is not resolved")    \
	X(TOO_BIG, DROP, "too_big", "larger than the path to the backend after encapsulation")     \
	X(NO_ROOM, DROP, "no_room", "the driver left no room for the outer header")                \
	X(INTERNAL, DROP, "internal", "the maps contradict each other; this is a defect, report it")

enum leat_reason {
#define X(name, verdict, label, text) LEAT_##name,
	LEAT_REASONS(X)
#undef X
		LEAT_REASON_COUNT,
};

/* What leat-decap does with a packet; same form, its own list. */
#define LEAT_DECAP_REASONS(X)                                                                      \
	X(UNWRAPPED, PASS, "unwrapped", "outer header taken off, inner packet passed up")          \
	X(NOT_TUNNELLED, PASS, "not_tunnelled", "not an IP-in-IP packet")                          \
	X(NOT_TO_US, PASS, "not_to_us", "IP-in-IP to another outer destination")                   \
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
