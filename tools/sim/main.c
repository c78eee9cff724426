/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * leat-sim: the datapath's and the daemon's own C under months of changes, on the host.
 */
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "base/number.h"
#include "model/config.h"
#include "tools/sim/report.h"

static const char help[] =
	"Usage: leat-sim [OPTIONS] [churn | spread]\n"
	"\n"
	"churn (default): flows that each way of balancing breaks, under the same changes\n"
	"spread: how evenly round robin and least connections spread flows over backends\n"
	"\n"
	"  --flows N            at a time (churn 1000000, spread 10000)\n"
	"  --backends N         (1000, 100)\n"
	"  --nodes N            behind routers that spread flows over them (4)\n"
	"  --days N             (90)\n"
	"  --events N           changes in these days (300)\n"
	"  --minutes N          spread: how long live flows are looked at (120)\n"
	"  --seed N             of all that is random (1)\n"
	"  --protocol NAME      tcp or udp\n"
	"  --scheduler NAME     Leat's: hash, round-robin or least-connections\n"
	"  --remembered N       how many flows a node of Leat's can remember (1048576)\n"
	"  --history            nodes of Leat's that join import the history of one that serves\n"
	"  --settle SECONDS     how often a node's daemon looks after its flows (30)\n"
	"  --quick              small: 10000 flows, 50 backends, 1 day, 40 events\n"
	"  --explain N          describe so many of the flows that Leat breaks\n"
	"  --plot FILE          churn: write a plot as SVG\n"
	"  --docs FILE          write the result into a Markdown file's place for it\n"
	"  -j, --json           JSON\n"
	"  -h, --help           this text\n";

enum {
	OPTION_FLOWS = 256,
	OPTION_BACKENDS,
	OPTION_NODES,
	OPTION_DAYS,
	OPTION_EVENTS,
	OPTION_MINUTES,
	OPTION_SEED,
	OPTION_PROTOCOL,
	OPTION_SCHEDULER,
	OPTION_REMEMBERED,
	OPTION_HISTORY,
	OPTION_SETTLE,
	OPTION_QUICK,
	OPTION_EXPLAIN,
	OPTION_PLOT,
	OPTION_DOCS,
};

static const struct option long_options[] = {
	{ "flows", required_argument, NULL, OPTION_FLOWS },
	{ "backends", required_argument, NULL, OPTION_BACKENDS },
	{ "nodes", required_argument, NULL, OPTION_NODES },
	{ "days", required_argument, NULL, OPTION_DAYS },
	{ "events", required_argument, NULL, OPTION_EVENTS },
	{ "minutes", required_argument, NULL, OPTION_MINUTES },
	{ "seed", required_argument, NULL, OPTION_SEED },
	{ "protocol", required_argument, NULL, OPTION_PROTOCOL },
	{ "scheduler", required_argument, NULL, OPTION_SCHEDULER },
	{ "remembered", required_argument, NULL, OPTION_REMEMBERED },
	{ "history", no_argument, NULL, OPTION_HISTORY },
	{ "settle", required_argument, NULL, OPTION_SETTLE },
	{ "quick", no_argument, NULL, OPTION_QUICK },
	{ "explain", required_argument, NULL, OPTION_EXPLAIN },
	{ "plot", required_argument, NULL, OPTION_PLOT },
	{ "docs", required_argument, NULL, OPTION_DOCS },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{},
};

struct request {
	struct churn_options churn;
	struct spread_options spread;
	bool is_spread;
	bool json;
	const char *plot;
	const char *docs;
};

static void request_init(struct request *request)
{
	*request = (struct request){
		.churn = { .flows = 1000000,
			   .backends = 1000,
			   .nodes = 4,
			   .events = 300,
			   .days = 90,
			   .seed = 1,
			   .settle_s = 30,
			   .flow_buckets = LEAT_DEFAULT_FLOWS,
			   .protocol = IPPROTO_TCP },
		.spread = { .flows = 10000,
			    .opened = 1000000,
			    .backends = 100,
			    .minutes = 120,
			    .seed = 1 },
	};
}

static void make_quick(struct request *request)
{
	request->churn.flows = 10000;
	request->churn.backends = 50;
	request->churn.days = 1;
	request->churn.events = 40;
	request->churn.flow_buckets = 65536;
	request->spread.minutes = 10;
	request->spread.opened = 100000;
}

static int fail(const char *option, const char *argument)
{
	fprintf(stderr, "leat-sim: --%s: %s is not a value for that; see leat-sim --help\n", option,
		argument);
	return -EINVAL;
}

static int take_number(const char *option, uint64_t least, uint64_t most, uint64_t *ret_number)
{
	return number_parse(optarg, least, most, ret_number) < 0 ? fail(option, optarg) : 0;
}

static int take_small(const char *option, uint32_t least, uint32_t most, uint32_t *ret_number)
{
	uint64_t number;
	int r = take_number(option, least, most, &number);

	if (r == 0)
		*ret_number = (uint32_t)number;
	return r;
}

static int take_protocol(uint8_t *ret_protocol)
{
	if (strcmp(optarg, "tcp") == 0)
		*ret_protocol = IPPROTO_TCP;
	else if (strcmp(optarg, "udp") == 0)
		*ret_protocol = IPPROTO_UDP;
	else
		return fail("protocol", optarg);
	return 0;
}

static int take_scheduler(uint8_t *ret_scheduler)
{
	for (enum leat_scheduler i = 0; i <= LEAT_SCHEDULER_LEAST_CONNECTIONS; i++) {
		if (strcmp(optarg, scheduler_name(i)) != 0)
			continue;
		*ret_scheduler = (uint8_t)i;
		return 0;
	}
	return fail("scheduler", optarg);
}

/* Buckets are a power of two. */
static int take_remembered(uint32_t *ret_buckets)
{
	uint32_t flows, buckets = 64;
	int r = take_small("remembered", 256, UINT32_C(1) << 26, &flows);

	while (r == 0 && buckets * LEAT_BUCKET_FLOWS < flows)
		buckets *= 2;
	if (r == 0)
		*ret_buckets = buckets;
	return r;
}

static int take_flows(struct request *request)
{
	int r = take_small("flows", 100, 10000000, &request->churn.flows);

	request->spread.flows = request->churn.flows;
	return r;
}

static int take_backends(struct request *request)
{
	int r = take_small("backends", 2, WORLD_MAX_BACKENDS / 2, &request->churn.backends);

	request->spread.backends = request->churn.backends;
	return r;
}

static int take_seed(struct request *request)
{
	int r = take_number("seed", 0, INT64_MAX, &request->churn.seed);

	request->spread.seed = request->churn.seed;
	return r;
}

static int take_days(double *ret_days)
{
	uint32_t days;
	int r = take_small("days", 1, 3650, &days);

	if (r == 0)
		*ret_days = days;
	return r;
}

static int take_option(struct request *request, int option)
{
	struct churn_options *churn = &request->churn;

	switch (option) {
	case OPTION_FLOWS:
		return take_flows(request);
	case OPTION_BACKENDS:
		return take_backends(request);
	case OPTION_NODES:
		return take_small("nodes", 1, WORLD_MAX_NODES, &churn->nodes);
	case OPTION_DAYS:
		return take_days(&churn->days);
	case OPTION_EVENTS:
		return take_small("events", 1, WORLD_MAX_EVENTS / 4, &churn->events);
	case OPTION_MINUTES:
		return take_small("minutes", 1, 10000, &request->spread.minutes);
	case OPTION_SEED:
		return take_seed(request);
	case OPTION_PROTOCOL:
		return take_protocol(&churn->protocol);
	case OPTION_SCHEDULER:
		return take_scheduler(&churn->scheduler);
	case OPTION_REMEMBERED:
		return take_remembered(&churn->flow_buckets);
	case OPTION_SETTLE:
		return take_small("settle", 1, 3600, &churn->settle_s);
	case OPTION_EXPLAIN:
		return take_small("explain", 0, 1000000, &churn->explain);
	case OPTION_HISTORY:
		churn->imports_history = true;
		return 0;
	case OPTION_QUICK:
		make_quick(request);
		return 0;
	default:
		return -EINVAL;
	}
}

static int take_words(struct request *request, int argc, char **argv)
{
	if (optind == argc)
		return 0;
	request->is_spread = strcmp(argv[optind], "spread") == 0;
	if (optind + 1 == argc && (request->is_spread || strcmp(argv[optind], "churn") == 0))
		return 0;
	fprintf(stderr, "leat-sim: what is %s? See leat-sim --help\n", argv[argc - 1]);
	return -EINVAL;
}

/* 0; 1: help was asked for; or -EINVAL, with the cause said. */
static int request_parse(struct request *request, int argc, char **argv)
{
	int option, r = 0;

	while (r == 0 && (option = getopt_long(argc, argv, "jh", long_options, NULL)) >= 0) {
		if (option == 'h')
			return 1;
		if (option == 'j')
			request->json = true;
		else if (option == OPTION_PLOT)
			request->plot = optarg;
		else if (option == OPTION_DOCS)
			request->docs = optarg;
		else
			r = take_option(request, option);
	}
	return r < 0 ? r : take_words(request, argc, argv);
}

static int write_plot(const struct request *request, const struct churn_result *result)
{
	cleanup(fclosep) FILE *file = fopen(request->plot, "we");

	if (!file)
		return -errno;
	plot_churn(file, &request->churn, result);
	return ferror(file) ? -EIO : 0;
}

static void report_text(const struct request *request, const struct churn_result *churn,
			const struct spread_result *spread, FILE *out)
{
	if (request->is_spread)
		report_spread(out, &request->spread, spread);
	else
		report_churn(out, &request->churn, churn);
}

static int write_docs(const struct request *request, const struct churn_result *churn,
		      const struct spread_result *spread)
{
	cleanup(freep) char *text = NULL;
	size_t size;
	FILE *memory = open_memstream(&text, &size);

	if (!memory)
		return -ENOMEM;
	report_text(request, churn, spread, memory);
	fclose(memory);
	return report_into(request->docs, request->is_spread ? "spread" : "churn", text);
}

static int report(const struct request *request, const struct churn_result *churn,
		  const struct spread_result *spread)
{
	int r = 0;

	if (!request->json)
		report_text(request, churn, spread, stdout);
	else if (request->is_spread)
		r = report_spread_json(stdout, &request->spread, spread);
	else
		r = report_churn_json(stdout, &request->churn, churn);
	if (r == 0 && request->docs)
		r = write_docs(request, churn, spread);
	if (r == 0 && request->plot && !request->is_spread)
		r = write_plot(request, churn);
	return r;
}

int main(int argc, char **argv)
{
	cleanup(churn_result_deinit) struct churn_result churn = { 0 };
	struct spread_result spread = { 0 };
	struct request request;
	int r;

	request_init(&request);
	r = request_parse(&request, argc, argv);
	if (r > 0)
		fputs(help, stdout);
	if (r)
		return r < 0 ? 2 : 0;
	r = request.is_spread ? spread_run(&request.spread, &spread)
			      : churn_run(&request.churn, &churn);
	if (r == 0)
		r = report(&request, &churn, &spread);
	if (r < 0)
		fprintf(stderr, "leat-sim: %s\n", strerror(-r));
	return r < 0 ? 1 : 0;
}
