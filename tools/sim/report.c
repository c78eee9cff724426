/* SPDX-License-Identifier: GPL-2.0-only */
#include "tools/sim/report.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <netinet/in.h>
#include <string.h>

#include "base/macros.h"
#include "model/config.h"

#define LABEL_WIDTH  16
#define EVENTS_WIDTH 6
#define WIDTH	     15 /* of a subject's column */

/* 1234567 as "1 234 567". */
static const char *group_digits(uint64_t number, char text[32])
{
	char digits[24];
	size_t length = (size_t)snprintf(digits, sizeof(digits), "%" PRIu64, number), at = 0;

	for (size_t i = 0; i < length; i++) {
		if (i && (length - i) % 3 == 0)
			text[at++] = ' ';
		text[at++] = digits[i];
	}
	text[at] = '\0';
	return text;
}

static void print_number(FILE *out, uint64_t number, int width)
{
	char text[32];

	fprintf(out, "%*s", width, group_digits(number, text));
}

static void print_labelled(FILE *out, const char *label, uint64_t number)
{
	char text[32];

	fprintf(out, "%s %s", group_digits(number, text), label);
}

static void print_set_up(FILE *out, const struct churn_options *options)
{
	fprintf(out, "%s, scheduler %s; ", protocol_name(options->protocol),
		scheduler_name(options->scheduler));
	print_labelled(out, "flows at a time, ", options->flows);
	print_labelled(out, "backends, ", options->backends);
	print_labelled(out, options->imports_history ? "nodes with histories, " : "nodes, ",
		       options->nodes);
	fprintf(out, "%g day%s, seed %" PRIu64 "\n", options->days, options->days == 1 ? "" : "s",
		options->seed);
}

static void print_extent(FILE *out, const struct churn_result *result)
{
	fprintf(out, "%.1f hours around events, and %.1f more in which slots were open: ",
		result->simulated_h - result->quiet_h, result->quiet_h);
	print_labelled(out, "flows,\n", result->opened);
	print_labelled(out, "packets; routers sent ", result->packets);
	print_labelled(out, "flows to another node\n\n", result->reroutes);
}

static void print_head(FILE *out, const struct churn_result *result)
{
	fprintf(out, "%-*s%*s", LABEL_WIDTH, "broken flows", EVENTS_WIDTH, "events");
	for (size_t i = 0; i < FLOW_SUBJECTS; i++)
		fprintf(out, "%*s", WIDTH, result->subjects[i].name);
	fputc('\n', out);
}

static void print_kind(FILE *out, const struct churn_result *result, size_t kind)
{
	fprintf(out, "%-*s%*u", LABEL_WIDTH, world_event_label(kind), EVENTS_WIDTH,
		result->happened[kind]);
	for (size_t i = 0; i < FLOW_SUBJECTS; i++)
		print_number(out, result->subjects[i].broken[kind], WIDTH);
	fputc('\n', out);
}

static uint32_t count_events(const struct churn_result *result)
{
	uint32_t count = 0;

	for (size_t kind = 0; kind < WORLD_EVENT_KINDS; kind++)
		count += result->happened[kind];
	return count;
}

static uint64_t per_million(uint64_t broken, uint64_t opened)
{
	return (uint64_t)((double)broken * 1e6 / (double)opened + 0.5);
}

static void print_sums(FILE *out, const struct churn_result *result)
{
	fprintf(out, "%-*s%*u", LABEL_WIDTH, "all", EVENTS_WIDTH, count_events(result));
	for (size_t i = 0; i < FLOW_SUBJECTS; i++)
		print_number(out, result->subjects[i].total, WIDTH);
	fprintf(out, "\n%-*s", LABEL_WIDTH + EVENTS_WIDTH, "in a million flows");
	for (size_t i = 0; i < FLOW_SUBJECTS; i++)
		print_number(out, per_million(result->subjects[i].total, result->opened), WIDTH);
	fprintf(out, "\n%-*s", LABEL_WIDTH + EVENTS_WIDTH, "on the same node");
	for (size_t i = 0; i < FLOW_SUBJECTS; i++)
		print_number(out, result->subjects[i].total - result->subjects[i].moved, WIDTH);
	fputc('\n', out);
}

static const char *event_label(size_t event)
{
	static const char *const labels[] = {
#define X(name, label, text) label,
		LEAT_EVENTS(X)
#undef X
	};

	return labels[event];
}

static void print_memory(FILE *out, const struct churn_result *result)
{
	fprintf(out, "\nleat's memory of flows:");
	for (size_t i = 0; i < LEAT_EVENT_COUNT; i++) {
		char text[32];

		fprintf(out, "%s %s %s", i ? "," : "", event_label(i),
			group_digits(result->memory[i], text));
	}
	fprintf(out, ";\nat most ");
	print_labelled(out, "slots of all nodes were open\n", result->most_open);
}

void report_churn(FILE *out, const struct churn_options *options, const struct churn_result *result)
{
	print_set_up(out, options);
	print_extent(out, result);
	print_head(out, result);
	for (size_t kind = 0; kind < WORLD_EVENT_KINDS; kind++) {
		if (result->happened[kind])
			print_kind(out, result, kind);
	}
	print_sums(out, result);
	print_memory(out, result);
}

static json_t *subject_json(const struct churn_result *result, const struct churn_subject *subject)
{
	json_t *broken = json_object();

	for (size_t kind = 0; kind < WORLD_EVENT_KINDS; kind++) {
		if (result->happened[kind])
			json_object_set_new(broken, world_event_label(kind),
					    json_integer((json_int_t)subject->broken[kind]));
	}
	return json_pack("{s:s, s:o, s:I, s:I, s:I}", "name", subject->name, "broken_by", broken,
			 "broken", (json_int_t)subject->total, "broken_after_reroute",
			 (json_int_t)subject->moved, "ended_with_backend",
			 (json_int_t)subject->died);
}

static json_t *subjects_json(const struct churn_result *result)
{
	json_t *subjects = json_array();

	for (size_t i = 0; i < FLOW_SUBJECTS; i++)
		json_array_append_new(subjects, subject_json(result, &result->subjects[i]));
	return subjects;
}

static json_t *events_json(const struct churn_result *result)
{
	json_t *events = json_object();

	for (size_t kind = 0; kind < WORLD_EVENT_KINDS; kind++)
		json_object_set_new(events, world_event_label(kind),
				    json_integer(result->happened[kind]));
	return events;
}

static json_t *memory_json(const struct churn_result *result)
{
	json_t *memory = json_object();

	for (size_t i = 0; i < LEAT_EVENT_COUNT; i++)
		json_object_set_new(memory, event_label(i),
				    json_integer((json_int_t)result->memory[i]));
	return memory;
}

static int print_json(FILE *out, json_t *json)
{
	int r = json ? json_dumpf(json, out, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) : -1;

	fputc('\n', out);
	json_decref(json);
	return r < 0 ? -ENOMEM : 0;
}

int report_churn_json(FILE *out, const struct churn_options *options,
		      const struct churn_result *result)
{
	json_t *json = json_pack(
		"{s:I, s:s, s:s, s:i, s:i, s:i, s:f, s:o, s:I, s:I, s:I, s:f, s:f, s:i, s:o, s:o}",
		"seed", (json_int_t)options->seed, "protocol", protocol_name(options->protocol),
		"scheduler", scheduler_name(options->scheduler), "flows_at_a_time", options->flows,
		"backends", options->backends, "nodes", options->nodes, "days", options->days,
		"events", events_json(result), "flows", (json_int_t)result->opened, "packets",
		(json_int_t)result->packets, "rerouted", (json_int_t)result->reroutes,
		"simulated_hours", result->simulated_h, "quiet_hours", result->quiet_h,
		"most_open_slots", result->most_open, "memory", memory_json(result), "subjects",
		subjects_json(result));

	return print_json(out, json);
}

void report_spread(FILE *out, const struct spread_options *options,
		   const struct spread_result *result)
{
	print_labelled(out, "backends of mixed weights, ", options->backends);
	print_labelled(out, "flows at a time, ", options->flows);
	fprintf(out, "%u minutes, seed %" PRIu64 "\n\n", options->minutes, options->seed);
	fprintf(out, "%-48s%16s%16s\n", "", "scheduler", "hash");
	fprintf(out, "%-48s%14.3f %%%14.3f %%\n", "round-robin: flows opened, largest deviation",
		result->round_robin * 100, result->hash_opened * 100);
	fprintf(out, "%-48s%16.3f%16.3f\n", "least-connections: live per weight, max/mean",
		result->least_connections.typical, result->hash.typical);
	fprintf(out, "%-48s%16.3f%16.3f\n", "  at the worst minute",
		result->least_connections.worst, result->hash.worst);
}

int report_spread_json(FILE *out, const struct spread_options *options,
		       const struct spread_result *result)
{
	json_t *json = json_pack(
		"{s:I, s:i, s:i, s:i, s:I, s:{s:f, s:f}, s:{s:f, s:f}, s:{s:f, s:f}}", "seed",
		(json_int_t)options->seed, "backends", options->backends, "flows_at_a_time",
		options->flows, "minutes", options->minutes, "opened", (json_int_t)options->opened,
		"largest_deviation", "round-robin", result->round_robin, "hash",
		result->hash_opened, "least-connections", "typical",
		result->least_connections.typical, "worst", result->least_connections.worst, "hash",
		"typical", result->hash.typical, "worst", result->hash.worst);

	return print_json(out, json);
}

static int read_all(const char *path, char **ret_text)
{
	cleanup(fclosep) FILE *file = fopen(path, "re");
	size_t size = 0;

	*ret_text = NULL;
	if (!file)
		return -errno;
	return getdelim(ret_text, &size, '\0', file) < 0 ? -EIO : 0;
}

static void write_indented(FILE *file, const char *text)
{
	fputc('\n', file);
	while (*text) {
		size_t length = strcspn(text, "\n");

		fprintf(file, "%s%.*s\n", length ? "    " : "", (int)length, text);
		text += length + (text[length] == '\n');
	}
	fputc('\n', file);
}

int report_into(const char *path, const char *name, const char *text)
{
	cleanup(fclosep) FILE *file = NULL;
	cleanup(freep) char *before = NULL;
	char begins[64], ends[64];
	const char *from, *to;
	int r = read_all(path, &before);

	if (r < 0 || !before)
		return r;
	snprintf(begins, sizeof(begins), "<!-- begin: %s -->\n", name);
	snprintf(ends, sizeof(ends), "<!-- end: %s -->\n", name);
	from = strstr(before, begins);
	to = from ? strstr(from, ends) : NULL;
	if (!to) {
		fprintf(stderr, "%s has no place for it, which begins with %s", path, begins);
		return -ENOENT;
	}
	file = fopen(path, "we");
	if (!file)
		return -errno;
	fwrite(before, 1, (size_t)(from - before) + strlen(begins), file);
	write_indented(file, text);
	fputs(to, file);
	return ferror(file) ? -EIO : 0;
}
