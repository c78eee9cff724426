/* SPDX-License-Identifier: GPL-2.0-only */
#include "tools/leat/story.h"
#include "base/frame.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>

#include "model/health.h"
#include "model/nearest.h"
#include "tools/leat/cli.h"
#include "tools/leat/reasons.h"

static const struct {
	const char *label;
	const char *text;
} choices[] = {
#define X(name, label, text) { label, text },
	LEAT_CHOICES(X)
#undef X
};

static const char *const shapes[] = {
	[LEAT_SHAPE_TRANSPORT] = "whole",
	[LEAT_SHAPE_FIRST] = "first_fragment",
	[LEAT_SHAPE_FIRST_SHORT] = "short_first_fragment",
	[LEAT_SHAPE_LATER] = "later_fragment",
	[LEAT_SHAPE_ECHO] = "ping",
	[LEAT_SHAPE_ERROR] = "icmp_error",
};

static const char *const memories[] = {
	[LEAT_MEMORY_FLOWS] = "flows",
	[LEAT_MEMORY_HALF_OPEN_TCP] = "half_open",
	[LEAT_MEMORY_HALF_OPEN_UDP] = "half_open",
	[LEAT_MEMORY_CLIENTS] = "clients",
	[LEAT_MEMORY_FRAGMENTS] = "fragments",
	[LEAT_MEMORY_NAT] = "nat_flows",
};

static json_t *address_json(const struct leat_addr *address)
{
	char text[ADDRESS_TEXT_SIZE];

	return json_string(address_format(address, text));
}

/* 0 is none, or any. */
static json_t *port_json(__be16 port)
{
	return port ? json_integer(ntohs(port)) : json_null();
}

/* What is on the wire behind IP may be anything. */
static json_t *protocol_json(uint8_t protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
		return json_string(protocol_name(protocol));
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return json_string("icmp");
	default:
		return json_integer(protocol);
	}
}

static json_t *flow_json(const struct leat_trace *trace)
{
	if (!trace->is_parsed)
		return json_null();
	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "shape",
			 trace->shape < ARRAY_SIZE(shapes) ? shapes[trace->shape] : "?", "protocol",
			 protocol_json(trace->key.protocol), "source", address_json(&trace->source),
			 "source_port", port_json((__be16)trace->ports), "destination",
			 address_json(&trace->key.address), "destination_port",
			 port_json((__be16)(trace->ports >> 16)));
}

static bool is_at(const json_t *object, const struct leat_addr *address)
{
	char text[ADDRESS_TEXT_SIZE];

	return strcmp(reply_text(object, "address"), address_format(address, text)) == 0;
}

/* What leatd says of the service; NULL: nothing. */
static const json_t *find_service(const struct story *story, const struct leat_service_key *key)
{
	const json_t *service;
	size_t i;

	json_array_foreach(story->services, i, service) {
		if (is_at(service, &key->address) &&
		    reply_count(service, "port") == ntohs(key->port) &&
		    strcmp(reply_text(service, "protocol"), protocol_name(key->protocol)) == 0)
			return service;
	}
	return NULL;
}

static const json_t *find_backend(const struct story *story, const struct leat_registry_key *key)
{
	const json_t *backends = json_object_get(find_service(story, &key->service), "backends");
	const json_t *backend;
	size_t i;

	json_array_foreach(backends, i, backend) {
		if (is_at(backend, &key->backend))
			return backend;
	}
	return NULL;
}

/* Without leatd nobody knows it. */
static json_t *name_json(const json_t *object)
{
	json_t *name = json_object_get(object, "name");

	return json_is_string(name) ? json_incref(name) : json_null();
}

static json_t *service_json(const struct story *story, const struct leat_service_entry *entry)
{
	const struct leat_service_key *key = &entry->key;

	return json_pack("{s:o, s:o, s:o, s:s, s:s}", "name", name_json(find_service(story, key)),
			 "address", address_json(&key->address), "port", port_json(key->port),
			 "protocol", protocol_name(key->protocol), "scheduler",
			 scheduler_name((enum leat_scheduler)entry->value.scheduler));
}

static int backend_facts(const struct story *story, uint32_t id, struct backend_facts *ret_facts)
{
	return datapath_read_facts(story->datapath, id, ret_facts);
}

/* As it is spoken of in passing: by name, or by address. Index 0 is none. */
static json_t *backend_word(const struct story *story, uint32_t id)
{
	struct backend_facts facts;
	json_t *name;

	if (!id || backend_facts(story, id, &facts) < 0)
		return json_null();
	name = name_json(find_backend(story, &facts.key));
	if (json_is_string(name))
		return name;
	json_decref(name);
	return facts.note.name[0] ? cli_json_string(facts.note.name)
				  : address_json(&facts.key.backend);
}

static const char *backend_state(const struct backend_facts *facts)
{
	if (facts->value.forward == LEAT_FORWARD_NONE)
		return facts->note.is_up ? "disabled" : "down";
	if (!facts->note.is_up && facts->note.health != HEALTH_UNKNOWN)
		return "down";
	return facts->load.weight ? "up" : "draining";
}

static json_t *backend_json(const struct story *story, uint32_t id)
{
	struct backend_facts facts;

	if (!id || backend_facts(story, id, &facts) < 0)
		return json_null();
	facts.note.reason[sizeof(facts.note.reason) - 1] = '\0';
	return json_pack("{s:o, s:o, s:s, s:i, s:o}", "name", backend_word(story, id), "address",
			 address_json(&facts.key.backend), "state", backend_state(&facts), "weight",
			 (int)facts.load.weight, "reason", cli_json_string(facts.note.reason));
}

static json_t *next_hop_json(const struct leat_backend *backend)
{
	char interface[IF_NAMESIZE], mac[MAC_TEXT_SIZE];

	if (backend->forward == LEAT_FORWARD_UNRESOLVED || backend->forward == LEAT_FORWARD_NONE)
		return json_null();
	return json_pack(
		"{s:s, s:s?, s:o, s:o}", "mac", mac_format(backend->dst_mac, mac), "interface",
		backend->ifindex ? if_indextoname(backend->ifindex, interface) : NULL, "vlan",
		backend->forward & LEAT_FORWARD_TAGGED ? port_json(backend->vlan) : json_null(),
		"mtu", backend->mtu ? json_integer(backend->mtu) : json_null());
}

static const char *forward_word(const struct leat_backend *backend)
{
	uint8_t forward = backend->forward % LEAT_FORWARD_TAGGED;

	return forward <= LEAT_FORWARD_NAT ? forward_name((enum leat_forward)forward)
					   : "unresolved";
}

static int set_backend(const struct story *story, json_t *json)
{
	struct backend_facts facts;
	uint32_t id = story->run.trace.backend;

	json_object_set_new(json, "backend", backend_json(story, id));
	if (!id || backend_facts(story, id, &facts) < 0) {
		json_object_set_new(json, "forward", json_null());
		return json_object_set_new(json, "next_hop", json_null());
	}
	json_object_set_new(json, "forward",
			    json_pack("{s:s, s:i}", "mode", forward_word(&facts.value),
				      "outer_size", facts.value.outer_len));
	return json_object_set_new(json, "next_hop", next_hop_json(&facts.value));
}

static json_t *slot_json(const struct story *story, const struct leat_lookup *lookup)
{
	const struct leat_trace *trace = &story->run.trace;

	if (!trace->has_slot)
		return json_null();
	return json_pack("{s:I, s:I, s:b, s:o, s:o}", "index", (json_int_t)trace->slot, "of",
			 (json_int_t)lookup->size, "open", trace->previous & LEAT_SLOT_OPEN,
			 "current", backend_word(story, trace->current), "previous",
			 backend_word(story, trace->previous & LEAT_SLOT_BACKEND));
}

static const char *access_word(uint32_t access)
{
	if (access == LEAT_ACCESS_DENIED)
		return "denied";
	return access == LEAT_ACCESS_ALLOWED ? "allowed" : "not_allowed";
}

static struct prefix plain_prefix(const struct leat_prefix *prefix)
{
	const struct access_rule rule = { .prefix = *prefix };

	return access_rule_prefix(&rule);
}

/* Which list had the last word, and which of its prefixes; none for what no prefix of it is for. */
static json_t *access_json(const struct story *story)
{
	const struct leat_trace *trace = &story->run.trace;
	bool is_node = trace->node_access == LEAT_ACCESS_DENIED || !trace->service_access;
	uint32_t access = is_node ? trace->node_access : trace->service_access;
	uint32_t list = is_node || !trace->service ? LEAT_ACCESS_NODE : trace->service - 1;
	char text[PREFIX_TEXT_SIZE];
	struct prefix prefix = { 0 };
	struct leat_prefix rule;

	if (!access)
		return json_null();
	if (datapath_find_rule(story->datapath, list, &trace->source, &rule) == 0)
		prefix = plain_prefix(&rule);
	return json_pack("{s:s, s:s, s:s?}", "decision", access_word(access), "list",
			 is_node ? "node" : "service", "prefix",
			 prefix.length ? prefix_format(&prefix, text) : NULL);
}

#define NS_PER_S 1e9

static json_t *rate_json(const struct story *story)
{
	const struct leat_trace *trace = &story->run.trace;
	struct leat_policy policy;

	if (trace->rate == LEAT_RATE_UNASKED || !trace->service ||
	    datapath_read_policy(story->datapath, trace->service - 1, &policy) < 0 ||
	    !policy.rate_gap_ns)
		return json_null();
	return json_pack("{s:b, s:f, s:I}", "admitted", trace->rate == LEAT_RATE_ADMITTED, "new",
			 NS_PER_S / policy.rate_gap_ns, "burst", (json_int_t)policy.rate_burst);
}

/* Each name once. */
static json_t *noted_json(uint8_t noted)
{
	json_t *list = json_array();

	for (size_t kind = 0; kind < ARRAY_SIZE(memories); kind++) {
		if (noted >> kind & 1)
			json_array_append_new(list, json_string(memories[kind]));
	}
	return list;
}

static bool came_out(const struct story *story)
{
	return story->run.action == XDP_TX || story->run.action == XDP_REDIRECT ||
	       story->run.action == XDP_PASS;
}

static json_t *bytes_json(const uint8_t *bytes, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	cleanup(freep) char *text = cli_allocated(malloc(2 * size + 1));

	for (size_t i = 0; i < size; i++) {
		text[2 * i] = digits[bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 15];
	}
	return json_stringn(text, 2 * size);
}

static uint16_t gue_port(const struct story *story)
{
	struct backend_facts facts;

	if (!story->run.trace.backend ||
	    backend_facts(story, story->run.trace.backend, &facts) < 0 ||
	    facts.value.forward % LEAT_FORWARD_TAGGED != LEAT_FORWARD_GUE)
		return 0;
	return ntohs(facts.value.gue_port);
}

static json_t *out_json(const struct story *story)
{
	if (!came_out(story))
		return json_null();
	return json_pack("{s:I, s:o, s:o}", "size", (json_int_t)story->run.size, "layers",
			 frame_layers(story->out, story->run.size, gue_port(story)), "bytes",
			 bytes_json(story->out, story->run.size));
}

/* The service that the packet is for, or else the one that it may have been meant for. */
static int set_service(const struct story *story, json_t *json)
{
	const struct leat_trace *trace = &story->run.trace;
	const struct leat_service_entry *services, *service = NULL, *nearest = NULL;
	static const struct leat_lookup none;
	enum nearness nearness = NEAREST_NONE;
	size_t count;
	int r = datapath_list_services(story->datapath, &services, &count);

	if (r < 0)
		return r;
	for (size_t i = 0; i < count && trace->service; i++)
		if (services[i].value.id + 1 == trace->service)
			service = &services[i];
	if (!service && trace->is_parsed)
		nearest = nearest_service(services, count, &trace->key, &nearness);
	json_object_set_new(json, "service", service ? service_json(story, service) : json_null());
	json_object_set_new(json, "nearest", nearest ? service_json(story, nearest) : json_null());
	if (nearest)
		json_object_set_new(json_object_get(json, "nearest"), "differs",
				    json_string(nearness_name(nearness)));
	return json_object_set_new(json, "slot",
				   slot_json(story, service ? &service->value.lookup : &none));
}

static json_t *choice_json(uint8_t choice)
{
	if (choice == LEAT_CHOICE_NONE || choice >= LEAT_CHOICE_COUNT)
		return json_null();
	return json_pack("{s:s, s:s}", "choice", choices[choice].label, "text",
			 choices[choice].text);
}

int story_make(const struct story *story, json_t **ret_story)
{
	const struct leat_trace *trace = &story->run.trace;
	cleanup(json_decrefp) json_t *json = cli_allocated(
		json_pack("{s:s, s:b, s:b, s:{s:I, s:o}, s:o}", "interface", story->interface,
			  "same_program", story->is_current, "daemon", story->services != NULL,
			  "packet", "size", (json_int_t)story->in_size, "layers",
			  frame_layers(story->in, story->in_size, 0), "flow", flow_json(trace)));
	int r = set_service(story, json);

	if (r < 0)
		return r;
	json_object_set_new(json, "access", access_json(story));
	json_object_set_new(json, "rate", rate_json(story));
	json_object_set_new(json, "choice", choice_json(trace->choice));
	json_object_set_new(json, "noted", noted_json(trace->noted));
	r = set_backend(story, json);
	if (r < 0)
		return -ENOMEM;
	json_object_set_new(json, "verdict", json_string(action_name(story->run.action)));
	json_object_set_new(json, "reason", json_string(reason_label(trace->reason)));
	json_object_set_new(json, "text", json_string(reason_text(trace->reason)));
	json_object_set_new(json, "advice",
			    reason_advice(trace->reason) ? json_string(reason_advice(trace->reason))
							 : json_null());
	json_object_set_new(json, "out", out_json(story));
	*ret_story = take_ptr(json);
	return 0;
}
