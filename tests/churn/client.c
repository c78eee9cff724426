/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Holds thousands of flows to a service, exchanges a byte and a record on each of them within every
 * interval, and reports each flow that breaks, with the backend that it was on.
 *
 *   churn-client [OPTIONS] ADDRESS PORT SOURCE...
 *
 * It ends when its standard input does, after --seconds at the latest: each long flow exchanges
 * once more, and what does not answer by then is broken too.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/address.h"
#include "base/clock.h"
#include "base/macros.h"
#include "tests/churn/flow.h"
#include "tests/churn/program.h"
#include "tests/churn/report.h"

#define MAX_FLOWS      50000
#define MAX_SECONDS    7200
#define MAX_MS	       600000
#define SPARE_FILES    64
#define EVENTS	       1024
#define TICK_MS	       20
#define STATUS_US      250000
#define REOPEN_US      200000 /* a backend that is gone is not asked as fast as it can refuse */
#define SEND_AGAIN_US  1000000
#define MAX_CONNECTING 256 /* at a time, so that the start is no flood */

struct client {
	struct flow_target target;
	struct flow *flows;
	size_t long_count;
	size_t short_count;
	uint64_t interval_us;
	uint64_t timeout_us;
	uint64_t end_us;	  /* when --seconds are over */
	unsigned int turnover;	  /* of 1000 exchanges, how many are their connection's last */
	unsigned short random[3]; /* of erand48() */

	struct tally tally;
	size_t connecting;
	bool is_ending;
};

static const char usage[] =
	"usage: churn-client [OPTIONS] ADDRESS PORT SOURCE...\n"
	"  --flows N       long flows (100)\n"
	"  --short N       flows that are closed after each exchange (0)\n"
	"  --turnover N    of 1000 exchanges of a long flow, how many are its last (0)\n"
	"  --interval T    each flow exchanges once within it (1s)\n"
	"  --timeout T     silence for so long is a broken flow (10s)\n"
	"  --seconds N     the end, at the latest (60)\n"
	"  --seed N        of what is random (1)\n"
	"  --udp           datagrams instead of connections";

enum option_id { FLOWS = 256, SHORT, TURNOVER, INTERVAL, TIMEOUT, SECONDS, SEED, UDP };

static const struct option long_options[] = {
	{ "flows", required_argument, NULL, FLOWS },
	{ "short", required_argument, NULL, SHORT },
	{ "turnover", required_argument, NULL, TURNOVER },
	{ "interval", required_argument, NULL, INTERVAL },
	{ "timeout", required_argument, NULL, TIMEOUT },
	{ "seconds", required_argument, NULL, SECONDS },
	{ "seed", required_argument, NULL, SEED },
	{ "udp", no_argument, NULL, UDP },
	{ 0 },
};

static size_t flow_count(const struct client *client)
{
	return client->long_count + client->short_count;
}

/* Up to a quarter less than the interval, so that flows do not march in step. */
static uint64_t next_exchange_us(struct client *client, uint64_t now_us)
{
	double share = 0.75 + erand48(client->random) / 4;

	return now_us + (uint64_t)((double)client->interval_us * share);
}

static void end_flow(struct client *client, struct flow *flow, uint64_t reopen_us)
{
	if (flow->state == FLOW_CONNECTING)
		client->connecting--;
	flow_close(flow);
	flow->due_us = reopen_us;
}

/* By the clock and not by the round that it was found in, which may have begun before it broke. */
static void flow_is_broken(struct client *client, struct flow *flow)
{
	uint64_t now_us = clock_monotonic_us();

	report_broken(flow, now_us);
	client->tally.broken++;
	flow_set_port(flow, 0);
	end_flow(client, flow, now_us + REOPEN_US);
}

/* Half of those that turn over come back from the port that they had, as a flow of the same 5-tuple. */
static void turn_over(struct client *client, struct flow *flow, uint64_t now_us)
{
	bool is_reset = erand48(client->random) < 0.5;

	flow_set_port(flow, is_reset ? flow_port(flow) : 0);
	if (is_reset)
		flow_reset(flow);
	end_flow(client, flow, now_us);
}

static void flow_has_answered(struct client *client, struct flow *flow, uint64_t now_us)
{
	struct tally *tally = &client->tally;

	tally->exchanges++;
	tally->slowest_us = MAX(tally->slowest_us, now_us - flow->sent_us);
	flow->due_us = next_exchange_us(client, now_us);
	if (client->is_ending)
		flow->is_checked = flow->sent_us >= client->end_us;
	else if (flow->is_short)
		end_flow(client, flow, flow->due_us);
	else if (erand48(client->random) * 1000 < client->turnover)
		turn_over(client, flow, now_us);
}

static void take_event(struct client *client, struct flow *flow, enum flow_event event,
		       uint64_t now_us);

static void send_on(struct client *client, struct flow *flow, uint64_t now_us)
{
	flow->due_us = now_us + client->timeout_us;
	take_event(client, flow, flow_send(flow, now_us), now_us);
}

static void take_event(struct client *client, struct flow *flow, enum flow_event event,
		       uint64_t now_us)
{
	switch (event) {
	case FLOW_NOTHING:
		break;
	case FLOW_CONNECTED:
		client->connecting--;
		send_on(client, flow, now_us);
		break;
	case FLOW_ANSWERED:
		flow_has_answered(client, flow, now_us);
		break;
	case FLOW_BROKEN:
		flow_is_broken(client, flow);
		break;
	}
}

static void open_flow(struct client *client, struct flow *flow)
{
	uint64_t now_us = clock_monotonic_us();

	flow->due_us = now_us + client->timeout_us;
	client->connecting++;
	client->tally.opened++;
	take_event(client, flow, flow_open(flow, now_us), now_us);
}

static void repeat_datagram(const struct client *client, struct flow *flow, uint64_t now_us)
{
	uint64_t ticks_per_repeat = SEND_AGAIN_US / (TICK_MS * 1000);
	uint64_t ticks = (now_us - flow->sent_us) / (TICK_MS * 1000);

	if (client->target.type == SOCK_DGRAM && ticks && ticks % ticks_per_repeat == 0)
		flow_send_again(flow);
}

static void flow_is_due(struct client *client, struct flow *flow, uint64_t now_us)
{
	switch (flow->state) {
	case FLOW_CLOSED:
		if (client->connecting < MAX_CONNECTING && !client->is_ending)
			open_flow(client, flow);
		break;
	case FLOW_IDLE:
		if (!flow->is_checked)
			send_on(client, flow, now_us);
		break;
	case FLOW_CONNECTING:
	case FLOW_AWAITING:
		take_event(client, flow, flow_give_up(flow), now_us);
		break;
	}
}

/* Every flow, every tick: fifty thousand of them take a millisecond. */
static void visit_flows(struct client *client, uint64_t now_us)
{
	for (size_t i = 0; i < flow_count(client); i++) {
		struct flow *flow = &client->flows[i];

		if (flow->due_us <= now_us)
			flow_is_due(client, flow, now_us);
		else if (flow->state == FLOW_AWAITING)
			repeat_datagram(client, flow, now_us);
	}
}

/* At the end, all that is under way or not yet checked; a closed flow is not opened any more. */
static bool is_over(const struct client *client)
{
	if (!client->is_ending)
		return false;
	for (size_t i = 0; i < flow_count(client); i++) {
		const struct flow *flow = &client->flows[i];

		if (flow->state != FLOW_CLOSED && !flow->is_checked)
			return false;
	}
	return true;
}

static void begin_to_end(struct client *client, uint64_t now_us)
{
	if (client->is_ending || (now_us < client->end_us && !program_stdin_ended()))
		return;
	client->is_ending = true;
	client->end_us = now_us;
}

static void handle_events(struct client *client)
{
	struct epoll_event events[EVENTS];
	int count = epoll_wait(client->target.epoll, events, EVENTS, TICK_MS);
	uint64_t now_us = clock_monotonic_us();

	if (count < 0 && errno != EINTR)
		err(1, "epoll_wait");
	for (int i = 0; i < count; i++) {
		struct flow *flow = events[i].data.ptr;

		take_event(client, flow, flow_handle(flow, events[i].events), now_us);
	}
}

static void run(struct client *client)
{
	uint64_t tick_us = 0, status_us = 0, now_us = 0;

	while (!is_over(client)) {
		handle_events(client);
		now_us = clock_monotonic_us();
		if (now_us < tick_us)
			continue;
		tick_us = now_us + TICK_MS * UINT64_C(1000);
		begin_to_end(client, now_us);
		visit_flows(client, now_us);
		if (now_us < status_us)
			continue;
		status_us = now_us + STATUS_US;
		report_tally("status", &client->tally, client->flows, flow_count(client), now_us);
	}
	report_tally("end", &client->tally, client->flows, flow_count(client), now_us);
}

static void parse_option(struct client *client, int option)
{
	switch (option) {
	case FLOWS:
		client->long_count = program_number("--flows", optarg, 1, MAX_FLOWS);
		break;
	case SHORT:
		client->short_count = program_number("--short", optarg, 0, MAX_FLOWS);
		break;
	case TURNOVER:
		client->turnover = (unsigned int)program_number("--turnover", optarg, 0, 1000);
		break;
	case INTERVAL:
		client->interval_us = program_duration_us("--interval", optarg, MAX_MS);
		break;
	case TIMEOUT:
		client->timeout_us = program_duration_us("--timeout", optarg, MAX_MS);
		break;
	case SECONDS:
		client->end_us = program_number("--seconds", optarg, 1, MAX_SECONDS) * 1000000;
		break;
	case SEED:
		client->random[0] = (unsigned short)program_number("--seed", optarg, 0, UINT16_MAX);
		break;
	case UDP:
		client->target.type = SOCK_DGRAM;
		break;
	default:
		errx(2, "%s", usage);
	}
}

static socklen_t parse_address(const char *text, uint16_t port, struct sockaddr_storage *ret_name)
{
	struct leat_addr address;

	if (address_parse(text, &address) < 0)
		errx(2, "\"%s\" is not an address", text);
	return address_to_sockaddr(&address, port, ret_name);
}

static void make_flows(struct client *client, char **sources, size_t source_count)
{
	uint64_t now_us = clock_monotonic_us();

	client->flows = calloc(flow_count(client), sizeof(struct flow));
	if (!client->flows)
		err(1, "%zu flows", flow_count(client));
	for (size_t i = 0; i < flow_count(client); i++) {
		struct flow *flow = &client->flows[i];

		flow->fd = -1;
		flow->target = &client->target;
		flow->is_short = i >= client->long_count;
		flow->due_us = now_us;
		if (parse_address(sources[i % source_count], 0, &flow->source) !=
		    client->target.address_size)
			errx(2, "%s is not of the service's family", sources[i % source_count]);
	}
}

static void init(struct client *client, int argc, char **argv)
{
	int option;

	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		parse_option(client, option);
	if (argc - optind < 3)
		errx(2, "%s", usage);
	client->target.address_size = parse_address(
		argv[optind], (uint16_t)program_number("port", argv[optind + 1], 1, UINT16_MAX),
		&client->target.address);
	client->target.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (client->target.epoll < 0)
		err(1, "epoll_create1");
	client->end_us += clock_monotonic_us();
	program_raise_descriptors(flow_count(client) + SPARE_FILES);
	program_watch_stdin();
	make_flows(client, argv + optind + 2, (size_t)(argc - optind - 2));
}

int main(int argc, char **argv)
{
	struct client client = {
		.target = { .type = SOCK_STREAM },
		.long_count = 100,
		.interval_us = 1000000,
		.timeout_us = 10000000,
		.end_us = 60000000,
		.random = { 1 },
	};

	init(&client, argc, argv);
	run(&client);
	free(client.flows);
	return 0;
}
