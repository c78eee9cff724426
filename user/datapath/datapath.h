/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The maps and programs in the kernel: loads, pins and finds them again, attaches to interfaces,
 * carries out plans and reads counters. It knows what to write and in which order it is told, and
 * nothing of why.
 */
#ifndef LEAT_DATAPATH_DATAPATH_H
#define LEAT_DATAPATH_DATAPATH_H

#include "base/clock.h"
#include "model/image.h"
#include "model/plan.h"

#define DATAPATH_DEFAULT_PINS "/sys/fs/bpf/leat"

struct datapath;

/*
 * Opens the datapath pinned below `pin_path`, or creates and pins a new one. A layout other than this
 * program's is left where it is, running, until datapath_attach() replaces its program. With
 * pin_path NULL the maps are private to this process and vanish with it, and have no room for what only
 * `nat` and `quic` need unless these are on now.
 * flows: how many can be remembered, a power of two; maps that are there keep the number that they
 * were made with, and a warning says so.
 * 0 or -errno, with the cause logged.
 */
int datapath_new(struct datapath **ret_datapath, const char *pin_path, uint32_t flows,
		 const struct leat_options *options);
/* Forwarding goes on, as far as it is pinned. */
struct datapath *datapath_free(struct datapath *datapath);
DEFINE_CLEANUP(struct datapath *, datapath_free)

/* Whether maps of this layout were there already, and whether another layout's program still runs. */
bool datapath_was_reused(const struct datapath *datapath);
bool datapath_has_foreign_layout(const struct datapath *datapath);

/* What the maps hold, as images; and what no image refers to is deleted. 0 or -errno. */
int datapath_read_images(struct datapath *datapath, struct image ***ret_images, size_t *ret_count);

/* Carries a plan out. All memory is taken before the first change, so that a failure (-ENOMEM, -E2BIG)
 * normally leaves everything as it was. */
int datapath_execute(struct datapath *datapath, const struct plan *plan);
/* Swaps in the node's own access list; NULL: there is none. 0 or -errno. */
int datapath_set_access(struct datapath *datapath, const struct access_list *list);
/* Has `latch` called before each step of a plan, so that a test can send packets between any two. */
void datapath_set_latch(struct datapath *datapath,
			void (*latch)(void *user, const struct plan_operation *next), void *user);

/* The registry: health and words that outlive the daemon. -ENOENT when there is no entry. */
int datapath_read_note(struct datapath *datapath, const struct leat_registry_key *key,
		       struct leat_registry_entry *ret_entry);
int datapath_write_note(struct datapath *datapath, const struct leat_registry_key *key,
			const struct leat_registry_entry *entry);

/* Where flows that are opened from now on are translated to; those that are open stay where they are. 0 or
 * -errno. */
int datapath_set_nat_pools(struct datapath *datapath,
			   const struct leat_nat_pool pools[NAT_FAMILIES]);

/* How far a walk through the flows that are translated has come; a new one has nothing set. */
struct nat_cursor {
	bool has_begun;
	uint32_t batch; /* the kernel's */
};

struct nat_walk {
	/* `backend` is the entry of the other direction; NULL: the client spoke within `young` ticks, and
	 * nobody looked. */
	bool (*stays)(void *user, const struct leat_nat_key *key, const struct leat_nat *client,
		      const struct leat_nat *backend);
	void *user;
	uint32_t now; /* ticks */
	uint32_t young;
	size_t most; /* entries that are looked at by one call, about */
};

/* Goes on where the cursor is, and forgets the flows of which `stays` says no, both directions of each. 1
 * when that was the end, and the cursor is at the beginning again; else 0, or -errno. */
int datapath_walk_nat(struct datapath *datapath, struct nat_cursor *cursor,
		      const struct nat_walk *walk);

/* The next datapath_attach() swaps in a program with these options, if they are others. */
void datapath_set_options(struct datapath *datapath, const struct leat_options *options);

/*
 * Sees to it that exactly these interfaces run this program, in this mode: keeps what is current,
 * replaces an earlier program of ours without a gap, attaches where there is none, and detaches from
 * what the list has not. 0 with what each one got; -ENODEV: no such interface; -EBUSY: somebody
 * else's program is there and cannot be joined; other -errno. The cause is logged; what was attached
 * before the failure stays.
 */
int datapath_attach(struct datapath *datapath, char (*names)[IF_NAMESIZE], size_t count,
		    enum attach_mode mode, struct interface_status *ret_statuses);
/* From every interface that runs the program pinned with these maps. */
int datapath_detach(struct datapath *datapath);
/* Takes this layout's pins away. The maps live on while a program is attached. */
void datapath_unpin(struct datapath *datapath);

/* A service's counter without what its backends count, and the reasons' without what all backends do:
 * the caller adds those. What backends had counted that are gone is in. 0 or -errno. */
int datapath_read_service(struct datapath *datapath, uint32_t id, struct leat_counter *ret_counter);
/* What of that was not forwarded, by reason. 0 or -errno. */
int datapath_read_refusals(struct datapath *datapath, uint32_t id,
			   struct leat_refusals *ret_refusals);
int datapath_read_backend(struct datapath *datapath, uint32_t id, struct leat_counter *ret_counter);
int datapath_read_reasons(struct datapath *datapath,
			  struct leat_counter reasons[LEAT_REASON_COUNT]);

/* The time in the maps' clocks, in ticks. */
static inline uint32_t datapath_now(void)
{
	return (uint32_t)(clock_monotonic_us() * 1000 >> LEAT_TICK_SHIFT);
}

/* Calls `stays` for every flow that is remembered, and forgets those of which it says no. A flow that
 * moves meanwhile may be seen twice or, if it is as new as that, not at all. */
void datapath_sweep_flows(struct datapath *datapath,
			  bool (*stays)(void *user, const struct leat_flow *flow,
					bool is_half_open),
			  void *user);
/* The same for the clients of services with `sticky`; is_half_open is false. */
void datapath_sweep_clients(struct datapath *datapath,
			    bool (*stays)(void *user, const struct leat_flow *flow,
					  bool is_half_open),
			    void *user);
/* How many flows can be remembered. */
uint32_t datapath_flow_capacity(const struct datapath *datapath);
/* What services that count them hold for a backend's live flows; correcting adds, so that what the
 * datapath counts meanwhile is not lost. */
uint32_t datapath_read_load(const struct datapath *datapath, uint32_t backend);
void datapath_correct_load(struct datapath *datapath, uint32_t backend, int32_t by);
/* One clock for each line of the table's slots, into an array that is large enough. 0 or -errno. */
int datapath_read_clocks(struct datapath *datapath, const struct leat_lookup *lookup,
			 struct leat_clock *ret_clocks);
int datapath_read_events(struct datapath *datapath, uint64_t ret_events[LEAT_EVENT_COUNT]);
/* What a program over these maps has to be told before it is loaded. */
struct leat_memory datapath_memory(const struct datapath *datapath);

/* What became of a packet that was put through the program without an interface. */
struct datapath_run {
	uint32_t action; /* XDP_* */
	struct leat_trace trace;
	size_t size; /* of the packet that came out */
};

/* Needs options.trace. `packet` has room for `room` bytes and is replaced by what came out. 0; -EINVAL: the
 * kernel does not take a packet of this size; other -errno. */
int datapath_run_packet(struct datapath *datapath, uint8_t *packet, size_t size, size_t room,
			struct datapath_run *ret_run);

struct bpf_object;
/* Puts the datapath's maps under another object's maps of the same names, before that is loaded. */
int datapath_share_maps(struct datapath *datapath, struct bpf_object *object);

/* Mounts bpffs at /sys/fs/bpf when it is not there. 0 or -errno, with what to type logged. */
int datapath_mount_bpffs(void);

#endif
