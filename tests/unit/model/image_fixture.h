/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A node of one service and its image, for tests of what follows from changes of the node.
 */
#ifndef LEAT_TESTS_UNIT_MODEL_IMAGE_FIXTURE_H
#define LEAT_TESTS_UNIT_MODEL_IMAGE_FIXTURE_H

#include <errno.h>

#include "model/image.h"
#include "tests/unit/sample_config.h"

#define SIZE 512

struct fixture {
	struct node node;
	struct image_ids ids;
	struct image *image;
};

static inline const struct service *service_of(const struct fixture *f)
{
	return f->node.services[0];
}

static inline struct backend *nth(const struct fixture *f, size_t index)
{
	return sample_find(f->node.services[0], index);
}

static inline uint16_t id_of(const struct fixture *f, size_t index)
{
	const struct leat_addr address = sample_backend_address(index);

	return (uint16_t)image_find_backend(f->image, &address)->id;
}

/* What the image is now, after the node changed; the caller frees the one before. */
static inline struct image *rebuild(struct fixture *f)
{
	struct image *before = f->image;

	assert_int_equal(image_build(&f->node, service_of(f), before, &f->ids, &f->image), 0);
	assert_int_equal(f->image->open_count, image_count_open(f->image));
	if (before)
		image_retire(before, f->image, &f->ids);
	return before;
}

static inline void change(struct fixture *f, struct config *config)
{
	struct image *before;

	sample_adopt(&f->node, config);
	before = rebuild(f);
	if (before)
		image_free(before);
}

static inline void begin(struct fixture *f, struct config *config)
{
	*f = (struct fixture){ 0 };
	assert_int_equal(image_ids_init(&f->ids), 0);
	change(f, config);
}

static inline void end(struct fixture *f)
{
	image_retire(f->image, NULL, &f->ids);
	assert_int_equal(f->ids.services.count, 0);
	assert_int_equal(f->ids.tables.count, 0);
	assert_int_equal(f->ids.backends.count, 0);
	image_free(f->image);
	image_ids_deinit(&f->ids);
	node_deinit(&f->node);
}

static inline uint16_t previous_of(struct leat_slot slot)
{
	return slot.previous & LEAT_SLOT_BACKEND;
}

/* Leaves room for `left` more. */
static inline void exhaust(struct ids *ids, uint32_t left)
{
	uint32_t id;

	while (ids->count < ids->limit - ids->first - left)
		assert_int_equal(ids_take(ids, &id), 0);
}

static inline bool is_none(void *user, uint32_t slot)
{
	(void)user;
	(void)slot;
	return false;
}

/* As the daemon does it; what is there now is freed. */
static inline void close_slots(struct fixture *f, bool (*is_busy)(void *user, uint32_t slot))
{
	struct image *before = f->image;

	assert_int_equal(image_close(before, is_busy, NULL, &f->image), 0);
	image_retire(before, f->image, &f->ids);
	image_free(before);
}

/* With backends from `first` on. */
static inline struct config *config_from(size_t first, size_t count, uint32_t size)
{
	struct config *config = sample_config_new();

	sample_add_backends(sample_add_service(config, 0, IPPROTO_TCP, size), first, count);
	return config;
}

static inline struct config *scheduled(enum leat_scheduler scheduler, size_t backends,
				       uint32_t size)
{
	struct config *config = sample_config_of(IPPROTO_TCP, backends, size);

	config->services[0].scheduler = scheduler;
	return config;
}

static inline struct config *with_size(struct config *config)
{
	config->services[0].table_size = 2 * SIZE;
	return config;
}

static inline struct config *with_hash(struct config *config)
{
	config->services[0].hash = LEAT_HASH_SOURCE;
	return config;
}

static inline struct config *with_seed(struct config *config)
{
	config->seed++;
	return config;
}

#endif
