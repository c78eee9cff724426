/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How many flows a source may open. The clock is the kernel's own, so that a test knows only how much
 * time has passed at most, or at least.
 */
#include "tests/unit/datapath/edge.h"

#define TABLE_SIZE 1024
#define BURST	   5

static struct config *config_of(uint32_t rate_new, uint32_t rate_burst)
{
	struct config *config = sample_config_new();
	struct service_config *service = sample_add_service(config, 0, IPPROTO_TCP, TABLE_SIZE);

	service->rate_new = rate_new;
	service->rate_burst = rate_burst;
	sample_add_backend(service, 0, 100);
	return config;
}

/* `count` packets; how many of them were forwarded. */
static uint32_t send_many(struct edge *edge, uint32_t source, uint32_t count, uint8_t flags)
{
	uint32_t forwarded = 0;

	for (uint32_t i = 0; i < count; i++) {
		/* A port of its own each: sources go around at 250. */
		struct client client = { .number = source + 250 * i };

		forwarded += client_send(edge, client, IPPROTO_TCP, flags) != NOWHERE;
	}
	return forwarded;
}

static void a_source_opens_its_burst_and_no_more(void **state)
{
	uint64_t began_us, seconds;
	uint32_t forwarded;
	struct edge edge;

	(void)state;
	edge_init(&edge, config_of(1, BURST));
	began_us = clock_monotonic_us();
	forwarded = send_many(&edge, 7, 100, SYN);
	seconds = (clock_monotonic_us() - began_us) / 1000000 + 1;
	assert_in_range(forwarded, BURST, BURST + seconds);
	edge_deinit(&edge);
}

static void a_source_has_no_part_in_the_limit_of_another_one(void **state)
{
	struct edge edge;

	(void)state;
	edge_init(&edge, config_of(1, BURST));
	assert_true(send_many(&edge, 7, 100, SYN) < 100);
	for (uint32_t source = 8; source < 100; source++)
		assert_int_equal(send_many(&edge, source, BURST, SYN), BURST);
	edge_deinit(&edge);
}

static void only_opening_packets_are_limited(void **state)
{
	static const uint8_t others[] = { ACK, SYN | ACK, FIN | ACK, RST, 0 };
	struct edge edge;

	(void)state;
	edge_init(&edge, config_of(1, 1));
	assert_true(send_many(&edge, 7, 100, SYN) < 100);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		assert_int_equal(send_many(&edge, 7, 20, others[i]), 20);
	edge_deinit(&edge);
}

/* After the gap at the latest; here it is 1 ms. */
static void a_source_that_waits_may_open_the_next_one(void **state)
{
	const struct timespec pause = { .tv_nsec = 1500000 };
	struct edge edge;

	(void)state;
	edge_init(&edge, config_of(1000, 1));
	for (uint32_t i = 0; i < 20; i++) {
		assert_int_equal(send_many(&edge, 7, 1, SYN), 1);
		nanosleep(&pause, NULL);
	}
	edge_deinit(&edge);
}

static void without_a_rate_nothing_is_limited(void **state)
{
	struct edge edge;

	(void)state;
	edge_init(&edge, config_of(0, 0));
	assert_int_equal(send_many(&edge, 7, 1000, SYN), 1000);
	edge_deinit(&edge);
}

static int send_from(struct edge *edge, uint32_t address)
{
	uint8_t packet[PACKET_MAX];
	size_t size = client_write((struct client){ 0 }, IPPROTO_TCP, SYN, packet);
	struct datapath_run run;

	memcpy(packet + sizeof(struct ethhdr) + offsetof(struct iphdr, saddr), &address,
	       sizeof(address));
	assert_int_equal(datapath_run_packet(edge->datapath, packet, size, sizeof(packet), &run),
			 0);
	return (int)run.action;
}

/* From `after` on, in the order of numbers, the next source of the same bucket. */
static uint32_t next_of_bucket(const struct edge *edge, uint32_t bucket, uint32_t after)
{
	uint64_t key = datapath_memory(edge->datapath).flow_key;
	uint32_t id = edge_image(edge, 0)->value.id;

	for (uint32_t i = after + 1;; i++) {
		struct leat_addr address = address_from_ipv4((struct in_addr){ .s_addr = i });

		if (leat_flow_digest(key, id, &address, 0) % LEAT_SOURCE_BUCKETS == bucket)
			return i;
	}
}

/* The memory of sources is bounded: who does not fit is let in, and the eviction is counted. */
static void more_sources_than_fit_are_let_in_and_counted(void **state)
{
	enum { SOURCES = LEAT_BUCKET_SOURCES + 3 };
	uint64_t events[LEAT_EVENT_COUNT];
	uint32_t address = 0x0b000000;
	struct edge edge;

	(void)state;
	edge_init(&edge, config_of(1, 1));
	for (uint32_t i = 0; i < SOURCES; i++) {
		address = next_of_bucket(&edge, 77, address);
		assert_int_equal(send_from(&edge, address), XDP_TX);
	}
	assert_int_equal(send_from(&edge, address), XDP_DROP);
	assert_int_equal(datapath_read_events(edge.datapath, events), 0);
	assert_in_range(events[LEAT_EVENT_EVICTED_SOURCE], 1, SOURCES - LEAT_BUCKET_SOURCES);
	edge_deinit(&edge);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_source_opens_its_burst_and_no_more),
		cmocka_unit_test(a_source_has_no_part_in_the_limit_of_another_one),
		cmocka_unit_test(only_opening_packets_are_limited),
		cmocka_unit_test(a_source_that_waits_may_open_the_next_one),
		cmocka_unit_test(without_a_rate_nothing_is_limited),
		cmocka_unit_test(more_sources_than_fit_are_let_in_and_counted),
	};

	return edge_run_group(tests, ARRAY_SIZE(tests), NULL, NULL);
}
