/* SPDX-License-Identifier: GPL-2.0-only */
#include "daemon/nat_watch.h"

#include <errno.h>
#include <string.h>

#include "model/nat_state.h"

/* A full map takes sixteen steps. */
#define STEP_ENTRIES 32768

int nat_watch_init(struct nat_watch *watch)
{
	*watch = (struct nat_watch){
		.counting = calloc(LEAT_MAX_BACKENDS, sizeof(*watch->counting)),
		.counted = calloc(LEAT_MAX_BACKENDS, sizeof(*watch->counted)),
	};
	if (watch->counting && watch->counted)
		return 0;
	nat_watch_deinit(watch);
	return -ENOMEM;
}

void nat_watch_deinit(struct nat_watch *watch)
{
	free(watch->counting);
	free(watch->counted);
	*watch = (struct nat_watch){ 0 };
}

/* A walk's view of the backends; NULL: there is no such backend any more. */
struct judge {
	struct nat_watch *watch;
	const struct leat_policy **policies;
	uint32_t now;
};

static uint32_t age_of(const struct judge *judge, const struct leat_nat *nat)
{
	return judge->now > nat->seen ? judge->now - nat->seen : 0;
}

static bool flow_stays(void *user, const struct leat_nat_key *key, const struct leat_nat *client,
		       const struct leat_nat *backend)
{
	const struct judge *judge = user;
	uint32_t id = client->backend % LEAT_MAX_BACKENDS;
	const struct leat_policy *policy = judge->policies[id];

	if (!policy)
		return false;
	if (backend &&
	    MIN(age_of(judge, client), age_of(judge, backend)) >
		    nat_lifetime((uint8_t)key->protocol, client->flags, backend->flags, policy))
		return false;
	judge->watch->counting[id]++;
	judge->watch->counting_all++;
	return true;
}

/* The least silence that ends any flow. */
static uint32_t add_policies(const struct applier *applier, const struct leat_policy **policies)
{
	uint32_t young = UINT32_MAX;

	for (size_t i = 0; i < applier->count; i++) {
		const struct image *image = applier->images[i];

		for (size_t j = 0; j < image->backend_count; j++)
			policies[image->backends[j].id] = &image->policy;
		young = MIN(young, nat_least_lifetime(&image->policy));
	}
	return young;
}

static void end_walk(struct nat_watch *watch)
{
	uint32_t *counted = watch->counted;

	watch->counted = watch->counting;
	watch->counting = counted;
	memset(counted, 0, LEAT_MAX_BACKENDS * sizeof(*counted));
	watch->counted_all = watch->counting_all;
	watch->counting_all = 0;
	watch->counted_since_us = watch->counting_since_us;
	watch->is_empty = watch->counted_all == 0;
}

static int walk_on(struct nat_watch *watch, const struct applier *applier, uint64_t now_us)
{
	uint32_t now = (uint32_t)(now_us * 1000 >> LEAT_TICK_SHIFT);
	cleanup(freep) const struct leat_policy **policies =
		calloc(LEAT_MAX_BACKENDS, sizeof(const struct leat_policy *));
	struct judge judge = { watch, policies, now };
	struct nat_walk walk = {
		.stays = flow_stays,
		.user = &judge,
		.now = now,
		.most = STEP_ENTRIES,
	};
	int r;

	if (!policies)
		return -ENOMEM;
	if (!watch->cursor.has_begun)
		watch->counting_since_us = now_us;
	walk.young = add_policies(applier, policies);
	r = datapath_walk_nat(applier->datapath, &watch->cursor, &walk);
	if (r == 1)
		end_walk(watch);
	return MIN(r, 0);
}

static bool has_nat(const struct applier *applier)
{
	for (size_t i = 0; i < applier->count; i++) {
		if (applier->images[i]->value.flags & LEAT_SERVICE_NAT)
			return true;
	}
	return false;
}

/* All flows are known, and none has to be waited for that says nothing: what was opened before a drain is
 * in the numbers of a walk that began after it. */
static void write_flows(const struct nat_watch *watch, const struct service *service)
{
	if (service->config.forward != LEAT_FORWARD_NAT)
		return;
	for (size_t i = 0; i < service->backend_count; i++) {
		struct backend *backend = service->backends[i];
		struct backend_flows *flows = &backend->flows;

		flows->live = watch->counted[backend->id % LEAT_MAX_BACKENDS];
		flows->closing = 0;
		flows->silent_s = flows->since_us >= watch->counted_since_us;
		flows->is_counted = true;
	}
}

int nat_watch_step(struct nat_watch *watch, const struct applier *applier, struct node *node,
		   uint64_t now_us)
{
	int r;

	if (watch->is_empty && !has_nat(applier))
		return 0;
	r = walk_on(watch, applier, now_us);
	for (size_t i = 0; r == 0 && i < node->service_count; i++)
		write_flows(watch, node->services[i]);
	return r;
}
