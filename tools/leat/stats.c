/* SPDX-License-Identifier: GPL-2.0-only */
#include <string.h>

#include "tools/leat/cli.h"

static enum cli_colour verdict_colour(const char *verdict)
{
	return strcmp(verdict, "drop") == 0 ? CLI_RED : CLI_PLAIN;
}

static void counters_add(struct cli_table *table, const json_t *counters)
{
	cli_table_add_number(table, reply_number(counters, "packets"));
	cli_table_add_number(table, reply_number(counters, "packets_per_second"));
	cli_table_add_number(table, reply_number(counters, "bytes"));
}

/* Returns how many reasons no packet has left by; they would only hide the others. */
static size_t reasons_add(struct cli_table *table, const json_t *reasons)
{
	const json_t *reason;
	size_t zero = 0;
	size_t i;

	json_array_foreach(reasons, i, reason) {
		const char *verdict = reply_text(reason, "verdict");

		if (reply_count(reason, "packets") == 0) {
			zero++;
			continue;
		}
		cli_table_add(table, "%s", reply_text(reason, "reason"));
		cli_table_add_coloured(table, verdict_colour(verdict), "%s", verdict);
		counters_add(table, reason);
		cli_table_add(table, "%s", reply_text(reason, "text"));
	}
	return zero;
}

static void totals_add(struct cli_table *table, const json_t *totals)
{
	static const struct {
		const char *key;
		const char *verdict;
		const char *text;
	} kinds[] = {
		{ "forwarded", "forward", "all that went to backends, or back by nat" },
		{ "passed", "pass", "all that the kernel got" },
		{ "dropped", "drop", "all that ended here" },
		{ "answered", "answer", "all that came back from here" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		cli_table_add(table, "total");
		cli_table_add_coloured(table, verdict_colour(kinds[i].verdict), "%s",
				       kinds[i].verdict);
		counters_add(table, json_object_get(totals, kinds[i].key));
		cli_table_add(table, "%s", kinds[i].text);
	}
}

static void events_print(const json_t *events)
{
	static const struct cli_column columns[] = {
		{ "FLOW EVENT", false },
		{ "COUNT", true },
		{ "MEANING", false },
	};
	cleanup(cli_table_deinit) struct cli_table table = CLI_TABLE(columns);
	const json_t *event;
	size_t i;

	json_array_foreach(events, i, event) {
		cli_table_add(&table, "%s", reply_text(event, "event"));
		cli_table_add_number(&table, reply_number(event, "count"));
		cli_table_add(&table, "%s", reply_text(event, "text"));
	}
	fputc('\n', cli_out());
	cli_table_print(&table, 0);
}

static void stats_print(const json_t *stats)
{
	static const struct cli_column columns[] = {
		{ "REASON", false }, { "VERDICT", false }, { "PACKETS", true },
		{ "PKT/S", true },   { "BYTES", true },	   { "MEANING", false },
	};
	cleanup(cli_table_deinit) struct cli_table table = CLI_TABLE(columns);
	size_t zero = reasons_add(&table, json_object_get(stats, "reasons"));

	totals_add(&table, json_object_get(stats, "totals"));
	cli_table_print(&table, 0);
	if (zero > 0)
		fprintf(cli_out(), "Reasons at zero: %zu; -j shows them too.\n", zero);
	events_print(json_object_get(stats, "flow_events"));
}

static int stats_show(int argc, char **argv)
{
	cleanup(json_decrefp) json_t *stats = NULL;
	int r = cli_parse(argc, argv, NULL, 0);

	if (r == CLI_OK)
		r = api_get("/v1/stats", NULL, 0, JSON_OBJECT, &stats);
	if (r != CLI_OK)
		return r;
	if (cli_options.json)
		cli_print_json(stats);
	else
		stats_print(stats);
	return CLI_OK;
}

int stats_main(int argc, char **argv)
{
	static const struct cli_command commands[] = {
		{ "show", stats_show, "",
		  "packets by reason: forwarded, passed, dropped; flows remembered and forgotten" },
		CLI_HELP,
	};

	return cmd_select("stats", commands, argc, argv);
}
