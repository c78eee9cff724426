/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/nearest.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/address.h"
#include "base/macros.h"

static struct leat_service_entry service(const char *address, uint16_t port, uint8_t protocol)
{
	struct leat_service_entry entry = {
		.key = { .port = htons(port), .protocol = protocol },
	};

	assert_int_equal(address_parse(address, &entry.key.address), 0);
	return entry;
}

/* The index of the nearest one, or -1. */
static long find(const struct leat_service_entry *services, size_t count, const char *address,
		 uint16_t port, uint8_t protocol, enum nearness *ret_nearness)
{
	const struct leat_service_entry wanted = service(address, port, protocol), *found;

	found = nearest_service(services, count, &wanted.key, ret_nearness);
	return found ? found - services : -1;
}

static void each_kind_of_nearness_is_told_in_its_order(void **state)
{
	const struct leat_service_entry services[] = {
		service("192.0.2.11", 80, IPPROTO_TCP),	 /* address */
		service("192.0.2.10", 53, IPPROTO_UDP),	 /* both */
		service("192.0.2.10", 443, IPPROTO_TCP), /* port */
		service("192.0.2.10", 80, IPPROTO_UDP),	 /* protocol */
	};
	static const enum nearness nearest[] = { NEAREST_ADDRESS, NEAREST_BOTH, NEAREST_PORT,
						 NEAREST_PROTOCOL };
	enum nearness nearness;

	(void)state;
	for (long i = 0; i < (long)ARRAY_SIZE(services); i++) {
		assert_int_equal(
			find(services, (size_t)i + 1, "192.0.2.10", 80, IPPROTO_TCP, &nearness), i);
		assert_int_equal(nearness, nearest[i]);
	}
}

static void among_ports_the_closest_is_nearest(void **state)
{
	const struct leat_service_entry services[] = {
		service("192.0.2.10", 80, IPPROTO_TCP),
		service("192.0.2.10", 8443, IPPROTO_TCP),
		service("192.0.2.10", 443, IPPROTO_TCP),
	};
	enum nearness nearness;

	(void)state;
	assert_int_equal(find(services, 3, "192.0.2.10", 444, IPPROTO_TCP, &nearness), 2);
	assert_int_equal(find(services, 3, "192.0.2.10", 8080, IPPROTO_TCP, &nearness), 1);
	assert_int_equal(find(services, 3, "192.0.2.10", 1, IPPROTO_TCP, &nearness), 0);
}

static void among_addresses_the_one_with_most_in_common_is_nearest(void **state)
{
	const struct leat_service_entry services[] = {
		service("203.0.113.10", 80, IPPROTO_TCP),
		service("192.0.2.200", 80, IPPROTO_TCP),
		service("192.0.2.14", 80, IPPROTO_TCP),
		service("2001:db8::10", 80, IPPROTO_TCP),
	};
	enum nearness nearness;

	(void)state;
	assert_int_equal(find(services, 4, "192.0.2.10", 80, IPPROTO_TCP, &nearness), 2);
	assert_int_equal(nearness, NEAREST_ADDRESS);
	assert_int_equal(find(services, 4, "2001:db8::11", 80, IPPROTO_TCP, &nearness), 3);
}

static void a_service_of_any_port_differs_by_its_protocol_alone(void **state)
{
	const struct leat_service_entry services[] = { service("192.0.2.10", 0, IPPROTO_UDP) };
	enum nearness nearness;

	(void)state;
	assert_int_equal(find(services, 1, "192.0.2.10", 80, IPPROTO_TCP, &nearness), 0);
	assert_int_equal(nearness, NEAREST_PROTOCOL);
}

static void what_has_nothing_in_common_is_near_to_nothing(void **state)
{
	const struct leat_service_entry services[] = {
		service("192.0.2.10", 80, IPPROTO_TCP),
		service("2001:db8::10", 53, IPPROTO_UDP),
	};
	enum nearness nearness;

	(void)state;
	assert_int_equal(find(services, 2, "192.0.2.11", 53, IPPROTO_UDP, &nearness), -1);
	assert_int_equal(nearness, NEAREST_NONE);
	assert_int_equal(find(services, 0, "192.0.2.10", 80, IPPROTO_TCP, &nearness), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_of_nearness_is_told_in_its_order),
		cmocka_unit_test(among_ports_the_closest_is_nearest),
		cmocka_unit_test(among_addresses_the_one_with_most_in_common_is_nearest),
		cmocka_unit_test(a_service_of_any_port_differs_by_its_protocol_alone),
		cmocka_unit_test(what_has_nothing_in_common_is_near_to_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
