/* SPDX-License-Identifier: GPL-2.0-only */
#include "daemon/applier.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "daemon/census.h"
#include "model/encode.h"

int applier_init(struct applier *applier, struct datapath *datapath)
{
	*applier = (struct applier){ .datapath = datapath };
	return image_ids_init(&applier->ids);
}

static void free_images(struct applier *applier)
{
	for (size_t i = 0; i < applier->count; i++)
		image_free(applier->images[i]);
	free(applier->images);
	applier->images = NULL;
	applier->count = 0;
}

void applier_deinit(struct applier *applier)
{
	free_images(applier);
	image_ids_deinit(&applier->ids);
	access_list_unrefp(&applier->access);
}

static int compare_keys(const void *a, const void *b)
{
	const struct image *const *left = a, *const *right = b;

	return memcmp(&(*left)->key, &(*right)->key, sizeof((*left)->key));
}

static struct image *find_image(const struct applier *applier, const struct leat_service_key *key)
{
	struct image wanted = { .key = *key }, *pointer = &wanted, **found = NULL;

	if (applier->count)
		found = bsearch(&pointer, applier->images, applier->count, sizeof(*applier->images),
				compare_keys);
	return found ? *found : NULL;
}

const struct image *applier_find_image(const struct applier *applier,
				       const struct leat_service_key *key)
{
	return find_image(applier, key);
}

int applier_read_back(struct applier *applier)
{
	int r;

	free_images(applier);
	image_ids_deinit(&applier->ids);
	r = image_ids_init(&applier->ids);
	if (r < 0)
		return r;
	r = datapath_read_images(applier->datapath, &applier->images, &applier->count);
	if (r < 0)
		return r;
	for (size_t i = 0; i < applier->count; i++) {
		r = image_claim(applier->images[i], &applier->ids);
		if (r < 0) {
			log_error("the pinned maps contradict each other: an id is used twice");
			return r;
		}
	}
	qsort(applier->images, applier->count, sizeof(*applier->images), compare_keys);
	/* Nobody looks for flows of closed slots that an earlier daemon left, until these open again. */
	applier->has_flows = true;
	return 0;
}

/* A set of changes on its way: what is new is freed with it unless it was committed. */
struct transaction {
	struct applier *applier;
	struct plan_change *changes;
	size_t count;
	bool is_committed;
};

static void transaction_deinit(struct transaction *transaction)
{
	for (size_t i = 0; !transaction->is_committed && i < transaction->count; i++) {
		const struct plan_change *change = &transaction->changes[i];

		if (!change->after)
			continue;
		image_retire(change->after, change->before, &transaction->applier->ids);
		image_free(change->after);
	}
	free(transaction->changes);
}

static int transaction_add(struct transaction *transaction, const struct node *node,
			   const struct service *service)
{
	struct image *before = find_image(transaction->applier, &service->config.key), *after;
	int r = image_build(node, service, before, &transaction->applier->ids, &after);

	if (r == 0)
		transaction->changes[transaction->count++] =
			(struct plan_change){ .before = before, .after = after };
	return r;
}

static bool is_wanted(const struct image *image, struct service **services, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (memcmp(&services[i]->config.key, &image->key, sizeof(image->key)) == 0)
			return true;
	}
	return false;
}

static void transaction_delete_others(struct transaction *transaction, struct service **services,
				      size_t count)
{
	struct applier *applier = transaction->applier;

	for (size_t i = 0; i < applier->count; i++) {
		if (!is_wanted(applier->images[i], services, count))
			transaction->changes[transaction->count++] =
				(struct plan_change){ .before = applier->images[i] };
	}
}

static int transaction_begin(struct transaction *transaction, const struct node *node,
			     struct service **services, size_t count, bool is_all)
{
	struct applier *applier = transaction->applier;

	transaction->changes = calloc(count + applier->count + 1, sizeof(*transaction->changes));
	if (!transaction->changes)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		int r = transaction_add(transaction, node, services[i]);

		if (r < 0)
			return r;
	}
	if (is_all)
		transaction_delete_others(transaction, services, count);
	return 0;
}

static void forget_image(struct applier *applier, const struct image *image)
{
	for (size_t i = 0; i < applier->count; i++) {
		if (applier->images[i] != image)
			continue;
		image_free(applier->images[i]);
		applier->images[i] = applier->images[--applier->count];
		return;
	}
}

/* The room for new images was made by transaction_reserve(), so that nothing can fail here. */
static void transaction_commit(struct transaction *transaction)
{
	struct applier *applier = transaction->applier;

	for (size_t i = 0; i < transaction->count; i++) {
		const struct plan_change *change = &transaction->changes[i];

		if (change->before) {
			image_retire(change->before, change->after, &applier->ids);
			forget_image(applier, change->before);
		}
		if (change->after)
			applier->images[applier->count++] = change->after;
	}
	if (applier->count)
		qsort(applier->images, applier->count, sizeof(*applier->images), compare_keys);
	transaction->is_committed = true;
}

static int transaction_reserve(struct transaction *transaction)
{
	struct applier *applier = transaction->applier;
	struct image **more = realloc(applier->images, (applier->count + transaction->count + 1) *
							       sizeof(struct image *));

	if (!more)
		return -ENOMEM;
	applier->images = more;
	return 0;
}

static int transaction_execute(struct transaction *transaction)
{
	cleanup(plan_deinit) struct plan plan = { 0 };
	int r = plan_make(transaction->changes, transaction->count, &plan);

	return r < 0 ? r : datapath_execute(transaction->applier->datapath, &plan);
}

static void write_back(const struct applier *applier, struct service *service)
{
	const struct image *image = find_image(applier, &service->config.key);
	cleanup(freep) uint32_t *slots = calloc(LEAT_MAX_BACKENDS, sizeof(*slots));

	for (uint32_t slot = 0; slots && slot < image->value.lookup.size; slot++)
		slots[image->slots[slot].current]++;
	service->id = image->value.id;
	service->open_slots = image->open_count;
	for (size_t i = 0; i < service->backend_count; i++) {
		struct backend *backend = service->backends[i];

		backend->id = image_find_backend(image, &backend->config.address)->id;
		backend->slots = slots ? slots[backend->id] : 0;
	}
}

static int transaction_finish(struct transaction *transaction)
{
	struct applier *applier = transaction->applier;
	int r = transaction_execute(transaction);

	if (r == 0) {
		transaction_commit(transaction);
		return 0;
	}
	transaction_deinit(transaction);
	*transaction = (struct transaction){ .applier = applier };
	applier_read_back(applier);
	return r;
}

/* Takes the reference, whatever comes of it. */
static int set_access(struct applier *applier, struct access_list *list)
{
	int r = 0;

	if (!applier->knows_access || !access_list_equal(list, applier->access))
		r = datapath_set_access(applier->datapath, list);
	if (r < 0) {
		log_error("cannot set the list of sources that are denied: %s", strerror(-r));
		access_list_unref(list);
		return r;
	}
	access_list_unref(applier->access);
	applier->access = list;
	applier->knows_access = true;
	return 0;
}

int applier_apply_access(struct applier *applier, const struct node *node)
{
	struct access_list *list;
	int r = denied_merge(&node->denied, node->config->access, &list);

	return r < 0 ? r : set_access(applier, list);
}

/* Before the first packet is translated. */
static int set_nat_pools(const struct applier *applier, const struct node *node)
{
	const struct leat_nat_pool pools[] = {
		[NAT_IPV4] = nat_pool_encode(node->config, NAT_IPV4),
		[NAT_IPV6] = nat_pool_encode(node->config, NAT_IPV6),
	};

	return datapath_set_nat_pools(applier->datapath, pools);
}

/* The changes that bring the datapath to these services, not made yet, seen by the observer if there is
 * one. 0 or -errno, logged. */
static int transaction_prepare(struct transaction *transaction, const struct node *node,
			       struct service **services, size_t count, bool is_all,
			       const struct applier_observer *observer)
{
	int r = transaction_begin(transaction, node, services, count, is_all);

	if (r == 0 && observer)
		r = observer->see(observer->user, transaction->changes, transaction->count);
	if (r < 0)
		log_error("cannot prepare the change of the datapath: %s", strerror(-r));
	return r;
}

static int apply_services(struct applier *applier, const struct node *node,
			  struct service **services, size_t count, bool is_all,
			  const struct applier_observer *observer)
{
	cleanup(transaction_deinit) struct transaction transaction = { .applier = applier };
	int r = transaction_prepare(&transaction, node, services, count, is_all, observer);

	if (r < 0)
		return r;
	if (is_all)
		r = set_nat_pools(applier, node);
	if (r == 0)
		r = transaction_reserve(&transaction);
	if (r < 0) {
		log_error("cannot prepare the change of the datapath: %s", strerror(-r));
		return r;
	}
	r = transaction_finish(&transaction);
	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++)
		write_back(applier, services[i]);
	return 0;
}

int applier_apply_seen(struct applier *applier, const struct node *node, struct service **services,
		       size_t count, const struct applier_observer *observer)
{
	struct access_list *before = access_list_ref(applier->access);
	bool knew_before = applier->knows_access;
	int r = applier_apply_access(applier, node);

	if (r == 0)
		r = apply_services(applier, node, services, count, true, observer);
	if (r < 0 && knew_before)
		set_access(applier, before);
	else
		access_list_unref(before);
	return r;
}

int applier_apply(struct applier *applier, const struct node *node, struct service **services,
		  size_t count, bool is_all)
{
	return is_all ? applier_apply_seen(applier, node, services, count, NULL)
		      : apply_services(applier, node, services, count, false, NULL);
}

/* New images' ids are given back with the transaction. */
int applier_preview(struct applier *applier, const struct node *node, struct service **services,
		    size_t count, bool is_all, const struct applier_observer *observer)
{
	cleanup(transaction_deinit) struct transaction transaction = { .applier = applier };

	return transaction_prepare(&transaction, node, services, count, is_all, observer);
}

int applier_import(struct applier *applier, struct service *service, const struct image_past *past)
{
	cleanup(transaction_deinit) struct transaction transaction = { .applier = applier };
	struct image *before = find_image(applier, &service->config.key), *after;
	int r;

	if (!before)
		return -ENOENT;
	transaction.changes = calloc(1, sizeof(*transaction.changes));
	if (!transaction.changes)
		return -ENOMEM;
	r = image_import(before, past, &applier->ids, &after);
	if (r < 0)
		return r;
	transaction.changes[transaction.count++] =
		(struct plan_change){ .before = before, .after = after };
	r = transaction_reserve(&transaction);
	if (r == 0)
		r = transaction_finish(&transaction);
	if (r == 0)
		write_back(applier, service);
	return r;
}

static bool drains(const struct service *service)
{
	for (size_t i = 0; i < service->backend_count; i++) {
		if (backend_current_state(service->backends[i]) == BACKEND_DRAINING)
			return true;
	}
	return false;
}

static bool needs_census(const struct applier *applier, const struct node *node)
{
	for (size_t i = 0; i < applier->count; i++) {
		const struct image *image = applier->images[i];

		if (image->open_count || image->value.scheduler != LEAT_SCHEDULER_HASH)
			return true;
	}
	for (size_t i = 0; i < node->service_count; i++) {
		if (drains(node->services[i]))
			return true;
	}
	return applier->has_flows;
}

struct closing {
	const struct census *census;
	const struct census_image *where;
};

static bool is_busy(void *user, uint32_t slot)
{
	const struct closing *closing = user;

	return census_slot_is_busy(closing->census, closing->where, slot);
}

static int transaction_close(struct transaction *transaction, const struct census *census,
			     struct image *image, const struct census_image *where)
{
	struct closing closing = { .census = census, .where = where };
	struct image *closed;
	int r;

	if (image->open_count == 0)
		return 0;
	r = image_close(image, is_busy, &closing, &closed);
	if (r < 0)
		return r;
	if (closed->open_count == image->open_count)
		image_free(closed);
	else
		transaction->changes[transaction->count++] =
			(struct plan_change){ .before = image, .after = closed };
	return 0;
}

static int close_quiet(struct applier *applier, const struct census *census)
{
	cleanup(transaction_deinit) struct transaction transaction = { .applier = applier };
	int r = 0;

	transaction.changes = calloc(applier->count + 1, sizeof(*transaction.changes));
	if (!transaction.changes)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < applier->count; i++)
		r = transaction_close(&transaction, census, applier->images[i], &census->images[i]);
	if (r == 0)
		r = transaction_reserve(&transaction);
	return r < 0 || transaction.count == 0 ? r : transaction_finish(&transaction);
}

/* Before the walk, so that what the datapath counts during it is not taken for an error. */
static void read_loads(const struct applier *applier, uint32_t *loads)
{
	for (uint32_t id = 0; id < LEAT_MAX_BACKENDS; id++)
		loads[id] = datapath_read_load(applier->datapath, id);
}

static void correct_loads(const struct applier *applier, const struct census *census,
			  const uint32_t *loads)
{
	for (uint32_t id = 0; id < LEAT_MAX_BACKENDS; id++) {
		const struct census_backend *counted = &census->backends[id];
		bool counts = counted->where && counted->where->image->value.scheduler ==
							LEAT_SCHEDULER_LEAST_CONNECTIONS;
		uint32_t wanted = counts ? counted->live : 0;

		if (wanted != loads[id])
			datapath_correct_load(applier->datapath, id, (int32_t)(wanted - loads[id]));
	}
}

/* Of a drain, since when all flows that speak are counted. */
static void begin_counting(struct backend *backend, uint64_t now_us)
{
	bool is_draining = backend_current_state(backend) == BACKEND_DRAINING;

	if (is_draining && backend->flows.since_us == 0)
		backend->flows.since_us = now_us;
	else if (!is_draining)
		backend->flows.since_us = 0;
}

static uint32_t ticks_of(uint64_t us)
{
	return (uint32_t)(us * 1000 >> LEAT_TICK_SHIFT);
}

static uint32_t seconds_of(uint32_t ticks)
{
	return (uint32_t)(((uint64_t)ticks << LEAT_TICK_SHIFT) / 1000000000);
}

static void count_backend(const struct census *census, struct backend *backend, uint64_t now_us)
{
	const struct census_backend *counted = &census->backends[backend->id];
	struct backend_flows *flows = &backend->flows;
	struct census_drain drain;

	if (!counted->where)
		return;
	begin_counting(backend, now_us);
	drain = census_drain(census, counted->where, backend->id, ticks_of(flows->since_us));
	flows->live = counted->live;
	flows->closing = counted->closing;
	flows->previous_slots = drain.slots;
	flows->silent_s = flows->since_us ? seconds_of(drain.silent) : 0;
	flows->is_counted = flows->since_us ||
			    counted->where->image->value.scheduler != LEAT_SCHEDULER_HASH;
}

static void count_flows(const struct census *census, struct node *node, uint64_t now_us)
{
	node->flow_memory.remembered = census->remembered;
	node->flow_memory.old = census->old;
	node->flow_memory.half_open = census->half_open;
	node->flow_memory.clients = census->clients;
	for (size_t i = 0; i < node->service_count; i++) {
		struct service *service = node->services[i];

		for (size_t j = 0; j < service->backend_count; j++)
			count_backend(census, service->backends[j], now_us);
	}
}

static void write_back_all(const struct applier *applier, struct node *node)
{
	for (size_t i = 0; i < node->service_count; i++) {
		const struct service *service = node->services[i];
		const struct image *image = find_image(applier, &service->config.key);

		if (image && image->open_count != service->open_slots)
			write_back(applier, node->services[i]);
	}
}

int applier_settle(struct applier *applier, struct node *node, uint64_t now_us)
{
	cleanup(census_deinit) struct census census = { 0 };
	cleanup(freep) uint32_t *loads = NULL;
	int r;

	if (!needs_census(applier, node))
		return 0;
	loads = calloc(LEAT_MAX_BACKENDS, sizeof(*loads));
	if (!loads)
		return -ENOMEM;
	read_loads(applier, loads);
	r = census_take(&census, applier->datapath, applier->images, applier->count,
			ticks_of(now_us));
	if (r < 0)
		return r;
	applier->has_flows = census.remembered || census.half_open || census.clients;
	correct_loads(applier, &census, loads);
	count_flows(&census, node, now_us);
	r = close_quiet(applier, &census);
	write_back_all(applier, node);
	return r;
}
