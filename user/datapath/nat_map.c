/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The flows that are translated, from the daemon's side. The client's entry goes first: a port is free
 * once the backend's is gone, and nobody may send by it then.
 */
#include <bpf/bpf.h>
#include <errno.h>

#include "datapath/internal.h"

#define BATCH_ENTRIES 4096
/* A backend's entry is made a moment before its client's. */
#define ORPHAN_TICKS  8

int datapath_set_nat_pools(struct datapath *datapath,
			   const struct leat_nat_pool pools[NAT_FAMILIES])
{
	static const uint32_t families[] = { [NAT_IPV4] = 4, [NAT_IPV6] = 6 };
	int fd = bpf_map__fd(datapath->maps->maps.nat_pool);

	for (size_t i = 0; i < NAT_FAMILIES; i++) {
		if (bpf_map_update_elem(fd, &families[i], &pools[i], BPF_ANY) < 0)
			return -errno;
	}
	return 0;
}

struct batch {
	struct leat_nat_key keys[BATCH_ENTRIES];
	struct leat_nat values[BATCH_ENTRIES];
	uint32_t count;
};

static int flows_fd(const struct datapath *datapath)
{
	return bpf_map__fd(datapath->maps->maps.nat_flows);
}

/* 1: that was the last one; 0; or -errno. */
static int read_batch(const struct datapath *datapath, struct nat_cursor *cursor,
		      struct batch *batch)
{
	LIBBPF_OPTS(bpf_map_batch_opts, options);
	uint32_t from = cursor->batch;
	int r;

	batch->count = BATCH_ENTRIES;
	r = bpf_map_lookup_batch(flows_fd(datapath), cursor->has_begun ? &from : NULL,
				 &cursor->batch, batch->keys, batch->values, &batch->count,
				 &options);
	cursor->has_begun = true;
	if (r == 0)
		return 0;
	if (errno != ENOENT)
		return -errno;
	*cursor = (struct nat_cursor){ 0 };
	return 1;
}

static void forget(const struct datapath *datapath, const struct leat_nat_key *client,
		   const struct leat_nat_key *backend)
{
	bpf_map_delete_elem(flows_fd(datapath), client);
	bpf_map_delete_elem(flows_fd(datapath), backend);
}

static uint32_t age_of(const struct nat_walk *walk, const struct leat_nat *nat)
{
	return walk->now > nat->seen ? walk->now - nat->seen : 0;
}

/* Without a client's entry that leads to it, which is what a CPU leaves that was a moment too late. */
static void judge_backend(const struct datapath *datapath, const struct nat_walk *walk,
			  const struct leat_nat_key *key, const struct leat_nat *nat)
{
	struct leat_nat_key client, back;
	struct leat_nat found;

	if (age_of(walk, nat) <= MAX(walk->young, ORPHAN_TICKS))
		return;
	leat_nat_peer(key, nat, &client);
	if (bpf_map_lookup_elem(flows_fd(datapath), &client, &found) == 0) {
		leat_nat_peer(&client, &found, &back);
		if (memcmp(&back, key, sizeof(back)) == 0)
			return;
	}
	bpf_map_delete_elem(flows_fd(datapath), key);
}

static void judge_client(const struct datapath *datapath, const struct nat_walk *walk,
			 const struct leat_nat_key *key, const struct leat_nat *nat)
{
	bool is_young = age_of(walk, nat) <= walk->young;
	struct leat_nat_key peer;
	struct leat_nat backend = { .seen = nat->seen };

	leat_nat_peer(key, nat, &peer);
	if (!is_young)
		bpf_map_lookup_elem(flows_fd(datapath), &peer, &backend);
	if (!walk->stays(walk->user, key, nat, is_young ? NULL : &backend))
		forget(datapath, key, &peer);
}

static void judge_batch(const struct datapath *datapath, const struct nat_walk *walk,
			const struct batch *batch)
{
	for (uint32_t i = 0; i < batch->count; i++) {
		if (batch->values[i].flags & LEAT_NAT_FROM_BACKEND)
			judge_backend(datapath, walk, &batch->keys[i], &batch->values[i]);
		else
			judge_client(datapath, walk, &batch->keys[i], &batch->values[i]);
	}
}

int datapath_walk_nat(struct datapath *datapath, struct nat_cursor *cursor,
		      const struct nat_walk *walk)
{
	cleanup(freep) struct batch *batch = malloc(sizeof(*batch));
	size_t seen = 0;
	int r = 0;

	if (!batch)
		return -ENOMEM;
	while (r == 0 && seen < walk->most) {
		r = read_batch(datapath, cursor, batch);
		if (r < 0)
			return r;
		judge_batch(datapath, walk, batch);
		seen += batch->count;
	}
	return r;
}
