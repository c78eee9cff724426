/* SPDX-License-Identifier: GPL-2.0-only */
#include "tests/bench/changes.h"

#include <errno.h>
#include <netinet/in.h>

#include "tests/bench/services.h"
#include "tests/bench/timing.h"

#define BACKENDS 10 /* of each service */

/* `changed` services have one backend drained, and the next time raised again. */
static const struct change {
	const char *name;
	unsigned int services;
	unsigned int changed;
	bool is_reload; /* all services are compared and applied at once */
	size_t times;
	double target_ms;
} changes[] = {
	{ "change-1-of-100", 100, 1, .times = 41, .target_ms = 20 },
	{ "change-100-of-100", 100, 100, .times = 5 },
	{ "reload-1-of-1000", 1000, 1, .is_reload = true, .times = 5, .target_ms = 2000 },
	{ "reload-1000-of-1000", 1000, 1000, .is_reload = true, .times = 3, .target_ms = 2000 },
};

#define MOST_TIMES 41

static void change_backends(const struct node *node, const struct change *change, size_t time)
{
	for (size_t i = 0; i < change->changed; i++) {
		struct backend *backend = node->services[i]->backends[time / 2 % BACKENDS];

		backend->operator_change.state = time % 2 ? OPERATOR_NONE : OPERATOR_DRAIN;
	}
}

/* As the daemon does it: a reload looks at all services, anything else at those that changed. */
static int apply(struct rehearsal *rehearsal, const struct change *change)
{
	struct node *node = &rehearsal->node;
	size_t count = change->is_reload ? node->service_count : change->changed;

	return applier_apply(&rehearsal->applier, node, node->services, count, change->is_reload);
}

static int time_change(struct rehearsal *rehearsal, const struct change *change, double *ms)
{
	for (size_t time = 0; time < change->times; time++) {
		uint64_t start;
		int r;

		change_backends(&rehearsal->node, change, time);
		start = timing_now_ns();
		r = apply(rehearsal, change);
		if (r < 0)
			return r;
		ms[time] = (double)(timing_now_ns() - start) / 1e6;
	}
	return 0;
}

static int rehearse(struct rehearsal *rehearsal, const struct change *change)
{
	const struct bench_service service = {
		"service", 4, IPPROTO_TCP, 10000, .count = change->services, .backends = BACKENDS,
	};
	struct config *config;
	int r = bench_config_make(&service, 1, LEAT_DEFAULT_FLOWS, &config);

	return r < 0 ? r : rehearsal_init(rehearsal, config, false, NULL);
}

static int bench_change(struct results *results, const struct change *change)
{
	struct result row = { .target = change->target_ms };
	cleanup(rehearsal_deinit) struct rehearsal rehearsal = { 0 };
	double ms[MOST_TIMES];
	int r = rehearse(&rehearsal, change);

	if (r == 0)
		r = time_change(&rehearsal, change, ms);
	if (r < 0)
		return r;
	snprintf(row.name, sizeof(row.name), "%s", change->name);
	row.value = timing_median(ms, change->times);
	row.least = timing_least(ms, change->times);
	results_add(results, &row);
	return 0;
}

int bench_changes(struct results *results)
{
	int r = 0;

	results_section(results, "CHANGE OF SERVICES", "ms");
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(changes); i++)
		r = bench_change(results, &changes[i]);
	return r;
}
