/* SPDX-License-Identifier: GPL-2.0-only */
#include "tools/host/leat.h"

#include "tests/judge/programs.h"

int leat_init(struct datapath *datapath, uint32_t flow_buckets, uint64_t flow_key)
{
	return datapath_init(datapath, flow_buckets, 1, flow_key);
}

int leat_run(struct datapath *datapath, struct host_frame *frame, struct leat_trace *ret_trace)
{
	int action;

	datapath_enter(datapath, 0);
	trace = (struct leat_trace){ 0 };
	action = balance(frame);
	*ret_trace = trace;
	return action;
}
