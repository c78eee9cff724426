/* SPDX-License-Identifier: GPL-2.0-only */
#include "datapath/datapath.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <sys/stat.h>

#include "datapath/internal.h"
#include "tests/unit/datapath/pinned_edge.h"

#define SIZE 101

static int fd_of(const struct bpf_map *map)
{
	return bpf_map__fd(map);
}

/* Three services, both protocols and an IPv6 backend. */
static struct config *make_config(size_t backends)
{
	struct config *config = sample_config_new();

	for (size_t i = 0; i < 3; i++) {
		struct service_config *service = sample_add_service(
			config, i, i == 1 ? IPPROTO_UDP : IPPROTO_TCP, SIZE + (uint32_t)i);

		sample_add_backends(service, 0, backends + i);
		service->backends[0].address = sample_parse("2001:db8::11");
	}
	return config;
}

static void maps_are_found_again_with_all_that_they_held(void **state)
{
	struct pinned_edge *pinned = *state;
	struct image **before, **now;
	size_t count, count_now;

	pinned_edge_open(pinned);
	assert_false(datapath_was_reused(pinned->edge.datapath));
	edge_adopt(&pinned->edge, make_config(2));
	edge_adopt(&pinned->edge, make_config(4));
	assert_true(pinned->edge.applier.images[0]->open_count > 0);
	assert_int_equal(datapath_read_images(pinned->edge.datapath, &before, &count), 0);
	assert_maps_hold_images(&pinned->edge);
	pinned_edge_kill(pinned);

	pinned_edge_open(pinned);
	assert_true(datapath_was_reused(pinned->edge.datapath));
	assert_false(datapath_has_foreign_layout(pinned->edge.datapath));
	assert_int_equal(datapath_read_images(pinned->edge.datapath, &now, &count_now), 0);
	assert_int_equal(count, 3);
	assert_int_equal(count_now, 3);
	for (size_t i = 0; i < count; i++) {
		assert_same_image(before[i], now[i]);
		image_free(before[i]);
		image_free(now[i]);
	}
	free(before);
	free(now);
}

static void random_plans_leave_the_maps_as_the_images_are(void **state)
{
	struct pinned_edge *pinned = *state;
	uint64_t random = sample_seed();

	pinned_edge_open(pinned);
	for (int round = 0; round < 30; round++) {
		struct config *config = sample_config_new();

		config->seed += sample_random(&random) % 8 == 0;
		for (size_t i = 0; i < 4; i++) {
			if (sample_random(&random) % 3)
				sample_add_backends(
					sample_add_service(
						config, i, IPPROTO_TCP,
						64 + (uint32_t)(sample_random(&random) % 2)),
					sample_random(&random) % 3, sample_random(&random) % 5);
		}
		edge_adopt(&pinned->edge, config);
		assert_maps_hold_images(&pinned->edge);
	}
}

static struct leat_flow *flow_at(const struct datapath *datapath, uint64_t digest)
{
	return &datapath->flows[digest].flows[0];
}

static void flow_belongs_to(const struct datapath *datapath, uint64_t digest, uint16_t backend)
{
	*flow_at(datapath, digest) =
		(struct leat_flow){ .digest = digest, .state = { .backend = backend } };
}

static bool knows_flow(const struct datapath *datapath, uint64_t digest)
{
	return flow_at(datapath, digest)->digest == digest;
}

/* A daemon that is killed in the middle of a plan leaves such. A flow would come back to life with the
 * next backend that gets the id, of whatever service. */
static void what_nothing_refers_to_is_deleted(void **state)
{
	struct pinned_edge *pinned = *state;
	struct leat_registry_key stranger = { .backend = sample_backend_address(0) };
	struct leat_registry_entry entry = { .id = 77 };
	const struct image *image;
	struct datapath *datapath;
	struct image **images;
	uint32_t table = leat_part_index(3, 0); /* the first that is free */
	uint32_t used, map_id;
	size_t count;
	int fd;

	pinned_edge_open(pinned);
	edge_adopt(&pinned->edge, make_config(2));
	datapath = pinned->edge.datapath;
	image = pinned->edge.applier.images[0];
	stranger.service = image->key;
	stranger.service.port = htons(9999);
	assert_int_equal(bpf_map_update_elem(fd_of(datapath->maps->maps.registry), &stranger,
					     &entry, BPF_ANY),
			 0);
	used = leat_part_index(image->value.lookup.table, 0);
	assert_int_equal(bpf_map_lookup_elem(fd_of(datapath->maps->maps.tables), &used, &map_id),
			 0);
	fd = bpf_map_get_fd_by_id(map_id);
	assert_int_equal(
		bpf_map_update_elem(fd_of(datapath->maps->maps.tables), &table, &fd, BPF_ANY), 0);
	close(fd);
	flow_belongs_to(datapath, 1, (uint16_t)image->backends[0].id);
	flow_belongs_to(datapath, 2, 77);

	assert_int_equal(datapath_read_images(datapath, &images, &count), 0);
	assert_int_equal(count, 3);
	for (size_t i = 0; i < count; i++)
		image_free(images[i]);
	free(images);
	assert_int_equal(datapath_read_note(datapath, &stranger, &entry), -ENOENT);
	assert_int_equal(bpf_map_lookup_elem(fd_of(datapath->maps->maps.tables), &table, &map_id),
			 -ENOENT);
	assert_true(knows_flow(datapath, 1));
	assert_false(knows_flow(datapath, 2));
}

static void pin_of_another_shape_is_refused_and_left(void **state)
{
	const struct leat_options options = { 0 };
	struct pinned_edge *pinned = *state;
	struct datapath *untouched = NULL;
	char path[128];
	int fd;

	pinned_edge_open(pinned);
	pinned_edge_kill(pinned);
	snprintf(path, sizeof(path), "%s/backends", pinned->layout_path);
	assert_int_equal(unlink(path), 0);
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "leat_t_shape", 4, 8, 1, NULL);
	assert_int_equal(bpf_obj_pin(fd, path), 0);
	close(fd);
	assert_int_equal(datapath_new(&untouched, pinned->path, LEAT_MIN_FLOWS, &options),
			 -EUCLEAN);
	assert_null(untouched);
	assert_non_null(strstr(sample_logged, pinned->path));
	assert_int_equal(access(path, F_OK), 0);
}

static void notes_outlive_the_daemon_and_keep_their_ids(void **state)
{
	const struct leat_registry_entry note = { .id = 999,
						  .health = 4,
						  .is_up = 1,
						  .changed_s = 1700000000,
						  .reason = "L4OK: connected" };
	struct pinned_edge *pinned = *state;
	struct leat_registry_key key;
	struct leat_registry_entry entry;
	uint32_t id;

	pinned_edge_open(pinned);
	edge_adopt(&pinned->edge, make_config(2));
	key = (struct leat_registry_key){
		.service = pinned->edge.applier.images[0]->key,
		.backend = pinned->edge.applier.images[0]->backends[1].address,
	};
	id = pinned->edge.applier.images[0]->backends[1].id;
	assert_int_equal(datapath_read_note(pinned->edge.datapath, &key, &entry), 0);
	assert_int_equal(entry.health, HEALTH_UNKNOWN);
	assert_int_equal(datapath_write_note(pinned->edge.datapath, &key, &note), 0);
	pinned_edge_kill(pinned);

	pinned_edge_open(pinned);
	assert_int_equal(datapath_read_note(pinned->edge.datapath, &key, &entry), 0);
	assert_int_equal(entry.id, id);
	assert_int_equal(entry.health, 4);
	assert_int_equal(entry.is_up, 1);
	assert_int_equal(entry.changed_s, 1700000000);
	assert_string_equal(entry.reason, note.reason);
	key.service.port = htons(9999);
	assert_int_equal(datapath_read_note(pinned->edge.datapath, &key, &entry), -ENOENT);
	assert_int_equal(datapath_write_note(pinned->edge.datapath, &key, &note), -ENOENT);
}

static void another_layout_is_seen_and_left_alone(void **state)
{
	struct pinned_edge *pinned = *state;
	char path[96];

	pinned_edge_open(pinned);
	pinned_edge_kill(pinned);
	snprintf(path, sizeof(path), "%s/layout-%d", pinned->path, LEAT_LAYOUT + 1);
	assert_int_equal(mkdir(path, 0700), 0);
	pinned_edge_open(pinned);
	assert_true(datapath_was_reused(pinned->edge.datapath));
	assert_true(datapath_has_foreign_layout(pinned->edge.datapath));
	datapath_unpin(pinned->edge.datapath);
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(access(pinned->layout_path, F_OK), -1);
	assert_int_equal(rmdir(path), 0);
	datapath_unpin(pinned->edge.datapath);
	assert_int_equal(access(pinned->path, F_OK), -1);
}

static void private_maps_leave_no_pins(void **state)
{
	struct pinned_edge *pinned = *state;

	edge_init(&pinned->edge, make_config(2));
	assert_false(datapath_was_reused(pinned->edge.datapath));
	assert_int_equal(access(pinned->path, F_OK), -1);
}

/* As the daemon adds them up. */
static struct leat_counter sum_of(struct edge *edge, const struct service *service)
{
	struct leat_counter sum, counter;

	assert_int_equal(datapath_read_service(edge->datapath, service->id, &sum), 0);
	for (size_t i = 0; i < service->backend_count; i++) {
		assert_int_equal(
			datapath_read_backend(edge->datapath, service->backends[i]->id, &counter),
			0);
		sum.packets += counter.packets;
		sum.bytes += counter.bytes;
	}
	return sum;
}

static uint64_t forwarded(struct edge *edge)
{
	struct leat_counter reasons[LEAT_REASON_COUNT];
	uint64_t packets;

	assert_int_equal(datapath_read_reasons(edge->datapath, reasons), 0);
	packets = reasons[LEAT_FORWARDED].packets;
	for (size_t i = 0; i < edge->node.service_count; i++) {
		const struct service *service = edge->node.services[i];

		for (size_t j = 0; j < service->backend_count; j++) {
			struct leat_counter counter;

			assert_int_equal(datapath_read_backend(edge->datapath,
							       service->backends[j]->id, &counter),
					 0);
			packets += counter.packets;
		}
	}
	return packets;
}

static void sums_stay_when_backends_and_services_go(void **state)
{
	enum { PACKETS = 300, FRAME = 54 };
	struct pinned_edge *pinned = *state;
	struct edge *edge = &pinned->edge;
	struct leat_counter counter;

	pinned_edge_open(pinned);
	edge_adopt(edge, sample_config_of(IPPROTO_TCP, 4, SIZE));
	for (uint32_t i = 0; i < PACKETS; i++)
		client_send(edge, (struct client){ .number = i }, IPPROTO_TCP, ACK);
	for (size_t backends = 4; backends >= 1; backends--) {
		edge_adopt(edge, sample_config_of(IPPROTO_TCP, backends, SIZE));
		counter = sum_of(edge, edge->node.services[0]);
		assert_int_equal(counter.packets, PACKETS);
		assert_int_equal(counter.bytes, PACKETS * FRAME);
		assert_int_equal(forwarded(edge), PACKETS);
	}
	/* A backend with an id that was used before starts at zero. */
	edge_adopt(edge, sample_config_of(IPPROTO_TCP, 2, SIZE));
	assert_int_equal(datapath_read_backend(edge->datapath, edge_backend(edge, 1)->id, &counter),
			 0);
	assert_int_equal(counter.packets, 0);
	/* And so does a service, while the total goes on. */
	edge_adopt(edge, sample_config_new());
	assert_int_equal(forwarded(edge), PACKETS);
	edge_adopt(edge, sample_config_of(IPPROTO_TCP, 2, SIZE));
	assert_int_equal(sum_of(edge, edge->node.services[0]).packets, 0);
	assert_int_equal(forwarded(edge), PACKETS);
}

static void dropped_packets_count_for_their_service_and_reason(void **state)
{
	struct pinned_edge *pinned = *state;
	struct leat_counter reasons[LEAT_REASON_COUNT], service;
	struct edge *edge = &pinned->edge;

	pinned_edge_open(pinned);
	edge_adopt(edge, sample_config_of(IPPROTO_TCP, 1, SIZE));
	edge_set_operator(edge, 0, OPERATOR_DISABLE);
	for (uint32_t i = 0; i < 7; i++)
		assert_int_equal(
			client_send(edge, (struct client){ .number = i }, IPPROTO_TCP, SYN),
			NOWHERE);
	assert_int_equal(datapath_read_reasons(edge->datapath, reasons), 0);
	assert_int_equal(
		datapath_read_service(edge->datapath, edge->node.services[0]->id, &service), 0);
	assert_int_equal(reasons[LEAT_NO_BACKEND].packets, 7);
	assert_int_equal(service.packets, 7);
	assert_int_equal(forwarded(edge), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_pins(maps_are_found_again_with_all_that_they_held),
		with_pins(random_plans_leave_the_maps_as_the_images_are),
		with_pins(what_nothing_refers_to_is_deleted),
		with_pins(pin_of_another_shape_is_refused_and_left),
		with_pins(notes_outlive_the_daemon_and_keep_their_ids),
		with_pins(another_layout_is_seen_and_left_alone),
		with_pins(private_maps_leave_no_pins),
		with_pins(sums_stay_when_backends_and_services_go),
		with_pins(dropped_packets_count_for_their_service_and_reason),
	};

	log_set_sink(sample_keep_line);
	return edge_run_tests(tests, ARRAY_SIZE(tests));
}
