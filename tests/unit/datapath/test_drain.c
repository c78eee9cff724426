/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is said of the flows that a draining backend still has, against what a hundred thousand clients
 * know.
 */
#include "tests/unit/datapath/edge.h"

#define FLOWS	 100000
#define BACKENDS 4
#define DRAINED	 1
#define IDLE_S	 (LEAT_DEFAULT_TCP_IDLE_MS / 1000)

struct clients {
	struct edge edge;
	int backends[FLOWS];
	size_t on_drained;
};

static struct clients *clients_new(enum leat_scheduler scheduler)
{
	struct config *config = sample_config_of(IPPROTO_TCP, BACKENDS, 65536);
	struct clients *clients = calloc(1, sizeof(*clients));

	assert_non_null(clients);
	config->flows = LEAT_DEFAULT_FLOWS;
	config->services[0].scheduler = scheduler;
	edge_open_with(&clients->edge, NULL, config->flows);
	edge_adopt(&clients->edge, config);
	return clients;
}

static void clients_free(struct clients *clients)
{
	edge_deinit(&clients->edge);
	free(clients);
}

static int send_one(struct clients *clients, uint32_t number, uint8_t flags)
{
	return client_send(&clients->edge, (struct client){ .number = number }, IPPROTO_TCP, flags);
}

static void open_all(struct clients *clients)
{
	for (uint32_t i = 0; i < FLOWS; i++) {
		clients->backends[i] = send_one(clients, i, SYN);
		assert_int_equal(send_one(clients, i, ACK), clients->backends[i]);
		clients->on_drained += clients->backends[i] == DRAINED;
	}
	assert_true(clients->on_drained > FLOWS / BACKENDS / 2);
}

/* Every `step`-th of the drained backend's flows; the number that sent. */
static size_t send_some(struct clients *clients, size_t step, uint8_t flags)
{
	size_t seen = 0, sent = 0;

	for (uint32_t i = 0; i < FLOWS; i++) {
		if (clients->backends[i] != DRAINED || seen++ % step != 0)
			continue;
		assert_int_equal(send_one(clients, i, flags), DRAINED);
		sent++;
	}
	return sent;
}

static const struct backend_flows *count_after(struct clients *clients, uint64_t seconds)
{
	settle(&clients->edge, seconds);
	return &edge_backend(&clients->edge, DRAINED)->flows;
}

static void assert_within_2_percent(uint64_t counted, size_t truth)
{
	assert_in_range(counted * 50, truth * 49, truth * 51);
}

static void flows_that_speak_are_counted_and_silent_ones_waited_for(void **state)
{
	struct clients *clients = clients_new(LEAT_SCHEDULER_HASH);
	const struct backend *backend;
	const struct backend_flows *flows;
	size_t ended;

	(void)state;
	open_all(clients);
	edge_set_operator(&clients->edge, DRAINED, OPERATOR_DRAIN);
	backend = edge_backend(&clients->edge, DRAINED);
	flows = count_after(clients, 0);
	assert_true(flows->is_counted);
	assert_int_equal(flows->live, 0);
	assert_in_range(flows->silent_s, IDLE_S - 5, IDLE_S + 5);
	assert_false(backend_is_drained(backend));

	send_some(clients, 1, ACK);
	assert_within_2_percent(count_after(clients, 0)->live, clients->on_drained);

	ended = send_some(clients, 3, ACK | FIN);
	flows = count_after(clients, 0);
	assert_within_2_percent(flows->live, clients->on_drained - ended);
	assert_within_2_percent(flows->closing, ended);

	send_some(clients, 1, ACK | FIN);
	flows = count_after(clients, 0);
	assert_int_equal(flows->live, 0);
	assert_false(backend_is_drained(backend));
	count_after(clients, IDLE_S + 5);
	assert_true(backend_is_drained(backend));
	clients_free(clients);
}

static void flows_that_fall_silent_end_after_the_idle_time(void **state)
{
	struct clients *clients = clients_new(LEAT_SCHEDULER_HASH);
	const struct backend_flows *flows;

	(void)state;
	open_all(clients);
	edge_set_operator(&clients->edge, DRAINED, OPERATOR_DRAIN);
	count_after(clients, 0);
	send_some(clients, 1, ACK);
	flows = count_after(clients, IDLE_S - 5);
	assert_within_2_percent(flows->live, clients->on_drained);
	flows = count_after(clients, IDLE_S + 5);
	assert_int_equal(flows->live, 0);
	assert_true(backend_is_drained(edge_backend(&clients->edge, DRAINED)));
	clients_free(clients);
}

/* Nobody is silent there: a scheduler that remembers all knows at once. */
static void schedulers_that_remember_count_from_the_start(void **state)
{
	static const enum leat_scheduler schedulers[] = { LEAT_SCHEDULER_ROUND_ROBIN,
							  LEAT_SCHEDULER_LEAST_CONNECTIONS };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(schedulers); i++) {
		struct clients *clients = clients_new(schedulers[i]);
		const struct backend_flows *flows;

		open_all(clients);
		flows = count_after(clients, 0);
		assert_true(flows->is_counted);
		assert_within_2_percent(flows->live, clients->on_drained);
		edge_set_operator(&clients->edge, DRAINED, OPERATOR_DRAIN);
		flows = count_after(clients, 0);
		assert_within_2_percent(flows->live, clients->on_drained);
		send_some(clients, 1, ACK | FIN);
		assert_int_equal(count_after(clients, 0)->live, 0);
		assert_false(backend_is_drained(edge_backend(&clients->edge, DRAINED)));
		count_after(clients, LEAT_CLOSING_MS / 1000 + 5);
		assert_true(backend_is_drained(edge_backend(&clients->edge, DRAINED)));
		clients_free(clients);
	}
}

static void backend_that_never_got_a_packet_is_drained_at_once(void **state)
{
	struct edge edge;

	(void)state;
	edge_init(&edge, sample_config_of(IPPROTO_TCP, BACKENDS, 1024));
	edge_set_operator(&edge, DRAINED, OPERATOR_DRAIN);
	settle(&edge, 0);
	assert_true(backend_is_drained(edge_backend(&edge, DRAINED)));
	edge_deinit(&edge);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flows_that_speak_are_counted_and_silent_ones_waited_for),
		cmocka_unit_test(flows_that_fall_silent_end_after_the_idle_time),
		cmocka_unit_test(schedulers_that_remember_count_from_the_start),
		cmocka_unit_test(backend_that_never_got_a_packet_is_drained_at_once),
	};

	return edge_run_tests(tests, ARRAY_SIZE(tests));
}
