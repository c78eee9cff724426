/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The packet generator of make bench-peers: TCP packets of many flows to 192.0.2.10:80, sent through
 * a veth as XDP frames, so that its other end gets them as a driver gets them from its card. It also
 * makes an interface drop, at once, all that it receives or is to send.
 *
 *   flood {drop-received|drop-sent} INTERFACE
 *   flood send INTERFACE MAC {syn|ack} FIRST-FLOW FLOWS PACKETS       prints the CPU time in ns
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/macros.h"
#include "base/number.h"

#include "flood.skel.h"

#define MOST_FLOWS   (1U << 22) /* 256 addresses with 16 384 ports each */
#define MOST_PACKETS (1U << 24)

/* As destroy does, for cleanup(): the skeleton's own takes NULL. */
static void destroyp(struct flood_bpf **program)
{
	flood_bpf__destroy(*program);
}

static int fail(const char *what, int error)
{
	fprintf(stderr, "flood: %s: %s\n", what, strerror(error));
	return 1;
}

static uint64_t cpu_time_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int parse_mac(const char *text, struct flood_bpf *program)
{
	unsigned int octets[ETH_ALEN];
	int end = 0;

	if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &octets[0], &octets[1], &octets[2],
		   &octets[3], &octets[4], &octets[5], &end) != ETH_ALEN ||
	    text[end])
		return -EINVAL;
	for (size_t i = 0; i < ETH_ALEN; i++)
		program->rodata->destination[i] = (uint8_t)octets[i];
	return 0;
}

/* From argv[2], the interface, on. The program's index of flows is masked, hence the power of two. */
static int parse_send(char *argv[], struct flood_bpf *program, uint32_t *ret_packets)
{
	uint64_t first, flows, packets;

	if (parse_mac(argv[3], program) < 0 || number_parse(argv[5], 0, MOST_FLOWS, &first) < 0 ||
	    number_parse(argv[6], 1, MOST_FLOWS, &flows) < 0 || first + flows > MOST_FLOWS ||
	    (flows & (flows - 1)) || number_parse(argv[7], 1, MOST_PACKETS, &packets) < 0)
		return -EINVAL;
	program->rodata->is_opening = strcmp(argv[4], "syn") == 0;
	program->rodata->first_flow = (uint32_t)first;
	program->rodata->flow_mask = (uint32_t)flows - 1;
	*ret_packets = (uint32_t)packets;
	return 0;
}

static int send_packets(struct flood_bpf *program, uint32_t packets)
{
	uint8_t frame[ETH_ZLEN] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = sizeof(frame),
		    .repeat = (int)packets, .flags = BPF_F_TEST_XDP_LIVE_FRAMES);
	uint64_t started = cpu_time_ns();
	int r;

	r = bpf_prog_test_run_opts(bpf_program__fd(program->progs.flood), &options);
	if (r < 0)
		return fail("running the generator", -r);
	printf("%llu\n", (unsigned long long)(cpu_time_ns() - started));
	return 0;
}

/* Interfaces keep their programs when this process has ended. */
static int drop_received(struct flood_bpf *program)
{
	int r = bpf_xdp_attach((int)program->rodata->interface,
			       bpf_program__fd(program->progs.drop_received), XDP_FLAGS_DRV_MODE,
			       NULL);

	return r < 0 ? fail("attaching to XDP", -r) : 0;
}

static int drop_sent(struct flood_bpf *program)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)program->rodata->interface,
		    .attach_point = BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = bpf_program__fd(program->progs.drop_sent));
	int r = bpf_tc_hook_create(&hook);

	if (r == 0)
		r = bpf_tc_attach(&hook, &options);
	return r < 0 ? fail("attaching to tc", -r) : 0;
}

static int load(struct flood_bpf *program, const char *interface)
{
	int r;

	program->rodata->interface = if_nametoindex(interface);
	if (!program->rodata->interface)
		return fail(interface, errno);
	r = flood_bpf__load(program);
	return r < 0 ? fail("loading the programs", -r) : 0;
}

int main(int argc, char *argv[])
{
	cleanup(destroyp) struct flood_bpf *program = flood_bpf__open();
	const char *command = argc > 2 ? argv[1] : "";
	uint32_t packets;

	if (!program)
		return fail("opening the programs", errno);
	if (argc == 3 && strcmp(command, "drop-received") == 0)
		return load(program, argv[2]) || drop_received(program);
	if (argc == 3 && strcmp(command, "drop-sent") == 0)
		return load(program, argv[2]) || drop_sent(program);
	if (argc == 8 && strcmp(command, "send") == 0 && parse_send(argv, program, &packets) == 0)
		return load(program, argv[2]) || send_packets(program, packets);
	return fail("see the top of flood.c", EINVAL);
}
