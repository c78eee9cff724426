/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The promise: whatever changes, and in whatever order, a flow whose backend is alive stays on it.
 * Ten thousand flows, half of them UDP, over two services that change at random: backends, weights,
 * table sizes, hashes, the seed, schedulers.
 */
#include "model/encode.h"
#include "tests/unit/datapath/edge.h"

#define SERVICES      2
#define BACKENDS      8 /* of a service, at most */
#define FIRST_BACKEND 100
#define FLOWS	      10000
#define STEPS	      60
#define TABLE_SIZE    509

static const uint8_t protocols[SERVICES] = { IPPROTO_TCP, IPPROTO_UDP };

struct flow {
	struct client client;
	int backend; /* NOWHERE: it is not open */
};

struct world {
	struct edge edge;
	uint64_t random;
	uint32_t weights[SERVICES][BACKENDS];
	bool exists[SERVICES][BACKENDS];
	uint64_t seed;
	uint32_t sizes[SERVICES];
	enum leat_hash_input hashes[SERVICES];
	enum leat_scheduler schedulers[SERVICES];
	struct flow flows[FLOWS];
	size_t kept; /* packets that were where they had to be */
};

static uint64_t pick(struct world *world, uint64_t count)
{
	return sample_random(&world->random) % count;
}

static struct config *make_config(const struct world *world)
{
	struct config *config = sample_config_new();

	config->seed = world->seed;
	for (size_t i = 0; i < SERVICES; i++) {
		struct service_config *service =
			sample_add_service(config, i, protocols[i], world->sizes[i]);

		service->hash = world->hashes[i];
		service->scheduler = world->schedulers[i];
		service->probe = (struct probe_config){ .type = PROBE_TCP, .rise = 1, .fall = 1 };
		for (size_t j = 0; j < BACKENDS; j++) {
			if (world->exists[i][j])
				sample_add_backend(service, i * FIRST_BACKEND + j,
						   world->weights[i][j]);
		}
	}
	return config;
}

static struct backend *backend_at(const struct world *world, size_t service, size_t index)
{
	return sample_find(world->edge.node.services[service], service * FIRST_BACKEND + index);
}

/* By the file: some services come with a new backend, lose one or change weights. */
static void change_file(struct world *world, size_t service, size_t index)
{
	bool *exists = &world->exists[service][index];

	if (*exists && pick(world, 3))
		world->weights[service][index] = (uint32_t)pick(world, 4) * 50;
	else
		*exists = !*exists;
	sample_adopt(&world->edge.node, make_config(world));
}

/* Each of these leaves no slot where it was. */
static void change_geometry(struct world *world, size_t service)
{
	static const uint32_t sizes[] = { 64, 509, 1024, 2039 };

	switch (pick(world, 4)) {
	case 0:
		world->sizes[service] = sizes[pick(world, ARRAY_SIZE(sizes))];
		break;
	case 1:
		world->hashes[service] = (enum leat_hash_input)pick(world, 2);
		break;
	case 2:
		world->seed = pick(world, 3);
		break;
	default:
		world->schedulers[service] = (enum leat_scheduler)pick(world, 3);
		break;
	}
	sample_adopt(&world->edge.node, make_config(world));
}

static void change_operator(struct world *world, struct backend *backend)
{
	static const enum operator_state states[] = { OPERATOR_NONE, OPERATOR_NONE, OPERATOR_DRAIN,
						      OPERATOR_DRAIN, OPERATOR_DISABLE };

	backend->operator_change.state = states[pick(world, ARRAY_SIZE(states))];
	backend->operator_change.has_weight = pick(world, 2);
	backend->operator_change.weight = (uint32_t)pick(world, 300);
}

static void change_next_hop(struct world *world, struct backend *backend)
{
	backend->next_hop.state = pick(world, 2) ? NEXT_HOP_NO_NEIGHBOUR : NEXT_HOP_RESOLVED;
}

static void change_anything(struct world *world)
{
	size_t service = pick(world, SERVICES), index = pick(world, BACKENDS);
	struct backend *backend = backend_at(world, service, index);
	uint64_t what = pick(world, 9);

	if (what == 8)
		change_geometry(world, service);
	else if (!backend || what < 3)
		change_file(world, service, index);
	else if (what < 5)
		change_operator(world, backend);
	else if (what < 7)
		sample_set_health(backend, pick(world, 3));
	else
		change_next_hop(world, backend);
}

static struct backend *backend_of(const struct world *world, const struct flow *flow)
{
	return sample_find(world->edge.node.services[flow->client.service], (size_t)flow->backend);
}

static int send_packet(struct world *world, const struct flow *flow, uint8_t flags)
{
	size_t first = flow->client.service * FIRST_BACKEND;
	int backend =
		client_send(&world->edge, flow->client, protocols[flow->client.service], flags);

	if (backend != NOWHERE)
		assert_in_range(backend, first, first + BACKENDS - 1);
	return backend;
}

static void check_flow(struct world *world, struct flow *flow)
{
	bool is_resolved = backend_of(world, flow)->next_hop.state == NEXT_HOP_RESOLVED;
	uint8_t flags = pick(world, 50) ? ACK : ACK | FIN;

	if (pick(world, 4) == 0)
		return;
	assert_int_equal(send_packet(world, flow, flags), is_resolved ? flow->backend : NOWHERE);
	world->kept++;
	if (flags & FIN)
		flow->backend = NOWHERE;
}

/* A flow that begins on a backend without a next hop does not begin. */
static void open_flow(struct world *world, struct flow *flow)
{
	if (pick(world, 3) == 0)
		return;
	flow->backend = send_packet(world, flow, SYN);
	if (flow->backend != NOWHERE && pick(world, 3))
		assert_int_equal(send_packet(world, flow, ACK), flow->backend);
}

static void use_flows(struct world *world)
{
	for (size_t i = 0; i < FLOWS; i++) {
		struct flow *flow = &world->flows[i];

		if (flow->backend != NOWHERE)
			check_flow(world, flow);
		else
			open_flow(world, flow);
	}
}

/* Also when it comes back before the next packet. */
static void end_flows_of_dead_backends(struct world *world)
{
	for (size_t i = 0; i < FLOWS; i++) {
		struct flow *flow = &world->flows[i];
		const struct backend *backend = flow->backend == NOWHERE ? NULL
									 : backend_of(world, flow);

		if (!backend || !backend_keeps_flows(backend))
			flow->backend = NOWHERE;
	}
}

static struct world *world_new(uint64_t seed)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	world->random = seed;
	for (size_t i = 0; i < SERVICES; i++) {
		world->sizes[i] = TABLE_SIZE;
		for (size_t j = 0; j < BACKENDS; j++) {
			world->exists[i][j] = j < BACKENDS / 2;
			world->weights[i][j] = CONFIG_DEFAULT_WEIGHT;
		}
	}
	for (uint32_t i = 0; i < FLOWS; i++)
		world->flows[i] = (struct flow){ .client = { i % SERVICES, i }, NOWHERE };
	edge_open(&world->edge, NULL);
	edge_adopt(&world->edge, make_config(world));
	return world;
}

static void world_free(struct world *world)
{
	edge_deinit(&world->edge);
	free(world);
}

static void begin_healthy(struct world *world)
{
	for (size_t i = 0; i < SERVICES; i++) {
		for (size_t j = 0; j < BACKENDS / 2; j++)
			sample_set_health(backend_at(world, i, j), true);
	}
	edge_apply(&world->edge);
}

static void every_flow_stays_on_its_backend_while_that_is_alive(void **state)
{
	struct world *world = world_new(sample_seed());

	(void)state;
	begin_healthy(world);
	use_flows(world);
	for (int step = 0; step < STEPS; step++) {
		for (uint64_t changes = pick(world, 3) + 1; changes > 0; changes--) {
			change_anything(world);
			edge_apply(&world->edge);
			end_flows_of_dead_backends(world);
			settle(&world->edge, 0);
		}
		use_flows(world);
	}
	print_message("%zu packets were on their flow's backend\n", world->kept);
	assert_true(world->kept > FLOWS);
	world_free(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_flow_stays_on_its_backend_while_that_is_alive),
	};

	return edge_run_tests(tests, ARRAY_SIZE(tests));
}
