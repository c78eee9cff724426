/* SPDX-License-Identifier: GPL-2.0-only */
#include "config/config_file.h"

#include "tools/leat/cli.h"

/* Asked for first: if it changes meanwhile, an apply with it is refused, and the other way round it would
 * not be. */
static int version_get(json_t **ret_history)
{
	return api_get("/v1/config/history", NULL, 0, JSON_OBJECT, ret_history);
}

static int config_show(int argc, char **argv)
{
	cleanup(json_decrefp) json_t *history = NULL;
	cleanup(json_decrefp) json_t *config = NULL;
	int r = cli_parse(argc, argv, NULL, 0);

	if (r == CLI_OK && !cli_options.json)
		r = version_get(&history);
	if (r == CLI_OK)
		r = api_get("/v1/config", NULL, 0, JSON_OBJECT, &config);
	if (r != CLI_OK)
		return r;
	if (cli_options.json) {
		cli_print_json(config);
		return CLI_OK;
	}
	fprintf(cli_out(), "# version %s\n", reply_text(history, "version"));
	cli_print_yaml(config);
	return CLI_OK;
}

static int config_reload(int argc, char **argv)
{
	cleanup(json_decrefp) json_t *reply = NULL;
	const char *now = NULL;
	const struct cli_argument arguments[] = { { "--now", &now } };
	int r = cli_parse(argc, argv, arguments, ARRAY_SIZE(arguments));

	if (r == CLI_OK)
		r = api_post(now ? "/v1/config/reload?now=1" : "/v1/config/reload", NULL, NULL,
			     JSON_OBJECT, &reply);
	if (r != CLI_OK)
		return r;
	if (cli_options.json)
		cli_print_json(reply);
	else
		fprintf(cli_out(), "configuration reloaded\n");
	return CLI_OK;
}

static void errors_print_json(const char *file, const struct config_errors *errors)
{
	cleanup(json_decrefp) json_t *report = json_object();
	cleanup(freep) char *summary = NULL;
	json_t *list = json_array();

	if (asprintf(&summary, "%s is not a valid configuration", file) < 0)
		summary = NULL;
	cli_allocated(summary);
	for (size_t i = 0; i < errors->count; i++) {
		const struct config_error *error = &errors->list[i];

		json_array_append_new(list,
				      json_pack("{s:o, s:i, s:i, s:o}", "file",
						cli_json_string(error->file), "line",
						(int)error->line, "column", (int)error->column,
						"text", cli_json_string(error->text)));
	}
	json_object_set_new(report, "error", cli_json_string(summary));
	json_object_set_new(report, "errors", list);
	cli_print_json(report);
}

static void errors_print(const char *file, const struct config_errors *errors)
{
	cleanup(freep) char *text = NULL;

	if (cli_options.json) {
		errors_print_json(file, errors);
		return;
	}
	text = config_errors_format(errors);
	fputs(cli_allocated(text), stderr);
}

static void summary_print(const char *file, const struct config *config)
{
	cleanup(json_decrefp) json_t *summary = NULL;
	size_t backends = 0;

	for (size_t i = 0; i < config->service_count; i++)
		backends += config->services[i].backend_count;

	if (!cli_options.json) {
		fprintf(cli_out(), "%s is valid; interfaces: %zu, services: %zu, backends: %zu\n",
			file, config->interface_count, config->service_count, backends);
		return;
	}
	summary = json_pack("{s:o, s:b, s:I, s:I, s:I}", "file", cli_json_string(file), "valid", 1,
			    "interfaces", (json_int_t)config->interface_count, "services",
			    (json_int_t)config->service_count, "backends", (json_int_t)backends);
	cli_print_json(summary);
}

static int config_check(int argc, char **argv)
{
	cleanup(config_errors_deinit) struct config_errors errors = {};
	cleanup(config_freep) struct config *config = NULL;
	const char *file = NULL;
	const struct cli_argument arguments[] = { { NULL, &file } };
	int r = cli_parse(argc, argv, arguments, ARRAY_SIZE(arguments));

	if (r != CLI_OK)
		return r;
	if (!file)
		return cli_usage_error("check which file? Give its path");
	if (config_file_load(file, &config, &errors) < 0) {
		errors_print(file, &errors);
		return CLI_FAILURE;
	}
	summary_print(file, config);
	return CLI_OK;
}

int config_main(int argc, char **argv)
{
	static const struct cli_command commands[] = {
		{ "show", config_show, "", "the configuration that runs" },
		{ "check", config_check, "FILE",
		  "everything that is wrong with a file, or nothing" },
		{ "plan", config_plan, "FILE [--now]",
		  "what a file would change, which is not done; - is standard input" },
		{ "apply", config_apply,
		  "FILE [--now] [--if-version VERSION] [--rollback-after TIME] "
		  "[--unless-confirmed] [--if-unhealthy] [--min-healthy PERCENT]",
		  "have leatd run it in the place of its own file, for good or on trial" },
		{ "confirm", config_confirm, "", "end the trial: what runs stays" },
		{ "history", config_history, "", "the versions that ran lately, and by what" },
		{ "rollback", config_rollback, "[VERSION] [--now]",
		  "go back to a version, by default the one before" },
		{ "reload", config_reload, "[--now]",
		  "have leatd read its file again; what is gone from it drains, or ends now" },
		CLI_HELP,
	};

	return cmd_select("config", commands, argc, argv);
}
