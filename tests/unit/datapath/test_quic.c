/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where connection ids lead while backends drain, leave, fail and come back, and what is said of the
 * connections that a draining backend still has. Server ids are those of sample_set_quic().
 */
#include <bpf/bpf.h>

#include "datapath/internal.h"
#include "tests/unit/datapath/pinned_edge.h"

#define TABLE_SIZE 256
#define BACKENDS   3
#define CLIENTS	   60
#define IDLE_S	   (LEAT_DEFAULT_UDP_IDLE_MS / 1000)

static struct config *quic_config(size_t backends)
{
	struct config *config = sample_config_of(IPPROTO_UDP, backends, TABLE_SIZE);

	sample_set_quic(&config->services[0], 0);
	return config;
}

/* A datagram with a short header whose id begins with these two bytes. */
static int send_id(struct edge *edge, uint32_t client, uint8_t first, uint8_t server_id)
{
	const uint8_t datagram[] = { 0x40, first, server_id, 1, 2, 3, 4, 5, 6, 7, 8 };
	uint8_t packet[PACKET_MAX];
	uint8_t *ip_len = packet + sizeof(struct ethhdr) + offsetof(struct iphdr, tot_len);
	size_t size = client_write((struct client){ .number = client }, IPPROTO_UDP, 0, packet);
	struct datapath_run run;

	memcpy(packet + size, datagram, sizeof(datagram));
	size += sizeof(datagram);
	ip_len[1] = (uint8_t)(size - sizeof(struct ethhdr));
	assert_int_equal(datapath_run_packet(edge->datapath, packet, size, sizeof(packet), &run),
			 0);
	return run.action == XDP_DROP ? NOWHERE : backend_of_packet(packet);
}

static uint64_t unknown_ids(const struct edge *edge)
{
	uint64_t events[LEAT_EVENT_COUNT];

	assert_int_equal(datapath_read_events(edge->datapath, events), 0);
	return events[LEAT_EVENT_UNKNOWN_QUIC_ID];
}

/* From any client. */
static void assert_leads_to(struct edge *edge, uint8_t server_id, int backend)
{
	uint64_t unknown = unknown_ids(edge);

	for (uint32_t i = 0; i < CLIENTS; i++)
		assert_int_equal(send_id(edge, i, 0, server_id), backend);
	assert_int_equal(unknown_ids(edge), unknown);
}

/* Each client's packets go where its hash says. */
static void assert_is_hashed(struct edge *edge, uint8_t first, uint8_t server_id, bool is_counted)
{
	uint64_t unknown = unknown_ids(edge);

	for (uint32_t i = 0; i < CLIENTS; i++) {
		struct client client = { .number = i };
		int hashed = client_send(edge, client, IPPROTO_UDP, 0);

		assert_int_equal(send_id(edge, i, first, server_id), hashed);
	}
	assert_int_equal(unknown_ids(edge), unknown + (is_counted ? CLIENTS : 0));
}

static void ids_lead_to_their_backends_and_others_are_counted(void **state)
{
	struct edge edge;

	(void)state;
	edge_init(&edge, quic_config(BACKENDS));
	for (uint8_t i = 0; i < BACKENDS; i++)
		assert_leads_to(&edge, i, i);
	assert_is_hashed(&edge, 0, BACKENDS, true);
	assert_is_hashed(&edge, 0x20, 0, true);
	assert_is_hashed(&edge, 0xe0, 0, true);
	edge_deinit(&edge);
}

static void a_backend_that_drains_or_leaves_keeps_its_connections(void **state)
{
	struct edge edge;

	(void)state;
	edge_init(&edge, quic_config(BACKENDS));
	edge_set_operator(&edge, 1, OPERATOR_DRAIN);
	assert_leads_to(&edge, 1, 1);
	sample_adopt_config(&edge.node, quic_config(1), true);
	edge_apply(&edge);
	assert_true(edge_backend(&edge, 1)->is_leaving);
	assert_leads_to(&edge, 1, 1);
	assert_leads_to(&edge, 2, 2);
	edge_adopt(&edge, quic_config(1));
	assert_is_hashed(&edge, 0, 1, true);
	edge_deinit(&edge);
}

static void a_backend_that_is_down_or_disabled_keeps_none(void **state)
{
	struct edge edge;

	(void)state;
	edge_init(&edge, quic_config(BACKENDS));
	edge_set_operator(&edge, 1, OPERATOR_DISABLE);
	assert_is_hashed(&edge, 0, 1, false);
	edge_set_operator(&edge, 1, OPERATOR_NONE);
	assert_leads_to(&edge, 1, 1);
	edge_set_health(&edge, 1, false);
	assert_is_hashed(&edge, 0, 1, false);
	edge_set_health(&edge, 1, true);
	assert_leads_to(&edge, 1, 1);
	edge_deinit(&edge);
}

static void changes_of_the_table_move_no_connection(void **state)
{
	struct config *config = quic_config(BACKENDS + 1);
	struct edge edge;

	(void)state;
	edge_init(&edge, quic_config(BACKENDS));
	config->services[0].table_size = 2 * TABLE_SIZE;
	config->seed++;
	edge_adopt(&edge, config);
	for (uint8_t i = 0; i <= BACKENDS; i++)
		assert_leads_to(&edge, i, i);
	edge_deinit(&edge);
}

static void configurations_rotate_under_connections(void **state)
{
	struct config *both = quic_config(BACKENDS),
		      *new = sample_config_of(IPPROTO_UDP, BACKENDS, TABLE_SIZE);
	struct edge edge;

	(void)state;
	edge_init(&edge, quic_config(BACKENDS));
	sample_set_quic(&both->services[0], 5);
	edge_adopt(&edge, both);
	assert_leads_to(&edge, 2, 2);
	assert_int_equal(send_id(&edge, 7, 0xa0, 0x52), 2);
	sample_set_quic(&new->services[0], 5);
	edge_adopt(&edge, new);
	assert_int_equal(send_id(&edge, 7, 0xbf, 0x52), 2);
	assert_is_hashed(&edge, 0, 2, true);
	edge_deinit(&edge);
}

static const struct backend_flows *count_after(struct edge *edge, size_t backend, uint64_t seconds)
{
	settle(edge, seconds);
	return &edge_backend(edge, backend)->flows;
}

/* Also those of clients whose slots were never its own. */
static void a_drain_waits_for_connections_that_ids_lead_to_it(void **state)
{
	struct edge edge;

	(void)state;
	edge_init(&edge, quic_config(BACKENDS));
	assert_leads_to(&edge, 1, 1);
	assert_int_equal(edge_count_flows(&edge).flows, 0);
	edge_set_operator(&edge, 1, OPERATOR_DRAIN);
	assert_in_range(count_after(&edge, 1, 0)->silent_s, 1, IDLE_S + 2);
	assert_leads_to(&edge, 1, 1);
	assert_leads_to(&edge, 1, 1);
	assert_int_equal(count_after(&edge, 1, 0)->live, CLIENTS);
	assert_false(backend_is_drained(edge_backend(&edge, 1)));
	assert_int_equal(count_after(&edge, 1, IDLE_S / 2)->live, CLIENTS);
	assert_int_equal(count_after(&edge, 1, 2 * IDLE_S)->live, 0);
	assert_true(backend_is_drained(edge_backend(&edge, 1)));
	assert_int_equal(edge.node.services[0]->open_slots, 0);
	edge_deinit(&edge);
}

static void one_without_slots_may_have_connections_too(void **state)
{
	struct config *config = quic_config(BACKENDS);
	struct edge edge;

	(void)state;
	config->services[0].backends[1].weight = 0;
	edge_init(&edge, config);
	assert_in_range(count_after(&edge, 1, 0)->silent_s, 1, IDLE_S + 2);
	assert_leads_to(&edge, 1, 1);
	assert_int_equal(count_after(&edge, 1, 0)->live, CLIENTS);
	edge_deinit(&edge);
}

static int quic_fd(const struct edge *edge)
{
	return bpf_map__fd(edge->datapath->maps->maps.quic_ids);
}

static size_t count_ids(const struct edge *edge)
{
	struct leat_quic_key key, *previous = NULL;
	size_t count = 0;

	while (bpf_map_get_next_key(quic_fd(edge), previous, &key) == 0) {
		previous = &key;
		count++;
	}
	return count;
}

static void a_daemon_that_starts_finds_server_ids(void **state)
{
	struct pinned_edge *pinned = *state;
	struct edge *edge = &pinned->edge;

	pinned_edge_open(pinned);
	edge_adopt(edge, quic_config(BACKENDS));
	pinned_edge_kill(pinned);
	pinned_edge_open(pinned);
	assert_int_equal(applier_read_back(&edge->applier), 0);
	assert_int_equal(edge->applier.images[0]->quic_id_count, BACKENDS);
	edge_adopt(edge, quic_config(BACKENDS));
	assert_maps_hold_images(edge);
	assert_leads_to(edge, 2, 2);
	edge_adopt(edge, sample_config_of(IPPROTO_UDP, BACKENDS, TABLE_SIZE));
	assert_int_equal(count_ids(edge), 0);
}

static void plant_id(struct edge *edge, uint32_t service, uint32_t backend, uint8_t server_id)
{
	struct leat_quic_key key = { .service = service, .server_id = { server_id } };

	assert_int_equal(bpf_map_update_elem(quic_fd(edge), &key, &backend, BPF_ANY), 0);
}

/* A daemon was killed that had set them, and was to make their service or backend. */
static void server_ids_of_nobody_are_deleted(void **state)
{
	struct pinned_edge *pinned = *state;
	struct edge *edge = &pinned->edge;
	uint32_t service;

	pinned_edge_open(pinned);
	edge_adopt(edge, quic_config(BACKENDS));
	service = edge_image(edge, 0)->value.id;
	plant_id(edge, service, 999, 0x77);
	plant_id(edge, service + 1, 1, 0x78);
	plant_id(edge, LEAT_MAX_SERVICES + service, 1, 0x79);
	plant_id(edge, service, LEAT_MAX_BACKENDS + 1, 0x7a);
	plant_id(edge, service, 1, 0x7b);
	assert_int_equal(applier_read_back(&edge->applier), 0);
	assert_int_equal(count_ids(edge), BACKENDS + 1);
	edge_apply(edge);
	assert_int_equal(count_ids(edge), BACKENDS);
}

static void services_and_server_ids_go_together(void **state)
{
	struct config *config = quic_config(BACKENDS);
	struct edge edge;

	(void)state;
	sample_add_backends(sample_add_service(config, 1, IPPROTO_UDP, TABLE_SIZE), 0, BACKENDS);
	sample_set_quic(&config->services[1], 3);
	edge_init(&edge, config);
	assert_int_equal(count_ids(&edge), 2 * BACKENDS);
	edge_adopt(&edge, quic_config(BACKENDS));
	assert_int_equal(count_ids(&edge), BACKENDS);
	edge_adopt(&edge, sample_config_new());
	assert_int_equal(count_ids(&edge), 0);
	edge_deinit(&edge);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_lead_to_their_backends_and_others_are_counted),
		cmocka_unit_test(a_backend_that_drains_or_leaves_keeps_its_connections),
		cmocka_unit_test(a_backend_that_is_down_or_disabled_keeps_none),
		cmocka_unit_test(changes_of_the_table_move_no_connection),
		cmocka_unit_test(configurations_rotate_under_connections),
		cmocka_unit_test(a_drain_waits_for_connections_that_ids_lead_to_it),
		cmocka_unit_test(one_without_slots_may_have_connections_too),
		with_pins(a_daemon_that_starts_finds_server_ids),
		with_pins(server_ids_of_nobody_are_deleted),
		cmocka_unit_test(services_and_server_ids_go_together),
	};

	return edge_run_tests(tests, ARRAY_SIZE(tests));
}
