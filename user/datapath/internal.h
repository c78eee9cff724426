/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the datapath's own files share, and nobody else sees.
 */
#ifndef LEAT_DATAPATH_INTERNAL_H
#define LEAT_DATAPATH_INTERNAL_H

#include "datapath/attach.h"
#include "datapath/datapath.h"
#include "datapath/library.h"
#include "leat.skel.h"

struct datapath {
	char *pin_path;	       /* NULL: nothing is pinned */
	struct leat_bpf *maps; /* loaded for its maps alone */
	struct leat_options options;
	bool was_reused;
	bool has_foreign_layout;

	struct leat_service_entry *services; /* in the map, or there with the next swap */
	size_t service_count;

	struct leat_bpf *object; /* opened for its program, over the same maps; NULL before */
	struct attachee program; /* of that object */

	unsigned int cpus;
	struct leat_counter *per_cpu; /* room for one per-CPU value */
	uint32_t egress[LEAT_MAX_EGRESS];
	size_t egress_count;

	/* Memory-mapped maps; the memory of flows has as many buckets as it was made with. */
	struct leat_bucket *flows, *half_open, *clients;
	struct leat_load *loads;
	struct leat_memory memory;

	uint32_t ingress; /* of packets that are put through; 0: the loopback interface */

	void (*latch)(void *user, const struct plan_operation *next);
	void *latch_user;
};

#define PROGRAM_NAME "leat"

/* Opens the program over the datapath's maps, not loaded yet: libxdp decides what it is loaded as. */
int program_open(struct datapath *datapath);
void program_close(struct datapath *datapath);
/* Pins the program, if it was loaded, in the place of an earlier one. */
int program_pin(struct datapath *datapath);
/* Of the program's text and all that it is told before it is loaded. */
uint64_t program_digest(const struct datapath *datapath);
/* Writes and compares the maps' note of which program runs. */
int datapath_note_program(struct datapath *datapath, uint64_t digest);
bool datapath_program_is_current(const struct datapath *datapath);
/* The path of one of this layout's pins, malloc()ed; NULL when out of memory. */
char *datapath_pin_path(const struct datapath *datapath, const char *name);
/* Calls `fn` for every map that is pinned where something is, until it fails. */
int datapath_for_each_map(struct datapath *datapath,
			  int (*fn)(struct datapath *datapath, struct bpf_map *map));
/* Whether keys and values are what the map's are to be. */
bool map_has_shape(const struct bpf_map *map, const struct bpf_map_info *info);
/* interfaces.c: the id of the program that was pinned with the maps; 0: none. */
uint32_t pinned_program_id(const struct datapath *datapath);
/* Forgets the pins of other layouts: every interface runs this one's program. */
void datapath_drop_foreign_layouts(struct datapath *datapath);

/* service_map.c: changes are collected, and seen by packets with service_map_swap(). 0 or -errno. */
int service_map_set(struct datapath *datapath, const struct leat_service_key *key,
		    const struct leat_service *value);
int service_map_delete(struct datapath *datapath, const struct leat_service_key *key);
int service_map_swap(struct datapath *datapath);
/* Forgets the collected changes and reads what the map holds. */
int service_map_read(struct datapath *datapath);

/* quic_map.c. 0 or -errno. */
int quic_map_set(struct datapath *datapath, const struct image_quic_id *quic_id);
int quic_map_delete(struct datapath *datapath, const struct leat_quic_key *key);
/* Into the images, whose backends were read; those of nobody are deleted. */
int quic_map_read(struct datapath *datapath, struct image **images, size_t count);

/* execute.c: deletes all parts of a table; 0, -ENOENT if it has none, or -errno. */
int table_delete(struct datapath *datapath, uint32_t table);

/* flow_map.c: maps the memory of flows and the loads. 0 or -errno. */
int flow_map_open(struct datapath *datapath);
void flow_map_close(struct datapath *datapath);

/* The clocks of one table, memory-mapped. */
struct clock_lines {
	struct leat_clock *clocks;
	size_t size; /* in bytes */
};

int clock_lines_map(int fd, uint32_t table_size, int protection, struct clock_lines *ret_lines);
void clock_lines_unmap(struct clock_lines *lines);

/* counters.c: a new owner's start at zero; a lost backend's go to its service's (LEAT_RETIRED_TOTAL:
 * that is lost too) and to the total. 0 or -errno. */
int counters_begin_service(struct datapath *datapath, uint32_t id);
int counters_begin_backend(struct datapath *datapath, uint32_t id);
int counters_retire_backend(struct datapath *datapath, uint32_t service_id, uint32_t id);

#endif
