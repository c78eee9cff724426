/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/succession.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"

static const struct service *find_predecessor(const struct node *node,
					      const struct leat_service_key *key)
{
	for (size_t i = 0; i < node->service_count; i++) {
		if (memcmp(&node->services[i]->config.key, key, sizeof(*key)) == 0)
			return node->services[i];
	}
	return NULL;
}

static const struct backend *find_backend(const struct service *service,
					  const struct leat_addr *address)
{
	for (size_t i = 0; service && i < service->backend_count; i++) {
		if (address_equal(&service->backends[i]->config.address, address))
			return service->backends[i];
	}
	return NULL;
}

/* Without a probe nothing is ever counted, and any thresholds do. */
static uint32_t threshold(uint32_t configured)
{
	return MAX(configured, 1U);
}

static void backend_begin(struct backend *backend, const struct probe_config *probe)
{
	backend->health = health_new(threshold(probe->rise), threshold(probe->fall));
	backend->state = BACKEND_UNKNOWN;
	backend->state_changed_s = clock_wall_s();
	backend->ramp_percent = 100;
	strcpy(backend->reason, "no probe has ended yet");
}

static void backend_inherit(struct backend *backend, const struct backend *old,
			    const struct probe_config *probe)
{
	backend->health = old->health;
	/* One that served without a probe goes on until its first probes have failed. */
	if (!old->has_probe && backend->has_probe)
		health_update(&backend->health, true);
	health_set_thresholds(&backend->health, threshold(probe->rise), threshold(probe->fall));
	backend->operator_change = old->operator_change;
	backend->next_hop = old->next_hop;
	backend->probe_stats = old->probe_stats;
	backend->state = old->state;
	backend->state_changed_s = old->state_changed_s;
	memcpy(backend->reason, old->reason, sizeof(backend->reason));
	backend->ramp_percent = old->ramp_percent;
	backend->ramp_started_us = old->ramp_started_us;
	backend->is_drain_told = old->is_drain_told;
	backend->flows = old->flows;
	backend->id = old->id;
	backend->counter = old->counter;
	backend->rate = old->rate;
}

static int add_backend(struct service *service, const struct backend_config *config,
		       const struct backend *old, bool is_leaving)
{
	const struct probe_config *probe = &service->config.probe;
	struct backend *backend = calloc(1, sizeof(*backend));

	if (!backend)
		return -ENOMEM;
	backend->service = service;
	backend->config = *config;
	backend->is_leaving = is_leaving;
	backend->has_probe = probe->type != PROBE_NONE;
	if (old)
		backend_inherit(backend, old, probe);
	else
		backend_begin(backend, probe);
	service->backends[service->backend_count++] = backend;
	return 0;
}

static bool has_backend(const struct service_config *config, const struct leat_addr *address)
{
	for (size_t i = 0; i < config->backend_count; i++) {
		if (address_equal(&config->backends[i].address, address))
			return true;
	}
	return false;
}

/* One that keeps no flow has nothing to stay for. */
static bool is_lost(const struct service_config *config, const struct backend *backend)
{
	return !has_backend(config, &backend->config.address) && backend_keeps_flows(backend) &&
	       !(backend->is_leaving && backend_is_drained(backend));
}

/* Its name may be another's in the new file. */
static void name_leaving(const struct service *service, struct backend_config *config)
{
	char text[ADDRESS_TEXT_SIZE];

	if (service_find_backend(service, config->name))
		snprintf(config->name, sizeof(config->name), "%s",
			 address_format(&config->address, text));
}

/* What does not fit any more is not drained, but gone. */
static int add_leaving(struct service *service, const struct service *old)
{
	for (size_t i = 0; i < old->backend_count; i++) {
		const struct backend *backend = old->backends[i];
		struct backend_config config = backend->config;
		int r;

		if (!is_lost(&service->config, backend))
			continue;
		if (service->backend_count == LEAT_MAX_SERVICE_BACKENDS)
			return 0;
		name_leaving(service, &config);
		r = add_backend(service, &config, backend, true);
		if (r < 0)
			return r;
	}
	return 0;
}

int succession_add_leaving(struct service *service, const char *name,
			   const struct leat_addr *address,
			   const struct server_id server_ids[LEAT_QUIC_CONFIGS])
{
	struct backend_config config = { .address = *address };
	struct backend **more;

	if (service->backend_count == LEAT_MAX_SERVICE_BACKENDS)
		return -ENOSPC;
	more = realloc(service->backends, (service->backend_count + 1) * sizeof(struct backend *));
	if (!more)
		return -ENOMEM;
	service->backends = more;
	snprintf(config.name, sizeof(config.name), "%s", name);
	memcpy(config.server_ids, server_ids, sizeof(config.server_ids));
	name_leaving(service, &config);
	return add_backend(service, &config, NULL, true);
}

static int add_configured(struct service *service, const struct service *old)
{
	const struct service_config *config = &service->config;

	for (size_t i = 0; i < config->backend_count; i++) {
		const struct backend_config *backend = &config->backends[i];
		int r = add_backend(service, backend, find_backend(old, &backend->address), false);

		if (r < 0)
			return r;
	}
	return 0;
}

static int succeed(const struct service_config *config, const struct service *old, bool drains_lost,
		   struct service **ret_service)
{
	cleanup(service_freep) struct service *service = calloc(1, sizeof(*service));
	int r;

	if (!service)
		return -ENOMEM;
	service->config = *config;
	/* With room for those that leave. */
	service->backends = calloc(config->backend_count + (old ? old->backend_count : 0) + 1,
				   sizeof(struct backend *));
	if (!service->backends)
		return -ENOMEM;
	r = add_configured(service, old);
	if (r == 0 && old && drains_lost)
		r = add_leaving(service, old);
	if (r < 0)
		return r;
	if (old) {
		service->id = old->id;
		service->open_slots = old->open_slots;
		service->counter = old->counter;
		service->rate = old->rate;
	}
	*ret_service = take_ptr(service);
	return 0;
}

int succession_make(const struct node *node, const struct config *config, bool drains_lost,
		    struct succession *ret_succession)
{
	cleanup(succession_deinit) struct succession made = { 0 };

	made.services = calloc(config->service_count + 1, sizeof(struct service *));
	if (!made.services)
		return -ENOMEM;
	for (size_t i = 0; i < config->service_count; i++) {
		const struct service_config *service = &config->services[i];
		int r = succeed(service, find_predecessor(node, &service->key), drains_lost,
				&made.services[made.count]);

		if (r < 0)
			return r;
		made.count++;
	}
	*ret_succession = made;
	made = (struct succession){ 0 };
	return 0;
}

void succession_deinit(struct succession *succession)
{
	for (size_t i = 0; i < succession->count; i++)
		service_free(succession->services[i]);
	free(succession->services);
	*succession = (struct succession){ 0 };
}
