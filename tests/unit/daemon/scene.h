/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A service in a private datapath whose memory of flows and clocks are written by hand. Times are in ticks
 * before `now`, which lies in the future.
 */
#ifndef LEAT_TESTS_UNIT_DAEMON_SCENE_H
#define LEAT_TESTS_UNIT_DAEMON_SCENE_H

#include <bpf/bpf.h>
#include <sys/mman.h>

#include "daemon/census.h"
#include "datapath/internal.h"
#include "tests/unit/datapath/edge.h"

#define SIZE	     64 /* four lines of slots */
#define IDLE	     LEAT_TICKS(LEAT_DEFAULT_TCP_IDLE_MS)
#define UDP_IDLE     LEAT_TICKS(LEAT_DEFAULT_UDP_IDLE_MS)
#define HALF_OPEN    LEAT_TICKS(LEAT_HALF_OPEN_MS)
#define CLOSING	     LEAT_TICKS(LEAT_CLOSING_MS)
#define LONG_AGO     (3 * IDLE)
#define NO_SUCH_SLOT 0xffffff

struct scene {
	struct edge edge;
	uint32_t now;
	uint32_t planted;
	struct census census; /* the last one that was taken, or nothing */
};

static inline struct config *scheduled(enum leat_scheduler scheduler, uint8_t protocol,
				       size_t backends)
{
	struct config *config = sample_config_of(protocol, backends, SIZE);

	config->services[0].scheduler = scheduler;
	return config;
}

static inline struct config *hashed(size_t backends)
{
	return scheduled(LEAT_SCHEDULER_HASH, IPPROTO_TCP, backends);
}

static inline void begin(struct scene *scene, struct config *config)
{
	*scene = (struct scene){ 0 };
	/* Then opening skips the test, and nobody gets it. */
	if (getuid() != 0)
		config_free(config);
	edge_init(&scene->edge, config);
	scene->now = datapath_now() + 2 * LONG_AGO;
}

static inline void end(struct scene *scene)
{
	census_deinit(&scene->census);
	edge_deinit(&scene->edge);
}

static inline uint16_t id_of(const struct scene *scene, size_t index)
{
	return (uint16_t)edge_backend(&scene->edge, index)->id;
}

/* A flow in a bucket of its own, whose entry is returned. */
static inline struct leat_flow *plant(struct scene *scene, struct leat_bucket *buckets,
				      uint16_t backend, uint32_t age, uint32_t slot, uint32_t flags)
{
	struct leat_flow *flow = &buckets[scene->planted].flows[scene->planted % 4];

	scene->planted++;
	*flow = (struct leat_flow){
		.digest = scene->planted,
		.state = { .backend = backend,
			   .seen = (uint16_t)(scene->now - age),
			   .slot = slot & 0xffffff,
			   .flags = flags & 0xff },
	};
	return flow;
}

static inline struct leat_flow *remember(struct scene *scene, uint16_t backend, uint32_t age,
					 uint32_t slot, uint32_t flags)
{
	return plant(scene, scene->edge.datapath->flows, backend, age, slot, flags);
}

static inline struct leat_flow *half_open(struct scene *scene, uint16_t backend, uint32_t age,
					  uint32_t slot)
{
	return plant(scene, scene->edge.datapath->half_open, backend, age, slot, 0);
}

static inline bool is_there(const struct leat_flow *flow)
{
	return flow->digest != LEAT_DIGEST_NONE;
}

static inline struct leat_slot slot_at(const struct scene *scene, uint32_t slot)
{
	return edge_image(&scene->edge, 0)->slots[slot];
}

/* The lines of clocks of the first service's table, which program and daemon share. */
static inline struct clock_lines map_clocks(struct scene *scene)
{
	const struct leat_lookup *lookup = &edge_image(&scene->edge, 0)->value.lookup;
	int outer = bpf_map__fd(scene->edge.datapath->maps->maps.clocks), fd;
	uint32_t table = lookup->table, id;
	struct clock_lines lines;

	assert_int_equal(bpf_map_lookup_elem(outer, &table, &id), 0);
	fd = bpf_map_get_fd_by_id(id);
	assert_true(fd >= 0);
	assert_int_equal(clock_lines_map(fd, lookup->size, PROT_READ | PROT_WRITE, &lines), 0);
	close(fd);
	return lines;
}

/* When a line's last slot was opened, and when a packet went to a previous backend. */
static inline void set_clock(struct scene *scene, uint32_t line, uint32_t opened_ago,
			     uint32_t previous_ago)
{
	struct clock_lines lines = map_clocks(scene);

	lines.clocks[line] = (struct leat_clock){ .opened = scene->now - opened_ago,
						  .previous = scene->now - previous_ago };
	clock_lines_unmap(&lines);
}

static inline void set_clocks(struct scene *scene, uint32_t opened_ago, uint32_t previous_ago)
{
	uint32_t size = edge_image(&scene->edge, 0)->value.lookup.size;

	for (uint32_t line = 0; line < LEAT_TABLE_LINES(size); line++)
		set_clock(scene, line, opened_ago, previous_ago);
}

/* As if the backend had got so many. */
static inline void set_packets(struct scene *scene, size_t index, uint64_t packets)
{
	const struct datapath *datapath = scene->edge.datapath;
	uint32_t id = id_of(scene, index);

	memset(datapath->per_cpu, 0, datapath->cpus * sizeof(*datapath->per_cpu));
	datapath->per_cpu[0].packets = packets;
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(datapath->maps->maps.backend_count), &id,
					     datapath->per_cpu, BPF_ANY),
			 0);
}

/* Goes over from two backends, which had packets, to three, a long time before now. */
static inline void open_slots(struct scene *scene, enum leat_scheduler scheduler, uint8_t protocol)
{
	begin(scene, scheduled(scheduler, protocol, 2));
	set_packets(scene, 0, 1);
	set_packets(scene, 1, 1);
	edge_adopt(&scene->edge, scheduled(scheduler, protocol, 3));
	set_clocks(scene, LONG_AGO, LONG_AGO);
}

/* Doubles the table, a while before now. */
static inline void resize(struct scene *scene, enum leat_scheduler scheduler, uint32_t opened_ago)
{
	struct config *config;

	begin(scene, scheduled(scheduler, IPPROTO_TCP, 2));
	config = sample_config_of(IPPROTO_TCP, 2, 2 * SIZE);
	config->services[0].scheduler = scheduler;
	edge_adopt(&scene->edge, config);
	assert_int_equal(edge_image(&scene->edge, 0)->value.former.size, SIZE);
	set_clocks(scene, opened_ago, opened_ago);
}

#endif
