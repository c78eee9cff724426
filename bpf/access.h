/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which sources are let in: the node's list has its say first, then that of the service. In either, the
 * longest prefix decides.
 */
#ifndef LEAT_BPF_ACCESS_H
#define LEAT_BPF_ACCESS_H

#include "bpf/maps.h"
#include "bpf/packet.h"
#include "bpf/trace.h"

/* 0 or a negative reason. An index without a list lets everybody in. */
static __always_inline int access_look_up(__u32 index, const struct leat_prefix *source)
{
	void *list = bpf_map_lookup_elem(&access_lists, &index);
	const __u32 *found;

	if (!list)
		return 0;
	found = bpf_map_lookup_elem(list, source);
	trace_access(index, found);
	if (!found || *found == LEAT_ACCESS_ALLOWED)
		return 0;
	return *found == LEAT_ACCESS_DENIED ? -LEAT_DENIED : -LEAT_NOT_ALLOWED;
}

/* For the source whose address these halves are: 0 or a negative reason. `list` is a service's id, or
 * LEAT_ACCESS_NODE where there is none. A global function, as flow_pick(). */
__noinline int access_judge(__u32 list, __u64 upper, __u64 lower)
{
	struct leat_addr address = { .halves = { upper, lower } };
	struct leat_prefix source = { .len = 8 * sizeof(address) };
	int r;

	for (int i = 0; i < 4; i++)
		source.address[i] = address.words[i];
	r = access_look_up(LEAT_ACCESS_NODE, &source);
	return r < 0 || list == LEAT_ACCESS_NODE ? r : access_look_up(list, &source);
}

static __always_inline int access_check(__u32 list, const struct leat_addr *source)
{
	int r;

	if (!options.access)
		return 0;
	r = access_judge(list, source->halves[0], source->halves[1]);
	barrier_var(r);
	return r;
}

#endif
