/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The history of table changes, from one node to another: which slots are open, and where their older
 * flows are. A node that starts while others are in the middle of a transition has all its slots
 * closed, and would send older flows to their slots' current backends. What is exported is what the
 * pinned maps hold, and so it survives a restart. Runs of slots with one previous backend are
 * [first, count, backend], where the backend is a place in the list of addresses, or -1 for none.
 *
 * What a history cannot carry are the flows that were opened in open slots: those are remembered by the
 * node that saw them.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "daemon/daemon.h"

#define HISTORY_VERSION 1
#define KEY_TEXT_SIZE	20

static uint16_t previous_of(struct leat_slot slot)
{
	return slot.previous & LEAT_SLOT_BACKEND;
}

static json_int_t place_of(const struct image *image, uint16_t id)
{
	for (size_t i = 0; i < image->backend_count; i++) {
		if (image->backends[i].id == id)
			return (json_int_t)i;
	}
	return -1;
}

static bool same_run(struct leat_slot a, struct leat_slot b)
{
	return slot_is_open(a) == slot_is_open(b) && previous_of(a) == previous_of(b);
}

/* Of a former table, all slots count, and else those that are open. */
static json_t *runs_of(const struct image *image, const struct leat_slot *slots, uint32_t size,
		       bool is_former)
{
	json_t *runs = json_array();
	uint32_t next;

	for (uint32_t first = 0; first < size; first = next) {
		for (next = first + 1; next < size && same_run(slots[first], slots[next]); next++)
			;
		if (is_former || slot_is_open(slots[first]))
			json_array_append_new(
				runs, json_pack("[I, I, I]", (json_int_t)first,
						(json_int_t)(next - first),
						place_of(image, previous_of(slots[first]))));
	}
	return runs;
}

/* 64 bits do not fit a JSON number everywhere. */
static json_t *lookup_json(const struct leat_lookup *lookup, json_t *runs)
{
	char key[KEY_TEXT_SIZE];

	snprintf(key, sizeof(key), "%016" PRIx64, (uint64_t)lookup->hash_key);
	return json_pack("{s:s, s:I, s:s, s:o}", "hash_key", key, "table_size",
			 (json_int_t)lookup->size, "hash",
			 hash_input_name((enum leat_hash_input)lookup->hash), "previous", runs);
}

static json_t *addresses_json(const struct image *image)
{
	json_t *addresses = json_array();
	char text[ADDRESS_TEXT_SIZE];

	for (size_t i = 0; i < image->backend_count; i++)
		json_array_append_new(
			addresses, json_string(address_format(&image->backends[i].address, text)));
	return addresses;
}

static json_t *service_json(const struct image *image)
{
	const struct leat_service *value = &image->value;
	char address[ADDRESS_TEXT_SIZE];
	json_t *former = NULL;

	if (image->former_slots)
		former = lookup_json(&value->former,
				     runs_of(image, image->former_slots, value->former.size, true));
	return json_pack("{s:s, s:i, s:s, s:o, s:o, s:o*}", "address",
			 address_format(&image->key.address, address), "port",
			 ntohs(image->key.port), "protocol", protocol_name(image->key.protocol),
			 "backends", addresses_json(image), "table",
			 lookup_json(&value->lookup,
				     runs_of(image, image->slots, value->lookup.size, false)),
			 "former", former);
}

int daemon_export_history(void *user, json_t **ret_history)
{
	const struct daemon *daemon = user;
	json_t *services = json_array();

	for (size_t i = 0; i < daemon->applier.count; i++) {
		if (daemon->applier.images[i]->open_count)
			json_array_append_new(services, service_json(daemon->applier.images[i]));
	}
	*ret_history = json_pack("{s:i, s:o}", "version", HISTORY_VERSION, "services", services);
	return *ret_history ? 0 : -ENOMEM;
}

/* One service of an import. */
struct import {
	struct daemon *daemon;
	struct service *service;
	const struct image *image;
	const json_t *backends; /* the other node's list of addresses */
	struct image_past past;
};

static void import_deinit(struct import *import)
{
	free(import->past.previous);
	free(import->past.former_previous);
}

static uint16_t id_of(const struct import *import, json_int_t place)
{
	const char *text = json_string_value(json_array_get(import->backends, (size_t)place));
	const struct image_backend *backend;
	struct leat_addr address;

	if (place < 0 || !text || address_parse(text, &address) < 0)
		return 0;
	backend = image_find_backend(import->image, &address);
	return backend ? (uint16_t)backend->id : 0;
}

static int read_run(const struct import *import, const json_t *run, uint32_t size,
		    uint16_t *previous)
{
	json_int_t first = json_integer_value(json_array_get(run, 0));
	json_int_t count = json_integer_value(json_array_get(run, 1));
	uint16_t id = id_of(import, json_integer_value(json_array_get(run, 2)));

	if (json_array_size(run) != 3 || first < 0 || count < 1 || first > size ||
	    count > size - first)
		return -EINVAL;
	for (json_int_t i = first; i < first + count; i++)
		previous[i] = id;
	return 0;
}

static int read_runs(const struct import *import, const json_t *table, uint32_t size,
		     uint16_t unsaid, uint16_t **ret_previous)
{
	const json_t *runs = json_object_get(table, "previous");
	cleanup(freep) uint16_t *previous = calloc(size, sizeof(*previous));

	if (!previous)
		return -ENOMEM;
	if (!json_is_array(runs))
		return -EINVAL;
	for (uint32_t i = 0; i < size; i++)
		previous[i] = unsaid;
	for (size_t i = 0; i < json_array_size(runs); i++) {
		int r = read_run(import, json_array_get(runs, i), size, previous);

		if (r < 0)
			return r;
	}
	*ret_previous = take_ptr(previous);
	return 0;
}

static int read_hash(const char *text, uint8_t *ret_hash)
{
	for (int hash = LEAT_HASH_FLOW; text && hash <= LEAT_HASH_SOURCE; hash++) {
		if (strcmp(text, hash_input_name((enum leat_hash_input)hash)) != 0)
			continue;
		*ret_hash = (uint8_t)hash;
		return 0;
	}
	return -EINVAL;
}

static int read_key(const char *text, __u64 *ret_key)
{
	uint64_t key;
	char rest;

	if (!text || sscanf(text, "%16" SCNx64 "%c", &key, &rest) != 1)
		return -EINVAL;
	*ret_key = key;
	return 0;
}

static int read_lookup(const json_t *table, struct leat_lookup *ret_lookup)
{
	struct leat_lookup lookup = { 0 };
	json_int_t size = json_integer_value(json_object_get(table, "table_size"));
	int r = read_key(json_string_value(json_object_get(table, "hash_key")), &lookup.hash_key);

	if (r == 0)
		r = read_hash(json_string_value(json_object_get(table, "hash")), &lookup.hash);
	if (r < 0 || size < 1 || size > LEAT_MAX_TABLE_SIZE)
		return -EINVAL;
	lookup.size = (uint32_t)size;
	*ret_lookup = lookup;
	return 0;
}

static int read_former(struct import *import, const json_t *former)
{
	int r;

	if (!former)
		return 0;
	r = read_lookup(former, &import->past.former);
	if (r < 0)
		return r;
	return read_runs(import, former, import->past.former.size, 0,
			 &import->past.former_previous);
}

/* -ESTALE: the service's table is another one here. */
static int read_table(struct import *import, const json_t *table)
{
	const struct leat_lookup *own = &import->image->value.lookup;
	struct leat_lookup lookup;
	int r = read_lookup(table, &lookup);

	if (r < 0)
		return r;
	if (lookup.hash_key != own->hash_key || lookup.size != own->size ||
	    lookup.hash != own->hash)
		return -ESTALE;
	return read_runs(import, table, lookup.size, IMAGE_CLOSED, &import->past.previous);
}

static struct service *find_service(const struct daemon *daemon, const json_t *json)
{
	const char *address = json_string_value(json_object_get(json, "address"));
	const char *protocol = json_string_value(json_object_get(json, "protocol"));
	json_int_t port = json_integer_value(json_object_get(json, "port"));
	struct leat_addr wanted;

	if (!address || !protocol || address_parse(address, &wanted) < 0)
		return NULL;
	for (size_t i = 0; i < daemon->node.service_count; i++) {
		struct service *service = daemon->node.services[i];
		const struct leat_service_key *key = &service->config.key;

		if (address_equal(&key->address, &wanted) && ntohs(key->port) == port &&
		    strcmp(protocol_name(key->protocol), protocol) == 0)
			return service;
	}
	return NULL;
}

static int import_service(struct daemon *daemon, const json_t *json)
{
	cleanup(import_deinit) struct import import = {
		.daemon = daemon,
		.service = find_service(daemon, json),
		.backends = json_object_get(json, "backends"),
	};
	int r;

	if (!import.service)
		return -ENOENT;
	import.image = applier_find_image(&daemon->applier, &import.service->config.key);
	r = import.image ? read_table(&import, json_object_get(json, "table")) : -ENOENT;
	if (r == 0)
		r = read_former(&import, json_object_get(json, "former"));
	return r < 0 ? r : applier_import(&daemon->applier, import.service, &import.past);
}

static const char *explain(int result)
{
	switch (result) {
	case -ENOENT:
		return "this node has no such service";
	case -ESTALE:
		return "its seed, table_size or hash is another one here";
	case -EINVAL:
		return "it is not a table's history";
	default:
		return strerror(-result);
	}
}

/* Ends with the first service that does not fit; what came before that is imported. */
int daemon_import_history(void *user, const json_t *history, char **ret_error)
{
	const json_t *services = json_object_get(history, "services");
	struct daemon *daemon = user;
	int result = 0;

	if (json_integer_value(json_object_get(history, "version")) != HISTORY_VERSION ||
	    !json_is_array(services))
		result = -EINVAL;
	if (result < 0 && asprintf(ret_error,
				   "this is not a history of version %d, as leat node "
				   "export-history writes it",
				   HISTORY_VERSION) < 0)
		return -ENOMEM;
	for (size_t i = 0; result == 0 && i < json_array_size(services); i++) {
		const json_t *service = json_array_get(services, i);
		const char *address = json_string_value(json_object_get(service, "address"));
		int r = import_service(daemon, service);

		result = r < 0 ? r : result;
		if (r < 0 && asprintf(ret_error, "services[%zu], %.64s: %s", i,
				      address ? address : "without an address", explain(r)) < 0)
			return -ENOMEM;
	}
	return result;
}
