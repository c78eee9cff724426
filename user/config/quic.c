/* SPDX-License-Identifier: GPL-2.0-only */
#include "config/quic.h"

#include <stdlib.h>
#include <string.h>

#define SERVER_ID_USE "2 to 30 hexadecimal digits, two for each byte"

static const struct schema_choice forms[] = { { "quic-lb", 0 }, { 0 } };

static void read_form(struct report *report, const struct tree_node *node,
		      const struct schema_field *field, void *target)
{
	unsigned int form;

	(void)target;
	schema_read_choice(report, node, field, &form);
}

#define LENGTH(config)                                                                             \
	{                                                                                          \
#config, schema_read_number, .offset = (config) * sizeof(uint32_t), .least = 1,    \
					     .most = LEAT_QUIC_SERVER_ID_MAX                       \
	}

static const struct schema_field length_fields[] = { LENGTH(0), LENGTH(1), LENGTH(2), LENGTH(3),
						     LENGTH(4), LENGTH(5), LENGTH(6) };
_Static_assert(ARRAY_SIZE(length_fields) == LEAT_QUIC_CONFIGS, "one for each configuration");

static const struct schema lengths_schema = { "server_id_length", length_fields,
					      ARRAY_SIZE(length_fields) };

/* A plain one is configuration 0's. */
static void read_lengths(struct report *report, const struct tree_node *node,
			 const struct schema_field *field, void *target)
{
	(void)field;
	if (node->kind != TREE_MAP)
		schema_read_number(report, node, &length_fields[0], target);
	else if (node->count == 0)
		schema_report(report, node, "the mapping is empty, it needs a configuration");
	else
		schema_read(report, node, &lengths_schema, target);
}

static const struct schema_field quic_fields[] = {
	{ "cid", read_form, .is_required = true, .choices = forms },
	{ "server_id_length", read_lengths, offsetof(struct service_config, quic_lengths),
	  .is_required = true },
};

static const struct schema quic_schema = { "quic", quic_fields, ARRAY_SIZE(quic_fields) };

void quic_read(struct report *report, const struct tree_node *node,
	       const struct schema_field *field, void *target)
{
	(void)field;
	schema_read(report, node, &quic_schema, target);
}

static int hex_digit(char digit)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = digit ? strchr(digits, digit | 0x20) : NULL;

	return at ? (int)(at - digits) : -1;
}

static bool parse_server_id(const char *text, struct server_id *ret_id)
{
	struct server_id id = { 0 };
	size_t digits = strlen(text);

	if (digits == 0 || digits % 2 || digits > 2 * sizeof(id.bytes))
		return false;
	for (size_t i = 0; i < digits; i++) {
		int digit = hex_digit(text[i]);

		if (digit < 0)
			return false;
		id.bytes[i / 2] = (uint8_t)(id.bytes[i / 2] << 4 | digit);
	}
	id.length = (uint8_t)(digits / 2);
	*ret_id = id;
	return true;
}

static void read_one(struct report *report, const struct tree_node *node,
		     const struct schema_field *field, void *target)
{
	(void)field;
	if (node->kind != TREE_SCALAR || !parse_server_id(node->text, target))
		schema_refuse(report, node, SERVER_ID_USE);
}

#define SERVER_ID(config)                                                                          \
	{                                                                                          \
#config, read_one, .offset = (config) * sizeof(struct server_id)                   \
	}

static const struct schema_field id_fields[] = { SERVER_ID(0), SERVER_ID(1), SERVER_ID(2),
						 SERVER_ID(3), SERVER_ID(4), SERVER_ID(5),
						 SERVER_ID(6) };
_Static_assert(ARRAY_SIZE(id_fields) == LEAT_QUIC_CONFIGS, "one for each configuration");

static const struct schema ids_schema = { "server_id", id_fields, ARRAY_SIZE(id_fields) };

/* A plain one is every configuration's. */
void quic_read_server_id(struct report *report, const struct tree_node *node,
			 const struct schema_field *field, void *target)
{
	struct server_id *ids = target;

	if (node->kind == TREE_MAP) {
		schema_read(report, node, &ids_schema, ids);
		return;
	}
	read_one(report, node, field, &ids[0]);
	for (size_t i = 1; i < LEAT_QUIC_CONFIGS; i++)
		ids[i] = ids[0];
}

/* Where a backend's server id of a configuration stands; NULL: nowhere. */
static const struct tree_node *id_node(const struct tree_node *backend, unsigned int config)
{
	const struct tree_node *node = tree_find(backend, "server_id");

	return node && node->kind == TREE_MAP ? tree_find(node, id_fields[config].name) : node;
}

static void check_id(struct report *report, const struct tree_node *backend,
		     const struct server_id *id, unsigned int config, uint32_t length)
{
	const struct tree_node *node = id_node(backend, config);

	if (!node && length)
		schema_report(report, backend,
			      "a backend needs a server_id of %u bytes for configuration %u of its "
			      "service's quic",
			      length, config);
	else if (node && !length && node->key && strcmp(node->key->text, "server_id") != 0)
		schema_report(report, node,
			      "server_id_length of the service's quic has no configuration %u",
			      config);
	else if (id->length && length && id->length != length)
		schema_refuse(report, node,
			      "%u hexadecimal digits: server_id_length of configuration %u is %u",
			      2 * length, config, length);
}

/* What was not for a configuration of the service is forgotten. */
static void check_ids(struct report *report, const struct tree_node *node,
		      struct backend_config *backend, const struct service_config *service)
{
	for (unsigned int config = 0; config < LEAT_QUIC_CONFIGS; config++) {
		struct server_id *id = &backend->server_ids[config];

		check_id(report, node, id, config, service->quic_lengths[config]);
		if (!service->quic_lengths[config])
			*id = (struct server_id){ 0 };
	}
}

/* A backend's server id, and where it stands. */
struct item {
	struct server_id id;
	const struct tree_node *node, *backend;
};

static int compare_items(const void *a, const void *b)
{
	const struct item *left = a, *right = b;
	int r = memcmp(&left->id, &right->id, sizeof(left->id));

	if (r != 0)
		return r;
	return left->backend->line != right->backend->line
		       ? (int)left->backend->line - (int)right->backend->line
		       : (int)left->backend->column - (int)right->backend->column;
}

static size_t list_items(const struct tree_node *list, const struct service_config *service,
			 unsigned int config, struct item *items)
{
	const struct tree_node *node = list->first;
	size_t count = 0;

	for (size_t i = 0; i < service->backend_count; i++, node = node->next) {
		const struct server_id *id = &service->backends[i].server_ids[config];

		if (id->length)
			items[count++] = (struct item){ *id, id_node(node, config), node };
	}
	return count;
}

static void find_equals(struct report *report, struct item *items, size_t count)
{
	const struct item *first = items;

	if (count)
		qsort(items, count, sizeof(*items), compare_items);
	for (size_t i = 1; i < count; i++) {
		if (memcmp(&first->id, &items[i].id, sizeof(first->id)) != 0)
			first = &items[i];
		else
			schema_report(
				report, items[i].node,
				"the service's backend at line %u has this server id too, they "
				"must differ",
				first->backend->line);
	}
}

/* One that both have for every configuration is reported once. */
static bool is_plain_everywhere(const struct tree_node *list)
{
	for (const struct tree_node *backend = list->first; backend; backend = backend->next) {
		const struct tree_node *node = tree_find(backend, "server_id");

		if (node && node->kind == TREE_MAP)
			return false;
	}
	return true;
}

static void check_equals(struct report *report, const struct tree_node *list,
			 const struct service_config *service)
{
	struct item *items = calloc(service->backend_count + 1, sizeof(*items));

	if (!items) {
		report->is_out_of_memory = true;
		return;
	}
	for (unsigned int config = 0; config < LEAT_QUIC_CONFIGS; config++) {
		if (!service->quic_lengths[config])
			continue;
		find_equals(report, items, list_items(list, service, config, items));
		if (is_plain_everywhere(list))
			break;
	}
	free(items);
}

static void check_backends(struct report *report, const struct tree_node *list,
			   struct service_config *service)
{
	const struct tree_node *node = list->first;

	for (size_t i = 0; i < service->backend_count; i++, node = node->next) {
		if (node->kind == TREE_MAP)
			check_ids(report, node, &service->backends[i], service);
	}
	check_equals(report, list, service);
}

static void refuse_ids(struct report *report, const struct tree_node *list)
{
	for (const struct tree_node *backend = list->first; backend; backend = backend->next) {
		const struct tree_node *node = tree_find(backend, "server_id");

		if (node)
			schema_report(report, node,
				      "a key of services with quic, and this service has none");
	}
}

static void check_service(struct report *report, const struct tree_node *quic,
			  const struct service_config *service)
{
	if (service->key.protocol == IPPROTO_TCP)
		schema_report(report, quic, "a key of services over udp, which carries QUIC");
	if (service->scheduler == LEAT_SCHEDULER_LEAST_CONNECTIONS)
		schema_report(report, quic,
			      "not a key of the scheduler least-connections, which counts flows: a "
			      "connection that goes by its id may have several");
}

/* What could not be read is not judged. */
void quic_complete(struct report *report, const struct tree_node *node,
		   struct service_config *service)
{
	const struct tree_node *quic = tree_find(node, "quic"), *list = tree_find(node, "backends");
	bool has_list = list && list->kind == TREE_LIST;

	if (quic)
		check_service(report, quic, service);
	if (has_list && !quic)
		refuse_ids(report, list);
	else if (has_list && service_is_quic(service))
		check_backends(report, list, service);
}
