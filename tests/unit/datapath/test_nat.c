/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The memory of flows that are translated: how it is counted and aged, and how ports are taken. What
 * becomes of packets is tests/datapath's.
 */
#include "daemon/nat_watch.h"
#include "tests/unit/datapath/pinned_edge.h"

#include <pthread.h>

#define TABLE_SIZE 64
#define PORT	   7000
#define SECOND_US  UINT64_C(1000000)

/* Instead of a port: what became of the packet. */
#define EXHAUSTED (-1)
#define NO_STATE  (-2)

static struct config *config_of(size_t backends, uint16_t first_port, uint16_t last_port)
{
	struct config *config = sample_config_of(IPPROTO_TCP, backends, TABLE_SIZE);

	config->services[0].forward = LEAT_FORWARD_NAT;
	config->nat.addresses[NAT_IPV4][0] = sample_parse("198.51.100.200");
	config->nat.counts[NAT_IPV4] = 1;
	config->nat.first_port = first_port;
	config->nat.last_port = last_port;
	return config;
}

struct segment {
	uint8_t bytes[PACKET_MAX];
	size_t size;
};

static uint32_t run(struct edge *edge, struct segment *segment, struct leat_trace *ret_trace)
{
	struct datapath_run run;

	assert_int_equal(datapath_run_packet(edge->datapath, segment->bytes, segment->size,
					     sizeof(segment->bytes), &run),
			 0);
	segment->size = run.size;
	*ret_trace = run.trace;
	return run.action;
}

static uint16_t port_at(const struct segment *segment, size_t offset)
{
	const uint8_t *l4 = segment->bytes + sizeof(struct ethhdr) + sizeof(struct iphdr);

	return (uint16_t)(l4[offset] << 8 | l4[offset + 1]);
}

/* Returns the port that it has now, or what became of it. */
static int send_from_client(struct edge *edge, uint32_t number, uint8_t flags,
			    struct segment *segment)
{
	struct leat_trace trace;

	segment->size =
		client_write((struct client){ 0, number }, IPPROTO_TCP, flags, segment->bytes);
	segment->bytes[sizeof(struct ethhdr) + 8] = 64;
	if (run(edge, segment, &trace) == XDP_TX && trace.reason == LEAT_FORWARDED)
		return port_at(segment, 0);
	if (trace.reason == LEAT_NAT_NO_STATE)
		return NO_STATE;
	assert_int_equal(trace.reason, LEAT_NAT_EXHAUSTED);
	return EXHAUSTED;
}

static int client_sends(struct edge *edge, uint32_t number, uint8_t flags)
{
	struct segment segment;

	return send_from_client(edge, number, flags, &segment);
}

static void swap(uint8_t *a, uint8_t *b, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		uint8_t kept = a[i];

		a[i] = b[i];
		b[i] = kept;
	}
}

/* To what the client sends next, which has `flags` too. */
static void backend_answers(struct edge *edge, uint32_t number, uint8_t flags, uint8_t answer)
{
	struct segment segment;
	uint8_t *ip = segment.bytes + sizeof(struct ethhdr);
	struct leat_trace trace;

	assert_true(send_from_client(edge, number, flags, &segment) > 0);
	swap(ip + 12, ip + 16, 4);
	swap(ip + 20, ip + 22, 2);
	ip[33] = answer;
	assert_int_equal(run(edge, &segment, &trace), XDP_TX);
	assert_int_equal(trace.reason, LEAT_NAT_REPLY);
	assert_int_equal(port_at(&segment, 2), ntohs(client_port((struct client){ 0, number })));
}

struct watched {
	struct edge edge;
	struct nat_watch watch;
};

static void begin(struct watched *watched, struct config *config)
{
	edge_init(&watched->edge, config);
	assert_int_equal(nat_watch_init(&watched->watch), 0);
}

static void end(struct watched *watched)
{
	nat_watch_deinit(&watched->watch);
	edge_deinit(&watched->edge);
}

/* As if so much time had passed. */
static void wait_for(struct watched *watched, uint64_t seconds)
{
	assert_int_equal(nat_watch_step(&watched->watch, &watched->edge.applier,
					&watched->edge.node,
					clock_monotonic_us() + seconds * SECOND_US),
			 0);
}

static uint64_t flows_of(const struct watched *watched, size_t backend)
{
	return edge_backend(&watched->edge, backend)->flows.live;
}

static void establish(struct edge *edge, uint32_t number)
{
	backend_answers(edge, number, SYN, SYN | ACK);
	assert_true(client_sends(edge, number, ACK) > 0);
}

/* There is one port, which another client gets when it is free. */
static void a_flow_is_forgotten_when_its_state_says_so(void **state)
{
	struct watched watched;

	(void)state;
	begin(&watched, config_of(1, PORT, PORT));
	assert_int_equal(client_sends(&watched.edge, 1, SYN), PORT);
	assert_int_equal(client_sends(&watched.edge, 2, SYN), EXHAUSTED);
	wait_for(&watched, 60);
	assert_int_equal(client_sends(&watched.edge, 2, SYN), EXHAUSTED);
	wait_for(&watched, 70);
	assert_int_equal(client_sends(&watched.edge, 1, ACK), NO_STATE);
	establish(&watched.edge, 2);
	wait_for(&watched, 800);
	assert_int_equal(client_sends(&watched.edge, 3, SYN), EXHAUSTED);
	assert_int_equal(client_sends(&watched.edge, 2, ACK), PORT);
	wait_for(&watched, 1000);
	assert_int_equal(client_sends(&watched.edge, 2, ACK), NO_STATE);
	establish(&watched.edge, 3);
	backend_answers(&watched.edge, 3, ACK, FIN | ACK);
	wait_for(&watched, 200);
	assert_int_equal(client_sends(&watched.edge, 3, FIN | ACK), PORT);
	wait_for(&watched, 70);
	assert_int_equal(client_sends(&watched.edge, 3, ACK), NO_STATE);
	end(&watched);
}

static void flows_are_counted_at_their_backends(void **state)
{
	struct watched watched;
	uint64_t sum = 0;

	(void)state;
	begin(&watched, config_of(3, 1024, 65535));
	for (uint32_t i = 0; i < 3000; i++)
		assert_true(client_sends(&watched.edge, i, SYN) > 0);
	wait_for(&watched, 0);
	for (size_t i = 0; i < 3; i++) {
		assert_in_range(flows_of(&watched, i), 500, 1500);
		sum += flows_of(&watched, i);
	}
	assert_int_equal(sum, 3000);
	assert_int_equal(watched.watch.counted_all, 3000);
	wait_for(&watched, 100);
	assert_int_equal(watched.watch.counted_all, 0);
	assert_int_equal(flows_of(&watched, 0), 0);
	end(&watched);
}

/* What was opened since the last walk is not in its numbers. */
static void a_drain_is_complete_when_its_flows_are_gone(void **state)
{
	struct watched watched;
	struct backend *drained;

	(void)state;
	begin(&watched, config_of(2, PORT, PORT));
	for (uint32_t i = 0; i < 20; i++)
		client_sends(&watched.edge, i, SYN);
	drained = edge_backend(&watched.edge, 0);
	edge_set_operator(&watched.edge, 0, OPERATOR_DRAIN);
	drained->flows.since_us = clock_monotonic_us();
	assert_false(drained->flows.live);
	watched.watch.counted_since_us = drained->flows.since_us - 1;
	drained->flows.silent_s = 1;
	assert_false(backend_is_drained(drained));
	wait_for(&watched, 1);
	assert_int_equal(drained->flows.live, 1);
	assert_false(backend_is_drained(drained));
	wait_for(&watched, 70);
	assert_true(backend_is_drained(drained));
	end(&watched);
}

/* Its id may be another one's next. */
static void the_flows_of_a_backend_that_is_gone_are_forgotten(void **state)
{
	struct watched watched;

	(void)state;
	begin(&watched, config_of(1, PORT, PORT));
	assert_int_equal(client_sends(&watched.edge, 1, SYN), PORT);
	edge_adopt(&watched.edge, config_of(0, PORT, PORT));
	edge_adopt(&watched.edge, config_of(1, PORT, PORT));
	assert_int_equal(client_sends(&watched.edge, 1, ACK), NO_STATE);
	assert_int_equal(client_sends(&watched.edge, 2, SYN), PORT);
	end(&watched);
}

/* It would answer with a reset if it did at all. */
static void a_client_whose_backend_is_down_opens_anew(void **state)
{
	struct watched watched;

	(void)state;
	begin(&watched, config_of(1, PORT, PORT));
	establish(&watched.edge, 1);
	edge_set_health(&watched.edge, 0, false);
	assert_int_equal(client_sends(&watched.edge, 1, ACK), NO_STATE);
	edge_set_health(&watched.edge, 0, true);
	assert_int_equal(client_sends(&watched.edge, 2, SYN), PORT);
	end(&watched);
}

static void open_flows_keep_a_pool_that_is_no_more(void **state)
{
	struct watched watched;

	(void)state;
	begin(&watched, config_of(1, PORT, PORT));
	establish(&watched.edge, 1);
	edge_adopt(&watched.edge, config_of(1, PORT + 1, PORT + 1));
	assert_int_equal(client_sends(&watched.edge, 1, ACK), PORT);
	assert_int_equal(client_sends(&watched.edge, 2, SYN), PORT + 1);
	end(&watched);
}

static void flows_outlive_the_daemon(void **state)
{
	struct pinned_edge *pinned = *state;

	pinned_edge_open(pinned);
	edge_adopt(&pinned->edge, config_of(1, PORT, PORT));
	establish(&pinned->edge, 1);
	pinned_edge_kill(pinned);
	pinned_edge_open(pinned);
	assert_int_equal(applier_read_back(&pinned->edge.applier), 0);
	edge_adopt(&pinned->edge, config_of(1, PORT, PORT));
	assert_int_equal(client_sends(&pinned->edge, 1, ACK), PORT);
	assert_int_equal(client_sends(&pinned->edge, 2, SYN), EXHAUSTED);
}

/* Four fifths of all ports are taken before the first flow finds none. */
static void a_pool_fills_up_well(void **state)
{
	enum { PORTS = 2000 };
	static bool taken[PORTS];
	struct watched watched;
	uint32_t opened = 0, first_refused = 0;

	(void)state;
	begin(&watched, config_of(1, 1024, 1024 + PORTS - 1));
	for (uint32_t i = 0; i < 2 * PORTS; i++) {
		int port = client_sends(&watched.edge, i, SYN);

		if (port == EXHAUSTED) {
			first_refused = first_refused ? first_refused : i;
			continue;
		}
		assert_in_range(port, 1024, 1024 + PORTS - 1);
		assert_false(taken[port - 1024]);
		taken[port - 1024] = true;
		opened++;
	}
	assert_in_range(first_refused, PORTS * 7 / 10, PORTS);
	assert_in_range(opened, PORTS * 9 / 10, PORTS);
	wait_for(&watched, 0);
	assert_int_equal(watched.watch.counted_all, opened);
	end(&watched);
}

#define RACED 2000

struct racer {
	struct edge *edge;
	pthread_barrier_t *barrier;
	int ports[RACED];
};

static void *race(void *user)
{
	struct racer *racer = user;

	for (uint32_t i = 0; i < RACED; i++) {
		pthread_barrier_wait(racer->barrier);
		racer->ports[i] = client_sends(racer->edge, i, SYN);
	}
	return NULL;
}

/* Two CPUs that open one flow at the same time agree on its port, and no other one stays taken. */
static void one_flow_has_one_port_whoever_opens_it(void **state)
{
	static struct racer racers[2];
	pthread_barrier_t barrier;
	struct watched watched;
	pthread_t thread;

	(void)state;
	begin(&watched, config_of(1, 1024, 65535));
	pthread_barrier_init(&barrier, NULL, 2);
	for (size_t i = 0; i < 2; i++)
		racers[i] = (struct racer){ .edge = &watched.edge, .barrier = &barrier };
	/* The program is loaded by the first packet. */
	assert_true(client_sends(&watched.edge, RACED, SYN) > 0);
	assert_int_equal(pthread_create(&thread, NULL, race, &racers[0]), 0);
	race(&racers[1]);
	pthread_join(thread, NULL);
	for (size_t i = 0; i < RACED; i++)
		assert_int_equal(racers[0].ports[i], racers[1].ports[i]);
	wait_for(&watched, 0);
	assert_int_equal(watched.watch.counted_all, RACED + 1);
	pthread_barrier_destroy(&barrier);
	end(&watched);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flow_is_forgotten_when_its_state_says_so),
		cmocka_unit_test(flows_are_counted_at_their_backends),
		cmocka_unit_test(a_drain_is_complete_when_its_flows_are_gone),
		cmocka_unit_test(the_flows_of_a_backend_that_is_gone_are_forgotten),
		cmocka_unit_test(a_client_whose_backend_is_down_opens_anew),
		cmocka_unit_test(open_flows_keep_a_pool_that_is_no_more),
		cmocka_unit_test_setup_teardown(flows_outlive_the_daemon, pinned_edge_begin,
						pinned_edge_end),
		cmocka_unit_test(a_pool_fills_up_well),
		cmocka_unit_test(one_flow_has_one_port_whoever_opens_it),
	};

	return edge_run_group(tests, ARRAY_SIZE(tests), NULL, NULL);
}
