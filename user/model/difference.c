/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/difference.h"

#include <errno.h>
#include <string.h>

#include "model/memory.h"

/* One service while it is compared. By id, which is the same in both images for the same backend. */
struct comparison {
	const struct plan_change *change;
	const struct service *before, *after;
	struct difference_service *result;
	size_t *index; /* LEAT_MAX_BACKENDS of them: where a backend is in the result */
};

static bool differs(const struct leat_addr *a, const struct leat_addr *b)
{
	return !address_equal(a, b);
}

static void add_key(const char **keys, size_t *count, const char *key)
{
	if (*count == 0 || strcmp(keys[*count - 1], key) != 0)
		keys[(*count)++] = key;
}

/* Plain members of a configuration, in the order of leat.yaml(5); keys that two members make up stand
 * beside each other. */
struct member {
	const char *key;
	size_t offset;
	size_t size;
};

#define SERVICE_MEMBER(key, member)                                                                \
	{                                                                                          \
		key, offsetof(struct service_config, member),                                      \
			sizeof(((struct service_config *)0)->member)                               \
	}
#define CONFIG_MEMBER(key, member)                                                                 \
	{                                                                                          \
		key, offsetof(struct config, member), sizeof(((struct config *)0)->member)         \
	}

static const struct member service_members[] = {
	SERVICE_MEMBER("scheduler", scheduler),
	SERVICE_MEMBER("hash", hash),
	SERVICE_MEMBER("table", table),
	SERVICE_MEMBER("table", table_size),
	SERVICE_MEMBER("forward", forward),
	SERVICE_MEMBER("gue_port", gue_port),
	SERVICE_MEMBER("ping", ping),
	SERVICE_MEMBER("fragments", hashes_fragments),
	SERVICE_MEMBER("idle", tcp_idle_ms),
	SERVICE_MEMBER("idle", udp_idle_ms),
	SERVICE_MEMBER("slow_start", slow_start_ms),
	SERVICE_MEMBER("sticky", sticky_ms),
	SERVICE_MEMBER("rate", rate_new),
	SERVICE_MEMBER("rate", rate_burst),
	SERVICE_MEMBER("quic", quic_lengths),
};

static const struct member config_members[] = {
	CONFIG_MEMBER("mode", mode),
	CONFIG_MEMBER("seed", seed),
	CONFIG_MEMBER("flows", flows),
	CONFIG_MEMBER("next_hop", has_next_hop),
	CONFIG_MEMBER("next_hop", next_hop),
	CONFIG_MEMBER("outer_source", outer_source4),
	CONFIG_MEMBER("outer_source", outer_source6),
	CONFIG_MEMBER("nat", nat),
};

static void compare_members(const struct member *members, size_t member_count, const void *a,
			    const void *b, const char **keys, size_t *count)
{
	for (size_t i = 0; i < member_count; i++) {
		const struct member *member = &members[i];

		if (memcmp((const char *)a + member->offset, (const char *)b + member->offset,
			   member->size) != 0)
			add_key(keys, count, member->key);
	}
}

static bool text_differs(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) != 0 : a != b;
}

static bool interfaces_differ(const struct config *a, const struct config *b)
{
	size_t count = a->interface_count;

	if (b->interface_count != count)
		return true;
	return count && memcmp(a->interfaces, b->interfaces, count * sizeof(a->interfaces[0])) != 0;
}

void difference_compare(struct difference *difference, const struct config *before,
			const struct config *after)
{
	const char **keys = difference->keys;
	size_t *count = &difference->key_count;

	if (interfaces_differ(before, after))
		add_key(keys, count, "interfaces");
	compare_members(config_members, ARRAY_SIZE(config_members), before, after, keys, count);
	if (text_differs(before->control_socket, after->control_socket) ||
	    text_differs(before->control_group, after->control_group))
		add_key(keys, count, "control");
	if (text_differs(before->metrics_listen, after->metrics_listen))
		add_key(keys, count, "metrics");
	if (text_differs(before->state, after->state))
		add_key(keys, count, "state");
	if (!access_list_equal(before->access, after->access))
		add_key(keys, count, "deny");
}

static bool probe_differs(const struct probe_config *a, const struct probe_config *b)
{
	return !probe_config_same_run(a, b) || a->rise != b->rise || a->fall != b->fall;
}

static void compare_services(struct comparison *comparison)
{
	const struct service_config *was = &comparison->before->config;
	const struct service_config *now = &comparison->after->config;
	struct difference_service *result = comparison->result;

	if (strcmp(was->name, now->name) != 0)
		add_key(result->keys, &result->key_count, "name");
	compare_members(service_members, ARRAY_SIZE(service_members), was, now, result->keys,
			&result->key_count);
	if (!access_list_equal(was->access, now->access))
		add_key(result->keys, &result->key_count, "allow, deny");
	if (probe_differs(&was->probe, &now->probe))
		add_key(result->keys, &result->key_count, "probe");
}

static const struct backend *find(const struct service *service, const struct leat_addr *address)
{
	for (size_t i = 0; service && i < service->backend_count; i++) {
		if (!differs(&service->backends[i]->config.address, address))
			return service->backends[i];
	}
	return NULL;
}

static bool config_differs(const struct backend_config *a, const struct backend_config *b)
{
	return strcmp(a->name, b->name) != 0 || a->port != b->port ||
	       memcmp(a->server_ids, b->server_ids, sizeof(a->server_ids)) != 0;
}

static enum difference_kind kind_of(const struct backend *was, const struct backend *now)
{
	if (!now)
		return DIFFERENCE_REMOVED;
	if (now->is_leaving)
		return was && was->is_leaving ? DIFFERENCE_SAME : DIFFERENCE_LEAVING;
	if (!was)
		return DIFFERENCE_ADDED;
	return was->is_leaving || config_differs(&was->config, &now->config) ||
			       backend_effective_weight(was) != backend_effective_weight(now) ||
			       backend_wanted_weight(was) != backend_wanted_weight(now) ||
			       backend_current_state(was) != backend_current_state(now)
		       ? DIFFERENCE_CHANGED
		       : DIFFERENCE_SAME;
}

/* What a backend keeps no longer, it had kept before. */
static const char *why_broken(const struct comparison *comparison, const struct backend *was,
			      const struct backend *now)
{
	if (!was || !backend_keeps_flows(was))
		return NULL;
	if (!comparison->after)
		return "the service is removed";
	if (!now)
		return "the backend is removed at once";
	if (backend_keeps_flows(now))
		return NULL;
	return backend_current_state(now) == BACKEND_DISABLED ? "the backend is disabled"
							      : "the backend is down";
}

static void add_backend(struct comparison *comparison, const struct image_backend *in_image)
{
	struct difference_service *service = comparison->result;
	struct difference_backend *result = &service->backends[service->backend_count];
	const struct backend *was = find(comparison->before, &in_image->address);
	const struct backend *now = find(comparison->after, &in_image->address);

	comparison->index[in_image->id] = service->backend_count++;
	*result = (struct difference_backend){
		.address = in_image->address,
		.kind = kind_of(was, now),
		.weight_before = was ? backend_wanted_weight(was) : 0,
		.weight_after = now ? backend_wanted_weight(now) : 0,
		.state_after = now ? backend_current_state(now) : BACKEND_DOWN,
		.breaks = why_broken(comparison, was, now),
	};
	if (was)
		result->flows = was->flows;
	memcpy(result->name, in_image->name, sizeof(result->name));
}

/* Both are in the order of the addresses. */
static int add_backends(struct comparison *comparison)
{
	const struct image *before = comparison->change->before, *after = comparison->change->after;
	size_t was_count = before ? before->backend_count : 0;
	size_t now_count = after ? after->backend_count : 0;
	size_t i = 0, j = 0;

	comparison->result->backends =
		calloc(was_count + now_count + 1, sizeof(struct difference_backend));
	if (!comparison->result->backends)
		return -ENOMEM;
	while (i < was_count || j < now_count) {
		int order = j == now_count   ? -1
			    : i == was_count ? 1
					     : address_compare(&before->backends[i].address,
							       &after->backends[j].address);

		/* With the name that it has afterwards. */
		add_backend(comparison, order < 0 ? &before->backends[i] : &after->backends[j]);
		i += order <= 0;
		j += order >= 0;
	}
	return 0;
}

static size_t index_of(const struct comparison *comparison, uint16_t id)
{
	return id ? comparison->index[id] : DIFFERENCE_NOBODY;
}

static void count_slot(struct difference_backend *backend, bool is_after, uint32_t size)
{
	*(is_after ? &backend->slots_after : &backend->slots_before) += 1;
	*(is_after ? &backend->share_after : &backend->share_before) += 1.0 / size;
}

static void count_slots(const struct comparison *comparison)
{
	const struct image *images[] = { comparison->change->before, comparison->change->after };

	for (size_t i = 0; i < ARRAY_SIZE(images); i++) {
		uint32_t size = images[i] ? images[i]->value.lookup.size : 0;

		for (uint32_t slot = 0; slot < size; slot++) {
			size_t index = index_of(comparison, images[i]->slots[slot].current);

			if (index != DIFFERENCE_NOBODY)
				count_slot(&comparison->result->backends[index], i == 1, size);
		}
	}
}

static int compare_pairs(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return left < right ? -1 : left > right;
}

static int compare_moves(const void *a, const void *b)
{
	const struct difference_move *left = a, *right = b;

	return left->share > right->share ? -1 : left->share < right->share;
}

static void sort_moves(struct difference_service *result)
{
	if (result->move_count)
		qsort(result->moves, result->move_count, sizeof(*result->moves), compare_moves);
}

/* Each of `pairs`, which are sorted, is a slot: the id before in its upper half, the one after below. */
static int add_moves(const struct comparison *comparison, const uint32_t *pairs, size_t count)
{
	struct difference_service *result = comparison->result;
	size_t distinct = 0;

	for (size_t i = 0; i < count; i++)
		distinct += i == 0 || pairs[i] != pairs[i - 1];
	result->moves = calloc(distinct + 1, sizeof(*result->moves));
	if (!result->moves)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		if (i == 0 || pairs[i] != pairs[i - 1])
			result->moves[result->move_count++] = (struct difference_move){
				.from = index_of(comparison, (uint16_t)(pairs[i] >> 16)),
				.to = index_of(comparison, (uint16_t)pairs[i]),
			};
		result->moves[result->move_count - 1].share += 1.0 / result->slots;
	}
	sort_moves(result);
	return 0;
}

static int compare_slots(const struct comparison *comparison)
{
	const struct image *before = comparison->change->before, *after = comparison->change->after;
	struct difference_service *result = comparison->result;
	cleanup(freep) uint32_t *pairs = calloc(result->slots + 1, sizeof(*pairs));
	size_t count = 0;

	if (!pairs)
		return -ENOMEM;
	for (uint32_t i = 0; i < result->slots; i++) {
		uint16_t was = before ? before->slots[i].current : 0;
		uint16_t now = after ? after->slots[i].current : 0;

		if (was != now)
			pairs[count++] = (uint32_t)was << 16 | now;
	}
	result->slots_moved = (uint32_t)count;
	result->share_moved = result->slots ? (double)count / result->slots : 0;
	if (count)
		qsort(pairs, count, sizeof(*pairs), compare_pairs);
	return add_moves(comparison, pairs, count);
}

/* Of more backends nobody wants to read every pair. */
#define EXPECTED_MAX 64

static double share_at(const struct difference_service *service, size_t index, bool is_after)
{
	const struct difference_backend *backend = &service->backends[index];

	return is_after ? backend->share_after : backend->share_before;
}

/* Of one of them; of nobody, what none of them has. */
static double share_of(const struct difference_service *service, size_t index, bool is_after)
{
	double rest = 1;

	if (index != DIFFERENCE_NOBODY)
		return share_at(service, index, is_after);
	for (size_t i = 0; i < service->backend_count; i++)
		rest -= share_at(service, i, is_after);
	/* Slots are whole; what is less is rounding. */
	return rest > 0.5 / LEAT_MAX_TABLE_SIZE ? rest : 0;
}

static void expect_move(struct difference_service *service, size_t from, size_t to)
{
	double share = share_of(service, from, false) * share_of(service, to, true);

	if (from == to)
		service->share_moved -= share;
	else if (share > 0)
		service->moves[service->move_count++] = (struct difference_move){ from, to, share };
}

/* A flow's place in one table says nothing of its place in the other. */
static int expect_moves(const struct comparison *comparison)
{
	struct difference_service *result = comparison->result;
	size_t count = MIN(result->backend_count, (size_t)EXPECTED_MAX);

	result->is_rehashed = true;
	result->slots_moved = result->slots;
	result->share_moved = 1;
	result->moves = calloc((count + 1) * (count + 1), sizeof(*result->moves));
	if (!result->moves)
		return -ENOMEM;
	for (size_t i = 0; i <= count; i++) {
		for (size_t j = 0; j <= count; j++)
			expect_move(result, i < count ? i : DIFFERENCE_NOBODY,
				    j < count ? j : DIFFERENCE_NOBODY);
	}
	/* Of the others, too, what stays does not move. */
	for (size_t i = count; i < result->backend_count; i++)
		result->share_moved -= share_of(result, i, false) * share_of(result, i, true);
	sort_moves(result);
	return 0;
}

static bool same_places(const struct image *a, const struct image *b)
{
	return a->value.lookup.size == b->value.lookup.size &&
	       a->value.lookup.hash_key == b->value.lookup.hash_key &&
	       a->value.lookup.hash == b->value.lookup.hash;
}

static int compare_tables(const struct comparison *comparison)
{
	const struct image *before = comparison->change->before, *after = comparison->change->after;
	struct difference_service *result = comparison->result;

	result->slots = (after ?: before)->value.lookup.size;
	count_slots(comparison);
	for (uint32_t i = 0; after && i < result->slots; i++)
		result->slots_opened += image_opens_slot(before, after, i);
	if (before && after && !same_places(before, after))
		return expect_moves(comparison);
	return compare_slots(comparison);
}

static void count_flows(struct difference_service *result)
{
	result->is_counted = true;
	for (size_t i = 0; i < result->backend_count; i++) {
		const struct difference_backend *backend = &result->backends[i];

		if (backend->breaks)
			result->flows_break += backend->flows.live;
		else
			result->flows_stay += backend->flows.live;
		if (backend->kind != DIFFERENCE_ADDED)
			result->is_counted &= backend->flows.is_counted;
	}
}

static bool backends_differ(const struct difference_service *result)
{
	for (size_t i = 0; i < result->backend_count; i++) {
		if (result->backends[i].kind != DIFFERENCE_SAME)
			return true;
	}
	return false;
}

static enum difference_kind service_kind(const struct comparison *comparison)
{
	const struct difference_service *result = comparison->result;

	if (!comparison->before)
		return DIFFERENCE_ADDED;
	if (!comparison->after)
		return DIFFERENCE_REMOVED;
	return result->key_count || result->slots_moved || backends_differ(result)
		       ? DIFFERENCE_CHANGED
		       : DIFFERENCE_SAME;
}

static void call(struct difference_service *result, const struct service *service)
{
	memcpy(result->name, service->config.name, sizeof(result->name));
	result->key = service->config.key;
}

static int compare(struct comparison *comparison)
{
	const struct service *before = comparison->before, *after = comparison->after;
	struct difference_service *result = comparison->result;
	int r;

	if (after)
		call(result, after);
	else if (before)
		call(result, before);
	if (before && after)
		compare_services(comparison);
	r = add_backends(comparison);
	if (r == 0)
		r = compare_tables(comparison);
	if (r < 0)
		return r;
	count_flows(result);
	result->kind = service_kind(comparison);
	return 0;
}

static void service_deinit(struct difference_service *service)
{
	free(service->backends);
	free(service->moves);
}

static int reserve(struct difference *difference)
{
	size_t count = difference->service_count;
	struct difference_service *more;

	/* A power of two of them. */
	if (count & (count - 1))
		return 0;
	more = realloc(difference->services, (2 * count + 1) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	difference->services = more;
	return 0;
}

int difference_add(struct difference *difference, const struct plan_change *change,
		   const struct service *before, const struct service *after)
{
	cleanup(freep) size_t *index = calloc(LEAT_MAX_BACKENDS, sizeof(*index));
	struct difference_service result = { 0 };
	struct comparison comparison = { change, before, after, &result, index };
	int r = index ? reserve(difference) : -ENOMEM;

	if (r == 0)
		r = compare(&comparison);
	if (r < 0) {
		service_deinit(&result);
		return r;
	}
	difference->memory_before += change->before ? memory_of_image(change->before) : 0;
	difference->memory_after += change->after ? memory_of_image(change->after) : 0;
	if (result.kind != DIFFERENCE_SAME) {
		difference->services[difference->service_count++] = result;
		return 0;
	}
	difference->unchanged++;
	service_deinit(&result);
	return 0;
}

void difference_deinit(struct difference *difference)
{
	for (size_t i = 0; i < difference->service_count; i++)
		service_deinit(&difference->services[i]);
	free(difference->services);
	*difference = (struct difference){ 0 };
}

bool difference_is_empty(const struct difference *difference)
{
	return difference->key_count == 0 && difference->service_count == 0;
}

const char *difference_kind_name(enum difference_kind kind)
{
	static const char *const names[] = { "same", "added", "removed", "changed", "leaving" };

	return names[kind];
}

/* How many are of each kind. */
struct kinds {
	size_t of[DIFFERENCE_LEAVING + 1];
};

static struct kinds count_backends(const struct difference *difference)
{
	struct kinds kinds = { 0 };

	for (size_t i = 0; i < difference->service_count; i++) {
		const struct difference_service *service = &difference->services[i];

		for (size_t j = 0; j < service->backend_count; j++)
			kinds.of[service->backends[j].kind]++;
	}
	return kinds;
}

static struct kinds count_services(const struct difference *difference)
{
	struct kinds kinds = { 0 };

	for (size_t i = 0; i < difference->service_count; i++)
		kinds.of[difference->services[i].kind]++;
	return kinds;
}

static const struct difference_service *moved_most(const struct difference *difference)
{
	const struct difference_service *most = NULL;

	for (size_t i = 0; i < difference->service_count; i++) {
		const struct difference_service *service = &difference->services[i];

		if (service->kind == DIFFERENCE_CHANGED && service->share_moved > 0 &&
		    (!most || service->share_moved > most->share_moved))
			most = service;
	}
	return most;
}

const char *difference_format(const struct difference *difference, char text[DIFFERENCE_TEXT_SIZE])
{
	const struct difference_service *most = moved_most(difference);
	struct kinds services = count_services(difference), backends = count_backends(difference);
	int length;

	if (difference_is_empty(difference)) {
		snprintf(text, DIFFERENCE_TEXT_SIZE, "nothing that packets see");
		return text;
	}
	length = snprintf(text, DIFFERENCE_TEXT_SIZE,
			  "services +%zu -%zu ~%zu, backends +%zu -%zu ~%zu",
			  services.of[DIFFERENCE_ADDED], services.of[DIFFERENCE_REMOVED],
			  services.of[DIFFERENCE_CHANGED], backends.of[DIFFERENCE_ADDED],
			  backends.of[DIFFERENCE_REMOVED] + backends.of[DIFFERENCE_LEAVING],
			  backends.of[DIFFERENCE_CHANGED]);
	if (most)
		snprintf(text + length, DIFFERENCE_TEXT_SIZE - (size_t)length,
			 "; %.1f%% of the new flows of %s move", most->share_moved * 100,
			 most->name);
	return text;
}
