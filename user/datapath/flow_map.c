/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The flows that open slots remember, from the daemon's side: read and forgotten in batches, while
 * the datapath goes on adding to them.
 */
#include <bpf/bpf.h>
#include <errno.h>

#include "datapath/internal.h"

#define BATCH 4096

struct batch {
	uint64_t keys[BATCH];
	struct leat_flow flows[BATCH];
};

typedef void (*visit)(void *user, int map_fd, const uint64_t *key, const struct leat_flow *flow);

/* A flow that moves while we look may be seen twice or, if it is as new as that, not at all. */
static int visit_map(int fd, visit fn, void *user)
{
	cleanup(freep) struct batch *batch = malloc(sizeof(*batch));
	uint32_t position, *previous = NULL, count;
	int r;

	if (!batch)
		return -ENOMEM;
	do {
		count = BATCH;
		r = bpf_map_lookup_batch(fd, previous, &position, batch->keys, batch->flows, &count,
					 NULL);
		if (r < 0 && r != -ENOENT)
			return r;
		for (uint32_t i = 0; i < count; i++)
			fn(user, fd, &batch->keys[i], &batch->flows[i]);
		previous = &position;
	} while (r == 0);
	return 0;
}

static int visit_all(struct datapath *datapath, visit fn, void *user)
{
	int r = visit_map(bpf_map__fd(datapath->maps->maps.flows), fn, user);

	return r < 0 ? r : visit_map(bpf_map__fd(datapath->maps->maps.half_open), fn, user);
}

struct forgetting {
	bool (*goes)(void *user, const struct leat_flow *flow);
	void *user;
};

static void forget(void *user, int map_fd, const uint64_t *key, const struct leat_flow *flow)
{
	const struct forgetting *forgetting = user;

	if (forgetting->goes(forgetting->user, flow))
		bpf_map_delete_elem(map_fd, key);
}

int datapath_forget_flows(struct datapath *datapath,
			  bool (*goes)(void *user, const struct leat_flow *flow), void *user)
{
	struct forgetting forgetting = { goes, user };

	return visit_all(datapath, forget, &forgetting);
}

struct listener {
	void (*fn)(void *user, const struct leat_flow *flow);
	void *user;
};

static void tell(void *user, int map_fd, const uint64_t *key, const struct leat_flow *flow)
{
	const struct listener *listener = user;

	(void)map_fd;
	(void)key;
	listener->fn(listener->user, flow);
}

int datapath_visit_flows(struct datapath *datapath,
			 void (*fn)(void *user, const struct leat_flow *flow), void *user)
{
	struct listener listener = { fn, user };

	return visit_all(datapath, tell, &listener);
}

int datapath_read_transition(struct datapath *datapath, uint32_t table,
			     struct leat_transition *ret_transition)
{
	return bpf_map_lookup_elem(bpf_map__fd(datapath->maps->maps.transitions), &table,
				   ret_transition);
}
