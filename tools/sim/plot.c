/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Cumulated broken flows over the days of a simulation, as an SVG without scripts or fonts of its own.
 * Numbers grow by powers of ten; the lowest line is for none.
 */
#include <inttypes.h>
#include <math.h>

#include "base/macros.h"
#include "tools/sim/report.h"

#define WIDTH	    860
#define HEIGHT	    440
#define LEFT	    72
#define RIGHT	    190
#define TOP	    40
#define BOTTOM	    52
#define LINE_HEIGHT 16.0

#define PLOT_WIDTH  (WIDTH - LEFT - RIGHT)
#define PLOT_HEIGHT (HEIGHT - TOP - BOTTOM)

/* Okabe and Ito's, which everybody can tell apart. */
static const char *const colours[FLOW_SUBJECTS] = { "#999999", "#e69f00", "#56b4e9",
						    "#cc79a7", "#d55e00", "#009e73" };

struct plot {
	FILE *out;
	const struct churn_options *options;
	const struct churn_result *result;
	int decades; /* the top of the scale is ten to the power of that */
};

static double x_of(const struct plot *plot, double day)
{
	return LEFT + PLOT_WIDTH * MIN(day / plot->options->days, 1.0);
}

/* None is a decade below one. */
static double y_of(const struct plot *plot, uint64_t broken)
{
	double decade = broken ? log10((double)broken) + 1 : 0;

	return TOP + PLOT_HEIGHT * (1 - decade / (plot->decades + 1));
}

static int find_decades(const struct churn_result *result)
{
	uint64_t most = 1;

	for (size_t i = 0; i < FLOW_SUBJECTS; i++)
		most = MAX(most, result->subjects[i].total);
	return (int)ceil(log10((double)most) + 0.01);
}

static void draw_line(const struct plot *plot, uint64_t broken, const char *label)
{
	double y = y_of(plot, broken);

	fprintf(plot->out,
		"<line x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\" stroke=\"#dddddd\"/>\n"
		"<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
		LEFT, y, WIDTH - RIGHT, y, LEFT - 8, y + 4, label);
}

static void draw_scale(const struct plot *plot)
{
	static const char *const labels[] = { "1",	   "10",	"100",	     "1000",
					      "10 000",	   "100 000",	"1 million", "10 million",
					      "100 mill.", "1000 mill." };
	uint64_t broken = 1;

	draw_line(plot, 0, "none");
	for (int decade = 0; decade <= plot->decades; decade++, broken *= 10) {
		if (decade < (int)ARRAY_SIZE(labels))
			draw_line(plot, broken, labels[decade]);
	}
}

static void draw_days(const struct plot *plot)
{
	double days = plot->options->days;

	for (int i = 0; i <= 6; i++)
		fprintf(plot->out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.3g</text>\n",
			x_of(plot, days * i / 6), HEIGHT - BOTTOM + 20, days * i / 6);
	fprintf(plot->out, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">days</text>\n",
		LEFT + PLOT_WIDTH / 2, HEIGHT - 12);
}

/* A point holds until the next: what is broken is broken by events. */
static void draw_subject(const struct plot *plot, size_t subject)
{
	const struct churn_result *result = plot->result;

	fprintf(plot->out,
		"<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2\" points=\"%d,%.1f",
		colours[subject], LEFT, y_of(plot, 0));
	for (uint32_t i = 0; i < result->point_count; i++) {
		const struct churn_point *point = &result->points[i];
		uint64_t before = i ? result->points[i - 1].broken[subject] : 0;

		if (point->broken[subject] == before && i + 1 < result->point_count)
			continue;
		fprintf(plot->out, " %.1f,%.1f %.1f,%.1f", x_of(plot, point->day),
			y_of(plot, before), x_of(plot, point->day),
			y_of(plot, point->broken[subject]));
	}
	fprintf(plot->out, " %d,%.1f\"/>\n", WIDTH - RIGHT,
		y_of(plot, result->subjects[subject].total));
}

/* By what they broke, most first. */
static void order_subjects(const struct churn_result *result, size_t order[FLOW_SUBJECTS])
{
	for (size_t i = 0; i < FLOW_SUBJECTS; i++) {
		size_t at = i;

		for (; at > 0 && result->subjects[order[at - 1]].total < result->subjects[i].total;
		     at--)
			order[at] = order[at - 1];
		order[at] = i;
	}
}

/* Beside the ends of their lines, and below each other. */
static void draw_labels(const struct plot *plot)
{
	size_t order[FLOW_SUBJECTS];
	double free_y = TOP;

	order_subjects(plot->result, order);
	for (size_t i = 0; i < FLOW_SUBJECTS; i++) {
		const struct churn_subject *subject = &plot->result->subjects[order[i]];
		double y = MAX(y_of(plot, subject->total), free_y);

		free_y = y + LINE_HEIGHT;
		fprintf(plot->out,
			"<text x=\"%d\" y=\"%.1f\" fill=\"%s\" font-weight=\"bold\">%s: %" PRIu64
			"</text>\n",
			WIDTH - RIGHT + 8, y + 4, colours[order[i]], subject->name, subject->total);
	}
}

void plot_churn(FILE *out, const struct churn_options *options, const struct churn_result *result)
{
	const struct plot plot = { out, options, result, find_decades(result) };

	fprintf(out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
		"viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"12\">\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n"
		"<text x=\"%d\" y=\"22\" font-size=\"14\">Flows broken since the first day: %u at a "
		"time, %u backends, %u nodes</text>\n",
		WIDTH, HEIGHT, WIDTH, HEIGHT, LEFT, options->flows, options->backends,
		options->nodes);
	draw_scale(&plot);
	draw_days(&plot);
	for (size_t i = 0; i < FLOW_SUBJECTS; i++)
		draw_subject(&plot, i);
	draw_labels(&plot);
	fputs("</svg>\n", out);
}
