/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A node whose maps are pinned below a directory of the test's own, which its teardown removes. It
 * can be killed and opened again, as a daemon is.
 */
#ifndef LEAT_TESTS_UNIT_DATAPATH_PINNED_EDGE_H
#define LEAT_TESTS_UNIT_DATAPATH_PINNED_EDGE_H

#include "datapath/bpffs.h"
#include "tests/unit/datapath/edge.h"

struct pinned_edge {
	struct edge edge;
	char path[64];
	char layout_path[96];
};

static inline int pinned_edge_begin(void **state)
{
	struct pinned_edge *pinned = calloc(1, sizeof(*pinned));

	assert_non_null(pinned);
	snprintf(pinned->path, sizeof(pinned->path), "/sys/fs/bpf/leat-t-%d-maps", getpid());
	snprintf(pinned->layout_path, sizeof(pinned->layout_path), "%s/layout-%d", pinned->path,
		 LEAT_LAYOUT);
	*state = pinned;
	return 0;
}

/* What a daemon loses when it is killed: everything but its pins. */
static inline void pinned_edge_kill(struct pinned_edge *pinned)
{
	struct edge *edge = &pinned->edge;

	applier_deinit(&edge->applier);
	datapath_freep(&edge->datapath);
	node_deinit(&edge->node);
	*edge = (struct edge){ 0 };
}

static inline void pinned_edge_open(struct pinned_edge *pinned)
{
	edge_open(&pinned->edge, pinned->path);
}

static inline int pinned_edge_end(void **state)
{
	struct pinned_edge *pinned = *state;

	pinned_edge_kill(pinned);
	bpffs_remove_directory(pinned->layout_path);
	bpffs_remove_directory(pinned->path);
	free(pinned);
	return 0;
}

static inline void assert_same_quic_ids(const struct image *a, const struct image *b)
{
	assert_int_equal(a->quic_id_count, b->quic_id_count);
	for (size_t i = 0; i < a->quic_id_count; i++) {
		assert_int_equal(image_compare_quic_ids(&a->quic_ids[i], &b->quic_ids[i]), 0);
		assert_int_equal(a->quic_ids[i].backend, b->quic_ids[i].backend);
	}
}

static inline void assert_same_image(const struct image *a, const struct image *b)
{
	assert_memory_equal(&a->key, &b->key, sizeof(a->key));
	assert_memory_equal(&a->value, &b->value, sizeof(a->value));
	assert_int_equal(a->open_count, b->open_count);
	assert_same_quic_ids(a, b);
	assert_memory_equal(a->slots, b->slots, a->value.lookup.size * sizeof(a->slots[0]));
	assert_int_equal(a->backend_count, b->backend_count);
	for (size_t i = 0; i < a->backend_count; i++) {
		assert_true(address_equal(&a->backends[i].address, &b->backends[i].address));
		assert_int_equal(a->backends[i].id, b->backends[i].id);
		assert_memory_equal(&a->backends[i].value, &b->backends[i].value,
				    sizeof(a->backends[i].value));
	}
}

/* What the maps hold is what the applier takes them to hold. */
static inline void assert_maps_hold_images(struct edge *edge)
{
	struct image **images;
	size_t count;

	assert_int_equal(datapath_read_images(edge->datapath, &images, &count), 0);
	assert_int_equal(count, edge->applier.count);
	for (size_t i = 0; i < count; i++) {
		assert_same_image(images[i], edge->applier.images[i]);
		image_free(images[i]);
	}
	free(images);
}

#define with_pins(test) cmocka_unit_test_setup_teardown(test, pinned_edge_begin, pinned_edge_end)

#endif
