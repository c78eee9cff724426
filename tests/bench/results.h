/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What was measured, as a table on standard output and as JSON.
 */
#ifndef LEAT_TESTS_BENCH_RESULTS_H
#define LEAT_TESTS_BENCH_RESULTS_H

#include <jansson.h>
#include <stdbool.h>

struct results {
	json_t *rows;
	const char *unit; /* of the section that is being written */
};

struct result {
	char name[48];
	double value;
	double least;	  /* of all samples; 0: there was one */
	double ratio;	  /* to the section's floor; 0: none */
	double target;	  /* of the ratio, or of the value where there is none; 0: none */
	bool is_at_least; /* the target is a lower bound */
};

/* Rows that follow have values in `unit`. */
void results_section(struct results *results, const char *title, const char *unit);
void results_add(struct results *results, const struct result *row);

#endif
