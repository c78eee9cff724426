/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The image of a service: all that the maps hold of it. One is made from the node for what should
 * be, one read back from pinned maps for what is, and a plan is the difference of the two.
 */
#ifndef LEAT_MODEL_IMAGE_H
#define LEAT_MODEL_IMAGE_H

#include "model/ids.h"
#include "model/node.h"

struct image_backend {
	struct leat_addr address;
	uint32_t id;
	struct leat_backend value;
	struct leat_load load; /* its weight and flags; the flows are the datapath's */
	char name[CONFIG_MAX_NAME + 1];
};

/* Of a service with QUIC. */
struct image_quic_id {
	struct leat_quic_key key;
	uint32_t backend; /* id */
	bool is_leaving;  /* that backend: a server id goes to whoever has it in the file */
};

struct image {
	struct leat_service_key key;
	struct leat_service value;
	struct leat_policy policy;
	struct image_backend *backends; /* ordered by address */
	size_t backend_count;
	struct image_quic_id *quic_ids; /* ordered by key; NULL: there are none */
	size_t quic_id_count;
	struct leat_slot *slots; /* value.lookup.size of them */
	struct leat_slot
		*former_slots; /* value.former.size of them; NULL: there is no former table */
	uint16_t *order;       /* of a round robin; else NULL */
	uint32_t order_size;
	struct access_list
		*access;       /* NULL: none, or read back from maps, which has_access is for */
	bool has_access;       /* the map has a list */
	bool is_imported;      /* slots were opened for flows that came by another node */
	uint32_t open_count;   /* slots that are open */
	uint64_t table_digest; /* of what the slots were computed from; 0: not known */
};

/* The ids in use by all images. */
struct image_ids {
	struct ids services;
	struct ids tables;
	struct ids backends;
};

int image_ids_init(struct image_ids *ids);
void image_ids_deinit(struct image_ids *ids);

/*
 * Makes the image of `service` as the node now wants it. What `old` (NULL for a new service) has an
 * id for keeps it; the rest gets new ids, which belong to the image until image_retire().
 *
 * A slot whose backend changes is opened, so that its older flows stay where they are (design.md,
 * section 4): its previous backend is the old one's, unless that is down, disabled or gone; such a
 * backend has no forwarding, so that it keeps no remembered flow either. A scheduler that takes over
 * from another opens all slots, for flows that were remembered or are yet unknown. A table whose size,
 * hash or seed changes has no old slots to compare with: it gets a new index, so that it is seen
 * together with its service's entry, all its slots are open, and the old table stays as the former
 * one. A table whose inputs are the old one's is not computed again.
 *
 * 0, -ENOSPC when the maps have no more ids, or -ENOMEM; nothing is taken on failure.
 */
int image_build(const struct node *node, const struct service *service, const struct image *old,
		struct image_ids *ids, struct image **ret_image);

/*
 * A copy of `image` in which the slots are closed that is_busy() has nothing against; what it is asked
 * for are open slots. While there is a former table, all close together or none: a flow that is opened
 * in a closed slot is not remembered, and a further change would look for it in the former table.
 * 0 or -ENOMEM.
 */
int image_close(const struct image *image, bool (*is_busy)(void *user, uint32_t slot), void *user,
		struct image **ret_image);

/* What another node knows of a table's past: what a slot's older flows are on. */
#define IMAGE_CLOSED 0xffff /* as previous: the slot is closed there */

struct image_past {
	uint16_t *
		previous; /* by slot: an id, 0 for a backend that is not known here, or IMAGE_CLOSED */
	struct leat_lookup former; /* size 0: there is none; its table is not used */
	uint16_t *former_previous; /* by slot of the former table */
};

/*
 * A copy of `image` with the slots open that are open in the other node's, and with its former table if
 * `image` has none. `past` is of a table that finds the same slots. 0, -ENOSPC or -ENOMEM.
 */
int image_import(const struct image *image, const struct image_past *past, struct image_ids *ids,
		 struct image **ret_image);

static inline bool slot_is_open(struct leat_slot slot)
{
	return slot.previous & LEAT_SLOT_OPEN;
}

/* Whether both have their slots at the same place; `a` may be NULL. */
static inline bool image_is_comparable(const struct image *a, const struct image *b)
{
	return a && a->value.lookup.table == b->value.lookup.table &&
	       a->value.lookup.size == b->value.lookup.size;
}

/* Whether a slot of `after` is open that was not in `before`; NULL, or with another table: none was. */
static inline bool image_opens_slot(const struct image *before, const struct image *after,
				    uint32_t slot)
{
	return slot_is_open(after->slots[slot]) &&
	       !(image_is_comparable(before, after) && slot_is_open(before->slots[slot]));
}

/* Whether a slot that stays open leaves a current backend that its older flows may be on. Packets to that
 * were not noted while it was the current one, so that it counts as in use from now on. */
static inline bool image_moves_slot(const struct image *before, const struct image *after,
				    uint32_t slot)
{
	struct leat_slot was, now = after->slots[slot];

	if (!image_is_comparable(before, after))
		return false;
	was = before->slots[slot];
	return slot_is_open(was) && slot_is_open(now) && was.current != now.current &&
	       (after->former_slots || (now.previous & LEAT_SLOT_BACKEND) == was.current);
}

/* The number of open slots, counted. */
uint32_t image_count_open(const struct image *image);

/* Gives back the ids that `image` has and `kept` (may be NULL) has not. */
void image_retire(const struct image *image, const struct image *kept, struct image_ids *ids);
/* Takes the ids of an image that was read from maps. 0 or -EEXIST when maps contradict each other. */
int image_claim(const struct image *image, struct image_ids *ids);

struct image *image_free(struct image *image);
DEFINE_CLEANUP(struct image *, image_free)

const struct image_backend *image_find_backend(const struct image *image,
					       const struct leat_addr *address);
/* Puts backends into the order that image_find_backend() needs. */
void image_sort(struct image *image);

/* image_quic.c: the server ids of an image that is being built, whose backends have their ids. 0 or
 * -ENOMEM. */
int image_fill_quic_ids(struct image *image, const struct service *service);
/* Appends one to an image that is read from maps; 0 or -ENOMEM. */
int image_add_quic_id(struct image *image, const struct leat_quic_key *key, uint32_t backend);
/* Puts them in order. */
void image_sort_quic_ids(struct image *image);
/* Like memcmp(), in that order. */
int image_compare_quic_ids(const struct image_quic_id *a, const struct image_quic_id *b);
/* What a backend has of them, as in the configuration that they came from. */
void image_server_ids(const struct image *image, uint32_t backend,
		      struct server_id ret_ids[LEAT_QUIC_CONFIGS]);

#endif
