/* SPDX-License-Identifier: GPL-2.0-only */
#include "tests/judge/programs.h"
#include "tools/host/program.h"

/* clang-format off: it takes the lines between for one */
HOST_BEGIN_BPF
/* They are bpf/leat.bpf.c's, too. */
#define options decap_options
#define LICENSE DECAP_LICENSE
#include "bpf/packet.h"
/* What is set before load there is set at any time here. */
#define const
#include "bpf/decap.bpf.c"
#undef const
#undef options
HOST_END_BPF
/* clang-format on */

int decap_init(struct decap *decap)
{
	const struct host_map inner = HOST_DESCRIBE(decap_inner);
	const struct host_map outer = HOST_DESCRIBE(decap_outer);
	const struct host_map source = HOST_DESCRIBE(decap_source);
	const struct host_map count = HOST_DESCRIBE(decap_count);
	int r = host_map_init(&decap->inner, &inner);

	r |= host_map_init(&decap->outer, &outer);
	r |= host_map_init(&decap->source, &source);
	return r | host_map_init(&decap->count, &count);
}

int decap_run(struct decap *decap, struct host_frame *frame)
{
	HOST_BIND(decap_inner, &decap->inner);
	HOST_BIND(decap_outer, &decap->outer);
	HOST_BIND(decap_source, &decap->source);
	HOST_BIND(decap_count, &decap->count);
	decap_options = decap->options;
	return leat_decap(frame);
}
