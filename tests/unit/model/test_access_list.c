/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/access_list.h"

#include <errno.h>

#include "model/denied.h"
#include "tests/unit/sample_config.h"

#define ROUNDS	 2000
#define MOST	 12
#define QUERIES	 40
#define INFINITE UINT64_MAX

/* A rule as the configuration has it. */
struct input {
	struct prefix prefix;
	enum leat_access access;
};

static struct prefix prefix_of(const char *text)
{
	struct prefix prefix;

	assert_int_equal(prefix_parse(text, &prefix), 0);
	return prefix;
}

static uint32_t pick(uint64_t *random, uint32_t count)
{
	return (uint32_t)((sample_random(random) >> 32) * count >> 32);
}

/* In a small part of either family's addresses, so that prefixes lie in each other. */
static struct leat_addr random_address(uint64_t *random)
{
	struct leat_addr address = { .bytes = { 0x20, 1 } };

	if (pick(random, 2))
		return address_from_ipv4(
			(struct in_addr){ htonl(pick(random, 4) << 30 | pick(random, 16)) });
	address.bytes[15] = (uint8_t)pick(random, 16);
	if (pick(random, 4) == 0)
		address.bytes[0] = 0; /* beside the mapped ones */
	return address;
}

static struct prefix random_prefix(uint64_t *random)
{
	struct leat_addr address = random_address(random);
	char text[PREFIX_TEXT_SIZE], host[ADDRESS_TEXT_SIZE];
	uint32_t bits = address_is_ipv4(&address) ? 32 : 128;

	snprintf(text, sizeof(text), "%s/%u", address_format(&address, host),
		 pick(random, 2) ? bits - pick(random, 5) : pick(random, 20));
	return prefix_of(text);
}

static bool covers(const struct prefix *prefix, const struct leat_addr *address)
{
	uint32_t skipped = address_is_ipv4(&prefix->address) ? 96 : 0;

	if (address_is_ipv4(&prefix->address) != address_is_ipv4(address))
		return false;
	for (uint32_t i = skipped; i < skipped + prefix->length; i++) {
		uint8_t bit = (uint8_t)(0x80 >> i % 8);

		if ((prefix->address.bytes[i / 8] ^ address->bytes[i / 8]) & bit)
			return false;
	}
	return true;
}

/* By the words of leat.yaml(5): the longest prefix decides, and of two equal ones deny. */
static bool expects_in(const struct input *inputs, size_t count, bool is_closed,
		       const struct leat_addr *address)
{
	bool is_in = !is_closed;
	int longest = -1;

	for (size_t i = 0; i < count; i++) {
		int length = inputs[i].prefix.length;
		bool denies = inputs[i].access == LEAT_ACCESS_DENIED;

		if (!covers(&inputs[i].prefix, address) || length < longest)
			continue;
		if (length > longest || denies)
			is_in = !denies;
		longest = length;
	}
	return is_in;
}

/* As the kernel's trie does it, over the mapped form. */
static uint32_t look_up(const struct access_list *list, const struct leat_addr *address)
{
	uint32_t found = 0, longest = 0;

	for (size_t i = 0; list && i < list->count; i++) {
		struct prefix mapped = { .length = (uint8_t)list->rules[i].prefix.len };
		bool is_covered = true;

		memcpy(&mapped.address, list->rules[i].prefix.address, sizeof(mapped.address));
		for (uint32_t bit = 0; bit < mapped.length; bit++)
			is_covered &= !((mapped.address.bytes[bit / 8] ^ address->bytes[bit / 8]) &
					(0x80 >> bit % 8));
		if (is_covered && (!found || mapped.length > longest)) {
			found = list->rules[i].access;
			longest = mapped.length;
		}
	}
	return found;
}

static void check_round(uint64_t *random)
{
	struct access_builder builder = { 0 };
	struct input inputs[MOST];
	size_t count = pick(random, MOST + 1);
	bool is_closed = pick(random, 2);
	struct access_list *list;

	for (size_t i = 0; i < count; i++) {
		inputs[i].prefix = random_prefix(random);
		inputs[i].access = is_closed && pick(random, 2) ? LEAT_ACCESS_ALLOWED
								: LEAT_ACCESS_DENIED;
		access_builder_add(&builder, &inputs[i].prefix, inputs[i].access);
	}
	assert_int_equal(access_builder_finish(&builder, is_closed, &list), 0);
	for (int i = 0; i < QUERIES; i++) {
		struct leat_addr address = random_address(random);
		uint32_t found = look_up(list, &address);

		assert_int_equal(found == 0 || found == LEAT_ACCESS_ALLOWED,
				 expects_in(inputs, count, is_closed, &address));
		assert_true(is_closed || found != LEAT_ACCESS_NOT_ALLOWED);
	}
	access_list_unref(list);
}

static void sources_are_let_in_as_the_configuration_says(void **state)
{
	uint64_t random = sample_seed();

	(void)state;
	for (int i = 0; i < ROUNDS; i++)
		check_round(&random);
}

static struct access_list *list_of(const char *const *denied)
{
	struct access_builder builder = { 0 };
	struct access_list *list;

	for (; *denied; denied++) {
		struct prefix prefix = prefix_of(*denied);

		access_builder_add(&builder, &prefix, LEAT_ACCESS_DENIED);
	}
	assert_int_equal(access_builder_finish(&builder, false, &list), 0);
	return list;
}

static void order_and_doubles_make_no_difference(void **state)
{
	struct access_list *a =
		list_of((const char *const[]){ "10.0.0.0/8", "2001:db8::/32", "192.0.2.1", NULL });
	struct access_list *b = list_of((const char *const[]){ "192.0.2.1/32", "2001:db8::/32",
							       "10.0.0.0/8", "10.1.2.3/8", NULL });
	struct access_list *c = list_of((const char *const[]){ "10.0.0.0/9", NULL });

	(void)state;
	assert_true(access_list_equal(a, b));
	assert_false(access_list_equal(a, c));
	assert_false(access_list_equal(a, NULL));
	assert_true(access_list_equal(NULL, NULL));
	assert_int_equal(access_list_count(b, LEAT_ACCESS_DENIED), 3);
	access_list_unref(a);
	access_list_unref(b);
	access_list_unref(c);
}

static void nothing_makes_no_list(void **state)
{
	(void)state;
	assert_null(list_of((const char *const[]){ NULL }));
	assert_int_equal(access_list_count(NULL, LEAT_ACCESS_DENIED), 0);
}

static void rules_are_shown_as_they_were_written(void **state)
{
	static const char *const texts[] = { "0.0.0.0/0", "10.0.0.0/8", "::/0", "2001:db8::/32",
					     "2001:db8::1/128" };
	char text[PREFIX_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct access_list *list = list_of((const char *const[]){ texts[i], NULL });
		size_t shown = 0;

		for (size_t j = 0; j < list->count; j++) {
			struct prefix prefix = access_rule_prefix(&list->rules[j]);

			if (list->rules[j].access != LEAT_ACCESS_DENIED)
				continue;
			assert_string_equal(prefix_format(&prefix, text), texts[i]);
			shown++;
		}
		assert_int_equal(shown, 1);
		access_list_unref(list);
	}
}

static void what_is_denied_ends_by_itself_or_by_the_operator(void **state)
{
	struct prefix net = prefix_of("10.0.0.0/8"), host = prefix_of("10.0.0.1"),
		      ipv6 = prefix_of("2001:db8::/32");
	struct denied denied = { 0 };

	(void)state;
	assert_int_equal(denied_add(&denied, &net, 0), 0);
	assert_int_equal(denied_add(&denied, &host, 100), 0);
	assert_int_equal(denied_add(&denied, &ipv6, 200), 0);
	assert_int_equal(denied_add(&denied, &host, 150), 0);
	assert_int_equal(denied.count, 3);
	assert_int_equal(denied_expire(&denied, 149), 0);
	assert_int_equal(denied_expire(&denied, 150), 1);
	assert_false(denied_remove(&denied, &host));
	assert_true(denied_remove(&denied, &net));
	assert_int_equal(denied_expire(&denied, INFINITE), 1);
	assert_int_equal(denied.count, 0);
	denied_deinit(&denied);
}

static void there_is_a_most(void **state)
{
	struct denied denied = { 0 };
	struct prefix prefix = prefix_of("10.0.0.0/32");

	(void)state;
	for (uint32_t i = LEAT_MAX_DENIED; i > 0; i--) {
		prefix.address.words[3] = htonl(0x0a000000 + i);
		assert_int_equal(denied_add(&denied, &prefix, 0), 0);
	}
	/* One that is there is no further one. */
	assert_int_equal(denied_add(&denied, &prefix, 5), 0);
	prefix.address.words[3] = 0;
	assert_int_equal(denied_add(&denied, &prefix, 0), -ENOSPC);
	assert_int_equal(denied.count, LEAT_MAX_DENIED);
	for (size_t i = 1; i < denied.count; i++)
		assert_true(address_compare(&denied.entries[i - 1].prefix.address,
					    &denied.entries[i].prefix.address) < 0);
	denied_deinit(&denied);
}

static void both_lists_are_one(void **state)
{
	struct access_list *configured = list_of((const char *const[]){ "10.0.0.0/8", NULL }),
			   *merged;
	struct prefix all = prefix_of("0.0.0.0/0");
	struct denied denied = { 0 };

	(void)state;
	assert_int_equal(denied_merge(&denied, configured, &merged), 0);
	assert_ptr_equal(merged, configured);
	access_list_unref(merged);
	assert_int_equal(denied_add(&denied, &all, 0), 0);
	assert_int_equal(denied_merge(&denied, configured, &merged), 0);
	assert_int_equal(access_list_count(merged, LEAT_ACCESS_DENIED), 2);
	access_list_unref(merged);
	assert_int_equal(denied_merge(&denied, NULL, &merged), 0);
	assert_int_equal(access_list_count(merged, LEAT_ACCESS_DENIED), 1);
	access_list_unref(merged);
	access_list_unref(configured);
	denied_deinit(&denied);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sources_are_let_in_as_the_configuration_says),
		cmocka_unit_test(order_and_doubles_make_no_difference),
		cmocka_unit_test(nothing_makes_no_list),
		cmocka_unit_test(rules_are_shown_as_they_were_written),
		cmocka_unit_test(what_is_denied_ends_by_itself_or_by_the_operator),
		cmocka_unit_test(there_is_a_most),
		cmocka_unit_test(both_lists_are_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
