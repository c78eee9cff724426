/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A node in private maps, without a daemon and an interface, and clients' packets through its
 * program. Where a packet went is read from its outer header, not from what the program says.
 */
#ifndef LEAT_TESTS_UNIT_DATAPATH_EDGE_H
#define LEAT_TESTS_UNIT_DATAPATH_EDGE_H

#include <assert.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include "base/clock.h"
#include "daemon/applier.h"
#include "tests/unit/sample_config.h"

#define SYN 0x02
#define RST 0x04
#define ACK 0x10
#define FIN 0x01

#define MAX_EDGE_TESTS 64

/* Where a packet went when it went nowhere. */
#define NOWHERE (-1)

struct edge {
	struct node node;
	struct datapath *datapath;
	struct applier applier;
};

static inline void edge_apply(struct edge *edge)
{
	struct node *node = &edge->node;

	assert_int_equal(
		applier_apply(&edge->applier, node, node->services, node->service_count, true), 0);
}

/* With the datapath pinned at `pin_path`, or private to the test. */
static inline void edge_open_with(struct edge *edge, const char *pin_path, uint32_t flows)
{
	const struct leat_options options = {
		.remembers = true,
		.trace = true,
		.rate = true,
		.access = true,
		.quic = true,
		.nat = true,
	};

	*edge = (struct edge){ 0 };
	assert_int_equal(datapath_new(&edge->datapath, pin_path, flows, &options), 0);
	assert_int_equal(applier_init(&edge->applier, edge->datapath), 0);
}

static inline void edge_open(struct edge *edge, const char *pin_path)
{
	edge_open_with(edge, pin_path, LEAT_MIN_FLOWS);
}

static inline void edge_adopt(struct edge *edge, struct config *config)
{
	sample_adopt(&edge->node, config);
	edge_apply(edge);
}

static inline void edge_init(struct edge *edge, struct config *config)
{
	edge_open(edge, NULL);
	edge_adopt(edge, config);
}

static inline void edge_deinit(struct edge *edge)
{
	applier_deinit(&edge->applier);
	datapath_free(edge->datapath);
	node_deinit(&edge->node);
}

static inline struct backend *edge_backend(const struct edge *edge, size_t index)
{
	return sample_find(edge->node.services[0], index);
}

/* As the operator does it; applied at once. */
static inline void edge_set_operator(struct edge *edge, size_t index, enum operator_state wanted)
{
	edge_backend(edge, index)->operator_change.state = wanted;
	edge_apply(edge);
}

static inline void edge_set_health(struct edge *edge, size_t index, bool is_up)
{
	sample_set_health(edge_backend(edge, index), is_up);
	edge_apply(edge);
}

/* A client's flow to a service; the number makes address and port. */
struct client {
	size_t service;
	uint32_t number;
};

static inline struct leat_addr client_address(struct client client)
{
	return sample_nth(0xcb007101, client.number % 250);
}

static inline __be16 client_port(struct client client)
{
	return htons((uint16_t)(1024 + client.number / 250));
}

#define PACKET_MAX 256

static inline size_t client_write(struct client client, uint8_t protocol, uint8_t tcp_flags,
				  uint8_t packet[PACKET_MAX])
{
	size_t l4_len = protocol == IPPROTO_TCP ? sizeof(struct tcphdr) : sizeof(struct udphdr);
	struct ethhdr eth = { .h_proto = htons(ETH_P_IP), .h_dest = { 2, 0, 0, 0, 0, 0x0a } };
	struct iphdr ip = {
		.version = 4,
		.ihl = 5,
		.tot_len = htons((uint16_t)(sizeof(ip) + l4_len)),
		.protocol = protocol,
		.saddr = client_address(client).words[3],
		.daddr = sample_service_address(client.service).words[3],
	};
	const __be16 ports[] = { client_port(client), htons(80) };
	uint8_t *l4 = packet + sizeof(eth) + sizeof(ip);

	memset(packet, 0, PACKET_MAX);
	memcpy(packet, &eth, sizeof(eth));
	memcpy(packet + sizeof(eth), &ip, sizeof(ip));
	memcpy(l4, ports, sizeof(ports));
	if (protocol == IPPROTO_TCP)
		l4[13] = tcp_flags;
	return sizeof(eth) + sizeof(ip) + l4_len;
}

/* The index of the backend that a packet that came out is for. */
static inline int backend_of_packet(const uint8_t *packet)
{
	uint32_t outer_destination;

	memcpy(&outer_destination, packet + sizeof(struct ethhdr) + 16, 4);
	return (int)(ntohl(outer_destination) - ntohl(sample_backend_address(0).words[3]));
}

/* Returns the index of the backend, or NOWHERE. */
static inline int client_send(struct edge *edge, struct client client, uint8_t protocol,
			      uint8_t tcp_flags)
{
	uint8_t packet[PACKET_MAX];
	size_t size = client_write(client, protocol, tcp_flags, packet);
	struct datapath_run run;

	assert_int_equal(datapath_run_packet(edge->datapath, packet, size, sizeof(packet), &run),
			 0);
	if (run.action == XDP_DROP)
		return NOWHERE;
	assert_int_equal(run.action, XDP_TX);
	assert_int_equal(run.size, size + sizeof(struct iphdr));
	return backend_of_packet(packet);
}

static inline const struct image *edge_image(const struct edge *edge, size_t service)
{
	const struct leat_addr address = sample_service_address(service);

	for (size_t i = 0; i < edge->applier.count; i++) {
		if (address_equal(&edge->applier.images[i]->key.address, &address))
			return edge->applier.images[i];
	}
	fail_msg("there is no image of service %zu", service);
	return NULL;
}

static inline uint64_t client_hash(const struct edge *edge, struct client client)
{
	const struct leat_addr address = client_address(client);
	const struct image *image = edge_image(edge, client.service);
	uint32_t ports = (uint32_t)htons(80) << 16 | client_port(client);

	return leat_flow_hash(image->value.lookup.hash_key, &address, ports);
}

static inline uint32_t client_slot(const struct edge *edge, struct client client)
{
	return leat_hash_slot(client_hash(edge, client),
			      edge_image(edge, client.service)->value.lookup.size);
}

static inline struct leat_slot slot_of(const struct edge *edge, struct client client)
{
	return edge_image(edge, client.service)->slots[client_slot(edge, client)];
}

/* As if so much time had passed. */
static inline void settle(struct edge *edge, uint64_t after_s)
{
	assert_int_equal(applier_settle(&edge->applier, &edge->node,
					clock_monotonic_us() + after_s * 1000000),
			 0);
}

struct flow_count {
	size_t flows;
	size_t half_open;
};

static inline bool edge_count_flow(void *user, const struct leat_flow *flow, bool is_half_open)
{
	struct flow_count *count = user;

	(void)flow;
	if (is_half_open)
		count->half_open++;
	else
		count->flows++;
	return true;
}

static inline struct flow_count edge_count_flows(const struct edge *edge)
{
	struct flow_count count = { 0 };

	datapath_sweep_flows(edge->datapath, edge_count_flow, &count);
	return count;
}

static inline void edge_skip_test(void **state)
{
	(void)state;
	print_message("loading a program takes root\n");
	skip();
}

/*
 * What main() does with tests that load a program. Without root none of them begins, because a test
 * that skips amid its work leaks what it has made.
 */
static inline int edge_run_group(const struct CMUnitTest *tests, size_t count,
				 CMFixtureFunction begin, CMFixtureFunction end)
{
	struct CMUnitTest mine[MAX_EDGE_TESTS];

	assert(count <= MAX_EDGE_TESTS);
	for (size_t i = 0; i < count; i++) {
		mine[i] = tests[i];
		if (getuid() != 0)
			mine[i] = (struct CMUnitTest){ .name = tests[i].name,
						       .test_func = edge_skip_test };
	}
	return _cmocka_run_group_tests("tests", mine, count, begin, end);
}

static inline int edge_run_tests(const struct CMUnitTest *tests, size_t count)
{
	return edge_run_group(tests, count, NULL, NULL);
}

#endif
