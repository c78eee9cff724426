/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const unsigned char sent[] = { 'p', 0, 'n', 'g' };
static const unsigned char expected[] = { 0, 1 };

static struct byte_string bytes_of(const unsigned char *data, size_t size)
{
	struct byte_string bytes = { .data = malloc(size), .size = size };

	assert_non_null(bytes.data);
	memcpy(bytes.data, data, size);
	return bytes;
}

/* Every field set. */
static struct probe_config make_probe(void)
{
	return (struct probe_config){
		.type = PROBE_HTTPS,
		.port = 8443,
		.interval_ms = 1000,
		.timeout_ms = 800,
		.rise = 2,
		.fall = 3,
		.send = bytes_of(sent, sizeof(sent)),
		.expect = bytes_of(expected, sizeof(expected)),
		.path = strdup("/healthz"),
		.host = strdup("www.example.com"),
		.body = strdup("ok"),
		.status = { { 200, 299 }, { 301, 301 } },
		.status_count = 2,
		.verify = true,
	};
}

static void copied_probe_is_equal_and_owns_its_parts(void **state)
{
	struct probe_config probe = make_probe(), copy;

	(void)state;
	assert_int_equal(probe_config_copy(&probe, &copy), 0);
	assert_true(probe_config_same_run(&probe, &copy));
	assert_int_equal(copy.rise, 2);
	assert_int_equal(copy.fall, 3);
	probe_config_deinit(&probe);
	assert_memory_equal(copy.send.data, sent, sizeof(sent));
	assert_memory_equal(copy.expect.data, expected, sizeof(expected));
	assert_string_equal(copy.path, "/healthz");
	assert_string_equal(copy.host, "www.example.com");
	assert_string_equal(copy.body, "ok");
	probe_config_deinit(&copy);
}

static void copied_probe_leaves_unset_what_was_unset(void **state)
{
	const struct probe_config probe = { .type = PROBE_TCP, .port = 80 };
	struct probe_config copy;

	(void)state;
	assert_int_equal(probe_config_copy(&probe, &copy), 0);
	assert_null(copy.path);
	assert_null(copy.host);
	assert_null(copy.body);
	assert_null(copy.send.data);
	assert_int_equal(copy.send.size, 0);
	assert_true(probe_config_same_run(&probe, &copy));
	probe_config_deinit(&copy);
}

static void released_probe_can_be_released_again(void **state)
{
	struct probe_config probe = make_probe();

	(void)state;
	probe_config_deinit(&probe);
	probe_config_deinit(&probe);
	assert_null(probe.path);
}

static void rise_and_fall_do_not_part_runs(void **state)
{
	const struct probe_config a = { .type = PROBE_ICMP, .rise = 2, .fall = 3 };
	const struct probe_config b = { .type = PROBE_ICMP, .rise = 5, .fall = 1 };

	(void)state;
	assert_true(probe_config_same_run(&a, &b));
}

static void assert_parts_runs(const struct probe_config *probe, const struct probe_config *changed)
{
	assert_false(probe_config_same_run(probe, changed));
	assert_false(probe_config_same_run(changed, probe));
}

/* Shallow copies with one field changed each; they own nothing. */
static void every_other_number_parts_runs(void **state)
{
	struct probe_config probe = make_probe();
	struct probe_config changed[] = { probe, probe, probe, probe, probe, probe, probe };

	(void)state;
	changed[0].type = PROBE_HTTP;
	changed[1].port++;
	changed[2].interval_ms++;
	changed[3].timeout_ms++;
	changed[4].status[1].most++;
	changed[5].status_count--;
	changed[6].verify = false;
	for (size_t i = 0; i < ARRAY_SIZE(changed); i++)
		assert_parts_runs(&probe, &changed[i]);
	probe_config_deinit(&probe);
}

static void every_text_parts_runs(void **state)
{
	char other[] = "/other";
	struct probe_config probe = make_probe();
	struct probe_config changed[] = { probe, probe, probe, probe, probe, probe };

	(void)state;
	changed[0].path = other;
	changed[1].host = other;
	changed[2].body = other;
	changed[3].host = NULL;
	changed[4].send.size--;
	changed[5].expect = (struct byte_string){ .data = probe.send.data, .size = 2 };
	for (size_t i = 0; i < ARRAY_SIZE(changed); i++)
		assert_parts_runs(&probe, &changed[i]);
	probe_config_deinit(&probe);
}

static void status_ranges_beyond_the_count_do_not_part_runs(void **state)
{
	struct probe_config a = { .status = { { 200, 299 } }, .status_count = 1 }, b = a;

	(void)state;
	b.status[1].least = 300;
	assert_true(probe_config_same_run(&a, &b));
}

static void whole_configuration_is_freed(void **state)
{
	cleanup(config_freep) struct config *config = calloc(1, sizeof(*config));

	(void)state;
	assert_non_null(config);
	config->interfaces = calloc(1, sizeof(*config->interfaces));
	config->control_socket = strdup(CONFIG_DEFAULT_SOCKET);
	config->control_group = strdup(CONFIG_DEFAULT_GROUP);
	config->metrics_listen = strdup(CONFIG_DEFAULT_LISTEN);
	config->state = strdup(CONFIG_DEFAULT_STATE);
	config->services = calloc(1, sizeof(*config->services));
	assert_non_null(config->services);
	config->service_count = 1;
	config->services[0].probe = make_probe();
	config->services[0].backends = calloc(2, sizeof(*config->services[0].backends));
}

static void names_are_the_configurations_words(void **state)
{
	(void)state;
	assert_string_equal(attach_mode_name(ATTACH_AUTO), "auto");
	assert_string_equal(attach_mode_name(ATTACH_NATIVE), "native");
	assert_string_equal(attach_mode_name(ATTACH_GENERIC), "generic");
	assert_string_equal(table_kind_name(TABLE_RENDEZVOUS), "rendezvous");
	assert_string_equal(table_kind_name(TABLE_MAGLEV), "maglev");
	assert_string_equal(probe_type_name(PROBE_NONE), "none");
	assert_string_equal(probe_type_name(PROBE_TCP), "tcp");
	assert_string_equal(probe_type_name(PROBE_HTTP), "http");
	assert_string_equal(probe_type_name(PROBE_HTTPS), "https");
	assert_string_equal(probe_type_name(PROBE_UDP), "udp");
	assert_string_equal(probe_type_name(PROBE_ICMP), "icmp");
	assert_string_equal(hash_input_name(LEAT_HASH_FLOW), "flow");
	assert_string_equal(hash_input_name(LEAT_HASH_SOURCE), "source");
	assert_string_equal(forward_name(LEAT_FORWARD_L2), "l2");
	assert_string_equal(forward_name(LEAT_FORWARD_IPIP), "ipip");
	assert_string_equal(protocol_name(IPPROTO_TCP), "tcp");
	assert_string_equal(protocol_name(IPPROTO_UDP), "udp");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copied_probe_is_equal_and_owns_its_parts),
		cmocka_unit_test(copied_probe_leaves_unset_what_was_unset),
		cmocka_unit_test(released_probe_can_be_released_again),
		cmocka_unit_test(rise_and_fall_do_not_part_runs),
		cmocka_unit_test(every_other_number_parts_runs),
		cmocka_unit_test(every_text_parts_runs),
		cmocka_unit_test(status_ranges_beyond_the_count_do_not_part_runs),
		cmocka_unit_test(whole_configuration_is_freed),
		cmocka_unit_test(names_are_the_configurations_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
