/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Flows over toy maps while services change at random, in every way at once: after each step of each
 * plan, every flow sends a packet, and it goes to where it went before as long as that backend keeps
 * flows. Which backend a packet goes to is written down here once more, after section 4 of
 * docs/design.md and apart from bpf/flow.h. Daemons are killed in the middle of plans, and go on from
 * what they find.
 */
#include "model/plan.h"

#include "tests/unit/model/world.h"

#define FLOWS  150
#define ROUNDS 300

struct flow {
	size_t service;
	struct leat_addr source;
	uint32_t ports;
	uint32_t backend;		/* that has it; 0: it is not open */
	uint32_t remembered, half_open; /* the backend that each of the memories has for it, or 0 */
};

struct traffic {
	struct world world;
	struct flow flows[FLOWS];
	uint32_t cursor; /* of all round robins */
	size_t opened, steps, kills;
};

/* A packet of a flow on its way: what it finds in the maps. */
struct passage {
	struct traffic *traffic;
	const struct toy *toy;
	const struct leat_service *service;
	struct flow *flow;
	uint64_t hash;
	uint32_t slot;
	struct leat_slot held;
};

static uint64_t hash_of(const struct leat_lookup *lookup, const struct flow *flow)
{
	return leat_flow_hash(lookup->hash_key, &flow->source,
			      lookup->hash == LEAT_HASH_FLOW ? flow->ports : 0);
}

static struct leat_slot slot_at(const struct toy *toy, const struct leat_lookup *lookup,
				uint64_t hash)
{
	return toy->tables[lookup->table].slots[leat_hash_slot(hash, lookup->size)];
}

static struct leat_service_key key_of(const struct flow *flow)
{
	return (struct leat_service_key){ .address = sample_service_address(flow->service),
					  .port = htons(80),
					  .protocol = flow->service % 2 ? IPPROTO_UDP
									: IPPROTO_TCP };
}

/* false: there is no such service now. */
static bool find_service(struct traffic *traffic, struct flow *flow, struct passage *ret_passage)
{
	struct toy *toy = traffic->world.toy;
	const struct leat_service_key key = key_of(flow);
	const struct leat_service_entry *entry = toy_find(&toy->services, &key);
	uint64_t hash;

	if (!entry)
		return false;
	hash = hash_of(&entry->value.lookup, flow);
	*ret_passage = (struct passage){
		.traffic = traffic,
		.toy = toy,
		.service = &entry->value,
		.flow = flow,
		.hash = hash,
		.slot = leat_hash_slot(hash, entry->value.lookup.size),
		.held = slot_at(toy, &entry->value.lookup, hash),
	};
	return true;
}

static bool serves(const struct passage *p, uint32_t backend)
{
	return backend && p->toy->backends[backend].exists &&
	       p->toy->backends[backend].is.value.forward != LEAT_FORWARD_NONE;
}

static uint32_t next_in_order(const struct passage *p)
{
	const struct toy_order *order = &p->toy->orders[p->service->id];

	return order->size ? order->backends[p->traffic->cursor++ % order->size] : 0;
}

/* Which of the two slots' backends is less loaded, is left to chance here. */
static uint32_t one_of_two(const struct passage *p)
{
	uint32_t other = slot_at(p->toy, &p->service->lookup, leat_second_hash(p->hash)).current;

	return other && pick(&p->traffic->world, 2) ? other : p->held.current;
}

static uint32_t schedule(const struct passage *p)
{
	switch (p->service->scheduler) {
	case LEAT_SCHEDULER_ROUND_ROBIN:
		return next_in_order(p);
	case LEAT_SCHEDULER_LEAST_CONNECTIONS:
		return one_of_two(p);
	default:
		return p->held.current;
	}
}

static uint32_t go_to_previous(const struct passage *p)
{
	const struct leat_lookup *former = &p->service->former;
	struct leat_slot held = former->size ? slot_at(p->toy, former, hash_of(former, p->flow))
					     : p->held;
	uint32_t previous = held.previous & LEAT_SLOT_BACKEND;

	return serves(p, previous) ? previous : p->held.current;
}

/* A backend that keeps no flows is not remembered any longer, should it come back. */
static uint32_t recall_from(const struct passage *p, uint32_t *memory)
{
	if (!serves(p, *memory))
		*memory = 0;
	return *memory;
}

/* 0: no memory has it. */
static uint32_t recall(const struct passage *p)
{
	struct flow *flow = p->flow;

	if (recall_from(p, &flow->remembered))
		return flow->remembered;
	flow->remembered = recall_from(p, &flow->half_open);
	flow->half_open = 0;
	return flow->remembered;
}

static uint32_t open_tcp(const struct passage *p)
{
	p->flow->remembered = 0;
	p->flow->half_open = schedule(p);
	return p->flow->half_open;
}

static uint32_t continue_tcp(const struct passage *p)
{
	uint32_t backend = recall(p);

	if (backend)
		return backend;
	return slot_is_open(p->held) ? go_to_previous(p) : p->held.current;
}

static bool may_be_old(const struct passage *p)
{
	const struct toy_clocks *clocks = &p->toy->clocks[p->service->lookup.table];

	return slot_is_open(p->held) &&
	       p->toy->now - clocks->opened[p->slot / LEAT_SLOTS_PER_LINE] <=
		       p->toy->policies[p->service->id].udp_idle;
}

static uint32_t pass_udp(const struct passage *p)
{
	uint32_t backend = recall(p);

	if (backend)
		return backend;
	backend = may_be_old(p) ? go_to_previous(p) : schedule(p);
	if (backend)
		p->flow->half_open = backend;
	return backend;
}

/* The backend that a packet goes to; 0: it is dropped. */
static uint32_t send_packet(struct traffic *traffic, struct flow *flow, bool is_first)
{
	struct passage p;

	if (!find_service(traffic, flow, &p))
		return 0;
	if (!slot_is_open(p.held) && p.service->scheduler == LEAT_SCHEDULER_HASH)
		return p.held.current;
	if (flow->service % 2)
		return pass_udp(&p);
	return is_first ? open_tcp(&p) : continue_tcp(&p);
}

/* Whether a backend lives at least until the end of the change. */
static bool is_kept(const struct plan_change *change, uint32_t id)
{
	const struct image *image = change->after;

	for (size_t i = 0; image && i < image->backend_count; i++) {
		if (image->backends[i].id == id)
			return image->backends[i].value.forward != LEAT_FORWARD_NONE;
	}
	return false;
}

static void drop_flows_of_lost(struct traffic *traffic, const struct plan_change changes[SERVICES])
{
	for (size_t i = 0; i < FLOWS; i++) {
		struct flow *flow = &traffic->flows[i];

		if (flow->backend && !is_kept(&changes[flow->service], flow->backend))
			flow->backend = 0;
	}
}

static void open_flow(struct traffic *traffic, struct flow *flow,
		      const struct plan_change changes[SERVICES])
{
	const struct leat_service_key key = key_of(flow);
	uint32_t backend = send_packet(traffic, flow, true);

	if (!backend)
		return;
	toy_check_target(traffic->world.toy, &key, backend);
	traffic->opened++;
	if (is_kept(&changes[flow->service], backend))
		flow->backend = backend;
}

static void check_flows(struct traffic *traffic)
{
	for (size_t i = 0; i < FLOWS; i++) {
		struct flow *flow = &traffic->flows[i];

		if (flow->backend)
			assert_int_equal(send_packet(traffic, flow, false), flow->backend);
	}
}

static void open_flows(struct traffic *traffic, const struct plan_change changes[SERVICES])
{
	for (size_t i = 0; i < FLOWS; i++) {
		if (!traffic->flows[i].backend && pick(&traffic->world, 8) == 0)
			open_flow(traffic, &traffic->flows[i], changes);
	}
}

/* Up to a step at which the daemon is killed, or to the end. */
static void carry_out(struct traffic *traffic, const struct plan *plan, size_t end,
		      const struct plan_change changes[SERVICES])
{
	drop_flows_of_lost(traffic, changes);
	for (size_t i = 0; i < end; i++) {
		carry_out_step(&traffic->world, plan, i);
		check_flows(traffic);
		open_flows(traffic, changes);
		traffic->steps++;
	}
}

/* What was remembered of backends that are gone is forgotten before their ids are others'. */
static void forget_lost(struct traffic *traffic)
{
	const struct toy *toy = traffic->world.toy;

	for (size_t i = 0; i < FLOWS; i++) {
		struct flow *flow = &traffic->flows[i];

		if (!toy->backends[flow->remembered].exists)
			flow->remembered = 0;
		if (!toy->backends[flow->half_open].exists)
			flow->half_open = 0;
	}
}

static void *copy_of(const void *from, size_t size)
{
	void *copy = malloc(size + 1);

	assert_non_null(copy);
	memcpy(copy, from, size);
	return copy;
}

static void read_back_backends(const struct toy *toy, struct image *image)
{
	image->backends = calloc(2 * BACKENDS, sizeof(*image->backends));
	assert_non_null(image->backends);
	for (uint32_t id = 1; id < LEAT_MAX_BACKENDS; id++) {
		const struct toy_backend *backend = &toy->backends[id];

		if (!backend->exists || !leat_service_key_equal(&backend->owner, &image->key))
			continue;
		assert_true(image->backend_count < 2 * BACKENDS);
		image->backends[image->backend_count++] = backend->is;
	}
	image_sort(image);
}

static bool is_owned(const struct toy *toy, const struct image_quic_id *quic_id,
		     const struct leat_service_entry *entry)
{
	const struct toy_backend *backend = &toy->backends[quic_id->backend];

	return quic_id->key.service == entry->value.id && backend->exists &&
	       leat_service_key_equal(&backend->owner, &entry->key);
}

static void read_back_quic_ids(const struct toy *toy, const struct leat_service_entry *entry,
			       struct image *image)
{
	for (size_t i = 0; i < toy->quic_id_count; i++) {
		const struct image_quic_id *quic_id = &toy->quic_ids[i];

		if (is_owned(toy, quic_id, entry))
			assert_int_equal(image_add_quic_id(image, &quic_id->key, quic_id->backend),
					 0);
	}
	image_sort_quic_ids(image);
}

/* What user/datapath/read_back.c makes of a service's maps. */
static struct image *read_back(const struct toy *toy, const struct leat_service_entry *entry)
{
	struct image *image = calloc(1, sizeof(*image));
	const struct leat_lookup *lookup = &entry->value.lookup, *former = &entry->value.former;

	assert_non_null(image);
	image->key = entry->key;
	image->value = entry->value;
	image->policy = toy->policies[entry->value.id];
	image->slots =
		copy_of(toy->tables[lookup->table].slots, lookup->size * sizeof(*image->slots));
	image->open_count = image_count_open(image);
	if (former->size)
		image->former_slots = copy_of(toy->tables[former->table].slots,
					      former->size * sizeof(*image->slots));
	read_back_backends(toy, image);
	read_back_quic_ids(toy, entry, image);
	return image;
}

static bool is_used(const struct toy *toy, uint16_t table)
{
	for (size_t i = 0; i < toy->services.count; i++) {
		const struct leat_service *service = &toy->services.list[i].value;

		if (service->lookup.table == table ||
		    (service->former.size && service->former.table == table))
			return true;
	}
	return false;
}

static bool has_owner(const struct toy *toy, const struct image_quic_id *quic_id)
{
	for (size_t i = 0; i < toy->services.count; i++) {
		if (is_owned(toy, quic_id, &toy->services.list[i]))
			return true;
	}
	return false;
}

static void delete_orphan_quic_ids(struct toy *toy)
{
	size_t kept = 0;

	for (size_t i = 0; i < toy->quic_id_count; i++) {
		if (has_owner(toy, &toy->quic_ids[i]))
			toy->quic_ids[kept++] = toy->quic_ids[i];
	}
	toy->quic_id_count = kept;
}

static void delete_orphans(struct toy *toy)
{
	delete_orphan_quic_ids(toy);
	for (uint32_t id = 0; id < LEAT_MAX_BACKENDS; id++) {
		struct toy_backend *backend = &toy->backends[id];

		if (backend->exists && !toy_find(&toy->services, &backend->owner))
			*backend = (struct toy_backend){ 0 };
		/* It began at zero, and is read back as that. */
		backend->has_load = backend->exists;
	}
	for (uint32_t table = 0; table < LEAT_MAX_TABLES; table++) {
		if (!is_used(toy, (uint16_t)table))
			free(take_ptr(toy->tables[table].slots));
	}
}

/* All that the daemon had in its own memory is gone, and read from the maps. */
static void restart(struct traffic *traffic, const struct plan_change changes[SERVICES])
{
	struct world *world = &traffic->world;
	struct toy *toy = world->toy;

	for (size_t i = 0; i < SERVICES; i++) {
		if (changes[i].after)
			image_free(changes[i].after);
	}
	world_drop_images(world);
	assert_int_equal(image_ids_init(&world->ids), 0);
	toy->has_orphans = true;
	toy->collected = toy->services;
	delete_orphans(toy);
	for (size_t i = 0; i < toy->services.count; i++) {
		const struct leat_service_entry *entry = &toy->services.list[i];
		struct image *image = read_back(toy, entry);

		world->images[service_index(&entry->key)] = image;
		assert_int_equal(image_claim(image, &world->ids), 0);
	}
	forget_lost(traffic);
	check_flows(traffic);
	traffic->kills++;
}

static void go_on(struct traffic *traffic, const struct plan_change changes[SERVICES])
{
	struct plan plan = make_plan(changes);
	bool is_killed = pick(&traffic->world, 4) == 0;
	size_t end = is_killed ? pick(&traffic->world, plan.count + 1) : plan.count;

	carry_out(traffic, &plan, end, changes);
	plan_deinit(&plan);
	if (is_killed) {
		restart(traffic, changes);
		return;
	}
	commit(&traffic->world, changes);
	forget_lost(traffic);
	toy_check_equal(traffic->world.toy, traffic->world.images, SERVICES);
}

static bool remembers_all(const struct image *image)
{
	return image->value.scheduler != LEAT_SCHEDULER_HASH;
}

/* Whether it goes elsewhere once its slot is closed. */
static bool needs_open_slot(const struct flow *flow, const struct image *image,
			    struct leat_slot held)
{
	if (remembers_all(image))
		return flow->backend && flow->backend != held.current &&
		       flow->remembered != flow->backend && flow->half_open != flow->backend;
	return (flow->backend && flow->backend != held.current) ||
	       (flow->remembered && flow->remembered != held.current) ||
	       (flow->half_open && flow->half_open != held.current);
}

struct closing {
	struct traffic *traffic;
	size_t service;
};

static bool is_in_slot(const struct flow *flow, const struct image *image, size_t service,
		       uint32_t slot)
{
	const struct leat_lookup *lookup = &image->value.lookup;

	return flow->service == service &&
	       leat_hash_slot(hash_of(lookup, flow), lookup->size) == slot;
}

/* New flows of UDP may still be taken for old ones. */
static bool takes_for_old(const struct closing *closing, const struct image *image, uint32_t slot)
{
	const struct toy *toy = closing->traffic->world.toy;
	const struct toy_clocks *clocks = &toy->clocks[image->value.lookup.table];

	return image->key.protocol == IPPROTO_UDP &&
	       toy->now - clocks->opened[slot / LEAT_SLOTS_PER_LINE] <= image->policy.udp_idle;
}

static bool is_busy(void *user, uint32_t slot)
{
	const struct closing *closing = user;
	const struct image *image = closing->traffic->world.images[closing->service];

	if (takes_for_old(closing, image, slot))
		return true;
	for (size_t i = 0; i < FLOWS; i++) {
		const struct flow *flow = &closing->traffic->flows[i];

		if (is_in_slot(flow, image, closing->service, slot) &&
		    needs_open_slot(flow, image, image->slots[slot]))
			return true;
	}
	return false;
}

static void close_slots(struct traffic *traffic)
{
	struct plan_change changes[SERVICES];

	for (size_t i = 0; i < SERVICES; i++) {
		struct closing closing = { traffic, i };
		struct image *image = traffic->world.images[i];

		changes[i] = (struct plan_change){ .before = image };
		if (image)
			assert_int_equal(image_close(image, is_busy, &closing, &changes[i].after),
					 0);
	}
	go_on(traffic, changes);
}

/* As the census does: what has ended is forgotten some time later, and what lies in closed slots. */
static void take_census(struct traffic *traffic)
{
	for (size_t i = 0; i < FLOWS; i++) {
		struct flow *flow = &traffic->flows[i];
		struct passage p;
		bool is_needed =
			find_service(traffic, flow, &p) &&
			(slot_is_open(p.held) || p.service->scheduler != LEAT_SCHEDULER_HASH);

		if (!is_needed || (!flow->backend && pick(&traffic->world, 2)))
			flow->remembered = flow->half_open = 0;
	}
}

static void end_flows(struct traffic *traffic)
{
	for (size_t i = 0; i < FLOWS; i++) {
		if (pick(&traffic->world, 10) == 0)
			traffic->flows[i].backend = 0;
	}
}

static void traffic_init(struct traffic *traffic, uint64_t seed)
{
	memset(traffic, 0, sizeof(*traffic));
	world_init(&traffic->world, seed);
	for (size_t i = 0; i < FLOWS; i++)
		traffic->flows[i] = (struct flow){
			.service = i % SERVICES,
			.source = sample_nth(0xcb007101, i % 200),
			.ports = (uint32_t)(htons(80) << 16) | htons((uint16_t)(1024 + i)),
		};
}

static void play_round(struct traffic *traffic)
{
	struct world *world = &traffic->world;
	struct plan_change changes[SERVICES];

	world->toy->now += pick(world, 4) ? 1 : LEAT_TICKS(LEAT_DEFAULT_UDP_IDLE_MS) + 1;
	change_node(world);
	build_images(world, changes);
	go_on(traffic, changes);
	end_flows(traffic);
	take_census(traffic);
	if (pick(world, 2)) {
		close_slots(traffic);
		take_census(traffic);
	}
}

static void no_flow_leaves_a_backend_that_keeps_it(void **state)
{
	static struct traffic traffic;

	(void)state;
	traffic_init(&traffic, sample_seed());
	for (int round = 0; round < ROUNDS; round++)
		play_round(&traffic);
	print_message("%zu flows over %zu steps, %zu kills\n", traffic.opened, traffic.steps,
		      traffic.kills);
	assert_true(traffic.opened > ROUNDS);
	world_deinit(&traffic.world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_flow_leaves_a_backend_that_keeps_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
