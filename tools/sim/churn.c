/* SPDX-License-Identifier: GPL-2.0-only */
#include "tools/sim/churn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "model/config.h"
#include "model/table.h"
#include "tools/sim/clock.h"
#include "tools/sim/events.h"
#include "tools/sim/random.h"
#include "tools/sim/subject.h"

#define CPUS	  16
#define LARGE_LRU 8000000
#define SMALL_LRU 25000
#define WARM_S	  120 /* more than an idle time before an event after a quiet time */
#define AHEAD	  6
#define DAY_S	  86400.0
#define HOUR_S	  3600.0

enum {
	MODULO,
	MAGLEV,
	RENDEZVOUS,
	LRU_SMALL,
	LRU_LARGE,
	LEAT,
};

struct churn {
	const struct churn_options *options;
	struct world world;
	struct events events;
	struct population population;
	struct subject subjects[FLOW_SUBJECTS];
	struct churn_result *result;
	uint32_t last_s; /* when something happened last */
	bool is_quiet;	 /* flows in closed slots are asleep */
	uint64_t simulated_s, quiet_s;
	uint32_t explained;
};

static void explain(struct churn *churn, const struct flow *flow, uint32_t got, uint16_t blamed,
		    uint8_t tcp_flags)
{
	if (churn->explained++ >= churn->options->explain)
		return;
	fprintf(stderr,
		"at %u s: flow %u.%u (ports %08x, until %u s, node %u, moved by event %u) with flags "
		"%02x is on %u and went to %u; last changed by event %u (%s)\n",
		clock_now_s(), flow->index, flow->generation, flow->ports, flow->ends_s, flow->node,
		flow->moved, tcp_flags, flow->own[LEAT], got, blamed,
		world_event_label(churn->world.kinds[blamed]));
}

static void break_flow(struct churn *churn, uint32_t index, struct flow *flow, uint32_t got,
		       uint8_t tcp_flags)
{
	const struct subject *subject = &churn->subjects[index];
	struct churn_subject *counts = &churn->result->subjects[index];
	uint16_t blamed = subject->kind->changed_by(subject, &churn->world, flow);

	if (index == LEAT)
		explain(churn, flow, got, blamed, tcp_flags);
	counts->broken[churn->world.kinds[blamed]]++;
	counts->total++;
	counts->moved += flow->moved != 0;
	flow->own[index] = 0;
}

static void send_packet(void *user, struct flow *flow, struct flow_packet packet)
{
	struct churn *churn = user;

	churn->result->packets++;
	for (uint32_t i = 0; i < FLOW_SUBJECTS; i++) {
		const struct subject *subject = &churn->subjects[i];
		uint32_t got;

		/* To this subject, the flow is no more. */
		if (!packet.is_first && !flow->own[i])
			continue;
		got = subject->kind->pick(subject, &churn->world, flow, packet.tcp_flags);
		if (packet.is_first)
			flow->own[i] = (uint16_t)got;
		else if (got != flow->own[i])
			break_flow(churn, i, flow, got, packet.tcp_flags);
	}
}

static void prefetch_all(const struct churn *churn, const struct flow *flow, bool is_last)
{
	for (uint32_t i = 0; i < FLOW_SUBJECTS; i++) {
		const struct subject *subject = &churn->subjects[i];

		if (subject->kind->prefetch)
			subject->kind->prefetch(subject, flow, is_last);
	}
}

/* A simulated packet is little but cache misses: those of some packets are waited for together. */
static void prefetch(const struct churn *churn, const struct flow_due *due, uint32_t at)
{
	const struct flow *flows = churn->population.flows;

	if (at + 3 * AHEAD < due->count)
		__builtin_prefetch(&flows[due->flows[at + 3 * AHEAD]], 1);
	if (at + 2 * AHEAD < due->count)
		prefetch_all(churn, &flows[due->flows[at + 2 * AHEAD]], false);
	if (at + AHEAD < due->count)
		prefetch_all(churn, &flows[due->flows[at + AHEAD]], true);
}

/* In quiet times nothing can happen to a flow in a closed slot. */
static bool may_sleep(const struct churn *churn, const struct flow *flow)
{
	return churn->is_quiet && flow->state == FLOW_OPEN &&
	       !leat_opens_flow(&churn->subjects[LEAT], flow);
}

static void speak_all(struct churn *churn)
{
	struct population *population = &churn->population;
	const struct flow_due *due = population_due(population);
	struct flow_packet packet;

	for (uint32_t i = 0; i < due->count; i++) {
		struct flow *flow = &population->flows[due->flows[i]];

		prefetch(churn, due, i);
		if (may_sleep(churn, flow))
			population_sleep_one(flow);
		else if (population_speak(population, &churn->world, flow, &packet))
			send_packet(churn, flow, packet);
	}
	population_end_second(population);
}

/* Flows on a server that dies end with it, whoever balances. */
static void kill_flows(struct churn *churn)
{
	const struct world *world = &churn->world;

	for (uint32_t i = 0; i < churn->population.count; i++) {
		struct flow *flow = &churn->population.flows[i];

		for (uint32_t j = 0; j < FLOW_SUBJECTS; j++) {
			if (!flow->own[j] ||
			    world->backends[flow->own[j]].failed_by != world->event)
				continue;
			flow->own[j] = 0;
			churn->result->subjects[j].died++;
		}
	}
}

static void reroute(struct churn *churn)
{
	const struct world *world = &churn->world;

	for (uint32_t i = 0; i < churn->population.count; i++) {
		struct flow *flow = &churn->population.flows[i];
		uint8_t node = world_route(world, flow->route);

		if (node == flow->node)
			continue;
		flow->node = node;
		if (flow->state == FLOW_NONE)
			continue;
		flow->moved = world->event;
		churn->result->reroutes++;
	}
}

static void rehash(struct churn *churn)
{
	for (uint32_t i = 0; i < churn->population.count; i++)
		flow_rehash(&churn->population.flows[i], &churn->world);
}

static int change_all(struct churn *churn)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < FLOW_SUBJECTS; i++)
		r = churn->subjects[i].kind->change(&churn->subjects[i], &churn->world);
	return r;
}

static int join_all(struct churn *churn, uint8_t node)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < FLOW_SUBJECTS; i++) {
		const struct subject *subject = &churn->subjects[i];

		if (subject->kind->join)
			r = subject->kind->join(subject, &churn->world, node);
	}
	return r;
}

static void leave_all(struct churn *churn, uint8_t node)
{
	for (uint32_t i = 0; i < FLOW_SUBJECTS; i++) {
		const struct subject *subject = &churn->subjects[i];

		if (subject->kind->leave)
			subject->kind->leave(subject, node);
	}
}

static void note_point(struct churn *churn)
{
	struct churn_point *point = &churn->result->points[churn->result->point_count++];

	point->day = clock_now_s() / DAY_S;
	for (uint32_t i = 0; i < FLOW_SUBJECTS; i++)
		point->broken[i] = churn->result->subjects[i].total;
}

static int take_effect(struct churn *churn, const struct event_effect *effect)
{
	int r = 0;

	churn->result->happened[effect->kind]++;
	if (effect->fails_backends)
		kill_flows(churn);
	if (effect->kind == WORLD_RESEED)
		rehash(churn);
	if (effect->changes_tables)
		r = change_all(churn);
	if (effect->kind == WORLD_JOIN)
		r = join_all(churn, effect->node);
	if (effect->kind == WORLD_LEAVE || effect->kind == WORLD_JOIN)
		reroute(churn);
	if (effect->kind == WORLD_LEAVE)
		leave_all(churn, effect->node);
	return r;
}

static int happen_due(struct churn *churn)
{
	struct event_effect effect;
	int r = 0;

	while (r == 0 && events_next_s(&churn->events) <= clock_now_s()) {
		note_point(churn);
		churn->last_s = clock_now_s();
		if (events_happen(&churn->events, &churn->world, &effect))
			r = take_effect(churn, &effect);
	}
	return r;
}

/* Everything is where it was, and nothing is remembered: time goes on shortly before the next event. */
static void skip_time(struct churn *churn, uint32_t to_s)
{
	population_sleep(&churn->population);
	clock_set_s(to_s);
	population_wake(&churn->population, &churn->world, send_packet, churn);
	churn->is_quiet = false;
}

/*
 * From when all flows have spoken since the last event until all have to speak before the next one,
 * only those in open slots are looked at; and once there are none of these, at nothing. Meanwhile flow
 * tables lose no entry of a flow that lives, which favours the subjects that have one.
 */
static void begin_quiet_time(struct churn *churn)
{
	uint32_t now_s = clock_now_s(), next_s = events_next_s(&churn->events);
	uint32_t warm_s = churn->world.idle_s + WARM_S;
	bool is_quiet = churn->world.scheduler == LEAT_SCHEDULER_HASH &&
			now_s > churn->last_s + warm_s && next_s > now_s + warm_s;

	if (is_quiet && next_s != UINT32_MAX && leat_is_settled(&churn->subjects[LEAT])) {
		skip_time(churn, next_s - warm_s);
		return;
	}
	if (churn->is_quiet && !is_quiet)
		population_wake(&churn->population, &churn->world, send_packet, churn);
	churn->is_quiet = is_quiet;
}

static int settle(struct churn *churn)
{
	int r = leat_settle(&churn->subjects[LEAT], &churn->world);
	uint32_t open = leat_count_open(&churn->subjects[LEAT]);

	churn->result->most_open = MAX(churn->result->most_open, open);
	if (r == 0)
		begin_quiet_time(churn);
	return r;
}

static bool is_over(const struct churn *churn)
{
	if (events_next_s(&churn->events) != UINT32_MAX)
		return false;
	return leat_is_settled(&churn->subjects[LEAT]) ||
	       clock_now_s() > churn->options->days * DAY_S;
}

static int run(struct churn *churn)
{
	int r = 0;

	population_wake(&churn->population, &churn->world, send_packet, churn);
	while (r == 0 && !is_over(churn)) {
		clock_set_s(clock_now_s() + 1);
		churn->simulated_s++;
		churn->quiet_s += churn->is_quiet;
		r = happen_due(churn);
		if (r < 0)
			return r;
		speak_all(churn);
		if (clock_now_s() % churn->options->settle_s == 0)
			r = settle(churn);
	}
	note_point(churn);
	return r;
}

static void world_init(struct world *world, const struct churn_options *options)
{
	*world = (struct world){
		.random = options->seed,
		.backend_end = options->backends + 1,
		.least_backends = options->backends / 2,
		.seed = CONFIG_DEFAULT_SEED,
		.table_size = table_maglev_size(CONFIG_DEFAULT_TABLE_SIZE),
		.protocol = options->protocol,
		.scheduler = options->scheduler,
		.idle_s = (options->protocol == IPPROTO_TCP ? LEAT_DEFAULT_TCP_IDLE_MS
							    : LEAT_DEFAULT_UDP_IDLE_MS) /
			  1000,
		.imports_history = options->imports_history,
		.node_count = options->nodes,
		.cpus = CPUS,
	};
	for (uint32_t i = 1; i < world->backend_end; i++)
		world->backends[i] = (struct world_backend){
			.is_configured = true,
			.is_up = true,
			.weight = 100,
		};
	for (uint32_t i = 0; i < options->nodes; i++) {
		world->serves[i] = true;
		world->rss_key[i] = random_next(&world->random);
	}
}

static int init_subjects(struct churn *churn)
{
	const struct churn_options *options = churn->options;
	struct subject *subjects = churn->subjects;
	const struct world *world = &churn->world;
	int r = 0;

	r |= subject_init_modulo(&subjects[MODULO]);
	r |= subject_init_maglev(&subjects[MAGLEV]);
	r |= subject_init_rendezvous(&subjects[RENDEZVOUS]);
	r |= subject_init_lru(&subjects[LRU_SMALL], &subjects[MAGLEV], SMALL_LRU, world,
			      options->flows);
	r |= subject_init_lru(&subjects[LRU_LARGE], &subjects[MAGLEV], LARGE_LRU, world,
			      options->flows);
	r |= subject_init_leat(&subjects[LEAT], &subjects[RENDEZVOUS], options->flow_buckets,
			       world);
	if (r)
		return -ENOMEM;
	for (uint32_t i = 0; i < FLOW_SUBJECTS; i++)
		snprintf(churn->result->subjects[i].name, sizeof(churn->result->subjects[i].name),
			 "%s", subjects[i].name);
	r = change_all(churn);
	for (uint8_t node = 0; r == 0 && node < options->nodes; node++)
		r = join_all(churn, node);
	return r;
}

static int init(struct churn *churn)
{
	const struct churn_options *options = churn->options;
	int r;

	clock_set_s(1);
	world_init(&churn->world, options);
	events_init(&churn->events, &churn->world.random, options->events, options->days);
	r = population_init(&churn->population, options->flows, random_next(&churn->world.random));
	if (r < 0)
		return r;
	churn->result->points = calloc(WORLD_MAX_EVENTS + 1, sizeof(*churn->result->points));
	return churn->result->points ? init_subjects(churn) : -ENOMEM;
}

static void churn_free(struct churn *churn)
{
	for (uint32_t i = 0; i < FLOW_SUBJECTS; i++)
		subject_deinit(&churn->subjects[i]);
	population_deinit(&churn->population);
	free(churn);
}
DEFINE_CLEANUP(struct churn *, churn_free)

int churn_run(const struct churn_options *options, struct churn_result *ret_result)
{
	cleanup(churn_freep) struct churn *churn = calloc(1, sizeof(*churn));
	int r;

	*ret_result = (struct churn_result){ 0 };
	if (!churn)
		return -ENOMEM;
	churn->options = options;
	churn->result = ret_result;
	r = init(churn);
	if (r == 0)
		r = run(churn);
	ret_result->opened = churn->population.opened;
	ret_result->simulated_h = (double)churn->simulated_s / HOUR_S;
	ret_result->quiet_h = (double)churn->quiet_s / HOUR_S;
	if (churn->subjects[LEAT].state)
		leat_read_events(&churn->subjects[LEAT], ret_result->memory);
	return r;
}

void churn_result_deinit(struct churn_result *result)
{
	free(result->points);
	result->points = NULL;
}
