/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counts what the datapath remembers of flows, forgets what has been silent for too long, and finds out
 * which open slots nothing needs any more. One walk through the memory of flows serves all services.
 */
#ifndef LEAT_DAEMON_CENSUS_H
#define LEAT_DAEMON_CENSUS_H

#include "datapath/datapath.h"
#include "model/image.h"

/* Open slots, and the ticks at which the first and the last of them were opened. */
struct census_slots {
	uint32_t count;
	uint32_t first_opened;
	uint32_t last_opened;
};

struct census_backend {
	struct census_image *where;   /* its service's; NULL: no backend has this id */
	struct census_slots previous; /* slots whose previous it is */
	bool is_former;		      /* the former table has slots of it */
	bool had_packets;	      /* ever; not known, and true, where no slot is open */
	uint32_t live;
	uint32_t closing;
	uint32_t half_open;
};

/* What keeps slots of one image open. */
struct census_image {
	const struct image *image;
	struct leat_clock *clocks; /* one a line; NULL: no slot is open */
	struct census_slots open;
	bool *has_stray_flow; /* by slot: a remembered flow is not on its current backend */
	bool has_lost_flow;   /* a flow's slot is not known, since it was silent for so long */
};

struct census {
	struct datapath *datapath;
	uint32_t now;			 /* ticks */
	struct census_backend *backends; /* LEAT_MAX_BACKENDS */
	struct census_image *images;
	size_t count;
	uint64_t remembered, old, half_open, clients;
};

/* The images must outlive the census. 0 or -errno. */
int census_take(struct census *census, struct datapath *datapath, struct image **images,
		size_t count, uint32_t now);
void census_deinit(struct census *census);

/*
 * Whether an open slot has to stay open: a flow remembered for it is elsewhere than on its current
 * backend, or older flows may be on a previous one, to which packets went within the idle time.
 */
bool census_slot_is_busy(const struct census *census, const struct census_image *where,
			 uint32_t slot);

/* How many open slots' older flows may be on a backend, and for how many ticks from the start of its
 * drain on, `drained_at`, they may be silent without having ended. */
struct census_drain {
	uint32_t slots;
	uint32_t silent;
};

struct census_drain census_drain(const struct census *census, const struct census_image *where,
				 uint32_t backend, uint32_t drained_at);

#endif
