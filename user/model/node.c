/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/node.h"

#include <assert.h>
#include <string.h>

const char *next_hop_state_name(enum next_hop_state state)
{
	static const char *const names[] = { "pending", "resolved", "no_route", "no_neighbour",
					     "local" };

	assert(state < ARRAY_SIZE(names));
	return names[state];
}

bool backend_keeps_flows(const struct backend *backend)
{
	if (backend->operator_change.state == OPERATOR_DISABLE)
		return false;
	return !backend->has_probe || health_is_up(&backend->health) ||
	       health_is_unknown(&backend->health);
}

bool backend_is_drained(const struct backend *backend)
{
	const struct backend_flows *flows = &backend->flows;

	if (!backend_keeps_flows(backend))
		return true;
	return backend_effective_weight(backend) == 0 && flows->since_us && flows->live == 0 &&
	       flows->closing == 0 && flows->silent_s == 0;
}

const char *backend_state_name(enum backend_state state)
{
	static const char *const names[BACKEND_STATE_COUNT] = { "up", "down", "unknown", "draining",
								"disabled" };

	assert(state < BACKEND_STATE_COUNT);
	return names[state];
}

const char *operator_state_name(enum operator_state state)
{
	static const char *const names[] = { "none", "drain", "disable" };

	assert(state < ARRAY_SIZE(names));
	return names[state];
}

bool next_hop_equal(const struct next_hop *a, const struct next_hop *b)
{
	return a->state == b->state && a->has_gateway == b->has_gateway &&
	       a->ifindex == b->ifindex && a->mtu == b->mtu && a->vlan == b->vlan &&
	       memcmp(a->dst_mac, b->dst_mac, sizeof(a->dst_mac)) == 0 &&
	       memcmp(a->src_mac, b->src_mac, sizeof(a->src_mac)) == 0;
}

const uint64_t probe_bucket_us[PROBE_BUCKETS - 1] = {
	1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000,
};

static size_t bucket_of(uint64_t duration_us)
{
	size_t bucket = 0;

	while (bucket < ARRAY_SIZE(probe_bucket_us) && duration_us > probe_bucket_us[bucket])
		bucket++;
	return bucket;
}

void probe_stats_count(struct probe_stats *stats, const struct probe_result *result)
{
	enum probe_layer layer = probe_outcome_layer(result->outcome);

	if (layer != PROBE_LAYER_NONE)
		stats->failures[layer]++;
	/* A run that never left this node has no duration worth knowing. */
	if (layer == PROBE_LAYER_INTERNAL)
		return;
	stats->buckets[bucket_of(result->duration_us)]++;
	stats->sum_us += result->duration_us;
}

uint32_t backend_wanted_weight(const struct backend *backend)
{
	if (backend->operator_change.has_weight)
		return backend->operator_change.weight;
	return backend->config.weight;
}

enum backend_state backend_current_state(const struct backend *backend)
{
	if (backend->operator_change.state == OPERATOR_DISABLE)
		return BACKEND_DISABLED;
	if (backend->is_leaving || backend->operator_change.state == OPERATOR_DRAIN ||
	    backend_wanted_weight(backend) == 0)
		return BACKEND_DRAINING;
	if (!backend->has_probe)
		return BACKEND_UP;
	if (health_is_unknown(&backend->health))
		return BACKEND_UNKNOWN;
	return health_is_up(&backend->health) ? BACKEND_UP : BACKEND_DOWN;
}

uint32_t backend_effective_weight(const struct backend *backend)
{
	uint64_t weight = backend_wanted_weight(backend);

	if (backend_current_state(backend) != BACKEND_UP)
		return 0;
	return (uint32_t)((weight * backend->ramp_percent + 99) / 100);
}

struct service *node_find_service(const struct node *node, const char *name)
{
	for (size_t i = 0; i < node->service_count; i++) {
		if (strcmp(node->services[i]->config.name, name) == 0)
			return node->services[i];
	}
	return NULL;
}

struct backend *service_find_backend(const struct service *service, const char *name)
{
	struct backend *leaving = NULL;

	for (size_t i = 0; i < service->backend_count; i++) {
		struct backend *backend = service->backends[i];

		if (strcmp(backend->config.name, name) != 0)
			continue;
		if (!backend->is_leaving)
			return backend;
		leaving = leaving ?: backend;
	}
	return leaving;
}

double backend_share(const struct backend *backend)
{
	uint32_t size = backend->service->config.table_size;

	return size ? (double)backend->slots / size : 0;
}

/* What the operator took out, or the file drains, is not unhealthy. */
static bool is_judged(const struct backend *backend, uint64_t since_s, bool is_final)
{
	switch (backend_current_state(backend)) {
	case BACKEND_UP:
		return true;
	case BACKEND_DOWN:
		return backend->state_changed_s >= since_s;
	case BACKEND_UNKNOWN:
		return is_final;
	default:
		return false;
	}
}

uint32_t service_healthy_percent(const struct service *service, uint64_t since_s, bool is_final)
{
	size_t up = 0, judged = 0;

	for (size_t i = 0; i < service->backend_count; i++) {
		const struct backend *backend = service->backends[i];

		if (!is_judged(backend, since_s, is_final))
			continue;
		judged++;
		up += backend_current_state(backend) == BACKEND_UP;
	}
	return judged ? (uint32_t)(100 * up / judged) : 100;
}

struct backend *backend_free(struct backend *backend)
{
	free(backend);
	return NULL;
}

struct service *service_free(struct service *service)
{
	for (size_t i = 0; i < service->backend_count; i++)
		backend_free(service->backends[i]);
	free(service->backends);
	free(service);
	return NULL;
}

void node_deinit(struct node *node)
{
	for (size_t i = 0; i < node->service_count; i++)
		service_free(node->services[i]);
	free(node->services);
	if (node->config)
		config_free(node->config);
	free(node->config_path);
	denied_deinit(&node->denied);
	*node = (struct node){ 0 };
}

void counter_rate_update(struct counter_rate *rate, const struct leat_counter *now, double seconds)
{
	/* A counter that went back belongs to another service or backend now. */
	if (now->packets < rate->sampled.packets)
		rate->sampled = (struct leat_counter){ 0 };
	rate->packets_per_s = (double)(now->packets - rate->sampled.packets) / seconds;
	rate->bytes_per_s = (double)(now->bytes - rate->sampled.bytes) / seconds;
	rate->sampled = *now;
}
