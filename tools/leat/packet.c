/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <string.h>

#include "base/number.h"
#include "config/config_file.h"
#include "daemon/rehearsal.h"
#include "tools/leat/cli.h"
#include "tools/leat/pcap.h"
#include "tools/leat/reasons.h"

/* An IPv6 outer header may join, and the kernel keeps some of a page for itself. */
#define MAX_VLAN 4094

#define ROOM (PCAP_MAX_PACKET + LEAT_OUTER_LEN_MAX)

static int load_config(const char *path, struct config **ret_config)
{
	cleanup(config_errors_deinit) struct config_errors errors = { 0 };
	cleanup(freep) char *text = NULL;
	int r = config_file_load(path, ret_config, &errors);

	if (r == 0)
		return CLI_OK;
	text = cli_allocated(config_errors_format(&errors));
	return cli_error("%.*s", (int)strlen(text) - 1, text); /* without the last newline */
}

/* One packet's story; a packet that the kernel's test run does not take has no verdict. */
static json_t *describe(const struct rehearsal *rehearsal, uint32_t index, size_t size_in,
			int result, const struct datapath_run *run)
{
	const struct service *service = rehearsal_service(rehearsal, run->trace.service);
	const struct backend *backend = rehearsal_backend(rehearsal, run->trace.backend);

	if (result < 0)
		return cli_allocated(json_pack("{s:I, s:n, s:s, s:n, s:n, s:I, s:n}", "index",
					       (json_int_t)index, "verdict", "reason", "not_run",
					       "service", "backend", "size_in", (json_int_t)size_in,
					       "size_out"));
	return cli_allocated(json_pack("{s:I, s:s, s:s, s:s?, s:s?, s:I, s:I}", "index",
				       (json_int_t)index, "verdict", action_name(run->action),
				       "reason", reason_label(run->trace.reason), "service",
				       service ? service->config.name : NULL, "backend",
				       backend ? backend->config.name : NULL, "size_in",
				       (json_int_t)size_in, "size_out", (json_int_t)run->size));
}

static bool came_out(const struct datapath_run *run)
{
	return run->action == XDP_TX || run->action == XDP_REDIRECT || run->action == XDP_PASS;
}

/* -EINVAL is the kernel's word for a packet that is too short or too long for a test run. */
static int run_one(struct rehearsal *rehearsal, struct pcap_packet *packet, FILE *out,
		   uint32_t index, json_t *stories)
{
	size_t size_in = packet->size;
	struct datapath_run run = { 0 };
	int r = datapath_run_packet(rehearsal->datapath, packet->data, packet->size, ROOM, &run);

	if (r < 0 && r != -EINVAL)
		return cli_error("packet %u: the kernel did not run it: %s", index, strerror(-r));
	json_array_append_new(stories, describe(rehearsal, index, size_in, r, &run));
	packet->size = (uint32_t)run.size;
	if (r == 0 && out && came_out(&run) && pcap_write(out, packet) < 0)
		return cli_error("packet %u: cannot write what came out", index);
	return CLI_OK;
}

static int run_all(struct rehearsal *rehearsal, struct pcap_reader *in, FILE *out, json_t *stories)
{
	cleanup(freep) uint8_t *data = cli_allocated(malloc(ROOM));
	struct pcap_packet packet = { .data = data };
	char error[PCAP_ERROR_SIZE];
	int r;

	while ((r = pcap_read(in, &packet, error)) > 0) {
		r = run_one(rehearsal, &packet, out, in->count, stories);
		if (r != CLI_OK)
			return r;
	}
	return r < 0 ? cli_error("%s", error) : CLI_OK;
}

static void print_stories(const json_t *stories)
{
	static const struct cli_column columns[] = {
		{ "INDEX", true },    { "VERDICT", false }, { "REASON", false },
		{ "SERVICE", false }, { "BACKEND", false },
	};
	cleanup(cli_table_deinit) struct cli_table table = CLI_TABLE(columns);
	const json_t *story;
	size_t i;

	if (cli_options.json) {
		cli_print_json(stories);
		return;
	}
	json_array_foreach(stories, i, story) {
		cli_table_add(&table, "%llu", (unsigned long long)reply_count(story, "index"));
		cli_table_add(&table, "%s", reply_text(story, "verdict"));
		cli_table_add(&table, "%s", reply_text(story, "reason"));
		cli_table_add(&table, "%s", reply_text(story, "service"));
		cli_table_add(&table, "%s", reply_text(story, "backend"));
	}
	cli_table_print(&table, 0);
}

static int run_capture(struct rehearsal *rehearsal, const char *in_name, const char *out_name)
{
	cleanup(json_decrefp) json_t *stories = cli_allocated(json_array());
	cleanup(pcap_close) struct pcap_reader in = { 0 };
	cleanup(fclosep) FILE *out = NULL;
	char error[PCAP_ERROR_SIZE];
	int r;

	if (pcap_open(&in, in_name, error) < 0)
		return cli_error("%s", error);
	r = out_name ? pcap_create(out_name, &out) : 0;
	if (r < 0)
		return cli_error("cannot create %s: %s", out_name, strerror(-r));
	r = run_all(rehearsal, &in, out, stories);
	if (r != CLI_OK)
		return r;
	if (out && fclose(take_ptr(out)) != 0)
		return cli_error("cannot write %s: %s", out_name, strerror(errno));
	print_stories(stories);
	return CLI_OK;
}

static int parse_number(const char *word, const char *what, uint64_t most, uint16_t *ret_number)
{
	uint64_t number = 0;

	if (word && number_parse(word, 1, most, &number) < 0)
		return cli_usage_error("%s is no %s: a number from 1 to %llu", word, what,
				       (unsigned long long)most);
	*ret_number = (uint16_t)number;
	return CLI_OK;
}

static int parse_path(const char *mtu, const char *vlan, struct rehearsal_path *ret_path)
{
	int r = parse_number(mtu, "MTU", UINT16_MAX, &ret_path->mtu);

	return r == CLI_OK ? parse_number(vlan, "VLAN", MAX_VLAN, &ret_path->vlan) : r;
}

static int packet_run(int argc, char **argv)
{
	cleanup(rehearsal_deinit) struct rehearsal rehearsal = { 0 };
	const char *config_path = NULL, *in = NULL, *out = NULL, *mtu = NULL, *vlan = NULL;
	struct rehearsal_path path;
	const struct cli_argument arguments[] = {
		{ "config", &config_path }, { "in", &in }, { "out", &out }, { "mtu", &mtu },
		{ "vlan", &vlan },
	};
	struct config *config;
	int r = cli_parse(argc, argv, arguments, ARRAY_SIZE(arguments));

	if (r != CLI_OK)
		return r;
	if (!config_path || !in)
		return cli_usage_error("packet run needs a configuration and a capture");
	r = parse_path(mtu, vlan, &path);
	if (r != CLI_OK)
		return r;
	r = load_config(config_path, &config);
	if (r != CLI_OK)
		return r;
	r = rehearsal_init(&rehearsal, config, true, mtu || vlan ? &path : NULL);
	if (r < 0)
		return r == -EPERM ? cli_error("cannot load the datapath; run it as root")
				   : cli_error("%s", cli_logged_error(strerror(-r)));
	return run_capture(&rehearsal, in, out);
}

int packet_main(int argc, char **argv)
{
	static const struct cli_command commands[] = {
		{ "run", packet_run, "config FILE in IN.pcap [out OUT.pcap] [mtu N] [vlan N]",
		  "put a capture through the datapath, without a daemon" },
		CLI_HELP,
	};

	return cmd_select("packet", commands, argc, argv);
}
