/* SPDX-License-Identifier: GPL-2.0-only */
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "tools/leat/cli.h"

#define MAX_PREFIXES 64 /* on one command line */

/* "in 9m", "when it is deleted" */
static void add_end(struct cli_table *table, const json_t *entry)
{
	uint64_t until = reply_count(entry, "until"), now = clock_wall_s();
	char left[CLI_NUMBER_SIZE];

	if (until)
		cli_table_add(table, "in %s",
			      cli_format_duration(until > now ? until - now : 0, left));
	else
		cli_table_add(table, "never");
}

static void denied_print(const json_t *denied)
{
	static const struct cli_column columns[] = { { "PREFIX", false }, { "ENDS", false } };
	cleanup(cli_table_deinit) struct cli_table table = CLI_TABLE(columns);
	const json_t *list = json_object_get(denied, "denied"), *entry;
	uint64_t configured = reply_count(denied, "configured");
	size_t i;

	json_array_foreach(list, i, entry) {
		cli_table_add(&table, "%s", reply_text(entry, "prefix"));
		add_end(&table, entry);
	}
	if (json_array_size(list))
		cli_table_print(&table, 0);
	else
		fprintf(cli_out(), "nothing is denied at run time\n");
	if (configured)
		fprintf(cli_out(), "The configuration denies %" PRIu64 " more prefix%s.\n",
			configured, configured == 1 ? "" : "es");
}

static void denied_show(const json_t *denied)
{
	if (cli_options.json)
		cli_print_json(denied);
	else
		denied_print(denied);
}

static int deny_show(int argc, char **argv)
{
	cleanup(json_decrefp) json_t *denied = NULL;
	int r = cli_parse(argc, argv, NULL, 0);

	if (r == CLI_OK)
		r = api_get("/v1/denied", NULL, 0, JSON_OBJECT, &denied);
	if (r == CLI_OK)
		denied_show(denied);
	return r;
}

static int deny_change(const char *action, const char *const *prefixes, const char *duration)
{
	cleanup(json_decrefp) json_t *body = json_object(), *denied = NULL;
	json_t *list = json_array();
	int r;

	for (size_t i = 0; i < MAX_PREFIXES && prefixes[i]; i++)
		json_array_append_new(list, cli_json_string(prefixes[i]));
	json_object_set_new(body, "action", json_string(action));
	json_object_set_new(body, "prefixes", list);
	if (duration)
		json_object_set_new(body, "for", cli_json_string(duration));
	r = api_post("/v1/denied", NULL, body, JSON_OBJECT, &denied);
	if (r == CLI_OK)
		denied_show(denied);
	return r;
}

/* The prefixes, and with `ret_duration` how long. */
static int words_parse(int argc, char **argv, const char *prefixes[MAX_PREFIXES],
		       const char **ret_duration)
{
	struct cli_argument arguments[MAX_PREFIXES + 1];
	size_t count = 0;
	int r;

	if (ret_duration)
		arguments[count++] = (struct cli_argument){ "for", ret_duration };
	for (size_t i = 0; i < MAX_PREFIXES; i++)
		arguments[count++] = (struct cli_argument){ NULL, &prefixes[i] };
	r = cli_parse(argc, argv, arguments, count);
	if (r == CLI_OK && !prefixes[0])
		return cli_usage_error("which sources? Give prefixes, such as 192.0.2.0/24");
	return r;
}

static int deny_add(int argc, char **argv)
{
	const char *prefixes[MAX_PREFIXES] = { NULL }, *duration = NULL;
	int r = words_parse(argc, argv, prefixes, &duration);

	return r == CLI_OK ? deny_change("add", prefixes, duration) : r;
}

static int deny_delete(int argc, char **argv)
{
	const char *prefixes[MAX_PREFIXES] = { NULL };
	int r = words_parse(argc, argv, prefixes, NULL);

	return r == CLI_OK ? deny_change("delete", prefixes, NULL) : r;
}

int deny_main(int argc, char **argv)
{
	static const struct cli_command commands[] = {
		{ "show", deny_show, "", "what is denied at run time" },
		{ "add", deny_add, "PREFIX [for TIME]",
		  "drop what these sources send to any service; several prefixes are allowed" },
		{ "del", deny_delete, "PREFIX", "take that back" },
		CLI_HELP,
	};

	return cmd_select("deny", commands, argc, argv);
}
