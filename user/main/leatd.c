/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * leatd's command line.
 */
#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <sys/resource.h>

#include "base/log.h"
#include "daemon/daemon.h"

#define DEFAULT_CONFIG "/etc/leat/leat.yaml"

static const char usage[] =
	"Usage: leatd [-c FILE] [OPTIONS]\n"
	"\n"
	"Balances packets for the services in FILE; see leatd(8) and leat.yaml(5).\n"
	"\n"
	"  -c, --config FILE    the configuration; " DEFAULT_CONFIG "\n"
	"  -k, --keep           leave forwarding running when ended by SIGTERM or SIGINT\n"
	"      --pin-path DIR   where maps and program are pinned; " DATAPATH_DEFAULT_PINS "\n"
	"  -v, --verbose        log every probe and what the libraries say\n"
	"  -V, --version        print the version\n"
	"  -h, --help           print this text\n";

enum { OPTION_PIN_PATH = 256 };

static const struct option long_options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "keep", no_argument, NULL, 'k' },
	{ "pin-path", required_argument, NULL, OPTION_PIN_PATH },
	{ "verbose", no_argument, NULL, 'v' },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

/* Whether to go on; otherwise *ret_status is what to exit with. */
static bool parse_options(int argc, char **argv, struct daemon_options *options, int *ret_status)
{
	int option;

	*ret_status = EXIT_SUCCESS;
	while ((option = getopt_long(argc, argv, "c:kvVh", long_options, NULL)) != -1) {
		switch (option) {
		case 'c':
			options->config_path = optarg;
			break;
		case 'k':
			options->keep = true;
			break;
		case OPTION_PIN_PATH:
			options->pin_path = optarg;
			break;
		case 'v':
			log_set_level(LOG_LEVEL_DEBUG);
			break;
		case 'V':
			puts("leatd " LEAT_VERSION);
			return false;
		case 'h':
			fputs(usage, stdout);
			return false;
		default:
			fputs("Try: leatd --help\n", stderr);
			*ret_status = 2;
			return false;
		}
	}
	if (optind == argc)
		return true;
	fprintf(stderr, "leatd takes no arguments, and got %s\nTry: leatd --help\n", argv[optind]);
	*ret_status = 2;
	return false;
}

/* All tables of a large change are open at the same time. What cannot be had, the change will say. */
static void raise_file_limit(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return;
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

int main(int argc, char **argv)
{
	struct daemon_options options = {
		.config_path = DEFAULT_CONFIG,
		.pin_path = DATAPATH_DEFAULT_PINS,
	};
	int status, r;

	if (!parse_options(argc, argv, &options, &status))
		return status;
	if (geteuid() != 0) {
		log_error("leatd loads programs into the kernel; run it as root");
		return EXIT_FAILURE;
	}
	raise_file_limit();
	r = daemon_run(&options);
	if (r < 0)
		log_error("leatd ends: %s", strerror(-r));
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
