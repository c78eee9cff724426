/* SPDX-License-Identifier: GPL-2.0-only */
#include <fcntl.h>
#include <getopt.h>
#include <string.h>

#include "maps/layout.h"
#include "model/config.h"
#include "tools/leat/cli.h"

struct cli_options cli_options;

static const struct option long_options[] = {
	{ "json", no_argument, NULL, 'j' },	    { "pretty", no_argument, NULL, 'p' },
	{ "socket", required_argument, NULL, 's' }, { "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },	    {},
};

const char cli_options_help[] =
	"  -j, --json         JSON, errors included\n"
	"  -p, --pretty       JSON, indented\n"
	"  -s, --socket PATH  leatd's socket (LEAT_SOCKET, " CONFIG_DEFAULT_SOCKET ")\n"
	"  -V, --version      print the version\n"
	"  -h, --help         print this text\n";

json_t *cli_options_json(void)
{
	json_t *list = json_array();

	for (const struct option *option = long_options; option->name; option++)
		json_array_append_new(list, json_sprintf("--%s", option->name));
	return list;
}

static int version_main(int argc, char **argv)
{
	cleanup(json_decrefp) json_t *version = NULL;
	int r = cli_parse(argc, argv, NULL, 0);

	if (r != CLI_OK)
		return r;
	version = json_pack("{s:s, s:i}", "version", LEAT_VERSION, "layout", LEAT_LAYOUT);
	if (cli_options.json)
		cli_print_json(version);
	else
		fprintf(cli_out(), "leat %s, layout %d\n", LEAT_VERSION, LEAT_LAYOUT);
	return CLI_OK;
}

static int object_select(int argc, char **argv)
{
	static const struct cli_command objects[] = {
		{ "service", service_main, "", "what clients connect to, and how it is spread" },
		{ "backend", backend_main, "", "the servers behind: show, drain, disable, weigh" },
		{ "stats", stats_main, "", "what became of all packets, by reason" },
		{ "config", config_main, "", "check a configuration file, reload, show" },
		{ "node", node_main, "", "the daemon and its interfaces" },
		{ "packet", packet_main, "",
		  "what the datapath does with a packet, without traffic" },
		{ "decap", decap_main, "", "unwrap IP-in-IP on a backend" },
		{ "version", version_main, "", "the version of this program" },
		CLI_HELP,
	};

	return cmd_select(NULL, objects, argc, argv);
}

/* A file opened later must not become standard output; one opened for reading refuses output. */
static void fill_standard_fds(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDONLY);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/* Words of a command line are not constant. */
static char help_word[] = "help";
static char version_word[] = "version";

/* What the options say beside cli_options. */
struct request {
	char *command; /* that an option stands for, or NULL */
	char bad[64];  /* the first option that is wrong; reported when all are known, -j too */
};

static void request_set_bad(struct request *request, const char *word)
{
	if (request->bad[0])
		return;
	if (optopt)
		snprintf(request->bad, sizeof(request->bad), "-%c", optopt);
	else
		snprintf(request->bad, sizeof(request->bad), "%s", word);
}

static void request_parse(struct request *request, int argc, char **argv)
{
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":jps:Vh", long_options, NULL)) >= 0) {
		if (option == 'j' || option == 'p')
			cli_options.json = true;
		if (option == 'p')
			cli_options.pretty = true;
		if (option == 's')
			cli_options.socket = optarg;
		if (option == 'V' || option == 'h')
			request->command = option == 'V' ? version_word : help_word;
		if (option == '?' || option == ':')
			request_set_bad(request, argv[optind - 1]);
	}
}

static const char *socket_default(void)
{
	const char *path = getenv("LEAT_SOCKET");

	return path && *path ? path : CONFIG_DEFAULT_SOCKET;
}

static int run(int argc, char **argv)
{
	struct request request = {};

	request_parse(&request, argc, argv);
	if (request.bad[0])
		return cli_usage_error("unknown option, or one used wrongly: %s", request.bad);
	if (!request.command && optind == argc)
		request.command = help_word;
	if (request.command)
		return object_select(1, (char *[]){ request.command, NULL });
	return object_select(argc - optind, argv + optind);
}

int main(int argc, char **argv)
{
	int r, written;

	fill_standard_fds();
	cli_capture_log();
	cli_options.socket = socket_default();
	r = run(argc, argv);
	written = cli_flush();
	return r ?: written;
}
