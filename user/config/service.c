/* SPDX-License-Identifier: GPL-2.0-only */
#include "config/service.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>

#include "base/number.h"
#include "config/access.h"
#include "config/probe.h"
#include "config/quic.h"
#include "model/table.h"

#define ANY_PORT	  "any"
#define MIN_SLOW_START_MS 1000
#define MAX_SLOW_START_MS 3600000
#define MIN_STICKY_MS	  1000
#define MAX_STICKY_MS	  43200000

static const struct schema_choice protocols[] = { { "tcp", IPPROTO_TCP },
						  { "udp", IPPROTO_UDP },
						  { 0 } };
static const struct schema_choice schedulers[] = {
	{ "hash", LEAT_SCHEDULER_HASH },
	{ "round-robin", LEAT_SCHEDULER_ROUND_ROBIN },
	{ "least-connections", LEAT_SCHEDULER_LEAST_CONNECTIONS },
	{ 0 },
};
static const struct schema_choice hashes[] = { { "flow", LEAT_HASH_FLOW },
					       { "source", LEAT_HASH_SOURCE },
					       { 0 } };
static const struct schema_choice tables[] = { { "rendezvous", TABLE_RENDEZVOUS },
					       { "maglev", TABLE_MAGLEV },
					       { 0 } };
static const struct schema_choice forwards[] = { { "l2", LEAT_FORWARD_L2 },
						 { "ipip", LEAT_FORWARD_IPIP },
						 { "gue", LEAT_FORWARD_GUE },
						 { "nat", LEAT_FORWARD_NAT },
						 { 0 } };

enum { FRAGMENTS_DROP, FRAGMENTS_HASH };
static const struct schema_choice fragments[] = { { "drop", FRAGMENTS_DROP },
						  { "hash", FRAGMENTS_HASH },
						  { 0 } };

/* How many of a list's items are read. */
static size_t limit_items(struct report *report, const struct tree_node *list, size_t limit)
{
	const struct tree_node *item = list->first;

	if (list->count <= limit)
		return list->count;
	for (size_t i = 0; i < limit; i++)
		item = item->next;
	schema_report(report, item, "the list has %zu items, at most %zu are allowed", list->count,
		      limit);
	return limit;
}

static const struct schema_field backend_fields[] = {
	{ "name", schema_read_name, offsetof(struct backend_config, name), .is_required = true },
	{ "address", schema_read_address, offsetof(struct backend_config, address),
	  .is_required = true },
	{ "weight", schema_read_number, offsetof(struct backend_config, weight),
	  .most = LEAT_MAX_WEIGHT },
	{ "server_id", quic_read_server_id, .offset = offsetof(struct backend_config, server_ids) },
	{ "port", schema_read_number, offsetof(struct backend_config, port), .least = 1,
	  .most = UINT16_MAX },
};

static const struct schema backend_schema = { "a backend", backend_fields,
					      ARRAY_SIZE(backend_fields) };

static void read_backends(struct report *report, const struct tree_node *node,
			  const struct schema_field *field, void *target)
{
	struct service_config *service = target;
	const struct tree_node *item = node->first;
	size_t count;

	(void)field;
	if (!schema_expect_list(report, node, "a list of backends, which may be empty: []"))
		return;
	count = limit_items(report, node, LEAT_MAX_SERVICE_BACKENDS);
	service->backends = calloc(count + 1, sizeof(*service->backends));
	if (!service->backends) {
		report->is_out_of_memory = true;
		return;
	}
	service->backend_count = count;
	for (size_t i = 0; i < count; i++, item = item->next) {
		service->backends[i].weight = CONFIG_DEFAULT_WEIGHT;
		schema_read(report, item, &backend_schema, &service->backends[i]);
	}
}

static void read_port(struct report *report, const struct tree_node *node,
		      const struct schema_field *field, void *target)
{
	uint64_t port = 0;

	(void)field;
	if (node->kind != TREE_SCALAR || (strcmp(node->text, ANY_PORT) != 0 &&
					  number_parse(node->text, 1, UINT16_MAX, &port) < 0))
		schema_refuse(report, node, "a number from 1 to %d, or " ANY_PORT, UINT16_MAX);
	else
		*(__be16 *)target = htons((uint16_t)port);
}

static void read_protocol(struct report *report, const struct tree_node *node,
			  const struct schema_field *field, void *target)
{
	unsigned int protocol = 0;

	schema_read_choice(report, node, field, &protocol);
	*(uint8_t *)target = (uint8_t)protocol;
}

static void read_fragments(struct report *report, const struct tree_node *node,
			   const struct schema_field *field, void *target)
{
	unsigned int choice = FRAGMENTS_DROP;

	schema_read_choice(report, node, field, &choice);
	*(bool *)target = choice == FRAGMENTS_HASH;
}

#define AT(member) .offset = offsetof(struct service_config, member)

/* A service may have both: one file's value can serve services of either protocol. */
static const struct schema_field idle_fields[] = {
	{ "tcp", schema_read_duration, AT(tcp_idle_ms), .least = LEAT_MIN_IDLE_MS,
	  .most = LEAT_MAX_IDLE_MS },
	{ "udp", schema_read_duration, AT(udp_idle_ms), .least = LEAT_MIN_IDLE_MS,
	  .most = LEAT_MAX_IDLE_MS },
};

static const struct schema idle_schema = { "idle", idle_fields, ARRAY_SIZE(idle_fields) };

static void read_idle(struct report *report, const struct tree_node *node,
		      const struct schema_field *field, void *target)
{
	(void)field;
	schema_read(report, node, &idle_schema, target);
}

#define PER_SECOND	"/s"
#define MAX_RATE_DIGITS 7

static bool parse_per_second(const char *text, const struct schema_field *field, uint64_t *ret)
{
	size_t digits = strcspn(text, PER_SECOND);
	char number[MAX_RATE_DIGITS + 1];

	if (digits > MAX_RATE_DIGITS || strcmp(text + digits, PER_SECOND) != 0)
		return false;
	memcpy(number, text, digits);
	number[digits] = '\0';
	return number_parse(number, field->least, field->most, ret) == 0;
}

static void read_per_second(struct report *report, const struct tree_node *node,
			    const struct schema_field *field, void *target)
{
	uint64_t number;

	if (node->kind == TREE_SCALAR && parse_per_second(node->text, field, &number))
		*(uint32_t *)target = (uint32_t)number;
	else
		schema_refuse(report, node,
			      "what a source may open in a second, from %" PRIu64 "/s to %" PRIu64
			      "/s",
			      field->least, field->most);
}

static const struct schema_field rate_fields[] = {
	{ "new", read_per_second, AT(rate_new), .least = 1, .most = LEAT_MAX_RATE,
	  .is_required = true },
	{ "burst", schema_read_number, AT(rate_burst), .least = 1, .most = LEAT_MAX_RATE },
};

static const struct schema rate_schema = { "rate", rate_fields, ARRAY_SIZE(rate_fields) };

static void read_rate(struct report *report, const struct tree_node *node,
		      const struct schema_field *field, void *target)
{
	struct service_config *service = target;

	(void)field;
	schema_read(report, node, &rate_schema, service);
	if (!service->rate_burst)
		service->rate_burst = service->rate_new;
}

static const struct schema_field service_fields[] = {
	{ "name", schema_read_name, AT(name), .is_required = true },
	{ "address", schema_read_address, AT(key.address), .is_required = true },
	{ "port", read_port, AT(key.port), .is_required = true },
	{ "protocol", read_protocol, AT(key.protocol), .is_required = true, .choices = protocols },
	{ "scheduler", schema_read_choice, AT(scheduler), .choices = schedulers },
	{ "sticky", schema_read_optional_duration, AT(sticky_ms), .least = MIN_STICKY_MS,
	  .most = MAX_STICKY_MS },
	{ "hash", schema_read_choice, AT(hash), .choices = hashes },
	{ "table", schema_read_choice, AT(table), .choices = tables },
	{ "table_size", schema_read_number, AT(table_size), .least = LEAT_MIN_TABLE_SIZE,
	  .most = LEAT_MAX_TABLE_SIZE },
	{ "forward", schema_read_choice, AT(forward), .choices = forwards },
	{ "gue_port", schema_read_number, AT(gue_port), .least = 1, .most = UINT16_MAX },
	{ "ping", schema_read_bool, AT(ping) },
	{ "fragments", read_fragments, AT(hashes_fragments), .choices = fragments },
	{ "rate", read_rate, .offset = 0 },
	{ "allow", access_read_later, .offset = 0 },
	{ "deny", access_read_later, .offset = 0 },
	{ "quic", quic_read, .offset = 0 },
	{ "idle", read_idle, .offset = 0 },
	{ "slow_start", schema_read_optional_duration, AT(slow_start_ms),
	  .least = MIN_SLOW_START_MS, .most = MAX_SLOW_START_MS },
	{ "probe", probe_read, AT(probe) },
	{ "backends", read_backends, .is_required = true },
};

_Static_assert(ARRAY_SIZE(service_fields) <= SCHEMA_MAX_FIELDS, "raise SCHEMA_MAX_FIELDS");

static const struct schema service_schema = { "a service", service_fields,
					      ARRAY_SIZE(service_fields) };

static bool has_any_port(const struct tree_node *node)
{
	const struct tree_node *port = tree_find(node, "port");

	return port && strcmp(port->text, ANY_PORT) == 0;
}

bool service_has_key(const struct service_config *service, const struct tree_node *node)
{
	return !address_is_zero(&service->key.address) && service->key.protocol != 0 &&
	       (service->key.port != 0 || has_any_port(node));
}

static void complete_table(struct report *report, const struct tree_node *node,
			   struct service_config *service)
{
	const struct tree_node *size = tree_find(node, "table_size");
	uint32_t prime;

	if (service->table != TABLE_MAGLEV)
		return;
	prime = table_maglev_size(service->table_size);
	if (prime > LEAT_MAX_TABLE_SIZE)
		schema_refuse(report, size,
			      "a smaller number: maglev takes the next prime, and %d slots are the "
			      "most",
			      LEAT_MAX_TABLE_SIZE);
	else
		service->table_size = prime;
}

/* A scheduler that could not be read is not judged: it may have been one of the others. */
static void check_sticky(struct report *report, const struct tree_node *node,
			 const struct service_config *service)
{
	const struct tree_node *scheduler = tree_find(node, "scheduler");

	if (!service->sticky_ms || service->scheduler != LEAT_SCHEDULER_HASH ||
	    (scheduler && strcmp(scheduler->text, scheduler_name(LEAT_SCHEDULER_HASH)) != 0))
		return;
	schema_report(report, tree_find(node, "sticky"),
		      "not a key of the scheduler hash, it belongs to round-robin and "
		      "least-connections; hash: source keeps a client on one backend");
}

static void check_gue_port(struct report *report, const struct tree_node *node,
			   const struct service_config *service)
{
	const struct tree_node *port = tree_find(node, "gue_port");
	const struct tree_node *forward = tree_find(node, "forward");

	if (!port || service->forward == LEAT_FORWARD_GUE)
		return;
	/* One that could not be read is not judged. */
	if (!forward || strcmp(forward->text, forward_name(service->forward)) == 0)
		schema_report(report, port,
			      "a key of forward: gue, and this service has forward: %s",
			      forward_name(service->forward));
}

static void check_rate(struct report *report, const struct tree_node *node,
		       const struct service_config *service)
{
	if (service->rate_new && service->key.protocol == IPPROTO_UDP)
		schema_report(report, tree_find(node, "rate"),
			      "a key of services over tcp: no datagram says that it opens a flow");
}

static void complete_access(struct report *report, const struct tree_node *node,
			    struct service_config *service)
{
	const struct access_config target = {
		.allow_file = &service->allow_file,
		.deny_file = &service->deny_file,
		.list = &service->access,
	};

	access_read(report, node, &target);
}

static void complete_probe(struct report *report, const struct tree_node *node,
			   struct service_config *service)
{
	const struct tree_node *probe = tree_find(node, "probe");
	struct service_port port = {
		.is_any = has_any_port(node),
		.number = ntohs(service->key.port),
	};

	if (probe)
		probe_complete(report, probe, &port, &service->probe);
}

static void read_service(struct report *report, const struct tree_node *node,
			 struct service_config *service)
{
	service->scheduler = LEAT_SCHEDULER_HASH;
	service->tcp_idle_ms = LEAT_DEFAULT_TCP_IDLE_MS;
	service->udp_idle_ms = LEAT_DEFAULT_UDP_IDLE_MS;
	service->hash = LEAT_HASH_FLOW;
	service->table = TABLE_RENDEZVOUS;
	service->table_size = CONFIG_DEFAULT_TABLE_SIZE;
	service->forward = LEAT_FORWARD_IPIP;
	service->gue_port = CONFIG_DEFAULT_GUE_PORT;
	service->ping = true;
	if (!schema_read(report, node, &service_schema, service))
		return;
	complete_table(report, node, service);
	check_sticky(report, node, service);
	check_gue_port(report, node, service);
	check_rate(report, node, service);
	complete_access(report, node, service);
	quic_complete(report, node, service);
	complete_probe(report, node, service);
}

void services_read(struct report *report, const struct tree_node *node,
		   const struct schema_field *field, void *target)
{
	struct config *config = target;
	const struct tree_node *item = node->first;
	size_t count;

	(void)field;
	if (!schema_expect_list(report, node, "a list of services, which may be empty: []"))
		return;
	count = limit_items(report, node, LEAT_MAX_SERVICES);
	config->services = calloc(count + 1, sizeof(*config->services));
	if (!config->services) {
		report->is_out_of_memory = true;
		return;
	}
	config->service_count = count;
	for (size_t i = 0; i < count; i++, item = item->next)
		read_service(report, item, &config->services[i]);
}
