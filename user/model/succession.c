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
	backend->id = old->id;
	backend->counter = old->counter;
	backend->rate = old->rate;
}

static int add_backend(struct service *service, const struct backend_config *config,
		       const struct service *old_service)
{
	const struct backend *old = find_backend(old_service, &config->address);
	const struct probe_config *probe = &service->config.probe;
	struct backend *backend = calloc(1, sizeof(*backend));

	if (!backend)
		return -ENOMEM;
	backend->service = service;
	backend->config = *config;
	backend->has_probe = probe->type != PROBE_NONE;
	if (old)
		backend_inherit(backend, old, probe);
	else
		backend_begin(backend, probe);
	service->backends[service->backend_count++] = backend;
	return 0;
}

static int succeed(const struct service_config *config, const struct service *old,
		   struct service **ret_service)
{
	cleanup(service_freep) struct service *service = calloc(1, sizeof(*service));

	if (!service)
		return -ENOMEM;
	service->config = *config;
	service->backends = calloc(config->backend_count + 1, sizeof(struct backend *));
	if (!service->backends)
		return -ENOMEM;
	for (size_t i = 0; i < config->backend_count; i++) {
		int r = add_backend(service, &config->backends[i], old);

		if (r < 0)
			return r;
	}
	if (old) {
		service->id = old->id;
		service->counter = old->counter;
		service->rate = old->rate;
	}
	*ret_service = take_ptr(service);
	return 0;
}

int succession_make(const struct node *node, const struct config *config,
		    struct succession *ret_succession)
{
	cleanup(succession_deinit) struct succession made = { 0 };

	made.services = calloc(config->service_count + 1, sizeof(struct service *));
	if (!made.services)
		return -ENOMEM;
	for (size_t i = 0; i < config->service_count; i++) {
		const struct service_config *service = &config->services[i];
		int r = succeed(service, find_predecessor(node, &service->key),
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
