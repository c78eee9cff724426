/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The datapath that the fuzzer has compiled for the host is the one in the kernel: every frame of the
 * fuzzer's corpus, and many that are made from them, come out of both as the same bytes, with the
 * same verdict and for the same reason.
 */
#include "tests/unit/datapath/edge.h"
#include "tests/unit/datapath/kernel_programs.h"

#include <dirent.h>
#include <sched.h>
#include <sys/resource.h>

#define CORPUS	    "tests/fuzz/corpus/packet"
#define CORPUS_MAX  1024
#define MUTATIONS   30000
#define ROOM	    (KERNEL_FRAME_MAX + HOST_HEADROOM)
#define CHANGES_MAX 4

struct frame_copy {
	uint8_t bytes[KERNEL_FRAME_MAX];
	size_t size;
};

struct agreement {
	struct scene scene;
	struct kernel_programs kernel;
	struct frame_copy frames[CORPUS_MAX];
	size_t count;
	size_t reasons[LEAT_REASON_COUNT];
};

/* In a network of its own with the interfaces of the scene, and on one CPU, whose share of the counters
 * and cursors is then all there is. */
static void enter_network(void)
{
	cpu_set_t first;

	CPU_ZERO(&first);
	CPU_SET(0, &first);
	assert_int_equal(sched_setaffinity(0, sizeof(first), &first), 0);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	assert_int_equal(system("ip link add v0 index 2 type veth peer name p0 index 3"), 0);
	assert_int_equal(system("ip link set lo up"), 0);
}

static uint64_t coarse_ns(void)
{
	struct timespec now;

	assert_int_equal(clock_gettime(CLOCK_MONOTONIC_COARSE, &now), 0);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void read_frame(struct agreement *agreement, const char *name)
{
	struct frame_copy *frame = &agreement->frames[agreement->count];
	cleanup(freep) char *path = NULL;
	FILE *file;

	assert_true(asprintf(&path, CORPUS "/%s", name) > 0);
	file = fopen(path, "r");
	assert_non_null(file);
	frame->size = fread(frame->bytes, 1, sizeof(frame->bytes), file);
	if (frame->size >= ETH_HLEN && feof(file))
		agreement->count++;
	assert_in_range(agreement->count, 0, CORPUS_MAX - 1);
	fclose(file);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_shown(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void read_corpus(struct agreement *agreement)
{
	struct dirent **entries;
	int count = scandir(CORPUS, &entries, is_shown, by_name);

	assert_true(count > 0);
	for (int i = 0; i < count; i++) {
		read_frame(agreement, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
}

static void print_frame(struct bytes frame)
{
	for (size_t i = 0; i < frame.size; i++)
		print_error("%02x%s", frame.at[i], i % 32 == 31 ? "\n" : "");
	print_error("\n");
}

static void disagree(struct bytes in, const struct outcome *host, const struct outcome *kernel)
{
	print_error("the frame:\n");
	print_frame(in);
	print_error("by the host: action %u, reason %u, service %u, backend %u, slot %u\n",
		    host->action, host->trace.reason, host->trace.service, host->trace.backend,
		    host->trace.slot);
	print_frame(host->out);
	print_error("by the kernel: action %u, reason %u, service %u, backend %u, slot %u\n",
		    kernel->action, kernel->trace.reason, kernel->trace.service,
		    kernel->trace.backend, kernel->trace.slot);
	print_frame(kernel->out);
	fail_msg("host and kernel disagree");
}

static bool outcomes_equal(const struct outcome *a, const struct outcome *b)
{
	return a->action == b->action && memcmp(&a->trace, &b->trace, sizeof(a->trace)) == 0 &&
	       a->out.size == b->out.size && memcmp(a->out.at, b->out.at, a->out.size) == 0;
}

static struct bytes take_out(struct host_frame *frame, uint8_t *room)
{
	struct bytes out = { room, host_frame_size(frame) };

	assert_in_range(out.size, ETH_HLEN, ROOM);
	assert_int_equal(host_frame_load(frame, 0, room, (uint32_t)out.size), 0);
	host_frame_deinit(frame);
	return out;
}

static struct outcome host_run_leat(struct agreement *agreement, struct bytes in, uint8_t *room)
{
	struct outcome outcome;
	struct host_frame frame;

	assert_int_equal(host_frame_init(&frame, in.at, (uint32_t)in.size, HOST_LINEAR_MAX), 0);
	outcome.action = (uint32_t)leat_run(&agreement->scene.datapath, &frame, &outcome.trace);
	outcome.out = take_out(&frame, room);
	return outcome;
}

static void compare_leat(struct agreement *agreement, struct bytes in)
{
	static uint8_t host_room[ROOM], kernel_room[ROOM];
	struct outcome host, kernel;

	/* Both have one clock; what they do with it is a matter of seconds. */
	host_clock_ns = coarse_ns();
	kernel = kernel_run_leat(&agreement->kernel, in, kernel_room, sizeof(kernel_room));
	kernel.seen = MIN(in.size, HOST_LINEAR_MAX);
	host = host_run_leat(agreement, in, host_room);
	if (!outcomes_equal(&host, &kernel))
		disagree(in, &host, &kernel);
	opinion_of_leat(&agreement->scene, in, &kernel);
	agreement->reasons[kernel.trace.reason]++;
}

static void compare_decap(struct agreement *agreement, struct bytes in)
{
	static uint8_t host_room[ROOM], kernel_room[ROOM];
	struct outcome host = { 0 }, kernel = { 0 };
	struct host_frame frame;

	assert_int_equal(host_frame_init(&frame, in.at, (uint32_t)in.size, HOST_LINEAR_MAX), 0);
	host.action = (uint32_t)decap_run(&agreement->scene.decap, &frame);
	host.out = take_out(&frame, host_room);
	kernel.out = kernel_run(agreement->kernel.decap->progs.leat_decap, in, kernel_room,
				sizeof(kernel_room), &kernel.action);
	if (!outcomes_equal(&host, &kernel))
		disagree(in, &host, &kernel);
}

static void compare(struct agreement *agreement, struct bytes in)
{
	compare_leat(agreement, in);
	compare_decap(agreement, in);
}

static void compare_counters(const struct agreement *agreement)
{
	const struct datapath *host = &agreement->scene.datapath;
	const struct leat_bpf *leat = agreement->kernel.leat;
	const struct {
		const struct host_map *host;
		const struct bpf_map *kernel;
		uint32_t count;
	} maps[] = {
		{ &host->reason_count, leat->maps.reason_count, LEAT_REASON_COUNT },
		{ &host->service_count, leat->maps.service_count, SCENE_MAX_SERVICES },
		{ &host->backend_count, leat->maps.backend_count, SCENE_MAX_BACKENDS },
		{ &agreement->scene.decap.count, agreement->kernel.decap->maps.decap_count,
		  LEAT_DECAP_REASON_COUNT },
	};

	for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
		for (uint32_t j = 0; j < maps[i].count; j++) {
			struct leat_counter counter = kernel_counter(maps[i].kernel, j);

			assert_memory_equal(&counter, host_map_at(maps[i].host, j),
					    sizeof(counter));
		}
	}
}

static uint32_t below(uint64_t *random, uint32_t limit)
{
	return (uint32_t)((sample_random(random) >> 32) * limit >> 32);
}

/* Bytes that headers care about, near where they are. */
static void change_once(struct frame_copy *frame, uint64_t *random)
{
	static const uint8_t special[] = { 0,	 1,    4,    6,	   17,	 20,   41,   44,
					   0x45, 0x46, 0x60, 0x7f, 0x80, 0x81, 0xff, 58 };
	size_t at = below(random, (uint32_t)MIN(frame->size, (size_t)128));

	switch (below(random, 5)) {
	case 0:
		frame->bytes[at] = special[below(random, ARRAY_SIZE(special))];
		break;
	case 1:
		frame->bytes[at] ^= (uint8_t)(1U << below(random, 8));
		break;
	case 2:
		frame->bytes[at] = (uint8_t)below(random, 256);
		break;
	case 3:
		frame->size = ETH_HLEN + below(random, (uint32_t)(frame->size - ETH_HLEN + 1));
		break;
	default:
		/* Another client or another flow. */
		at = MIN(26 + (size_t)below(random, 12), frame->size - 1);
		frame->bytes[at]++;
	}
}

static void corpus_comes_out_the_same(void **state)
{
	struct agreement *agreement = *state;

	/* Twice: the second packet of a flow is promoted, a later fragment follows. */
	for (size_t i = 0; i < 2 * agreement->count; i++) {
		const struct frame_copy *frame = &agreement->frames[i % agreement->count];

		compare(agreement, (struct bytes){ frame->bytes, frame->size });
	}
	compare_counters(agreement);
}

/* Or the corpus says nothing of it. */
static void corpus_has_every_reason(void **state)
{
	static const char *const labels[] = {
#define X(name, verdict, label, text) label,
		LEAT_REASONS(X)
#undef X
	};
	const struct agreement *agreement = *state;

	for (size_t i = 0; i < LEAT_REASON_COUNT; i++) {
		/* A driver's doing; a defect; what one frame cannot reach (test_rate.c). */
		if (i != LEAT_NO_ROOM && i != LEAT_INTERNAL && i != LEAT_RATE_LIMITED &&
		    i != LEAT_NAT_FULL && !agreement->reasons[i])
			fail_msg("no frame of the corpus is %s", labels[i]);
	}
	for (uint32_t i = 0; i < LEAT_DECAP_REASON_COUNT; i++) {
		const struct leat_counter *counter = host_map_at(&agreement->scene.decap.count, i);

		assert_int_not_equal(counter->packets, 0);
	}
}

static void changed_frames_come_out_the_same(void **state)
{
	struct agreement *agreement = *state;
	uint64_t random = sample_seed();

	for (size_t i = 0; i < MUTATIONS; i++) {
		struct frame_copy frame =
			agreement->frames[below(&random, (uint32_t)agreement->count)];

		for (uint32_t left = 1 + below(&random, CHANGES_MAX); left; left--)
			change_once(&frame, &random);
		compare(agreement, (struct bytes){ frame.bytes, frame.size });
	}
	compare_counters(agreement);
}

static int begin(void **state)
{
	struct agreement *agreement = calloc(1, sizeof(*agreement));

	assert_non_null(agreement);
	*state = agreement;
	if (getuid() != 0)
		return 0;
	enter_network();
	host_clock_ns = coarse_ns();
	scene_init(&agreement->scene);
	kernel_load(&agreement->kernel, &agreement->scene);
	kernel_fill(&agreement->kernel, &agreement->scene);
	read_corpus(agreement);
	return 0;
}

static int end(void **state)
{
	struct agreement *agreement = *state;

	if (getuid() == 0) {
		kernel_unload(&agreement->kernel);
		scene_deinit(&agreement->scene);
	}
	free(agreement);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(corpus_comes_out_the_same),
		cmocka_unit_test(corpus_has_every_reason),
		cmocka_unit_test(changed_frames_come_out_the_same),
	};

	return edge_run_group(tests, ARRAY_SIZE(tests), begin, end);
}
