/* SPDX-License-Identifier: GPL-2.0-only */
#include "tests/bench/run.h"

#include <arpa/inet.h>
#include <assert.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/ipv6.h>

#include "tests/bench/marks.h"
#include "tests/bench/timing.h"

#include "bench.skel.h"

/* Of a run's packets, where all flows were opened: a few find both their buckets full. */
#define FALLBACKS_MAX (MARKED_RUN / 1000)

static unsigned int log2_of(uint64_t power_of_two)
{
	return (unsigned int)__builtin_ctzll(power_of_two);
}

static int load(struct run *run, struct rehearsal *rehearsal, const struct bench_service *service)
{
	struct bench_bpf *program = run->program = bench_bpf__open();
	int r;

	if (!program)
		return -errno;
	program->rodata->flow_mask = (uint32_t)(run->scenario->flows - 1);
	program->rodata->flow_bits = log2_of(run->scenario->flows);
	program->rodata->service_total = MAX(service->count, 1);
	program->rodata->port = service->port;
	program->rodata->expected = run->scenario->action;
	program->rodata->options.remembers = service->scheduler != LEAT_SCHEDULER_HASH;
	program->rodata->options.quic = service->is_quic;
	program->rodata->options.access = service->allowed != 0;
	program->rodata->options.rate = service->rate != 0;
	program->rodata->memory = datapath_memory(rehearsal->datapath);
	if (service->family == 6)
		program->rodata->outer_len = sizeof(struct ipv6hdr);
	r = datapath_share_maps(rehearsal->datapath, program->obj);
	return r < 0 ? r : bench_bpf__load(program);
}

static int program_fd(const struct run *run)
{
	const struct bench_bpf *program = run->program;

	switch (run->scenario->subject) {
	case SUBJECT_WRAPPER:
		return bpf_program__fd(program->progs.bench_wrapper);
	case SUBJECT_FLOOR:
		return bpf_program__fd(program->progs.bench_floor);
	case SUBJECT_LINE:
		return bpf_program__fd(program->progs.bench_line);
	case SUBJECT_LEAT:
		break;
	}
	return bpf_program__fd(program->progs.bench_leat);
}

static int check(const struct run *run, uint32_t action)
{
	uint64_t unexpected = run->program->bss->unexpected;

	if (action == (uint32_t)run->scenario->action && !unexpected)
		return 0;
	fprintf(stderr, "%s: action %d had to come out; %u was the last and %llu were others\n",
		run->scenario->name, run->scenario->action, action, (unsigned long long)unexpected);
	return -EINVAL;
}

static int run_program(struct run *run, int fd, uint32_t count)
{
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = run->frame.bytes);
	int r;

	options.data_size_in = (uint32_t)run->frame.size;
	options.repeat = (int)count;
	run->program->bss->mark_count = 0;
	r = bpf_prog_test_run_opts(fd, &options);
	return r < 0 ? r : check(run, options.retval);
}

/* Packets whose flow should have been remembered and was not. */
static uint64_t count_fallbacks(const struct run *run)
{
	int cpus = libbpf_num_possible_cpus();
	cleanup(freep) uint64_t *counts = calloc((size_t)MAX(cpus, 1), sizeof(*counts));
	const uint32_t event = LEAT_EVENT_FALLBACK;
	uint64_t sum = 0;

	assert(counts);
	if (bpf_map_lookup_elem(bpf_map__fd(run->program->maps.event_count), &event, counts) < 0)
		return UINT64_MAX;
	for (int i = 0; i < cpus; i++)
		sum += counts[i];
	return sum;
}

static int open_flows(struct run *run)
{
	int fd = bpf_program__fd(run->program->progs.bench_open);
	int r = 0;

	if (run->scenario->opened)
		r = run_program(run, fd, 2 * run->scenario->opened);
	run->program->bss->sequence = 0;
	return r;
}

static const struct service *find_service(const struct rehearsal *rehearsal,
					  const struct bench_service *wanted)
{
	for (size_t i = 0; i < rehearsal->node.service_count; i++) {
		const struct service *service = rehearsal->node.services[i];

		if (ntohs(service->config.key.port) == wanted->port &&
		    service->config.key.protocol == wanted->protocol)
			return service;
	}
	return NULL;
}

static int check_open_slots(const struct rehearsal *rehearsal, const struct scenario *scenario,
			    const struct bench_service *wanted)
{
	const struct service *service = find_service(rehearsal, wanted);
	uint64_t percent;

	if (!service || !scenario->open_percent)
		return 0;
	percent = (service->open_slots * UINT64_C(100) + service->config.table_size / 2) /
		  service->config.table_size;
	if (percent == scenario->open_percent)
		return 0;
	fprintf(stderr, "%s: %u of %u slots are open, %u %% had to be\n", scenario->name,
		service->open_slots, service->config.table_size, scenario->open_percent);
	return -EINVAL;
}

int run_open(struct run *run, struct rehearsal *rehearsals, const struct scenario *scenario)
{
	const struct bench_service *service = bench_service_find(scenario->service);
	struct rehearsal *rehearsal = &rehearsals[service->maps];
	int r;

	*run = (struct run){ .scenario = scenario };
	frame_make(&run->frame, service, scenario->tcp_flags);
	r = check_open_slots(rehearsal, scenario, service);
	if (r == 0)
		r = load(run, rehearsal, service);
	return r < 0 ? r : open_flows(run);
}

void run_close(struct run *run)
{
	bench_bpf__destroy(run->program);
	run->program = NULL;
}

void run_skip(struct run *run, uint32_t turns)
{
	run->program->bss->sequence += turns;
}

int run_packets(struct run *run, double *ret_ns)
{
	uint64_t fallbacks = count_fallbacks(run);
	int r = run_program(run, program_fd(run), MARKED_RUN);

	if (r < 0)
		return r;
	fallbacks = count_fallbacks(run) - fallbacks;
	if (run->scenario->opened == run->scenario->flows && fallbacks > FALLBACKS_MAX) {
		fprintf(stderr, "%s: %llu of %d packets had a flow that was not remembered\n",
			run->scenario->name, (unsigned long long)fallbacks, MARKED_RUN);
		return -EINVAL;
	}
	assert(run->program->bss->mark_count == MARKS);
	*ret_ns = timing_marked_ns(run->program->bss->marks);
	return 0;
}
