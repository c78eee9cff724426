/* SPDX-License-Identifier: GPL-2.0-only */
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/number.h"
#include "maps/limits.h"
#include "tools/leat/cli.h"

#define MAX_DEADLINE_MS (UINT64_C(7) * 24 * 3600 * 1000)

struct selection {
	const char *backend;
	const char *service;
	const char *plan; /* not NULL: only asks what would change */
};

static enum cli_colour state_colour(const char *state)
{
	if (strcmp(state, "up") == 0)
		return CLI_GREEN;
	return strcmp(state, "down") == 0 ? CLI_RED : CLI_YELLOW;
}

static bool is_operators(const json_t *backend)
{
	return json_is_string(json_object_get(backend, "operator"));
}

/* "100", "50 (file: 100)", "100 (at 40%)", "50 (file: 100, at 40%)" */
static char *weight_format(const json_t *backend)
{
	bool has_operators = json_is_integer(json_object_get(backend, "operator_weight"));
	uint64_t ramp = reply_count(backend, "ramp_percent");
	bool is_ramping = ramp > 0 && ramp < 100;
	char *text = NULL;
	size_t size;
	FILE *stream = cli_allocated(open_memstream(&text, &size));

	fprintf(stream, "%" PRIu64, reply_count(backend, "weight"));
	if (has_operators)
		fprintf(stream, " (file: %" PRIu64, reply_count(backend, "configured_weight"));
	if (is_ramping)
		fprintf(stream, "%sat %" PRIu64 "%%", has_operators ? ", " : " (", ramp);
	fputs(has_operators || is_ramping ? ")" : "", stream);
	fclose(stream);
	return cli_allocated(text);
}

void backend_add_weight(struct cli_table *table, const json_t *backend)
{
	cleanup(freep) char *weight = weight_format(backend);

	cli_table_add(table, "%s", weight);
}

/* Who made it so: the operator, or a file that no longer has it. */
static const char *state_note(const json_t *backend)
{
	bool is_leaving = reply_flag(backend, "leaving");

	if (is_operators(backend))
		return is_leaving ? " (operator, leaving)" : " (operator)";
	return is_leaving ? " (leaving)" : "";
}

void backend_add_state(struct cli_table *table, const json_t *backend)
{
	const char *state = reply_text(backend, "state");

	cli_table_add_coloured(table, state_colour(state), "%s%s", state, state_note(backend));
}

void backend_add_flows(struct cli_table *table, const json_t *backend)
{
	if (reply_flag(backend, "flows_counted"))
		cli_table_add_number(table, reply_number(backend, "flows"));
	else
		cli_table_add(table, "-");
}

static void title_print(const json_t *backend)
{
	const char *state = reply_text(backend, "state");
	uint64_t changed = reply_count(backend, "changed");
	uint64_t now = clock_wall_s();
	char since[CLI_NUMBER_SIZE];

	cli_print_coloured(CLI_BOLD, "%s", reply_text(backend, "name"));
	fprintf(cli_out(), " of %s  %s  ", reply_text(backend, "service"),
		reply_text(backend, "address"));
	cli_print_coloured(state_colour(state), "%s%s", state, state_note(backend));
	if (changed > 0 && changed <= now)
		fprintf(cli_out(), " for %s", cli_format_duration(now - changed, since));
	fprintf(cli_out(), ": %s\n", reply_text(backend, "reason"));
}

static void weight_print(const json_t *backend)
{
	cleanup(freep) char *weight = weight_format(backend);

	fprintf(cli_out(), "    weight %s, %.1f%% of the table (%" PRIu64 " slots)\n", weight,
		reply_number(backend, "share") * 100, reply_count(backend, "slots"));
}

/* The memory of a service that remembers none has only those of slots that changed. */
static void flows_print(const json_t *backend)
{
	uint64_t slots = reply_count(backend, "previous_slots");
	uint64_t silent_s = reply_count(backend, "silent_s");
	char silent[CLI_NUMBER_SIZE];

	if (!reply_flag(backend, "flows_counted"))
		fprintf(cli_out(), "    flows: -");
	else
		fprintf(cli_out(), "    flows: %" PRIu64 " live, %" PRIu64 " closing",
			reply_count(backend, "flows"), reply_count(backend, "closing_flows"));
	if (slots > 0)
		fprintf(cli_out(), "; older ones in %" PRIu64 " open slots", slots);
	if (silent_s > 0)
		fprintf(cli_out(), "; silent ones count as ended in %s",
			cli_format_duration(silent_s, silent));
	fputs(reply_flag(backend, "is_drained") ? "; none is left\n" : "\n", cli_out());
}

static void counters_print(const json_t *backend)
{
	char packets[CLI_NUMBER_SIZE], bytes[CLI_NUMBER_SIZE];
	char packet_rate[CLI_NUMBER_SIZE], byte_rate[CLI_NUMBER_SIZE];

	fprintf(cli_out(), "    %s packets, %s/s; %s bytes, %s/s\n",
		cli_format_number(reply_number(backend, "packets"), packets),
		cli_format_number(reply_number(backend, "packets_per_second"), packet_rate),
		cli_format_number(reply_number(backend, "bytes"), bytes),
		cli_format_number(reply_number(backend, "bytes_per_second"), byte_rate));
}

static void next_hop_print(const json_t *next_hop)
{
	const char *interface = json_string_value(json_object_get(next_hop, "interface"));
	const char *mac = json_string_value(json_object_get(next_hop, "mac"));

	fprintf(cli_out(), "    next hop: %s", reply_text(next_hop, "state"));
	if (mac)
		fprintf(cli_out(), ", %s", mac);
	if (interface)
		fprintf(cli_out(), " on %s", interface);
	fprintf(cli_out(), "%s\n", reply_flag(next_hop, "gateway") ? ", a gateway" : "");
}

static void backends_print(const json_t *backends)
{
	const json_t *backend;
	size_t i;

	if (json_array_size(backends) == 0)
		fprintf(cli_out(), "no backends\n");
	json_array_foreach(backends, i, backend) {
		fputs(i > 0 ? "\n" : "", cli_out());
		title_print(backend);
		weight_print(backend);
		flows_print(backend);
		counters_print(backend);
		next_hop_print(json_object_get(backend, "next_hop"));
	}
}

static void backends_print_list(const json_t *backends)
{
	static const struct cli_column columns[] = {
		{ "BACKEND", false }, { "SERVICE", false }, { "ADDRESS", false },
		{ "WEIGHT", true },   { "STATE", false },
	};
	cleanup(cli_table_deinit) struct cli_table table = CLI_TABLE(columns);
	const json_t *backend;
	size_t i;

	json_array_foreach(backends, i, backend) {
		cli_table_add(&table, "%s", reply_text(backend, "name"));
		cli_table_add(&table, "%s", reply_text(backend, "service"));
		cli_table_add(&table, "%s", reply_text(backend, "address"));
		backend_add_weight(&table, backend);
		backend_add_state(&table, backend);
	}
	cli_table_print_rows(&table, 0);
}

static int backends_get(int argc, char **argv, json_t **ret_backends)
{
	struct api_parameter parameters[] = { { .name = "name" }, { .name = "service" } };
	const struct cli_argument arguments[] = {
		{ NULL, &parameters[0].value },
		{ "service", &parameters[1].value },
	};
	int r = cli_parse(argc, argv, arguments, ARRAY_SIZE(arguments));

	return r
		       ?: api_get("/v1/backends", parameters, ARRAY_SIZE(parameters), JSON_ARRAY,
				  ret_backends);
}

static int backend_print(int argc, char **argv, void (*print)(const json_t *))
{
	cleanup(json_decrefp) json_t *backends = NULL;
	int r = backends_get(argc, argv, &backends);

	if (r != CLI_OK)
		return r;
	if (cli_options.json)
		cli_print_json(backends);
	else
		print(backends);
	return CLI_OK;
}

static int backend_show(int argc, char **argv)
{
	return backend_print(argc, argv, backends_print);
}

static int backend_list(int argc, char **argv)
{
	return backend_print(argc, argv, backends_print_list);
}

/* Has leatd do it; the reply is what became of the backends concerned, or would. `weight` may be NULL. */
static int backend_post(const struct selection *selection, const char *action,
			const uint64_t *weight, json_t **ret_reply)
{
	cleanup(json_decrefp) json_t *body = json_object();

	json_object_set_new(body, "action", json_string(action));
	if (selection->service)
		json_object_set_new(body, "service", cli_json_string(selection->service));
	if (weight)
		json_object_set_new(body, "weight", json_integer((json_int_t)*weight));
	if (selection->plan)
		json_object_set_new(body, "plan", json_true());

	return api_post("/v1/backends/", selection->backend, body,
			selection->plan ? JSON_OBJECT : JSON_ARRAY, ret_reply);
}

static int backend_change(const struct selection *selection, const char *action,
			  const uint64_t *weight)
{
	cleanup(json_decrefp) json_t *reply = NULL;
	int r = backend_post(selection, action, weight, &reply);

	if (r != CLI_OK)
		return r;
	if (cli_options.json)
		cli_print_json(reply);
	else if (selection->plan)
		forecast_print(reply);
	else
		backends_print_list(reply);
	return CLI_OK;
}

static int backend_act(int argc, char **argv, const char *action)
{
	struct selection selection = {};
	const struct cli_argument arguments[] = {
		{ NULL, &selection.backend },
		{ "service", &selection.service },
		{ "--plan", &selection.plan },
	};
	int r = cli_parse(argc, argv, arguments, ARRAY_SIZE(arguments));

	if (r != CLI_OK)
		return r;
	if (!selection.backend)
		return cli_usage_error("%s which backend? Give its name", action);
	return backend_change(&selection, action, NULL);
}

/* What comes while it waits is written at once, so the list goes ahead of it. */
static int backend_drain_and_wait(const struct selection *selection, uint64_t deadline_ms)
{
	cleanup(json_decrefp) json_t *backends = NULL;
	int r = backend_post(selection, "drain", NULL, &backends);

	if (r == CLI_OK && !cli_options.json) {
		backends_print_list(backends);
		r = cli_flush();
	}
	if (r != CLI_OK)
		return r;
	return drain_wait(selection->backend, selection->service, deadline_ms, backends);
}

static int backend_drain(int argc, char **argv)
{
	struct selection selection = {};
	const char *wait = NULL, *deadline = NULL;
	const struct cli_argument arguments[] = {
		{ NULL, &selection.backend },  { "service", &selection.service },
		{ "--plan", &selection.plan }, { "--wait", &wait },
		{ "deadline", &deadline },
	};
	uint64_t deadline_ms = 0;
	int r = cli_parse(argc, argv, arguments, ARRAY_SIZE(arguments));

	if (r != CLI_OK)
		return r;
	if (!selection.backend)
		return cli_usage_error("drain which backend? Give its name");
	if (wait && selection.plan)
		return cli_usage_error("what is only planned has nothing to wait for");
	if (deadline && !wait)
		return cli_usage_error("a deadline goes with --wait: draining itself has no end");
	if (deadline && duration_parse(deadline, 1, MAX_DEADLINE_MS, &deadline_ms) < 0)
		return cli_usage_error("deadline '%s' is not a duration up to 168h, such as 10m",
				       deadline);
	return wait ? backend_drain_and_wait(&selection, deadline_ms)
		    : backend_change(&selection, "drain", NULL);
}

static int backend_undrain(int argc, char **argv)
{
	return backend_act(argc, argv, "undrain");
}

static int backend_disable(int argc, char **argv)
{
	return backend_act(argc, argv, "disable");
}

static int backend_enable(int argc, char **argv)
{
	return backend_act(argc, argv, "enable");
}

static int backend_set(int argc, char **argv)
{
	struct selection selection = {};
	const char *text = NULL;
	const struct cli_argument arguments[] = {
		{ NULL, &selection.backend },
		{ "service", &selection.service },
		{ "--plan", &selection.plan },
		{ "weight", &text },
	};
	int r = cli_parse(argc, argv, arguments, ARRAY_SIZE(arguments));
	uint64_t weight;

	if (r != CLI_OK)
		return r;
	if (!selection.backend || !text)
		return cli_usage_error("set needs a backend's name and 'weight N'");
	if (number_parse(text, 0, LEAT_MAX_WEIGHT, &weight) < 0)
		return cli_usage_error("weight '%s' is not a number from 0 to %d", text,
				       LEAT_MAX_WEIGHT);
	return backend_change(&selection, "weight", &weight);
}

int backend_main(int argc, char **argv)
{
	static const struct cli_command commands[] = {
		{ "show", backend_show, "[BACKEND] [service SERVICE]",
		  "state, weight, counters and next hop" },
		{ "list", backend_list, "[BACKEND] [service SERVICE]", "one line per backend" },
		{ "drain", backend_drain,
		  "BACKEND [service SERVICE] [--plan] [--wait] [--deadline TIME]",
		  "no new flows; the others go on" },
		{ "undrain", backend_undrain, "BACKEND [service SERVICE] [--plan]",
		  "take back drain" },
		{ "disable", backend_disable, "BACKEND [service SERVICE] [--plan]",
		  "no traffic, whatever its probe says" },
		{ "enable", backend_enable, "BACKEND [service SERVICE] [--plan]",
		  "take back disable" },
		{ "set", backend_set, "BACKEND [service SERVICE] weight N [--plan]",
		  "another weight than the file's" },
		CLI_HELP,
	};

	return cmd_select("backend", commands, argc, argv);
}
