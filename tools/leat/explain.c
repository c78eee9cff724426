/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/frame.h"
#include "base/number.h"
#include "tools/leat/cli.h"
#include "tools/leat/pcap.h"
#include "tools/leat/story.h"

#define NAMES_TIMEOUT_MS 1000
#define ROOM		 (PCAP_MAX_PACKET + LEAT_OUTER_LEN_MAX)

/* What is asked of which node. */
struct question {
	const char *dev;  /* NULL: the first interface that the program runs on */
	const char *pins; /* NULL: the usual place */
	struct datapath *datapath;
	bool is_current;
	char interface[IF_NAMESIZE];
	uint32_t ifindex;
	uint8_t *packet, *out;
};

static void question_deinit(struct question *question)
{
	datapath_freep(&question->datapath);
	free(question->packet);
	free(question->out);
}

static const char *pins_of(const struct question *question)
{
	return question->pins ?: DATAPATH_DEFAULT_PINS;
}

static int fail_twin(const struct question *question, int r)
{
	if (r == -ENOENT)
		return cli_error(
			"no datapath of layout %d is pinned below %s: has leatd been started? "
			"Use pins DIR if its --pin-path is elsewhere",
			LEAT_LAYOUT, pins_of(question));
	if (r == -EPERM || r == -EACCES)
		return cli_error("cannot read the maps below %s; run it as root",
				 pins_of(question));
	if (r == -EUCLEAN)
		return cli_error(
			"the datapath below %s is another version's; use the leat that came "
			"with it, or restart leatd",
			pins_of(question));
	if (r == -ENOMEM)
		return cli_error("no memory for copies of the maps that packets write");
	return cli_error("cannot read the maps below %s: %s", pins_of(question), strerror(-r));
}

static int take_interface(struct question *question, uint32_t ifindex, const char *name)
{
	question->ifindex = ifindex;
	snprintf(question->interface, sizeof(question->interface), "%s", name);
	datapath_set_ingress(question->datapath, ifindex);
	return CLI_OK;
}

static int find_interface(struct question *question)
{
	struct if_nameindex *all = if_nameindex();
	uint32_t ifindex = question->dev ? if_nametoindex(question->dev) : 0;
	int r = CLI_FAILURE;

	if (question->dev && !ifindex)
		r = cli_error("no interface is called %s", question->dev);
	else if (question->dev && !datapath_runs_on(question->datapath, ifindex))
		r = cli_error(
			"the datapath below %s does not run on %s: its packets go to the kernel",
			pins_of(question), question->dev);
	else if (question->dev)
		r = take_interface(question, ifindex, question->dev);
	for (const struct if_nameindex *i = all; !question->dev && i && i->if_index; i++) {
		if (!question->ifindex && datapath_runs_on(question->datapath, i->if_index))
			r = take_interface(question, i->if_index, i->if_name);
	}
	if_freenameindex(all);
	if (!question->dev && !question->ifindex)
		r = cli_error("the datapath below %s runs on no interface here: has leatd been "
			      "started, and in this network namespace?",
			      pins_of(question));
	return r;
}

static int question_open(struct question *question)
{
	int r = datapath_new_twin(&question->datapath, pins_of(question), &question->is_current);

	if (r < 0)
		return fail_twin(question, r);
	question->packet = cli_allocated(malloc(ROOM));
	question->out = cli_allocated(malloc(ROOM));
	return find_interface(question);
}

/* The story needs no daemon; with it, services have their names. */
static json_t *ask_names(void)
{
	cleanup(api_failure_deinit) struct api_failure failure = {};
	json_t *services = NULL;

	api_try_get("/v1/services", NULL, 0, JSON_ARRAY, NAMES_TIMEOUT_MS, &services, &failure);
	return services;
}

static int answer(struct question *question, size_t size)
{
	cleanup(json_decrefp) json_t *names = ask_names(), *json = NULL;
	struct story story = {
		.datapath = question->datapath,
		.interface = question->interface,
		.is_current = question->is_current,
		.in = question->packet,
		.out = question->out,
		.in_size = size,
		.services = names,
	};
	int r;

	memcpy(question->out, question->packet, size);
	r = datapath_run_packet(question->datapath, question->out, size, ROOM, &story.run);
	if (r == -EINVAL)
		return cli_error("the kernel takes no packet of %zu bytes for a test run", size);
	if (r == 0)
		r = story_make(&story, &json);
	if (r < 0)
		return cli_error("cannot run the program: %s", cli_logged_error(strerror(-r)));
	if (cli_options.json)
		cli_print_json(json);
	else
		story_print(json);
	return CLI_OK;
}

static int parse_endpoint(const char *word, struct leat_addr *ret_address, uint16_t *ret_port)
{
	if (address_parse_with_port(word, ret_address, ret_port) < 0)
		return cli_usage_error("%s is no address with a port, such as 192.0.2.10:443 or "
				       "[2001:db8::10]:443",
				       word);
	return CLI_OK;
}

static int parse_size(const char *word, struct frame *frame)
{
	size_t least = frame_least_size(frame);
	uint64_t size;

	if (!word)
		return CLI_OK;
	if (number_parse(word, least, UINT16_MAX, &size) < 0)
		return cli_usage_error("%s is no size of such an IP packet: %zu to %d bytes", word,
				       least, UINT16_MAX);
	frame->ip_size = (uint16_t)size;
	return CLI_OK;
}

static int parse_frame(struct frame *frame, const char *from, const char *to, const char *flags,
		       const char *size)
{
	int r = parse_endpoint(from, &frame->source, &frame->source_port);

	if (r == CLI_OK)
		r = parse_endpoint(to, &frame->destination, &frame->destination_port);
	if (r != CLI_OK)
		return r;
	if (address_is_ipv4(&frame->source) != address_is_ipv4(&frame->destination))
		return cli_usage_error("%s and %s are not of one family", from, to);
	if (tcp_flags_parse(flags ?: "S", &frame->tcp_flags) < 0)
		return cli_usage_error("%s: flags are letters of FSRPAUEC, such as S, A or FA",
				       flags);
	return parse_size(size, frame);
}

/* The interface's own, as the router writes it. */
static int read_mac(const char *interface, struct mac *ret_mac)
{
	cleanup(close_fdp) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { 0 };

	if (fd < 0)
		return -errno;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
	if (ioctl(fd, SIOCGIFHWADDR, &request) < 0)
		return -errno;
	memcpy(ret_mac, request.ifr_hwaddr.sa_data, sizeof(*ret_mac));
	return 0;
}

static int explain_flow(uint8_t protocol, int argc, char **argv)
{
	static const struct mac router = { { 0x02, 0, 0, 0, 0, 0x01 } };
	cleanup(question_deinit) struct question question = { 0 };
	const char *from = NULL, *to = NULL, *flags = NULL, *size = NULL;
	struct frame frame = { .protocol = protocol, .source_mac = router };
	const struct cli_argument arguments[] = {
		{ NULL, &from },
		{ NULL, &to },
		{ "dev", &question.dev },
		{ "size", &size },
		{ "pins", &question.pins },
		{ "flags", &flags },
	};
	size_t count = ARRAY_SIZE(arguments) - (protocol != IPPROTO_TCP);
	int r = cli_parse(argc, argv, arguments, count);

	if (r != CLI_OK)
		return r;
	if (!from || !to)
		return cli_usage_error(
			"from where, and to where? explain %s ADDRESS:PORT ADDRESS:PORT",
			protocol_name(protocol));
	r = parse_frame(&frame, from, to, flags, size);
	if (r == CLI_OK)
		r = question_open(&question);
	if (r != CLI_OK)
		return r;
	r = read_mac(question.interface, &frame.destination_mac);
	if (r < 0)
		return cli_error("%s: cannot read its MAC address: %s", question.interface,
				 strerror(-r));
	return answer(&question, frame_write(&frame, question.packet));
}

static int explain_tcp(int argc, char **argv)
{
	return explain_flow(IPPROTO_TCP, argc, argv);
}

static int explain_udp(int argc, char **argv)
{
	return explain_flow(IPPROTO_UDP, argc, argv);
}

/* The packet of this number, counted from 1. */
static int read_packet(const char *name, uint64_t number, struct pcap_packet *packet)
{
	cleanup(pcap_close) struct pcap_reader in = { 0 };
	char error[PCAP_ERROR_SIZE];
	int r;

	if (pcap_open(&in, name, error) < 0)
		return cli_error("%s", error);
	do
		r = pcap_read(&in, packet, error);
	while (r > 0 && in.count < number);
	if (r < 0)
		return cli_error("%s", error);
	return r > 0 ? CLI_OK
		     : cli_error("%s has %u packets, and none of number %llu", name, in.count,
				 (unsigned long long)number);
}

static int explain_pcap(int argc, char **argv)
{
	cleanup(question_deinit) struct question question = { 0 };
	const char *file = NULL, *number_word = NULL;
	const struct cli_argument arguments[] = {
		{ NULL, &file },
		{ "packet", &number_word },
		{ "dev", &question.dev },
		{ "pins", &question.pins },
	};
	struct pcap_packet packet;
	uint64_t number = 1;
	int r = cli_parse(argc, argv, arguments, ARRAY_SIZE(arguments));

	if (r != CLI_OK)
		return r;
	if (!file)
		return cli_usage_error("which capture? explain pcap FILE [packet N]");
	if (number_word && number_parse(number_word, 1, UINT32_MAX, &number) < 0)
		return cli_usage_error("%s is no packet's number; the first one is 1", number_word);
	r = question_open(&question);
	if (r != CLI_OK)
		return r;
	packet.data = question.packet;
	r = read_packet(file, number, &packet);
	return r == CLI_OK ? answer(&question, packet.size) : r;
}

#define PLACE "[--dev DEV] [pins DIR]"

int explain_main(int argc, char **argv)
{
	static const struct cli_command commands[] = {
		{ "tcp", explain_tcp, "ADDRESS:PORT ADDRESS:PORT [--flags FLAGS] [size N] " PLACE,
		  "a packet from one to the other: what becomes of it, and why" },
		{ "udp", explain_udp, "ADDRESS:PORT ADDRESS:PORT [size N] " PLACE, "the same" },
		{ "pcap", explain_pcap, "FILE [packet N] " PLACE, "the same of a captured one" },
		CLI_HELP,
	};

	return cmd_select("explain", commands, argc, argv);
}
