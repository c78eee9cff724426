/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <string.h>

#include "base/number.h"
#include "datapath/decap.h"
#include "tools/leat/cli.h"

static const struct {
	const char *label;
	const char *text;
} reasons[] = {
#define X(name, verdict, label, text) { label, text },
	LEAT_DECAP_REASONS(X)
#undef X
};

/* What the words of an attach command ask for. */
struct request {
	struct decap_config config;
	enum attach_mode mode;
};

static void request_deinit(struct request *request)
{
	decap_config_deinit(&request->config);
}

static int take_inner(struct request *request, const char *word)
{
	struct leat_addr address;
	int r;

	if (address_parse(word, &address) < 0)
		return cli_usage_error("%s is no IPv4 or IPv6 address", word);
	r = decap_add_inner(&request->config, &address);
	return r < 0 ? cli_error("at most %d addresses can be named", LEAT_MAX_DECAP_INNER)
		     : CLI_OK;
}

static int take_source(struct request *request, const char *word)
{
	struct prefix prefix;
	int r;

	if (prefix_parse(word, &prefix) < 0)
		return cli_usage_error("%s is no prefix, such as 192.0.2.0/24", word);
	r = decap_add_source(&request->config, &prefix);
	return r < 0 ? cli_error("at most %d prefixes can be named", LEAT_MAX_DECAP_SOURCES)
		     : CLI_OK;
}

static int take_gue(struct request *request, const char *word)
{
	uint64_t port;

	if (number_parse(word, 1, UINT16_MAX, &port) < 0)
		return cli_usage_error("%s is no port", word);
	request->config.gue_port = (uint16_t)port;
	return CLI_OK;
}

static int take_mode(struct request *request, const char *word)
{
	for (int mode = ATTACH_AUTO; mode <= ATTACH_GENERIC; mode++) {
		if (strcmp(word, attach_mode_name((enum attach_mode)mode)) != 0)
			continue;
		request->mode = (enum attach_mode)mode;
		return CLI_OK;
	}
	return cli_usage_error("%s is no mode; auto, native and generic are", word);
}

/* Each keyword holds for all words up to the next one. */
static int parse_request(int argc, char **argv, struct request *request)
{
	static const struct {
		const char *keyword;
		int (*take)(struct request *request, const char *word);
	} keywords[] = { { "for", take_inner },
			 { "from", take_source },
			 { "gue", take_gue },
			 { "mode", take_mode } };
	int (*take)(struct request * request, const char *word) = NULL;

	for (int i = 0; i < argc; i++) {
		bool is_keyword = false;
		int r;

		for (size_t k = 0; k < ARRAY_SIZE(keywords) && !is_keyword; k++) {
			is_keyword = strcmp(argv[i], keywords[k].keyword) == 0;
			if (is_keyword)
				take = keywords[k].take;
		}
		if (is_keyword)
			continue;
		if (!take)
			return cli_usage_error("%s stands before 'for', 'from', 'gue' or 'mode'",
					       argv[i]);
		r = take(request, argv[i]);
		if (r != CLI_OK)
			return r;
	}
	if (request->config.inner_count == 0)
		return cli_usage_error("name the inner destinations: attach DEV for ADDRESS...");
	return CLI_OK;
}

static int explain(const char *interface, int result)
{
	if (result == -ENOENT)
		return cli_error("%s has no leat-decap", interface);
	if (result == -EPERM)
		return cli_error("%s: not permitted; run it as root", interface);
	return cli_error("%s", cli_logged_error(strerror(-result)));
}

static int decap_run_attach(int argc, char **argv)
{
	cleanup(request_deinit) struct request request = {
		.config.gue_port = CONFIG_DEFAULT_GUE_PORT,
		.mode = ATTACH_AUTO,
	};
	struct interface_status status;
	int r;

	if (argc < 1)
		return cli_usage_error("name the interface: attach DEV for ADDRESS...");
	r = parse_request(argc - 1, argv + 1, &request);
	if (r != CLI_OK)
		return r;
	r = decap_add_own_addresses(&request.config);
	if (r == 0)
		r = decap_attach(argv[0], request.mode, &request.config, &status);
	if (r < 0)
		return explain(argv[0], r);
	if (cli_options.json) {
		cleanup(json_decrefp) json_t *json =
			cli_allocated(json_pack("{s:s, s:s}", "interface", status.name, "mode",
						attach_mode_name(status.mode)));

		cli_print_json(json);
		return CLI_OK;
	}
	fprintf(cli_out(), "%s: unwraps in %s mode, addressed to %zu own addresses\n", status.name,
		attach_mode_name(status.mode), request.config.outer_count);
	return CLI_OK;
}

static int decap_run_detach(int argc, char **argv)
{
	int r;

	if (argc != 1)
		return cli_usage_error("name one interface: detach DEV");
	r = decap_detach(argv[0]);
	return r < 0 ? explain(argv[0], r) : CLI_OK;
}

static json_t *addresses_json(const struct leat_addr *addresses, size_t count)
{
	json_t *list = cli_allocated(json_array());
	char text[ADDRESS_TEXT_SIZE];

	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, json_string(address_format(&addresses[i], text)));
	return list;
}

static json_t *prefixes_json(const struct prefix *prefixes, size_t count)
{
	json_t *list = cli_allocated(json_array());
	char text[PREFIX_TEXT_SIZE];

	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, json_string(prefix_format(&prefixes[i], text)));
	return list;
}

static json_t *reasons_json(const struct decap_status *status)
{
	json_t *list = cli_allocated(json_array());

	for (size_t i = 0; i < LEAT_DECAP_REASON_COUNT; i++)
		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:I, s:I}", "reason", reasons[i].label,
						"text", reasons[i].text, "packets",
						(json_int_t)status->reasons[i].packets, "bytes",
						(json_int_t)status->reasons[i].bytes));
	return list;
}

static json_t *status_json(const struct decap_status *status)
{
	const struct decap_config *config = &status->config;

	return cli_allocated(json_pack("{s:s, s:s, s:b, s:o, s:o, s:o, s:o}", "interface",
				       status->interface.name, "mode",
				       attach_mode_name(status->interface.mode), "dispatcher",
				       status->interface.has_dispatcher, "for",
				       addresses_json(config->inner, config->inner_count), "from",
				       prefixes_json(config->sources, config->source_count), "own",
				       addresses_json(config->outer, config->outer_count),
				       "reasons", reasons_json(status)));
}

static void print_list(const char *title, const json_t *list, const char *otherwise)
{
	const json_t *text;
	size_t i;

	fprintf(cli_out(), "  %-5s", title);
	if (json_array_size(list) == 0)
		fprintf(cli_out(), " %s", otherwise);
	json_array_foreach(list, i, text)
		fprintf(cli_out(), " %s", json_string_value(text));
	fputc('\n', cli_out());
}

static void print_status(const json_t *status)
{
	static const struct cli_column columns[] = {
		{ "REASON", false }, { "PACKETS", true }, { "BYTES", true }, { "MEANING", false }
	};
	cleanup(cli_table_deinit) struct cli_table table = CLI_TABLE(columns);
	const json_t *reason;
	size_t i;

	cli_print_coloured(CLI_BOLD, "%s", reply_text(status, "interface"));
	fprintf(cli_out(), " leat-decap in %s mode%s\n", reply_text(status, "mode"),
		reply_flag(status, "dispatcher") ? ", behind a dispatcher" : "");
	print_list("for", json_object_get(status, "for"), "nothing");
	print_list("from", json_object_get(status, "from"), "any source");
	print_list("own", json_object_get(status, "own"), "no address");
	json_array_foreach(json_object_get(status, "reasons"), i, reason) {
		cli_table_add(&table, "%s", reply_text(reason, "reason"));
		cli_table_add_number(&table, reply_number(reason, "packets"));
		cli_table_add_number(&table, reply_number(reason, "bytes"));
		cli_table_add(&table, "%s", reply_text(reason, "text"));
	}
	cli_table_print(&table, 2);
}

static int append_status(json_t *list, const char *interface)
{
	struct decap_status status;
	int r = decap_read(interface, &status);

	if (r < 0)
		return r;
	json_array_append_new(list, status_json(&status));
	decap_config_deinit(&status.config);
	return 0;
}

static int append_all(json_t *list)
{
	struct if_nameindex *all = if_nameindex();
	int r = 0;

	for (const struct if_nameindex *i = all; r == 0 && i && i->if_index; i++) {
		r = append_status(list, i->if_name);
		if (r == -ENOENT)
			r = 0;
	}
	if_freenameindex(all);
	return r;
}

static int decap_run_show(int argc, char **argv)
{
	cleanup(json_decrefp) json_t *list = cli_allocated(json_array());
	const json_t *status;
	size_t i;
	int r;

	if (argc > 1)
		return cli_usage_error("name one interface, or none for all: show [DEV]");
	r = argc ? append_status(list, argv[0]) : append_all(list);
	if (r < 0)
		return explain(argc ? argv[0] : "interfaces", r);
	if (cli_options.json) {
		cli_print_json(list);
		return CLI_OK;
	}
	json_array_foreach(list, i, status)
		print_status(status);
	if (json_array_size(list) == 0)
		fputs("No interface has a leat-decap.\n", cli_out());
	return CLI_OK;
}

int decap_main(int argc, char **argv)
{
	static const struct cli_command commands[] = {
		{ "show", decap_run_show, "[DEV]", "what is unwrapped where, and how much" },
		{ "attach", decap_run_attach,
		  "DEV for ADDRESS... [from PREFIX...] [gue PORT] [mode auto|native|generic]",
		  "unwrap IP-in-IP for these inner destinations" },
		{ "detach", decap_run_detach, "DEV", "stop unwrapping" },
		CLI_HELP,
	};

	return cmd_select("decap", commands, argc, argv);
}
