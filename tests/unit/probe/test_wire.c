/* SPDX-License-Identifier: GPL-2.0-only */
#include "probe/wire.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static unsigned char sent[] = { 'p', 0, 'n', 'g' };
static unsigned char expected[] = { 0, 1 };
static char path[] = "/healthz?full=1";
static char host[] = "www.example.com";
static char body[] = "all is well";

static const struct leat_addr address = { .bytes = { [10] = 0xff, 0xff, 192, 0, 2, 1 } };

/* Every field set. */
static struct probe_config make_config(void)
{
	return (struct probe_config){
		.type = PROBE_HTTPS,
		.port = 8443,
		.interval_ms = 1000,
		.timeout_ms = 800,
		.rise = 2,
		.fall = 3,
		.send = { sent, sizeof(sent) },
		.expect = { expected, sizeof(expected) },
		.path = path,
		.host = host,
		.body = body,
		.status = { { 200, 299 }, { 301, 301 } },
		.status_count = 2,
		.verify = true,
	};
}

static size_t write_add(struct wire_add *add, const struct probe_config *config)
{
	size_t size = 0;

	assert_int_equal(wire_write_add(add, 7, &address, config, &size), 0);
	return size;
}

static void order_arrives_as_it_was_written(void **state)
{
	struct probe_config config = make_config(), read;
	struct wire_add add;
	size_t size = write_add(&add, &config);

	(void)state;
	assert_int_equal(wire_read_add(&add, size, &read), 0);
	assert_int_equal(add.header.id, 7);
	assert_memory_equal(&add.identity.address, &address, sizeof(address));
	assert_true(probe_config_same_run(&config, &read));
	assert_int_equal(read.rise, 2);
	assert_int_equal(read.fall, 3);
}

static bool identities_are_equal(const struct probe_config *a, const struct probe_config *b)
{
	struct wire_add add_a, add_b;
	size_t size_a, size_b;

	/* What the writer does not set must not matter. */
	memset(&add_a, 0xaa, sizeof(add_a));
	memset(&add_b, 0x55, sizeof(add_b));
	size_a = write_add(&add_a, a);
	size_b = write_add(&add_b, b);
	return size_a == size_b &&
	       memcmp(&add_a.identity, &add_b.identity, wire_identity_size(size_a)) == 0;
}

static void identity_is_equal_exactly_when_the_run_is(void **state)
{
	struct probe_config config = make_config(), others[8];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		others[i] = config;
	others[0].rise = 9;
	others[1].fall = 9;
	others[2].port++;
	others[3].host = NULL;
	others[4].verify = false;
	others[5].expect.size--;
	others[6].status_count--;
	/* The same bytes, split elsewhere. */
	others[7].send.size--;
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		assert_int_equal(identities_are_equal(&config, &others[i]),
				 probe_config_same_run(&config, &others[i]));
	assert_true(identities_are_equal(&config, &others[0]));
	assert_false(identities_are_equal(&config, &others[7]));
}

static void text_that_would_change_the_request_is_refused(void **state)
{
	static char bad_path[] = "/a b", bad_line[] = "/a\r\nX: y", no_path[] = "a";
	static char bad_host[] = "a/b", user_host[] = "a@b", no_host[] = "";
	struct probe_config configs[6];
	struct wire_add add;
	size_t size;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(configs); i++)
		configs[i] = make_config();
	configs[0].path = bad_path;
	configs[1].path = bad_line;
	configs[2].path = no_path;
	configs[3].host = bad_host;
	configs[4].host = user_host;
	configs[5].host = no_host;
	for (size_t i = 0; i < ARRAY_SIZE(configs); i++)
		assert_int_equal(wire_write_add(&add, 1, &address, &configs[i], &size), -EINVAL);
}

static void field_that_is_too_long_is_refused(void **state)
{
	static unsigned char long_bytes[CONFIG_MAX_BYTES + 1];
	struct probe_config config = make_config();
	struct wire_add add;
	size_t size;

	(void)state;
	config.send = (struct byte_string){ long_bytes, CONFIG_MAX_BYTES };
	assert_int_equal(wire_write_add(&add, 1, &address, &config, &size), 0);
	config.send.size++;
	assert_int_equal(wire_write_add(&add, 1, &address, &config, &size), -EINVAL);
	config.send.size = 65536;
	assert_int_equal(wire_write_add(&add, 1, &address, &config, &size), -EINVAL);
}

static void largest_order_fits(void **state)
{
	static unsigned char bytes[CONFIG_MAX_BYTES];
	static char long_path[CONFIG_MAX_PATH + 1], long_host[WIRE_MAX_HOST + 1];
	static char long_body[CONFIG_MAX_BYTES + 1];
	struct probe_config config = make_config(), read;
	struct wire_add add;
	size_t size;

	(void)state;
	memset(long_path, '/', sizeof(long_path) - 1);
	memset(long_host, 'h', sizeof(long_host) - 1);
	memset(long_body, 'b', sizeof(long_body) - 1);
	config.send = (struct byte_string){ bytes, sizeof(bytes) };
	config.expect = config.send;
	config.path = long_path;
	config.host = long_host;
	config.body = long_body;
	size = write_add(&add, &config);
	assert_true(size <= sizeof(add));
	assert_int_equal(wire_read_add(&add, size, &read), 0);
	assert_true(probe_config_same_run(&config, &read));
}

static void order_of_any_other_size_is_bad(void **state)
{
	struct probe_config config = make_config(), read;
	struct wire_add add;
	size_t right = write_add(&add, &config);

	(void)state;
	for (size_t size = 0; size <= sizeof(add); size++) {
		if (size != right)
			assert_int_equal(wire_read_add(&add, size, &read), -EBADMSG);
	}
}

static void string_with_a_nul_inside_is_bad(void **state)
{
	struct probe_config config = make_config(), read;
	struct wire_add add;
	size_t size = write_add(&add, &config);

	(void)state;
	add.identity.bytes[sizeof(sent) + sizeof(expected) + 2] = '\0';
	assert_int_equal(wire_read_add(&add, size, &read), -EBADMSG);
}

static void result_of_the_child_is_checked_and_made_printable(void **state)
{
	struct wire_result message = { .header = { .kind = WIRE_RESULT, .id = 7 },
				       .result = { .outcome = PROBE_L7STS, .duration_us = 5 } };
	struct probe_result result;

	(void)state;
	memset(message.result.detail, '\033', sizeof(message.result.detail));
	assert_int_equal(wire_read_result(&message, sizeof(message), &result), 0);
	assert_int_equal(result.outcome, PROBE_L7STS);
	assert_int_equal(result.duration_us, 5);
	assert_int_equal(strlen(result.detail), PROBE_DETAIL_SIZE - 1);
	assert_int_equal(strspn(result.detail, "?"), PROBE_DETAIL_SIZE - 1);

	assert_int_equal(wire_read_result(&message, sizeof(message) - 1, &result), -EBADMSG);
	message.result.outcome = PROBE_OUTCOME_COUNT;
	assert_int_equal(wire_read_result(&message, sizeof(message), &result), -EBADMSG);
	message.result.outcome = (enum probe_outcome) - 1;
	assert_int_equal(wire_read_result(&message, sizeof(message), &result), -EBADMSG);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(order_arrives_as_it_was_written),
		cmocka_unit_test(identity_is_equal_exactly_when_the_run_is),
		cmocka_unit_test(text_that_would_change_the_request_is_refused),
		cmocka_unit_test(field_that_is_too_long_is_refused),
		cmocka_unit_test(largest_order_fits),
		cmocka_unit_test(order_of_any_other_size_is_bad),
		cmocka_unit_test(string_with_a_nul_inside_is_bad),
		cmocka_unit_test(result_of_the_child_is_checked_and_made_printable),
	};

	return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
