/* SPDX-License-Identifier: GPL-2.0-only */
#include <inttypes.h>
#include <string.h>

#include "base/number.h"
#include "model/config.h"
#include "tools/leat/cli.h"

char *service_format_endpoint(const json_t *service)
{
	const char *address = reply_text(service, "address");
	const json_t *port = json_object_get(service, "port");
	bool is_ipv6 = strchr(address, ':') != NULL;
	char number[24] = "any";
	char *text;

	if (json_is_integer(port))
		snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(port));
	if (asprintf(&text, "%s%s%s:%s/%s", is_ipv6 ? "[" : "", address, is_ipv6 ? "]" : "", number,
		     reply_text(service, "protocol")) < 0)
		text = NULL;
	return cli_allocated(text);
}

static size_t backends_up(const json_t *backends)
{
	const json_t *backend;
	size_t up = 0;
	size_t i;

	json_array_foreach(backends, i, backend)
		up += strcmp(reply_text(backend, "state"), "up") == 0;
	return up;
}

/* Without those that the configuration no longer has. */
static size_t backends_count(const json_t *backends)
{
	const json_t *backend;
	size_t count = 0;
	size_t i;

	json_array_foreach(backends, i, backend)
		count += !reply_flag(backend, "leaving");
	return count;
}

static enum cli_colour health_colour(size_t up, size_t all)
{
	if (up == 0)
		return CLI_RED;
	return up == all ? CLI_GREEN : CLI_YELLOW;
}

static void header_print(const json_t *service)
{
	const json_t *backends = json_object_get(service, "backends");
	const char *scheduler = reply_text(service, "scheduler");
	size_t all = backends_count(backends);
	size_t up = backends_up(backends);
	cleanup(freep) char *endpoint = service_format_endpoint(service);

	cli_print_coloured(CLI_BOLD, "%s", reply_text(service, "name"));
	fprintf(cli_out(), "  %s  %s", endpoint, scheduler);
	/* The others go by a hash only where they cannot do better. */
	if (strcmp(scheduler, scheduler_name(LEAT_SCHEDULER_HASH)) == 0)
		fprintf(cli_out(), " over %s", reply_text(service, "hash"));
	fprintf(cli_out(), ", %s of %" PRIu64 " slots, %s, ", reply_text(service, "table"),
		reply_count(service, "table_size"), reply_text(service, "forward"));
	cli_print_coloured(health_colour(up, all), "%zu of %zu up\n", up, all);
}

static void probe_print(const json_t *probe)
{
	uint64_t port = reply_count(probe, "port");

	if (!json_is_object(probe)) {
		fprintf(cli_out(), "no probe\n");
		return;
	}
	fprintf(cli_out(), "%s probe", reply_text(probe, "type"));
	if (port)
		fprintf(cli_out(), " of port %" PRIu64, port);
	fprintf(cli_out(), " every %" PRIu64 " ms\n", reply_count(probe, "interval_ms"));
}

static void time_print(const char *name, uint64_t ms, const char *none)
{
	char text[DURATION_TEXT_SIZE];

	fprintf(cli_out(), "%s %s", name, ms > 0 ? duration_format(ms, text) : none);
}

static void times_print(const json_t *service)
{
	time_print("    idle", reply_count(service, "idle_ms"), "-");
	time_print("; slow start", reply_count(service, "slow_start_ms"), "none");
	time_print("; sticky", reply_count(service, "sticky_ms"), "no");
	fprintf(cli_out(), "; open slots: %" PRIu64 "\n", reply_count(service, "open_slots"));
}

static void totals_print(const json_t *service)
{
	char packets[CLI_NUMBER_SIZE], bytes[CLI_NUMBER_SIZE];
	char packet_rate[CLI_NUMBER_SIZE], byte_rate[CLI_NUMBER_SIZE];

	fprintf(cli_out(), "    %s packets, %s/s; %s bytes, %s/s; ",
		cli_format_number(reply_number(service, "packets"), packets),
		cli_format_number(reply_number(service, "packets_per_second"), packet_rate),
		cli_format_number(reply_number(service, "bytes"), bytes),
		cli_format_number(reply_number(service, "bytes_per_second"), byte_rate));
	probe_print(json_object_get(service, "probe"));
}

/* "    not forwarded: 9 no_backend, 3 denied" */
static void refused_print(json_t *refused)
{
	const char *reason, *separator = "    not forwarded: ";
	char packets[CLI_NUMBER_SIZE];
	json_t *count;

	json_object_foreach(refused, reason, count) {
		fprintf(cli_out(), "%s%s %s", separator,
			cli_format_number(json_number_value(count), packets), reason);
		separator = ", ";
	}
	fputs(json_object_size(refused) ? "\n" : "", cli_out());
}

static void backends_print(const json_t *backends)
{
	static const struct cli_column columns[] = {
		{ "BACKEND", false }, { "ADDRESS", false }, { "WEIGHT", true },	 { "STATE", false },
		{ "SHARE", true },    { "FLOWS", true },    { "PACKETS", true }, { "BYTES", true },
		{ "PKT/S", true },    { "REASON", false },
	};
	cleanup(cli_table_deinit) struct cli_table table = CLI_TABLE(columns);
	const json_t *backend;
	size_t i;

	json_array_foreach(backends, i, backend) {
		cli_table_add(&table, "%s", reply_text(backend, "name"));
		cli_table_add(&table, "%s", reply_text(backend, "address"));
		backend_add_weight(&table, backend);
		backend_add_state(&table, backend);
		cli_table_add(&table, "%.1f%%", reply_number(backend, "share") * 100);
		backend_add_flows(&table, backend);
		cli_table_add_number(&table, reply_number(backend, "packets"));
		cli_table_add_number(&table, reply_number(backend, "bytes"));
		cli_table_add_number(&table, reply_number(backend, "packets_per_second"));
		cli_table_add(&table, "%s", reply_text(backend, "reason"));
	}
	cli_table_print(&table, 4);
}

static void services_print(const json_t *services)
{
	const json_t *service;
	size_t i;

	if (json_array_size(services) == 0)
		fprintf(cli_out(), "no services\n");
	json_array_foreach(services, i, service) {
		fputs(i > 0 ? "\n" : "", cli_out());
		header_print(service);
		totals_print(service);
		refused_print(json_object_get(service, "refused"));
		times_print(service);
		backends_print(json_object_get(service, "backends"));
	}
}

static void services_print_list(const json_t *services)
{
	static const struct cli_column columns[] = {
		{ "SERVICE", false },
		{ "ADDRESS", false },
		{ "BACKENDS", false },
	};
	cleanup(cli_table_deinit) struct cli_table table = CLI_TABLE(columns);
	const json_t *service;
	size_t i;

	json_array_foreach(services, i, service) {
		const json_t *backends = json_object_get(service, "backends");
		size_t all = backends_count(backends);
		size_t up = backends_up(backends);
		cleanup(freep) char *endpoint = service_format_endpoint(service);

		cli_table_add(&table, "%s", reply_text(service, "name"));
		cli_table_add(&table, "%s", endpoint);
		cli_table_add_coloured(&table, health_colour(up, all), "%zu/%zu up", up, all);
	}
	cli_table_print_rows(&table, 0);
}

static int services_get(int argc, char **argv, json_t **ret_services)
{
	struct api_parameter name = { .name = "name" };
	const struct cli_argument arguments[] = { { NULL, &name.value } };
	int r = cli_parse(argc, argv, arguments, ARRAY_SIZE(arguments));

	return r ?: api_get("/v1/services", &name, 1, JSON_ARRAY, ret_services);
}

static int service_print(int argc, char **argv, void (*print)(const json_t *))
{
	cleanup(json_decrefp) json_t *services = NULL;
	int r = services_get(argc, argv, &services);

	if (r != CLI_OK)
		return r;
	if (cli_options.json)
		cli_print_json(services);
	else
		print(services);
	return CLI_OK;
}

static int service_show(int argc, char **argv)
{
	return service_print(argc, argv, services_print);
}

static int service_list(int argc, char **argv)
{
	return service_print(argc, argv, services_print_list);
}

int service_main(int argc, char **argv)
{
	static const struct cli_command commands[] = {
		{ "show", service_show, "[SERVICE]", "services, their counters and backends" },
		{ "list", service_list, "[SERVICE]", "one line per service" },
		CLI_HELP,
	};

	return cmd_select("service", commands, argc, argv);
}
