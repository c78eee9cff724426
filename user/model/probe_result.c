/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/probe_result.h"

#include <assert.h>

static const struct {
	enum probe_layer layer;
	const char *code;
	const char *text;
} outcomes[PROBE_OUTCOME_COUNT] = {
#define X(name, layer, code, text) { PROBE_LAYER_##layer, code, text },
	PROBE_OUTCOMES(X)
#undef X
};

enum probe_layer probe_outcome_layer(enum probe_outcome outcome)
{
	assert(outcome < PROBE_OUTCOME_COUNT);
	return outcomes[outcome].layer;
}

const char *probe_outcome_code(enum probe_outcome outcome)
{
	assert(outcome < PROBE_OUTCOME_COUNT);
	return outcomes[outcome].code;
}

const char *probe_outcome_text(enum probe_outcome outcome)
{
	assert(outcome < PROBE_OUTCOME_COUNT);
	return outcomes[outcome].text;
}

const char *probe_layer_name(enum probe_layer layer)
{
	static const char *const names[PROBE_LAYER_COUNT] = { "none", "L3", "L4",
							      "L6",   "L7", "internal" };

	assert(layer < PROBE_LAYER_COUNT);
	return names[layer];
}
