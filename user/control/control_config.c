/* SPDX-License-Identifier: GPL-2.0-only */
#include <arpa/inet.h>
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "base/number.h"
#include "control/control_json.h"

#define HEX_PREFIX "hex:"

static json_t *duration_json(uint32_t ms)
{
	char text[DURATION_TEXT_SIZE];

	return json_string(duration_format(ms, text));
}

static bool is_plain_text(const struct byte_string *bytes)
{
	size_t hex_length = strlen(HEX_PREFIX);

	for (size_t i = 0; i < bytes->size; i++) {
		if (!isprint(bytes->data[i]))
			return false;
	}
	return bytes->size < hex_length || memcmp(bytes->data, HEX_PREFIX, hex_length) != 0;
}

static json_t *bytes_json(const struct byte_string *bytes)
{
	char text[sizeof(HEX_PREFIX) + 2 * CONFIG_MAX_BYTES] = HEX_PREFIX;
	char *end = text + strlen(HEX_PREFIX);

	if (is_plain_text(bytes))
		return json_stringn((const char *)bytes->data, bytes->size);
	for (size_t i = 0; i < MIN(bytes->size, (size_t)CONFIG_MAX_BYTES); i++)
		end += sprintf(end, "%02x", bytes->data[i]);
	return json_string(text);
}

static json_t *status_json(const struct probe_config *probe)
{
	json_t *list = json_array();

	for (size_t i = 0; i < probe->status_count; i++) {
		const struct status_range *range = &probe->status[i];

		if (json_array_append_new(list, json_sprintf("%u-%u", range->least, range->most)) <
		    0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *set_text(json_t *json, const char *key, const char *text)
{
	return text ? control_json_set(json, key, control_text_json(text)) : json;
}

static json_t *set_bytes(json_t *json, const char *key, const struct byte_string *bytes)
{
	return bytes->data ? control_json_set(json, key, bytes_json(bytes)) : json;
}

static json_t *set_http(json_t *json, const struct probe_config *probe)
{
	json = set_text(json, "path", probe->path);
	json = set_text(json, "host", probe->host);
	json = set_text(json, "body", probe->body);
	json = control_json_set(json, "status", status_json(probe));
	if (probe->type == PROBE_HTTPS)
		json = control_json_set(json, "verify", json_boolean(probe->verify));
	return json;
}

/* Only the keys that a probe of this type may have. */
static json_t *probe_json(const struct service_config *service)
{
	const struct probe_config *probe = &service->probe;
	json_t *json;

	json = json_pack("{s:s, s:o, s:o, s:o, s:o}", "type", probe_type_name(probe->type),
			 "interval", duration_json(probe->interval_ms), "timeout",
			 duration_json(probe->timeout_ms), "rise", control_number_json(probe->rise),
			 "fall", control_number_json(probe->fall));
	/* By default that of each backend, if it has one. */
	if (probe->type != PROBE_ICMP && (probe->has_port || service->forward != LEAT_FORWARD_NAT))
		json = control_json_set(json, "port", json_integer(probe->port));
	json = set_bytes(json, "send", &probe->send);
	json = set_bytes(json, "expect", &probe->expect);
	if (probe->type == PROBE_HTTP || probe->type == PROBE_HTTPS)
		json = set_http(json, probe);
	return json;
}

static json_t *server_id_json(const struct server_id *id)
{
	char text[2 * sizeof(id->bytes) + 1] = "";

	for (size_t i = 0; i < id->length; i++)
		sprintf(text + 2 * i, "%02x", id->bytes[i]);
	return json_string(text);
}

/* By configuration, where that says more than the plain form. */
static json_t *server_ids_json(const struct service_config *service,
			       const struct server_id ids[LEAT_QUIC_CONFIGS])
{
	const struct server_id *first = NULL;
	json_t *json = json_object();
	bool differ = false;

	for (size_t i = 0; i < LEAT_QUIC_CONFIGS; i++) {
		const char config[] = { (char)('0' + i), '\0' };

		if (!service->quic_lengths[i])
			continue;
		differ |= first && memcmp(first, &ids[i], sizeof(*first)) != 0;
		first = first ?: &ids[i];
		json = control_json_set(json, config, server_id_json(&ids[i]));
	}
	if (differ || !first)
		return json;
	json_decref(json);
	return server_id_json(first);
}

static json_t *backend_json(const struct service_config *service,
			    const struct backend_config *backend)
{
	json_t *json = json_pack("{s:s, s:o, s:o}", "name", backend->name, "address",
				 control_address_json(&backend->address), "weight",
				 control_number_json(backend->weight));

	if (service_is_quic(service))
		json = control_json_set(json, "server_id",
					server_ids_json(service, backend->server_ids));
	if (backend->port)
		json = control_json_set(json, "port", control_number_json(backend->port));
	return json;
}

static json_t *backends_json(const struct service *service)
{
	json_t *list = json_array();

	for (size_t i = 0; i < service->backend_count; i++) {
		if (!service->backends[i]->is_leaving)
			list = control_json_append(
				list,
				backend_json(&service->config, &service->backends[i]->config));
	}
	return list;
}

/* What is none is left out. */
static json_t *times_json(const struct service_config *service)
{
	json_t *json = json_pack("{s:{s:o, s:o}}", "idle", "tcp",
				 duration_json(service->tcp_idle_ms), "udp",
				 duration_json(service->udp_idle_ms));

	if (service->slow_start_ms)
		json = control_json_set(json, "slow_start", duration_json(service->slow_start_ms));
	if (service->sticky_ms)
		json = control_json_set(json, "sticky", duration_json(service->sticky_ms));
	return json;
}

/* The prefixes that are so by the list, or the file that they are from. */
static json_t *prefixes_json(const struct access_list *list, enum leat_access access,
			     const char *file)
{
	json_t *json;

	if (file)
		return json_pack("{s:o}", "file", control_text_json(file));
	json = json_array();
	for (size_t i = 0; i < list->count; i++) {
		struct prefix prefix = access_rule_prefix(&list->rules[i]);

		if (list->rules[i].access == access)
			json = control_json_append(json, control_prefix_json(&prefix));
	}
	return json;
}

static json_t *set_access(json_t *json, const struct access_list *list, const char *allow_file,
			  const char *deny_file)
{
	if (list && list->is_closed)
		json = control_json_set(json, "allow",
					prefixes_json(list, LEAT_ACCESS_ALLOWED, allow_file));
	if (deny_file || access_list_count(list, LEAT_ACCESS_DENIED))
		json = control_json_set(json, "deny",
					prefixes_json(list, LEAT_ACCESS_DENIED, deny_file));
	return json;
}

/* The plain form where configuration 0 is the only one. */
static json_t *quic_json(const struct service_config *service)
{
	json_t *lengths = json_object();

	for (size_t i = 0; i < LEAT_QUIC_CONFIGS; i++) {
		const char config[] = { (char)('0' + i), '\0' };

		if (service->quic_lengths[i])
			lengths = control_json_set(lengths, config,
						   control_number_json(service->quic_lengths[i]));
	}
	if (lengths && json_object_size(lengths) == 1 && service->quic_lengths[0]) {
		json_decref(lengths);
		lengths = control_number_json(service->quic_lengths[0]);
	}
	return json_pack("{s:s, s:o}", "cid", "quic-lb", "server_id_length", lengths);
}

/* What is as by default is left out. */
static json_t *set_packets(json_t *json, const struct service_config *service)
{
	if (service->forward == LEAT_FORWARD_GUE)
		json = control_json_set(json, "gue_port", control_number_json(service->gue_port));
	if (!service->ping)
		json = control_json_set(json, "ping", control_text_json("no"));
	if (service->hashes_fragments)
		json = control_json_set(json, "fragments", control_text_json("hash"));
	if (service_is_quic(service))
		json = control_json_set(json, "quic", quic_json(service));
	if (!service->rate_new)
		return json;
	return control_json_set(json, "rate",
				json_pack("{s:o, s:o}", "new",
					  json_sprintf("%" PRIu32 "/s", service->rate_new), "burst",
					  control_number_json(service->rate_burst)));
}

static json_t *service_json(const struct service *service)
{
	json_t *json = control_service_keys_json(&service->config);

	json = control_json_merge(json, times_json(&service->config));
	json = set_packets(json, &service->config);
	json = set_access(json, service->config.access, service->config.allow_file,
			  service->config.deny_file);
	if (service->config.probe.type != PROBE_NONE)
		json = control_json_set(json, "probe", probe_json(&service->config));
	return control_json_set(json, "backends", backends_json(service));
}

static json_t *services_json(const struct node *node)
{
	json_t *list = json_array();

	for (size_t i = 0; i < node->service_count; i++)
		list = control_json_append(list, service_json(node->services[i]));
	return list;
}

static json_t *interfaces_json(const struct config *config)
{
	json_t *list = json_array();

	for (size_t i = 0; i < config->interface_count; i++)
		list = control_json_append(list, control_text_json(config->interfaces[i]));
	return list;
}

static json_t *control_json(const struct config *config)
{
	return json_pack("{s:o, s:o}", "socket", control_text_json(config->control_socket), "group",
			 control_text_json(config->control_group));
}

static json_t *metrics_json(const struct config *config)
{
	return json_pack(
		"{s:o}", "listen",
		control_text_json(config->metrics_listen ? config->metrics_listen : "none"));
}

static json_t *nat_json(const struct nat_config *nat)
{
	json_t *list = json_array();

	for (size_t family = 0; family < NAT_FAMILIES; family++) {
		for (uint32_t i = 0; i < nat->counts[family]; i++)
			list = control_json_append(
				list, control_address_json(&nat->addresses[family][i]));
	}
	return json_pack("{s:o, s:o}", "addresses", list, "ports",
			 json_sprintf("%u-%u", nat->first_port, nat->last_port));
}

json_t *control_config_json(const struct node *node)
{
	const struct config *config = node->config;
	json_t *json;

	json = json_pack("{s:o, s:s, s:o, s:o, s:[o, o], s:o, s:o, s:o, s:o}", "interfaces",
			 interfaces_json(config), "mode", attach_mode_name(config->mode), "seed",
			 json_sprintf("%016" PRIx64, config->seed), "flows",
			 control_number_json(config->flows), "outer_source",
			 control_prefix_json(&config->outer_source4),
			 control_prefix_json(&config->outer_source6), "control",
			 control_json(config), "metrics", metrics_json(config), "state",
			 control_text_json(config->state), "services", services_json(node));
	json = set_access(json, config->access, NULL, config->deny_file);
	if (config->has_next_hop)
		json = control_json_set(json, "next_hop", control_mac_json(config->next_hop.bytes));
	if (config->nat.counts[NAT_IPV4] || config->nat.counts[NAT_IPV6])
		json = control_json_set(json, "nat", nat_json(&config->nat));
	return json;
}
