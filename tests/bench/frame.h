/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The packet of a scenario; the wrapper writes every flow's own source into it.
 */
#ifndef LEAT_TESTS_BENCH_FRAME_H
#define LEAT_TESTS_BENCH_FRAME_H

#include "tests/bench/services.h"

#define FRAME_ROOM 128

struct frame {
	uint8_t bytes[FRAME_ROOM];
	size_t size;
};

/* To the (first) service, with an empty TCP segment or 12 bytes in a UDP datagram. */
void frame_make(struct frame *ret_frame, const struct bench_service *service, uint8_t tcp_flags);

#endif
