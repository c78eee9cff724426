/* SPDX-License-Identifier: GPL-2.0-only */
#include "daemon/operator_store.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"

#define STORE_VERSION  1
#define STORE_MAX_SIZE (16 * 1024 * 1024)

struct stored {
	struct leat_service_key service;
	struct leat_addr backend;
	struct operator_change change;
};

static int parse_state(const char *name, enum operator_state *ret_state)
{
	for (int state = OPERATOR_NONE; state <= OPERATOR_DISABLE; state++) {
		if (strcmp(name, operator_state_name((enum operator_state)state)) == 0) {
			*ret_state = (enum operator_state)state;
			return 0;
		}
	}
	return -EINVAL;
}

static int parse_stored(const json_t *entry, struct stored *ret_stored)
{
	const char *address, *protocol, *backend, *state;
	struct stored stored = { 0 };
	json_int_t weight = -1;
	int port;

	if (json_unpack((json_t *)(uintptr_t)entry, "{s:s, s:i, s:s, s:s, s:s, s?I}", "address",
			&address, "port", &port, "protocol", &protocol, "backend", &backend,
			"state", &state, "weight", &weight) < 0 ||
	    port < 0 || port > UINT16_MAX || weight < -1 || weight > LEAT_MAX_WEIGHT ||
	    (strcmp(protocol, "tcp") != 0 && strcmp(protocol, "udp") != 0) ||
	    address_parse(address, &stored.service.address) < 0 ||
	    address_parse(backend, &stored.backend) < 0 ||
	    parse_state(state, &stored.change.state) < 0)
		return -EINVAL;
	stored.service.port = htons((uint16_t)port);
	stored.service.protocol = strcmp(protocol, "udp") == 0 ? IPPROTO_UDP : IPPROTO_TCP;
	stored.change.has_weight = weight >= 0;
	stored.change.weight = weight >= 0 ? (uint32_t)weight : 0;
	*ret_stored = stored;
	return 0;
}

static bool put_back(const struct succession *services, const struct stored *stored)
{
	for (size_t i = 0; i < services->count; i++) {
		struct service *service = services->services[i];

		if (memcmp(&service->config.key, &stored->service, sizeof(stored->service)) != 0)
			continue;
		for (size_t j = 0; j < service->backend_count; j++) {
			struct backend *backend = service->backends[j];

			if (!address_equal(&backend->config.address, &stored->backend))
				continue;
			backend->operator_change = stored->change;
			return true;
		}
	}
	return false;
}

static int load_changes(const char *path, const json_t *changes, const struct succession *services)
{
	const json_t *entry;
	struct stored stored;
	size_t i;

	json_array_foreach(changes, i, entry) {
		if (parse_stored(entry, &stored) < 0) {
			log_error("%s: change %zu is not one of Leat's", path, i + 1);
			return -EINVAL;
		}
		if (!put_back(services, &stored))
			log_notice("%s: change %zu is for a backend that is not configured any "
				   "more; forgotten",
				   path, i + 1);
	}
	return 0;
}

static int load_entry(const json_t *entry, struct denied *denied)
{
	struct prefix prefix;
	json_int_t until = 0;
	const char *text;

	if (json_unpack((json_t *)(uintptr_t)entry, "{s:s, s?I}", "prefix", &text, "until",
			&until) < 0 ||
	    until < 0 || prefix_parse(text, &prefix) < 0)
		return -EINVAL;
	return denied_add(denied, &prefix, (uint64_t)until);
}

/* All of it, or nothing. */
static int load_denied(const char *path, const json_t *list, struct denied *denied)
{
	const json_t *entry;
	size_t i;

	json_array_foreach(list, i, entry) {
		int r = load_entry(entry, denied);

		if (r < 0) {
			log_error("%s: entry %zu of what is denied is not one of Leat's", path,
				  i + 1);
			denied_deinit(denied);
			return r == -ENOSPC ? -EINVAL : r;
		}
	}
	return 0;
}

int operator_store_load(const char *path, const struct succession *services, struct denied *denied)
{
	cleanup(json_decrefp) json_t *root = NULL;
	const json_t *changes;
	json_error_t error;
	struct stat status;
	int r;

	if (stat(path, &status) < 0) {
		r = -errno;
		if (r == -ENOENT)
			return 0;
		log_error("cannot read %s: %s", path, strerror(-r));
		return r;
	}
	if (status.st_size > STORE_MAX_SIZE) {
		log_error("%s: larger than the %d bytes that are allowed", path, STORE_MAX_SIZE);
		return -EFBIG;
	}
	root = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	if (!root) {
		log_error("%s:%d:%d: %s", path, error.line, error.column, error.text);
		return -EINVAL;
	}
	changes = json_object_get(root, "changes");
	if (json_integer_value(json_object_get(root, "version")) != STORE_VERSION ||
	    !json_is_array(changes)) {
		log_error("%s: not a file of operator changes of version %d", path, STORE_VERSION);
		return -EINVAL;
	}
	r = load_denied(path, json_object_get(root, "denied"), denied);
	if (r == 0)
		r = load_changes(path, changes, services);
	if (r < 0)
		denied_deinit(denied);
	return r;
}

static bool is_changed(const struct backend *backend)
{
	return backend->operator_change.state != OPERATOR_NONE ||
	       backend->operator_change.has_weight;
}

static json_t *format_stored(const struct backend *backend)
{
	const struct leat_service_key *key = &backend->service->config.key;
	const struct operator_change *change = &backend->operator_change;
	char service[ADDRESS_TEXT_SIZE], address[ADDRESS_TEXT_SIZE];
	json_t *entry = json_pack("{s:s, s:i, s:s, s:s, s:s}", "address",
				  address_format(&key->address, service), "port", ntohs(key->port),
				  "protocol", protocol_name(key->protocol), "backend",
				  address_format(&backend->config.address, address), "state",
				  operator_state_name(change->state));

	if (entry && change->has_weight)
		json_object_set_new(entry, "weight", json_integer(change->weight));
	return entry;
}

static json_t *format_changes(struct service *const *services, size_t count)
{
	json_t *changes = json_array();

	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < services[i]->backend_count; j++) {
			const struct backend *backend = services[i]->backends[j];

			if (is_changed(backend) &&
			    json_array_append_new(changes, format_stored(backend)) < 0) {
				json_decref(changes);
				return NULL;
			}
		}
	}
	return changes;
}

static json_t *format_denied(const struct denied *denied)
{
	json_t *list = json_array();

	for (size_t i = 0; i < denied->count; i++) {
		const struct denied_entry *entry = &denied->entries[i];
		char prefix[PREFIX_TEXT_SIZE];
		json_t *item = json_pack("{s:s}", "prefix", prefix_format(&entry->prefix, prefix));

		if (item && entry->until_s)
			json_object_set_new(item, "until",
					    json_integer((json_int_t)entry->until_s));
		if (json_array_append_new(list, item) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

int operator_store_save(const char *path, const struct node *node)
{
	cleanup(json_decrefp) json_t *root = NULL;
	cleanup(freep) char *text = NULL;

	/* Takes both, or neither remains. */
	root = json_pack("{s:i, s:o, s:o}", "version", STORE_VERSION, "changes",
			 format_changes(node->services, node->service_count), "denied",
			 format_denied(&node->denied));
	text = root ? json_dumps(root, JSON_INDENT(2)) : NULL;
	return text ? file_replace(path, text, strlen(text), 0640) : -ENOMEM;
}
