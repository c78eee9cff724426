/* SPDX-License-Identifier: GPL-2.0-only */
#include "config/check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "config/nat.h"
#include "config/schema.h"
#include "config/service.h"

/* Ids are 15 bits and 0 is none. */
#define MAX_BACKENDS (LEAT_MAX_BACKENDS - 1)

/* A service, or one of its backends, and where it stands. */
struct item {
	const struct service_config *service;
	const struct backend_config *backend;
	const struct tree_node *node;
};

/* Like memcmp(), by what must differ. */
typedef int (*item_compare)(const struct item *a, const struct item *b);
/* `item` equals `first`, which stands before it. */
typedef void (*item_report)(struct report *report, const struct item *first,
			    const struct item *item);

static int compare_with_position(const void *a, const void *b, void *compare)
{
	const struct item *left = a, *right = b;
	int r = (*(item_compare *)compare)(left, right);

	if (r != 0)
		return r;
	if (left->node->line != right->node->line)
		return left->node->line < right->node->line ? -1 : 1;
	return left->node->column < right->node->column ? -1 : 1;
}

/* Sorts, so that equals are neighbours and a file of any size takes n log n. */
static void find_equals(struct report *report, struct item *items, size_t count,
			item_compare compare, item_report report_equal)
{
	const struct item *first = items;

	qsort_r(items, count, sizeof(*items), compare_with_position, &compare);
	for (size_t i = 1; i < count; i++) {
		if (compare(first, &items[i]) == 0)
			report_equal(report, first, &items[i]);
		else
			first = &items[i];
	}
}

static int compare_service_names(const struct item *a, const struct item *b)
{
	return strcmp(a->service->name, b->service->name);
}

static void report_service_name(struct report *report, const struct item *first,
				const struct item *item)
{
	if (item->service->name[0] == '\0')
		return;
	schema_report(report, tree_find(item->node, "name"),
		      "the service at line %u is called %s too, names must differ",
		      first->node->line, item->service->name);
}

static int compare_service_keys(const struct item *a, const struct item *b)
{
	return memcmp(&a->service->key, &b->service->key, sizeof(a->service->key));
}

static void report_service_key(struct report *report, const struct item *first,
			       const struct item *item)
{
	const struct leat_service_key *key = &item->service->key;
	char address[ADDRESS_TEXT_SIZE], port[8] = "any";

	if (key->port != 0)
		snprintf(port, sizeof(port), "%u", ntohs(key->port));
	schema_report(report, tree_find(item->node, "address"),
		      "the service at line %u has %s, port %s and %s too, one of them must differ",
		      first->node->line, address_format(&key->address, address), port,
		      protocol_name(key->protocol));
}

/* Services stand in one array, so their addresses order them. */
static int compare_services(const struct item *a, const struct item *b)
{
	return a->service < b->service ? -1 : a->service > b->service;
}

static int compare_backend_names(const struct item *a, const struct item *b)
{
	return strcmp(a->backend->name, b->backend->name);
}

static int compare_backend_names_of_service(const struct item *a, const struct item *b)
{
	int r = compare_services(a, b);

	return r != 0 ? r : compare_backend_names(a, b);
}

static void report_backend_name(struct report *report, const struct item *first,
				const struct item *item)
{
	if (item->backend->name[0] == '\0')
		return;
	schema_report(report, tree_find(item->node, "name"),
		      "the service's backend at line %u is called %s too, names must differ",
		      first->node->line, item->backend->name);
}

static int compare_backend_addresses_of_service(const struct item *a, const struct item *b)
{
	int r = compare_services(a, b);

	return r != 0 ? r : address_compare(&a->backend->address, &b->backend->address);
}

static void report_backend_address(struct report *report, const struct item *first,
				   const struct item *item)
{
	char address[ADDRESS_TEXT_SIZE];

	if (address_is_zero(&item->backend->address))
		return;
	schema_report(report, tree_find(item->node, "address"),
		      "the service's backend at line %u has %s too, addresses must differ",
		      first->node->line, address_format(&item->backend->address, address));
}

/* Within one service, equal names are an error whatever their addresses. */
static void report_ambiguous_name(struct report *report, const struct item *first,
				  const struct item *item)
{
	char address[ADDRESS_TEXT_SIZE];

	if (item->backend->name[0] == '\0' || first->service == item->service ||
	    address_is_zero(&first->backend->address) || address_is_zero(&item->backend->address) ||
	    address_equal(&first->backend->address, &item->backend->address))
		return;
	schema_report(report, tree_find(item->node, "name"),
		      "%s is %s at line %u, one name must stand for one address",
		      item->backend->name, address_format(&first->backend->address, address),
		      first->node->line);
}

static const char *family_name(const struct leat_addr *address)
{
	return address_is_ipv4(address) ? "IPv4" : "IPv6";
}

static void check_backend_address(struct report *report, const struct item *item)
{
	const struct leat_addr *service = &item->service->key.address;
	const struct leat_addr *backend = &item->backend->address;
	const struct tree_node *node = tree_find(item->node, "address");

	if (address_is_zero(service) || address_is_zero(backend))
		return;
	if (address_equal(service, backend))
		schema_refuse(report, node, "the backend's own address, not the service's");
	else if (item->service->forward == LEAT_FORWARD_L2 &&
		 address_is_ipv4(service) != address_is_ipv4(backend))
		schema_report(report, node,
			      "an %s backend cannot have packets of an %s service, because l2 "
			      "carries a packet unchanged; use one family or forward: ipip",
			      family_name(backend), family_name(service));
	else if (item->service->forward == LEAT_FORWARD_NAT &&
		 address_is_ipv4(service) != address_is_ipv4(backend))
		schema_report(report, node,
			      "an %s backend cannot have packets of an %s service, because nat "
			      "translates within a family; use one family or forward: ipip",
			      family_name(backend), family_name(service));
}

static void check_backend_port(struct report *report, const struct item *item)
{
	if (item->backend->port && item->service->forward != LEAT_FORWARD_NAT)
		schema_report(report, tree_find(item->node, "port"),
			      "a key of forward: nat, and this service has forward: %s",
			      forward_name(item->service->forward));
}

static size_t count_backends(const struct config *config)
{
	size_t count = 0;

	for (size_t i = 0; i < config->service_count; i++)
		count += config->services[i].backend_count;
	return count;
}

static void list_backends(const struct service_config *service, const struct tree_node *node,
			  struct item *items)
{
	const struct tree_node *list = tree_find(node, "backends");
	const struct tree_node *backend = list ? list->first : NULL;

	for (size_t i = 0; i < service->backend_count; i++, backend = backend->next)
		items[i] = (struct item){ service, &service->backends[i], backend };
}

static int check_backends(struct report *report, const struct config *config,
			  const struct tree_node *services)
{
	size_t count = count_backends(config), used = 0;
	cleanup(freep) struct item *items = calloc(count + 1, sizeof(*items));
	const struct tree_node *node = services->first;

	if (!items)
		return -ENOMEM;
	for (size_t i = 0; i < config->service_count; i++, node = node->next) {
		list_backends(&config->services[i], node, items + used);
		used += config->services[i].backend_count;
	}
	if (count > MAX_BACKENDS)
		schema_report(report, items[MAX_BACKENDS].node,
			      "the file has %zu backends in all, at most %d are allowed", count,
			      MAX_BACKENDS);
	for (size_t i = 0; i < count; i++) {
		check_backend_address(report, &items[i]);
		check_backend_port(report, &items[i]);
	}
	find_equals(report, items, count, compare_backend_names_of_service, report_backend_name);
	find_equals(report, items, count, compare_backend_addresses_of_service,
		    report_backend_address);
	find_equals(report, items, count, compare_backend_names, report_ambiguous_name);
	return 0;
}

static void check_service_keys(struct report *report, struct item *items, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		if (service_has_key(items[i].service, items[i].node))
			items[kept++] = items[i];
	}
	find_equals(report, items, kept, compare_service_keys, report_service_key);
}

static int compare_fragments(const struct item *a, const struct item *b)
{
	const struct leat_service_key *first = &a->service->key, *second = &b->service->key;
	int order = memcmp(&first->address, &second->address, sizeof(first->address));

	return order ? order : first->protocol - second->protocol;
}

static void report_fragments(struct report *report, const struct item *first,
			     const struct item *item)
{
	schema_report(
		report, tree_find(item->node, "fragments"),
		"the service at line %u has the same address and protocol and fragments: hash "
		"too; a fragment without ports can go to one of them only",
		first->node->line);
}

/* Reorders the items. */
static void check_fragments(struct report *report, struct item *items, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		if (items[i].service->hashes_fragments &&
		    service_has_key(items[i].service, items[i].node))
			items[kept++] = items[i];
	}
	find_equals(report, items, kept, compare_fragments, report_fragments);
}

static void list_services(const struct config *config, const struct tree_node *services,
			  struct item *items)
{
	const struct tree_node *node = services->first;

	for (size_t i = 0; i < config->service_count; i++, node = node->next)
		items[i] = (struct item){ &config->services[i], NULL, node };
}

int check_services(struct report *report, const struct config *config,
		   const struct tree_node *services)
{
	size_t count = config->service_count;
	cleanup(freep) struct item *items = calloc(count + 1, sizeof(*items));

	if (!items)
		return -ENOMEM;
	list_services(config, services, items);
	find_equals(report, items, count, compare_service_names, report_service_name);
	check_service_keys(report, items, count);
	list_services(config, services, items);
	for (size_t i = 0; i < count; i++)
		nat_check_service(report, config, items[i].service, items[i].node);
	check_fragments(report, items, count);
	return check_backends(report, config, services);
}
