/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How one run of a probe ended, named by the layer that failed, as HAProxy does.
 */
#ifndef LEAT_MODEL_PROBE_RESULT_H
#define LEAT_MODEL_PROBE_RESULT_H

#include <stdint.h>

/* X(NAME, layer, "code", "what it means") */
#define PROBE_OUTCOMES(X)                                                                          \
	X(L4OK, NONE, "L4OK", "connected or answered")                                             \
	X(L7OK, NONE, "L7OK", "the reply was as expected")                                         \
	X(L3ERR, L3, "L3ERR", "unreachable")                                                       \
	X(L3TOUT, L3, "L3TOUT", "no echo reply in time")                                           \
	X(L4TOUT, L4, "L4TOUT", "no connection in time")                                           \
	X(L4CON, L4, "L4CON", "connection refused or unreachable")                                 \
	X(L6TOUT, L6, "L6TOUT", "no TLS handshake in time")                                        \
	X(L6RSP, L6, "L6RSP", "TLS handshake failed")                                              \
	X(L7TOUT, L7, "L7TOUT", "no reply in time")                                                \
	X(L7RSP, L7, "L7RSP", "the reply was malformed or not as expected")                        \
	X(L7STS, L7, "L7STS", "the status code was not as expected")                               \
	X(INTERNAL, INTERNAL, "INTERNAL", "the probe could not be run on this node")

enum probe_layer {
	PROBE_LAYER_NONE, /* success */
	PROBE_LAYER_L3,
	PROBE_LAYER_L4,
	PROBE_LAYER_L6,
	PROBE_LAYER_L7,
	PROBE_LAYER_INTERNAL, /* says nothing about the backend and does not count against it */
	PROBE_LAYER_COUNT,
};

enum probe_outcome {
#define X(name, layer, code, text) PROBE_##name,
	PROBE_OUTCOMES(X)
#undef X
		PROBE_OUTCOME_COUNT,
};

#define PROBE_DETAIL_SIZE 80

struct probe_result {
	enum probe_outcome outcome;
	uint64_t duration_us;
	char detail[PROBE_DETAIL_SIZE]; /* printable ASCII, "" when the outcome says it all */
};

enum probe_layer probe_outcome_layer(enum probe_outcome outcome);
const char *probe_outcome_code(enum probe_outcome outcome);
const char *probe_outcome_text(enum probe_outcome outcome);
const char *probe_layer_name(enum probe_layer layer);

#endif
