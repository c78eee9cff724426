/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Configurations that are planned, applied, tried and rolled back.
 */
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "config/config_file.h"
#include "tools/leat/cli.h"

#define STANDARD_INPUT "/dev/stdin"
#define CONFLICT       412 /* HTTP's: another version runs */

struct config_text {
	char *data;
	size_t size;
};

static void text_deinit(struct config_text *text)
{
	free(text->data);
}

/* leatd looks at what is in it. */
static int text_read(const char *file, struct config_text *text)
{
	const char *path = strcmp(file, "-") == 0 ? STANDARD_INPUT : file;
	cleanup(config_errors_deinit) struct config_errors errors = {};

	if (config_file_read(path, &text->data, &text->size, &errors) < 0)
		return cli_error("%s %s", file, errors.count ? errors.list[0].text : "?");
	if (text->size > CONFIG_FILE_MAX_SIZE)
		return cli_error("%s is larger than %d MiB, which is the most", file,
				 CONFIG_FILE_MAX_SIZE / 1024 / 1024);
	return CLI_OK;
}

static void version_print(const char *before, const json_t *reply)
{
	fprintf(cli_out(), "%s %s\n", before, reply_text(reply, "version"));
}

/* "42s" until the trial's end. */
static const char *left_format(const json_t *trial, char text[CLI_NUMBER_SIZE])
{
	uint64_t until = reply_count(trial, "until"), now = clock_wall_s();

	return cli_format_duration(until > now ? until - now : 0, text);
}

static void trial_print(const json_t *trial)
{
	char left[CLI_NUMBER_SIZE];

	if (!json_is_object(trial))
		return;
	cli_print_coloured(CLI_YELLOW, "on trial: goes back to %" PRIu64,
			   reply_count(trial, "back_to"));
	fprintf(cli_out(),
		" in %s unless %s, or when fewer than %" PRIu64
		"%% of a service's backends are healthy\n",
		left_format(trial, left),
		reply_flag(trial, "needs_confirmation") ? "confirmed (leat config confirm)"
							: "it stays healthy",
		reply_count(trial, "min_healthy"));
}

static void applied_print(const json_t *reply)
{
	forecast_print(reply);
	version_print("configuration applied; now runs version", reply);
	trial_print(json_object_get(reply, "trial"));
}

static void planned_print(const json_t *reply)
{
	forecast_print(reply);
	version_print("nothing was changed; what runs is version", reply);
}

static void reply_print(const json_t *reply, void (*print)(const json_t *))
{
	if (cli_options.json)
		cli_print_json(reply);
	else
		print(reply);
}

int config_plan(int argc, char **argv)
{
	cleanup(text_deinit) struct config_text text = {};
	cleanup(json_decrefp) json_t *reply = NULL;
	const char *file = NULL, *now = NULL;
	const struct cli_argument arguments[] = { { NULL, &file }, { "--now", &now } };
	int r = cli_parse(argc, argv, arguments, ARRAY_SIZE(arguments));

	if (r != CLI_OK)
		return r;
	if (!file)
		return cli_usage_error("plan which file? Give its path, or - for standard input");
	r = text_read(file, &text);
	if (r == CLI_OK) {
		const struct api_parameter parameters[] = { { "name", file },
							    { "now", now ? "1" : NULL } };

		r = api_post_text("/v1/config/plan", parameters, ARRAY_SIZE(parameters), text.data,
				  text.size, &reply, NULL);
	}
	if (r == CLI_OK)
		reply_print(reply, planned_print);
	return r;
}

/* Words that have no meaning without rollback-after. */
static int check_trial(const char *after, const char *confirmed, const char *unhealthy,
		       const char *least)
{
	if (!after && (confirmed || unhealthy || least))
		return cli_usage_error("unless-confirmed, if-unhealthy and min-healthy go with "
				       "rollback-after");
	if (confirmed && unhealthy)
		return cli_usage_error("it is either unless-confirmed or if-unhealthy");
	return CLI_OK;
}

int config_apply(int argc, char **argv)
{
	cleanup(text_deinit) struct config_text text = {};
	cleanup(json_decrefp) json_t *reply = NULL;
	const char *file = NULL, *now = NULL, *version = NULL, *after = NULL, *least = NULL;
	const char *confirmed = NULL, *unhealthy = NULL;
	const struct cli_argument arguments[] = {
		{ NULL, &file },
		{ "--now", &now },
		{ "if-version", &version },
		{ "rollback-after", &after },
		{ "min-healthy", &least },
		{ "--unless-confirmed", &confirmed },
		{ "--if-unhealthy", &unhealthy },
	};
	int r = cli_parse(argc, argv, arguments, ARRAY_SIZE(arguments));
	long status = 0;

	if (r == CLI_OK)
		r = check_trial(after, confirmed, unhealthy, least);
	if (r != CLI_OK)
		return r;
	if (!file)
		return cli_usage_error("apply which file? Give its path, or - for standard input");
	r = text_read(file, &text);
	if (r == CLI_OK) {
		const struct api_parameter parameters[] = {
			{ "name", file },	   { "now", now ? "1" : NULL },
			{ "if_version", version }, { "rollback_after", after },
			{ "min_healthy", least },  { "if_unhealthy", unhealthy ? "1" : NULL },
		};

		r = api_post_text("/v1/config/apply", parameters, ARRAY_SIZE(parameters), text.data,
				  text.size, &reply, &status);
	}
	if (r == CLI_OK)
		reply_print(reply, applied_print);
	return status == CONFLICT ? CLI_CONFLICT : r;
}

int config_rollback(int argc, char **argv)
{
	cleanup(json_decrefp) json_t *reply = NULL;
	const char *version = NULL, *now = NULL;
	const struct cli_argument arguments[] = { { NULL, &version }, { "--now", &now } };
	int r = cli_parse(argc, argv, arguments, ARRAY_SIZE(arguments));

	if (r == CLI_OK) {
		const struct api_parameter parameters[] = { { "version", version },
							    { "now", now ? "1" : NULL } };

		r = api_post_text("/v1/config/rollback", parameters, ARRAY_SIZE(parameters), NULL,
				  0, &reply, NULL);
	}
	if (r == CLI_OK)
		reply_print(reply, applied_print);
	return r;
}

static void confirmed_print(const json_t *reply)
{
	version_print("confirmed: version", reply);
}

int config_confirm(int argc, char **argv)
{
	cleanup(json_decrefp) json_t *reply = NULL;
	int r = cli_parse(argc, argv, NULL, 0);

	if (r == CLI_OK)
		r = api_post("/v1/config/confirm", NULL, NULL, JSON_OBJECT, &reply);
	if (r == CLI_OK)
		reply_print(reply, confirmed_print);
	return r;
}

static void history_print(const json_t *history)
{
	static const struct cli_column columns[] = {
		{ "VERSION", false },
		{ "AGO", true },
		{ "BY", false },
		{ "WHAT", false },
	};
	cleanup(cli_table_deinit) struct cli_table table = CLI_TABLE(columns);
	const json_t *versions = json_object_get(history, "versions"), *version;
	uint64_t now = clock_wall_s();
	size_t i;

	json_array_foreach(versions, i, version) {
		uint64_t then = reply_count(version, "timestamp");
		char ago[CLI_NUMBER_SIZE];

		cli_table_add_coloured(&table, i == 0 ? CLI_BOLD : CLI_PLAIN, "%s",
				       reply_text(version, "version"));
		cli_table_add(&table, "%s", cli_format_duration(now > then ? now - then : 0, ago));
		cli_table_add(&table, "%s", reply_text(version, "by"));
		cli_table_add(&table, "%s", reply_text(version, "note"));
	}
	cli_table_print(&table, 0);
	trial_print(json_object_get(history, "trial"));
}

int config_history(int argc, char **argv)
{
	cleanup(json_decrefp) json_t *history = NULL;
	int r = cli_parse(argc, argv, NULL, 0);

	if (r == CLI_OK)
		r = api_get("/v1/config/history", NULL, 0, JSON_OBJECT, &history);
	if (r == CLI_OK)
		reply_print(history, history_print);
	return r;
}
