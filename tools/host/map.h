/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * BPF maps in plain memory, for a datapath that is compiled for the host. A type that is not known here
 * ends the program when its map is made.
 */
#ifndef LEAT_TOOLS_HOST_MAP_H
#define LEAT_TOOLS_HOST_MAP_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define HOST_VALUE_MAX 1088 /* bytes of a value that a program may change */

/*
 * An array, and of it one copy, not one for each CPU; or a hash or trie of few entries. The values of
 * one that is outer are pointers to other maps, which are on the heap.
 */
struct host_map {
	const struct host_map *map; /* itself: whatever a program has of a map begins so */
	const char *name;
	void *values;
	uint8_t *keys; /* NULL: an array */
	bool *is_used; /* the entry; where there are keys */
	uint32_t type; /* enum bpf_map_type */
	uint32_t key_size;
	uint32_t value_size;
	uint32_t max_entries;
	bool is_outer;
	uint64_t *touched; /* a bit for each value that was looked up; NULL: nobody asks */
};

/* 0 or -ENOMEM; all values are zero. */
int host_map_init(struct host_map *map, const struct host_map *description);
/* Remembers which of an array's values are looked up. 0 or -ENOMEM. */
int host_map_watch(struct host_map *map);
void host_map_deinit(struct host_map *map);

/* An array on the heap, for an outer map; NULL when out of memory. */
struct host_map *host_map_new(uint32_t value_size, uint32_t max_entries);
/* The same for prefixes of 16 bytes, which is empty. */
struct host_map *host_map_new_trie(uint32_t value_size, uint32_t max_entries);
/* Puts `inner` (or NULL) in, and frees what was there. */
void host_map_swap(const struct host_map *outer, uint32_t index, struct host_map *inner);

/* As bpf(2) has it: 0, -E2BIG, -EEXIST (with BPF_NOEXIST), -ENOENT; of an LRU hash that is full, the first entry goes. */
int host_map_update(const struct host_map *map, const void *key, const void *value, uint64_t flags);
int host_map_delete(const struct host_map *map, const void *key);

/* After host_journal_undo(), all values are what they were at host_journal_begin(). */
void host_journal_begin(void);
void host_journal_undo(void);

/* For tools/host/helpers.h. */
extern bool host_journal_is_on;
void host_journal_note(void *bytes, size_t size);
void *host_map_find(const struct host_map *map, const void *key);
_Noreturn void host_map_missing(void);

static inline void *host_map_at(const struct host_map *map, uint32_t index)
{
	return (char *)map->values + (size_t)index * map->value_size;
}

static inline void *host_array_find(const struct host_map *map, const void *key)
{
	uint32_t index;

	memcpy(&index, key, sizeof(index));
	if (index >= map->max_entries)
		return NULL;
	if (map->touched)
		map->touched[index / 64] |= UINT64_C(1) << index % 64;
	return host_map_at(map, index);
}

/* `held`: what a program has of a map, be it one of bpf/maps.h or found in an outer one. */
static inline const struct host_map *host_map_of(const void *held)
{
	const struct host_map *map;

	memcpy(&map, held, sizeof(map));
	if (!map)
		host_map_missing();
	return map;
}

static inline void *host_map_lookup(const void *held, const void *key)
{
	const struct host_map *map = host_map_of(held);
	void *value = map->keys ? host_map_find(map, key) : host_array_find(map, key);

	if (value && map->is_outer)
		return *(void **)value;
	/* Larger ones, the parts of tables, are only read. */
	if (value && host_journal_is_on && map->value_size <= HOST_VALUE_MAX)
		host_journal_note(value, map->value_size);
	return value;
}

#endif
