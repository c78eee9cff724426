/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * make bench: nanoseconds a packet by BPF_PROG_TEST_RUN, as ratios to a bare encapsulation measured
 * in the same rounds, and the build times of tables.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <jansson.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <string.h>

#include "config/config_file.h"
#include "daemon/rehearsal.h"
#include "tests/bench/table.h"

#include "bench.skel.h"

#define ROUNDS	 61 /* odd, for the median */
#define REPEAT	 250000
#define BACKENDS 100

static const char service4[] = "192.0.2.10", service6[] = "2001:db8::10";

enum subject { WRAPPER, FLOOR, LEAT };

static const struct scenario {
	const char *name;
	enum subject subject;
	uint32_t flows;
	uint8_t family;
	uint8_t protocol;
	uint16_t port;
	uint32_t action; /* what must come out, or the figure would be another program's */
} scenarios[] = {
	{ "wrapper", WRAPPER, 1, 4, IPPROTO_TCP, 80, XDP_PASS },
	{ "floor", FLOOR, 1, 4, IPPROTO_TCP, 80, XDP_TX },
	{ "tcp4-1", LEAT, 1, 4, IPPROTO_TCP, 80, XDP_TX },
	{ "tcp4-1M", LEAT, 1 << 20, 4, IPPROTO_TCP, 80, XDP_TX },
	{ "tcp6-1M", LEAT, 1 << 20, 6, IPPROTO_TCP, 80, XDP_TX },
	{ "udp4-1M", LEAT, 1 << 20, 4, IPPROTO_UDP, 53, XDP_TX },
	{ "pass4", LEAT, 1, 4, IPPROTO_TCP, 9999, XDP_PASS },
};

#define FLOOR_INDEX 1

struct measurement {
	struct bench_bpf *program;
	uint8_t packet[128];
	size_t size;
	double ns[ROUNDS];
};

static void add_service(FILE *yaml, const char *name, const char *address, int port,
			const char *protocol, const char *backend_format)
{
	fprintf(yaml,
		"- name: %s\n  address: \"%s\"\n  port: %d\n  protocol: %s\n  forward: ipip\n"
		"  backends:\n",
		name, address, port, protocol);
	for (int i = 1; i <= BACKENDS; i++) {
		fprintf(yaml, "  - { name: %s-%d, address: \"", name, i);
		/* The format is one of the literals below. */
		fprintf(yaml, "%s%d\" }\n", backend_format, i);
	}
}

static int make_config(struct config **ret_config)
{
	cleanup(config_errors_deinit) struct config_errors errors = { 0 };
	cleanup(freep) char *text = NULL;
	size_t size;
	FILE *yaml = open_memstream(&text, &size);

	if (!yaml)
		return -errno;
	fputs("interfaces: [lo]\nnext_hop: 02:00:00:00:00:01\nservices:\n", yaml);
	add_service(yaml, "tcp4", service4, 80, "tcp", "198.51.100.");
	add_service(yaml, "udp4", service4, 53, "udp", "203.0.113.");
	add_service(yaml, "tcp6", service6, 80, "tcp", "2001:db8:1::");
	if (fclose(yaml) != 0)
		return -errno;
	return config_file_parse("bench", text, size, ret_config, &errors);
}

static size_t make_packet(const struct scenario *scenario, uint8_t packet[128])
{
	uint16_t payload = scenario->protocol == IPPROTO_TCP ? 20 : 8 + 12;
	struct ethhdr *eth = (struct ethhdr *)packet;
	uint8_t *l4 = packet + sizeof(*eth);
	struct leat_addr address;

	memset(packet, 0, 128);
	memset(eth, 2, 2 * ETH_ALEN);
	address_parse(scenario->family == 4 ? service4 : service6, &address);
	if (scenario->family == 4) {
		struct iphdr ip = { .version = 4, .ihl = 5, .ttl = 64 };

		ip.tot_len = htons((uint16_t)(sizeof(ip) + payload));
		ip.protocol = scenario->protocol;
		ip.daddr = address.words[3];
		eth->h_proto = htons(ETH_P_IP);
		memcpy(l4, &ip, sizeof(ip));
		l4 += sizeof(ip);
	} else {
		struct ipv6hdr ip = { .version = 6, .hop_limit = 64 };

		ip.payload_len = htons(payload);
		ip.nexthdr = scenario->protocol;
		memcpy(&ip.daddr, &address, sizeof(ip.daddr));
		ip.saddr.s6_addr32[0] = htonl(0x20010db8);
		eth->h_proto = htons(ETH_P_IPV6);
		memcpy(l4, &ip, sizeof(ip));
		l4 += sizeof(ip);
	}
	/* The wrapper writes an IPv6 header's worth without asking for the family. */
	return MAX((size_t)(l4 + payload - packet), sizeof(*eth) + sizeof(struct ipv6hdr) + 8);
}

static int open_program(struct rehearsal *rehearsal, const struct scenario *scenario,
			struct bench_bpf **ret_program)
{
	struct bench_bpf *program = bench_bpf__open();
	int r;

	if (!program)
		return -errno;
	program->rodata->flow_mask = scenario->flows - 1;
	program->rodata->port = scenario->port;
	if (scenario->family == 6)
		program->rodata->outer_len = sizeof(struct ipv6hdr);
	r = datapath_share_maps(rehearsal->datapath, program->obj);
	if (r == 0)
		r = bench_bpf__load(program);
	if (r < 0) {
		bench_bpf__destroy(program);
		return r;
	}
	*ret_program = program;
	return 0;
}

static int program_fd(const struct bench_bpf *program, enum subject subject)
{
	switch (subject) {
	case WRAPPER:
		return bpf_program__fd(program->progs.bench_wrapper);
	case FLOOR:
		return bpf_program__fd(program->progs.bench_floor);
	default:
		return bpf_program__fd(program->progs.bench_leat);
	}
}

static int measure(const struct scenario *scenario, struct measurement *m, double *ret_ns)
{
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = m->packet, .repeat = REPEAT);
	int r;

	options.data_size_in = (uint32_t)m->size;
	r = bpf_prog_test_run_opts(program_fd(m->program, scenario->subject), &options);
	if (r < 0)
		return r;
	if (options.retval != scenario->action) {
		fprintf(stderr, "%s: action %u came out, %u was expected\n", scenario->name,
			options.retval, scenario->action);
		return -EINVAL;
	}
	*ret_ns = options.duration;
	return 0;
}

static int compare_doubles(const void *a, const void *b)
{
	const double *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

static json_t *report(const char *name, double ns_median, double ns_min, double ratio)
{
	printf("%-12s %9.1f %9.1f %7.2f\n", name, ns_median, ns_min, ratio);
	return json_pack("{s:s, s:f, s:f, s:f}", "scenario", name, "ns_median", ns_median, "ns_min",
			 ns_min, "ratio", ratio);
}

static double median(const double *values)
{
	double sorted[ROUNDS];

	memcpy(sorted, values, sizeof(sorted));
	qsort(sorted, ROUNDS, sizeof(double), compare_doubles);
	return sorted[ROUNDS / 2];
}

static double least(const double *values)
{
	double least_value = values[0];

	for (size_t round = 1; round < ROUNDS; round++)
		least_value = values[round] < least_value ? values[round] : least_value;
	return least_value;
}

/* The median of each round's ratio: a machine that is slow for a while is so for both. */
static double ratio_to(const double *values, const double *floor)
{
	double ratios[ROUNDS];

	for (size_t round = 0; round < ROUNDS; round++)
		ratios[round] = values[round] / floor[round];
	return median(ratios);
}

static json_t *report_all(const struct measurement *measurements)
{
	const double *floor = measurements[FLOOR_INDEX].ns;
	json_t *rows = json_array();

	printf("%-12s %9s %9s %7s\n", "SCENARIO", "NS MEDIAN", "NS MIN", "RATIO");
	for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++) {
		const double *ns = measurements[i].ns;

		json_array_append_new(rows, report(scenarios[i].name, median(ns), least(ns),
						   ratio_to(ns, floor)));
	}
	return rows;
}

/* Round by round, so that a slow spell of the machine hits all scenarios alike. */
static int measure_all(struct rehearsal *rehearsal, struct measurement *measurements)
{
	for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++) {
		int r = open_program(rehearsal, &scenarios[i], &measurements[i].program);

		if (r < 0)
			return r;
		measurements[i].size = make_packet(&scenarios[i], measurements[i].packet);
	}
	for (size_t round = 0; round < ROUNDS; round++) {
		for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++) {
			int r = measure(&scenarios[i], &measurements[i],
					&measurements[i].ns[round]);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

static int bench_datapath(json_t **ret_rows)
{
	struct measurement measurements[ARRAY_SIZE(scenarios)] = { 0 };
	cleanup(rehearsal_deinit) struct rehearsal rehearsal = { 0 };
	struct config *config;
	int r = make_config(&config);

	if (r == 0)
		r = rehearsal_init(&rehearsal, config, false);
	if (r == 0)
		r = measure_all(&rehearsal, measurements);
	if (r == 0)
		*ret_rows = report_all(measurements);
	for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++)
		bench_bpf__destroy(measurements[i].program);
	return r;
}

static void bench_tables(json_t *rows)
{
	static const size_t counts[] = { 8, 128, 1000 };

	printf("\n%-24s %9s\n", "TABLE (65536 slots)", "MS");
	for (int kind = TABLE_RENDEZVOUS; kind <= TABLE_MAGLEV; kind++) {
		for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
			double ns = (double)bench_table_build_ns((enum table_kind)kind, counts[i],
								 65536);
			char name[64];

			snprintf(name, sizeof(name), "table-%s-%zu",
				 table_kind_name((enum table_kind)kind), counts[i]);
			printf("%-24s %9.2f\n", name, ns / 1e6);
			json_array_append_new(rows,
					      json_pack("{s:s, s:f, s:f, s:n}", "scenario", name,
							"ns_median", ns, "ns_min", ns, "ratio"));
		}
	}
}

/* Statistics cost some 40 ns a run, more than what is measured. */
static int check_statistics(void)
{
	cleanup(fclosep) FILE *file = fopen("/proc/sys/kernel/bpf_stats_enabled", "re");

	if (!file || fgetc(file) == '0')
		return 0;
	fputs("kernel.bpf_stats_enabled is on and would be measured too; type: sysctl "
	      "kernel.bpf_stats_enabled=0\n",
	      stderr);
	return -EBUSY;
}

int main(int argc, char **argv)
{
	json_t *rows = NULL;
	int r = check_statistics();

	if (argc != 3 || strcmp(argv[1], "-o") != 0) {
		fputs("Usage: bench -o FILE.json\n", stderr);
		return 2;
	}
	if (r == 0)
		r = bench_datapath(&rows);
	if (r < 0) {
		fprintf(stderr, "bench: %s\n", strerror(-r));
		return 1;
	}
	bench_tables(rows);
	r = json_dump_file(rows, argv[2], JSON_INDENT(2));
	json_decref(rows);
	return r < 0 ? 1 : 0;
}
