/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A small node made by hand, for tests of what reads nodes: two services, one of them with a probe,
 * and backends in different states. Nothing in it is on the heap.
 */
#ifndef LEAT_TESTS_UNIT_SAMPLE_NODE_H
#define LEAT_TESTS_UNIT_SAMPLE_NODE_H

#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

#include "model/node.h"

struct sample_node {
	struct node node;
	struct config config;
	char interfaces[1][IF_NAMESIZE];
	char socket[CONFIG_MAX_PATH];
	char group[16];
	char listen[32];
	char state[32];
	char config_path[32];
	char probe_path[16];
	struct service web, dns;
	struct service *services[2];
	struct backend web1, web2, web3, dns1;
	struct backend *web_backends[3], *dns_backends[1];
};

static inline struct leat_addr sample_address(const char *text)
{
	struct leat_addr address = { 0 };
	int r = address_parse(text, &address);

	assert(r == 0);
	(void)r;
	return address;
}

static inline void sample_backend_init(struct backend *backend, struct service *service,
				       const char *name, const char *address, uint32_t id)
{
	backend->service = service;
	strcpy(backend->config.name, name);
	backend->config.address = sample_address(address);
	backend->config.weight = 100;
	backend->has_probe = service->config.probe.type != PROBE_NONE;
	backend->health = health_new(2, 3);
	backend->id = id;
	backend->slots = service->config.table_size / 4 * id;
	backend->ramp_percent = 100;
	backend->counter = (struct leat_counter){ .packets = 1000 + id, .bytes = 64000 + id };
	backend->rate = (struct counter_rate){ .packets_per_s = 1.5, .bytes_per_s = 96 };
	backend->state = BACKEND_UNKNOWN;
	backend->state_changed_s = 1700000000 + id;
	strcpy(backend->reason, "not probed yet");
}

static inline void sample_web_init(struct sample_node *sample)
{
	struct service *web = &sample->web;

	strcpy(sample->probe_path, "/healthz");
	strcpy(web->config.name, "web");
	web->config.key.address = sample_address("192.0.2.10");
	web->config.key.port = htons(80);
	web->config.key.protocol = IPPROTO_TCP;
	web->config.table_size = 1024;
	web->config.forward = LEAT_FORWARD_IPIP;
	web->config.tcp_idle_ms = LEAT_DEFAULT_TCP_IDLE_MS;
	web->config.udp_idle_ms = LEAT_DEFAULT_UDP_IDLE_MS;
	web->config.slow_start_ms = 30000;
	web->config.ping = true;
	web->open_slots = 512;
	web->config.probe = (struct probe_config){
		.type = PROBE_HTTP,
		.port = 8080,
		.interval_ms = 1000,
		.timeout_ms = 800,
		.rise = 2,
		.fall = 3,
		.path = sample->probe_path,
		.status = { { 200, 399 } },
		.status_count = 1,
		.verify = true,
	};
	web->counter = (struct leat_counter){ .packets = 5000, .bytes = 320000 };
	web->rate = (struct counter_rate){ .packets_per_s = 10, .bytes_per_s = 640 };
	sample_backend_init(&sample->web1, web, "web1", "198.51.100.11", 1);
	sample_backend_init(&sample->web2, web, "web2", "198.51.100.12", 2);
	sample_backend_init(&sample->web3, web, "web3", "2001:db8::13", 3);

	for (int i = 0; i < 2; i++)
		health_update(&sample->web1.health, true);
	sample->web1.state = BACKEND_UP;
	sample->web1.next_hop = (struct next_hop){
		.state = NEXT_HOP_RESOLVED,
		.has_gateway = true,
		.ifindex = 7,
		.dst_mac = { 2, 0, 0, 0, 0, 0x11 },
	};
	sample->web2.state = BACKEND_DRAINING;
	sample->web2.operator_change = (struct operator_change){
		.state = OPERATOR_DRAIN,
		.has_weight = true,
		.weight = 40,
	};
	sample->web2.flows = (struct backend_flows){
		.is_counted = true,
		.live = 12,
		.closing = 3,
		.previous_slots = 512,
		.silent_s = 870,
	};
	sample->web3.ramp_percent = 25;
	sample->web_backends[0] = &sample->web1;
	sample->web_backends[1] = &sample->web2;
	sample->web_backends[2] = &sample->web3;
	web->backends = sample->web_backends;
	web->backend_count = ARRAY_SIZE(sample->web_backends);
}

static inline void sample_dns_init(struct sample_node *sample)
{
	struct service *dns = &sample->dns;

	strcpy(dns->config.name, "dns");
	dns->config.key.address = sample_address("2001:db8::10");
	dns->config.key.protocol = IPPROTO_UDP;
	dns->config.scheduler = LEAT_SCHEDULER_ROUND_ROBIN;
	dns->config.hash = LEAT_HASH_SOURCE;
	dns->config.table = TABLE_MAGLEV;
	dns->config.table_size = 1031;
	dns->config.forward = LEAT_FORWARD_L2;
	dns->config.tcp_idle_ms = LEAT_DEFAULT_TCP_IDLE_MS;
	dns->config.udp_idle_ms = 30000;
	dns->config.sticky_ms = 1800000;
	dns->config.ping = true;
	sample_backend_init(&sample->dns1, dns, "dns1", "2001:db8::53", 4);
	sample->dns1.state = BACKEND_UP;
	sample->dns1.flows = (struct backend_flows){ .is_counted = true, .live = 7 };
	sample->dns1.next_hop.state = NEXT_HOP_NO_ROUTE;
	sample->dns_backends[0] = &sample->dns1;
	dns->backends = sample->dns_backends;
	dns->backend_count = ARRAY_SIZE(sample->dns_backends);
}

static inline void sample_config_init(struct sample_node *sample)
{
	struct config *config = &sample->config;

	strcpy(sample->interfaces[0], "edge0");
	strcpy(sample->group, "root");
	strcpy(sample->socket, "/run/leat-sample/leat.sock");
	strcpy(sample->listen, "127.0.0.1:9817");
	strcpy(sample->state, "/var/lib/leat/state.json");
	strcpy(sample->config_path, "/etc/leat.yaml");
	config->interfaces = sample->interfaces;
	config->interface_count = 1;
	config->seed = CONFIG_DEFAULT_SEED;
	config->flows = LEAT_DEFAULT_FLOWS;
	config->outer_source4 = (struct prefix){ sample_address("172.16.0.0"), 16 };
	config->outer_source6 = (struct prefix){ sample_address("100::"), 64 };
	config->control_socket = sample->socket;
	config->control_group = sample->group;
	config->metrics_listen = sample->listen;
	config->state = sample->state;
}

static inline void sample_node_init(struct sample_node *sample)
{
	struct node *node = &sample->node;

	memset(sample, 0, sizeof(*sample));
	sample_config_init(sample);
	sample_web_init(sample);
	sample_dns_init(sample);
	sample->services[0] = &sample->web;
	sample->services[1] = &sample->dns;

	sample->web.refusals.packets[LEAT_NO_BACKEND] = 9;
	sample->web.refusals.packets[LEAT_DENIED] = 3;
	node->config = &sample->config;
	node->services = sample->services;
	node->service_count = ARRAY_SIZE(sample->services);
	node->interfaces[0] = (struct interface_status){
		.name = "edge0",
		.ifindex = 7,
		.mode = ATTACH_NATIVE,
		.is_attached = true,
		.program_id = 42,
	};
	node->interface_count = 1;
	node->maps[0] = (struct map_usage){ "services", 2, 4096 };
	node->maps[1] = (struct map_usage){ "backends", 4, 32768 };
	node->map_count = 2;
	node->flow_memory = (struct flow_memory){
		.remembered = 22,
		.old = 5,
		.half_open = 4,
		.clients = 2,
		.capacity = LEAT_DEFAULT_FLOWS,
		.half_open_capacity = 65536,
		.client_capacity = 32768,
	};
	for (unsigned int i = 0; i < LEAT_EVENT_COUNT; i++)
		node->flow_memory.events[i] = 10 * (i + 1);
	node->reuse = (struct reuse_report){ .maps = true, .backends = 3 };
	for (unsigned int i = 0; i < LEAT_REASON_COUNT; i++) {
		node->reasons[i] = (struct leat_counter){ .packets = i + 1, .bytes = 100 * i };
		node->reason_rates[i] =
			(struct counter_rate){ .packets_per_s = 0.5, .bytes_per_s = 50 };
	}
	node->started_s = 1700000000;
	node->config_path = sample->config_path;
	node->reload_succeeded = true;
	node->reload_s = 1700000001;
}

#endif
