/* SPDX-License-Identifier: GPL-2.0-only */
#include "daemon/applier.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/log.h"

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

	for (uint32_t slot = 0; slots && slot < image->value.table_size; slot++)
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

int applier_apply(struct applier *applier, const struct node *node, struct service **services,
		  size_t count, bool is_all)
{
	cleanup(transaction_deinit) struct transaction transaction = { .applier = applier };
	int r = transaction_begin(&transaction, node, services, count, is_all);

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

/* What decides which open slots of one table must stay open. */
struct busy_slots {
	const struct image *image;
	uint64_t now_s;
	uint32_t idle_s;
	bool is_quiet;	       /* no packet has gone to any previous for the idle time */
	bool *had_packets;     /* by backend: whether it ever got one */
	bool *has_stray_flows; /* by slot: whether a remembered flow is not on its current backend */
};

static bool is_live(const struct busy_slots *busy, const struct leat_flow *flow)
{
	uint32_t lifetime_s = flow->is_closing ? LEAT_CLOSING_S : busy->idle_s;

	return flow->seen_s + lifetime_s >= busy->now_s;
}

static void mark_stray(void *user, const struct leat_flow *flow)
{
	struct busy_slots *busy = user;
	const struct image *image = busy->image;

	if (flow->table == image->value.table && flow->slot < image->value.table_size &&
	    flow->backend != image->slots[flow->slot].current && is_live(busy, flow))
		busy->has_stray_flows[flow->slot] = true;
}

static bool is_busy(void *user, uint32_t index)
{
	const struct busy_slots *busy = user;
	struct leat_slot slot = busy->image->slots[index];
	uint16_t previous = slot.previous & LEAT_SLOT_BACKEND;

	if (busy->has_stray_flows[index])
		return true;
	return previous && previous != slot.current && busy->had_packets[previous] &&
	       !busy->is_quiet;
}

static bool previous_is_quiet(const struct applier *applier, const struct busy_slots *busy,
			      uint64_t now_us)
{
	struct leat_transition transition;
	uint64_t last_ns;

	if (datapath_read_transition(applier->datapath, busy->image->value.table, &transition) < 0)
		return false;
	last_ns = MAX(transition.changed_ns, transition.previous_ns);
	return now_us * 1000 > last_ns &&
	       now_us * 1000 - last_ns >= busy->idle_s * UINT64_C(1000000000);
}

/* Counters are read after the slots were opened, so a backend without packets has no flows: what comes
 * from now on for a previous backend is counted there. */
static void read_had_packets(const struct applier *applier, struct busy_slots *busy)
{
	for (size_t i = 0; i < busy->image->backend_count; i++) {
		uint32_t id = busy->image->backends[i].id;
		struct leat_counter counter;

		busy->had_packets[id] = datapath_read_backend(applier->datapath, id, &counter) <
						0 ||
					counter.packets > 0;
	}
}

static void busy_slots_deinit(struct busy_slots *busy)
{
	free(busy->had_packets);
	free(busy->has_stray_flows);
}

static int busy_slots_find(const struct applier *applier, struct busy_slots *busy, uint64_t now_us)
{
	busy->had_packets = calloc(LEAT_MAX_BACKENDS, sizeof(bool));
	busy->has_stray_flows = calloc(busy->image->value.table_size, sizeof(bool));
	if (!busy->had_packets || !busy->has_stray_flows)
		return -ENOMEM;
	busy->is_quiet = previous_is_quiet(applier, busy, now_us);
	read_had_packets(applier, busy);
	return datapath_visit_flows(applier->datapath, mark_stray, busy);
}

/* A flow of a closed slot is not looked up any more, and would be wrong once its 5-tuple is reused. */
static bool is_of_closed_slot(void *user, const struct leat_flow *flow)
{
	const struct image *image = user;

	return flow->table == image->value.table && flow->slot < image->value.table_size &&
	       !slot_is_open(image->slots[flow->slot]);
}

static int close_slots(struct applier *applier, struct image *image, struct busy_slots *busy)
{
	cleanup(transaction_deinit) struct transaction transaction = { .applier = applier };
	struct image *closed;
	int r = image_close(image, is_busy, busy, &closed);

	if (r < 0)
		return r;
	transaction.changes = calloc(1, sizeof(*transaction.changes));
	if (!transaction.changes || closed->open_count == image->open_count) {
		image_free(closed);
		return transaction.changes ? 0 : -ENOMEM;
	}
	transaction.changes[transaction.count++] =
		(struct plan_change){ .before = image, .after = closed };
	r = transaction_reserve(&transaction);
	if (r == 0)
		r = transaction_finish(&transaction);
	return r < 0 ? r : datapath_forget_flows(applier->datapath, is_of_closed_slot, closed);
}

int applier_close_quiet(struct applier *applier, struct service *service, uint64_t now_us)
{
	cleanup(busy_slots_deinit) struct busy_slots busy = {
		.image = find_image(applier, &service->config.key),
		.now_s = now_us / 1000000,
		.idle_s = service->config.key.protocol == IPPROTO_TCP ? LEAT_TCP_IDLE_S
								      : LEAT_UDP_IDLE_S,
	};
	int r;

	if (!busy.image || !busy.image->open_count)
		return 0;
	r = busy_slots_find(applier, &busy, now_us);
	if (r == 0)
		r = close_slots(applier, find_image(applier, &service->config.key), &busy);
	if (r == 0)
		write_back(applier, service);
	return r;
}
