/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What happened to the node. Each event is printed when it is there, whole, so that whoever reads them
 * from a pipe sees them at once.
 */
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "base/number.h"
#include "tools/leat/cli.h"

#define EVENTS_PATH "/v1/events"
#define MAX_COUNT   1000000000

/* What the words of a command say. */
struct words {
	const char *service, *backend, *kind, *after, *count;
};

struct watch {
	uint64_t left; /* events until the end; UINT64_MAX: there is none */
};

static enum cli_colour level_colour(const char *level)
{
	if (strcmp(level, "error") == 0)
		return CLI_RED;
	return strcmp(level, "warning") == 0 ? CLI_YELLOW : CLI_PLAIN;
}

static void time_print(uint64_t time_ms)
{
	time_t seconds = (time_t)(time_ms / 1000);
	char text[32] = "-";
	struct tm local;

	if (localtime_r(&seconds, &local))
		strftime(text, sizeof(text), "%F %T", &local);
	fprintf(cli_out(), "%s.%03u", text, (unsigned int)(time_ms % 1000));
}

static void lost_print(uint64_t lost)
{
	cli_print_coloured(CLI_YELLOW, "%" PRIu64 " events before are not kept any more", lost);
	fputc('\n', cli_out());
}

/* "12  2026-11-28 23:59:53.120  backend_down  web/web1 is down: L4CON: ..." */
static void event_print(const json_t *event)
{
	const char *kind = reply_text(event, "kind");

	fprintf(cli_out(), "%6" PRIu64 "  ", reply_count(event, "number"));
	time_print(reply_count(event, "time_ms"));
	fputs("  ", cli_out());
	cli_print_coloured(level_colour(reply_text(event, "level")), "%-18s", kind);
	fprintf(cli_out(), "  %s\n", reply_text(event, "text"));
}

static int words_parse(int argc, char **argv, struct words *words, uint64_t *ret_count)
{
	const struct cli_argument arguments[] = {
		{ "service", &words->service }, { "backend", &words->backend },
		{ "kind", &words->kind },	{ "after", &words->after },
		{ "count", &words->count },
	};
	int r = cli_parse(argc, argv, arguments, ARRAY_SIZE(arguments));

	*ret_count = UINT64_MAX;
	if (r == CLI_OK && words->count && number_parse(words->count, 1, MAX_COUNT, ret_count) < 0)
		return cli_usage_error("'%s' is no number of events", words->count);
	return r;
}

static void events_print(const json_t *reply)
{
	const json_t *events = json_object_get(reply, "events"), *event;
	uint64_t lost = reply_count(reply, "lost");
	size_t i;

	if (lost)
		lost_print(lost);
	json_array_foreach(events, i, event)
		event_print(event);
}

/* The latest of them. */
static void events_cut(json_t *reply, uint64_t count)
{
	json_t *events = json_object_get(reply, "events");

	while (json_array_size(events) > count)
		json_array_remove(events, 0);
}

static int event_show(int argc, char **argv)
{
	cleanup(json_decrefp) json_t *reply = NULL;
	struct words words = {};
	uint64_t count;
	int r = words_parse(argc, argv, &words, &count);
	const struct api_parameter parameters[] = {
		{ "service", words.service },
		{ "backend", words.backend },
		{ "kind", words.kind },
		{ "after", words.after },
	};

	if (r == CLI_OK)
		r = api_get(EVENTS_PATH, parameters, ARRAY_SIZE(parameters), JSON_OBJECT, &reply);
	if (r != CLI_OK)
		return r;
	events_cut(reply, count);
	if (cli_options.json)
		cli_print_json(reply);
	else
		events_print(reply);
	return CLI_OK;
}

/* Lines that leatd has sent without having been asked for them do not count. */
static bool watch_take(void *user, const json_t *line)
{
	uint64_t lost = reply_count(line, "lost");
	struct watch *watch = user;

	if (cli_options.json)
		cli_print_json(line);
	else if (lost)
		lost_print(lost);
	else
		event_print(line);
	if (!lost && watch->left != UINT64_MAX)
		watch->left--;
	return cli_flush() == CLI_OK && watch->left > 0;
}

/* Everything that was to be printed is. */
static void on_interrupt(int signal_number)
{
	(void)signal_number;
	_exit(CLI_OK);
}

static int event_watch(int argc, char **argv)
{
	struct words words = {};
	struct watch watch;
	int r = words_parse(argc, argv, &words, &watch.left);
	const struct api_parameter parameters[] = {
		{ "service", words.service },
		{ "backend", words.backend },
		{ "kind", words.kind },
		{ "after", words.after },
		{ "follow", "1" },
	};

	if (r != CLI_OK)
		return r;
	signal(SIGINT, on_interrupt);
	return api_follow(EVENTS_PATH, parameters, ARRAY_SIZE(parameters), watch_take, &watch);
}

int event_main(int argc, char **argv)
{
	static const char arguments[] =
		"[count N] [after NUMBER] [kind KIND] [service SERVICE] [backend BACKEND]";
	static const struct cli_command commands[] = {
		{ "show", event_show, arguments, "the latest events, at most 1024" },
		{ "watch", event_watch, arguments, "events as they happen, until interrupted" },
		CLI_HELP,
	};

	return cmd_select("event", commands, argc, argv);
}
