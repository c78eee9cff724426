/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * make bench: what a packet costs, as ratios to a bare encapsulation measured in the same rounds; how
 * it does over a veth pair and on two cores; what the maps take; how long changes and tables take.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/bench/changes.h"
#include "tests/bench/cores.h"
#include "tests/bench/live.h"
#include "tests/bench/memory.h"
#include "tests/bench/scenarios.h"
#include "tests/bench/table.h"

/* Either over maps with all services, or with its own. */
static const struct group {
	const char *name;
	int (*over_maps)(struct results *results, struct rehearsal *rehearsals);
	int (*alone)(struct results *results);
} groups[] = {
	{ "packets", .over_maps = bench_scenarios }, { "cores", .over_maps = bench_cores },
	{ "live", .over_maps = bench_live },	     { "memory", .alone = bench_memory },
	{ "changes", .alone = bench_changes },	     { "tables", .alone = bench_tables },
};

static bool is_asked_for(const struct group *group, char **names, int count)
{
	for (int i = 0; i < count; i++) {
		if (strcmp(names[i], group->name) == 0)
			return true;
	}
	return count == 0;
}

static int run_group(const struct group *group, struct results *results)
{
	struct rehearsal rehearsals[MAPS_COUNT];
	int r;

	if (group->alone)
		return group->alone(results);
	r = bench_rehearse(rehearsals);
	if (r < 0)
		return r;
	r = group->over_maps(results, rehearsals);
	bench_end_rehearsals(rehearsals);
	return r;
}

static int run_groups(struct results *results, char **names, int count)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(groups); i++) {
		if (is_asked_for(&groups[i], names, count))
			r = run_group(&groups[i], results);
	}
	return r;
}

/* Statistics cost some 40 ns a run, more than what is measured. */
static int check_statistics(void)
{
	cleanup(fclosep) FILE *file = fopen("/proc/sys/kernel/bpf_stats_enabled", "re");

	if (!file || fgetc(file) == '0')
		return 0;
	fputs("kernel.bpf_stats_enabled is on and would be measured too; type: sysctl "
	      "kernel.bpf_stats_enabled=0\n",
	      stderr);
	return -EBUSY;
}

int main(int argc, char **argv)
{
	struct results results = { 0 };
	int r;

	if (argc < 3 || strcmp(argv[1], "-o") != 0) {
		fputs("Usage: bench -o FILE.json [packets | cores | live | memory | changes | "
		      "tables]...\n",
		      stderr);
		return 2;
	}
	results.rows = json_array();
	r = check_statistics();
	if (r == 0)
		r = run_groups(&results, argv + 3, argc - 3);
	if (r < 0)
		fprintf(stderr, "bench: %s\n", strerror(-r));
	else
		r = json_dump_file(results.rows, argv[2], JSON_INDENT(2));
	json_decref(results.rows);
	return r < 0 ? 1 : 0;
}
