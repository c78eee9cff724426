/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Leat's two XDP programs, compiled for the host: the same sources as in the kernel, under ASan and
 * UBSan, over maps in memory.
 */
#ifndef LEAT_TESTS_JUDGE_PROGRAMS_H
#define LEAT_TESTS_JUDGE_PROGRAMS_H

#include "tools/host/datapath.h"
#include "tools/host/frame.h"

struct decap {
	struct host_map inner, outer, source, count;
	struct leat_decap_options options;
};

/* 0 or -ENOMEM. */
int leat_init(struct datapath *datapath, uint32_t flow_buckets, uint64_t flow_key);
int decap_init(struct decap *decap);

/* An XDP action; `frame` becomes what came out. On CPU 0 of one. */
int leat_run(struct datapath *datapath, struct host_frame *frame, struct leat_trace *ret_trace);
int decap_run(struct decap *decap, struct host_frame *frame);

#endif
