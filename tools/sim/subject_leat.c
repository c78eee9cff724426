/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Leat itself: on each node the datapath's C, and the daemon's own modules for configuration, tables,
 * transitions, drains and removals. What a daemon hears from probes and files comes from the world.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "daemon/daemon.h"
#include "model/encode.h"
#include "tools/sim/clock.h"
#include "tools/sim/edge.h"
#include "tools/sim/subject.h"

struct leat_edge {
	struct datapath edge;
	struct daemon daemon;
	uint16_t numbers[LEAT_MAX_BACKENDS]; /* of backends, by id */
};

struct leat {
	struct leat_edge *nodes[WORLD_MAX_NODES]; /* NULL: does not serve */
	struct leat_service_key key;
	uint32_t flow_buckets;
	uint64_t events[LEAT_EVENT_COUNT]; /* of nodes that have left */
};

/* In the place of reload.c and observe.c: a simulated daemon has no loop and watches nothing. */
void daemon_mark_stale(struct daemon *daemon, struct service *service)
{
	(void)daemon;
	service->is_stale = true;
}

void daemon_release_backend(struct backend *backend, struct resolver *resolver)
{
	(void)backend;
	(void)resolver;
}

static void fill_backends(const struct world *world, struct service_config *service)
{
	for (uint32_t i = 1; i < world->backend_end; i++) {
		struct backend_config *backend = &service->backends[service->backend_count];

		if (!world->backends[i].is_configured)
			continue;
		backend->address = world_backend_address(i);
		backend->weight = world->backends[i].weight;
		snprintf(backend->name, sizeof(backend->name), "backend%u", i);
		service->backend_count++;
	}
}

static void fill_service(const struct world *world, struct service_config *service)
{
	*service = (struct service_config){
		.name = "service",
		.key = world_service_key(world),
		.scheduler = world->scheduler,
		.table_size = world->table_size,
		.forward = LEAT_FORWARD_L2,
		.tcp_idle_ms = world->idle_s * 1000,
		.udp_idle_ms = world->idle_s * 1000,
		.probe = { .type = PROBE_TCP, .rise = 1, .fall = 1 },
		.backends = calloc(world->backend_end, sizeof(struct backend_config)),
	};
	if (service->backends)
		fill_backends(world, service);
}

static struct config *make_config(const struct world *world)
{
	cleanup(config_freep) struct config *config = calloc(1, sizeof(*config));

	if (!config)
		return NULL;
	config->seed = world->seed;
	config->has_next_hop = true;
	config->services = calloc(1, sizeof(*config->services));
	if (!config->services)
		return NULL;
	config->service_count = 1;
	fill_service(world, config->services);
	return config->services->backends ? take_ptr(config) : NULL;
}

/* What the operator says, and what probes do. */
static void observe(const struct world *world, struct backend *backend)
{
	const struct world_backend *real =
		&world->backends[world_backend_number(&backend->config.address)];
	enum backend_state state;

	backend->operator_change.state = real->drained_by ? OPERATOR_DRAIN : OPERATOR_NONE;
	backend->health = health_restore(real->is_up, real->is_up, 1, 1);
	state = backend_current_state(backend);
	if (state == backend->state)
		return;
	backend->state = state;
	backend->state_changed_s = clock_now_s();
	daemon_begin_slow_start(backend);
}

static int apply(struct leat_edge *node)
{
	struct daemon *daemon = &node->daemon;
	const struct service *service = daemon->node.services[0];
	const struct image *image;
	int r = applier_apply(&daemon->applier, &daemon->node, daemon->node.services, 1, true);

	if (r < 0)
		return r;
	daemon->node.services[0]->is_stale = false;
	image = applier_find_image(&daemon->applier, &service->config.key);
	for (size_t i = 0; i < image->backend_count; i++)
		node->numbers[image->backends[i].id] =
			(uint16_t)world_backend_number(&image->backends[i].address);
	return 0;
}

static int adopt(struct leat_edge *node, const struct world *world)
{
	cleanup(config_freep) struct config *config = make_config(world);
	struct node *now = &node->daemon.node;
	struct succession next, old = { now->services, now->service_count };
	int r = config ? succession_make(now, config, true, &next) : -ENOMEM;

	if (r < 0)
		return r;
	for (size_t i = 0; i < next.services[0]->backend_count; i++)
		observe(world, next.services[0]->backends[i]);
	succession_deinit(&old);
	if (now->config)
		config_free(now->config);
	node->edge.options = options_encode(config);
	now->config = take_ptr(config);
	now->services = next.services;
	now->service_count = next.count;
	return apply(node);
}

static void node_free(struct leat_edge *node)
{
	if (!node)
		return;
	applier_deinit(&node->daemon.applier);
	node_deinit(&node->daemon.node);
	datapath_deinit(&node->edge);
	free(node);
}

static int node_new(const struct leat *leat, const struct world *world, uint8_t index,
		    struct leat_edge **ret_node)
{
	struct leat_edge *node = calloc(1, sizeof(*node));
	uint64_t flow_key = leat_mix(world->seed ^ (uint64_t)world->event << 8 ^ index);
	int r;

	if (!node)
		return -ENOMEM;
	r = edge_init(&node->edge, leat->flow_buckets, world->cpus, flow_key);
	if (r == 0)
		r = applier_init(&node->daemon.applier, &node->edge);
	if (r == 0)
		r = adopt(node, world);
	if (r < 0)
		node_free(node);
	else
		*ret_node = node;
	return r;
}

static uint32_t leat_pick(const struct subject *subject, const struct world *world,
			  const struct flow *flow, uint8_t tcp_flags)
{
	const struct leat *leat = subject->state;
	struct leat_edge *node = leat->nodes[flow->node];
	const struct edge_packet packet = {
		.service = leat->key,
		.source = flow_source(flow),
		.ports = flow->ports,
		.cpu = world_cpu(world, flow->node, flow->route),
		.tcp_flags = world->protocol == IPPROTO_TCP ? tcp_flags : 0,
	};

	return node->numbers[edge_send(&node->edge, &packet)];
}

static void leat_prefetch(const struct subject *subject, const struct flow *flow, bool is_last)
{
	const struct leat *leat = subject->state;

	edge_prefetch(&leat->nodes[flow->node]->edge, flow->hash, is_last);
}

static int leat_change(const struct subject *subject, const struct world *world)
{
	struct leat *leat = subject->state;
	int r = 0;

	for (size_t i = 0; r == 0 && i < WORLD_MAX_NODES; i++) {
		if (leat->nodes[i])
			r = adopt(leat->nodes[i], world);
	}
	return r;
}

static int import_history(struct leat_edge *node, struct leat_edge *from)
{
	cleanup(freep) char *error = NULL;
	json_t *history;
	int r = daemon_export_history(&from->daemon, &history);

	if (r < 0)
		return r;
	r = daemon_import_history(&node->daemon, history, &error);
	json_decref(history);
	if (r < 0)
		log_error("the history of another node: %s", error);
	return r;
}

/* From the first node that serves already. */
static int leat_join(const struct subject *subject, const struct world *world, uint8_t node)
{
	struct leat *leat = subject->state;
	uint8_t other = 0;
	int r = node_new(leat, world, node, &leat->nodes[node]);

	while (other < world->node_count && (other == node || !leat->nodes[other]))
		other++;
	if (r < 0 || !world->imports_history || other == world->node_count)
		return r;
	return import_history(leat->nodes[node], leat->nodes[other]);
}

static void add_events(struct leat_edge *node, uint64_t sums[LEAT_EVENT_COUNT])
{
	uint64_t events[LEAT_EVENT_COUNT];

	datapath_read_events(&node->edge, events);
	for (size_t i = 0; i < LEAT_EVENT_COUNT; i++)
		sums[i] += events[i];
}

static void leat_leave(const struct subject *subject, uint8_t node)
{
	struct leat *leat = subject->state;

	add_events(leat->nodes[node], leat->events);
	node_free(leat->nodes[node]);
	leat->nodes[node] = NULL;
}

static uint16_t leat_changed_by(const struct subject *subject, const struct world *world,
				const struct flow *flow)
{
	uint16_t changed_by = subject->table->kind->changed_by(subject->table, world, flow);

	return MAX(changed_by, flow->moved);
}

static void leat_free(void *state)
{
	struct leat *leat = state;

	for (size_t i = 0; i < WORLD_MAX_NODES; i++)
		node_free(leat->nodes[i]);
	free(leat);
}

int subject_init_leat(struct subject *subject, const struct subject *table, uint32_t flow_buckets,
		      const struct world *world)
{
	static const struct subject_kind kind = {
		.pick = leat_pick,
		.change = leat_change,
		.join = leat_join,
		.leave = leat_leave,
		.changed_by = leat_changed_by,
		.prefetch = leat_prefetch,
		.free = leat_free,
	};
	struct leat *leat = calloc(1, sizeof(*leat));

	if (!leat)
		return -ENOMEM;
	log_set_level(LOG_LEVEL_WARNING);
	leat->key = world_service_key(world);
	leat->flow_buckets = flow_buckets;
	*subject = (struct subject){ "leat", &kind, leat, table };
	return 0;
}

static int settle_node(struct leat_edge *node)
{
	struct daemon *daemon = &node->daemon;
	int r = applier_settle(&daemon->applier, &daemon->node, clock_now_us());

	if (r < 0)
		return r;
	daemon_advance_backends(daemon, clock_now_us());
	return daemon->node.services[0]->is_stale ? apply(node) : 0;
}

int leat_settle(const struct subject *subject, const struct world *world)
{
	const struct leat *leat = subject->state;
	int r = 0;

	for (size_t i = 0; r == 0 && i < world->node_count; i++) {
		if (leat->nodes[i])
			r = settle_node(leat->nodes[i]);
	}
	return r;
}

static bool node_is_settled(const struct leat_edge *node)
{
	const struct service *service = node->daemon.node.services[0];

	for (size_t i = 0; i < service->backend_count; i++) {
		if (service->backends[i]->is_leaving)
			return false;
	}
	return service->open_slots == 0;
}

bool leat_is_settled(const struct subject *subject)
{
	const struct leat *leat = subject->state;

	for (size_t i = 0; i < WORLD_MAX_NODES; i++) {
		if (leat->nodes[i] && !node_is_settled(leat->nodes[i]))
			return false;
	}
	return true;
}

bool leat_opens_flow(const struct subject *subject, const struct flow *flow)
{
	const struct leat *leat = subject->state;

	return slot_is_open(edge_slot(&leat->nodes[flow->node]->edge, flow->hash));
}

uint32_t leat_count_open(const struct subject *subject)
{
	const struct leat *leat = subject->state;
	uint32_t open = 0;

	for (size_t i = 0; i < WORLD_MAX_NODES; i++) {
		if (leat->nodes[i])
			open += leat->nodes[i]->daemon.node.services[0]->open_slots;
	}
	return open;
}

void leat_read_events(const struct subject *subject, uint64_t ret_events[LEAT_EVENT_COUNT])
{
	const struct leat *leat = subject->state;

	memcpy(ret_events, leat->events, sizeof(leat->events));
	for (size_t i = 0; i < WORLD_MAX_NODES; i++) {
		if (leat->nodes[i])
			add_events(leat->nodes[i], ret_events);
	}
}
