/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What happens to the memory of flows, counted by the datapath; one list for it, the CLI, the metrics
 * and the documentation. Order is part of the layout: append only.
 *
 * X(NAME, "label", "what it means")
 */
#ifndef LEAT_MAPS_EVENTS_H
#define LEAT_MAPS_EVENTS_H

#define LEAT_EVENTS(X)                                                                             \
	X(REMEMBERED, "remembered",                                                                \
	  "a flow sent its second packet and is remembered from then on")                          \
	X(EVICTED, "evicted", "a live flow was forgotten to make room for another one")            \
	X(EVICTED_HALF_OPEN, "evicted_half_open",                                                  \
	  "a flow of one packet was forgotten to make room for another one")                       \
	X(EVICTED_CLIENT, "evicted_client", "a client's backend was forgotten to make room")       \
	X(REFUSED, "refused", "a flow was not remembered: every place was taken or contended for") \
	X(FALLBACK, "fallback",                                                                    \
	  "a packet of a flow that should be remembered and is not went where its hash says")      \
	X(EVICTED_FRAGMENT, "evicted_fragment",                                                    \
	  "a packet in fragments was forgotten to make room for another one")                      \
	X(FRAGMENT_HASHED, "fragment_hashed",                                                      \
	  "a fragment came before its first one and went where its addresses' hash says")          \
	X(ANSWER_LIMITED, "answer_limited",                                                        \
	  "a sender got no ICMP error or reset: too many were due in that second")                 \
	X(EVICTED_SOURCE, "evicted_source",                                                        \
	  "how fast a source opens flows was forgotten to make room for another one")              \
	X(UNKNOWN_QUIC_ID, "unknown_quic_id",                                                      \
	  "a QUIC packet's connection id names no backend; it went where its hash says")

enum leat_event {
#define X(name, label, text) LEAT_EVENT_##name,
	LEAT_EVENTS(X)
#undef X
		LEAT_EVENT_COUNT,
};

#endif
