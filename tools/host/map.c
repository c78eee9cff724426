/* SPDX-License-Identifier: GPL-2.0-only */
#include "tools/host/map.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "maps/layout.h"

/* Hashes and tries are searched from end to end, so they are kept to what tests need. */
#define HOST_HASH_ENTRIES 4096
#define JOURNAL_ENTRIES	  4096

enum kind {
	KIND_ARRAY,
	KIND_OUTER,
	KIND_HASH,
	KIND_TRIE,
};

static enum kind kind_of(const struct host_map *description)
{
	switch (description->type) {
	case BPF_MAP_TYPE_ARRAY:
	case BPF_MAP_TYPE_PERCPU_ARRAY:
		return KIND_ARRAY;
	case BPF_MAP_TYPE_ARRAY_OF_MAPS:
		return KIND_OUTER;
	case BPF_MAP_TYPE_HASH:
	case BPF_MAP_TYPE_LRU_HASH:
	case BPF_MAP_TYPE_DEVMAP_HASH:
		return KIND_HASH;
	case BPF_MAP_TYPE_LPM_TRIE:
		return KIND_TRIE;
	default:
		fprintf(stderr, "tools/host/map.c has nothing for the type (%u) of the map %s\n",
			description->type, description->name);
		abort();
	}
}

void host_map_missing(void)
{
	fputs("the datapath looked into a map that the list in tools/host/datapath.h lacks\n",
	      stderr);
	abort();
}

static int hash_init(struct host_map *map)
{
	if (map->max_entries > HOST_HASH_ENTRIES)
		map->max_entries = HOST_HASH_ENTRIES;
	assert(map->value_size <= HOST_VALUE_MAX);
	map->keys = calloc(map->max_entries, map->key_size);
	map->is_used = calloc(map->max_entries, sizeof(*map->is_used));
	return map->keys && map->is_used ? 0 : -ENOMEM;
}

int host_map_init(struct host_map *map, const struct host_map *description)
{
	enum kind kind = kind_of(description);

	*map = *description;
	map->map = map;
	map->is_outer = kind == KIND_OUTER;
	if ((kind == KIND_HASH || kind == KIND_TRIE) && hash_init(map) < 0)
		return -ENOMEM;
	map->values = calloc(map->max_entries, map->value_size);
	return map->values ? 0 : -ENOMEM;
}

int host_map_watch(struct host_map *map)
{
	map->touched = calloc((map->max_entries + 63) / 64, sizeof(*map->touched));
	return map->touched ? 0 : -ENOMEM;
}

static void free_inner_maps(const struct host_map *map)
{
	for (uint32_t i = 0; i < map->max_entries; i++)
		host_map_swap(map, i, NULL);
}

void host_map_deinit(struct host_map *map)
{
	if (map->is_outer && map->values)
		free_inner_maps(map);
	free(map->values);
	free(map->keys);
	free(map->is_used);
	free(map->touched);
	*map = (struct host_map){ 0 };
}

static struct host_map *new_inner(const struct host_map *description)
{
	struct host_map *map = malloc(sizeof(*map));

	if (map && host_map_init(map, description) == 0)
		return map;
	free(map);
	return NULL;
}

struct host_map *host_map_new(uint32_t value_size, uint32_t max_entries)
{
	return new_inner(&(struct host_map){
		.name = "inner",
		.type = BPF_MAP_TYPE_ARRAY,
		.key_size = sizeof(uint32_t),
		.value_size = value_size,
		.max_entries = max_entries,
	});
}

struct host_map *host_map_new_trie(uint32_t value_size, uint32_t max_entries)
{
	return new_inner(&(struct host_map){
		.name = "inner",
		.type = BPF_MAP_TYPE_LPM_TRIE,
		.key_size = sizeof(struct leat_prefix),
		.value_size = value_size,
		.max_entries = max_entries,
	});
}

void host_map_swap(const struct host_map *outer, uint32_t index, struct host_map *inner)
{
	struct host_map **held = host_map_at(outer, index);

	if (*held == inner)
		return;
	if (*held)
		host_map_deinit(*held);
	free(*held);
	*held = inner;
}

static uint8_t *key_at(const struct host_map *map, uint32_t index)
{
	return map->keys + (size_t)index * map->key_size;
}

/* The entry with this very key, else max_entries. */
static uint32_t find_equal(const struct host_map *map, const void *key)
{
	for (uint32_t i = 0; i < map->max_entries; i++) {
		if (map->is_used[i] && memcmp(key_at(map, i), key, map->key_size) == 0)
			return i;
	}
	return map->max_entries;
}

/* A trie's key is the length of the prefix in bits, and then the bytes. */
static uint32_t prefix_len(const void *key)
{
	uint32_t len;

	memcpy(&len, key, sizeof(len));
	return len;
}

static bool prefix_covers(const uint8_t *prefix, const uint8_t *key)
{
	uint32_t bits = prefix_len(prefix), bytes = bits / 8;
	uint8_t mask = (uint8_t)(0xff00 >> bits % 8);
	const uint8_t *a = prefix + sizeof(bits), *b = key + sizeof(bits);

	if (bits > prefix_len(key) || memcmp(a, b, bytes) != 0)
		return false;
	return bits % 8 == 0 || ((a[bytes] ^ b[bytes]) & mask) == 0;
}

static uint32_t find_longest(const struct host_map *map, const void *key)
{
	uint32_t best = map->max_entries;

	for (uint32_t i = 0; i < map->max_entries; i++) {
		if (!map->is_used[i] || !prefix_covers(key_at(map, i), key))
			continue;
		if (best == map->max_entries ||
		    prefix_len(key_at(map, i)) > prefix_len(key_at(map, best)))
			best = i;
	}
	return best;
}

void *host_map_find(const struct host_map *map, const void *key)
{
	bool is_trie = map->type == BPF_MAP_TYPE_LPM_TRIE;
	uint32_t index = is_trie ? find_longest(map, key) : find_equal(map, key);

	return index < map->max_entries ? host_map_at(map, index) : NULL;
}

/* Bytes of a map, and what they were. */
struct note {
	void *at;
	size_t size;
	uint8_t was[HOST_VALUE_MAX];
};

bool host_journal_is_on;
static struct note journal[JOURNAL_ENTRIES];
static size_t journal_count;

void host_journal_note(void *bytes, size_t size)
{
	struct note *note = &journal[journal_count++];

	assert(journal_count < JOURNAL_ENTRIES && size <= HOST_VALUE_MAX);
	note->at = bytes;
	note->size = size;
	memcpy(note->was, bytes, size);
}

void host_journal_begin(void)
{
	host_journal_is_on = true;
}

void host_journal_undo(void)
{
	while (journal_count) {
		const struct note *note = &journal[--journal_count];

		memcpy(note->at, note->was, note->size);
	}
	host_journal_is_on = false;
}

static void write_bytes(void *to, const void *from, size_t size)
{
	if (host_journal_is_on)
		host_journal_note(to, size);
	memcpy(to, from, size);
}

/* The entry of a key, or one for it. */
static uint32_t find_place(const struct host_map *map, const void *key)
{
	uint32_t index = find_equal(map, key);

	if (index < map->max_entries)
		return index;
	for (index = 0; index < map->max_entries && map->is_used[index]; index++)
		;
	if (index == map->max_entries && map->type == BPF_MAP_TYPE_LRU_HASH)
		return 0;
	return index;
}

static int hash_update(const struct host_map *map, const void *key, const void *value,
		       uint64_t flags)
{
	static const bool is_used = true;
	uint32_t index = find_place(map, key);

	if (index == map->max_entries)
		return -E2BIG;
	if (flags == BPF_NOEXIST && find_equal(map, key) == index)
		return -EEXIST;
	write_bytes(key_at(map, index), key, map->key_size);
	write_bytes(host_map_at(map, index), value, map->value_size);
	write_bytes(&map->is_used[index], &is_used, sizeof(is_used));
	return 0;
}

int host_map_update(const struct host_map *map, const void *key, const void *value, uint64_t flags)
{
	void *at;

	if (map->keys)
		return hash_update(map, key, value, flags);
	at = host_array_find(map, key);
	if (!at)
		return -E2BIG;
	write_bytes(at, value, map->value_size);
	return 0;
}

int host_map_delete(const struct host_map *map, const void *key)
{
	static const bool is_used = false;
	uint32_t index;

	if (!map->keys)
		return -EINVAL;
	index = find_equal(map, key);
	if (index == map->max_entries)
		return -ENOENT;
	write_bytes(&map->is_used[index], &is_used, sizeof(is_used));
	return 0;
}
