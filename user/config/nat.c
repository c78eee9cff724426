/* SPDX-License-Identifier: GPL-2.0-only */
#include "config/nat.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/number.h"

#define PORTS_TEXT_MAX 12

static bool has_address(const struct nat_config *nat, const struct leat_addr *address)
{
	enum nat_family family = nat_family_of(address);

	for (uint32_t i = 0; i < nat->counts[family]; i++) {
		if (address_equal(&nat->addresses[family][i], address))
			return true;
	}
	return false;
}

static void add_address(struct report *report, const struct tree_node *node, struct nat_config *nat)
{
	struct leat_addr address = { 0 };
	enum nat_family family;

	schema_read_address(report, node, NULL, &address);
	if (address_is_zero(&address))
		return;
	family = nat_family_of(&address);
	if (has_address(nat, &address))
		schema_report(report, node, "%s is in the list already, addresses must differ",
			      node->text);
	else if (nat->counts[family] == LEAT_NAT_ADDRESSES)
		schema_report(report, node, "at most %d addresses of a family are allowed",
			      LEAT_NAT_ADDRESSES);
	else
		nat->addresses[family][nat->counts[family]++] = address;
}

static void read_addresses(struct report *report, const struct tree_node *node,
			   const struct schema_field *field, void *target)
{
	(void)field;
	if (!schema_expect_list(report, node, "a list of addresses, such as [198.51.100.1]"))
		return;
	for (const struct tree_node *item = node->first; item; item = item->next)
		add_address(report, item, target);
}

static bool parse_ports(const char *text, struct nat_config *nat)
{
	const char *last = strchr(text, '-');
	char first[PORTS_TEXT_MAX] = "";
	uint64_t ports[2];

	if (!last || last - text >= PORTS_TEXT_MAX)
		return false;
	memcpy(first, text, (size_t)(last - text));
	if (number_parse(first, 1, UINT16_MAX, &ports[0]) < 0 ||
	    number_parse(last + 1, ports[0], UINT16_MAX, &ports[1]) < 0)
		return false;
	nat->first_port = (uint16_t)ports[0];
	nat->last_port = (uint16_t)ports[1];
	return true;
}

static void read_ports(struct report *report, const struct tree_node *node,
		       const struct schema_field *field, void *target)
{
	(void)field;
	if (node->kind != TREE_SCALAR || !parse_ports(node->text, target))
		schema_refuse(report, node, "the first and the last port, such as %d-%d",
			      CONFIG_DEFAULT_NAT_FIRST, CONFIG_DEFAULT_NAT_LAST);
}

static const struct schema_field fields[] = {
	{ "addresses", read_addresses, .is_required = true },
	{ "ports", read_ports, .offset = 0 },
};

static const struct schema schema = { "nat", fields, ARRAY_SIZE(fields) };

void nat_read(struct report *report, const struct tree_node *node, const struct schema_field *field,
	      void *target)
{
	(void)field;
	schema_read(report, node, &schema, target);
}

/* Fragments that are hashed have no ports. */
static void check_translated(struct report *report, const struct config *config,
			     const struct service_config *service, const struct tree_node *node)
{
	bool is_ipv4 = address_is_ipv4(&service->key.address);

	if (!config->nat.counts[nat_family_of(&service->key.address)])
		schema_report(report, tree_find(node, "forward"),
			      "nat needs an %s address to send from, in the file's nat: { "
			      "addresses: [...] }",
			      is_ipv4 ? "IPv4" : "IPv6");
	if (service->hashes_fragments)
		schema_report(report, tree_find(node, "fragments"),
			      "fragments of a service with forward: nat are not translated; leave "
			      "hash out");
}

/* Every packet that the backends send back is looked for among services first. */
static void check_apart(struct report *report, const struct config *config,
			const struct service_config *service, const struct tree_node *node)
{
	uint16_t port = ntohs(service->key.port);

	if (!has_address(&config->nat, &service->key.address))
		return;
	if (port && (port < config->nat.first_port || port > config->nat.last_port))
		return;
	schema_report(report, tree_find(node, "port"),
		      "nat takes the ports %u to %u of this address for flows to backends; use "
		      "another port, address or range",
		      config->nat.first_port, config->nat.last_port);
}

void nat_check_service(struct report *report, const struct config *config,
		       const struct service_config *service, const struct tree_node *node)
{
	if (address_is_zero(&service->key.address))
		return;
	if (service->forward == LEAT_FORWARD_NAT)
		check_translated(report, config, service, node);
	check_apart(report, config, service, node);
}
