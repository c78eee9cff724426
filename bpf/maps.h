/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The datapath's maps. All but `tables`' inner maps are pinned by name; their keys and values are
 * maps/layout.h's.
 */
#ifndef LEAT_BPF_MAPS_H
#define LEAT_BPF_MAPS_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "maps/layout.h"

/* Memory-mapped for its page alignment: an entry then is one cache line, not two. */
struct leat_services {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, LEAT_SERVICE_ENTRIES);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct leat_service_entry));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__array(values, struct leat_services);
} services SEC(".maps");

/* All have one size, so that the kernel inlines the look-up: one in maps of any size is a call. Memory-mapped,
 * because the daemon then fills them where they lie. */
struct leat_part {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct leat_table_part));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, LEAT_MAX_PARTS);
	__uint(key_size, sizeof(__u32));
	__array(values, struct leat_part);
} tables SEC(".maps");

/* Memory-mapped for the same reason. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, LEAT_MAX_BACKENDS);
	__type(key, __u32);
	__type(value, struct leat_backend);
} backends SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
	__uint(max_entries, LEAT_MAX_EGRESS);
	__type(key, __u32);
	__type(value, __u32);
} egress SEC(".maps");

/*
 * A forwarded packet is counted once, at its backend. The counters of services and of LEAT_FORWARDED
 * hold only what is not: packets of a service that were dropped, and all other reasons.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LEAT_MAX_SERVICES);
	__type(key, __u32);
	__type(value, struct leat_counter);
} service_count SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LEAT_MAX_SERVICES);
	__type(key, __u32);
	__type(value, struct leat_refusals);
} refusals SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LEAT_MAX_BACKENDS);
	__type(key, __u32);
	__type(value, struct leat_counter);
} backend_count SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LEAT_REASON_COUNT);
	__type(key, __u32);
	__type(value, struct leat_counter);
} reason_count SEC(".maps");

/*
 * The memory of flows: buckets of one cache line in arrays, shared by all CPUs, because a flow's packets
 * may move between them. An LRU hash takes seven times the memory, and four times as long for a
 * million flows. Memory-mapped: the daemon counts and forgets without a system call a flow. How many
 * buckets `flows` has is configured.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, LEAT_DEFAULT_FLOWS);
	__type(key, __u32);
	__type(value, struct leat_bucket);
} flows SEC(".maps");

/* Those of which only one packet was seen: a flood of SYNs pushes out nothing but its like. TCP has the
 * first half of it, UDP the second one. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, LEAT_HALF_OPEN_BUCKETS);
	__type(key, __u32);
	__type(value, struct leat_bucket);
} half_open SEC(".maps");

/* Where the clients of services with `sticky` went last. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, LEAT_CLIENT_BUCKETS);
	__type(key, __u32);
	__type(value, struct leat_bucket);
} clients SEC(".maps");

/* Who opened flows of services with `rate` of late. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LEAT_SOURCE_BUCKETS);
	__type(key, __u32);
	__type(value, struct leat_source_bucket);
} sources SEC(".maps");

/* Sources that are let in or kept out, by prefix: of the node, and of services that have such lists.
 * Each is built aside and swapped whole. */
struct leat_access_list {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, LEAT_ACCESS_ENTRIES);
	__uint(key_size, sizeof(struct leat_prefix));
	__uint(value_size, sizeof(__u32));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, LEAT_MAX_SERVICES + 1);
	__uint(key_size, sizeof(__u32));
	__array(values, struct leat_access_list);
} access_lists SEC(".maps");

/* Where the first fragments of packets went. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LEAT_FRAGMENT_BUCKETS);
	__type(key, __u32);
	__type(value, struct leat_bucket);
} fragments SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct leat_answers);
} answer_count SEC(".maps");

/* The clocks of one table's lines; memory-mapped, so that the daemon can start one line's clock while
 * the datapath writes its neighbour's. */
struct leat_clocks {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_INNER_MAP | BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct leat_clock));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, LEAT_MAX_TABLES);
	__uint(key_size, sizeof(__u32));
	__array(values, struct leat_clocks);
} clocks SEC(".maps");

/* Which backend's connection ids these are, by their server id. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, LEAT_MAX_QUIC_IDS);
	__type(key, struct leat_quic_key);
	__type(value, __u32);
} quic_ids SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, LEAT_MAX_SERVICES);
	__type(key, __u32);
	__type(value, struct leat_policy);
} policies SEC(".maps");

/* Memory-mapped: the daemon corrects counts that the datapath goes on changing. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, LEAT_MAX_BACKENDS);
	__type(key, __u32);
	__type(value, struct leat_load);
} loads SEC(".maps");

struct leat_order {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_INNER_MAP);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct leat_order_line));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, LEAT_MAX_SERVICES);
	__uint(key_size, sizeof(__u32));
	__array(values, struct leat_order);
} orders SEC(".maps");

/* Each CPU's place in the orders: no line is shared. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LEAT_MAX_SERVICES);
	__type(key, __u32);
	__type(value, __u32);
} cursors SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LEAT_EVENT_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} event_count SEC(".maps");

/* What backends that are gone had counted, by their service's id; the daemon's alone. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LEAT_MAX_SERVICES + 1);
	__type(key, __u32);
	__type(value, struct leat_counter);
} retired SEC(".maps");

/*
 * Flows that are translated: each direction by its packets as they come in. Not allocated beforehand:
 * where nothing is translated, it takes what its buckets take.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, LEAT_NAT_ENTRIES);
	__type(key, struct leat_nat_key);
	__type(value, struct leat_nat);
} nat_flows SEC(".maps");

/* By family, 4 or 6. Such a map replaces a value as a whole. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct leat_nat_pool);
} nat_pool SEC(".maps");

/* The daemon's notes to its successor; no program reads them. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, LEAT_MAX_SERVICES + LEAT_MAX_BACKENDS);
	__type(key, struct leat_registry_key);
	__type(value, struct leat_registry_entry);
} registry SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct leat_node);
} node SEC(".maps");

const volatile struct leat_options options;
const volatile struct leat_memory memory;

#endif
