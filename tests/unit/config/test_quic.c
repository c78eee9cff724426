/* SPDX-License-Identifier: GPL-2.0-only */
#include "tests/unit/config/expect.h"

/* A service over UDP, with more keys on line 4 and its backends from line 6 on. */
#define SERVICE(keys, backends)                                                                    \
	"interfaces: [eth0]\nservices:\n"                                                          \
	"- { name: h3, address: 192.0.2.10, port: 443, protocol: udp,\n"                           \
	"    " keys "\n    backends: [\n" backends "] }\n"
#define QUIC(length)	"quic: { cid: quic-lb, server_id_length: " length " },"
#define FIRST(id)	"{ name: a, address: 198.51.100.1, server_id: " id " },\n"
#define SECOND(id)	"{ name: b, address: 198.51.100.2, server_id: " id " }\n"
#define WITHOUT		"{ name: c, address: 198.51.100.3 }\n"
#define ERROR(at, text) "f:" at ": " text "\n"

static void assert_server_id(const struct config *config, size_t backend, size_t quic,
			     const void *bytes, size_t length)
{
	static const uint8_t nothing[LEAT_QUIC_SERVER_ID_MAX];
	const struct server_id *id = &config->services[0].backends[backend].server_ids[quic];

	assert_int_equal(id->length, length);
	assert_memory_equal(id->bytes, bytes, length);
	assert_memory_equal(id->bytes + length, nothing, sizeof(id->bytes) - length);
}

static void a_plain_length_is_configuration_0s(void **state)
{
	cleanup(config_freep) struct config *config =
		parse_good(SERVICE(QUIC("4"), FIRST("0a0B0c01") SECOND("'00000000'")));
	const struct service_config *service = &config->services[0];

	(void)state;
	assert_true(service_is_quic(service));
	assert_int_equal(service->quic_lengths[0], 4);
	assert_server_id(config, 0, 0, "\x0a\x0b\x0c\x01", 4);
	assert_server_id(config, 1, 0, "\0\0\0\0", 4);
	for (size_t i = 1; i < LEAT_QUIC_CONFIGS; i++) {
		assert_int_equal(service->quic_lengths[i], 0);
		assert_server_id(config, 0, i, "", 0);
	}
}

static void configurations_have_lengths_and_ids_of_their_own(void **state)
{
	cleanup(config_freep) struct config *config =
		parse_good(SERVICE(QUIC("{ 1: 1, 6: 15 }"),
				   FIRST("{ 1: 01, 6: 0102030405060708090a0b0c0d0e0f }")
					   SECOND("{ 6: 0102030405060708090a0b0c0d0e01, 1: 02 }")));

	(void)state;
	assert_int_equal(config->services[0].quic_lengths[0], 0);
	assert_int_equal(config->services[0].quic_lengths[1], 1);
	assert_int_equal(config->services[0].quic_lengths[6], 15);
	assert_server_id(config, 1, 1, "\x02", 1);
	assert_server_id(config, 0, 6, "\1\2\3\4\5\6\7\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f", 15);
}

static void a_plain_id_is_every_configurations(void **state)
{
	cleanup(config_freep) struct config *config = parse_good(
		SERVICE(QUIC("{ 0: 2, 3: 2 }"), FIRST("aabb") SECOND("{ 0: aab0, 3: 0002 }")));

	(void)state;
	assert_server_id(config, 0, 0, "\xaa\xbb", 2);
	assert_server_id(config, 0, 3, "\xaa\xbb", 2);
	assert_server_id(config, 0, 4, "", 0);
	assert_server_id(config, 1, 3, "\x00\x02", 2);
}

static void without_quic_there_is_none(void **state)
{
	cleanup(config_freep) struct config *config = parse_good(SERVICE("", WITHOUT));

	(void)state;
	assert_false(service_is_quic(&config->services[0]));
	expect_errors(SERVICE("", FIRST("0a") SECOND("{ 0: 0b }")),
		      ERROR("6:46", "server_id: a key of services with quic, and this service has "
				    "none")
			      ERROR("7:46",
				    "server_id: a key of services with quic, and this service has "
				    "none"));
}

static void its_keys_are_needed_and_bounded(void **state)
{
	(void)state;
	expect_errors(SERVICE("quic: {},", WITHOUT),
		      ERROR("4:11", "quic needs the key cid")
			      ERROR("4:11", "quic needs the key server_id_length"));
	expect_errors(SERVICE("quic: { cid: aes, server_id_length: 0 },", WITHOUT),
		      ERROR("4:18", "cid: \"aes\" is not allowed, use quic-lb")
			      ERROR("4:41", "server_id_length: \"0\" is not allowed, use a number "
					    "from 1 to 15"));
	expect_errors(SERVICE(QUIC("{}"), WITHOUT),
		      ERROR("4:45", "server_id_length: the mapping is empty, it needs a "
				    "configuration"));
	expect_errors(SERVICE(QUIC("{ 7: 4, 0: 16 }"), WITHOUT),
		      ERROR("4:47", "\"7\" is not a key of server_id_length, allowed are 0, 1, 2, "
				    "3, 4, 5, 6")
			      ERROR("4:56", "0: \"16\" is not allowed, use a number from 1 to 15"));
}

static void every_backend_needs_an_id_of_the_right_length(void **state)
{
	(void)state;
	expect_errors(SERVICE(QUIC("2"), FIRST("0a0b0c") WITHOUT),
		      ERROR("6:46", "server_id: \"0a0b0c\" is not allowed, use 4 hexadecimal "
				    "digits: server_id_length of configuration 0 is 2")
			      ERROR("7:1", "backends: a backend needs a server_id of 2 bytes for "
					   "configuration 0 of its service's quic"));
	expect_errors(SERVICE(QUIC("{ 0: 2, 1: 1 }"), FIRST("{ 1: 0a, 2: 0b }")),
		      ERROR("6:1", "backends: a backend needs a server_id of 2 bytes for "
				   "configuration 0 of its service's quic")
			      ERROR("6:58", "2: server_id_length of the service's quic has no "
					    "configuration 2"));
}

static void ids_are_hexadecimal(void **state)
{
	static const char *const ids[] = {
		"0", "0a0", "0g", "[0a]", "''", "0x0a", "\" a\"", "000102030405060708090a0b0c0d0e0f"
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		struct config_errors errors;
		struct config *config = NULL;
		char text[512];

		snprintf(text, sizeof(text), SERVICE(QUIC("1"), FIRST("%s")), ids[i]);
		assert_int_equal(config_file_parse("f", text, strlen(text), &config, &errors),
				 -EINVAL);
		assert_int_equal(errors.count, 1);
		assert_non_null(strstr(errors.list[0].text, "use 2 to 30 hexadecimal digits"));
		config_errors_deinit(&errors);
	}
}

static void ids_of_a_service_differ(void **state)
{
	(void)state;
	expect_errors(SERVICE(QUIC("{ 0: 2, 1: 2 }"), FIRST("aabb") SECOND("aabb")),
		      ERROR("7:46", "server_id: the service's backend at line 6 has this server id "
				    "too, they must differ"));
	expect_errors(SERVICE(QUIC("{ 0: 2, 1: 2 }"), FIRST("aabb") SECOND("{ 0: aabc, 1: aabb }")),
		      ERROR("7:60", "1: the service's backend at line 6 has this server id too, "
				    "they must differ"));
}

static void it_goes_with_udp_and_what_counts_no_flows(void **state)
{
	(void)state;
	expect_errors("interfaces: [eth0]\nservices:\n"
		      "- { name: h3, address: 192.0.2.10, port: 443, protocol: tcp,\n"
		      "    quic: { cid: quic-lb, server_id_length: 1 }, backends: [] }\n",
		      ERROR("4:11", "quic: a key of services over udp, which carries QUIC"));
	expect_errors(SERVICE(QUIC("1") " scheduler: least-connections,", FIRST("0a")),
		      ERROR("4:11", "quic: not a key of the scheduler least-connections, which "
				    "counts flows: a connection that goes by its id may have "
				    "several"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_length_is_configuration_0s),
		cmocka_unit_test(configurations_have_lengths_and_ids_of_their_own),
		cmocka_unit_test(a_plain_id_is_every_configurations),
		cmocka_unit_test(without_quic_there_is_none),
		cmocka_unit_test(its_keys_are_needed_and_bounded),
		cmocka_unit_test(every_backend_needs_an_id_of_the_right_length),
		cmocka_unit_test(ids_are_hexadecimal),
		cmocka_unit_test(ids_of_a_service_differ),
		cmocka_unit_test(it_goes_with_udp_and_what_counts_no_flows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
