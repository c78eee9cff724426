/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The map operations that lead from one set of images to another, in an order that no packet can see
 * through: what is referenced exists before the reference, and goes after it.
 */
#ifndef LEAT_MODEL_PLAN_H
#define LEAT_MODEL_PLAN_H

#include "model/image.h"

/* X(NAME, "name"), in the order of execution. */
#define PLAN_STEPS(X)                                                                              \
	X(ADD_BACKEND, "add-backend")                                                              \
	X(SET_BACKEND, "set-backend")                                                              \
	X(SET_LOAD, "set-load")                                                                    \
	X(SET_QUIC_ID, "set-quic-id")                                                              \
	X(SET_POLICY, "set-policy")                                                                \
	X(SET_ACCESS, "set-access")                                                                \
	X(SET_ORDER, "set-order")                                                                  \
	X(START_CLOCKS, "start-clocks")                                                            \
	X(SET_TABLE, "set-table")                                                                  \
	X(SET_SERVICE, "set-service")                                                              \
	X(DELETE_SERVICE, "delete-service")                                                        \
	X(SWAP_SERVICES, "swap-services")                                                          \
	X(SET_FORMER, "set-former")                                                                \
	X(CLEAR_BACKEND, "clear-backend")                                                          \
	X(DELETE_ACCESS, "delete-access")                                                          \
	X(DELETE_QUIC_ID, "delete-quic-id")                                                        \
	X(DELETE_ORDER, "delete-order")                                                            \
	X(STOP_CLOCKS, "stop-clocks")                                                              \
	X(DELETE_TABLE, "delete-table")                                                            \
	X(DELETE_BACKEND, "delete-backend")

enum plan_step {
#define X(name, text) PLAN_##name,
	PLAN_STEPS(X)
#undef X
		PLAN_STEP_COUNT,
};

/*
 * CLEAR_BACKEND sets a value with which packets are dropped, once no slot sends it any. START_CLOCKS
 * makes a table's clocks, if it has none, and starts those of the lines in which slots are opened; where
 * they only move, it notes that their previous backends are in use.
 * SET_SERVICE and DELETE_SERVICE are seen by packets with SWAP_SERVICES, all at once; it has no image.
 * SET_FORMER takes backends that go out of a former table; only then is that table no service's own.
 * Points into the images that the plan was made from; they must outlive it.
 */
struct plan_operation {
	enum plan_step step;
	bool is_new;			     /* SET_SERVICE: its counters start at zero */
	uint16_t table;			     /* the CLOCKS and TABLE steps, and SET_FORMER */
	const struct image *image;	     /* the new one; for the DELETE steps the old one */
	const struct image *before;	     /* START_CLOCKS: the old one; NULL: all is new */
	const struct image_backend *backend; /* for the BACKEND steps and SET_LOAD */
	const struct image_quic_id *quic_id; /* for the QUIC_ID steps */
};

struct plan {
	struct plan_operation *operations;
	size_t count;
};

/* A service's way from `before` (NULL: it is new) to `after` (NULL: it goes). */
struct plan_change {
	struct image *before;
	struct image *after;
};

/* 0 or -ENOMEM. */
int plan_make(const struct plan_change *changes, size_t count, struct plan *ret_plan);
void plan_deinit(struct plan *plan);

const char *plan_step_name(enum plan_step step);

#endif
