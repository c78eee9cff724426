/* SPDX-License-Identifier: GPL-2.0-only */
#include "control/control_status.h"

#include <limits.h>
#include <unistd.h>

#include "base/clock.h"
#include "control/control_events.h"
#include "control/control_json.h"

/* How many are shown of those in trouble and of the others, when there is not room for all. */
struct room {
	size_t troubled, other;
};

static struct room room_make(size_t most, size_t troubled)
{
	troubled = MIN(troubled, most);
	return (struct room){ .troubled = troubled, .other = most - troubled };
}

static bool room_take(struct room *room, bool is_troubled)
{
	size_t *left = is_troubled ? &room->troubled : &room->other;

	if (*left == 0)
		return false;
	(*left)--;
	return true;
}

static size_t count_not_up(const struct service *service)
{
	size_t count = 0;

	for (size_t i = 0; i < service->backend_count; i++)
		count += service->backends[i]->state != BACKEND_UP;
	return count;
}

static size_t count_troubled(const struct node *node)
{
	size_t count = 0;

	for (size_t i = 0; i < node->service_count; i++)
		count += count_not_up(node->services[i]) > 0;
	return count;
}

static json_t *flows_json(const struct backend *backend)
{
	return backend->flows.is_counted ? control_number_json(backend->flows.live) : json_null();
}

static json_t *backend_json(const struct backend *backend)
{
	json_t *json = json_pack(
		"{s:s, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:b, s:o}", "name", backend->config.name,
		"address", control_address_json(&backend->config.address), "state",
		backend_state_name(backend->state), "reason", control_text_json(backend->reason),
		"changed", control_number_json(backend->state_changed_s), "weight",
		control_number_json(backend_wanted_weight(backend)), "ramp_percent",
		control_number_json(backend->ramp_percent), "share",
		control_real_json(backend_share(backend)), "leaving", backend->is_leaving, "flows",
		flows_json(backend));

	return control_json_merge(json, control_traffic_json(&backend->counter, &backend->rate));
}

static json_t *backends_json(const struct service *service)
{
	struct room room = room_make(CONTROL_STATUS_BACKENDS, count_not_up(service));
	json_t *list = json_array();

	for (size_t i = 0; i < service->backend_count; i++) {
		const struct backend *backend = service->backends[i];

		if (room_take(&room, backend->state != BACKEND_UP))
			list = control_json_append(list, backend_json(backend));
	}
	return list;
}

static json_t *service_json(const struct service *service)
{
	size_t count = service->backend_count;
	json_t *json = control_service_keys_json(&service->config);
	json_t *now = json_pack("{s:o, s:o, s:o}", "open_slots",
				control_number_json(service->open_slots), "backend_count",
				control_number_json(count), "up_count",
				control_number_json(count - count_not_up(service)));

	json = control_json_merge(json, now);
	json = control_json_merge(json, control_traffic_json(&service->counter, &service->rate));
	return control_json_set(json, "backends", backends_json(service));
}

static json_t *services_json(const struct node *node)
{
	struct room room = room_make(CONTROL_STATUS_SERVICES, count_troubled(node));
	json_t *list = json_array();

	for (size_t i = 0; i < node->service_count; i++) {
		const struct service *service = node->services[i];

		if (room_take(&room, count_not_up(service) > 0))
			list = control_json_append(list, service_json(service));
	}
	return list;
}

/* Who was denied is nobody's business who only may look at a page. */
static json_t *public_event_json(const struct event *event)
{
	json_t *json = control_event_json(event);

	if (event_kind_names_sources(event->kind))
		json = control_json_set(json, "text", json_string(event_kind_text(event->kind)));
	return json;
}

static json_t *events_json(const struct event_ring *ring)
{
	uint64_t after = ring->last - MIN(ring->last, (uint64_t)CONTROL_STATUS_EVENTS);
	json_t *list = json_array();
	const struct event *event;

	while ((event = event_ring_next(ring, after))) {
		list = control_json_append(list, public_event_json(event));
		after = event->number;
	}
	return list;
}

static json_t *node_json(const struct node *node)
{
	char name[HOST_NAME_MAX + 1] = "";

	gethostname(name, sizeof(name) - 1);
	return json_pack("{s:o, s:s, s:o, s:o, s:b, s:o, s:o}", "node", control_text_json(name),
			 "version", LEAT_VERSION, "time_ms", control_number_json(clock_wall_ms()),
			 "started", control_number_json(node->started_s), "reload_succeeded",
			 node->reload_succeeded, "reloaded", control_number_json(node->reload_s),
			 "service_count", control_number_json(node->service_count));
}

json_t *control_status_json(const struct node *node)
{
	json_t *json = control_json_merge(node_json(node), control_stats_json(node));

	json = control_json_set(json, "interfaces", control_interfaces_json(node));
	json = control_json_set(json, "services", services_json(node));
	return control_json_set(json, "events", events_json(&node->events));
}
