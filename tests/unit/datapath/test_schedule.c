/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who gets new flows: shares of round robin and least connections, and clients that stick.
 */
#include "datapath/internal.h"
#include "tests/unit/datapath/edge.h"

#define BACKENDS   100
#define TABLE_SIZE 65536

static uint32_t weight_at(size_t index)
{
	static const uint32_t weights[] = { 10, 20, 50, 100, 70 };

	return weights[index % ARRAY_SIZE(weights)];
}

static double weight_sum(void)
{
	double sum = 0;

	for (size_t i = 0; i < BACKENDS; i++)
		sum += weight_at(i);
	return sum;
}

static struct config *config_of(enum leat_scheduler scheduler, uint32_t sticky_ms)
{
	struct config *config = sample_config_new();
	struct service_config *service = sample_add_service(config, 0, IPPROTO_TCP, TABLE_SIZE);

	service->scheduler = scheduler;
	service->sticky_ms = sticky_ms;
	for (size_t i = 0; i < BACKENDS; i++)
		sample_add_backend(service, i, weight_at(i));
	return config;
}

static int send_one(struct edge *edge, uint32_t number, uint8_t flags)
{
	return client_send(edge, (struct client){ .number = number }, IPPROTO_TCP, flags);
}

static int open_flow(struct edge *edge, uint32_t number)
{
	int backend = send_one(edge, number, SYN);

	assert_in_range(backend, 0, BACKENDS - 1);
	assert_int_equal(send_one(edge, number, ACK), backend);
	return backend;
}

static void round_robin_is_within_half_a_percent_of_exact(void **state)
{
	enum { CYCLE = BACKENDS * (1 + 2 + 5 + 10 + 7) / 5, CYCLES = 20 };
	double counts[BACKENDS] = { 0 };
	struct edge edge;

	(void)state;
	edge_init(&edge, config_of(LEAT_SCHEDULER_ROUND_ROBIN, 0));
	for (uint32_t i = 0; i < CYCLE * CYCLES; i++)
		counts[send_one(&edge, i, SYN)]++;
	for (size_t i = 0; i < BACKENDS; i++) {
		double exact = CYCLE * CYCLES * weight_at(i) / weight_sum();

		/* CPUs have cursors of their own, and a test may be moved once in a while. */
		assert_true(counts[i] >= exact * 0.995 - 1 && counts[i] <= exact * 1.005 + 1);
	}
	edge_deinit(&edge);
}

/* In every stretch of a cycle the light backends are spread between the heavy ones. */
static void round_robin_interleaves(void **state)
{
	enum { STRETCH = 50, FLOWS = 500 };
	int visited[FLOWS];
	struct edge edge;

	(void)state;
	edge_init(&edge, config_of(LEAT_SCHEDULER_ROUND_ROBIN, 0));
	for (uint32_t i = 0; i < FLOWS; i++)
		visited[i] = send_one(&edge, i, SYN);
	for (size_t first = 0; first + STRETCH <= FLOWS; first++) {
		int most = 0, counts[BACKENDS] = { 0 };

		for (size_t i = first; i < first + STRETCH; i++) {
			counts[visited[i]]++;
			most = MAX(most, counts[visited[i]]);
		}
		assert_in_range(most, 1, 3);
	}
	edge_deinit(&edge);
}

struct crowd {
	struct edge edge;
	uint64_t random;
	uint32_t next;
	double live[BACKENDS];
	struct member {
		uint32_t number;
		int backend;
		uint32_t ends;
	} members[40000];
	size_t count;
};

/* Nine of ten flows are short, one is long. */
static void join(struct crowd *crowd, uint32_t now)
{
	struct member *member = &crowd->members[crowd->count++];
	bool is_long = sample_random(&crowd->random) % 10 == 0;

	assert_in_range(crowd->count, 1, ARRAY_SIZE(crowd->members));
	member->number = crowd->next++;
	member->backend = open_flow(&crowd->edge, member->number);
	member->ends = now + (is_long ? 1000 : 1 + (uint32_t)(sample_random(&crowd->random) % 4));
	crowd->live[member->backend]++;
}

static void leave(struct crowd *crowd, uint32_t now)
{
	for (size_t i = 0; i < crowd->count;) {
		struct member *member = &crowd->members[i];

		if (member->ends != now) {
			i++;
			continue;
		}
		send_one(&crowd->edge, member->number, ACK | FIN);
		crowd->live[member->backend]--;
		*member = crowd->members[--crowd->count];
	}
}

/* The largest number of live flows per weight, in units of the mean. Of a light backend one flow more
 * or less is much, so one instant says little. */
static double crowd_unevenness(const struct crowd *crowd)
{
	double largest = 0;

	for (size_t i = 0; i < BACKENDS; i++) {
		double share = crowd->live[i] / weight_at(i);

		largest = share > largest ? share : largest;
	}
	return largest / ((double)crowd->count / weight_sum());
}

/* The mean of the last rounds. */
static double unevenness_of(enum leat_scheduler scheduler, uint64_t seed)
{
	enum { ROUNDS = 100, JUDGED = 20 };
	struct crowd *crowd = calloc(1, sizeof(*crowd));
	double unevenness = 0;

	assert_non_null(crowd);
	crowd->random = seed;
	edge_init(&crowd->edge, config_of(scheduler, 0));
	for (uint32_t now = 0; now < ROUNDS; now++) {
		leave(crowd, now);
		for (size_t i = 0; i < 1000; i++)
			join(crowd, now);
		if (now % 10 == 0)
			settle(&crowd->edge, 0);
		if (now >= ROUNDS - JUDGED)
			unevenness += crowd_unevenness(crowd) / JUDGED;
	}
	edge_deinit(&crowd->edge);
	free(crowd);
	return unevenness;
}

static void least_connections_is_even_where_hash_is_not(void **state)
{
	uint64_t seed = sample_seed();
	double hash = unevenness_of(LEAT_SCHEDULER_HASH, seed);
	double least = unevenness_of(LEAT_SCHEDULER_LEAST_CONNECTIONS, seed);

	(void)state;
	print_message(
		"most live flows per weight, over the mean: hash %.2f, least connections %.2f\n",
		hash, least);
	assert_true(hash > 1.3);
	assert_true(least <= 1.15);
}

/* What evictions and crashes leave behind does not add up. */
static void counts_are_corrected_against_what_is_remembered(void **state)
{
	uint32_t total = 0;
	struct edge edge;

	(void)state;
	edge_init(&edge, config_of(LEAT_SCHEDULER_LEAST_CONNECTIONS, 0));
	for (uint32_t i = 0; i < 1000; i++)
		open_flow(&edge, i);
	for (size_t i = 0; i < BACKENDS; i++)
		datapath_correct_load(edge.datapath, edge_backend(&edge, i)->id, 12345);
	settle(&edge, 0);
	for (size_t i = 0; i < BACKENDS; i++)
		total += datapath_read_load(edge.datapath, edge_backend(&edge, i)->id);
	assert_int_equal(total, 1000);
	settle(&edge, LEAT_DEFAULT_TCP_IDLE_MS / 1000 + 5);
	for (size_t i = 0; i < BACKENDS; i++)
		assert_int_equal(datapath_read_load(edge.datapath, edge_backend(&edge, i)->id), 0);
	edge_deinit(&edge);
}

/* Numbers 250 apart are one address with another port. */
static void client_sticks_until_its_backend_drains(void **state)
{
	static const enum leat_scheduler schedulers[] = { LEAT_SCHEDULER_ROUND_ROBIN,
							  LEAT_SCHEDULER_LEAST_CONNECTIONS };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(schedulers); i++) {
		struct edge edge;
		int backend, later;

		edge_init(&edge, config_of(schedulers[i], 60000));
		backend = open_flow(&edge, 7);
		for (uint32_t port = 1; port < 50; port++)
			assert_int_equal(open_flow(&edge, 7 + 250 * port), backend);
		edge_set_operator(&edge, (size_t)backend, OPERATOR_DRAIN);
		later = open_flow(&edge, 7 + 250 * 50);
		assert_int_not_equal(later, backend);
		assert_int_equal(send_one(&edge, 7, ACK), backend);
		for (uint32_t port = 51; port < 100; port++)
			assert_int_equal(open_flow(&edge, 7 + 250 * port), later);
		edge_deinit(&edge);
	}
}

static bool is_known(const struct edge *edge)
{
	return edge->node.flow_memory.clients > 0;
}

static void clients_are_forgotten_after_their_time(void **state)
{
	struct edge edge;

	(void)state;
	edge_init(&edge, config_of(LEAT_SCHEDULER_ROUND_ROBIN, 60000));
	open_flow(&edge, 7);
	settle(&edge, 50);
	assert_true(is_known(&edge));
	settle(&edge, 70);
	assert_false(is_known(&edge));
	edge_deinit(&edge);
}

/* The memory of clients is bounded; who does not fit is counted and goes on. */
static void more_clients_than_fit_are_served_and_counted(void **state)
{
	uint64_t events[LEAT_EVENT_COUNT];
	struct leat_bucket *bucket;
	struct edge edge;

	(void)state;
	edge_init(&edge, config_of(LEAT_SCHEDULER_ROUND_ROBIN, 60000));
	for (size_t i = 0; i < LEAT_CLIENT_BUCKETS; i++) {
		bucket = &edge.datapath->clients[i];
		for (size_t j = 0; j < LEAT_BUCKET_FLOWS; j++)
			bucket->flows[j] = (struct leat_flow){
				.digest = 1000 + i * LEAT_BUCKET_FLOWS + j,
				.state = { .backend = (uint16_t)edge_backend(&edge, 0)->id,
					   .seen = (uint16_t)datapath_now() },
			};
	}
	for (uint32_t i = 0; i < 20; i++)
		open_flow(&edge, i);
	assert_int_equal(datapath_read_events(edge.datapath, events), 0);
	assert_int_equal(events[LEAT_EVENT_EVICTED_CLIENT], 20);
	edge_deinit(&edge);
}

static void as_many_flows_as_are_configured_fit(void **state)
{
	int backends[LEAT_MIN_FLOWS];
	uint64_t events[LEAT_EVENT_COUNT];
	struct edge edge;

	(void)state;
	edge_init(&edge, config_of(LEAT_SCHEDULER_ROUND_ROBIN, 0));
	for (uint32_t i = 0; i < LEAT_MIN_FLOWS; i++)
		backends[i] = open_flow(&edge, i);
	assert_int_equal(datapath_read_events(edge.datapath, events), 0);
	assert_int_equal(events[LEAT_EVENT_EVICTED], 0);
	assert_int_equal(edge_count_flows(&edge).flows, LEAT_MIN_FLOWS);
	for (uint32_t i = 0; i < LEAT_MIN_FLOWS; i++)
		assert_int_equal(send_one(&edge, i, ACK), backends[i]);
	edge_deinit(&edge);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_robin_is_within_half_a_percent_of_exact),
		cmocka_unit_test(round_robin_interleaves),
		cmocka_unit_test(least_connections_is_even_where_hash_is_not),
		cmocka_unit_test(counts_are_corrected_against_what_is_remembered),
		cmocka_unit_test(client_sticks_until_its_backend_drains),
		cmocka_unit_test(clients_are_forgotten_after_their_time),
		cmocka_unit_test(more_clients_than_fit_are_served_and_counted),
		cmocka_unit_test(as_many_flows_as_are_configured_fit),
	};

	return edge_run_tests(tests, ARRAY_SIZE(tests));
}
