/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Between any two steps of a plan, packets get the answer that docs/design.md gives: an old flow stays
 * where it is, a new one goes to a backend that takes new flows before or after the change and then
 * stays there, and what is for no service passes. Every kind of change is a row of a table.
 */
#include <errno.h>

#include "tests/unit/datapath/pinned_edge.h"

#define TABLE_SIZE 256
#define OLD_FLOWS  150
#define NEW_FLOWS  12 /* in each pause */
#define MAX_PAUSES 32
#define BACKENDS   4

/* Weights; what is left out is USUAL: 100 for the first three backends, and no fourth one. */
#define USUAL	0
#define DRAINED (UINT32_MAX - 1)
#define ABSENT	UINT32_MAX

/* What one service of the node is made of. */
struct shape {
	uint32_t weights[BACKENDS];
	bool is_down[BACKENDS];
	uint32_t table_size; /* 0: TABLE_SIZE */
	enum table_kind table;
	enum leat_scheduler scheduler;
	enum leat_hash_input hash;
	uint64_t seed;
	uint32_t sticky_ms;
	const char *denied; /* a prefix with denied_source and without a client */
	unsigned int quic;  /* 1 + the configuration of QUIC-LB that there is, over UDP; 0: none */
	bool restarts;	    /* the daemon that makes the change is another one */
	bool is_young; /* before: old flows are older than this, and the change to it is under way */
	bool swaps;    /* another program over the same maps takes over before it */
};

#define SHAPE(...)                                                                                 \
	{                                                                                          \
		__VA_ARGS__                                                                        \
	}
#define RR .scheduler = LEAT_SCHEDULER_ROUND_ROBIN
#define LC .scheduler = LEAT_SCHEDULER_LEAST_CONNECTIONS

static const struct shape usual = SHAPE();

static const uint8_t denied_source[] = { 10, 0, 0, 7 };

static const struct change {
	const char *name;
	struct shape before;
	struct shape after;
} changes[] = {
	{ "nothing", SHAPE(.is_young = true, ), SHAPE() },
	{ "add", SHAPE(), SHAPE(.weights = { USUAL, USUAL, USUAL, 100 }) },
	{ "remove", SHAPE(), SHAPE(.weights = { USUAL, USUAL, ABSENT }) },
	{ "drain", SHAPE(), SHAPE(.weights = { USUAL, USUAL, DRAINED }) },
	{ "drain all", SHAPE(), SHAPE(.weights = { DRAINED, DRAINED, DRAINED }) },
	{ "undrain", SHAPE(.weights = { USUAL, DRAINED }), SHAPE() },
	{ "fail", SHAPE(), SHAPE(.is_down = { true }) },
	{ "recover", SHAPE(.is_down = { true }), SHAPE() },
	{ "weight", SHAPE(), SHAPE(.weights = { 300, USUAL, 7 }) },
	{ "table size", SHAPE(), SHAPE(.table_size = 509) },
	{ "table kind", SHAPE(), SHAPE(.table_size = 257, .table = TABLE_MAGLEV) },
	{ "seed", SHAPE(), SHAPE(.seed = 2) },
	{ "hash", SHAPE(), SHAPE(.hash = LEAT_HASH_SOURCE) },
	{ "seed and add", SHAPE(), SHAPE(.seed = 2, .weights = { USUAL, USUAL, USUAL, 100 }) },
	{ "size and fail", SHAPE(), SHAPE(.table_size = 509, .is_down = { true }) },
	{ "size and remove", SHAPE(),
	  SHAPE(.table_size = 509, .weights = { USUAL, USUAL, ABSENT, 100 }) },
	{ "to round robin", SHAPE(), SHAPE(RR) },
	{ "from round robin", SHAPE(RR), SHAPE() },
	{ "round robin, add", SHAPE(RR), SHAPE(RR, .weights = { USUAL, USUAL, USUAL, 100 }) },
	{ "round robin, drain", SHAPE(RR), SHAPE(RR, .weights = { USUAL, DRAINED }) },
	{ "round robin, fail", SHAPE(RR), SHAPE(RR, .is_down = { false, true }) },
	{ "round robin, seed", SHAPE(RR), SHAPE(RR, .seed = 2) },
	{ "to least connections", SHAPE(), SHAPE(LC) },
	{ "from least connections", SHAPE(LC), SHAPE() },
	{ "least connections, drain", SHAPE(LC), SHAPE(LC, .weights = { USUAL, DRAINED }) },
	{ "least connections, fail", SHAPE(LC), SHAPE(LC, .is_down = { false, true }) },
	{ "round robin to least", SHAPE(RR), SHAPE(LC) },
	{ "sticky", SHAPE(RR), SHAPE(RR, .sticky_ms = 60000) },
	{ "sticky, drain", SHAPE(RR, .sticky_ms = 60000),
	  SHAPE(RR, .sticky_ms = 60000, .weights = { USUAL, DRAINED }) },
	{ "to quic", SHAPE(), SHAPE(.quic = 1) },
	{ "from quic", SHAPE(.quic = 1), SHAPE() },
	{ "quic, add", SHAPE(.quic = 1),
	  SHAPE(.quic = 1, .weights = { USUAL, USUAL, USUAL, 100 }) },
	{ "quic, remove", SHAPE(.quic = 1), SHAPE(.quic = 1, .weights = { USUAL, USUAL, ABSENT }) },
	{ "quic, rotate", SHAPE(.quic = 1), SHAPE(.quic = 7) },
	{ "restart amid quic", SHAPE(.quic = 1), SHAPE(.quic = 3, .restarts = true) },
	{ "from round robin, size", SHAPE(RR), SHAPE(.table_size = 509) },
	{ "size again", SHAPE(.table_size = 509), SHAPE(.table_size = 1021) },
	{ "size and back", SHAPE(.is_young = true, .table_size = 509), SHAPE() },
	{ "size, then add", SHAPE(.is_young = true, .table_size = 509),
	  SHAPE(.table_size = 509, .weights = { USUAL, USUAL, USUAL, 100 }) },
	{ "size, then seed and drain", SHAPE(.is_young = true, .table_size = 509),
	  SHAPE(.seed = 2, .weights = { USUAL, DRAINED }) },
	{ "size, then round robin", SHAPE(.is_young = true, .table_size = 509),
	  SHAPE(RR, .table_size = 509) },
	{ "drain and back", SHAPE(.is_young = true, .weights = { DRAINED }), SHAPE() },
	{ "drain, then add", SHAPE(.is_young = true, .weights = { DRAINED }),
	  SHAPE(.weights = { DRAINED, USUAL, USUAL, 100 }) },
	{ "restart amid size", SHAPE(.is_young = true, .table_size = 509),
	  SHAPE(.restarts = true, .table_size = 1021) },
	{ "list", SHAPE(), SHAPE(.denied = "10.0.0.0/8") },
	{ "no list", SHAPE(.denied = "10.0.0.0/8"), SHAPE() },
	{ "another list", SHAPE(.denied = "10.0.0.0/8"), SHAPE(.denied = "10.0.0.0/9") },
	{ "list, size and drain", SHAPE(.denied = "10.0.0.0/8"),
	  SHAPE(.denied = "10.0.0.0/8", .table_size = 509, .weights = { DRAINED }) },
	{ "restart, list", SHAPE(.denied = "10.0.0.0/8"),
	  SHAPE(.denied = "10.0.0.0/8", .restarts = true) },
	{ "restart, no list", SHAPE(.denied = "10.0.0.0/8"), SHAPE(.restarts = true) },
	{ "restart", SHAPE(), SHAPE(.restarts = true) },
	{ "restart, add", SHAPE(),
	  SHAPE(.restarts = true, .weights = { USUAL, USUAL, USUAL, 100 }) },
	{ "restart, size", SHAPE(), SHAPE(.restarts = true, .table_size = 509) },
	{ "restart, round robin", SHAPE(RR), SHAPE(RR, .restarts = true) },
	{ "swap", SHAPE(), SHAPE(.swaps = true) },
	{ "swap, drain", SHAPE(), SHAPE(.swaps = true, .weights = { USUAL, USUAL, DRAINED }) },
	{ "swap, round robin", SHAPE(RR), SHAPE(RR, .swaps = true) },
};

struct flow {
	struct client client;
	int backend; /* NOWHERE: it may go anywhere */
};

struct latched {
	struct pinned_edge *pinned;
	const struct change *change;
	uint8_t protocol;
	struct flow old[OLD_FLOWS];
	struct flow new[NEW_FLOWS * MAX_PAUSES];
	size_t new_count;
	size_t pauses;
	bool steps[PLAN_STEP_COUNT];
};

static uint32_t weight_of(const struct shape *shape, int backend)
{
	uint32_t weight = shape->weights[backend];

	if (weight == USUAL)
		return backend < BACKENDS - 1 ? 100 : ABSENT;
	return weight == DRAINED ? 0 : weight;
}

static struct edge *edge_of(struct latched *l)
{
	return &l->pinned->edge;
}

static struct config *config_of(const struct shape *shape, uint8_t protocol)
{
	struct config *config = sample_config_new();
	struct service_config *service = sample_add_service(
		config, 0, protocol, shape->table_size ? shape->table_size : TABLE_SIZE);

	config->seed = shape->seed;
	service->table = shape->table;
	service->scheduler = shape->scheduler;
	service->hash = shape->hash;
	service->sticky_ms = shape->sticky_ms;
	if (shape->denied)
		service->access = sample_access(shape->denied);
	service->probe = (struct probe_config){ .type = PROBE_TCP, .rise = 1, .fall = 1 };
	for (int i = 0; i < BACKENDS; i++) {
		if (weight_of(shape, i) != ABSENT)
			sample_add_backend(service, (size_t)i, weight_of(shape, i));
	}
	if (shape->quic && protocol == IPPROTO_UDP)
		sample_set_quic(service, shape->quic - 1);
	return config;
}

/* Goes over to a shape in one plan. */
static void adopt(struct edge *edge, const struct shape *shape, uint8_t protocol)
{
	sample_adopt(&edge->node, config_of(shape, protocol));
	for (int i = 0; i < BACKENDS; i++) {
		if (weight_of(shape, i) != ABSENT)
			sample_set_health(edge_backend(edge, (size_t)i), !shape->is_down[i]);
	}
	edge_apply(edge);
}

static bool is_alive(const struct shape *shape, int backend)
{
	return backend != NOWHERE && weight_of(shape, backend) != ABSENT &&
	       !shape->is_down[backend];
}

static bool takes_new_flows(const struct shape *shape, int backend)
{
	return is_alive(shape, backend) && weight_of(shape, backend) > 0;
}

static bool has_any(const struct shape *shape)
{
	for (int i = 0; i < BACKENDS; i++) {
		if (takes_new_flows(shape, i))
			return true;
	}
	return false;
}

static int send_one(struct latched *l, struct client client, uint8_t flags)
{
	return client_send(edge_of(l), client, l->protocol, flags);
}

/* A flow whose backend does not outlive the change may go before it is complete. */
static void check_flow(struct latched *l, const struct flow *flow, const char *where)
{
	int now;

	if (!is_alive(&l->change->before, flow->backend) ||
	    !is_alive(&l->change->after, flow->backend))
		return;
	now = send_one(l, flow->client, ACK);
	if (now != flow->backend)
		fail_msg("%s, %s: a flow of backend %d went to %d", l->change->name, where,
			 flow->backend, now);
}

static void check_new_backend(struct latched *l, int backend, const char *where)
{
	const struct change *change = l->change;

	if (backend == NOWHERE && (!has_any(&change->before) || !has_any(&change->after)))
		return;
	/* UDP does not say that a flow is new, and may count as old. */
	if (takes_new_flows(&change->before, backend) || takes_new_flows(&change->after, backend) ||
	    (l->protocol == IPPROTO_UDP && is_alive(&change->before, backend)))
		return;
	fail_msg("%s, %s: a new flow went to backend %d", change->name, where, backend);
}

static void open_flow(struct latched *l, const char *where)
{
	struct flow *flow = &l->new[l->new_count];

	flow->client.number = OLD_FLOWS + (uint32_t)l->new_count++;
	flow->backend = send_one(l, flow->client, SYN);
	check_new_backend(l, flow->backend, where);
}

static void check_stranger(struct latched *l)
{
	struct client client = { .number = 1 };
	uint8_t packet[PACKET_MAX], sent[PACKET_MAX];
	struct datapath_run run;
	size_t size;

	client.service = 7; /* there is none */
	size = client_write(client, l->protocol, SYN, packet);
	memcpy(sent, packet, size);
	assert_int_equal(
		datapath_run_packet(edge_of(l)->datapath, packet, size, sizeof(packet), &run), 0);
	assert_int_equal(run.action, XDP_PASS);
	assert_int_equal(run.size, size);
	assert_memory_equal(packet, sent, size);
}

/* Its source is on the list of the one shape, of both or of none. */
static void check_denied(struct latched *l, const char *where)
{
	const struct change *change = l->change;
	uint8_t packet[PACKET_MAX];
	size_t size = client_write((struct client){ .number = 1 }, l->protocol, ACK, packet);
	struct datapath_run run;

	memcpy(packet + sizeof(struct ethhdr) + offsetof(struct iphdr, saddr), denied_source,
	       sizeof(denied_source));
	assert_int_equal(
		datapath_run_packet(edge_of(l)->datapath, packet, size, sizeof(packet), &run), 0);
	if (change->before.denied && change->after.denied && run.trace.reason != LEAT_DENIED)
		fail_msg("%s, %s: let in whom the list denies", change->name, where);
	if (!change->before.denied && !change->after.denied && run.trace.reason == LEAT_DENIED)
		fail_msg("%s, %s: denied whom no list has", change->name, where);
}

static void pause_and_check(struct latched *l, const char *where)
{
	for (size_t i = 0; i < OLD_FLOWS; i++)
		check_flow(l, &l->old[i], where);
	for (size_t i = 0; i < l->new_count; i++)
		check_flow(l, &l->new[i], where);
	for (size_t i = 0; i < NEW_FLOWS && l->pauses < MAX_PAUSES; i++)
		open_flow(l, where);
	check_stranger(l);
	check_denied(l, where);
	l->pauses++;
}

static void on_latch(void *user, const struct plan_operation *next)
{
	struct latched *l = user;
	char where[64];

	l->steps[next->step] = true;
	snprintf(where, sizeof(where), "before %s", plan_step_name(next->step));
	pause_and_check(l, where);
}

static void note_step(void *user, const struct plan_operation *next)
{
	struct latched *l = user;

	l->steps[next->step] = true;
}

static void restart(struct latched *l)
{
	pinned_edge_kill(l->pinned);
	pinned_edge_open(l->pinned);
	assert_int_equal(applier_read_back(&edge_of(l)->applier), 0);
}

static void swap_program(struct latched *l)
{
	const struct leat_options options = {
		.any_port = true, .remembers = true, .trace = true, .access = true
	};

	datapath_set_options(edge_of(l)->datapath, &options);
}

static void begin(struct latched *l)
{
	const struct shape *before = &l->change->before;

	adopt(edge_of(l), before->is_young ? &usual : before, l->protocol);
	/* Two packets: from the second one on, a flow that is remembered at all is so for good. */
	for (uint32_t i = 0; i < OLD_FLOWS; i++) {
		l->old[i].client.number = i;
		l->old[i].backend = send_one(l, l->old[i].client, SYN);
		if (l->old[i].backend != NOWHERE)
			assert_int_equal(send_one(l, l->old[i].client, ACK), l->old[i].backend);
	}
	if (before->is_young)
		adopt(edge_of(l), before, l->protocol);
}

static void change(struct latched *l)
{
	const struct shape *after = &l->change->after;

	if (after->restarts)
		restart(l);
	if (after->swaps)
		swap_program(l);
	pause_and_check(l, "before the change");
	datapath_set_latch(edge_of(l)->datapath, on_latch, l);
	adopt(edge_of(l), after, l->protocol);
	pause_and_check(l, "after the change");
	/* What closes slots is a plan too. */
	settle(edge_of(l), 0);
	pause_and_check(l, "after settling");
}

/* Once all are silent for longer than the idle time, nothing is open any more, and new flows go where
 * the new table says. */
static void end(struct latched *l)
{
	datapath_set_latch(edge_of(l)->datapath, note_step, l);
	settle(edge_of(l), 2 * LEAT_DEFAULT_TCP_IDLE_MS / 1000);
	datapath_set_latch(edge_of(l)->datapath, NULL, NULL);
	assert_int_equal(edge_of(l)->node.services[0]->open_slots, 0);
	assert_int_equal(edge_image(edge_of(l), 0)->value.former.size, 0);
	assert_int_equal(edge_count_flows(edge_of(l)).flows, 0);
	for (uint32_t i = 0; i < OLD_FLOWS; i++) {
		int backend = send_one(l, (struct client){ .number = 50000 + i }, SYN);

		assert_true(takes_new_flows(&l->change->after, backend) ||
			    !has_any(&l->change->after));
	}
	assert_maps_hold_images(edge_of(l));
}

static void run_change(const struct change *row, uint8_t protocol, bool *steps)
{
	struct latched l = { .change = row, .protocol = protocol };
	void *pinned;

	pinned_edge_begin(&pinned);
	l.pinned = pinned;
	pinned_edge_open(l.pinned);
	begin(&l);
	change(&l);
	end(&l);
	pinned_edge_end(&pinned);
	for (size_t i = 0; i < PLAN_STEP_COUNT; i++)
		steps[i] |= l.steps[i];
}

static bool has_step(uint8_t protocol, size_t step)
{
	if (protocol == IPPROTO_TCP && (step == PLAN_SET_QUIC_ID || step == PLAN_DELETE_QUIC_ID))
		return false;
	return step != PLAN_DELETE_SERVICE;
}

static void run_all(uint8_t protocol)
{
	bool steps[PLAN_STEP_COUNT] = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(changes); i++)
		run_change(&changes[i], protocol, steps);
	for (size_t i = 0; i < PLAN_STEP_COUNT; i++) {
		if (!steps[i] && has_step(protocol, i))
			fail_msg("no change has the step %s", plan_step_name((enum plan_step)i));
	}
}

static void tcp_flows_get_the_right_answer_between_any_two_steps(void **state)
{
	(void)state;
	run_all(IPPROTO_TCP);
}

static void udp_flows_get_the_right_answer_between_any_two_steps(void **state)
{
	(void)state;
	run_all(IPPROTO_UDP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tcp_flows_get_the_right_answer_between_any_two_steps),
		cmocka_unit_test(udp_flows_get_the_right_answer_between_any_two_steps),
	};

	return edge_run_tests(tests, ARRAY_SIZE(tests));
}
