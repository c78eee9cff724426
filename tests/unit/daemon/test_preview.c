/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the applier shows beforehand is what it does then, of configurations made at random; and showing
 * it does nothing.
 */
#include <bpf/bpf.h>

#include "daemon/observation.h"
#include "datapath/internal.h"
#include "model/memory.h"
#include "tests/unit/datapath/pinned_edge.h"
#include "tests/unit/model/world.h"

#define ROUNDS 40

/* One way from what runs to another configuration. */
struct way {
	struct node next;
	struct succession services;
	struct difference planned, applied;
};

static void way_begin(struct way *way, const struct edge *edge, struct config *config, bool drains)
{
	*way = (struct way){ 0 };
	assert_int_equal(succession_make(&edge->node, config, drains, &way->services), 0);
	for (size_t i = 0; i < way->services.count; i++)
		sample_resolve(way->services.services[i]);
	way->next = (struct node){ .config = config,
				   .services = way->services.services,
				   .service_count = way->services.count };
}

/* The node goes the way. */
static void way_end(struct way *way, struct edge *edge)
{
	node_deinit(&edge->node);
	edge->node = way->next;
	difference_deinit(&way->planned);
	difference_deinit(&way->applied);
}

static void look(struct way *way, struct edge *edge, bool is_preview)
{
	struct observation observation = { &edge->node, &way->next,
					   is_preview ? &way->planned : &way->applied };
	const struct applier_observer observer = { observation_see, &observation };
	int r = is_preview ? applier_preview(&edge->applier, &way->next, way->next.services,
					     way->next.service_count, true, &observer)
			   : applier_apply_seen(&edge->applier, &way->next, way->next.services,
						way->next.service_count, &observer);

	assert_int_equal(r, 0);
}

static void assert_same_service(const struct difference_service *a,
				const struct difference_service *b)
{
	assert_string_equal(a->name, b->name);
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->slots_moved, b->slots_moved);
	assert_int_equal(a->slots_opened, b->slots_opened);
	assert_int_equal(a->flows_break, b->flows_break);
	assert_int_equal(a->backend_count, b->backend_count);
	for (size_t i = 0; i < a->backend_count; i++)
		assert_memory_equal(&a->backends[i], &b->backends[i], sizeof(a->backends[i]));
	assert_int_equal(a->move_count, b->move_count);
	for (size_t i = 0; i < a->move_count; i++)
		assert_true(a->moves[i].share == b->moves[i].share);
}

static void assert_same_difference(const struct difference *a, const struct difference *b)
{
	assert_int_equal(a->service_count, b->service_count);
	assert_int_equal(a->unchanged, b->unchanged);
	assert_int_equal(a->memory_before, b->memory_before);
	assert_int_equal(a->memory_after, b->memory_after);
	for (size_t i = 0; i < a->service_count; i++)
		assert_same_service(&a->services[i], &b->services[i]);
}

static void assert_slots_are_in_maps(const struct difference_service *service,
				     const struct image *image)
{
	for (size_t i = 0; i < service->backend_count; i++) {
		const struct difference_backend *backend = &service->backends[i];
		const struct image_backend *now = image_find_backend(image, &backend->address);
		uint32_t slots = 0;

		for (uint32_t slot = 0; now && slot < image->value.lookup.size; slot++)
			slots += image->slots[slot].current == now->id;
		assert_int_equal(slots, backend->slots_after);
	}
}

static void assert_happened(const struct way *way, struct edge *edge)
{
	uint64_t memory = 0;
	struct image **images;
	size_t count;

	assert_int_equal(datapath_read_images(edge->datapath, &images, &count), 0);
	assert_int_equal(count, way->next.service_count);
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < way->planned.service_count; j++) {
			if (memcmp(&images[i]->key, &way->planned.services[j].key,
				   sizeof(images[i]->key)) == 0)
				assert_slots_are_in_maps(&way->planned.services[j], images[i]);
		}
		memory += memory_of_image(edge->applier.images[i]);
		image_free(images[i]);
	}
	free(images);
	assert_int_equal(memory, way->planned.memory_after);
}

static struct image_ids ids_of(const struct edge *edge)
{
	return edge->applier.ids;
}

static void what_is_planned_is_what_then_happens(void **state)
{
	struct world world = { .random = sample_seed() };
	struct pinned_edge *pinned = *state;
	struct edge *edge = &pinned->edge;

	pinned_edge_open(pinned);
	edge_adopt(edge, make_random_config(&world));
	for (int round = 0; round < ROUNDS; round++) {
		struct image_ids before = ids_of(edge);
		struct way way;

		way_begin(&way, edge, make_random_config(&world), pick(&world, 2));
		look(&way, edge, true);
		assert_maps_hold_images(edge);
		assert_int_equal(edge->applier.ids.backends.count, before.backends.count);
		assert_int_equal(edge->applier.ids.tables.count, before.tables.count);
		assert_int_equal(edge->applier.ids.services.count, before.services.count);
		look(&way, edge, false);
		assert_same_difference(&way.planned, &way.applied);
		assert_happened(&way, edge);
		way_end(&way, edge);
	}
}

/* What the kernel says of a map. */
static uint64_t locked_memory(int fd)
{
	char path[64], line[128];
	uint64_t memory = 0;
	FILE *info;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = fopen(path, "r");
	assert_non_null(info);
	while (fgets(line, sizeof(line), info)) {
		if (strncmp(line, "memlock:", 8) == 0)
			memory = strtoull(line + 8, NULL, 10);
	}
	fclose(info);
	return memory;
}

static uint64_t inner_memory(const struct bpf_map *outer, uint32_t index)
{
	uint64_t memory;
	uint32_t id;
	int fd;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(outer), &index, &id), 0);
	fd = bpf_map_get_fd_by_id(id);
	assert_true(fd >= 0);
	memory = locked_memory(fd);
	close(fd);
	return memory;
}

static void memory_is_what_the_kernel_counts_but_for_its_own(void **state)
{
	struct config *config = sample_config_of(IPPROTO_TCP, 3, 2 * LEAT_PART_SLOTS);
	struct pinned_edge *pinned = *state;
	struct edge *edge = &pinned->edge;
	const struct image *image;
	uint64_t kernel = 0;
	uint16_t table;

	config->services[0].scheduler = LEAT_SCHEDULER_ROUND_ROBIN;
	pinned_edge_open(pinned);
	edge_adopt(edge, sample_config_of(IPPROTO_TCP, 2, 2 * LEAT_PART_SLOTS));
	edge_adopt(edge, config);
	image = edge->applier.images[0];
	table = image->value.lookup.table;
	assert_true(image->open_count > 0);
	for (uint32_t part = 0; part < 2; part++)
		kernel += inner_memory(edge->datapath->maps->maps.tables,
				       leat_part_index(table, 0) + part);
	kernel += inner_memory(edge->datapath->maps->maps.clocks, table);
	kernel += inner_memory(edge->datapath->maps->maps.orders, table);
	/* Four maps, each with its head and a page that is not full. */
	assert_in_range(kernel, memory_of_image(image), memory_of_image(image) + 4 * 2 * 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_pins(what_is_planned_is_what_then_happens),
		with_pins(memory_is_what_the_kernel_counts_but_for_its_own),
	};

	log_set_sink(sample_keep_line);
	return edge_run_tests(tests, ARRAY_SIZE(tests));
}
