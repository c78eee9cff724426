/* SPDX-License-Identifier: GPL-2.0-only */
#include "tests/bench/live.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <pthread.h>
#include <sched.h>

#include "tests/bench/affinity.h"
#include "tests/bench/frame.h"
#include "tests/bench/marks.h"
#include "tests/bench/reloads.h"
#include "tests/bench/scenarios.h"
#include "tests/bench/timing.h"

#include "live.skel.h"

#define ROUNDS	  31
#define RELOADS	  4
#define MOST_RUNS 512 /* while there are reloads */
#define BATCH	  64  /* frames a call of the driver, as NAPI would have it */
#define TRIES	  20
#define PATIENCE  UINT64_C(1000000000)
#define NEAR_END  "leat-near"
#define FAR_END	  "leat-far"
#define MAKE_PAIR "ip link add " NEAR_END " type veth peer name " FAR_END
#define RAISE	  "ip link set " NEAR_END " up && ip link set " FAR_END " up"

struct live {
	struct rehearsal *rehearsal;
	struct live_bpf *programs;
	struct frame frame;
	uint32_t near, far;
	double floor_ns[ROUNDS];
	double leat_ns[ROUNDS];
	double quiet_ns[ROUNDS]; /* means, as the next ones */
	double reload_ns[MOST_RUNS];
	size_t reload_runs;
	size_t cores[2];
	uint64_t sent;
	int result;
};

static int load(struct live *live, const struct scenario *scenario)
{
	const struct bench_service *service = bench_service_find(scenario->service);
	struct live_bpf *programs = live->programs = live_bpf__open();
	int r;

	if (!programs)
		return -errno;
	frame_make(&live->frame, service, scenario->tcp_flags);
	programs->rodata->flow_mask = (uint32_t)(scenario->flows - 1);
	programs->rodata->port = service->port;
	programs->rodata->memory = datapath_memory(live->rehearsal->datapath);
	programs->rodata->sent_size = (uint32_t)(live->frame.size + sizeof(struct iphdr));
	r = datapath_share_maps(live->rehearsal->datapath, programs->obj);
	return r < 0 ? r : live_bpf__load(programs);
}

/* A driver sends to a veth only where a program, or GRO, takes frames at its other end. */
static int make_pair(struct live *live)
{
	if (system(MAKE_PAIR " && " RAISE) != 0)
		return -EIO;
	live->near = if_nametoindex(NEAR_END);
	live->far = if_nametoindex(FAR_END);
	if (!live->near || !live->far)
		return -errno;
	return bpf_xdp_attach((int)live->far, bpf_program__fd(live->programs->progs.live_sink),
			      XDP_FLAGS_DRV_MODE, NULL);
}

static uint64_t count_arrived(const struct live *live)
{
	int cpus = libbpf_num_possible_cpus();
	cleanup(freep) uint64_t *counts = calloc((size_t)MAX(cpus, 1), sizeof(*counts));
	const uint32_t zero = 0;
	uint64_t sum = 0;

	if (!counts ||
	    bpf_map_lookup_elem(bpf_map__fd(live->programs->maps.arrived), &zero, counts) < 0)
		return 0;
	for (int i = 0; i < cpus; i++)
		sum += counts[i];
	return sum;
}

/* What is still in the veth's ring is on its way. -EAGAIN: frames were lost, because whoever else is on the
 * machine kept the far end from running, and the figure is nothing. */
static int check_arrived(struct live *live)
{
	uint64_t deadline = timing_now_ns() + PATIENCE, count;

	do {
		count = count_arrived(live);
		if (count == live->sent)
			return 0;
		sched_yield();
	} while (timing_now_ns() < deadline);
	fprintf(stderr, "live: %llu frames were sent, %llu arrived; once more\n",
		(unsigned long long)live->sent, (unsigned long long)count);
	live->sent = count;
	return -EAGAIN;
}

/* Interrupts serve the veth's far end, batch by batch, on the same core and within the same time. */
static int send_frames(struct live *live, const struct bpf_program *program, double *ret_ns)
{
	struct xdp_md context = { .ingress_ifindex = live->near };
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = live->frame.bytes, .ctx_in = &context,
		    .ctx_size_in = sizeof(context), .repeat = MARKED_RUN, .batch_size = BATCH,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES);
	int r;

	options.data_size_in = context.data_end = (uint32_t)live->frame.size;
	live->programs->bss->mark_count = 0;
	r = bpf_prog_test_run_opts(bpf_program__fd(program), &options);
	*ret_ns = timing_marked_ns(live->programs->bss->marks);
	live->sent += MARKED_RUN;
	return r < 0 ? r : check_arrived(live);
}

static int measure_frames(struct live *live, const struct bpf_program *program, double *ret_ns)
{
	int r = -EAGAIN;

	for (int try = 0; r == -EAGAIN && try < TRIES; try++)
		r = send_frames(live, program, ret_ns);
	return r;
}

static int measure(struct live *live)
{
	const struct live_bpf *programs = live->programs;
	int r = 0;

	for (size_t round = 0; r == 0 && round < ROUNDS; round++) {
		r = measure_frames(live, programs->progs.live_floor, &live->floor_ns[round]);
		if (r == 0)
			r = measure_frames(live, programs->progs.live_leat, &live->leat_ns[round]);
		live->quiet_ns[round] = timing_mean_ns(programs->bss->marks);
	}
	return r;
}

static int measure_beside(struct live *live, const struct reloads *reloads)
{
	double median;
	int r = 0;

	while (r == 0 && reloads->done < RELOADS && live->reload_runs < MOST_RUNS) {
		r = measure_frames(live, live->programs->progs.live_leat, &median);
		live->reload_ns[live->reload_runs++] = timing_mean_ns(live->programs->bss->marks);
	}
	return r;
}

/* Frames leave from one core while another one prepares and swaps in tables. */
static int measure_reloads(struct live *live)
{
	struct reloads reloads;
	int r = reloads_start(&reloads, live->rehearsal, live->cores[1]), ended;

	if (r < 0)
		return r;
	r = measure_beside(live, &reloads);
	ended = reloads_stop(&reloads);
	return r < 0 ? r : ended;
}

/* In a thread of its own, because a network namespace is a thread's. */
static void *work(void *argument)
{
	struct live *live = argument;
	int r = unshare(CLONE_NEWNET) < 0 ? -errno : 0, cores;

	cores = affinity_find(live->cores, ARRAY_SIZE(live->cores));
	if (r == 0 && cores > 0)
		r = affinity_pin(live->cores[0]);
	if (r == 0)
		r = load(live, scenario_find("tcp4-1M"));
	if (r == 0)
		r = make_pair(live);
	if (r == 0)
		r = measure(live);
	if (r == 0 && cores == ARRAY_SIZE(live->cores))
		r = measure_reloads(live);
	live->result = r;
	return NULL;
}

static void report_reloads(struct results *results, const struct live *live)
{
	struct result row = { .name = "live-reload" };

	row.value = timing_median(live->reload_ns, live->reload_runs);
	row.least = timing_least(live->reload_ns, live->reload_runs);
	row.ratio = row.value / timing_median(live->quiet_ns, ROUNDS);
	results_add(results, &row);
}

static void report_all(struct results *results, const struct live *live)
{
	struct result floor = { .name = "live-floor", .ratio = 1 };
	struct result row = { .name = "live", .target = 1.6 };

	floor.value = timing_median(live->floor_ns, ROUNDS);
	floor.least = timing_least(live->floor_ns, ROUNDS);
	row.value = timing_median(live->leat_ns, ROUNDS);
	row.least = timing_least(live->leat_ns, ROUNDS);
	row.ratio = timing_median_ratio(live->leat_ns, live->floor_ns, ROUNDS);
	results_add(results, &floor);
	results_add(results, &row);
	if (live->reload_runs)
		report_reloads(results, live);
}

int bench_live(struct results *results, struct rehearsal *rehearsals)
{
	struct live live = { .rehearsal = &rehearsals[MAPS_SHARED] };
	pthread_t thread;
	int r = -pthread_create(&thread, NULL, work, &live);

	if (r == 0)
		r = -pthread_join(thread, NULL);
	if (r == 0)
		r = live.result;
	results_section(results, "FRAMES OVER A VETH PAIR", "ns");
	if (r == 0)
		report_all(results, &live);
	live_bpf__destroy(live.programs);
	return r;
}
