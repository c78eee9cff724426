/* SPDX-License-Identifier: GPL-2.0-only */
#include "tools/sim/spread.h"

#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "base/macros.h"
#include "model/config.h"
#include "model/table.h"
#include "tools/sim/clock.h"
#include "tools/sim/random.h"
#include "tools/sim/subject.h"

#define CPUS	     16
#define FLOW_BUCKETS 262144
#define WARM_MINUTES 10 /* in which flows of before the first second end */

enum {
	HASH,
	LEAT,
	SUBJECTS,
};

struct spread {
	struct world world;
	struct population population;
	struct subject subjects[SUBJECTS];
	double wanted[WORLD_MAX_BACKENDS]; /* shares */
	uint64_t counts[SUBJECTS][WORLD_MAX_BACKENDS];
};

static void world_init(struct world *world, const struct spread_options *options,
		       enum leat_scheduler scheduler)
{
	static const uint32_t weights[] = { 50, 100, 100, 150, 200, 300 };

	*world = (struct world){
		.random = options->seed,
		.backend_end = options->backends + 1,
		.seed = CONFIG_DEFAULT_SEED,
		.table_size = CONFIG_DEFAULT_TABLE_SIZE,
		.protocol = IPPROTO_TCP,
		.scheduler = (uint8_t)scheduler,
		.idle_s = LEAT_DEFAULT_TCP_IDLE_MS / 1000,
		.node_count = 1,
		.serves = { true },
		.cpus = CPUS,
	};
	for (uint32_t i = 1; i < world->backend_end; i++)
		world->backends[i] = (struct world_backend){
			.is_configured = true,
			.is_up = true,
			.weight = weights[random_below(&world->random, ARRAY_SIZE(weights))],
		};
}

static void find_wanted(struct spread *spread)
{
	double sum = 0;

	for (uint32_t i = 1; i < spread->world.backend_end; i++)
		sum += world_weight(&spread->world, i);
	for (uint32_t i = 1; i < spread->world.backend_end; i++)
		spread->wanted[i] = world_weight(&spread->world, i) / sum;
}

static int init_subjects(struct spread *spread)
{
	struct subject *subjects = spread->subjects;
	int r = subject_init_rendezvous(&subjects[HASH]);

	if (r == 0)
		r = subject_init_leat(&subjects[LEAT], &subjects[HASH], FLOW_BUCKETS,
				      &spread->world);
	if (r == 0)
		r = subjects[HASH].kind->change(&subjects[HASH], &spread->world);
	return r < 0 ? r : subjects[LEAT].kind->join(&subjects[LEAT], &spread->world, 0);
}

static int spread_init(struct spread *spread, const struct spread_options *options,
		       enum leat_scheduler scheduler)
{
	int r;

	clock_set_s(1);
	world_init(&spread->world, options, scheduler);
	find_wanted(spread);
	r = population_init(&spread->population, options->flows,
			    random_next(&spread->world.random));
	return r < 0 ? r : init_subjects(spread);
}

static void spread_free(struct spread *spread)
{
	for (size_t i = 0; i < SUBJECTS; i++)
		subject_deinit(&spread->subjects[i]);
	population_deinit(&spread->population);
	free(spread);
}
DEFINE_CLEANUP(struct spread *, spread_free)

static void send_packet(void *user, struct flow *flow, struct flow_packet packet)
{
	struct spread *spread = user;

	for (size_t i = 0; i < SUBJECTS; i++) {
		const struct subject *subject = &spread->subjects[i];
		uint32_t got = subject->kind->pick(subject, &spread->world, flow, packet.tcp_flags);

		if (packet.is_first)
			flow->own[i] = (uint16_t)got;
	}
}

static double count_all(const struct spread *spread, size_t subject)
{
	double sum = 0;

	for (uint32_t i = 1; i < spread->world.backend_end; i++)
		sum += (double)spread->counts[subject][i];
	return sum;
}

/* Of what a backend has over what it should have, the one that is furthest from one. */
static double largest_deviation(const struct spread *spread, size_t subject)
{
	double sum = count_all(spread, subject), largest = 0;

	for (uint32_t i = 1; i < spread->world.backend_end; i++) {
		double got = (double)spread->counts[subject][i] / sum / spread->wanted[i];

		largest = MAX(largest, fabs(got - 1));
	}
	return largest;
}

static double largest_share(const struct spread *spread, size_t subject)
{
	double sum = count_all(spread, subject), largest = 0;

	for (uint32_t i = 1; i < spread->world.backend_end; i++)
		largest =
			MAX(largest, (double)spread->counts[subject][i] / sum / spread->wanted[i]);
	return largest;
}

static int run_round_robin(const struct spread_options *options, struct spread_result *result)
{
	cleanup(spread_freep) struct spread *spread = calloc(1, sizeof(*spread));
	int r = spread ? spread_init(spread, options, LEAT_SCHEDULER_ROUND_ROBIN) : -ENOMEM;

	for (uint32_t i = 0; r == 0 && i < options->opened; i++) {
		struct flow flow = { 0 };

		flow.client = random_next(&spread->world.random);
		flow.route = (uint32_t)flow.client;
		flow_rehash(&flow, &spread->world);
		send_packet(spread, &flow, (struct flow_packet){ FLOW_SYN, true });
		for (size_t j = 0; j < SUBJECTS; j++)
			spread->counts[j][flow.own[j]]++;
	}
	if (r < 0)
		return r;
	result->round_robin = largest_deviation(spread, LEAT);
	result->hash_opened = largest_deviation(spread, HASH);
	return 0;
}

static void count_live(struct spread *spread)
{
	for (size_t i = 0; i < SUBJECTS; i++) {
		for (uint32_t j = 0; j < spread->world.backend_end; j++)
			spread->counts[i][j] = 0;
	}
	for (uint32_t i = 0; i < spread->population.count; i++) {
		const struct flow *flow = &spread->population.flows[i];

		for (size_t j = 0; flow->state == FLOW_OPEN && j < SUBJECTS; j++)
			spread->counts[j][flow->own[j]]++;
	}
}

static void note_live(const struct spread *spread, size_t subject, uint32_t minutes,
		      struct spread_live *live)
{
	double share = largest_share(spread, subject);

	live->worst = MAX(live->worst, share);
	live->typical += share / minutes;
}

static int pass_minute(struct spread *spread)
{
	struct population *population = &spread->population;
	struct flow_packet packet;
	int r = 0;

	for (int second = 0; r == 0 && second < 60; second++) {
		const struct flow_due *due;

		clock_set_s(clock_now_s() + 1);
		due = population_due(population);
		for (uint32_t i = 0; i < due->count; i++) {
			struct flow *flow = &population->flows[due->flows[i]];

			if (population_speak(population, &spread->world, flow, &packet))
				send_packet(spread, flow, packet);
		}
		population_end_second(population);
		r = leat_settle(&spread->subjects[LEAT], &spread->world);
	}
	return r;
}

static int run_least_connections(const struct spread_options *options, struct spread_result *result)
{
	cleanup(spread_freep) struct spread *spread = calloc(1, sizeof(*spread));
	int r = spread ? spread_init(spread, options, LEAT_SCHEDULER_LEAST_CONNECTIONS) : -ENOMEM;

	if (r < 0)
		return r;
	population_wake(&spread->population, &spread->world, send_packet, spread);
	for (uint32_t minute = 0; minute < WARM_MINUTES + options->minutes; minute++) {
		r = pass_minute(spread);
		if (r < 0)
			return r;
		if (minute < WARM_MINUTES)
			continue;
		count_live(spread);
		note_live(spread, LEAT, options->minutes, &result->least_connections);
		note_live(spread, HASH, options->minutes, &result->hash);
	}
	return 0;
}

int spread_run(const struct spread_options *options, struct spread_result *ret_result)
{
	int r;

	*ret_result = (struct spread_result){ 0 };
	r = run_round_robin(options, ret_result);
	return r < 0 ? r : run_least_connections(options, ret_result);
}
