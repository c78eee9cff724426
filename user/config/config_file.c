/* SPDX-License-Identifier: GPL-2.0-only */
#include "config/config_file.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sys/un.h>

#include "base/file.h"
#include "base/number.h"
#include "config/access.h"
#include "config/check.h"
#include "config/nat.h"
#include "config/schema.h"
#include "config/service.h"

#define NO_METRICS "none"

static const struct schema_choice modes[] = {
	{ "auto", ATTACH_AUTO }, { "native", ATTACH_NATIVE }, { "generic", ATTACH_GENERIC }, { 0 }
};

/* As the kernel has it. */
static bool interface_name_is_valid(const char *name)
{
	size_t length = strlen(name);

	if (length == 0 || length >= IF_NAMESIZE || strcmp(name, ".") == 0 ||
	    strcmp(name, "..") == 0)
		return false;
	for (const char *c = name; *c; c++) {
		if (!isgraph((unsigned char)*c) || *c == '/' || *c == ':')
			return false;
	}
	return true;
}

static bool has_interface(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->interface_count; i++) {
		if (strcmp(config->interfaces[i], name) == 0)
			return true;
	}
	return false;
}

static void read_interface(struct report *report, const struct tree_node *node,
			   struct config *config)
{
	if (node->kind != TREE_SCALAR || !interface_name_is_valid(node->text))
		schema_refuse(report, node, "an interface's name of 1 to %d characters",
			      IF_NAMESIZE - 1);
	else if (has_interface(config, node->text))
		schema_report(report, node, "%s is in the list already, names must differ",
			      node->text);
	else
		strcpy(config->interfaces[config->interface_count++], node->text);
}

static void read_interfaces(struct report *report, const struct tree_node *node,
			    const struct schema_field *field, void *target)
{
	struct config *config = target;

	(void)field;
	if (!schema_expect_list(report, node, "a list of interfaces, such as [eth0]"))
		return;
	if (node->count == 0 || node->count > LEAT_MAX_INTERFACES) {
		schema_report(report, node, "the list has %zu interfaces, 1 to %d are allowed",
			      node->count, LEAT_MAX_INTERFACES);
		return;
	}
	config->interfaces = calloc(node->count, sizeof(*config->interfaces));
	if (!config->interfaces) {
		report->is_out_of_memory = true;
		return;
	}
	for (const struct tree_node *item = node->first; item; item = item->next)
		read_interface(report, item, config);
}

static void read_seed(struct report *report, const struct tree_node *node,
		      const struct schema_field *field, void *target)
{
	(void)field;
	if (node->kind != TREE_SCALAR || hex64_parse(node->text, target) < 0)
		schema_refuse(report, node, "16 hexadecimal digits");
}

static bool mac_is_unicast(const struct mac *mac)
{
	static const struct mac zero;

	return !(mac->bytes[0] & 1) && memcmp(mac, &zero, sizeof(zero)) != 0;
}

static void read_next_hop(struct report *report, const struct tree_node *node,
			  const struct schema_field *field, void *target)
{
	struct config *config = target;
	struct mac mac;

	(void)field;
	if (node->kind != TREE_SCALAR || mac_parse(node->text, &mac) < 0 || !mac_is_unicast(&mac)) {
		schema_refuse(report, node, "a unicast MAC address, such as 02:00:00:00:00:01");
		return;
	}
	config->next_hop = mac;
	config->has_next_hop = true;
}

/* Rounded up to a power of two: bits of a hash say where in its map a flow is. */
static void read_flows(struct report *report, const struct tree_node *node,
		       const struct schema_field *field, void *target)
{
	uint32_t least = 0, *flows = target;

	schema_read_number(report, node, field, &least);
	if (least == 0)
		return;
	for (*flows = LEAT_MIN_FLOWS; *flows < least;)
		*flows *= 2;
}

/* seen: whether the list had a prefix of the family, IPv4 at 0 and IPv6 at 1. */
static void read_outer_source(struct report *report, const struct tree_node *node,
			      struct config *config, bool seen[2])
{
	struct prefix prefix;
	bool is_ipv6;

	if (node->kind != TREE_SCALAR || prefix_parse(node->text, &prefix) < 0 ||
	    !address_is_unicast(&prefix.address)) {
		schema_refuse(report, node,
			      "a unicast prefix, such as " CONFIG_DEFAULT_OUTER_SOURCE4
			      " or " CONFIG_DEFAULT_OUTER_SOURCE6);
		return;
	}
	is_ipv6 = !address_is_ipv4(&prefix.address);
	if (seen[is_ipv6])
		schema_report(report, node, "a second %s prefix, one of each family is allowed",
			      is_ipv6 ? "IPv6" : "IPv4");
	else if (is_ipv6)
		config->outer_source6 = prefix;
	else
		config->outer_source4 = prefix;
	seen[is_ipv6] = true;
}

static void read_outer_sources(struct report *report, const struct tree_node *node,
			       const struct schema_field *field, void *target)
{
	bool seen[2] = { false, false };

	(void)field;
	if (!schema_expect_list(report, node, "a list of an IPv4 prefix, an IPv6 prefix or both"))
		return;
	for (const struct tree_node *item = node->first; item; item = item->next)
		read_outer_source(report, item, target, seen);
}

static void read_group(struct report *report, const struct tree_node *node,
		       const struct schema_field *field, void *target)
{
	char name[CONFIG_MAX_NAME + 1] = "";

	schema_read_name(report, node, field, name);
	if (name[0])
		schema_set_string(report, name, target);
}

static const struct schema_field control_fields[] = {
	{ "socket", schema_read_file, offsetof(struct config, control_socket),
	  .most = sizeof(((struct sockaddr_un *)0)->sun_path) - 1 },
	{ "group", read_group, .offset = offsetof(struct config, control_group) },
};

static const struct schema control_schema = { "control", control_fields,
					      ARRAY_SIZE(control_fields) };

static void read_control(struct report *report, const struct tree_node *node,
			 const struct schema_field *field, void *target)
{
	(void)field;
	schema_read(report, node, &control_schema, target);
}

static void read_listen(struct report *report, const struct tree_node *node,
			const struct schema_field *field, void *target)
{
	struct config *config = target;
	struct leat_addr address;
	uint16_t port;

	(void)field;
	if (strcmp(node->text, NO_METRICS) == 0) {
		free(take_ptr(config->metrics_listen));
		return;
	}
	if (node->kind != TREE_SCALAR || address_parse_with_port(node->text, &address, &port) < 0)
		schema_refuse(report, node,
			      "an address and port, such as 127.0.0.1:9817 or \"[::1]:9817\", or "
			      "none");
	else
		schema_set_string(report, node->text, &config->metrics_listen);
}

static const struct schema_field metrics_fields[] = { { "listen", read_listen, .offset = 0 } };

static const struct schema metrics_schema = { "metrics", metrics_fields,
					      ARRAY_SIZE(metrics_fields) };

static void read_metrics(struct report *report, const struct tree_node *node,
			 const struct schema_field *field, void *target)
{
	(void)field;
	schema_read(report, node, &metrics_schema, target);
}

/* A reader without a member of its own gets the whole configuration. */
static const struct schema_field fields[] = {
	{ "interfaces", read_interfaces, .is_required = true },
	{ "mode", schema_read_choice, offsetof(struct config, mode), .choices = modes },
	{ "seed", read_seed, .offset = offsetof(struct config, seed) },
	{ "flows", read_flows, offsetof(struct config, flows), .least = LEAT_MIN_FLOWS,
	  .most = LEAT_LIMIT_FLOWS },
	{ "next_hop", read_next_hop, .offset = 0 },
	{ "outer_source", read_outer_sources, .offset = 0 },
	{ "nat", nat_read, .offset = offsetof(struct config, nat) },
	{ "control", read_control, .offset = 0 },
	{ "metrics", read_metrics, .offset = 0 },
	{ "state", schema_read_file, offsetof(struct config, state), .most = CONFIG_MAX_PATH },
	{ "deny", access_read_later, .offset = 0 },
	{ "services", services_read, .is_required = true },
};

_Static_assert(ARRAY_SIZE(fields) <= SCHEMA_MAX_FIELDS, "raise SCHEMA_MAX_FIELDS");

static const struct schema schema = { "the file", fields, ARRAY_SIZE(fields) };

static struct config *config_new(struct report *report)
{
	struct config *config = calloc(1, sizeof(*config));

	if (!config) {
		report->is_out_of_memory = true;
		return NULL;
	}
	config->mode = ATTACH_AUTO;
	config->seed = CONFIG_DEFAULT_SEED;
	config->flows = LEAT_DEFAULT_FLOWS;
	prefix_parse(CONFIG_DEFAULT_OUTER_SOURCE4, &config->outer_source4);
	prefix_parse(CONFIG_DEFAULT_OUTER_SOURCE6, &config->outer_source6);
	config->nat.first_port = CONFIG_DEFAULT_NAT_FIRST;
	config->nat.last_port = CONFIG_DEFAULT_NAT_LAST;
	schema_set_string(report, CONFIG_DEFAULT_SOCKET, &config->control_socket);
	schema_set_string(report, CONFIG_DEFAULT_GROUP, &config->control_group);
	schema_set_string(report, CONFIG_DEFAULT_LISTEN, &config->metrics_listen);
	schema_set_string(report, CONFIG_DEFAULT_STATE, &config->state);
	return config;
}

/* Fills config as far as the tree is right, and reports the rest. */
static void read_tree(struct report *report, const struct tree *tree, struct config *config)
{
	const struct access_config access = {
		.deny_file = &config->deny_file,
		.list = &config->access,
	};
	const struct tree_node *services;

	if (!schema_read(report, tree->root, &schema, config))
		return;
	access_read(report, tree->root, &access);
	services = tree_find(tree->root, "services");
	if (config->services && check_services(report, config, services) < 0)
		report->is_out_of_memory = true;
}

static void read_text(struct report *report, const char *text, size_t size, struct config *config)
{
	cleanup(tree_deinit) struct tree tree = { 0 };
	int r = -EINVAL;

	if (size > CONFIG_FILE_MAX_SIZE)
		report_add(report, 0, 0, "larger than %d bytes, which is the most",
			   CONFIG_FILE_MAX_SIZE);
	else
		r = tree_read(&tree, report, text, size);
	if (r == -ENOMEM)
		report->is_out_of_memory = true;
	if (r == 0)
		read_tree(report, &tree, config);
}

int config_file_parse(const char *name, const char *text, size_t size, struct config **ret_config,
		      struct config_errors *ret_errors)
{
	cleanup(report_deinit) struct report report = { .file = name };
	cleanup(config_freep) struct config *config = config_new(&report);
	int r;

	*ret_errors = (struct config_errors){ 0 };
	if (config)
		read_text(&report, text, size, config);
	r = report_finish(&report, ret_errors);
	if (r < 0)
		return r;
	*ret_config = take_ptr(config);
	return 0;
}

static int report_unreadable(const char *path, int error, struct config_errors *ret_errors)
{
	cleanup(report_deinit) struct report report = { .file = path };

	report_add(&report, 0, 0, "cannot be read: %s", strerror(-error));
	report_finish(&report, ret_errors);
	return error;
}

int config_file_read(const char *path, char **ret_text, size_t *ret_size,
		     struct config_errors *ret_errors)
{
	int r = file_read(path, CONFIG_FILE_MAX_SIZE, ret_text, ret_size);

	*ret_errors = (struct config_errors){ 0 };
	return r < 0 ? report_unreadable(path, r, ret_errors) : 0;
}

int config_file_load(const char *path, struct config **ret_config, struct config_errors *ret_errors)
{
	cleanup(freep) char *text = NULL;
	size_t size = 0;
	int r = config_file_read(path, &text, &size, ret_errors);

	return r < 0 ? r : config_file_parse(path, text, size, ret_config, ret_errors);
}
