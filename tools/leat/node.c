/* SPDX-License-Identifier: GPL-2.0-only */
#include <inttypes.h>

#include "base/clock.h"
#include "tools/leat/cli.h"

static void daemon_print(const json_t *node)
{
	char uptime[CLI_NUMBER_SIZE];

	fprintf(cli_out(), "leatd %s, layout %" PRIu64 ", pid %" PRIu64 ", up %s\n",
		reply_text(node, "version"), reply_count(node, "layout"), reply_count(node, "pid"),
		cli_format_duration(reply_count(node, "uptime_s"), uptime));
}

static void reload_print(const json_t *node)
{
	const json_t *reload = json_object_get(node, "reload");
	uint64_t loaded = reply_count(reload, "timestamp");
	uint64_t now = clock_wall_s();
	char ago[CLI_NUMBER_SIZE];

	fprintf(cli_out(), "configuration: %s", reply_text(node, "config"));
	if (loaded > 0 && loaded <= now)
		fprintf(cli_out(), ", loaded %s ago", cli_format_duration(now - loaded, ago));
	if (reply_flag(reload, "success"))
		fputc('\n', cli_out());
	else
		cli_print_coloured(CLI_RED, "; the last reload was refused\n");
}

static void reused_print(const json_t *reused)
{
	fprintf(cli_out(),
		"reused from before: maps %s, program %s, health of %" PRIu64 " backends\n",
		reply_flag(reused, "maps") ? "yes" : "no",
		reply_flag(reused, "program") ? "yes" : "no", reply_count(reused, "backends"));
}

static void interface_add(struct cli_table *table, const json_t *interface)
{
	bool is_attached = reply_flag(interface, "attached");

	cli_table_add(table, "%s", reply_text(interface, "name"));
	cli_table_add(table, "%" PRIu64, reply_count(interface, "ifindex"));
	cli_table_add_coloured(table, is_attached ? CLI_GREEN : CLI_RED, "%s",
			       is_attached ? "attached" : "not attached");
	cli_table_add(table, "%s", reply_text(interface, "mode"));
	cli_table_add(table, "%" PRIu64, reply_count(interface, "program_id"));
	cli_table_add(table, "%s%s", reply_flag(interface, "reused") ? "reused" : "loaded",
		      reply_flag(interface, "dispatcher") ? ", behind a dispatcher" : "");
}

static void interfaces_print(const json_t *interfaces)
{
	static const struct cli_column columns[] = {
		{ "INTERFACE", false }, { "INDEX", true },   { "STATE", false },
		{ "MODE", false },	{ "PROGRAM", true }, { "HOW", false },
	};
	cleanup(cli_table_deinit) struct cli_table table = CLI_TABLE(columns);
	const json_t *interface;
	size_t i;

	json_array_foreach(interfaces, i, interface)
		interface_add(&table, interface);
	fputc('\n', cli_out());
	cli_table_print(&table, 0);
}

static void maps_print(const json_t *maps)
{
	static const struct cli_column columns[] = {
		{ "MAP", false },
		{ "ENTRIES", true },
		{ "CAPACITY", true },
	};
	cleanup(cli_table_deinit) struct cli_table table = CLI_TABLE(columns);
	const json_t *map;
	size_t i;

	json_array_foreach(maps, i, map) {
		cli_table_add(&table, "%s", reply_text(map, "name"));
		cli_table_add(&table, "%" PRIu64, reply_count(map, "entries"));
		cli_table_add(&table, "%" PRIu64, reply_count(map, "capacity"));
	}
	fputc('\n', cli_out());
	cli_table_print(&table, 0);
}

static void node_print(const json_t *node)
{
	daemon_print(node);
	reload_print(node);
	reused_print(json_object_get(node, "reused"));
	interfaces_print(json_object_get(node, "interfaces"));
	maps_print(json_object_get(node, "maps"));
}

static int node_show(int argc, char **argv)
{
	cleanup(json_decrefp) json_t *node = NULL;
	int r = cli_parse(argc, argv, NULL, 0);

	if (r == CLI_OK)
		r = api_get("/v1/node", NULL, 0, JSON_OBJECT, &node);
	if (r != CLI_OK)
		return r;
	if (cli_options.json)
		cli_print_json(node);
	else
		node_print(node);
	return CLI_OK;
}

int node_main(int argc, char **argv)
{
	static const struct cli_command commands[] = {
		{ "show", node_show, "", "the daemon, its interfaces, and how full its maps are" },
		CLI_HELP,
	};

	return cmd_select("node", commands, argc, argv);
}
