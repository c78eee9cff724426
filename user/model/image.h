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
};

struct image {
	struct leat_service_key key;
	struct leat_service value;
	struct image_backend *backends; /* ordered by address */
	size_t backend_count;
	struct leat_slot *slots; /* value.table_size of them */
	uint32_t open_count;	 /* slots that are open */
	uint64_t table_digest;	 /* of what the slots were computed from; 0: not known */
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
 * id for keeps it; the rest gets new ids, which belong to the image until image_retire(). A slot whose
 * backend changes is opened, so that its older flows stay where they are (design.md, section 4): its
 * previous backend is the old one's, unless that is down, disabled or gone; such a backend has no
 * forwarding, so that it keeps no remembered flow either. A table that changes its
 * size or hash has no old slots to compare with. A table whose inputs are the old one's is not
 * computed again. The table moves to a new index when its
 * service's entry must change with it, so that both change in one map update.
 * 0, -ENOSPC when the maps have no more ids, or -ENOMEM; nothing is taken on failure.
 */
int image_build(const struct node *node, const struct service *service, const struct image *old,
		struct image_ids *ids, struct image **ret_image);

/*
 * A copy of `image` in which the slots are closed that is_busy() has nothing against; what it is asked
 * for are open slots. 0 or -ENOMEM.
 */
int image_close(const struct image *image, bool (*is_busy)(void *user, uint32_t slot), void *user,
		struct image **ret_image);

static inline bool slot_is_open(struct leat_slot slot)
{
	return slot.previous & LEAT_SLOT_OPEN;
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

#endif
