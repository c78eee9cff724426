/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Configurations made by hand, and a node that runs them as the daemon would: by succession. Services
 * are 192.0.2.1 and on, backends 198.51.100.1 and on, each counted from 0.
 */
#ifndef LEAT_TESTS_UNIT_SAMPLE_CONFIG_H
#define LEAT_TESTS_UNIT_SAMPLE_CONFIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>
/* cmocka needs the ones above first. */
#include <cmocka.h>

#include "base/log.h"
#include "model/succession.h"
#include "tests/unit/sample_access.h"

static inline struct leat_addr sample_parse(const char *text)
{
	struct leat_addr address;

	assert_int_equal(address_parse(text, &address), 0);
	return address;
}

static inline struct leat_addr sample_nth(uint32_t first, size_t index)
{
	return address_from_ipv4((struct in_addr){ .s_addr = htonl(first + (uint32_t)index) });
}

static inline struct leat_addr sample_backend_address(size_t index)
{
	return sample_nth(0xc6336401, index);
}

static inline struct leat_addr sample_service_address(size_t index)
{
	return sample_nth(0xc0000201, index);
}

static inline struct config *sample_config_new(void)
{
	struct config *config = calloc(1, sizeof(*config));

	assert_non_null(config);
	config->seed = CONFIG_DEFAULT_SEED;
	config->flows = LEAT_MIN_FLOWS;
	assert_int_equal(prefix_parse(CONFIG_DEFAULT_OUTER_SOURCE4, &config->outer_source4), 0);
	assert_int_equal(prefix_parse(CONFIG_DEFAULT_OUTER_SOURCE6, &config->outer_source6), 0);
	return config;
}

/* Port 80, ipip, no probe and no backends. Valid until the next service is added. */
static inline struct service_config *sample_add_service(struct config *config, size_t index,
							uint8_t protocol, uint32_t table_size)
{
	struct service_config *service;

	config->services =
		realloc(config->services, (config->service_count + 1) * sizeof(*config->services));
	assert_non_null(config->services);
	service = &config->services[config->service_count++];
	*service = (struct service_config){
		.key = { .address = sample_service_address(index),
			 .port = htons(80),
			 .protocol = protocol },
		.table_size = table_size,
		.forward = LEAT_FORWARD_IPIP,
		.tcp_idle_ms = LEAT_DEFAULT_TCP_IDLE_MS,
		.udp_idle_ms = LEAT_DEFAULT_UDP_IDLE_MS,
	};
	snprintf(service->name, sizeof(service->name), "service%zu", index);
	return service;
}

static inline void sample_add_backend(struct service_config *service, size_t index, uint32_t weight)
{
	struct backend_config *backend;

	service->backends = realloc(service->backends,
				    (service->backend_count + 1) * sizeof(*service->backends));
	assert_non_null(service->backends);
	backend = &service->backends[service->backend_count++];
	*backend = (struct backend_config){ .address = sample_backend_address(index),
					    .weight = weight };
	snprintf(backend->name, sizeof(backend->name), "backend%zu", index);
}

static inline void sample_add_backends(struct service_config *service, size_t first, size_t count)
{
	for (size_t i = 0; i < count; i++)
		sample_add_backend(service, first + i, CONFIG_DEFAULT_WEIGHT);
}

/* QUIC-LB with one byte, which says which backend it is: its index and 0x10 times the configuration. */
static inline void sample_set_quic(struct service_config *service, unsigned int config)
{
	service->quic_lengths[config] = 1;
	for (size_t i = 0; i < service->backend_count; i++) {
		struct backend_config *backend = &service->backends[i];
		uint8_t index = (uint8_t)(backend->address.bytes[15] - 1);

		backend->server_ids[config] = (struct server_id){
			.length = 1,
			.bytes = { (uint8_t)(0x10 * config + index) },
		};
	}
}

/* A configuration of one service. */
static inline struct config *sample_config_of(uint8_t protocol, size_t backends,
					      uint32_t table_size)
{
	struct config *config = sample_config_new();

	sample_add_backends(sample_add_service(config, 0, protocol, table_size), 0, backends);
	return config;
}

static inline struct next_hop sample_next_hop(void)
{
	return (struct next_hop){
		.state = NEXT_HOP_RESOLVED,
		.dst_mac = { 2, 0, 0, 0, 0, 1 },
		.src_mac = { 2, 0, 0, 0, 0, 2 },
	};
}

static inline void sample_resolve(struct service *service)
{
	for (size_t i = 0; i < service->backend_count; i++)
		service->backends[i]->next_hop = sample_next_hop();
}

/* Goes over to a configuration, which then is the node's; every next hop is resolved. */
static inline void sample_adopt_config(struct node *node, struct config *config, bool drains_lost)
{
	struct succession next, old = { node->services, node->service_count };

	assert_int_equal(succession_make(node, config, drains_lost, &next), 0);
	for (size_t i = 0; i < next.count; i++)
		sample_resolve(next.services[i]);
	succession_deinit(&old);
	if (node->config)
		config_free(node->config);
	node->config = config;
	node->services = next.services;
	node->service_count = next.count;
}

/* What the new configuration has no more goes at once. */
static inline void sample_adopt(struct node *node, struct config *config)
{
	sample_adopt_config(node, config, false);
}

/* By its index; NULL when the service has no such backend. */
static inline struct backend *sample_find(const struct service *service, size_t index)
{
	const struct leat_addr address = sample_backend_address(index);

	for (size_t i = 0; i < service->backend_count; i++) {
		if (address_equal(&service->backends[i]->config.address, &address))
			return service->backends[i];
	}
	return NULL;
}

static inline void sample_set_health(struct backend *backend, bool is_up)
{
	backend->has_probe = true;
	backend->health = health_restore(is_up, is_up, 1, 1);
}

/* What was logged last; instead of standard error, where such lines look like failed tests. */
static char sample_logged[1024];

static inline void sample_keep_line(enum log_level level, const char *line)
{
	(void)level;
	snprintf(sample_logged, sizeof(sample_logged), "%s", line);
}

/* Numbers that depend on nothing but the state, which the test prints as its seed. */
static inline uint64_t sample_random(uint64_t *state)
{
	*state += 0x9e3779b97f4a7c15ULL;
	return leat_mix(*state);
}

/* Another seed in every run; TEST_SEED in the environment repeats one. */
static inline uint64_t sample_seed(void)
{
	const char *given = getenv("TEST_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);

	print_message("TEST_SEED=%llu\n", (unsigned long long)seed);
	return seed;
}

#endif
