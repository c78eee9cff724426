/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/encode.h"

#include "tests/unit/sample_config.h"

#define IN4  "192.0.2.10"
#define IN6  "2001:db8::10"
#define OUT4 "198.51.100.11"
#define OUT6 "2001:db8::b"

static struct leat_backend encode(const struct config *config, enum leat_forward forward,
				  const char *service_address, const char *backend_address,
				  const struct next_hop *next_hop)
{
	struct service_config service = { .forward = forward };
	struct backend_config backend = { .address = sample_parse(backend_address) };

	service.key.address = sample_parse(service_address);
	return backend_encode(config, &service, &backend, next_hop);
}

/* Under the default sources, over a resolved next hop. */
static struct leat_backend encode_ipip(const char *service, const char *backend)
{
	struct next_hop next_hop = sample_next_hop();
	struct config *config = sample_config_new();
	struct leat_backend value = encode(config, LEAT_FORWARD_IPIP, service, backend, &next_hop);

	config_free(config);
	return value;
}

/* 172.16.0.0 to 198.51.100.11. The sum of 0x4500, 0x4000, 0x4004, 0xac10, 0xc633 and 0x640b is 0x29b52;
 * what differs per packet is zero,
 * and so is the first word, which is none of the entry's. */
static void outer_ipv4_header_carries_ipv4(void **state)
{
	static const uint8_t expected[LEAT_OUTER_MAX] = {
		0, 0, 0, 0, 0, 0, 0x40, 0, 64, 4, 0x9b, 0x54, 172, 16, 0, 0, 198, 51, 100, 11,
	};
	struct leat_backend value = encode_ipip(IN4, OUT4);

	(void)state;
	assert_int_equal(value.forward, LEAT_FORWARD_IPIP);
	assert_int_equal(value.outer_len, 20);
	assert_memory_equal(value.outer, expected, sizeof(expected));
	assert_int_equal(value.source_mask, htonl(0xffff));
}

static void outer_ipv4_header_carries_ipv6(void **state)
{
	static const uint8_t expected[LEAT_OUTER_MAX] = {
		0, 0, 0, 0, 0, 0, 0x40, 0, 64, 41, 0x9b, 0x79, 172, 16, 0, 0, 198, 51, 100, 11,
	};
	struct leat_backend value = encode_ipip(IN6, OUT4);

	(void)state;
	assert_int_equal(value.outer_len, 20);
	assert_memory_equal(value.outer, expected, sizeof(expected));
}

static void assert_outer_ipv6(const struct leat_backend *value, uint8_t next_header)
{
	const uint8_t expected[LEAT_OUTER_MAX] = {
		0,
		0,
		0,
		0,
		0,
		0,
		next_header,
		64,
		/* 100:: */
		1,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		/* 2001:db8::b */
		0x20,
		0x01,
		0x0d,
		0xb8,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0x0b,
	};

	assert_int_equal(value->forward, LEAT_FORWARD_IPIP);
	assert_int_equal(value->outer_len, 40);
	assert_memory_equal(value->outer, expected, sizeof(expected));
	assert_int_equal(value->source_mask, UINT32_MAX);
}

static void outer_ipv6_header_carries_both_families(void **state)
{
	struct leat_backend value = encode_ipip(IN4, OUT6);

	(void)state;
	assert_outer_ipv6(&value, 4);
	value = encode_ipip(IN6, OUT6);
	assert_outer_ipv6(&value, 41);
}

static uint32_t sum_of_words(const uint8_t *header)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < 20; i += 2)
		sum += (uint32_t)header[i] << 8 | header[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* What stands in the check field is the sum of all the other words, for any addresses. */
static void outer_checksum_is_the_headers_own_sum(void **state)
{
	struct next_hop next_hop = sample_next_hop();
	struct config *config = sample_config_new();
	uint64_t seed = sample_seed();

	(void)state;
	for (int i = 0; i < 10000; i++) {
		struct service_config service = { .forward = LEAT_FORWARD_IPIP };
		struct backend_config backend = {
			.address = sample_nth((uint32_t)sample_random(&seed), 0),
		};
		struct leat_backend value;
		uint32_t check;

		service.key.address = sample_parse(i % 2 ? IN4 : IN6);
		config->outer_source4.address = sample_nth((uint32_t)sample_random(&seed), 0);
		value = backend_encode(config, &service, &backend, &next_hop);
		check = (uint32_t)value.outer[10] << 8 | value.outer[11];
		value.outer[10] = value.outer[11] = 0;
		value.outer[0] = 0x45;
		assert_int_equal(check, sum_of_words(value.outer));
	}
	config_free(config);
}

static void source_mask_is_the_prefixs_host_bits_in_its_last_word(void **state)
{
	static const struct {
		const char *prefix;
		const char *backend;
		uint32_t mask;
	} cases[] = {
		{ "0.0.0.0/0", OUT4, 0xffffffff },     { "10.0.0.0/8", OUT4, 0x00ffffff },
		{ "10.128.0.0/9", OUT4, 0x007fffff },  { "192.0.2.0/24", OUT4, 0x000000ff },
		{ "192.0.2.2/31", OUT4, 0x00000001 },  { "192.0.2.1/32", OUT4, 0 },
		{ "::/0", OUT6, 0xffffffff },	       { "2001:db8::/96", OUT6, 0xffffffff },
		{ "2001:db8::/97", OUT6, 0x7fffffff }, { "2001:db8::/112", OUT6, 0x0000ffff },
		{ "2001:db8::1/128", OUT6, 0 },
	};
	struct next_hop next_hop = sample_next_hop();
	struct config *config = sample_config_new();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct prefix *source = strchr(cases[i].prefix, ':') ? &config->outer_source6
								     : &config->outer_source4;
		struct leat_backend value;

		assert_int_equal(prefix_parse(cases[i].prefix, source), 0);
		value = encode(config, LEAT_FORWARD_IPIP, IN4, cases[i].backend, &next_hop);
		assert_int_equal(value.source_mask, htonl(cases[i].mask));
	}
	config_free(config);
}

static void l2_needs_no_outer_header(void **state)
{
	static const uint8_t nothing[LEAT_OUTER_MAX];
	struct next_hop next_hop = sample_next_hop();
	struct config *config = sample_config_new();
	struct leat_backend value = encode(config, LEAT_FORWARD_L2, IN4, OUT4, &next_hop);

	(void)state;
	assert_int_equal(value.forward, LEAT_FORWARD_L2);
	assert_int_equal(value.outer_len, 0);
	assert_int_equal(value.source_mask, 0);
	assert_memory_equal(value.outer, nothing, sizeof(nothing));
	config_free(config);
}

static void next_hop_gives_macs_interface_and_mtu(void **state)
{
	struct next_hop next_hop = sample_next_hop();
	struct config *config = sample_config_new();
	struct leat_backend value;

	(void)state;
	next_hop.ifindex = 7;
	next_hop.mtu = 1400;
	for (enum leat_forward forward = LEAT_FORWARD_L2; forward <= LEAT_FORWARD_GUE; forward++) {
		value = encode(config, forward, IN4, OUT4, &next_hop);
		assert_memory_equal(value.dst_mac, next_hop.dst_mac, 6);
		assert_memory_equal(value.src_mac, next_hop.src_mac, 6);
		assert_int_equal(value.ifindex, 7);
		assert_int_equal(value.mtu, 1400);
	}
	config_free(config);
}

static void assert_unresolved(const struct leat_backend *value)
{
	static const struct leat_backend unresolved = { .forward = LEAT_FORWARD_UNRESOLVED };

	assert_memory_equal(value, &unresolved, sizeof(unresolved));
}

static void router_serves_ipip_and_not_l2(void **state)
{
	struct next_hop next_hop = sample_next_hop();
	struct config *config = sample_config_new();
	struct leat_backend value;

	(void)state;
	next_hop.has_gateway = true;
	value = encode(config, LEAT_FORWARD_L2, IN4, OUT4, &next_hop);
	assert_unresolved(&value);
	value = encode(config, LEAT_FORWARD_IPIP, IN4, OUT4, &next_hop);
	assert_int_equal(value.forward, LEAT_FORWARD_IPIP);
	config_free(config);
}

static void gue_has_a_port_and_twelve_bytes_more(void **state)
{
	struct next_hop next_hop = sample_next_hop();
	struct config *config = sample_config_new();
	struct service_config service = { .forward = LEAT_FORWARD_GUE, .gue_port = 6080 };
	struct backend_config backend = { .address = sample_parse(OUT4) };
	struct leat_backend value;

	(void)state;
	service.key.address = sample_parse(IN4);
	value = backend_encode(config, &service, &backend, &next_hop);
	assert_int_equal(value.forward, LEAT_FORWARD_GUE);
	assert_int_equal(value.outer_len, 32);
	assert_int_equal(value.gue_port, htons(6080));
	assert_int_equal(value.outer[9], IPPROTO_UDP);
	backend.address = sample_parse(OUT6);
	value = backend_encode(config, &service, &backend, &next_hop);
	assert_int_equal(value.outer_len, 52);
	assert_int_equal(value.outer[6], IPPROTO_UDP);
	config_free(config);
}

static void nat_has_the_backends_own_address_and_port(void **state)
{
	struct next_hop next_hop = sample_next_hop();
	struct config *config = sample_config_new();
	struct service_config service = { .forward = LEAT_FORWARD_NAT };
	struct backend_config backend = { .address = sample_parse(OUT6), .port = 8080 };
	struct leat_backend value;

	(void)state;
	service.key.address = sample_parse(IN6);
	next_hop.has_gateway = true;
	next_hop.vlan = 7;
	value = backend_encode(config, &service, &backend, &next_hop);
	assert_int_equal(value.forward, LEAT_FORWARD_NAT | LEAT_FORWARD_TAGGED);
	assert_int_equal(value.outer_len, 0);
	assert_int_equal(value.vlan, htons(7));
	assert_int_equal(value.nat_port, htons(8080));
	assert_memory_equal(&value.nat_address, &backend.address, sizeof(value.nat_address));
	config_free(config);
}

static void pool_has_the_addresses_of_its_family(void **state)
{
	struct config *config = sample_config_new();
	struct leat_nat_pool pool;

	(void)state;
	config->nat.addresses[NAT_IPV6][0] = sample_parse(OUT6);
	config->nat.counts[NAT_IPV6] = 1;
	config->nat.first_port = 1000;
	config->nat.last_port = 65535;
	pool = nat_pool_encode(config, NAT_IPV6);
	assert_int_equal(pool.count, 1);
	assert_int_equal(pool.first_port, 1000);
	assert_int_equal(pool.port_count, 64536);
	assert_memory_equal(&pool.addresses[0], &config->nat.addresses[NAT_IPV6][0],
			    sizeof(pool.addresses[0]));
	assert_int_equal(nat_pool_encode(config, NAT_IPV4).count, 0);
	config_free(config);
}

static void egress_with_a_tag_is_off_the_fast_path(void **state)
{
	struct next_hop next_hop = sample_next_hop();
	struct config *config = sample_config_new();
	struct leat_backend value;

	(void)state;
	next_hop.vlan = 100;
	value = encode(config, LEAT_FORWARD_IPIP, IN4, OUT4, &next_hop);
	assert_int_equal(value.forward, LEAT_FORWARD_IPIP | LEAT_FORWARD_TAGGED);
	assert_int_equal(value.vlan, htons(100));
	config->has_next_hop = true;
	value = encode(config, LEAT_FORWARD_IPIP, IN4, OUT4, &next_hop);
	assert_int_equal(value.forward, LEAT_FORWARD_IPIP);
	assert_int_equal(value.vlan, 0);
	config_free(config);
}

static void next_hop_that_is_not_resolved_serves_nobody(void **state)
{
	static const enum next_hop_state states[] = { NEXT_HOP_PENDING, NEXT_HOP_NO_ROUTE,
						      NEXT_HOP_NO_NEIGHBOUR, NEXT_HOP_LOCAL };
	struct config *config = sample_config_new();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		struct next_hop next_hop = sample_next_hop();
		struct leat_backend value;

		next_hop.state = states[i];
		value = encode(config, LEAT_FORWARD_L2, IN4, OUT4, &next_hop);
		assert_unresolved(&value);
		value = encode(config, LEAT_FORWARD_IPIP, IN4, OUT4, &next_hop);
		assert_unresolved(&value);
	}
	config_free(config);
}

static void static_next_hop_goes_before_what_was_resolved(void **state)
{
	struct next_hop next_hop = { .state = NEXT_HOP_NO_ROUTE,
				     .has_gateway = true,
				     .ifindex = 7,
				     .mtu = 1400,
				     .src_mac = { 9 } };
	struct config *config = sample_config_new();
	static const uint8_t no_mac[6];

	(void)state;
	config->has_next_hop = true;
	config->next_hop = (struct mac){ { 2, 0, 0, 0, 0, 9 } };
	for (enum leat_forward forward = LEAT_FORWARD_L2; forward <= LEAT_FORWARD_GUE; forward++) {
		struct leat_backend value = encode(config, forward, IN4, OUT4, &next_hop);

		assert_int_equal(value.forward, forward);
		assert_memory_equal(value.dst_mac, config->next_hop.bytes, 6);
		assert_memory_equal(value.src_mac, no_mac, 6);
		assert_int_equal(value.ifindex, 0);
		assert_int_equal(value.mtu, 0);
	}
	config_free(config);
}

static void only_a_service_with_any_port_needs_the_second_look(void **state)
{
	struct config *config = sample_config_of(IPPROTO_TCP, 1, 64);
	struct leat_options options = options_encode(config);

	(void)state;
	assert_int_equal(options.any_port, 0);
	assert_int_equal(options.trace, 0);
	sample_add_service(config, 1, IPPROTO_UDP, 64)->key.port = 0;
	sample_add_service(config, 2, IPPROTO_UDP, 64)->forward = LEAT_FORWARD_NAT;
	assert_int_equal(options.nat, 0);
	options = options_encode(config);
	assert_int_equal(options.any_port, 1);
	assert_int_equal(options.nat, 1);
	assert_int_equal(options.trace, 0);
	config_free(config);
}

static void only_a_service_with_quic_needs_a_look_at_connection_ids(void **state)
{
	struct config *config = sample_config_of(IPPROTO_UDP, 1, 64);
	const struct leat_options none = options_encode(config);
	struct leat_options merged;

	(void)state;
	assert_int_equal(none.quic, 0);
	config->services[0].quic_lengths[6] = 1;
	assert_int_equal(options_encode(config).quic, 1);
	merged = options_merge(none, options_encode(config));
	assert_int_equal(merged.quic, 1);
	config_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(outer_ipv4_header_carries_ipv4),
		cmocka_unit_test(outer_ipv4_header_carries_ipv6),
		cmocka_unit_test(outer_ipv6_header_carries_both_families),
		cmocka_unit_test(outer_checksum_is_the_headers_own_sum),
		cmocka_unit_test(source_mask_is_the_prefixs_host_bits_in_its_last_word),
		cmocka_unit_test(l2_needs_no_outer_header),
		cmocka_unit_test(next_hop_gives_macs_interface_and_mtu),
		cmocka_unit_test(router_serves_ipip_and_not_l2),
		cmocka_unit_test(gue_has_a_port_and_twelve_bytes_more),
		cmocka_unit_test(nat_has_the_backends_own_address_and_port),
		cmocka_unit_test(pool_has_the_addresses_of_its_family),
		cmocka_unit_test(egress_with_a_tag_is_off_the_fast_path),
		cmocka_unit_test(next_hop_that_is_not_resolved_serves_nobody),
		cmocka_unit_test(static_next_hop_goes_before_what_was_resolved),
		cmocka_unit_test(only_a_service_with_any_port_needs_the_second_look),
		cmocka_unit_test(only_a_service_with_quic_needs_a_look_at_connection_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
