/* SPDX-License-Identifier: GPL-2.0-only */
#include "tests/bench/cores.h"

#include <errno.h>
#include <pthread.h>

#include "tests/bench/affinity.h"
#include "tests/bench/run.h"
#include "tests/bench/timing.h"

#define CORES  2
#define ROUNDS 31
#define APART  (1 << 19) /* turns between the two, so that they do not walk hand in hand */

struct worker {
	pthread_t thread;
	pthread_barrier_t *barrier;
	size_t core;
	bool is_first;
	struct run run;
	double alone[ROUNDS]; /* ns a packet */
	double together[ROUNDS];
	int result;
};

static void note(struct worker *worker, int r)
{
	if (r < 0 && worker->result == 0)
		worker->result = r;
}

/* The first alone, the second alone, both: the barrier is met by both workers, whatever fails. */
static void run_round(struct worker *worker, size_t round)
{
	for (int turn = 0; turn < 2; turn++) {
		pthread_barrier_wait(worker->barrier);
		if (worker->is_first == (turn == 0))
			note(worker, run_packets(&worker->run, &worker->alone[round]));
	}
	pthread_barrier_wait(worker->barrier);
	note(worker, run_packets(&worker->run, &worker->together[round]));
}

static void *work(void *argument)
{
	struct worker *worker = argument;

	note(worker, affinity_pin(worker->core));
	for (size_t round = 0; round < ROUNDS; round++)
		run_round(worker, round);
	return NULL;
}

/* Packets a second of both, over what one core does alone. */
static void report_sum(struct results *results, const struct worker *workers)
{
	struct result row = { .name = "two-cores", .target = 1.9, .is_at_least = true };
	double sums[ROUNDS], alone[ROUNDS], both_ns[ROUNDS];

	for (size_t i = 0; i < ROUNDS; i++) {
		sums[i] = 1 / workers[0].together[i] + 1 / workers[1].together[i];
		alone[i] = (1 / workers[0].alone[i] + 1 / workers[1].alone[i]) / 2;
		both_ns[i] = 1 / sums[i];
	}
	row.value = timing_median(both_ns, ROUNDS);
	row.least = timing_least(both_ns, ROUNDS);
	row.ratio = timing_median_ratio(sums, alone, ROUNDS);
	results_add(results, &row);
}

static int run_workers(struct results *results, struct worker *workers)
{
	pthread_barrier_t barrier;
	int r = -pthread_barrier_init(&barrier, NULL, CORES);

	for (size_t i = 0; r == 0 && i < CORES; i++) {
		workers[i].barrier = &barrier;
		r = -pthread_create(&workers[i].thread, NULL, work, &workers[i]);
	}
	/* A worker without the other would wait for it for ever; the process ends instead. */
	if (r < 0)
		return r;
	for (size_t i = 0; i < CORES; i++)
		pthread_join(workers[i].thread, NULL);
	pthread_barrier_destroy(&barrier);
	for (size_t i = 0; r == 0 && i < CORES; i++)
		r = workers[i].result;
	if (r == 0)
		report_sum(results, workers);
	return r;
}

int bench_cores(struct results *results, struct rehearsal *rehearsals)
{
	struct worker workers[CORES] = { 0 };
	size_t cores[CORES];
	int count = affinity_find(cores, CORES), r = 0;

	results_section(results, "BOTH CORES", "ns");
	if (count < CORES) {
		puts("two-cores: there is only one core here");
		return MIN(count, 0);
	}
	for (size_t i = 0; r == 0 && i < CORES; i++) {
		workers[i].core = cores[i];
		workers[i].is_first = i == 0;
		r = run_open(&workers[i].run, rehearsals, scenario_find("tcp4-1M"));
		if (r == 0)
			run_skip(&workers[i].run, (uint32_t)i * APART);
	}
	if (r == 0)
		r = run_workers(results, workers);
	for (size_t i = 0; i < CORES; i++)
		run_close(&workers[i].run);
	return r;
}
