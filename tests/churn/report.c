/* SPDX-License-Identifier: GPL-2.0-only */
#include "tests/churn/report.h"

#include <err.h>
#include <jansson.h>
#include <string.h>

#include "base/address.h"

static void print(json_t *json)
{
	if (!json || json_dumpf(json, stdout, JSON_COMPACT | JSON_REAL_PRECISION(12)) < 0 ||
	    putchar('\n') == EOF || fflush(stdout) == EOF)
		errx(1, "cannot write the report");
	json_decref(json);
}

static double seconds(uint64_t us)
{
	return (double)us / 1e6;
}

static const char *name_or_null(const char *name)
{
	return name[0] ? name : NULL;
}

static const char *format_source(const struct flow *flow, char text[ADDRESS_TEXT_SIZE])
{
	const struct sockaddr_storage *source = &flow->source;
	struct leat_addr address;

	if (source->ss_family == AF_INET6)
		address = address_from_ipv6(&((const struct sockaddr_in6 *)source)->sin6_addr);
	else
		address = address_from_ipv4(((const struct sockaddr_in *)source)->sin_addr);
	return address_format(&address, text);
}

void report_broken(const struct flow *flow, uint64_t now_us)
{
	char source[ADDRESS_TEXT_SIZE];

	print(json_pack("{s:s, s:f, s:s, s:s?, s:s?, s:s, s:i, s:f, s:I, s:s}", "event", "broken",
			"time", seconds(now_us), "reason", flow->reason, "backend",
			name_or_null(flow->backend), "other_backend",
			name_or_null(flow->other_backend), "source", format_source(flow, source),
			"port", flow_port(flow), "opened", seconds(flow->opened_us), "exchanges",
			(json_int_t)flow->exchanges, "kind", flow->is_short ? "short" : "long"));
}

static void count_backend(json_t *backends, const char *name)
{
	json_int_t count = json_integer_value(json_object_get(backends, name));

	json_object_set_new(backends, name, json_integer(count + 1));
}

/* Takes the long flows that are on a backend, and returns how many of them there are. */
static size_t count_backends(json_t *backends, const struct flow *flows, size_t count)
{
	size_t open = 0;

	for (size_t i = 0; i < count; i++) {
		if (flows[i].is_short || flows[i].state == FLOW_CLOSED || flows[i].exchanges == 0)
			continue;
		count_backend(backends, flows[i].backend);
		open++;
	}
	return open;
}

void report_tally(const char *event, const struct tally *tally, const struct flow *flows,
		  size_t count, uint64_t now_us)
{
	json_t *backends = json_object();
	size_t open = count_backends(backends, flows, count);

	print(json_pack("{s:s, s:f, s:I, s:I, s:I, s:I, s:f, s:o}", "event", event, "time",
			seconds(now_us), "open", (json_int_t)open, "opened",
			(json_int_t)tally->opened, "exchanges", (json_int_t)tally->exchanges,
			"broken", (json_int_t)tally->broken, "slowest_s",
			seconds(tally->slowest_us), "backends", backends));
}
