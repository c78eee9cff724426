/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a simulation found, for people, programs and the documentation.
 */
#ifndef LEAT_TOOLS_SIM_REPORT_H
#define LEAT_TOOLS_SIM_REPORT_H

#include <stdio.h>

#include "tools/sim/churn.h"
#include "tools/sim/spread.h"

void report_churn(FILE *out, const struct churn_options *options,
		  const struct churn_result *result);
/* 0 or -ENOMEM. */
int report_churn_json(FILE *out, const struct churn_options *options,
		      const struct churn_result *result);
/* Cumulated broken flows over days, as SVG. */
void plot_churn(FILE *out, const struct churn_options *options, const struct churn_result *result);

void report_spread(FILE *out, const struct spread_options *options,
		   const struct spread_result *result);
int report_spread_json(FILE *out, const struct spread_options *options,
		       const struct spread_result *result);

/* Puts a text, indented, in the place of what is between "<!-- begin: NAME -->" and "<!-- end: NAME -->"
 * in a Markdown file. 0; -ENOENT: there are no such lines; other -errno. */
int report_into(const char *path, const char *name, const char *text);

#endif
