/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What probes and the kernel report, and what follows from it for a backend. Every probe, whatever
 * its kind, ends in daemon_on_probe_result().
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/daemon.h"

static struct leat_registry_key registry_key(const struct backend *backend)
{
	return (struct leat_registry_key){
		.service = backend->service->config.key,
		.backend = backend->config.address,
	};
}

static void write_note(struct daemon *daemon, const struct backend *backend)
{
	struct leat_registry_key key = registry_key(backend);
	struct leat_registry_entry entry = {
		.health = backend->health.counter,
		.is_up = health_is_up(&backend->health),
		.changed_s = backend->state_changed_s,
	};
	int r;

	memcpy(entry.reason, backend->reason, sizeof(entry.reason));
	r = datapath_write_note(daemon->datapath, &key, &entry);
	/* A backend that the datapath was not told of yet gets its note when it is. */
	if (r < 0 && r != -ENOENT)
		log_warning("%s/%s: cannot note its state: %s", backend->service->config.name,
			    backend->config.name, strerror(-r));
}

bool daemon_restore_health(struct daemon *daemon, struct backend *backend)
{
	const struct probe_config *probe = &backend->service->config.probe;
	struct leat_registry_key key = registry_key(backend);
	struct leat_registry_entry entry;

	if (datapath_read_note(daemon->datapath, &key, &entry) < 0)
		return false;
	if (backend->has_probe)
		backend->health =
			health_restore(entry.health, entry.is_up, probe->rise, probe->fall);
	backend->state = backend_current_state(backend);
	backend->state_changed_s = entry.changed_s;
	entry.reason[sizeof(entry.reason) - 1] = '\0';
	memcpy(backend->reason, entry.reason, sizeof(backend->reason));
	return true;
}

void daemon_mark_stale(struct daemon *daemon, struct service *service)
{
	service->is_stale = true;
	sd_event_source_set_enabled(daemon->apply_source, SD_EVENT_ONESHOT);
}

static void tell_state(struct daemon *daemon, const struct backend *backend)
{
	static const enum event_kind kinds[BACKEND_STATE_COUNT] = {
		[BACKEND_UNKNOWN] = EVENT_BACKEND_UNKNOWN,
		[BACKEND_UP] = EVENT_BACKEND_UP,
		[BACKEND_DOWN] = EVENT_BACKEND_DOWN,
		[BACKEND_DRAINING] = EVENT_BACKEND_DRAINING,
		[BACKEND_DISABLED] = EVENT_BACKEND_DISABLED,
	};

	daemon_tell_backend(daemon, kinds[backend->state], backend, " is %s: %s",
			    backend_state_name(backend->state), backend->reason);
}

void daemon_update_backend(struct daemon *daemon, struct backend *backend, const char *reason)
{
	enum backend_state state = backend_current_state(backend);

	if (state != backend->state) {
		backend->state = state;
		backend->state_changed_s = clock_wall_s();
		snprintf(backend->reason, sizeof(backend->reason), "%s", reason);
		backend->flows.since_us = 0;
		tell_state(daemon, backend);
		daemon_begin_slow_start(backend);
	}
	write_note(daemon, backend);
	daemon_mark_stale(daemon, backend->service);
}

static void describe_result(const struct probe_result *result, char *text, size_t size)
{
	snprintf(text, size, "%s: %s%s%s", probe_outcome_code(result->outcome),
		 probe_outcome_text(result->outcome), result->detail[0] ? ", " : "",
		 result->detail);
}

void daemon_on_probe_result(void *user, void *subject, const struct probe_result *result)
{
	enum probe_layer layer = probe_outcome_layer(result->outcome);
	char reason[BACKEND_REASON_SIZE];
	struct backend *backend = subject;
	struct daemon *daemon = user;

	describe_result(result, reason, sizeof(reason));
	probe_stats_count(&backend->probe_stats, result);
	log_debug("%s/%s probed: %s", backend->service->config.name, backend->config.name, reason);
	if (layer == PROBE_LAYER_INTERNAL)
		return;
	if (health_update(&backend->health, layer == PROBE_LAYER_NONE))
		daemon_update_backend(daemon, backend, reason);
}

static void tell_next_hop(struct daemon *daemon, const struct backend *backend)
{
	const struct next_hop *next_hop = &backend->next_hop;
	char mac[MAC_TEXT_SIZE];

	if (next_hop->state == NEXT_HOP_RESOLVED && next_hop->has_gateway &&
	    backend->service->config.forward == LEAT_FORWARD_L2)
		daemon_tell_backend(daemon, EVENT_NEXT_HOP_LOST, backend,
				    " is behind a router, where l2 cannot reach it; use forward: "
				    "ipip");
	else if (next_hop->state == NEXT_HOP_RESOLVED)
		daemon_tell_backend(daemon, EVENT_NEXT_HOP_FOUND, backend,
				    ": next hop %s on interface %u",
				    mac_format(next_hop->dst_mac, mac), next_hop->ifindex);
	else if (next_hop->state != NEXT_HOP_PENDING)
		daemon_tell_backend(daemon, EVENT_NEXT_HOP_LOST, backend, " has no next hop: %s",
				    next_hop_state_name(next_hop->state));
}

static void set_next_hop(struct daemon *daemon, struct backend *backend,
			 const struct next_hop *next_hop)
{
	if (next_hop_equal(&backend->next_hop, next_hop))
		return;
	backend->next_hop = *next_hop;
	tell_next_hop(daemon, backend);
	daemon_mark_stale(daemon, backend->service);
}

void daemon_on_next_hop(void *user, const struct leat_addr *address,
			const struct next_hop *next_hop)
{
	struct daemon *daemon = user;

	for (size_t i = 0; i < daemon->node.service_count; i++) {
		struct service *service = daemon->node.services[i];

		for (size_t j = 0; j < service->backend_count; j++) {
			if (address_equal(&service->backends[j]->config.address, address))
				set_next_hop(daemon, service->backends[j], next_hop);
		}
	}
}

static void counter_add(struct leat_counter *sum, const struct leat_counter *counter)
{
	sum->packets += counter->packets;
	sum->bytes += counter->bytes;
}

static void read_service_counters(struct daemon *daemon, struct service *service)
{
	datapath_read_service(daemon->datapath, service->id, &service->counter);
	/* Who has thousands of services and CPUs need not copy all of them once a second. */
	if (service->counter.packets != service->own_packets)
		datapath_read_refusals(daemon->datapath, service->id, &service->refusals);
	service->own_packets = service->counter.packets;
	for (size_t i = 0; i < service->backend_count; i++) {
		struct backend *backend = service->backends[i];

		datapath_read_backend(daemon->datapath, backend->id, &backend->counter);
		counter_add(&service->counter, &backend->counter);
	}
}

/* The datapath counts a forwarded packet only at its backend; the sums are made here. */
void daemon_read_counters(struct daemon *daemon)
{
	struct leat_counter *reasons = daemon->node.reasons;

	datapath_read_reasons(daemon->datapath, reasons);
	datapath_read_events(daemon->datapath, daemon->node.flow_memory.events);
	for (size_t i = 0; i < daemon->node.service_count; i++) {
		const struct service *service = daemon->node.services[i];

		read_service_counters(daemon, daemon->node.services[i]);
		for (size_t j = 0; j < service->backend_count; j++)
			counter_add(&reasons[LEAT_FORWARDED], &service->backends[j]->counter);
	}
}

/* One that cannot be applied stays stale, and must not keep the others from it. */
static void apply_each(struct daemon *daemon, struct service **services, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (applier_apply(&daemon->applier, &daemon->node, &services[i], 1, false) == 0)
			services[i]->is_stale = false;
	}
}

static void apply_all(struct daemon *daemon, struct service **services, size_t count)
{
	if (applier_apply(&daemon->applier, &daemon->node, services, count, false) < 0) {
		apply_each(daemon, services, count);
		return;
	}
	for (size_t i = 0; i < count; i++)
		services[i]->is_stale = false;
}

/* Slots that nothing is on need not stay open, above all while backends come up for the first time. */
static void settle(struct daemon *daemon, struct service **services, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!services[i]->open_slots)
			continue;
		applier_settle(&daemon->applier, &daemon->node, clock_monotonic_us());
		return;
	}
}

/* All by one change of the datapath. A service that cannot be applied stays stale, and the next tick
 * tries again. */
int daemon_apply_stale(sd_event_source *source, void *user)
{
	struct daemon *daemon = user;
	const struct node *node = &daemon->node;
	cleanup(freep) struct service **stale =
		calloc(node->service_count + 1, sizeof(struct service *));
	size_t count = 0;

	(void)source;
	if (!stale)
		return 0;
	for (size_t i = 0; i < node->service_count; i++) {
		if (node->services[i]->is_stale)
			stale[count++] = node->services[i];
	}
	if (count)
		apply_all(daemon, stale, count);
	settle(daemon, stale, count);
	return 0;
}

bool daemon_is_settled(const struct daemon *daemon)
{
	for (size_t i = 0; i < daemon->node.service_count; i++) {
		const struct service *service = daemon->node.services[i];

		for (size_t j = 0; j < service->backend_count; j++) {
			if (service->backends[j]->state == BACKEND_UNKNOWN)
				return false;
		}
	}
	return true;
}
