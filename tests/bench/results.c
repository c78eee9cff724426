/* SPDX-License-Identifier: GPL-2.0-only */
#include "tests/bench/results.h"

#include <stdio.h>
#include <string.h>

void results_section(struct results *results, const char *title, const char *unit)
{
	printf("%s%-28s %12s %7s %9s %s\n", json_array_size(results->rows) ? "\n" : "", title, unit,
	       "RATIO", "TARGET", "MET");
	results->unit = unit;
}

static bool is_met(const struct result *row)
{
	double judged = row->ratio > 0 ? row->ratio : row->value;

	return row->is_at_least ? judged >= row->target : judged <= row->target;
}

static json_t *number_or_null(double number)
{
	return number > 0 ? json_real(number) : json_null();
}

static void print_number(double number, const char *before, int width, int decimals)
{
	char text[32];

	snprintf(text, sizeof(text), "%s%.*f", before, decimals, number);
	printf(" %*s", width, number > 0 ? text : "-");
}

void results_add(struct results *results, const struct result *row)
{
	bool has_target = row->target > 0, is_bytes = strcmp(results->unit, "bytes") == 0;
	const char *met = has_target ? is_met(row) ? "yes" : "NO" : "-";

	printf("%-28s", row->name);
	print_number(row->value, "", 12, is_bytes ? 0 : 2);
	print_number(row->ratio, "", 7, 2);
	print_number(row->target, row->is_at_least ? ">=" : "<=", 9, row->ratio > 0 ? 1 : 0);
	printf(" %s\n", met);
	fflush(stdout);
	json_array_append_new(results->rows,
			      json_pack("{s:s, s:s, s:f, s:o, s:o, s:o, s:o}", "scenario",
					row->name, "unit", results->unit, "value", row->value,
					"least", number_or_null(row->least), "ratio",
					number_or_null(row->ratio), "target",
					number_or_null(row->target), "met",
					has_target ? json_boolean(is_met(row)) : json_null()));
}
