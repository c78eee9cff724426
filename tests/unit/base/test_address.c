/* SPDX-License-Identifier: GPL-2.0-only */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* After the headers that it wants first. */
#include <cmocka.h>

#include "base/address.h"
#include "base/macros.h"

static struct leat_addr parse(const char *text)
{
	struct leat_addr address;

	assert_int_equal(address_parse(text, &address), 0);
	return address;
}

static void an_ipv4_address_is_held_mapped(void **state)
{
	static const uint8_t mapped[16] = { [10] = 0xff, 0xff, 192, 0, 2, 1 };
	struct leat_addr address = parse("192.0.2.1");

	(void)state;
	assert_memory_equal(address.bytes, mapped, sizeof(mapped));
	assert_true(address_is_ipv4(&address));
}

static void an_ipv6_address_is_held_as_it_is(void **state)
{
	static const uint8_t bytes[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 0x53 };
	struct leat_addr address = parse("2001:db8::53");

	(void)state;
	assert_memory_equal(address.bytes, bytes, sizeof(bytes));
	assert_false(address_is_ipv4(&address));
}

static void what_is_no_address_is_refused_and_leaves_the_result(void **state)
{
	static const char *const texts[] = {
		"",	      "192.0.2",    "192.0.2.256",	"192.0.2.1.1",	   " 192.0.2.1",
		"192.0.2.1 ", "192.0.2.01", "2001:db8",		"2001:db8:::1",	   "2001:db8::g",
		"fe80::1%lo", "[::1]",	    "::ffff:192.0.2.1", "::ffff:c000:201", "localhost",
		"0xc0000201"
	};
	struct leat_addr untouched = parse("198.51.100.1"), address = untouched;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_int_equal(address_parse(texts[i], &address), -EINVAL);
	assert_true(address_equal(&address, &untouched));
}

static void an_address_is_formatted_in_its_shortest_form(void **state)
{
	static const char *const texts[][2] = { { "192.0.2.1", "192.0.2.1" },
						{ "2001:DB8:0:0::1", "2001:db8::1" },
						{ "0:0:0:0:0:0:0:0", "::" } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct leat_addr address = parse(texts[i][0]);
		char text[ADDRESS_TEXT_SIZE];

		assert_string_equal(address_format(&address, text), texts[i][1]);
	}
}

static void a_prefix_loses_its_host_bits(void **state)
{
	static const char *const texts[][2] = { { "192.0.2.129/25", "192.0.2.128/25" },
						{ "192.0.2.1", "192.0.2.1/32" },
						{ "198.51.100.255/12", "198.48.0.0/12" },
						{ "203.0.113.1/0", "0.0.0.0/0" },
						{ "2001:db8:ffff::1/33", "2001:db8:8000::/33" },
						{ "2001:db8::1", "2001:db8::1/128" },
						{ "2001:db8::1/0", "::/0" } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		char text[PREFIX_TEXT_SIZE];
		struct prefix prefix;

		assert_int_equal(prefix_parse(texts[i][0], &prefix), 0);
		assert_string_equal(prefix_format(&prefix, text), texts[i][1]);
	}
}

static void what_is_no_prefix_is_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"/",
		"/8",
		"192.0.2.0/",
		"192.0.2.0/33",
		"192.0.2.0/-1",
		"192.0.2.0/8/8",
		"2001:db8::/129",
		"192.0.2.0/255.255.255.0",
		"::ffff:192.0.2.0/120",
		"2001:db8::/000000000000000000000000000000000000000032"
	};
	struct prefix prefix = { .length = 7 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_int_equal(prefix_parse(texts[i], &prefix), -EINVAL);
	assert_int_equal(prefix.length, 7);
}

static void a_mac_is_read_and_formatted(void **state)
{
	static const uint8_t bytes[6] = { 0x02, 0xab, 0xcd, 0xef, 0x00, 0x01 };
	char text[MAC_TEXT_SIZE];
	struct mac mac;

	(void)state;
	assert_int_equal(mac_parse("02:AB:cd:eF:00:01", &mac), 0);
	assert_memory_equal(mac.bytes, bytes, sizeof(bytes));
	assert_string_equal(mac_format(bytes, text), "02:ab:cd:ef:00:01");
}

static void what_is_no_mac_is_refused(void **state)
{
	static const char *const texts[] = { "",
					     "02:00:00:00:00",
					     "02:00:00:00:00:0",
					     "02:00:00:00:00:001",
					     "2:000:00:00:00:01",
					     "02-00-00-00-00-01",
					     "02:00:00:00:00:0g",
					     "02:00:00:00:00:1:",
					     " 2:00:00:00:00:01",
					     "020000000000:::::" };
	struct mac mac = { { 7 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_int_equal(mac_parse(texts[i], &mac), -EINVAL);
	assert_int_equal(mac.bytes[0], 7);
}

static void an_address_and_port_are_read(void **state)
{
	struct leat_addr address, ipv4 = parse("192.0.2.1"), ipv6 = parse("2001:db8::1");
	uint16_t port;

	(void)state;
	assert_int_equal(address_parse_with_port("192.0.2.1:80", &address, &port), 0);
	assert_true(address_equal(&address, &ipv4));
	assert_int_equal(port, 80);
	assert_int_equal(address_parse_with_port("[2001:db8::1]:65535", &address, &port), 0);
	assert_true(address_equal(&address, &ipv6));
	assert_int_equal(port, 65535);
}

static void what_is_no_address_and_port_is_refused(void **state)
{
	static const char *const texts[] = { "",
					     ":",
					     ":80",
					     "192.0.2.1",
					     "192.0.2.1:",
					     "192.0.2.1:0",
					     "192.0.2.1:65536",
					     "192.0.2.1:http",
					     "[192.0.2.1]:80",
					     "2001:db8::1:80",
					     "[2001:db8::1]",
					     "[2001:db8::1:80",
					     "2001:db8::1]:80",
					     "[]:80",
					     "[:80",
					     "]:80",
					     "[[2001:db8::1]]:80" };
	struct leat_addr untouched = parse("198.51.100.1"), address = untouched;
	uint16_t port = 7;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_int_equal(address_parse_with_port(texts[i], &address, &port), -EINVAL);
	assert_true(address_equal(&address, &untouched));
	assert_int_equal(port, 7);
}

static void addresses_are_ordered_as_their_bytes_are(void **state)
{
	struct leat_addr low = parse("192.0.2.1"), high = parse("192.0.2.2"),
			 ipv6 = parse("2001:db8::1");

	(void)state;
	assert_true(address_compare(&low, &high) < 0);
	assert_true(address_compare(&high, &low) > 0);
	assert_true(address_compare(&high, &ipv6) < 0);
	assert_int_equal(address_compare(&ipv6, &ipv6), 0);
	assert_false(address_equal(&low, &high));
}

static void what_cannot_be_sent_to_is_not_unicast(void **state)
{
	static const char *const unicast[] = { "192.0.2.1",   "1.0.0.0", "223.255.255.255",
					       "2001:db8::1", "fe80::1", "100::" };
	static const char *const other[] = {
		"0.0.0.0",	   "0.1.2.3", "127.0.0.1", "127.255.255.255", "224.0.0.1",
		"255.255.255.255", "::",      "::1",	   "ff02::1"
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(unicast); i++) {
		struct leat_addr address = parse(unicast[i]);

		assert_true(address_is_unicast(&address));
	}
	for (size_t i = 0; i < ARRAY_SIZE(other); i++) {
		struct leat_addr address = parse(other[i]);

		assert_false(address_is_unicast(&address));
	}
}

static void only_the_unspecified_ipv6_address_is_zero(void **state)
{
	struct leat_addr zero = parse("::"), ipv4 = parse("0.0.0.0");

	(void)state;
	assert_true(address_is_zero(&zero));
	assert_false(address_is_zero(&ipv4));
}

static void a_socket_address_has_the_family_of_the_address(void **state)
{
	struct leat_addr ipv4 = parse("192.0.2.1"), ipv6 = parse("2001:db8::1");
	struct sockaddr_storage storage;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	(void)state;
	assert_int_equal(address_to_sockaddr(&ipv4, 80, &storage), sizeof(in));
	memcpy(&in, &storage, sizeof(in));
	assert_int_equal(in.sin_family, AF_INET);
	assert_int_equal(in.sin_port, htons(80));
	assert_int_equal(in.sin_addr.s_addr, htonl(0xc0000201));

	assert_int_equal(address_to_sockaddr(&ipv6, 443, &storage), sizeof(in6));
	memcpy(&in6, &storage, sizeof(in6));
	assert_int_equal(in6.sin6_family, AF_INET6);
	assert_int_equal(in6.sin6_port, htons(443));
	assert_memory_equal(in6.sin6_addr.s6_addr, ipv6.bytes, sizeof(ipv6.bytes));
}

static void the_kernels_types_are_taken_over(void **state)
{
	struct leat_addr ipv4 = parse("192.0.2.1"), ipv6 = parse("2001:db8::1"), address;
	struct in_addr in = { .s_addr = htonl(0xc0000201) };
	struct in6_addr in6;

	(void)state;
	address = address_from_ipv4(in);
	assert_true(address_equal(&address, &ipv4));
	memcpy(in6.s6_addr, ipv6.bytes, sizeof(ipv6.bytes));
	address = address_from_ipv6(&in6);
	assert_true(address_equal(&address, &ipv6));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_ipv4_address_is_held_mapped),
		cmocka_unit_test(an_ipv6_address_is_held_as_it_is),
		cmocka_unit_test(what_is_no_address_is_refused_and_leaves_the_result),
		cmocka_unit_test(an_address_is_formatted_in_its_shortest_form),
		cmocka_unit_test(a_prefix_loses_its_host_bits),
		cmocka_unit_test(what_is_no_prefix_is_refused),
		cmocka_unit_test(a_mac_is_read_and_formatted),
		cmocka_unit_test(what_is_no_mac_is_refused),
		cmocka_unit_test(an_address_and_port_are_read),
		cmocka_unit_test(what_is_no_address_and_port_is_refused),
		cmocka_unit_test(addresses_are_ordered_as_their_bytes_are),
		cmocka_unit_test(what_cannot_be_sent_to_is_not_unicast),
		cmocka_unit_test(only_the_unspecified_ipv6_address_is_zero),
		cmocka_unit_test(a_socket_address_has_the_family_of_the_address),
		cmocka_unit_test(the_kernels_types_are_taken_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
