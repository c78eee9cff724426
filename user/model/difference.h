/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a change of configuration does, for people: services and backends that come, go and differ, the
 * share of new flows that moves and from where to where, the flows that stay and those that break.
 * Pure, and made from the very images that a plan is made from.
 */
#ifndef LEAT_MODEL_DIFFERENCE_H
#define LEAT_MODEL_DIFFERENCE_H

#include "model/plan.h"

#define DIFFERENCE_MAX_KEYS 24

enum difference_kind {
	DIFFERENCE_SAME,
	DIFFERENCE_ADDED,
	DIFFERENCE_REMOVED,
	DIFFERENCE_CHANGED,
	DIFFERENCE_LEAVING, /* a backend that is no longer in the file, and drains */
};

struct difference_backend {
	char name[CONFIG_MAX_NAME + 1];
	struct leat_addr address;
	enum difference_kind kind;
	uint32_t slots_before, slots_after;
	double share_before, share_after; /* of the service's new flows, 0 to 1 */
	uint32_t weight_before, weight_after;
	enum backend_state state_after; /* unless it goes */
	struct backend_flows flows;	/* before */
	const char *breaks; /* why the flows that it has break; NULL: they stay. A literal */
};

#define DIFFERENCE_NOBODY SIZE_MAX

/* New flows that went to one backend and go to another: indices, or DIFFERENCE_NOBODY. */
struct difference_move {
	size_t from, to;
	double share;
};

struct difference_service {
	char name[CONFIG_MAX_NAME + 1];
	struct leat_service_key key;
	enum difference_kind kind;
	const char *keys[DIFFERENCE_MAX_KEYS]; /* of the file, whose values differ */
	size_t key_count;
	struct difference_backend *backends; /* ordered by address */
	size_t backend_count;
	struct difference_move *moves; /* the largest first */
	size_t move_count;
	uint32_t slots;	       /* of the table afterwards; before, of a service that goes */
	uint32_t slots_moved;  /* whose new flows go elsewhere; all, when none has a counterpart */
	uint32_t slots_opened; /* in which older flows stay where they are, by `previous` */
	bool is_rehashed;   /* no slot has a counterpart: the shares are what is to be expected */
	double share_moved; /* of the new flows, 0 to 1 */
	bool is_counted;    /* flows_* are all of them: every backend's were counted */
	uint64_t flows_stay;
	uint64_t flows_break;
};

struct difference {
	const char *keys[DIFFERENCE_MAX_KEYS]; /* of the file, outside of services */
	size_t key_count;
	struct difference_service *services; /* those that differ */
	size_t service_count;
	size_t unchanged;	/* services */
	uint64_t memory_before; /* bytes of the maps that belong to services */
	uint64_t memory_after;
};

/*
 * Adds what becomes of one service. `before` and `after` are the services of the change's images, NULL
 * where it has none. 0 or -ENOMEM.
 */
int difference_add(struct difference *difference, const struct plan_change *change,
		   const struct service *before, const struct service *after);
/* Notes the keys outside of services whose values differ. */
void difference_compare(struct difference *difference, const struct config *before,
			const struct config *after);
void difference_deinit(struct difference *difference);

bool difference_is_empty(const struct difference *difference);

#define DIFFERENCE_TEXT_SIZE 160

/* "services +1 -0 ~2, backends +3 -1; 12.5% of the new flows of web move". Returns `text`. */
const char *difference_format(const struct difference *difference, char text[DIFFERENCE_TEXT_SIZE]);

const char *difference_kind_name(enum difference_kind kind);

#endif
