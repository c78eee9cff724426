/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A table that changes, and flows that must not notice: whole packets through the loaded program.
 */
#include "datapath/datapath.h"

#include <bpf/bpf.h>
#include <pthread.h>
#include <sys/mman.h>

#include "datapath/internal.h"
#include "tests/unit/datapath/edge.h"

#define TABLE_SIZE     1024
#define TCP_IDLE_S     (LEAT_DEFAULT_TCP_IDLE_MS / 1000)
#define UDP_IDLE_TICKS ((int32_t)LEAT_TICKS(LEAT_DEFAULT_UDP_IDLE_MS))

static struct client client(uint32_t number)
{
	return (struct client){ .number = number };
}

static int tcp(struct edge *edge, struct client from, uint8_t flags)
{
	return client_send(edge, from, IPPROTO_TCP, flags);
}

static int udp(struct edge *edge, struct client from)
{
	return client_send(edge, from, IPPROTO_UDP, 0);
}

static int open_tcp(struct edge *edge, struct client from)
{
	int backend = tcp(edge, from, SYN);

	assert_int_equal(tcp(edge, from, ACK), backend);
	return backend;
}

/* The configuration's backends are `first` and on. */
static struct config *config_from(uint8_t protocol, size_t first, size_t count)
{
	struct config *config = sample_config_new();

	sample_add_backends(sample_add_service(config, 0, protocol, TABLE_SIZE), first, count);
	return config;
}

/* The first client from `number` on whose packets, as far as slots tell, went from one backend to the
 * other. */
static struct client find_moved(struct edge *edge, uint32_t number, size_t from, size_t to)
{
	for (;; number++) {
		struct leat_slot slot = slot_of(edge, client(number));

		if (slot.current == edge_backend(edge, to)->id &&
		    slot.previous == (LEAT_SLOT_OPEN | edge_backend(edge, from)->id))
			return client(number);
		assert_true(number < 100000);
	}
}

static void older_tcp_flow_stays_and_newer_one_goes_to_current(void **state)
{
	struct client older, newer;
	struct edge edge;

	(void)state;
	edge_init(&edge, config_from(IPPROTO_TCP, 0, 2));
	edge_adopt(&edge, config_from(IPPROTO_TCP, 0, 3));
	older = find_moved(&edge, 0, 0, 2);
	newer = find_moved(&edge, older.number + 1, 0, 2);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(tcp(&edge, older, ACK), 0);
		assert_int_equal(tcp(&edge, newer, i ? ACK : SYN), 2);
	}
	assert_int_equal(tcp(&edge, older, ACK | FIN), 0);
	assert_int_equal(tcp(&edge, newer, ACK | FIN), 2);
	assert_int_equal(tcp(&edge, newer, ACK), 2);
	edge_deinit(&edge);
}

/* A second thread that sends a packet of each flow at the same time as the first one. */
struct twin {
	struct edge *edge;
	struct client client;
	_Atomic uint32_t turn, done;
	uint32_t last;
	int backend;
};

/* Asserts nothing: a failure has to be the first thread's. */
static int send_ack(struct edge *edge, struct client client)
{
	uint8_t packet[PACKET_MAX];
	size_t size = client_write(client, IPPROTO_TCP, ACK, packet);
	struct datapath_run run = { 0 };

	if (datapath_run_packet(edge->datapath, packet, size, sizeof(packet), &run) < 0 ||
	    run.action != XDP_TX)
		return NOWHERE;
	return backend_of_packet(packet);
}

static void *twin_run(void *argument)
{
	struct twin *twin = argument;

	while (twin->done < twin->last) {
		if (twin->turn == twin->done)
			continue;
		twin->backend = send_ack(twin->edge, twin->client);
		twin->done++;
	}
	return NULL;
}

/* The handshake's ACK and the first data may be handled by two CPUs: neither must miss the flow on its
 * way from half_open to where it is remembered, and it is remembered once. */
static void two_cpus_promote_a_flow(void **state)
{
	enum { FLOWS = 10000 };
	struct twin twin = { .last = FLOWS };
	pthread_t thread;
	struct edge edge;
	int lost = 0;

	(void)state;
	edge_init(&edge, config_from(IPPROTO_TCP, 0, 2));
	edge_adopt(&edge, config_from(IPPROTO_TCP, 0, 3));
	twin.edge = &edge;
	assert_int_equal(pthread_create(&thread, NULL, twin_run, &twin), 0);
	for (uint32_t i = 0, number = 0; i < FLOWS; i++) {
		twin.client = find_moved(&edge, number, 0, 2);
		number = twin.client.number + 1;
		lost += tcp(&edge, twin.client, SYN) != 2;
		twin.turn = i + 1;
		lost += send_ack(&edge, twin.client) != 2;
		while (twin.done == i)
			;
		lost += twin.backend != 2;
	}
	pthread_join(thread, NULL);
	assert_int_equal(lost, 0);
	assert_int_equal(edge_count_flows(&edge).flows, FLOWS);
	edge_deinit(&edge);
}

static void packets_without_a_syn_remember_nothing(void **state)
{
	struct client older;
	struct edge edge;

	(void)state;
	edge_init(&edge, config_from(IPPROTO_TCP, 0, 2));
	edge_adopt(&edge, config_from(IPPROTO_TCP, 0, 3));
	older = find_moved(&edge, 0, 0, 2);
	tcp(&edge, older, ACK);
	tcp(&edge, older, RST);
	tcp(&edge, older, SYN | ACK);
	assert_int_equal(open_tcp(&edge, older), 2);
	edge_deinit(&edge);
}

static void repeated_syn_follows_the_first_through_a_second_change(void **state)
{
	struct client late;
	struct edge edge;

	(void)state;
	edge_init(&edge, config_from(IPPROTO_TCP, 0, 2));
	edge_adopt(&edge, config_from(IPPROTO_TCP, 0, 3));
	late = find_moved(&edge, 0, 0, 2);
	assert_int_equal(tcp(&edge, late, SYN), 2);
	edge_set_operator(&edge, 2, OPERATOR_DRAIN);
	assert_int_not_equal(slot_of(&edge, late).current, edge_backend(&edge, 2)->id);
	assert_int_equal(tcp(&edge, late, SYN), 2);
	assert_int_equal(tcp(&edge, late, ACK), 2);
	assert_int_equal(tcp(&edge, late, ACK), 2);
	edge_deinit(&edge);
}

static void syn_on_a_remembered_flow_opens_a_new_one(void **state)
{
	struct client again;
	int current;
	struct edge edge;

	(void)state;
	edge_init(&edge, config_from(IPPROTO_TCP, 0, 2));
	edge_adopt(&edge, config_from(IPPROTO_TCP, 0, 3));
	again = find_moved(&edge, 0, 0, 2);
	assert_int_equal(open_tcp(&edge, again), 2);
	edge_set_operator(&edge, 2, OPERATOR_DRAIN);
	assert_int_equal(tcp(&edge, again, ACK), 2);
	current = tcp(&edge, again, SYN);
	assert_in_range(current, 0, 1);
	assert_int_equal(tcp(&edge, again, ACK), current);
	edge_deinit(&edge);
}

/* All clients' flows are older than the change that takes `lost` away. */
static void assert_flows_leave(struct edge *edge, void (*take_away)(struct edge *edge))
{
	int before[200];

	for (uint32_t i = 0; i < ARRAY_SIZE(before); i++)
		before[i] = open_tcp(edge, client(i));
	take_away(edge);
	for (uint32_t i = 0; i < ARRAY_SIZE(before); i++) {
		int now = tcp(edge, client(i), ACK);

		if (before[i] == 2)
			assert_in_range(now, 0, 1);
		else
			assert_int_equal(now, before[i]);
	}
}

static void let_fail(struct edge *edge)
{
	edge_set_health(edge, 2, false);
}

static void disable(struct edge *edge)
{
	edge_set_operator(edge, 2, OPERATOR_DISABLE);
}

static void take_out(struct edge *edge)
{
	edge_adopt(edge, config_from(IPPROTO_TCP, 0, 2));
}

static void drain_and_let_fail(struct edge *edge)
{
	edge_set_operator(edge, 2, OPERATOR_DRAIN);
	assert_true(edge->node.services[0]->open_slots > 0);
	let_fail(edge);
}

static void drain_and_disable(struct edge *edge)
{
	edge_set_operator(edge, 2, OPERATOR_DRAIN);
	disable(edge);
}

static void drain_and_take_out(struct edge *edge)
{
	edge_set_operator(edge, 2, OPERATOR_DRAIN);
	take_out(edge);
}

static void flows_leave_a_backend_that_is_down_disabled_or_gone(void **state)
{
	static void (*const ways[])(struct edge * edge) = { let_fail,	       disable,
							    take_out,	       drain_and_let_fail,
							    drain_and_disable, drain_and_take_out };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		struct edge edge;

		edge_init(&edge, config_from(IPPROTO_TCP, 0, 3));
		assert_flows_leave(&edge, ways[i]);
		edge_deinit(&edge);
	}
}

/* Here the flows on it are remembered ones. */
static void remembered_flows_leave_it_too(void **state)
{
	static void (*const ways[])(struct edge * edge) = { let_fail, disable, take_out };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		struct edge edge;

		edge_init(&edge, config_from(IPPROTO_TCP, 0, 2));
		edge_adopt(&edge, config_from(IPPROTO_TCP, 0, 3));
		assert_flows_leave(&edge, ways[i]);
		edge_deinit(&edge);
	}
}

static void half_open_flow_leaves_it_too(void **state)
{
	struct client late, repeated;
	struct edge edge;

	(void)state;
	edge_init(&edge, config_from(IPPROTO_TCP, 0, 2));
	edge_adopt(&edge, config_from(IPPROTO_TCP, 0, 3));
	late = find_moved(&edge, 0, 0, 2);
	repeated = find_moved(&edge, late.number + 1, 0, 2);
	assert_int_equal(tcp(&edge, late, SYN), 2);
	assert_int_equal(tcp(&edge, repeated, SYN), 2);
	edge_set_health(&edge, 2, false);
	assert_in_range(tcp(&edge, late, ACK), 0, 1);
	assert_in_range(tcp(&edge, repeated, SYN), 0, 1);
	edge_deinit(&edge);
}

static void remembered_udp_flows_leave_it_too(void **state)
{
	struct client late;
	struct edge edge;

	(void)state;
	edge_init(&edge, config_from(IPPROTO_UDP, 0, 2));
	for (uint32_t i = 0; i < 100; i++)
		udp(&edge, client(i));
	edge_adopt(&edge, config_from(IPPROTO_UDP, 0, 3));
	late = find_moved(&edge, 0, 0, 2);
	assert_int_equal(udp(&edge, late), 0);
	edge_set_health(&edge, 0, false);
	assert_in_range(udp(&edge, late), 1, 2);
	edge_deinit(&edge);
}

/* What the kernel forgets of a neighbour it may learn again: until then packets are lost, as they are
 * in closed slots, and the flow lives. */
static void flow_waits_for_a_lost_next_hop(void **state)
{
	struct client late;
	struct edge edge;

	(void)state;
	edge_init(&edge, config_from(IPPROTO_TCP, 0, 2));
	edge_adopt(&edge, config_from(IPPROTO_TCP, 0, 3));
	late = find_moved(&edge, 0, 0, 2);
	assert_int_equal(open_tcp(&edge, late), 2);
	edge_backend(&edge, 2)->next_hop.state = NEXT_HOP_NO_NEIGHBOUR;
	edge_apply(&edge);
	assert_int_equal(tcp(&edge, late, ACK), NOWHERE);
	edge_backend(&edge, 2)->next_hop.state = NEXT_HOP_RESOLVED;
	edge_apply(&edge);
	assert_int_equal(tcp(&edge, late, ACK), 2);
	edge_deinit(&edge);
}

static void flows_opened_at_any_stage_of_many_changes_stay(void **state)
{
	enum { STAGES = 12, FLOWS = 200 };
	static int backends[STAGES][FLOWS];
	struct edge edge;

	(void)state;
	edge_init(&edge, config_from(IPPROTO_TCP, 0, 2));
	for (uint32_t stage = 0; stage < STAGES; stage++) {
		edge_adopt(&edge, config_from(IPPROTO_TCP, 0, 2 + stage));
		for (uint32_t i = 0; i < FLOWS; i++)
			backends[stage][i] = open_tcp(&edge, client(stage * FLOWS + i));
		for (uint32_t i = 0; i < (stage + 1) * FLOWS; i++)
			assert_int_equal(tcp(&edge, client(i), ACK),
					 backends[i / FLOWS][i % FLOWS]);
	}
	edge_deinit(&edge);
}

static void change_that_is_taken_back_keeps_what_was_opened_meanwhile(void **state)
{
	struct client older, meanwhile, later;
	struct leat_slot slot;
	struct edge edge;

	(void)state;
	edge_init(&edge, config_from(IPPROTO_TCP, 0, 3));
	edge_set_operator(&edge, 0, OPERATOR_DRAIN);
	older = find_moved(&edge, 0, 0, 1);
	meanwhile = find_moved(&edge, older.number + 1, 0, 1);
	later = find_moved(&edge, meanwhile.number + 1, 0, 1);
	assert_int_equal(open_tcp(&edge, meanwhile), 1);
	edge_set_operator(&edge, 0, OPERATOR_NONE);
	slot = slot_of(&edge, meanwhile);
	assert_true(slot_is_open(slot));
	assert_int_equal(slot.previous & LEAT_SLOT_BACKEND, slot.current);
	assert_int_equal(tcp(&edge, meanwhile, ACK), 1);
	assert_int_equal(tcp(&edge, older, ACK), 0);
	assert_int_equal(open_tcp(&edge, later), 0);
	edge_deinit(&edge);
}

static void draining_keeps_old_flows_and_takes_no_new_ones(void **state)
{
	int before[300];
	struct edge edge;

	(void)state;
	edge_init(&edge, config_from(IPPROTO_TCP, 0, 3));
	for (uint32_t i = 0; i < ARRAY_SIZE(before); i++)
		before[i] = open_tcp(&edge, client(i));
	edge_set_operator(&edge, 1, OPERATOR_DRAIN);
	for (uint32_t i = 0; i < ARRAY_SIZE(before); i++) {
		assert_int_equal(tcp(&edge, client(i), ACK), before[i]);
		assert_int_not_equal(open_tcp(&edge, client(10000 + i)), 1);
	}
	edge_deinit(&edge);
}

static void draining_all_backends_keeps_old_flows_alone(void **state)
{
	struct edge edge;
	int before;

	(void)state;
	edge_init(&edge, config_from(IPPROTO_TCP, 0, 2));
	before = open_tcp(&edge, client(1));
	edge_backend(&edge, 0)->operator_change.state = OPERATOR_DRAIN;
	edge_set_operator(&edge, 1, OPERATOR_DRAIN);
	assert_int_equal(tcp(&edge, client(1), ACK), before);
	assert_int_equal(tcp(&edge, client(2), SYN), NOWHERE);
	edge_set_operator(&edge, 1, OPERATOR_NONE);
	assert_int_equal(tcp(&edge, client(1), ACK), before);
	assert_int_equal(open_tcp(&edge, client(2)), 1);
	edge_deinit(&edge);
}

/* The clock of the slot's line, in memory that the program shares. */
static struct leat_clock *clock_of(struct edge *edge, struct client from, struct clock_lines *lines)
{
	const struct leat_lookup *lookup = &edge_image(edge, 0)->value.lookup;
	uint32_t table = lookup->table, id;
	int fd;

	assert_int_equal(
		bpf_map_lookup_elem(bpf_map__fd(edge->datapath->maps->maps.clocks), &table, &id),
		0);
	fd = bpf_map_get_fd_by_id(id);
	assert_true(fd >= 0);
	assert_int_equal(clock_lines_map(fd, lookup->size, PROT_READ | PROT_WRITE, lines), 0);
	close(fd);
	return &lines->clocks[client_slot(edge, from) / LEAT_SLOTS_PER_LINE];
}

/* Moves the time of the last change, which the program compares with its own clock, and of the last
 * packet to a previous backend. */
static void set_changed(struct edge *edge, struct client from, int32_t ticks_ago)
{
	struct clock_lines lines;
	struct leat_clock *clock = clock_of(edge, from, &lines);

	clock->opened = datapath_now() - (uint32_t)ticks_ago;
	clock->previous = clock->opened;
	clock_lines_unmap(&lines);
}

static bool is_previous_noted(struct edge *edge, struct client from)
{
	struct clock_lines lines;
	const struct leat_clock *clock = clock_of(edge, from, &lines);
	bool is_noted = clock->previous > clock->opened + 1;

	clock_lines_unmap(&lines);
	return is_noted;
}

static void only_packets_to_previous_are_noted(void **state)
{
	struct client older, newer;
	struct edge edge;

	(void)state;
	edge_init(&edge, config_from(IPPROTO_TCP, 0, 2));
	edge_adopt(&edge, config_from(IPPROTO_TCP, 0, 3));
	older = find_moved(&edge, 0, 0, 2);
	newer = find_moved(&edge, older.number + 1, 0, 2);
	set_changed(&edge, older, 3);
	set_changed(&edge, newer, 3);
	open_tcp(&edge, newer);
	assert_false(is_previous_noted(&edge, newer));
	tcp(&edge, older, ACK);
	assert_true(is_previous_noted(&edge, older));

	/* Closing a slot of a change that was taken back would move nobody. */
	edge_set_operator(&edge, 2, OPERATOR_DRAIN);
	assert_int_equal(slot_of(&edge, older).current, edge_backend(&edge, 0)->id);
	set_changed(&edge, older, 3);
	tcp(&edge, older, ACK);
	assert_false(is_previous_noted(&edge, older));
	edge_deinit(&edge);
}

/* A slot is back at its previous backend for a while, where packets to that are not noted. */
static void slot_that_moves_once_more_counts_as_in_use(void **state)
{
	struct client older;
	struct edge edge;

	(void)state;
	edge_init(&edge, config_from(IPPROTO_TCP, 0, 2));
	for (uint32_t i = 0; i < 100; i++)
		open_tcp(&edge, client(i));
	edge_adopt(&edge, config_from(IPPROTO_TCP, 0, 3));
	older = find_moved(&edge, 0, 0, 2);
	edge_set_operator(&edge, 2, OPERATOR_DRAIN);
	set_changed(&edge, older, TCP_IDLE_S);
	assert_int_equal(tcp(&edge, older, ACK), 0);
	assert_false(is_previous_noted(&edge, older));
	edge_set_operator(&edge, 2, OPERATOR_NONE);
	assert_true(is_previous_noted(&edge, older));
	settle(&edge, 5);
	assert_true(slot_is_open(slot_of(&edge, older)));
	assert_int_equal(tcp(&edge, older, ACK), 0);
	edge_deinit(&edge);
}

static void unknown_udp_flow_counts_as_old_until_the_idle_time_has_passed(void **state)
{
	struct client older, silent;
	struct edge edge;

	(void)state;
	edge_init(&edge, config_from(IPPROTO_UDP, 0, 2));
	for (uint32_t i = 0; i < 100; i++)
		udp(&edge, client(i));
	edge_adopt(&edge, config_from(IPPROTO_UDP, 0, 3));
	older = find_moved(&edge, 0, 0, 2);
	silent = find_moved(&edge, older.number + 1, 0, 2);
	assert_int_equal(udp(&edge, older), 0);
	set_changed(&edge, older, UDP_IDLE_TICKS + 1);
	set_changed(&edge, silent, UDP_IDLE_TICKS + 1);
	assert_int_equal(udp(&edge, older), 0);
	assert_int_equal(udp(&edge, silent), 2);
	/* Another change makes the unknown ones old again; these two are known. */
	edge_adopt(&edge, config_from(IPPROTO_UDP, 0, 4));
	assert_int_equal(udp(&edge, older), 0);
	assert_int_equal(udp(&edge, silent), 2);
	edge_deinit(&edge);
}

/* The program's coarse clock may be behind the daemon's by the length of a tick. */
static void udp_flow_stays_right_after_the_change(void **state)
{
	struct client older;
	struct edge edge;

	(void)state;
	edge_init(&edge, config_from(IPPROTO_UDP, 0, 2));
	for (uint32_t i = 0; i < 100; i++)
		udp(&edge, client(i));
	edge_adopt(&edge, config_from(IPPROTO_UDP, 0, 3));
	older = find_moved(&edge, 0, 0, 2);
	set_changed(&edge, older, -1);
	assert_int_equal(udp(&edge, older), 0);
	edge_deinit(&edge);
}

static void udp_flows_of_a_drained_backend_stay(void **state)
{
	int before[300];
	struct edge edge;

	(void)state;
	edge_init(&edge, config_from(IPPROTO_UDP, 0, 3));
	for (uint32_t i = 0; i < ARRAY_SIZE(before); i++)
		before[i] = udp(&edge, client(i));
	edge_set_operator(&edge, 1, OPERATOR_DRAIN);
	for (uint32_t i = 0; i < ARRAY_SIZE(before); i++)
		assert_int_equal(udp(&edge, client(i)), before[i]);
	edge_deinit(&edge);
}

/* There is nobody to stay for. */
static void slots_of_a_backend_that_got_no_packet_close_at_once(void **state)
{
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
		struct edge edge;

		edge_init(&edge, config_from(protocols[i], 0, 1));
		edge_adopt(&edge, config_from(protocols[i], 0, 4));
		settle(&edge, 0);
		assert_int_equal(edge.node.services[0]->open_slots, 0);
		edge_deinit(&edge);
	}
}

static size_t count_flows(const struct edge *edge)
{
	return edge_count_flows(edge).flows;
}

static void slots_close_only_when_no_packet_went_to_previous_for_the_idle_time(void **state)
{
	struct client older, late;
	struct edge edge;

	(void)state;
	edge_init(&edge, config_from(IPPROTO_TCP, 0, 2));
	for (uint32_t i = 0; i < 100; i++)
		open_tcp(&edge, client(i));
	edge_adopt(&edge, config_from(IPPROTO_TCP, 0, 3));
	older = find_moved(&edge, 0, 0, 2);
	late = find_moved(&edge, older.number + 1, 0, 2);
	assert_int_equal(open_tcp(&edge, late), 2);
	settle(&edge, TCP_IDLE_S - 5);
	assert_int_equal(tcp(&edge, older, ACK), 0);
	assert_int_equal(count_flows(&edge), 1);

	settle(&edge, TCP_IDLE_S + 5);
	assert_int_equal(edge.node.services[0]->open_slots, 0);
	assert_int_equal(count_flows(&edge), 0);
	assert_int_equal(tcp(&edge, late, ACK), 2);
	assert_int_equal(tcp(&edge, older, ACK), 2);
	edge_deinit(&edge);
}

/* As if all flows' last packets came so much later. */
static void see_later(struct edge *edge, uint32_t seconds)
{
	for (uint32_t i = 0; i < datapath_flow_capacity(edge->datapath); i++) {
		for (uint32_t j = 0; j < LEAT_BUCKET_FLOWS; j++) {
			struct leat_flow *flow = &edge->datapath->flows[i].flows[j];

			flow->state.seen =
				(uint16_t)(flow->state.seen + LEAT_TICKS(seconds * 1000));
		}
	}
}

/* Nothing goes to any previous, but a flow of this slot is on a backend that is neither. */
static void slot_stays_open_for_a_flow_that_is_remembered_elsewhere(void **state)
{
	struct client late;
	struct edge edge;

	(void)state;
	edge_init(&edge, config_from(IPPROTO_TCP, 0, 2));
	for (uint32_t i = 0; i < 100; i++)
		open_tcp(&edge, client(i));
	edge_adopt(&edge, config_from(IPPROTO_TCP, 0, 3));
	late = find_moved(&edge, 0, 0, 2);
	assert_int_equal(open_tcp(&edge, late), 2);
	edge_set_operator(&edge, 2, OPERATOR_DRAIN);
	assert_int_equal(tcp(&edge, late, ACK), 2);
	see_later(&edge, TCP_IDLE_S);
	settle(&edge, TCP_IDLE_S + 5);
	assert_true(slot_is_open(slot_of(&edge, late)));
	assert_int_equal(edge.node.services[0]->open_slots, 1);
	assert_int_equal(tcp(&edge, late, ACK), 2);
	settle(&edge, 2 * TCP_IDLE_S + 10);
	assert_int_equal(edge.node.services[0]->open_slots, 0);
	assert_int_equal(count_flows(&edge), 0);
	edge_deinit(&edge);
}

/* The daemon looks at the clock once, and then at flows that go on. */
static void flow_that_speaks_while_flows_are_counted_is_not_forgotten(void **state)
{
	struct client late;
	struct edge edge;

	(void)state;
	edge_init(&edge, config_from(IPPROTO_TCP, 0, 2));
	for (uint32_t i = 0; i < 100; i++)
		open_tcp(&edge, client(i));
	edge_adopt(&edge, config_from(IPPROTO_TCP, 0, 3));
	late = find_moved(&edge, 0, 0, 2);
	assert_int_equal(open_tcp(&edge, late), 2);
	see_later(&edge, 3);
	settle(&edge, 0);
	assert_int_equal(count_flows(&edge), 1);
	edge_deinit(&edge);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(older_tcp_flow_stays_and_newer_one_goes_to_current),
		cmocka_unit_test(two_cpus_promote_a_flow),
		cmocka_unit_test(packets_without_a_syn_remember_nothing),
		cmocka_unit_test(repeated_syn_follows_the_first_through_a_second_change),
		cmocka_unit_test(syn_on_a_remembered_flow_opens_a_new_one),
		cmocka_unit_test(flows_leave_a_backend_that_is_down_disabled_or_gone),
		cmocka_unit_test(remembered_flows_leave_it_too),
		cmocka_unit_test(half_open_flow_leaves_it_too),
		cmocka_unit_test(remembered_udp_flows_leave_it_too),
		cmocka_unit_test(flow_waits_for_a_lost_next_hop),
		cmocka_unit_test(flows_opened_at_any_stage_of_many_changes_stay),
		cmocka_unit_test(change_that_is_taken_back_keeps_what_was_opened_meanwhile),
		cmocka_unit_test(draining_keeps_old_flows_and_takes_no_new_ones),
		cmocka_unit_test(draining_all_backends_keeps_old_flows_alone),
		cmocka_unit_test(only_packets_to_previous_are_noted),
		cmocka_unit_test(slot_that_moves_once_more_counts_as_in_use),
		cmocka_unit_test(unknown_udp_flow_counts_as_old_until_the_idle_time_has_passed),
		cmocka_unit_test(udp_flow_stays_right_after_the_change),
		cmocka_unit_test(udp_flows_of_a_drained_backend_stay),
		cmocka_unit_test(slots_of_a_backend_that_got_no_packet_close_at_once),
		cmocka_unit_test(
			slots_close_only_when_no_packet_went_to_previous_for_the_idle_time),
		cmocka_unit_test(slot_stays_open_for_a_flow_that_is_remembered_elsewhere),
		cmocka_unit_test(flow_that_speaks_while_flows_are_counted_is_not_forgotten),
	};

	return edge_run_tests(tests, ARRAY_SIZE(tests));
}
