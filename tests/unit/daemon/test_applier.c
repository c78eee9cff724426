/* SPDX-License-Identifier: GPL-2.0-only */
#include "daemon/applier.h"

#include <bpf/bpf.h>
#include <errno.h>

#include "datapath/internal.h"
#include "tests/unit/datapath/pinned_edge.h"

#define SIZE 101

static struct client client(uint32_t number)
{
	return (struct client){ .number = number };
}

static struct config *two_services(void)
{
	struct config *config = sample_config_of(IPPROTO_TCP, 3, SIZE);

	sample_add_backends(sample_add_service(config, 1, IPPROTO_UDP, SIZE), 3, 2);
	return config;
}

static void services_learn_their_ids_and_numbers_of_slots(void **state)
{
	struct pinned_edge *pinned = *state;
	struct edge *edge = &pinned->edge;

	pinned_edge_open(pinned);
	edge_adopt(edge, two_services());
	for (size_t i = 0; i < edge->node.service_count; i++) {
		const struct service *service = edge->node.services[i];
		uint32_t slots = 0;

		assert_int_equal(service->id, edge_image(edge, i)->value.id);
		assert_int_equal(service->open_slots, 0);
		for (size_t j = 0; j < service->backend_count; j++) {
			assert_int_not_equal(service->backends[j]->id, 0);
			slots += service->backends[j]->slots;
		}
		assert_int_equal(slots, SIZE);
	}
	edge_set_operator(edge, 0, OPERATOR_DRAIN);
	assert_int_equal(edge_backend(edge, 0)->slots, 0);
	assert_int_equal(edge->node.services[0]->open_slots, edge_image(edge, 0)->open_count);
	assert_true(edge->node.services[0]->open_slots > 0);
}

static void only_a_change_of_all_services_deletes_the_others(void **state)
{
	struct pinned_edge *pinned = *state;
	struct edge *edge = &pinned->edge;

	pinned_edge_open(pinned);
	edge_adopt(edge, two_services());
	assert_int_equal(applier_apply(&edge->applier, &edge->node, edge->node.services, 1, false),
			 0);
	assert_int_equal(edge->applier.count, 2);
	assert_int_equal(applier_apply(&edge->applier, &edge->node, edge->node.services, 1, true),
			 0);
	assert_int_equal(edge->applier.count, 1);
	assert_int_equal(edge->applier.ids.backends.count, 3);
	assert_maps_hold_images(edge);
}

static void change_that_has_no_room_changes_nothing(void **state)
{
	struct pinned_edge *pinned = *state;
	struct edge *edge = &pinned->edge;
	int before[100];
	uint32_t id;

	pinned_edge_open(pinned);
	edge_adopt(edge, sample_config_of(IPPROTO_TCP, 3, SIZE));
	for (uint32_t i = 0; i < ARRAY_SIZE(before); i++)
		before[i] = client_send(edge, client(i), IPPROTO_TCP, SYN);
	while (edge->applier.ids.backends.count < LEAT_MAX_BACKENDS - 2)
		assert_int_equal(ids_take(&edge->applier.ids.backends, &id), 0);
	sample_adopt(&edge->node, sample_config_of(IPPROTO_TCP, 5, 2 * SIZE));
	assert_int_equal(applier_apply(&edge->applier, &edge->node, edge->node.services, 1, true),
			 -ENOSPC);
	assert_string_not_equal(sample_logged, "");
	assert_int_equal(edge->applier.ids.backends.count, LEAT_MAX_BACKENDS - 2);
	assert_int_equal(edge->applier.ids.tables.count, 1);
	assert_maps_hold_images(edge);
	for (uint32_t i = 0; i < ARRAY_SIZE(before); i++)
		assert_int_equal(client_send(edge, client(i), IPPROTO_TCP, SYN), before[i]);
}

/* Takes a note away behind the applier's back, so that deleting the backend fails. */
static void spoil(struct edge *edge, size_t index)
{
	struct leat_registry_key key = { .service = edge->node.services[0]->config.key,
					 .backend = sample_backend_address(index) };

	assert_int_equal(
		bpf_map_delete_elem(bpf_map__fd(edge->datapath->maps->maps.registry), &key), 0);
}

static void images_are_read_back_after_a_change_that_failed_half_way(void **state)
{
	struct pinned_edge *pinned = *state;
	struct edge *edge = &pinned->edge;

	pinned_edge_open(pinned);
	edge_adopt(edge, sample_config_of(IPPROTO_TCP, 3, SIZE));
	spoil(edge, 2);
	sample_adopt(&edge->node, sample_config_of(IPPROTO_TCP, 2, SIZE));
	assert_true(applier_apply(&edge->applier, &edge->node, edge->node.services, 1, true) < 0);
	assert_maps_hold_images(edge);
	edge_apply(edge);
	assert_maps_hold_images(edge);
	for (uint32_t i = 0; i < 100; i++)
		assert_in_range(client_send(edge, client(i), IPPROTO_TCP, SYN), 0, 1);
}

static void maps_that_use_an_id_twice_are_refused(void **state)
{
	struct pinned_edge *pinned = *state;
	struct edge *edge = &pinned->edge;
	struct leat_registry_entry entry = { .id = 1 };
	struct leat_registry_key key;

	pinned_edge_open(pinned);
	edge_adopt(edge, sample_config_of(IPPROTO_TCP, 3, SIZE));
	key = (struct leat_registry_key){ .service = edge->node.services[0]->config.key,
					  .backend = sample_backend_address(9) };
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(edge->datapath->maps->maps.registry), &key,
					     &entry, BPF_ANY),
			 0);
	assert_int_equal(applier_read_back(&edge->applier), -EEXIST);
	assert_non_null(strstr(sample_logged, "twice"));
}

/* As a daemon that starts over what another one left. */
static void restart(struct pinned_edge *pinned, struct config *config)
{
	pinned_edge_kill(pinned);
	pinned_edge_open(pinned);
	assert_int_equal(applier_read_back(&pinned->edge.applier), 0);
	edge_adopt(&pinned->edge, config);
}

static void restart_over_the_same_configuration_changes_nothing(void **state)
{
	struct pinned_edge *pinned = *state;
	struct edge *edge = &pinned->edge;
	struct image **before;
	size_t count;

	pinned_edge_open(pinned);
	edge_adopt(edge, sample_config_of(IPPROTO_TCP, 3, SIZE));
	edge_adopt(edge, two_services());
	edge_adopt(edge, sample_config_of(IPPROTO_TCP, 5, SIZE));
	assert_true(edge->node.services[0]->open_slots > 0);
	assert_int_equal(datapath_read_images(edge->datapath, &before, &count), 0);
	restart(pinned, sample_config_of(IPPROTO_TCP, 5, SIZE));
	assert_int_equal(count, 1);
	assert_int_equal(edge->applier.count, 1);
	assert_same_image(before[0], edge->applier.images[0]);
	assert_maps_hold_images(edge);
	image_free(before[0]);
	free(before);
}

/* The second change comes with the restart. */
static void flows_stay_over_a_restart_in_the_middle_of_a_change(void **state)
{
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP };
	struct pinned_edge *pinned = *state;
	struct edge *edge = &pinned->edge;

	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
		int older[200], newer[200];

		pinned_edge_open(pinned);
		edge_adopt(edge, sample_config_of(protocols[i], 2, SIZE));
		for (uint32_t j = 0; j < ARRAY_SIZE(older); j++)
			older[j] = client_send(edge, client(j), protocols[i], SYN);
		edge_adopt(edge, sample_config_of(protocols[i], 4, SIZE));
		for (uint32_t j = 0; j < ARRAY_SIZE(newer); j++)
			newer[j] = client_send(edge, client(1000 + j), protocols[i], SYN);
		restart(pinned, sample_config_of(protocols[i], 6, SIZE));
		for (uint32_t j = 0; j < ARRAY_SIZE(older); j++) {
			assert_int_equal(client_send(edge, client(j), protocols[i], ACK), older[j]);
			assert_int_equal(client_send(edge, client(1000 + j), protocols[i], ACK),
					 newer[j]);
		}
		edge_adopt(edge, sample_config_new());
		pinned_edge_kill(pinned);
	}
}

/* Two kinds of tables of one size and hash are compared slot by slot. */
static void flows_stay_when_the_kind_of_table_changes(void **state)
{
	struct config *maglev = sample_config_of(IPPROTO_TCP, 4, SIZE);
	struct pinned_edge *pinned = *state;
	struct edge *edge = &pinned->edge;
	int before[300];

	pinned_edge_open(pinned);
	edge_adopt(edge, sample_config_of(IPPROTO_TCP, 4, SIZE));
	for (uint32_t i = 0; i < ARRAY_SIZE(before); i++)
		before[i] = client_send(edge, client(i), IPPROTO_TCP, SYN);
	maglev->services[0].table = TABLE_MAGLEV;
	edge_adopt(edge, maglev);
	assert_true(edge->node.services[0]->open_slots > 0);
	for (uint32_t i = 0; i < ARRAY_SIZE(before); i++)
		assert_int_equal(client_send(edge, client(i), IPPROTO_TCP, ACK), before[i]);
}

static void closed_slots_are_closed_in_the_maps(void **state)
{
	struct pinned_edge *pinned = *state;
	struct edge *edge = &pinned->edge;

	pinned_edge_open(pinned);
	edge_adopt(edge, sample_config_of(IPPROTO_TCP, 2, SIZE));
	for (uint32_t i = 0; i < 100; i++)
		client_send(edge, client(i), IPPROTO_TCP, SYN);
	edge_adopt(edge, sample_config_of(IPPROTO_TCP, 3, SIZE));
	assert_true(edge->node.services[0]->open_slots > 0);
	settle(edge, LEAT_DEFAULT_TCP_IDLE_MS / 1000 + 5);
	assert_int_equal(edge->node.services[0]->open_slots, 0);
	assert_maps_hold_images(edge);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_pins(services_learn_their_ids_and_numbers_of_slots),
		with_pins(only_a_change_of_all_services_deletes_the_others),
		with_pins(change_that_has_no_room_changes_nothing),
		with_pins(images_are_read_back_after_a_change_that_failed_half_way),
		with_pins(maps_that_use_an_id_twice_are_refused),
		with_pins(restart_over_the_same_configuration_changes_nothing),
		with_pins(flows_stay_over_a_restart_in_the_middle_of_a_change),
		with_pins(flows_stay_when_the_kind_of_table_changes),
		with_pins(closed_slots_are_closed_in_the_maps),
	};

	log_set_sink(sample_keep_line);
	return edge_run_tests(tests, ARRAY_SIZE(tests));
}
