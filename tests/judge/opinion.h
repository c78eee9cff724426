/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An opinion of what a program may make of a frame, from the configuration, RFCs and a parser and
 * checksums of its own; nothing of bpf/ is in it. Whoever does not agree ends the process.
 */
#ifndef LEAT_TESTS_JUDGE_OPINION_H
#define LEAT_TESTS_JUDGE_OPINION_H

#include "tests/judge/scene.h"

struct bytes {
	const uint8_t *at;
	size_t size;
};

struct outcome {
	uint32_t action; /* XDP_* */
	struct leat_trace trace;
	struct bytes out;
	size_t seen; /* bytes of what came in that the program saw: its first buffer */
};

/* Of the verdict, and the bytes that come out. */
void opinion_of_leat(const struct scene *scene, struct bytes in, const struct outcome *outcome);
/* Of what was counted, if all counters were 0 before. Of a frame in several buffers the program may have
 * counted the whole, or what it saw of it. */
void opinion_of_counters(const struct scene *scene, struct bytes in, const struct outcome *outcome);
/* leat-decap's; `reason` is what it counted. */
void opinion_of_decap(struct bytes in, struct bytes out, enum leat_decap_reason reason);

/* What is behind the outer headers of a frame that leat sent away, if leat-decap can see it there: with
 * no VLAN tag. Size 0: nothing. */
struct bytes opinion_find_inner(const struct scene *scene, struct bytes in,
				const struct outcome *outcome);

#endif
