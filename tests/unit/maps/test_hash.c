/* SPDX-License-Identifier: GPL-2.0-only */
#include "maps/hash.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/address.h"

struct places {
	bool are_taken[LEAT_SERVICE_ENTRIES];
};

/* Takes the first free place of a service, as a look-up would find it. */
static void place(struct places *places, const char *address, unsigned int port)
{
	struct leat_service_key key = { .protocol = IPPROTO_TCP };
	uint32_t index, probe = 0;

	assert_int_equal(address_parse(address, &key.address), 0);
	key.port = htons((uint16_t)port);
	index = leat_service_entry_index(&key);
	while (places->are_taken[(index + probe) % LEAT_SERVICE_ENTRIES])
		probe++;
	assert_true(probe < LEAT_SERVICE_PROBES);
	places->are_taken[(index + probe) % LEAT_SERVICE_ENTRIES] = true;
}

static void ports_of_one_address_find_places(void **state)
{
	struct places places = { 0 };

	(void)state;
	for (unsigned int i = 0; i < LEAT_MAX_SERVICES; i++)
		place(&places, "192.0.2.1", i + 1);
}

static void ports_of_many_ipv4_addresses_find_places(void **state)
{
	struct places places = { 0 };
	char address[32];

	(void)state;
	for (unsigned int i = 0; i < LEAT_MAX_SERVICES; i++) {
		snprintf(address, sizeof(address), "198.51.100.%u", i % 256);
		place(&places, address, i / 256 + 80);
	}
}

static void ipv6_hosts_of_many_subnets_find_places(void **state)
{
	struct places places = { 0 };
	char address[64];

	(void)state;
	for (unsigned int i = 0; i < LEAT_MAX_SERVICES; i++) {
		snprintf(address, sizeof(address), "2001:db8:0:%x::%x", i / 64, i % 64);
		place(&places, address, 443);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ports_of_one_address_find_places),
		cmocka_unit_test(ports_of_many_ipv4_addresses_find_places),
		cmocka_unit_test(ipv6_hosts_of_many_subnets_find_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
