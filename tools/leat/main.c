/* SPDX-License-Identifier: GPL-2.0-only */
#include <fcntl.h>
#include <getopt.h>
#include <string.h>

#include "maps/layout.h"
#include "model/config.h"
#include "tools/leat/cli.h"

struct cli_options cli_options;

/* Words of a command line are not constant. */
static char help_word[] = "help";
static char version_word[] = "version";
/* Options of commands, beyond any character of getopt's; value: whether they have one. */
#define COMMAND_OPTION 256
#define COMMAND_OPTIONS(X)                                                                         \
	X(deadline, "--deadline", required_argument)                                               \
	X(dev, "--dev", required_argument)                                                         \
	X(flags, "--flags", required_argument)                                                     \
	X(if_unhealthy, "--if-unhealthy", no_argument)                                             \
	X(if_version, "--if-version", required_argument)                                           \
	X(min_healthy, "--min-healthy", required_argument)                                         \
	X(now, "--now", no_argument)                                                               \
	X(plan, "--plan", no_argument)                                                             \
	X(rollback_after, "--rollback-after", required_argument)                                   \
	X(unless_confirmed, "--unless-confirmed", no_argument)                                     \
	X(wait, "--wait", no_argument)

#define X(name, word, value) static char name##_word[] = word;
COMMAND_OPTIONS(X)
#undef X

static char *const command_options[] = {
#define X(name, word, value) name##_word,
	COMMAND_OPTIONS(X)
#undef X
};

enum {
	COMMAND_OPTION_BEFORE = COMMAND_OPTION - 1,
#define X(name, word, value) OPTION_##name,
	COMMAND_OPTIONS(X)
#undef X
};

static const struct option long_options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "pretty", no_argument, NULL, 'p' },
	{ "socket", required_argument, NULL, 's' },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
#define X(name, word, value) { name##_word + 2, value, NULL, OPTION_##name },
	COMMAND_OPTIONS(X)
#undef X
		{},
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

	for (const struct option *option = long_options; option->val < COMMAND_OPTION; option++)
		json_array_append_new(list, json_sprintf("--%s", option->name));
	return list;
}

bool cli_is_command_option(const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(command_options); i++)
		if (strcmp(word, command_options[i]) == 0)
			return true;
	return false;
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
		{ "top", top_main, "", "services and backends, live: traffic, flows, drops" },
		{ "event", event_main, "", "what happened to the node: show, watch" },
		{ "deny", deny_main, "", "sources that no service takes anything from" },
		{ "config", config_main, "", "what runs: show, plan, apply, roll back, reload" },
		{ "node", node_main, "", "the daemon and its interfaces" },
		{ "packet", packet_main, "",
		  "what the datapath does with a packet, without traffic" },
		{ "explain", explain_main, "", "what becomes of a packet now, and why" },
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

/* What the command line says beside cli_options. */
struct request {
	char *command; /* that an option stands for, or NULL */
	char bad[64];  /* the first option that is wrong; reported when all are known, -j too */
	char **words;  /* object, command and what follows, options of the command among it */
	int word_count;
};

static void request_deinit(struct request *request)
{
	free(request->words);
}

static void request_set_bad(struct request *request, const char *word)
{
	if (request->bad[0])
		return;
	if (optopt > 0 && optopt < COMMAND_OPTION)
		snprintf(request->bad, sizeof(request->bad), "-%c", optopt);
	else
		snprintf(request->bad, sizeof(request->bad), "%s", word);
}

static void request_add_word(struct request *request, char *word)
{
	request->words[request->word_count++] = word;
}

/* Whose value, if it has one, is the word behind it. */
static void request_add_option(struct request *request, int index)
{
	request_add_word(request, command_options[index]);
	if (optarg)
		request_add_word(request, optarg);
}

static void request_take(struct request *request, int option, char *word)
{
	if (option == 1) /* a word that is no option */
		request_add_word(request, optarg);
	if (option >= COMMAND_OPTION)
		request_add_option(request, option - COMMAND_OPTION);
	if (option == 'j' || option == 'p')
		cli_options.json = true;
	if (option == 'p')
		cli_options.pretty = true;
	if (option == 's')
		cli_options.socket = optarg;
	if (option == 'V' || option == 'h')
		request->command = option == 'V' ? version_word : help_word;
	if (option == '?' || option == ':')
		request_set_bad(request, word);
}

/* "-" has getopt hand over all words in their order, and ":" tell an option without its value. */
static void request_parse(struct request *request, int argc, char **argv)
{
	int option;

	/* --deadline=10m is one word there and two here. */
	request->words = cli_allocated(calloc(2 * (size_t)argc + 1, sizeof(char *)));
	opterr = 0;
	while ((option = getopt_long(argc, argv, "-:jps:Vh", long_options, NULL)) >= 0)
		request_take(request, option, argv[optind - 1]);
	for (int i = optind; i < argc; i++)
		request_add_word(request, argv[i]);
}

static const char *socket_default(void)
{
	const char *path = getenv("LEAT_SOCKET");

	return path && *path ? path : CONFIG_DEFAULT_SOCKET;
}

static int run(int argc, char **argv)
{
	cleanup(request_deinit) struct request request = {};

	request_parse(&request, argc, argv);
	if (request.bad[0])
		return cli_usage_error("unknown option, or one used wrongly: %s", request.bad);
	if (!request.command && request.word_count == 0)
		request.command = help_word;
	if (request.command)
		return object_select(1, (char *[]){ request.command, NULL });
	return object_select(request.word_count, request.words);
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
