/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a change does, as leatd worked it out, for people.
 */
#include <inttypes.h>
#include <string.h>

#include "tools/leat/cli.h"

static void keys_print(const json_t *keys)
{
	const char *separator = ": ";
	const json_t *key;
	size_t i;

	json_array_foreach(keys, i, key) {
		fprintf(cli_out(), "%s%s", separator, json_string_value(key) ?: "-");
		separator = ", ";
	}
}

static void title_print(const json_t *service)
{
	cleanup(freep) char *endpoint = service_format_endpoint(service);

	cli_print_coloured(CLI_BOLD, "%s", reply_text(service, "name"));
	fprintf(cli_out(), "  %s  %s", endpoint, reply_text(service, "change"));
	keys_print(json_object_get(service, "keys"));
	fputc('\n', cli_out());
}

static double percent_of(const json_t *object, const char *key)
{
	return reply_number(object, key) * 100;
}

static bool is_change(const json_t *service, const char *change)
{
	return strcmp(reply_text(service, "change"), change) == 0;
}

static void slots_print(const json_t *service)
{
	if (is_change(service, "added") || is_change(service, "removed"))
		return;
	fprintf(cli_out(),
		"    %.1f%% of the new flows move: ", percent_of(service, "share_moved"));
	if (reply_flag(service, "rehashed"))
		fprintf(cli_out(), "no slot of the old table has one in the new one");
	else
		fprintf(cli_out(), "%" PRIu64 " of %" PRIu64 " slots",
			reply_count(service, "slots_moved"), reply_count(service, "slots"));
	if (reply_count(service, "slots_opened") > 0)
		fprintf(cli_out(), "; older flows of %" PRIu64 " slots stay where they are",
			reply_count(service, "slots_opened"));
	fputc('\n', cli_out());
}

#define MAX_MOVES 8

static void moves_print(const json_t *service)
{
	const json_t *moves = json_object_get(service, "moves"), *move;
	size_t count = json_array_size(moves) + (size_t)reply_count(service, "moves_left_out"), i;

	if (is_change(service, "added") || is_change(service, "removed"))
		return;
	json_array_foreach(moves, i, move) {
		const char *from = reply_text(move, "from"), *to = reply_text(move, "to");

		if (i == MAX_MOVES)
			break;
		fprintf(cli_out(), "        %.1f%% from %s to %s\n", percent_of(move, "share"),
			from[0] ? from : "nobody", to[0] ? to : "nobody");
	}
	if (count > MAX_MOVES)
		fprintf(cli_out(), "        and %zu more, which are smaller\n", count - MAX_MOVES);
}

static const json_t *find_later(const json_t *later, const char *name)
{
	const json_t *backends = json_object_get(later, "backends"), *backend;
	size_t i;

	json_array_foreach(backends, i, backend) {
		if (strcmp(reply_text(backend, "name"), name) == 0)
			return backend;
	}
	return NULL;
}

static enum cli_colour change_colour(const char *change)
{
	if (strcmp(change, "added") == 0)
		return CLI_GREEN;
	if (strcmp(change, "same") == 0)
		return CLI_PLAIN;
	return strcmp(change, "removed") == 0 ? CLI_RED : CLI_YELLOW;
}

static void add_weight(struct cli_table *table, const json_t *backend)
{
	uint64_t before = reply_count(backend, "weight_before");
	uint64_t after = reply_count(backend, "weight_after");
	bool is_there = !is_change(backend, "added") && !is_change(backend, "removed");

	if (is_there && before != after)
		cli_table_add(table, "%" PRIu64 " > %" PRIu64, before, after);
	else
		cli_table_add(table, "%" PRIu64, is_change(backend, "removed") ? before : after);
}

static void add_flows(struct cli_table *table, const json_t *backend)
{
	if (is_change(backend, "added") || !reply_flag(backend, "flows_counted"))
		cli_table_add(table, "-");
	else
		cli_table_add(table, "%" PRIu64, reply_count(backend, "flows"));
}

static void add_backend(struct cli_table *table, const json_t *backend, const json_t *later)
{
	const char *breaks = json_string_value(json_object_get(backend, "breaks"));
	const char *change = reply_text(backend, "change");

	cli_table_add(table, "%s", reply_text(backend, "name"));
	cli_table_add(table, "%s", reply_text(backend, "address"));
	cli_table_add_coloured(table, change_colour(change), "%s", change);
	cli_table_add(table, "%s", reply_text(backend, "state"));
	add_weight(table, backend);
	cli_table_add(table, "%.1f%%", percent_of(backend, "share_before"));
	cli_table_add(table, "%.1f%%", percent_of(backend, "share_after"));
	if (later)
		cli_table_add(table, "%.1f%%",
			      percent_of(find_later(later, reply_text(backend, "name")), "share"));
	else
		cli_table_add(table, "-");
	add_flows(table, backend);
	cli_table_add_coloured(table, breaks ? CLI_RED : CLI_PLAIN, "%s%s", breaks ? "break: " : "",
			       breaks ?: (is_change(backend, "added") ? "" : "stay"));
}

static void backends_print(const json_t *service)
{
	static const struct cli_column columns[] = {
		{ "BACKEND", false }, { "ADDRESS", false }, { "CHANGE", false },
		{ "STATE", false },   { "WEIGHT", true },   { "SHARE", true },
		{ "AFTER", true },    { "ONCE UP", true },  { "FLOWS", true },
		{ "WHICH", false },
	};
	cleanup(cli_table_deinit) struct cli_table table = CLI_TABLE(columns);
	const json_t *later = json_object_get(service, "once_up");
	const json_t *backends = json_object_get(service, "backends"), *backend;
	size_t i;

	json_array_foreach(backends, i, backend)
		add_backend(&table, backend, json_is_object(later) ? later : NULL);
	if (json_array_size(backends) > 0)
		cli_table_print(&table, 4);
}

static void flows_print(const json_t *service)
{
	const json_t *flows = json_object_get(service, "flows");

	if (is_change(service, "added"))
		return;
	fprintf(cli_out(), "    flows: %" PRIu64 " stay, %" PRIu64 " break%s\n",
		reply_count(flows, "stay"), reply_count(flows, "break"),
		reply_flag(flows, "counted")
			? ""
			: ", of those that are counted; the others are not remembered, and stay or "
			  "break with their backends");
}

static void service_print(const json_t *service)
{
	const json_t *later = json_object_get(service, "once_up");

	title_print(service);
	slots_print(service);
	moves_print(service);
	if (json_is_object(later))
		fprintf(cli_out(), "    %.1f%% move once backends of unknown state are up\n",
			percent_of(later, "share_moved"));
	flows_print(service);
	backends_print(service);
}

static void memory_print(const json_t *forecast)
{
	char before[CLI_NUMBER_SIZE], after[CLI_NUMBER_SIZE];

	fprintf(cli_out(), "memory of tables and lists: %sB before, %sB after\n",
		cli_format_number(reply_number(forecast, "memory_before"), before),
		cli_format_number(reply_number(forecast, "memory_after"), after));
}

void forecast_print(const json_t *forecast)
{
	const json_t *services = json_object_get(forecast, "services"), *service;
	const json_t *keys = json_object_get(forecast, "keys");
	size_t i;

	if (json_array_size(keys) > 0) {
		fprintf(cli_out(), "outside of services");
		keys_print(keys);
		fputc('\n', cli_out());
	}
	json_array_foreach(services, i, service)
		service_print(service);
	if (json_array_size(services) == 0)
		fprintf(cli_out(), "no service changes\n");
	fprintf(cli_out(), "unchanged services: %" PRIu64 "\n", reply_count(forecast, "unchanged"));
	memory_print(forecast);
}
