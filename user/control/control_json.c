/* SPDX-License-Identifier: GPL-2.0-only */
#include "control/control_json.h"

#include <arpa/inet.h>
#include <math.h>
#include <string.h>

#include "base/clock.h"

enum verdict {
	VERDICT_FORWARD,
	VERDICT_PASS,
	VERDICT_DROP,
	VERDICT_ANSWER,
	VERDICT_COUNT,
};

static const struct {
	enum verdict verdict;
	const char *label;
	const char *text;
} reasons[] = {
#define X(name, verdict, label, text) { VERDICT_##verdict, label, text },
	LEAT_REASONS(X)
#undef X
};

static const struct {
	const char *label;
	const char *text;
} flow_events[] = {
#define X(name, label, text) { label, text },
	LEAT_EVENTS(X)
#undef X
};

static const char *const verdict_names[] = { "forward", "pass", "drop", "answer" };
static const char *const verdict_totals[] = { "forwarded", "passed", "dropped", "answered" };

json_t *control_json_append(json_t *list, json_t *item)
{
	if (json_array_append_new(list, item) == 0)
		return list;
	json_decref(list);
	return NULL;
}

json_t *control_json_set(json_t *object, const char *key, json_t *value)
{
	if (json_object_set_new(object, key, value) == 0)
		return object;
	json_decref(object);
	return NULL;
}

json_t *control_json_merge(json_t *object, json_t *more)
{
	if (!more || json_object_update(object, more) < 0) {
		json_decref(object);
		object = NULL;
	}
	json_decref(more);
	return object;
}

json_t *control_text_json(const char *text)
{
	cleanup(freep) char *ascii = NULL;
	json_t *json = json_string(text);

	if (json)
		return json;
	ascii = strdup(text);
	if (!ascii)
		return NULL;
	for (char *c = ascii; *c; c++) {
		if (*c & 0x80)
			*c = '?';
	}
	return json_string(ascii);
}

json_t *control_number_json(uint64_t number)
{
	return json_integer((json_int_t)MIN(number, (uint64_t)INT64_MAX));
}

json_t *control_real_json(double number)
{
	return json_real(isfinite(number) ? number : 0);
}

json_t *control_address_json(const struct leat_addr *address)
{
	char text[ADDRESS_TEXT_SIZE];

	return json_string(address_format(address, text));
}

json_t *control_prefix_json(const struct prefix *prefix)
{
	char text[PREFIX_TEXT_SIZE];

	return json_string(prefix_format(prefix, text));
}

json_t *control_mac_json(const uint8_t mac[6])
{
	char text[MAC_TEXT_SIZE];

	return json_string(mac_format(mac, text));
}

json_t *control_port_json(__be16 port)
{
	return port == 0 ? json_string("any") : json_integer(ntohs(port));
}

json_t *control_traffic_json(const struct leat_counter *counter, const struct counter_rate *rate)
{
	return json_pack("{s:o, s:o, s:o, s:o}", "packets", control_number_json(counter->packets),
			 "bytes", control_number_json(counter->bytes), "packets_per_second",
			 control_real_json(rate->packets_per_s), "bytes_per_second",
			 control_real_json(rate->bytes_per_s));
}

static json_t *probe_json(const struct probe_config *probe)
{
	if (probe->type == PROBE_NONE)
		return json_null();
	return json_pack(
		"{s:s, s:i, s:o, s:o, s:o, s:o}", "type", probe_type_name(probe->type), "port",
		probe->port, "interval_ms", control_number_json(probe->interval_ms), "timeout_ms",
		control_number_json(probe->timeout_ms), "rise", control_number_json(probe->rise),
		"fall", control_number_json(probe->fall));
}

static json_t *interface_name_json(const struct node *node, uint32_t ifindex)
{
	char name[IF_NAMESIZE];

	for (size_t i = 0; i < node->interface_count; i++) {
		if (node->interfaces[i].ifindex == ifindex)
			return control_text_json(node->interfaces[i].name);
	}
	/* The kernel's word for one that Leat only sends through. */
	if (ifindex == 0 || !if_indextoname(ifindex, name))
		return json_null();
	return control_text_json(name);
}

static json_t *next_hop_json(const struct node *node, const struct next_hop *next_hop)
{
	bool is_resolved = next_hop->state == NEXT_HOP_RESOLVED;

	if (node->config->has_next_hop)
		return json_pack("{s:s, s:n, s:o, s:b}", "state", "static", "interface", "mac",
				 control_mac_json(node->config->next_hop.bytes), "gateway", 0);
	return json_pack("{s:s, s:o, s:o, s:b}", "state", next_hop_state_name(next_hop->state),
			 "interface", interface_name_json(node, next_hop->ifindex), "mac",
			 is_resolved ? control_mac_json(next_hop->dst_mac) : json_null(), "gateway",
			 next_hop->has_gateway);
}

static json_t *operator_state_json(const struct operator_change *change)
{
	if (change->state == OPERATOR_NONE)
		return json_null();
	return json_string(operator_state_name(change->state));
}

static json_t *operator_weight_json(const struct operator_change *change)
{
	return change->has_weight ? control_number_json(change->weight) : json_null();
}

static json_t *backend_flows_json(const struct backend *backend)
{
	const struct backend_flows *flows = &backend->flows;

	return json_pack("{s:o, s:b, s:o, s:o, s:o, s:b, s:b, s:o}", "flows",
			 control_number_json(flows->live), "flows_counted", flows->is_counted,
			 "closing_flows", control_number_json(flows->closing), "previous_slots",
			 control_number_json(flows->previous_slots), "silent_s",
			 control_number_json(flows->silent_s), "is_drained",
			 backend_is_drained(backend), "leaving", backend->is_leaving,
			 "ramp_percent", control_number_json(backend->ramp_percent));
}

json_t *control_backend_json(const struct node *node, const struct backend *backend)
{
	json_t *wanted, *state, *table;

	wanted = json_pack("{s:s, s:s, s:o, s:o, s:o}", "service", backend->service->config.name,
			   "name", backend->config.name, "address",
			   control_address_json(&backend->config.address), "weight",
			   control_number_json(backend_wanted_weight(backend)), "configured_weight",
			   control_number_json(backend->config.weight));
	state = json_pack("{s:s, s:o, s:o, s:o, s:o}", "state", backend_state_name(backend->state),
			  "operator", operator_state_json(&backend->operator_change),
			  "operator_weight", operator_weight_json(&backend->operator_change),
			  "reason", control_text_json(backend->reason), "changed",
			  control_number_json(backend->state_changed_s));
	table = json_pack("{s:o, s:o, s:o}", "share", control_real_json(backend_share(backend)),
			  "slots", control_number_json(backend->slots), "next_hop",
			  next_hop_json(node, &backend->next_hop));
	wanted = control_json_merge(wanted, state);
	wanted =
		control_json_merge(wanted, control_traffic_json(&backend->counter, &backend->rate));
	wanted = control_json_merge(wanted, backend_flows_json(backend));
	return control_json_merge(wanted, table);
}

static json_t *service_backends_json(const struct node *node, const struct service *service)
{
	json_t *list = json_array();

	for (size_t i = 0; i < service->backend_count; i++)
		list = control_json_append(list, control_backend_json(node, service->backends[i]));
	return list;
}

json_t *control_service_keys_json(const struct service_config *service)
{
	return json_pack("{s:s, s:o, s:o, s:s, s:s, s:s, s:s, s:o, s:s}", "name", service->name,
			 "address", control_address_json(&service->key.address), "port",
			 control_port_json(service->key.port), "protocol",
			 protocol_name(service->key.protocol), "scheduler",
			 scheduler_name(service->scheduler), "hash", hash_input_name(service->hash),
			 "table", table_kind_name(service->table), "table_size",
			 control_number_json(service->table_size), "forward",
			 forward_name(service->forward));
}

static json_t *service_times_json(const struct service_config *service)
{
	uint32_t idle_ms = service->key.protocol == IPPROTO_TCP ? service->tcp_idle_ms
								: service->udp_idle_ms;

	return json_pack("{s:o, s:o, s:o}", "idle_ms", control_number_json(idle_ms),
			 "slow_start_ms", control_number_json(service->slow_start_ms), "sticky_ms",
			 control_number_json(service->sticky_ms));
}

/* By reasons that there were. */
static json_t *refusals_json(const struct service *service)
{
	json_t *json = json_object();

	for (size_t i = 0; i < LEAT_REASON_COUNT; i++) {
		if (service->refusals.packets[i])
			json = control_json_set(json, reasons[i].label,
						control_number_json(service->refusals.packets[i]));
	}
	return json;
}

json_t *control_service_json(const struct node *node, const struct service *service)
{
	json_t *json = control_service_keys_json(&service->config);

	json = control_json_merge(json, service_times_json(&service->config));
	json = control_json_set(json, "open_slots", control_number_json(service->open_slots));
	json = control_json_set(json, "probe", probe_json(&service->config.probe));
	json = control_json_merge(json, control_traffic_json(&service->counter, &service->rate));
	json = control_json_set(json, "refused", refusals_json(service));
	return control_json_set(json, "backends", service_backends_json(node, service));
}

static json_t *reasons_json(const struct node *node)
{
	json_t *list = json_array();

	for (size_t i = 0; i < LEAT_REASON_COUNT; i++) {
		json_t *json = json_pack("{s:s, s:s, s:s}", "reason", reasons[i].label, "verdict",
					 verdict_names[reasons[i].verdict], "text",
					 reasons[i].text);

		json = control_json_merge(
			json, control_traffic_json(&node->reasons[i], &node->reason_rates[i]));
		if (json_array_append_new(list, json) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *total_json(const struct node *node, enum verdict verdict)
{
	struct leat_counter counter = { 0 };
	struct counter_rate rate = { 0 };

	for (size_t i = 0; i < LEAT_REASON_COUNT; i++) {
		if (reasons[i].verdict != verdict)
			continue;
		counter.packets += node->reasons[i].packets;
		counter.bytes += node->reasons[i].bytes;
		rate.packets_per_s += node->reason_rates[i].packets_per_s;
		rate.bytes_per_s += node->reason_rates[i].bytes_per_s;
	}
	return control_traffic_json(&counter, &rate);
}

static json_t *totals_json(const struct node *node)
{
	json_t *totals = json_object();

	for (size_t i = 0; i < VERDICT_COUNT; i++)
		totals = control_json_set(totals, verdict_totals[i],
					  total_json(node, (enum verdict)i));
	return totals;
}

static json_t *flow_events_json(const struct node *node)
{
	json_t *list = json_array();

	for (size_t i = 0; i < LEAT_EVENT_COUNT; i++)
		list = control_json_append(
			list, json_pack("{s:s, s:s, s:o}", "event", flow_events[i].label, "text",
					flow_events[i].text, "count",
					control_number_json(node->flow_memory.events[i])));
	return list;
}

json_t *control_stats_json(const struct node *node)
{
	return json_pack("{s:o, s:o, s:o}", "reasons", reasons_json(node), "totals",
			 totals_json(node), "flow_events", flow_events_json(node));
}

static json_t *interface_json(const struct interface_status *interface)
{
	return json_pack("{s:o, s:o, s:s, s:b, s:b, s:b, s:o}", "name",
			 control_text_json(interface->name), "ifindex",
			 control_number_json(interface->ifindex), "mode",
			 attach_mode_name(interface->mode), "attached", interface->is_attached,
			 "dispatcher", interface->has_dispatcher, "reused", interface->was_reused,
			 "program_id", control_number_json(interface->program_id));
}

json_t *control_interfaces_json(const struct node *node)
{
	json_t *list = json_array();

	for (size_t i = 0; i < node->interface_count; i++)
		list = control_json_append(list, interface_json(&node->interfaces[i]));
	return list;
}

static json_t *map_json(const struct map_usage *map)
{
	return json_pack("{s:s, s:o, s:o}", "name", map->name, "entries",
			 control_number_json(map->entries), "capacity",
			 control_number_json(map->capacity));
}

static json_t *maps_json(const struct node *node)
{
	json_t *list = json_array();

	for (size_t i = 0; i < node->map_count; i++)
		list = control_json_append(list, map_json(&node->maps[i]));
	return list;
}

static json_t *reuse_json(const struct reuse_report *reuse)
{
	return json_pack("{s:b, s:b, s:o}", "maps", reuse->maps, "program", reuse->program,
			 "backends", control_number_json(reuse->backends));
}

static json_t *reload_json(const struct node *node)
{
	return json_pack("{s:b, s:o}", "success", node->reload_succeeded, "timestamp",
			 control_number_json(node->reload_s));
}

static json_t *flow_memory_json(const struct flow_memory *memory)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "remembered",
			 control_number_json(memory->remembered), "capacity",
			 control_number_json(memory->capacity), "old",
			 control_number_json(memory->old), "half_open",
			 control_number_json(memory->half_open), "half_open_capacity",
			 control_number_json(memory->half_open_capacity), "clients",
			 control_number_json(memory->clients), "client_capacity",
			 control_number_json(memory->client_capacity));
}

json_t *control_node_json(const struct node *node)
{
	uint64_t now_s = clock_wall_s();
	uint64_t uptime_s = now_s > node->started_s ? now_s - node->started_s : 0;
	const char *path = node->config_path ? node->config_path : "";
	char version[CONFIG_VERSION_TEXT_SIZE];
	json_t *process, *datapath;

	process = json_pack("{s:s, s:i, s:i, s:o, s:o, s:o}", "version", LEAT_VERSION, "layout",
			    LEAT_LAYOUT, "pid", getpid(), "started",
			    control_number_json(node->started_s), "uptime_s",
			    control_number_json(uptime_s), "config", control_text_json(path));
	process = control_json_set(process, "config_version",
				   json_string(config_version_format(
					   config_versions_running(&node->versions), version)));
	process = control_json_set(process, "trial", control_trial_json(&node->versions.trial));
	datapath = json_pack("{s:o, s:o, s:o, s:o, s:o}", "interfaces",
			     control_interfaces_json(node), "reused", reuse_json(&node->reuse),
			     "maps", maps_json(node), "flow_memory",
			     flow_memory_json(&node->flow_memory), "reload", reload_json(node));
	return control_json_merge(process, datapath);
}

json_t *control_denied_json(const struct node *node)
{
	size_t configured = access_list_count(node->config->access, LEAT_ACCESS_DENIED);
	json_t *list = json_array();

	for (size_t i = 0; i < node->denied.count; i++) {
		const struct denied_entry *entry = &node->denied.entries[i];
		json_t *item = json_pack("{s:o}", "prefix", control_prefix_json(&entry->prefix));

		if (entry->until_s)
			item = control_json_set(item, "until", control_number_json(entry->until_s));
		list = control_json_append(list, item);
	}
	return json_pack("{s:o, s:o}", "denied", list, "configured",
			 control_number_json(configured));
}
