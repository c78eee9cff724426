/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A frame as it comes in from the wire, through both of Leat's XDP programs, which are compiled for the
 * host; tests/judge says what may come of it.
 */
#include <linux/if_ether.h>
#include <linux/ipv6.h>
#include <string.h>

#include "tests/judge/opinion.h"

#define FRAME_MAX 9216

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct scene scene;

/* What a driver may hand over, and what may be configured. */
struct condition {
	uint32_t headroom;
	uint32_t linear;
	bool has_options;
};

static const struct condition conditions[] = {
	{ HOST_HEADROOM, HOST_LINEAR_MAX, true },
	{ HOST_HEADROOM, HOST_LINEAR_MAX, false },
	{ 0, HOST_LINEAR_MAX, true },
	{ sizeof(struct ipv6hdr) - 1, HOST_LINEAR_MAX, true },
	{ HOST_HEADROOM, ETH_HLEN, true },
	{ HOST_HEADROOM, 80, true },
};

static struct bytes frame_bytes(const struct host_frame *frame, uint8_t *room)
{
	struct bytes bytes = { room, host_frame_size(frame) };

	if (bytes.size > FRAME_MAX + HOST_HEADROOM ||
	    host_frame_load(frame, 0, room, (uint32_t)bytes.size) < 0)
		scene_fail("a frame of %zu bytes", bytes.size);
	return bytes;
}

/* `room` is where outcome->out is. */
static struct outcome send_one(struct bytes in, const struct condition *condition, uint8_t *room)
{
	struct outcome outcome;
	struct host_frame frame;

	if (host_frame_init(&frame, in.at, (uint32_t)in.size, condition->linear) < 0)
		scene_fail("out of memory");
	frame.headroom = condition->headroom;
	outcome.seen = MIN(in.size, condition->linear);
	outcome.action = (uint32_t)leat_run(&scene.datapath, &frame, &outcome.trace);
	outcome.out = frame_bytes(&frame, room);
	host_frame_deinit(&frame);
	opinion_of_leat(&scene, in, &outcome);
	return outcome;
}

/* The reason that leat-decap counted. It counts what it sees of a frame. */
static enum leat_decap_reason decap_reason(size_t size)
{
	uint32_t found = LEAT_DECAP_REASON_COUNT;

	for (uint32_t i = 0; i < LEAT_DECAP_REASON_COUNT; i++) {
		const struct leat_counter *counter = host_map_at(&scene.decap.count, i);

		if (!counter->packets && !counter->bytes)
			continue;
		if (found != LEAT_DECAP_REASON_COUNT || counter->packets != 1 ||
		    counter->bytes != MIN(size, HOST_LINEAR_MAX))
			scene_fail("leat-decap counts %u and %u", found, i);
		found = i;
	}
	if (found == LEAT_DECAP_REASON_COUNT)
		scene_fail("leat-decap does not count");
	return found;
}

static enum leat_decap_reason unwrap(struct bytes in, uint8_t *room, struct bytes *ret_out)
{
	enum leat_decap_reason reason;
	struct host_frame frame;

	if (host_frame_init(&frame, in.at, (uint32_t)in.size, HOST_LINEAR_MAX) < 0)
		scene_fail("out of memory");
	host_journal_begin();
	if (decap_run(&scene.decap, &frame) != XDP_PASS)
		scene_fail("leat-decap passes everything");
	reason = decap_reason(in.size);
	host_journal_undo();
	*ret_out = frame_bytes(&frame, room);
	host_frame_deinit(&frame);
	opinion_of_decap(in, *ret_out, reason);
	return reason;
}

/* What leat wrapped, leat-decap unwraps. */
static void check_round_trip(struct bytes in, const struct outcome *outcome)
{
	static uint8_t room[FRAME_MAX + HOST_HEADROOM];
	struct bytes inner = opinion_find_inner(&scene, in, outcome), out;

	if (!inner.size || outcome->out.size > HOST_LINEAR_MAX)
		return;
	if (unwrap(outcome->out, room, &out) != LEAT_DECAP_UNWRAPPED)
		scene_fail("leat-decap does not know what leat has sent");
	if (out.size != ETH_HLEN + inner.size ||
	    memcmp(out.at + ETH_HLEN, inner.at, inner.size) != 0)
		scene_fail("what was unwrapped is not what was wrapped");
}

static void send_under(struct bytes in, const struct condition *condition)
{
	static uint8_t room[FRAME_MAX + HOST_HEADROOM], room_again[FRAME_MAX + HOST_HEADROOM];
	const struct leat_options options = scene.datapath.options;
	struct outcome outcome, again;

	if (!condition->has_options)
		scene.datapath.options = (struct leat_options){ .trace = true };
	host_journal_begin();
	outcome = send_one(in, condition, room);
	opinion_of_counters(&scene, in, &outcome);
	again = send_one(in, condition, room_again);
	if (again.trace.backend != outcome.trace.backend ||
	    again.trace.reason != outcome.trace.reason)
		scene_fail("the same flow went to backend %u (reason %u), then to %u (%u)",
			   outcome.trace.backend, outcome.trace.reason, again.trace.backend,
			   again.trace.reason);
	host_journal_undo();
	check_round_trip(in, &outcome);
	scene.datapath.options = options;
}

/* Each input finds the same maps, so that what it does depends on nothing before it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t room[FRAME_MAX + HOST_HEADROOM];
	const struct bytes in = { data, size };
	struct bytes out;

	if (!scene.node.config) {
		host_clock_ns = UINT64_C(1) << 50;
		scene_init(&scene);
	}
	if (size < ETH_HLEN || size > FRAME_MAX)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(conditions); i++)
		send_under(in, &conditions[i]);
	unwrap(in, room, &out);
	return 0;
}
