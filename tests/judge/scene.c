/* SPDX-License-Identifier: GPL-2.0-only */
#include "tests/judge/scene.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <string.h>

#include "base/log.h"
#include "config/config_file.h"
#include "model/encode.h"
#include "model/succession.h"

#define FLOW_KEY 0x6c656174

/* A backend's name says how it is reached: see hop_of(). Addresses are those of tests/datapath. */
static const char text[] =
	"interfaces: [lo]\n"
	"flows: 16384\n"
	"deny: [198.18.0.0/16, \"2001:db8:bad::/48\"]\n"
	"nat: { addresses: [192.0.2.200, '2001:db8:1::200'], ports: 7000-7000 }\n"
	"services:\n"
	"- { name: web, address: 192.0.2.10, port: 80, protocol: tcp, table_size: 1024,\n"
	"    backends: [{ name: a1, address: 198.51.100.11 }, { name: a2, address: 198.51.100.12 },\n"
	"               { name: drained3, address: 198.51.100.13 }] }\n"
	"- { name: web6, address: 2001:db8:1::10, port: 80, protocol: tcp, table_size: 1024,\n"
	"    backends: [{ name: b1, address: 2001:db8:2::11 },\n"
	"               { name: drained6, address: 2001:db8:2::12 }] }\n"
	"- { name: four-in-six, address: 192.0.2.11, port: 80, protocol: tcp, table_size: 64,\n"
	"    allow: [203.0.113.64/26], deny: [203.0.113.80/28, 203.0.113.77/31],\n"
	"    backends: [{ name: away6, address: 2001:db8:2::21 },\n"
	"               { name: near1, address: 2001:db8:2::22 }] }\n"
	"- { name: six-in-four, address: 2001:db8:1::11, port: 443, protocol: tcp, hash: source,\n"
	"    table_size: 1024, backends: [{ name: away1, address: 198.51.100.21 },\n"
	"                                 { name: tagged1, address: 198.51.100.22 }] }\n"
	"- { name: direct, address: 192.0.2.10, port: 443, protocol: tcp, forward: l2,\n"
	"    table_size: 64, backends: [{ name: d1, address: 198.51.100.31 },\n"
	"                               { name: away2, address: 198.51.100.32 },\n"
	"                               { name: tagged2, address: 198.51.100.33 }] }\n"
	"- { name: direct6, address: 2001:db8:1::10, port: 53, protocol: udp, forward: l2,\n"
	"    table_size: 64, backends: [{ name: d6, address: 2001:db8:2::31 }] }\n"
	"- { name: dns, address: 192.0.2.10, port: 53, protocol: udp, table_size: 1024,\n"
	"    fragments: hash, deny: [203.0.113.96/27],\n"
	"    backends: [{ name: e1, address: 198.51.100.41 },\n"
	"               { name: drained2, address: 198.51.100.42 }] }\n"
	"- { name: any, address: 192.0.2.12, port: any, protocol: udp, hash: source,\n"
	"    table_size: 64, backends: [{ name: f1, address: 198.51.100.51 }] }\n"
	"- { name: turns, address: 192.0.2.13, port: 80, protocol: tcp, scheduler: round-robin,\n"
	"    table_size: 64, backends: [{ name: g1, address: 198.51.100.61, weight: 2 },\n"
	"                               { name: g2, address: 198.51.100.62 },\n"
	"                               { name: g3, address: 198.51.100.63 }] }\n"
	"- { name: least, address: 2001:db8:1::13, port: 80, protocol: tcp, ping: false,\n"
	"    scheduler: least-connections, sticky: 60s, table_size: 64,\n"
	"    backends: [{ name: h1, address: 198.51.100.71 }, { name: h2, address: 198.51.100.72 }] }\n"
	"- { name: turns-udp, address: 192.0.2.13, port: 53, protocol: udp, forward: l2,\n"
	"    scheduler: round-robin, table_size: 64,\n"
	"    backends: [{ name: i1, address: 198.51.100.73 }, { name: i2, address: 198.51.100.74 }] }\n"
	"- { name: gue, address: 192.0.2.14, port: 80, protocol: tcp, forward: gue, table_size: 64,\n"
	"    backends: [{ name: j1, address: 198.51.100.81 }, { name: j2, address: 2001:db8:2::81 },\n"
	"               { name: tagged3, address: 198.51.100.82 }] }\n"
	"- { name: gue6, address: 2001:db8:1::14, port: 53, protocol: udp, forward: gue,\n"
	"    table_size: 64,\n"
	"    backends: [{ name: k1, address: 2001:db8:2::82 }, { name: k2, address: 198.51.100.83 }] }\n"
	"- { name: quic, address: 192.0.2.18, port: 443, protocol: udp, table_size: 64,\n"
	"    quic: { cid: quic-lb, server_id_length: { 0: 2, 3: 15 } },\n"
	"    backends: [{ name: l1, address: 198.51.100.93,\n"
	"                 server_id: { 0: 0101, 3: 000102030405060708090a0b0c0d01 } },\n"
	"               { name: l2, address: 198.51.100.94,\n"
	"                 server_id: { 0: 0102, 3: 000102030405060708090a0b0c0d02 } },\n"
	"               { name: drained4, address: 198.51.100.95,\n"
	"                 server_id: { 0: 0103, 3: 000102030405060708090a0b0c0d03 } }] }\n"
	"- { name: narrow, address: 192.0.2.15, port: 80, protocol: tcp, table_size: 64,\n"
	"    backends: [{ name: narrow1, address: 198.51.100.91 }] }\n"
	"- { name: narrow6, address: 2001:db8:1::15, port: 80, protocol: tcp, table_size: 64,\n"
	"    backends: [{ name: narrow2, address: 2001:db8:2::91 }] }\n"
	"- { name: lost, address: 192.0.2.16, port: 80, protocol: tcp, table_size: 64,\n"
	"    backends: [{ name: unresolved1, address: 198.51.100.92 }] }\n"
	"- { name: nat, address: 192.0.2.20, port: 80, protocol: tcp, forward: nat, table_size: 64,\n"
	"    backends: [{ name: m1, address: 198.51.100.101, port: 8080 }] }\n"
	"- { name: nat6, address: 2001:db8:1::20, port: 53, protocol: udp, forward: nat,\n"
	"    table_size: 64, backends: [{ name: m2, address: 2001:db8:2::101 }] }\n"
	"- { name: nat-udp, address: 192.0.2.20, port: any, protocol: udp, forward: nat,\n"
	"    table_size: 64, backends: [{ name: m3, address: 198.51.100.102 },\n"
	"               { name: tagged4, address: 198.51.100.103 },\n"
	"               { name: narrow3, address: 198.51.100.104 }] }\n"
	"- { name: empty, address: 192.0.2.17, port: 80, protocol: tcp, table_size: 64,\n"
	"    backends: [] }\n";

void scene_fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	abort();
}

static struct config *parse(void)
{
	struct config_errors errors;
	struct config *config;

	if (config_file_parse("scene", text, strlen(text), &config, &errors) < 0)
		scene_fail("%s", config_errors_format(&errors));
	config_errors_deinit(&errors);
	return config;
}

static bool begins_with(const char *name, const char *what)
{
	return strncmp(name, what, strlen(what)) == 0;
}

/* Without an interface, packets leave where they came in, as with a static next hop. */
static struct next_hop hop_of(const struct backend_config *backend)
{
	struct next_hop hop = {
		.state = NEXT_HOP_RESOLVED,
		.dst_mac = { 2, 0, 0, 0, 0, backend->address.bytes[15] },
		.src_mac = { 2, 0, 0, 0, 0, 0xfe },
	};

	if (begins_with(backend->name, "unresolved"))
		hop.state = NEXT_HOP_NO_ROUTE;
	if (begins_with(backend->name, "near"))
		hop.ifindex = SCENE_NEAR;
	if (begins_with(backend->name, "away") || begins_with(backend->name, "tagged"))
		hop.ifindex = SCENE_AWAY;
	if (begins_with(backend->name, "tagged"))
		hop.vlan = 7;
	if (begins_with(backend->name, "narrow"))
		hop.mtu = address_is_ipv4(&backend->address) ? 576 : 1320;
	return hop;
}

static void adopt(struct node *node, struct config *config)
{
	struct succession next;

	if (succession_make(node, config, false, &next) < 0)
		scene_fail("out of memory");
	node->config = config;
	node->services = next.services;
	node->service_count = next.count;
	for (size_t i = 0; i < next.count; i++) {
		for (size_t j = 0; j < next.services[i]->backend_count; j++) {
			struct backend *backend = next.services[i]->backends[j];

			backend->next_hop = hop_of(&backend->config);
		}
	}
}

static void apply(struct scene *scene)
{
	struct node *node = &scene->node;
	int r = applier_apply(&scene->applier, node, node->services, node->service_count, true);

	if (r < 0)
		scene_fail("cannot apply the scene: %s", strerror(-r));
}

/* tests/datapath's client to a service with forward: nat, whose flow then has the pool's only port. */
static void open_flow4(uint8_t *ip)
{
	static const uint8_t addresses[] = { 203, 0, 113, 77, 192, 0, 2, 20 };
	const __be16 ports[] = { htons(40000), htons(80) };

	ip[0] = 0x45;
	ip[3] = 40;
	ip[8] = 64;
	ip[9] = IPPROTO_TCP;
	memcpy(ip + 12, addresses, sizeof(addresses));
	memcpy(ip + 20, ports, sizeof(ports));
	ip[33] = 0x02;
}

static void open_flow6(uint8_t *ip)
{
	static const uint8_t addresses[] = {
		0x20, 1, 0xd, 0xb8, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x77,
		0x20, 1, 0xd, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x20,
	};
	const __be16 ports[] = { htons(40000), htons(53) };

	ip[0] = 0x60;
	ip[5] = 8;
	ip[6] = IPPROTO_UDP;
	ip[7] = 64;
	memcpy(ip + 8, addresses, sizeof(addresses));
	memcpy(ip + 40, ports, sizeof(ports));
	ip[45] = 8;
}

static void open_flow(struct scene *scene, uint16_t type, void (*fill)(uint8_t *ip))
{
	uint8_t bytes[80] = {
		2, 0, 0, 0, 0, 0xe0, 2, 0, 0, 0, 0, 0xa0, (uint8_t)(type >> 8), (uint8_t)type,
	};
	struct host_frame frame;
	struct leat_trace trace;

	fill(bytes + 14);
	if (host_frame_init(&frame, bytes, sizeof(bytes), sizeof(bytes)) < 0)
		scene_fail("out of memory");
	if (leat_run(&scene->datapath, &frame, &trace) != XDP_TX)
		scene_fail("a flow is not translated, for the reason %u", trace.reason);
	host_frame_deinit(&frame);
}

static void clear(const struct host_map *map)
{
	memset(map->values, 0, (size_t)map->max_entries * map->value_size);
}

static void open_flows(struct scene *scene)
{
	open_flow(scene, 0x0800, open_flow4);
	open_flow(scene, 0x86dd, open_flow6);
	/* As if nothing had been sent yet. */
	clear(&scene->datapath.backend_count);
	clear(&scene->datapath.dissected);
	clear(&scene->datapath.nat_working);
}

/* Their slots are open from then on. */
static void drain_some(struct node *node)
{
	for (size_t i = 0; i < node->service_count; i++) {
		for (size_t j = 0; j < node->services[i]->backend_count; j++) {
			struct backend *backend = node->services[i]->backends[j];

			if (begins_with(backend->config.name, "drained"))
				backend->operator_change.state = OPERATOR_DRAIN;
		}
	}
}

static void add_key(struct host_map *map, const struct leat_addr *address)
{
	static const uint8_t one = 1;

	if (host_map_update(map, address, &one, BPF_ANY) < 0)
		scene_fail("the map %s is full", map->name);
}

static void add_source(struct host_map *map, const struct prefix *prefix)
{
	struct leat_prefix key = {
		.len = prefix->length + (address_is_ipv4(&prefix->address) ? 96U : 0),
	};
	uint8_t family = leat_decap_family(&prefix->address);

	memcpy(key.address, &prefix->address, sizeof(key.address));
	if (host_map_update(map, &key, &family, BPF_ANY) < 0)
		scene_fail("the map %s is full", map->name);
}

/* Unwraps for every service on every backend. */
static void fill_decap(struct scene *scene)
{
	const struct node *node = &scene->node;

	for (size_t i = 0; i < node->service_count; i++) {
		const struct service *service = node->services[i];

		add_key(&scene->decap.inner, &service->config.key.address);
		for (size_t j = 0; j < service->backend_count; j++)
			add_key(&scene->decap.outer, &service->backends[j]->config.address);
	}
	add_source(&scene->decap.source, &node->config->outer_source4);
	add_source(&scene->decap.source, &node->config->outer_source6);
	scene->decap.options = (struct leat_decap_options){
		.gue_port = htons(CONFIG_DEFAULT_GUE_PORT),
		.check_source = true,
	};
}

void scene_init(struct scene *scene)
{
	*scene = (struct scene){ 0 };
	log_set_level(LOG_LEVEL_WARNING);
	if (leat_init(&scene->datapath, LEAT_MIN_FLOWS, FLOW_KEY) < 0 ||
	    decap_init(&scene->decap) < 0 || applier_init(&scene->applier, &scene->datapath) < 0)
		scene_fail("out of memory");
	adopt(&scene->node, parse());
	scene->datapath.options = options_encode(scene->node.config);
	scene->datapath.options.trace = true;
	apply(scene);
	drain_some(&scene->node);
	apply(scene);
	open_flows(scene);
	fill_decap(scene);
}

void scene_deinit(struct scene *scene)
{
	applier_deinit(&scene->applier);
	node_deinit(&scene->node);
	datapath_deinit(&scene->datapath);
	host_map_deinit(&scene->decap.inner);
	host_map_deinit(&scene->decap.outer);
	host_map_deinit(&scene->decap.source);
	host_map_deinit(&scene->decap.count);
}

const struct backend *scene_find_backend(const struct scene *scene, uint32_t id)
{
	const struct node *node = &scene->node;

	for (size_t i = 0; i < node->service_count; i++) {
		for (size_t j = 0; j < node->services[i]->backend_count; j++) {
			if (node->services[i]->backends[j]->id == id)
				return node->services[i]->backends[j];
		}
	}
	return NULL;
}
