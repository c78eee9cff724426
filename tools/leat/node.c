/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "control/control.h"
#include "tools/leat/cli.h"

#define HISTORY_PATH "/v1/node/history"
/* A file may be laid out more loosely than what is sent of it. */
#define MAX_FILE     (4 * CONTROL_MAX_BODY)

static void daemon_print(const json_t *node)
{
	char uptime[CLI_NUMBER_SIZE];

	fprintf(cli_out(), "leatd %s, layout %" PRIu64 ", pid %" PRIu64 ", up %s\n",
		reply_text(node, "version"), reply_count(node, "layout"), reply_count(node, "pid"),
		cli_format_duration(reply_count(node, "uptime_s"), uptime));
}

/* "version 12-3fa9c2d1", and whether it will stay. */
static void version_print(const json_t *node)
{
	fprintf(cli_out(), "version %s", reply_text(node, "config_version"));
	if (json_is_object(json_object_get(node, "trial")))
		cli_print_coloured(CLI_YELLOW, ", on trial (see: leat config history)");
}

static void reload_print(const json_t *node)
{
	const json_t *reload = json_object_get(node, "reload");
	uint64_t loaded = reply_count(reload, "timestamp");
	uint64_t now = clock_wall_s();
	char ago[CLI_NUMBER_SIZE];

	fprintf(cli_out(), "configuration: %s, ", reply_text(node, "config"));
	version_print(node);
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

static void memory_print(const json_t *memory)
{
	static const struct cli_column columns[] = {
		{ "MEMORY", false },
		{ "ENTRIES", true },
		{ "CAPACITY", true },
		{ "WHAT", false },
	};
	static const struct {
		const char *name, *entries, *capacity, *text;
	} rows[] = {
		{ "flows", "remembered", "capacity", "live flows" },
		{ "half-open", "half_open", "half_open_capacity", "flows of one packet" },
		{ "clients", "clients", "client_capacity", "of services with sticky" },
	};
	cleanup(cli_table_deinit) struct cli_table table = CLI_TABLE(columns);

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cli_table_add(&table, "%s", rows[i].name);
		cli_table_add(&table, "%" PRIu64, reply_count(memory, rows[i].entries));
		cli_table_add(&table, "%" PRIu64, reply_count(memory, rows[i].capacity));
		cli_table_add(&table, "%s", rows[i].text);
	}
	fputc('\n', cli_out());
	cli_table_print(&table, 0);
	if (reply_count(memory, "old") > 0)
		fprintf(cli_out(),
			"%" PRIu64 " of these flows are older than the change of their slot.\n",
			reply_count(memory, "old"));
}

static void node_print(const json_t *node)
{
	daemon_print(node);
	reload_print(node);
	reused_print(json_object_get(node, "reused"));
	interfaces_print(json_object_get(node, "interfaces"));
	maps_print(json_object_get(node, "maps"));
	memory_print(json_object_get(node, "flow_memory"));
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

/* JSON with or without -j: it is for another node, not for people. */
static int node_export_history(int argc, char **argv)
{
	cleanup(json_decrefp) json_t *history = NULL;
	int r = cli_parse(argc, argv, NULL, 0);

	if (r == CLI_OK)
		r = api_get(HISTORY_PATH, NULL, 0, JSON_OBJECT, &history);
	if (r == CLI_OK)
		cli_print_json(history);
	return r;
}

/* At most MAX_FILE bytes, and one more if there are. */
static int file_read(int fd, char **ret_text, size_t *ret_size)
{
	cleanup(freep) char *text = cli_allocated(malloc(MAX_FILE + 1));
	size_t size = 0;
	ssize_t n = 1;

	while (n > 0 && size < MAX_FILE + 1) {
		n = read(fd, text + size, MAX_FILE + 1 - size);
		if (n < 0)
			return -errno;
		size += (size_t)n;
	}
	*ret_text = take_ptr(text);
	*ret_size = size;
	return 0;
}

static int history_parse(const char *file, const char *text, size_t size, json_t **ret_history)
{
	json_error_t error;
	json_t *history;

	if (size > MAX_FILE)
		return cli_error("%s is larger than %d MiB", file, MAX_FILE / 1024 / 1024);
	history = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
	if (!history)
		return cli_error("%s:%d:%d: not valid JSON: %s", file, error.line, error.column,
				 error.text);
	*ret_history = history;
	return CLI_OK;
}

static int history_read(const char *file, json_t **ret_history)
{
	bool is_stdin = strcmp(file, "-") == 0;
	cleanup(close_fdp) int fd = is_stdin ? dup(STDIN_FILENO) : open(file, O_RDONLY | O_CLOEXEC);
	cleanup(freep) char *text = NULL;
	size_t size = 0;
	int r = fd < 0 ? -errno : file_read(fd, &text, &size);

	if (r < 0)
		return cli_error("%s cannot be read: %s", file, strerror(-r));
	return history_parse(is_stdin ? "standard input" : file, text, size, ret_history);
}

static int node_import_history(int argc, char **argv)
{
	cleanup(json_decrefp) json_t *history = NULL;
	cleanup(json_decrefp) json_t *reply = NULL;
	const char *file = NULL;
	const struct cli_argument arguments[] = { { NULL, &file } };
	int r = cli_parse(argc, argv, arguments, ARRAY_SIZE(arguments));

	if (r != CLI_OK)
		return r;
	if (!file)
		return cli_usage_error("import which file? Give its path, or - for standard input");
	r = history_read(file, &history);
	if (r == CLI_OK)
		r = api_post(HISTORY_PATH, NULL, history, JSON_OBJECT, &reply);
	if (r != CLI_OK)
		return r;
	if (cli_options.json)
		cli_print_json(reply);
	else
		fprintf(cli_out(), "history imported\n");
	return CLI_OK;
}

int node_main(int argc, char **argv)
{
	static const struct cli_command commands[] = {
		{ "show", node_show, "", "the daemon, its interfaces, and how full its maps are" },
		{ "export-history", node_export_history, "",
		  "the table changes that flows may remember, as JSON" },
		{ "import-history", node_import_history, "FILE",
		  "take over those of another node; - is standard input" },
		CLI_HELP,
	};

	return cmd_select("node", commands, argc, argv);
}
