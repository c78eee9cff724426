/* SPDX-License-Identifier: GPL-2.0-only */
#include <arpa/inet.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/random.h>

#include "tests/unit/config/expect.h"

/* A configuration up to its first service, which starts at line 3. */
#define HEAD "interfaces: [eth0]\nservices:\n"
/* A service's first four keys, on lines 1 to 4 from where it starts. */
#define WEB                                                                                        \
	"- name: web\n  address: 192.0.2.10\n  port: 80\n"                                         \
	"  protocol: tcp\n"
/* The service that is right but for its probe, whose mapping starts at 7:10. */
#define PROBE(probe)		  HEAD WEB "  probe: " probe "\n  backends: []\n"
#define BACKENDS(lines)		  HEAD WEB "  backends:\n" lines /* the first at line 8 */
#define ERROR(line, column, text) "f:" #line ":" #column ": " text "\n"

#define SERVICE_KEYS                                                                               \
	"name, address, port, protocol, scheduler, sticky, hash, table, table_size, forward, "     \
	"gue_port, ping, fragments, rate, allow, deny, quic, idle, slow_start, probe, "            \
	"backends"
#define FILE_KEYS                                                                                  \
	"interfaces, mode, seed, flows, next_hop, outer_source, nat, control, metrics, state, "    \
	"deny, services"

static const char everything[] =
	"interfaces: [eth0, eth1]\n"
	"mode: native\n"
	"seed: 0123456789abcdef\n"
	"flows: 100000\n"
	"next_hop: 02:00:00:00:00:01\n"
	"outer_source: [10.1.0.0/16, \"2001:db8:f::/64\"]\n"
	"control: { socket: /run/leat/other.sock, group: adm }\n"
	"metrics: { listen: \"[::1]:9000\" }\n"
	"state: /var/lib/leat/other.json\n"
	"services:\n"
	"- name: web\n"
	"  address: 192.0.2.10\n"
	"  port: 80\n"
	"  protocol: tcp\n"
	"  scheduler: hash\n"
	"  hash: source\n"
	"  idle: { tcp: 2h, udp: 1500ms }\n"
	"  slow_start: 30s\n"
	"  table: maglev\n"
	"  table_size: 1000\n"
	"  forward: ipip\n"
	"  probe: { type: https, port: 8443, path: /healthz?a=b, host: www.example.com,\n"
	"           status: [200-299, 404], body: \"all is well\", verify: no, interval: 2s,\n"
	"           timeout: 800ms, rise: 4, fall: 5 }\n"
	"  backends:\n"
	"  - { name: web1, address: 198.51.100.11, weight: 7 }\n"
	"  - { name: web2, address: \"2001:db8::12\", weight: 0 }\n"
	"- name: dns\n"
	"  address: \"2001:db8::53\"\n"
	"  port: any\n"
	"  protocol: udp\n"
	"  scheduler: least-connections\n"
	"  sticky: 30m\n"
	"  idle: { udp: 12h }\n"
	"  forward: l2\n"
	"  probe: { type: udp, port: 53, send: hex:00Ff10, expect: \"a\\tb\" }\n"
	"  backends:\n"
	"  - { name: ns1, address: \"2001:db8::1\" }\n";

static void assert_address(const struct leat_addr *address, const char *expected)
{
	char text[ADDRESS_TEXT_SIZE];

	assert_string_equal(address_format(address, text), expected);
}

static void assert_prefix(const struct prefix *prefix, const char *expected)
{
	char text[PREFIX_TEXT_SIZE];

	assert_string_equal(prefix_format(prefix, text), expected);
}

static void every_top_level_key_is_read(void **state)
{
	cleanup(config_freep) struct config *config = parse_good(everything);
	char mac[MAC_TEXT_SIZE];

	(void)state;
	assert_int_equal(config->interface_count, 2);
	assert_string_equal(config->interfaces[0], "eth0");
	assert_string_equal(config->interfaces[1], "eth1");
	assert_int_equal(config->mode, ATTACH_NATIVE);
	assert_true(config->seed == 0x0123456789abcdefULL);
	assert_int_equal(config->flows, 131072);
	assert_true(config->has_next_hop);
	assert_string_equal(mac_format(config->next_hop.bytes, mac), "02:00:00:00:00:01");
	assert_prefix(&config->outer_source4, "10.1.0.0/16");
	assert_prefix(&config->outer_source6, "2001:db8:f::/64");
	assert_string_equal(config->control_socket, "/run/leat/other.sock");
	assert_string_equal(config->control_group, "adm");
	assert_string_equal(config->metrics_listen, "[::1]:9000");
	assert_string_equal(config->state, "/var/lib/leat/other.json");
	assert_int_equal(config->service_count, 2);
}

static void every_key_of_a_service_is_read(void **state)
{
	cleanup(config_freep) struct config *config = parse_good(everything);
	const struct service_config *web = &config->services[0], *dns = &config->services[1];

	(void)state;
	assert_string_equal(web->name, "web");
	assert_address(&web->key.address, "192.0.2.10");
	assert_int_equal(web->key.port, htons(80));
	assert_int_equal(web->key.protocol, IPPROTO_TCP);
	assert_int_equal(web->scheduler, LEAT_SCHEDULER_HASH);
	assert_int_equal(web->sticky_ms, 0);
	assert_int_equal(web->hash, LEAT_HASH_SOURCE);
	assert_int_equal(web->tcp_idle_ms, 7200000);
	assert_int_equal(web->udp_idle_ms, 1500);
	assert_int_equal(web->slow_start_ms, 30000);
	assert_int_equal(web->table, TABLE_MAGLEV);
	assert_int_equal(web->table_size, 1009);
	assert_int_equal(web->forward, LEAT_FORWARD_IPIP);
	assert_int_equal(web->backend_count, 2);
	assert_string_equal(web->backends[0].name, "web1");
	assert_address(&web->backends[0].address, "198.51.100.11");
	assert_int_equal(web->backends[0].weight, 7);
	assert_address(&web->backends[1].address, "2001:db8::12");
	assert_int_equal(web->backends[1].weight, 0);

	assert_address(&dns->key.address, "2001:db8::53");
	assert_int_equal(dns->key.port, 0);
	assert_int_equal(dns->key.protocol, IPPROTO_UDP);
	assert_int_equal(dns->scheduler, LEAT_SCHEDULER_LEAST_CONNECTIONS);
	assert_int_equal(dns->sticky_ms, 1800000);
	assert_int_equal(dns->tcp_idle_ms, LEAT_DEFAULT_TCP_IDLE_MS);
	assert_int_equal(dns->udp_idle_ms, 43200000);
	assert_int_equal(dns->slow_start_ms, 0);
	assert_int_equal(dns->forward, LEAT_FORWARD_L2);
}

static void every_key_of_an_https_probe_is_read(void **state)
{
	cleanup(config_freep) struct config *config = parse_good(everything);
	const struct probe_config *probe = &config->services[0].probe;

	(void)state;
	assert_int_equal(probe->type, PROBE_HTTPS);
	assert_int_equal(probe->port, 8443);
	assert_string_equal(probe->path, "/healthz?a=b");
	assert_string_equal(probe->host, "www.example.com");
	assert_string_equal(probe->body, "all is well");
	assert_int_equal(probe->status_count, 2);
	assert_int_equal(probe->status[0].least, 200);
	assert_int_equal(probe->status[0].most, 299);
	assert_int_equal(probe->status[1].least, 404);
	assert_int_equal(probe->status[1].most, 404);
	assert_false(probe->verify);
	assert_int_equal(probe->interval_ms, 2000);
	assert_int_equal(probe->timeout_ms, 800);
	assert_int_equal(probe->rise, 4);
	assert_int_equal(probe->fall, 5);
}

static void bytes_are_read_as_text_and_as_hex(void **state)
{
	cleanup(config_freep) struct config *config = parse_good(everything);
	const struct probe_config *probe = &config->services[1].probe;

	(void)state;
	assert_int_equal(probe->send.size, 3);
	assert_memory_equal(probe->send.data, "\x00\xff\x10", 3);
	assert_int_equal(probe->expect.size, 3);
	assert_memory_equal(probe->expect.data, "a\tb", 3);
}

static void what_is_left_out_has_its_default(void **state)
{
	cleanup(config_freep) struct config *config =
		parse_good(BACKENDS("  - { name: web1, address: 198.51.100.11 }\n"));
	const struct service_config *web = &config->services[0];

	(void)state;
	assert_int_equal(config->mode, ATTACH_AUTO);
	assert_true(config->seed == CONFIG_DEFAULT_SEED);
	assert_int_equal(config->flows, LEAT_DEFAULT_FLOWS);
	assert_false(config->has_next_hop);
	assert_prefix(&config->outer_source4, CONFIG_DEFAULT_OUTER_SOURCE4);
	assert_prefix(&config->outer_source6, CONFIG_DEFAULT_OUTER_SOURCE6);
	assert_string_equal(config->control_socket, CONFIG_DEFAULT_SOCKET);
	assert_string_equal(config->control_group, CONFIG_DEFAULT_GROUP);
	assert_string_equal(config->metrics_listen, CONFIG_DEFAULT_LISTEN);
	assert_string_equal(config->state, CONFIG_DEFAULT_STATE);
	assert_int_equal(web->scheduler, LEAT_SCHEDULER_HASH);
	assert_int_equal(web->sticky_ms, 0);
	assert_int_equal(web->hash, LEAT_HASH_FLOW);
	assert_int_equal(web->tcp_idle_ms, LEAT_DEFAULT_TCP_IDLE_MS);
	assert_int_equal(web->udp_idle_ms, LEAT_DEFAULT_UDP_IDLE_MS);
	assert_int_equal(web->slow_start_ms, 0);
	assert_int_equal(web->table, TABLE_RENDEZVOUS);
	assert_int_equal(web->table_size, 65536);
	assert_int_equal(web->forward, LEAT_FORWARD_IPIP);
	assert_int_equal(web->probe.type, PROBE_NONE);
	assert_int_equal(web->backends[0].weight, 100);
}

static void a_probe_takes_defaults_and_the_port_of_its_service(void **state)
{
	cleanup(config_freep) struct config *config = parse_good(PROBE("{ type: http }"));
	const struct probe_config *probe = &config->services[0].probe;

	(void)state;
	assert_int_equal(probe->type, PROBE_HTTP);
	assert_int_equal(probe->port, 80);
	assert_int_equal(probe->interval_ms, 1000);
	assert_int_equal(probe->timeout_ms, 500);
	assert_int_equal(probe->rise, 2);
	assert_int_equal(probe->fall, 3);
	assert_string_equal(probe->path, "/");
	assert_null(probe->host);
	assert_null(probe->body);
	assert_int_equal(probe->status_count, 1);
	assert_int_equal(probe->status[0].least, 200);
	assert_int_equal(probe->status[0].most, 399);
	assert_true(probe->verify);
}

static void an_icmp_probe_has_no_port(void **state)
{
	cleanup(config_freep) struct config *config =
		parse_good(PROBE("{ type: icmp, interval: 100ms }"));
	const struct probe_config *probe = &config->services[0].probe;

	(void)state;
	assert_int_equal(probe->port, 0);
	assert_int_equal(probe->timeout_ms, 50);
	assert_null(probe->path);
}

static void lists_of_services_and_backends_may_be_empty(void **state)
{
	cleanup(config_freep) struct config *none =
		parse_good("interfaces: [eth0]\nservices: []\n");
	cleanup(config_freep) struct config *one = parse_good(HEAD WEB "  backends: []\n");

	(void)state;
	assert_int_equal(none->service_count, 0);
	assert_int_equal(one->services[0].backend_count, 0);
}

static void metrics_can_be_switched_off(void **state)
{
	cleanup(config_freep) struct config *config =
		parse_good("interfaces: [eth0]\nmetrics: { listen: none }\nservices: []\n");

	(void)state;
	assert_null(config->metrics_listen);
}

static void a_byte_order_mark_is_no_column(void **state)
{
	(void)state;
	config_free(parse_good("\xef\xbb\xbfinterfaces: [eth0]\nservices: []\n"));
	expect_errors("\xef\xbb\xbfmode: fast\ninterfaces: [eth0]\nservices: []\n",
		      ERROR(1, 7, "mode: \"fast\" is not allowed, use auto, native or generic"));
}

static void the_example_is_right(void **state)
{
	cleanup(config_freep) struct config *config = NULL;
	struct config_errors errors;
	int r = config_file_load("examples/leat.yaml", &config, &errors);
	cleanup(freep) char *shown = config_errors_format(&errors);

	(void)state;
	config_errors_deinit(&errors);
	assert_string_equal(shown, "");
	assert_int_equal(r, 0);
}

static void many_errors_are_found_in_one_pass_and_sorted(void **state)
{
	(void)state;
	expect_errors(
		"mdoe: auto\n"
		"seed: 12\n"
		"services:\n"
		"- name: web\n"
		"  address: 192.0.2.10\n"
		"  port: http\n"
		"  protocol: tcp\n"
		"  backends:\n"
		"  - { name: a b, address: 198.51.100.1 }\n"
		"  - { name: web2, address: 198.51.100.1, weight: -1 }\n"
		"- name: web\n"
		"  address: ::1\n"
		"  port: 80\n"
		"  protocol: tcp\n"
		"  backends: 7\n",
		ERROR(1, 1, "\"mdoe\" is not a key of the file, did you mean mode? allowed are " FILE_KEYS) ERROR(
			1, 1, "the file needs the key interfaces")
			ERROR(2, 7, "seed: \"12\" is not allowed, use 16 hexadecimal digits") ERROR(
				6, 9,
				"port: \"http\" is not allowed, use a number from 1 to 65535, or any")
				ERROR(9, 13,
				      "name: \"a b\" is not allowed, use 1 to 63 letters, digits and the "
				      "characters \"-\", \"_\" and \".\"") ERROR(10, 28,
										 "address: the service's backend at line 9 has 198.51.100.1 too, "
										 "addresses must differ")
					ERROR(10, 50,
					      "weight: \"-1\" is not allowed, use a number from 0 to 65535")
						ERROR(11, 9,
						      "name: the service at line 4 is called web too, names must differ")
							ERROR(12, 12,
							      "address: \"::1\" is not allowed, use a unicast address, as 192.0.2.1 "
							      "for IPv4 or 2001:db8::1 for IPv6")
								ERROR(15, 13,
								      "backends: \"7\" is not allowed, use a list of backends, which may be "
								      "empty: []"));
}

static void more_errors_than_are_kept_are_mentioned(void **state)
{
	cleanup(freep) char *text = NULL;
	struct config_errors errors;
	struct config *config = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	assert_non_null(out);
	for (int i = 0; i < CONFIG_FILE_MAX_ERRORS + 20; i++)
		fprintf(out, "unknown%d: 1\n", i);
	fclose(out);

	assert_int_equal(config_file_parse("f", text, size, &config, &errors), -EINVAL);
	assert_int_equal(errors.count, CONFIG_FILE_MAX_ERRORS + 1);
	assert_int_equal(errors.list[0].line, 1);
	assert_string_equal(errors.list[CONFIG_FILE_MAX_ERRORS].text,
			    "more is wrong than these 100 errors");
	config_errors_deinit(&errors);
}

static void unknown_keys_are_errors_that_list_what_is_allowed(void **state)
{
	(void)state;
	expect_errors("interfaces: [eth0]\nservices: []\nzzzzzzzz: 1\n",
		      ERROR(3, 1, "\"zzzzzzzz\" is not a key of the file, allowed are " FILE_KEYS));
	expect_errors(HEAD WEB "  table-size: 64\n  backends: []\n",
		      ERROR(7, 3,
			    "\"table-size\" is not a key of a service, did you mean "
			    "table_size? allowed are " SERVICE_KEYS));
	expect_errors(BACKENDS("  - { name: web1, address: 198.51.100.1, wieght: 1 }\n"),
		      ERROR(8, 42,
			    "\"wieght\" is not a key of a backend, did you mean weight? "
			    "allowed are name, address, weight, server_id, port"));
	expect_errors("interfaces: [eth0]\ncontrol: { sockets: /x }\nservices: []\n",
		      ERROR(2, 12,
			    "\"sockets\" is not a key of control, did you mean socket? "
			    "allowed are socket, group"));
}

static void missing_keys_are_named(void **state)
{
	(void)state;
	expect_errors("mode: auto\n", ERROR(1, 1, "the file needs the key interfaces")
					      ERROR(1, 1, "the file needs the key services"));
	expect_errors(HEAD "- { hash: flow }\n",
		      ERROR(3, 3, "a service needs the key address")
			      ERROR(3, 3, "a service needs the key backends")
				      ERROR(3, 3, "a service needs the key name")
					      ERROR(3, 3, "a service needs the key port") ERROR(
						      3, 3, "a service needs the key protocol"));
	expect_errors(BACKENDS("  - {}\n"), ERROR(8, 5, "a backend needs the key address")
						    ERROR(8, 5, "a backend needs the key name"));
	expect_errors(PROBE("{ port: 81 }"), ERROR(7, 10, "a probe needs the key type"));
}

static void a_key_that_stands_twice_is_an_error(void **state)
{
	(void)state;
	expect_errors("interfaces: [eth0]\nmode: auto\nmode: native\nservices: []\n",
		      ERROR(3, 1, "mode: a key is allowed once, the first is at line 2"));
	expect_errors(PROBE("{ type: http, path: /a, path: /b }"),
		      ERROR(7, 34, "path: a key is allowed once, the first is at line 7"));
}

static void a_value_of_the_wrong_kind_is_an_error(void **state)
{
	(void)state;
	expect_errors("interfaces: eth0\nservices: []\n",
		      ERROR(1, 13,
			    "interfaces: \"eth0\" is not allowed, use a list of interfaces, "
			    "such as [eth0]"));
	expect_errors("interfaces: [eth0]\nservices:\n",
		      ERROR(2, 10,
			    "services: an empty value is not allowed, use a list of "
			    "services, which may be empty: []"));
	expect_errors("interfaces: [eth0]\nmode: [auto]\nservices: []\n",
		      ERROR(2, 7, "mode: a list is not allowed, use auto, native or generic"));
	expect_errors("interfaces: [eth0]\nseed: {}\nservices: []\n",
		      ERROR(2, 7, "seed: a mapping is not allowed, use 16 hexadecimal digits"));
	expect_errors(HEAD "- web\n",
		      ERROR(3, 3,
			    "services: \"web\" is not allowed, use a mapping with the keys "
			    "of a service: " SERVICE_KEYS));
	expect_errors("[]", ERROR(1, 1,
				  "the file: a list is not allowed, use a mapping with the "
				  "keys of the file: " FILE_KEYS));
	expect_errors("interfaces: [eth0]\nmetrics: none\nservices: []\n",
		      ERROR(2, 10,
			    "metrics: \"none\" is not allowed, use a mapping with the keys "
			    "of metrics: listen"));
}

static void interfaces_are_one_to_64_different_names(void **state)
{
	(void)state;
	expect_errors("interfaces: []\nservices: []\n",
		      ERROR(1, 13, "interfaces: the list has 0 interfaces, 1 to 64 are allowed"));
	expect_errors("interfaces: [eth0, eth1, eth0]\nservices: []\n",
		      ERROR(1, 26, "interfaces: eth0 is in the list already, names must differ"));
	expect_errors(
		"interfaces: [eth0123456789abc, a/b, '', '..']\nservices: []\n",
		ERROR(1, 14,
		      "interfaces: \"eth0123456789abc\" is not allowed, use an "
		      "interface's name of 1 to 15 characters")
			ERROR(1, 32,
			      "interfaces: \"a/b\" is not allowed, use an interface's name of "
			      "1 to 15 characters")
				ERROR(1, 37,
				      "interfaces: an empty value is not allowed, use an interface's "
				      "name of 1 to 15 characters")
					ERROR(1, 41,
					      "interfaces: \"..\" is not allowed, use an interface's name of 1 "
					      "to 15 characters"));
}

static void top_level_values_are_checked(void **state)
{
	(void)state;
	expect_errors(
		"interfaces: [eth0]\n"
		"next_hop: 01:00:5e:00:00:01\n"
		"outer_source: [10.0.0.0/8, 10.1.0.0/16, 127.0.0.0/8, 10.0.0.0/33]\n"
		"control: { socket: leat.sock, group: a b }\n"
		"metrics: { listen: localhost }\n"
		"state: ''\n"
		"services: []\n",
		ERROR(2, 11,
		      "next_hop: \"01:00:5e:00:00:01\" is not allowed, use a unicast "
		      "MAC address, such as 02:00:00:00:00:01")
			ERROR(3, 28,
			      "outer_source: a second IPv4 prefix, one of each family is "
			      "allowed") ERROR(3, 41,
					       "outer_source: \"127.0.0.0/8\" is not allowed, use a unicast "
					       "prefix, such as 172.16.0.0/16 or 100::/64")
				ERROR(3, 54,
				      "outer_source: \"10.0.0.0/33\" is not allowed, use a unicast "
				      "prefix, such as 172.16.0.0/16 or 100::/64")
					ERROR(4, 20,
					      "socket: \"leat.sock\" is not allowed, use a file's whole path, "
					      "from / on and of at most 107 bytes")
						ERROR(4, 38,
						      "group: \"a b\" is not allowed, use 1 to 63 letters, digits and "
						      "the characters \"-\", \"_\" and \".\"")
							ERROR(5, 20,
							      "listen: \"localhost\" is not allowed, use an address and port, "
							      "such as 127.0.0.1:9817 or \"[::1]:9817\", or none")
								ERROR(6, 8,
								      "state: an empty value is not allowed, use a file's whole path, "
								      "from / on and of at most 1024 bytes"));
}

static void values_of_a_service_are_checked(void **state)
{
	(void)state;
	expect_errors(
		HEAD "- name: \"\"\n"
		     "  address: ::ffff:192.0.2.1\n"
		     "  port: 0\n"
		     "  protocol: sctp\n"
		     "  scheduler: random\n"
		     "  hash: both\n"
		     "  table: ring\n"
		     "  table_size: 63\n"
		     "  forward: gre\n"
		     "  backends: []\n",
		ERROR(3, 9,
		      "name: an empty value is not allowed, use 1 to 63 letters, digits "
		      "and the characters \"-\", \"_\" and \".\"") ERROR(4, 12,
									 "address: \"::ffff:192.0.2.1\" is not allowed, use a unicast "
									 "address, as 192.0.2.1 for IPv4 or 2001:db8::1 for IPv6")
			ERROR(5, 9,
			      "port: \"0\" is not allowed, use a number from 1 to 65535, or any")
				ERROR(6, 13, "protocol: \"sctp\" is not allowed, use tcp or udp") ERROR(
					7, 14,
					"scheduler: \"random\" is not allowed, use hash, round-robin or least-connections")
					ERROR(8, 9, "hash: \"both\" is not allowed, use flow or source") ERROR(
						9, 10,
						"table: \"ring\" is not allowed, use rendezvous or maglev")
						ERROR(10, 15,
						      "table_size: \"63\" is not allowed, use a number from 64 to "
						      "1048576")
							ERROR(11, 12,
							      "forward: \"gre\" is not allowed, use l2, ipip, gue or nat"));
}

static void every_scheduler_is_read(void **state)
{
	cleanup(config_freep) struct config *round_robin =
		parse_good(HEAD WEB "  scheduler: round-robin\n  backends: []\n");
	cleanup(config_freep) struct config *least =
		parse_good(HEAD WEB "  scheduler: least-connections\n  backends: []\n");

	(void)state;
	assert_int_equal(round_robin->services[0].scheduler, LEAT_SCHEDULER_ROUND_ROBIN);
	assert_int_equal(least->services[0].scheduler, LEAT_SCHEDULER_LEAST_CONNECTIONS);
}

#define STICKY_WITH_HASH                                                                           \
	"sticky: not a key of the scheduler hash, it belongs to round-robin and "                  \
	"least-connections; hash: source keeps a client on one backend"

static void sticky_goes_with_schedulers_that_remember_flows(void **state)
{
	cleanup(config_freep) struct config *none =
		parse_good(HEAD WEB "  sticky: 0\n  backends: []\n");
	cleanup(config_freep) struct config *longest =
		parse_good(HEAD WEB "  sticky: 12h\n  scheduler: round-robin\n  backends: []\n");

	(void)state;
	assert_int_equal(none->services[0].sticky_ms, 0);
	assert_int_equal(longest->services[0].sticky_ms, 43200000);
	expect_errors(HEAD WEB "  sticky: 30m\n  backends: []\n", ERROR(7, 11, STICKY_WITH_HASH));
	expect_errors(HEAD WEB "  sticky: 30m\n  scheduler: hash\n  backends: []\n",
		      ERROR(7, 11, STICKY_WITH_HASH));
	expect_errors(HEAD WEB "  sticky: 30m\n  scheduler: random\n  backends: []\n",
		      ERROR(8, 14,
			    "scheduler: \"random\" is not allowed, use hash, round-robin or "
			    "least-connections"));
}

static void rate_has_a_default_and_limits(void **state)
{
	cleanup(config_freep) struct config *none = parse_good(HEAD WEB "  backends: []\n");
	cleanup(config_freep) struct config *brief =
		parse_good(HEAD WEB "  rate: { new: 1000/s }\n  backends: []\n");
	cleanup(config_freep) struct config *full =
		parse_good(HEAD WEB "  rate: { new: 1000000/s, burst: 1 }\n  backends: []\n");

	(void)state;
	assert_int_equal(none->services[0].rate_new, 0);
	assert_int_equal(brief->services[0].rate_new, 1000);
	assert_int_equal(brief->services[0].rate_burst, 1000);
	assert_int_equal(full->services[0].rate_new, 1000000);
	assert_int_equal(full->services[0].rate_burst, 1);
	expect_errors(HEAD WEB "  rate: { burst: 0 }\n  backends: []\n",
		      ERROR(7, 9, "rate needs the key new")
			      ERROR(7, 18,
				    "burst: \"0\" is not allowed, use a number from 1 to 1000000"));
	expect_errors(HEAD WEB "  rate: 5\n  backends: []\n",
		      ERROR(7, 9,
			    "rate: \"5\" is not allowed, use a mapping with the keys of rate: "
			    "new, burst"));
	expect_errors(HEAD
		      "- { name: d, address: 192.0.2.1, port: 53, protocol: udp, backends: [],\n"
		      "    rate: { new: 5/s } }\n",
		      ERROR(4, 11,
			    "rate: a key of services over tcp: no datagram says that it opens a "
			    "flow"));
}

/* How many of a list's rules are so. */
static size_t rules(const struct access_list *list, enum leat_access access)
{
	return access_list_count(list, access);
}

static void sources_are_let_in_and_kept_out_by_lists(void **state)
{
	cleanup(config_freep) struct config *none =
		parse_good(HEAD WEB "  deny: []\n  backends: []\n");
	cleanup(config_freep) struct config *both = parse_good(
		"deny: [10.0.0.0/8, \"2001:db8::/32\", 192.0.2.7]\n" HEAD WEB
		"  allow: [10.0.0.0/8]\n  deny: [10.1.0.0/16, 10.1.0.0/16]\n  backends: []\n");

	(void)state;
	assert_null(none->access);
	assert_null(none->services[0].access);
	assert_int_equal(rules(both->access, LEAT_ACCESS_DENIED), 3);
	assert_false(both->access->is_closed);
	assert_true(both->services[0].access->is_closed);
	assert_int_equal(rules(both->services[0].access, LEAT_ACCESS_ALLOWED), 1);
	assert_int_equal(rules(both->services[0].access, LEAT_ACCESS_DENIED), 1);
	assert_null(both->services[0].allow_file);
	expect_errors(HEAD WEB "  allow: []\n  backends: []\n",
		      ERROR(7, 10,
			    "allow: no prefix, which would let nobody in; without the key, "
			    "everybody is"));
	expect_errors(HEAD WEB "  allow: 5\n  deny: [10.0.0.0/33]\n  backends: []\n",
		      ERROR(7, 10,
			    "allow: \"5\" is not allowed, use a list of prefixes or { file: PATH "
			    "}")
			      ERROR(8, 10,
				    "deny: \"10.0.0.0/33\" is not allowed, use a prefix, such as "
				    "192.0.2.0/24 or 2001:db8::/32"));
	expect_errors("allow: [10.0.0.0/8]\n" HEAD WEB "  backends: []\n",
		      ERROR(1, 1, "\"allow\" is not a key of the file, allowed are " FILE_KEYS));
}

struct list_file {
	const char *text;
	const char *error; /* behind the file's name */
};

static void lists_in_files_say_which_line_is_wrong(void **state)
{
	static const struct list_file files[] = {
		{ "10.0.0.0/8\n# all\n\n x\n10.0.0.0/99\n",
		  ", line 4: no prefix, such as 192.0.2.0/24 or 2001:db8::/32" },
		{ "10.0.0.0/8 10.1.0.0/16\n",
		  ", line 1: no prefix, such as 192.0.2.0/24 or 2001:db8::/32" },
		{ "10.0.0.0/8\n\t2001:db8::/32 # both\r\n192.0.2.1", NULL },
	};
	char path[] = "/tmp/leat-t-list-XXXXXX", text[512], expected[512];
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	snprintf(text, sizeof(text), HEAD WEB "  deny: { file: %s }\n  backends: []\n", path);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		size_t size = strlen(files[i].text);

		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(pwrite(fd, files[i].text, size, 0), size);
		snprintf(expected, sizeof(expected), "f:7:9: deny: %s%s\n", path,
			 files[i].error ?: "");
		if (files[i].error) {
			expect_errors(text, expected);
		} else {
			cleanup(config_freep) struct config *config = parse_good(text);

			assert_int_equal(rules(config->services[0].access, LEAT_ACCESS_DENIED), 3);
			assert_string_equal(config->services[0].deny_file, path);
		}
	}
	close(fd);
	unlink(path);
}

static void what_is_no_file_of_prefixes_is_refused(void **state)
{
	(void)state;
	expect_errors(HEAD WEB "  deny: { file: /dev/zero }\n  backends: []\n",
		      ERROR(7, 9, "deny: /dev/zero cannot be read: Invalid argument"));
	expect_errors(HEAD WEB "  deny: { file: /nowhere }\n  backends: []\n",
		      ERROR(7, 9, "deny: /nowhere cannot be read: No such file or directory"));
	expect_errors(HEAD WEB "  deny: { file: here }\n  backends: []\n",
		      ERROR(7, 17,
			    "file: \"here\" is not allowed, use a file's whole path, from / on and "
			    "of at most 1024 bytes"));
	expect_errors(HEAD WEB "  deny: { }\n  backends: []\n",
		      ERROR(7, 9, "a list of prefixes needs the key file"));
}

static void what_is_no_rate_is_refused(void **state)
{
	static const char *const texts[] = { "5",    "/s",    "0/s",	    "1000001/s", "5/m",
					     "5/ss", "5/s/s", "12345678/s", "-1/s",	 "[5/s]" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		char text[512];
		struct config_errors errors;
		struct config *config = NULL;
		int size = snprintf(text, sizeof(text),
				    HEAD WEB "  rate: { new: %s }\n  backends: []\n", texts[i]);

		assert_int_equal(config_file_parse("f", text, (size_t)size, &config, &errors),
				 -EINVAL);
		assert_int_equal(errors.count, 1);
		config_errors_deinit(&errors);
	}
}

static void gue_ping_and_fragments_have_defaults_and_limits(void **state)
{
	cleanup(config_freep) struct config *plain = parse_good(HEAD WEB "  backends: []\n");
	cleanup(config_freep) struct config *full =
		parse_good(HEAD WEB "  forward: gue\n  gue_port: 5555\n  ping: no\n"
				    "  fragments: hash\n  backends: []\n");

	(void)state;
	assert_int_equal(plain->services[0].gue_port, 6080);
	assert_true(plain->services[0].ping);
	assert_false(plain->services[0].hashes_fragments);
	assert_int_equal(full->services[0].forward, LEAT_FORWARD_GUE);
	assert_int_equal(full->services[0].gue_port, 5555);
	assert_false(full->services[0].ping);
	assert_true(full->services[0].hashes_fragments);
	expect_errors(HEAD WEB "  gue_port: 5555\n  backends: []\n",
		      ERROR(7, 13,
			    "gue_port: a key of forward: gue, and this service has forward: ipip"));
	expect_errors(HEAD WEB "  forward: gre\n  gue_port: 65536\n  fragments: keep\n"
			       "  backends: []\n",
		      ERROR(7, 12, "forward: \"gre\" is not allowed, use l2, ipip, gue or nat")
			      ERROR(8, 13,
				    "gue_port: \"65536\" is not allowed, use a number from 1 to "
				    "65535")
				      ERROR(9, 14,
					    "fragments: \"keep\" is not allowed, use drop or "
					    "hash"));
}

static void one_service_of_an_address_and_protocol_gets_fragments(void **state)
{
	(void)state;
	expect_errors(
		HEAD WEB "  fragments: hash\n  backends: []\n"
			 "- { name: b, address: 192.0.2.10, port: 81, protocol: tcp,\n"
			 "    fragments: hash, backends: [] }\n",
		ERROR(10, 16,
		      "fragments: the service at line 3 has the same address and protocol and "
		      "fragments: hash too; a fragment without ports can go to one of them "
		      "only"));
}

static void times_of_a_service_are_checked(void **state)
{
	(void)state;
	expect_errors(
		HEAD WEB "  scheduler: round-robin\n"
			 "  sticky: 13h\n"
			 "  slow_start: 999ms\n"
			 "  idle: { tcp: 999ms, udp: 43201s, other: 1s }\n"
			 "  backends: []\n",
		ERROR(8, 11,
		      "sticky: \"13h\" is not allowed, use a duration from 1s to 12h, in ms, s, m or "
		      "h, or 0 for none")
			ERROR(9, 15,
			      "slow_start: \"999ms\" is not allowed, use a duration from 1s to 1h, in "
			      "ms, s, m or h, or 0 for none")
				ERROR(10, 16,
				      "tcp: \"999ms\" is not allowed, use a duration from 1s to 12h, in "
				      "ms, s, m or h")
					ERROR(10, 28,
					      "udp: \"43201s\" is not allowed, use a duration from 1s to "
					      "12h, in ms, s, m or h")
						ERROR(10, 36,
						      "\"other\" is not a key of idle, allowed are tcp, "
						      "udp"));
	expect_errors(
		HEAD WEB "  idle: 15m\n  backends: []\n",
		ERROR(7, 9,
		      "idle: \"15m\" is not allowed, use a mapping with the keys of idle: tcp, "
		      "udp"));
}

static uint32_t flows_of(const char *number)
{
	char text[64];
	cleanup(config_freep) struct config *config = NULL;

	snprintf(text, sizeof(text), "interfaces: [eth0]\nflows: %s\nservices: []\n", number);
	config = parse_good(text);
	return config->flows;
}

static void flows_are_rounded_up_to_a_power_of_two(void **state)
{
	(void)state;
	assert_int_equal(flows_of("16384"), 16384);
	assert_int_equal(flows_of("16385"), 32768);
	assert_int_equal(flows_of("262144"), 262144);
	assert_int_equal(flows_of("8388609"), 16777216);
	assert_int_equal(flows_of("16777216"), 16777216);
	expect_errors("interfaces: [eth0]\nflows: 16383\nservices: []\n",
		      ERROR(2, 8,
			    "flows: \"16383\" is not allowed, use a number from 16384 to "
			    "16777216"));
	expect_errors("interfaces: [eth0]\nflows: 16777217\nservices: []\n",
		      ERROR(2, 8,
			    "flows: \"16777217\" is not allowed, use a number from 16384 to "
			    "16777216"));
}

static void a_maglev_table_has_a_prime_number_of_slots(void **state)
{
	cleanup(config_freep) struct config *config =
		parse_good(HEAD WEB "  table_size: 1048573\n  table: maglev\n  backends: []\n");

	(void)state;
	assert_int_equal(config->services[0].table_size, 1048573);
	expect_errors(HEAD WEB "  table_size: 1048574\n  table: maglev\n  backends: []\n",
		      ERROR(7, 15,
			    "table_size: \"1048574\" is not allowed, use a smaller number: "
			    "maglev takes the next prime, and 1048576 slots are the most"));
}

static void values_of_a_probe_are_checked(void **state)
{
	(void)state;
	expect_errors(PROBE("{ type: ping }"),
		      ERROR(7, 18,
			    "type: \"ping\" is not allowed, use tcp, http, https, udp or "
			    "icmp"));
	expect_errors(
		PROBE("{ type: tcp, port: any, interval: 9ms, timeout: 1, rise: 0, fall: 101 }"),
		ERROR(7, 29, "port: \"any\" is not allowed, use a number from 1 to 65535") ERROR(
			7, 44,
			"interval: \"9ms\" is not allowed, use a duration from 10ms to "
			"1h, in ms, s, m or h")
			ERROR(7, 58,
			      "timeout: \"1\" is not allowed, use a duration from 1ms to 1h, in "
			      "ms, s, m or h") ERROR(7, 67,
						     "rise: \"0\" is not allowed, use a number from 1 to 100")
				ERROR(7, 76,
				      "fall: \"101\" is not allowed, use a number from 1 to 100"));
	expect_errors(PROBE("{ type: https, verify: maybe, body: '' }"),
		      ERROR(7, 33, "verify: \"maybe\" is not allowed, use yes, no, true or false")
			      ERROR(7, 46,
				    "body: an empty value is not allowed, use a text of 1 to 512 "
				    "bytes"));
}

static void a_timeout_is_at_most_the_interval(void **state)
{
	(void)state;
	config_free(parse_good(PROBE("{ type: tcp, timeout: 1s }")));
	expect_errors(PROBE("{ type: tcp, timeout: 1001ms }"),
		      ERROR(7, 32,
			    "timeout: \"1001ms\" is not allowed, use at most the interval, "
			    "1000ms"));
}

static void status_codes_are_numbers_ranges_or_lists(void **state)
{
	static const char *const wrong[] = { "99",   "600", "300-200",	  "200-",
					     "-200", "2xx", "200-399-400" };
	cleanup(config_freep) struct config *config =
		parse_good(PROBE("{ type: http, status: 204 }"));

	(void)state;
	assert_int_equal(config->services[0].probe.status[0].most, 204);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		char text[256], expected[256];

		snprintf(text, sizeof(text), PROBE("{ type: http, status: %s }"), wrong[i]);
		snprintf(expected, sizeof(expected),
			 ERROR(7, 32,
			       "status: \"%s\" is not allowed, use a code from 100 to 599, a "
			       "range such as 200-399, or a list of these"),
			 wrong[i]);
		expect_errors(text, expected);
	}
	expect_errors(PROBE("{ type: http, status: [] }"),
		      ERROR(7, 32, "status: the list is empty, it needs a code or a range"));
	expect_errors(PROBE("{ type: http, status: [200,201,202,203,204,205,206,207,208] }"),
		      ERROR(7, 65, "status: too many ranges, at most 8"));
}

static void what_goes_into_a_request_cannot_end_it(void **state)
{
	(void)state;
	expect_errors(PROBE("{ type: http, path: \"/a\\r\\nX: y\", host: \"a\\nb\" }"),
		      ERROR(7, 30,
			    "path: \"/a??X: y\" is not allowed, use a path from / on, of at "
			    "most 1024 printable ASCII characters without spaces and #")
			      ERROR(7, 50,
				    "host: \"a?b\" is not allowed, use a host's name: 1 to 253 "
				    "letters, digits, \"-\", \"_\" and \".\""));
	expect_errors(PROBE("{ type: http, path: healthz }"),
		      ERROR(7, 30,
			    "path: \"healthz\" is not allowed, use a path from / on, of at "
			    "most 1024 printable ASCII characters without spaces and #"));
}

static void bytes_are_hex_pairs_or_text(void **state)
{
	(void)state;
	expect_errors(
		PROBE("{ type: tcp, send: hex:0, expect: hex:zz }"),
		ERROR(7, 29,
		      "send: \"hex:0\" is not allowed, use 1 to 512 bytes, as text or "
		      "as hex: and two digits for each")
			ERROR(7, 44,
			      "expect: \"hex:zz\" is not allowed, use 1 to 512 bytes, as text "
			      "or as hex: and two digits for each"));
	expect_errors(
		PROBE("{ type: tcp, send: \"a\\0b\" }"),
		ERROR(7, 29, "a NUL character is not allowed, bytes are written as hex:00ff"));
}

static char *repeat(const char *piece, size_t count)
{
	size_t length = strlen(piece);
	char *text = malloc(length * count + 1);

	assert_non_null(text);
	for (size_t i = 0; i < count; i++)
		memcpy(text + i * length, piece, length);
	text[length * count] = '\0';
	return text;
}

/* A probe that sends `count` bytes to a backend whose name is as long as it may be. */
static char *write_long_send(size_t count)
{
	cleanup(freep) char *bytes = repeat("x", count), *name = repeat("n", CONFIG_MAX_NAME);
	char *text = NULL;

	assert_true(asprintf(&text,
			     HEAD WEB "  probe: { type: tcp, send: %s }\n  backends:\n"
				      "  - { name: %s, address: 198.51.100.1 }\n",
			     bytes, name) > 0);
	return text;
}

static void texts_may_be_as_long_as_their_bounds(void **state)
{
	cleanup(freep) char *longest = write_long_send(CONFIG_MAX_BYTES);
	cleanup(freep) char *longer = write_long_send(CONFIG_MAX_BYTES + 1);
	cleanup(config_freep) struct config *config = parse_good(longest);

	(void)state;
	assert_int_equal(config->services[0].probe.send.size, CONFIG_MAX_BYTES);
	assert_int_equal(strlen(config->services[0].backends[0].name), CONFIG_MAX_NAME);
	expect_errors(longer,
		      ERROR(7, 29,
			    "send: \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...\" is not "
			    "allowed, use 1 to 512 bytes, as text or as hex: and two digits "
			    "for each"));
	expect_errors(BACKENDS("  - { name: n123456789012345678901234567890123456789012345678901234"
			       "567890123, address: 198.51.100.1 }\n"),
		      ERROR(8, 13,
			    "name: \"n12345678901234567890123456789012345678901...\" is not "
			    "allowed, use 1 to 63 letters, digits and the characters \"-\", "
			    "\"_\" and \".\""));
}

static void keys_of_another_type_of_probe_are_errors(void **state)
{
	(void)state;
	expect_errors(
		PROBE("{ type: icmp, port: 80, path: /, send: a }"),
		ERROR(7, 24,
		      "port: not a key of a probe of type icmp, it belongs to tcp, "
		      "http, https and udp")
			ERROR(7, 34,
			      "path: not a key of a probe of type icmp, it belongs to http and "
			      "https")
				ERROR(7, 43,
				      "send: not a key of a probe of type icmp, it belongs to tcp and "
				      "udp"));
	expect_errors(
		PROBE("{ type: http, verify: no }"),
		ERROR(7, 24, "verify: not a key of a probe of type http, it belongs to https"));
}

static void a_udp_probe_needs_something_to_send(void **state)
{
	(void)state;
	expect_errors(PROBE("{ type: udp }"),
		      ERROR(7, 10, "probe: the key send is needed by a probe of type udp"));
}

static void a_probe_needs_a_port_when_its_service_has_any(void **state)
{
	(void)state;
	expect_errors(HEAD "- { name: web, address: 192.0.2.10, port: any, protocol: tcp,\n"
			   "    probe: { type: tcp }, backends: [] }\n",
		      ERROR(4, 12,
			    "probe: the key port is needed, because the service has any "
			    "port"));
}

static void services_differ_in_name_and_in_address_port_or_protocol(void **state)
{
	(void)state;
	config_free(parse_good(HEAD WEB
			       "  backends: []\n"
			       "- { name: b, address: 192.0.2.10, port: 80, protocol: udp, "
			       "backends: [] }\n"
			       "- { name: c, address: 192.0.2.10, port: any, protocol: tcp, "
			       "backends: [] }\n"));
	expect_errors(
		HEAD WEB "  backends: []\n"
			 "- { name: web, address: 192.0.2.11, port: 80, protocol: tcp, "
			 "backends: [] }\n"
			 "- { name: b, address: 192.0.2.10, port: 80, protocol: tcp, "
			 "backends: [] }\n",
		ERROR(8, 11,
		      "name: the service at line 3 is called web too, names must "
		      "differ")
			ERROR(9, 23,
			      "address: the service at line 3 has 192.0.2.10, port 80 and tcp "
			      "too, one of them must differ"));
	expect_errors(HEAD "- { name: a, address: '2001:db8::1', port: any, protocol: udp, "
			   "backends: [] }\n"
			   "- { name: b, address: '2001:DB8:0::1', port: any, protocol: udp, "
			   "backends: [] }\n",
		      ERROR(4, 23,
			    "address: the service at line 3 has 2001:db8::1, port any and "
			    "udp too, one of them must differ"));
}

static void backends_of_a_service_differ_in_name_and_address(void **state)
{
	(void)state;
	expect_errors(
		BACKENDS("  - { name: web1, address: 198.51.100.1 }\n"
			 "  - { name: web1, address: 198.51.100.2 }\n"
			 "  - { name: web3, address: 198.51.100.1 }\n"),
		ERROR(9, 13,
		      "name: the service's backend at line 8 is called web1 too, names "
		      "must differ")
			ERROR(10, 28,
			      "address: the service's backend at line 8 has 198.51.100.1 too, "
			      "addresses must differ"));
}

static void a_backends_name_stands_for_one_address(void **state)
{
	static const char other[] = "- name: other\n  address: 192.0.2.11\n  port: 80\n"
				    "  protocol: tcp\n  backends:\n";
	char text[512];

	(void)state;
	snprintf(text, sizeof(text),
		 BACKENDS("  - { name: web1, address: 198.51.100.1 }\n%s"
			  "  - { name: web1, address: 198.51.100.1 }\n"),
		 other);
	config_free(parse_good(text));
	snprintf(text, sizeof(text),
		 BACKENDS("  - { name: web1, address: 198.51.100.1 }\n%s"
			  "  - { name: web1, address: 198.51.100.2 }\n"),
		 other);
	expect_errors(text, ERROR(14, 13,
				  "name: web1 is 198.51.100.1 at line 8, one name must stand "
				  "for one address"));
}

static void l2_carries_one_family(void **state)
{
	(void)state;
	expect_errors(HEAD WEB "  forward: l2\n  backends:\n"
			       "  - { name: web1, address: '2001:db8::1' }\n",
		      ERROR(9, 28,
			    "address: an IPv6 backend cannot have packets of an IPv4 "
			    "service, because l2 carries a packet unchanged; use one family "
			    "or forward: ipip"));
}

#define POOL(nat) "interfaces: [eth0]\nnat: " nat "\nservices:\n"
#define NAT_WEB	  WEB "  forward: nat\n"

static void nat_has_a_pool_and_ports(void **state)
{
	cleanup(config_freep) struct config *brief =
		parse_good(POOL("{ addresses: [198.51.100.2] }") NAT_WEB
			   "  backends: [{ name: web1, address: 198.51.100.11 }]\n");
	cleanup(config_freep) struct config *full =
		parse_good(POOL("{ addresses: ['2001:db8::2', 198.51.100.2, 198.51.100.3], ports: "
				"80-65535 }") NAT_WEB
			   "  backends: [{ name: web1, address: 198.51.100.11, port: 8080 }]\n");
	const struct nat_config *nat = &full->nat;

	(void)state;
	assert_int_equal(brief->services[0].forward, LEAT_FORWARD_NAT);
	assert_int_equal(brief->services[0].backends[0].port, 0);
	assert_int_equal(brief->nat.counts[NAT_IPV4], 1);
	assert_int_equal(brief->nat.counts[NAT_IPV6], 0);
	assert_int_equal(brief->nat.first_port, 1024);
	assert_int_equal(brief->nat.last_port, 32767);
	assert_int_equal(full->services[0].backends[0].port, 8080);
	assert_int_equal(nat->counts[NAT_IPV4], 2);
	assert_int_equal(nat->counts[NAT_IPV6], 1);
	assert_true(address_is_ipv4(&nat->addresses[NAT_IPV4][1]));
	assert_int_equal(nat->first_port, 80);
	assert_int_equal(nat->last_port, 65535);
}

static void what_is_no_pool_is_refused(void **state)
{
	(void)state;
	expect_errors(
		"interfaces: [eth0]\n"
		"nat: { addresses: [198.51.100.2, 127.0.0.1, 198.51.100.2], ports: 9-8 }\n"
		"services: []\n",
		ERROR(2, 34,
		      "addresses: \"127.0.0.1\" is not allowed, use a unicast address, as "
		      "192.0.2.1 for IPv4 or 2001:db8::1 for IPv6")
			ERROR(2, 45,
			      "addresses: 198.51.100.2 is in the list already, addresses must differ")
				ERROR(2, 67,
				      "ports: \"9-8\" is not allowed, use the first and the last port, "
				      "such as 1024-32767"));
	expect_errors("interfaces: [eth0]\nnat: { ports: 1-70000 }\nservices: []\n",
		      ERROR(2, 6, "nat needs the key addresses")
			      ERROR(2, 15,
				    "ports: \"1-70000\" is not allowed, use the first and the last "
				    "port, such as 1024-32767"));
}

static void nat_needs_an_address_of_the_family(void **state)
{
	(void)state;
	expect_errors(POOL("{ addresses: ['2001:db8::2'] }") NAT_WEB "  backends: []\n",
		      ERROR(8, 12,
			    "forward: nat needs an IPv4 address to send from, in the file's nat: { "
			    "addresses: [...] }"));
	expect_errors(HEAD WEB "  forward: nat\n  fragments: hash\n  backends: []\n",
		      ERROR(7, 12,
			    "forward: nat needs an IPv4 address to send from, in the file's nat: { "
			    "addresses: [...] }")
			      ERROR(8, 14,
				    "fragments: fragments of a service with forward: nat are not "
				    "translated; leave hash out"));
}

static void nat_translates_within_a_family(void **state)
{
	(void)state;
	expect_errors(POOL("{ addresses: [198.51.100.2] }") NAT_WEB
		      "  backends:\n  - { name: web1, address: '2001:db8::1' }\n",
		      ERROR(10, 28,
			    "address: an IPv6 backend cannot have packets of an IPv4 "
			    "service, because nat translates within a family; use one family or "
			    "forward: ipip"));
}

static void only_nat_gives_a_backend_a_port(void **state)
{
	(void)state;
	expect_errors(
		BACKENDS("  - { name: web1, address: 198.51.100.1, port: 8080 }\n"),
		ERROR(8, 48, "port: a key of forward: nat, and this service has forward: ipip"));
}

/* Whatever it forwards by: its packets would be taken for replies, or the other way round. */
static void a_pools_ports_are_no_services(void **state)
{
	static const char apart[] =
		"nat takes the ports 1024 to 32767 of this address for flows to "
		"backends; use another port, address or range";
	cleanup(config_freep) struct config *config =
		parse_good(POOL("{ addresses: [192.0.2.10] }") WEB "  backends: []\n");
	char expected[256];

	(void)state;
	assert_int_equal(config->nat.counts[NAT_IPV4], 1);
	snprintf(expected, sizeof(expected), "f:4:41: port: %s\n", apart);
	expect_errors(
		POOL("{ addresses: [192.0.2.10] }") "- { name: a, address: 192.0.2.10, port: any, protocol: udp, backends: [] }\n",
		expected);
	expect_errors(
		POOL("{ addresses: [192.0.2.10] }") "- { name: a, address: 192.0.2.10, port: 32767, protocol: udp, backends: [] }\n",
		expected);
}

static void a_backend_has_an_address_of_its_own(void **state)
{
	(void)state;
	expect_errors(BACKENDS("  - { name: web1, address: 192.0.2.10 }\n"),
		      ERROR(8, 28,
			    "address: \"192.0.2.10\" is not allowed, use the backend's own "
			    "address, not the service's"));
}

/* Services of `each` backends until there are `total` of these. A service takes five lines and one
 * for each of its backends; every address and name is new. */
static char *write_backends(unsigned int total, unsigned int each)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	fputs(HEAD, out);
	for (unsigned int i = 0; i < total; i++) {
		if (i % each == 0)
			fprintf(out,
				"- name: s%u\n  address: 192.0.2.1\n  port: %u\n"
				"  protocol: tcp\n  backends:\n",
				i, i / each + 1);
		fprintf(out, "  - {name: b%u, address: '2001:db8::%x:%x'}\n", i, i >> 16,
			(i & 0xffff) + 1);
	}
	fclose(out);
	return text;
}

static void as_many_backends_as_the_maps_hold_are_allowed(void **state)
{
	cleanup(freep) char *most = write_backends(LEAT_MAX_BACKENDS - 1, 4096);
	cleanup(freep) char *too_many = write_backends(LEAT_MAX_BACKENDS, 4096);
	cleanup(config_freep) struct config *config = parse_good(most);

	(void)state;
	assert_int_equal(config->service_count, 8);
	assert_int_equal(config->services[7].backend_count, 4095);
	expect_errors(too_many, ERROR(32810, 5,
				      "backends: the file has 32768 backends in all, at most 32767 "
				      "are allowed"));
}

static void lists_that_are_too_long_are_errors(void **state)
{
	cleanup(freep) char *services = write_backends(4097, 1);
	cleanup(freep) char *backends = write_backends(4097, 4097);

	(void)state;
	expect_errors(services, ERROR(24579, 3,
				      "services: the list has 4097 items, at most 4096 "
				      "are allowed"));
	expect_errors(backends, ERROR(4104, 5,
				      "backends: the list has 4097 items, at most 4096 "
				      "are allowed"));
}

static void anchors_aliases_and_tags_are_refused(void **state)
{
	(void)state;
	expect_errors(
		"interfaces: &a [eth0]\nmode: !!str auto\nservices: *a\n",
		ERROR(1, 13, "an anchor (&) is not allowed, write the value where it is used")
			ERROR(2, 7, "a tag (!) is not allowed, write the plain value") ERROR(
				3, 11,
				"an alias (*) is not allowed, write the value where it is used"));
	expect_errors("%TAG !e! tag:example.com,2000:\n---\ninterfaces: [eth0]\nservices: []\n",
		      ERROR(1, 1, "a %TAG directive is not allowed, as tags are not"));
	expect_errors(
		"a: &x 1\n*x : 2\n",
		ERROR(1, 4, "an anchor (&) is not allowed, write the value where it is used")
			ERROR(2, 1, "a key is a word, not a list, a mapping or an alias") ERROR(
				2, 1,
				"an alias (*) is not allowed, write the value where it is used"));
}

/* The parser compares each with all before it, in whatever document. */
static void tag_directives_by_the_thousand_are_refused_at_once(void **state)
{
	cleanup(freep) char *directives = repeat("%TAG !a! b\n", 400000);
	cleanup(freep) char *text = NULL;

	(void)state;
	assert_true(asprintf(&text, "# a comment\n\n%%YAML 1.1\n%s", directives) > 0);
	expect_errors(text, ERROR(4, 1, "a %TAG directive is not allowed, as tags are not"));
	free(text);
	assert_true(asprintf(&text, "--- a\n...\n%s", directives) > 0);
	expect_errors(text, ERROR(3, 1, "a %TAG directive is not allowed, as tags are not"));
}

static void keys_are_words(void **state)
{
	(void)state;
	expect_errors("? [a, b]\n: c\n",
		      ERROR(1, 3, "a key is a word, not a list, a mapping or an alias"));
}

static void a_second_document_is_refused(void **state)
{
	(void)state;
	config_free(parse_good("---\ninterfaces: [eth0]\nservices: []\n...\n"));
	expect_errors("interfaces: [eth0]\nmode: x\nservices: []\n---\nmode: auto\n",
		      ERROR(2, 7, "mode: \"x\" is not allowed, use auto, native or generic")
			      ERROR(4, 1, "a second document starts here, a file holds one"));
}

static void an_empty_file_is_refused(void **state)
{
	(void)state;
	expect_errors("",
		      ERROR(1, 1, "the file is empty, it needs at least interfaces and services"));
	expect_errors("# nothing\n",
		      ERROR(1, 1, "the file is empty, it needs at least interfaces and services"));
}

static void broken_yaml_is_refused_where_it_breaks(void **state)
{
	(void)state;
	expect_errors("interfaces: [eth0\nservices: []\n",
		      ERROR(2, 9,
			    "not valid YAML: did not find expected ',' or ']' while parsing a "
			    "flow sequence that starts at line 1"));
	expect_errors("interfaces: [eth0]\n\tservices: []\n",
		      ERROR(2, 1,
			    "not valid YAML: found character that cannot start any token "
			    "while scanning for the next token"));
	expect_errors(
		"mode: auto: native\n",
		ERROR(1, 11, "not valid YAML: mapping values are not allowed in this context"));
}

static void binary_files_are_refused(void **state)
{
	static const char elf[] = "\x7f"
				  "ELF\x02\x01\x01\x00\x00";
	static const char utf16[] = "\xff\xfei\0n\0";

	(void)state;
	expect_errors_of(elf, sizeof(elf),
			 ERROR(1, 1,
			       "control characters are not allowed, the file must be UTF-8 "
			       "text"));
	expect_errors_of(utf16, sizeof(utf16),
			 ERROR(1, 1, "invalid leading UTF-8 octet, the file must be UTF-8 text"));
	expect_errors("interfaces: [eth0]\nmode: \xc3\xa4\xff\n",
		      ERROR(2, 8, "invalid leading UTF-8 octet, the file must be UTF-8 text"));
}

static void depth_is_bounded(void **state)
{
	cleanup(freep) char *lists = repeat("[", 100000);
	cleanup(freep) char *maps = repeat("{a: ", 100000);
	cleanup(freep) char *dashes = repeat("- ", 100000);

	(void)state;
	expect_errors(lists, ERROR(1, 17, "nested too deeply, at most 16 levels"));
	expect_errors(maps, ERROR(1, 65, "nested too deeply, at most 16 levels"));
	expect_errors(dashes, ERROR(1, 33, "nested too deeply, at most 16 levels"));
}

static void sizes_are_bounded(void **state)
{
	cleanup(freep) char *huge = repeat("a", CONFIG_FILE_MAX_SIZE);
	cleanup(freep) char *larger = repeat("a", CONFIG_FILE_MAX_SIZE + 1);
	cleanup(freep) char *nodes = repeat("- a\n", 800000);

	(void)state;
	expect_errors(huge,
		      ERROR(1, 1,
			    "the file: \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...\" is "
			    "not allowed, use a mapping with the keys of the file: " FILE_KEYS));
	expect_errors(larger, "f: larger than 8388608 bytes, which is the most\n");
	expect_errors(nodes, ERROR(786432, 3, "the file holds more than 786432 values"));
}

static void a_file_that_cannot_be_read_says_why(void **state)
{
	struct config_errors errors;
	struct config *config = NULL;

	(void)state;
	assert_int_equal(config_file_load("/nonexistent/leat.yaml", &config, &errors), -ENOENT);
	assert_null(config);
	assert_int_equal(errors.count, 1);
	assert_int_equal(errors.list[0].line, 0);
	assert_string_equal(errors.list[0].file, "/nonexistent/leat.yaml");
	assert_string_equal(errors.list[0].text, "cannot be read: No such file or directory");
	config_errors_deinit(&errors);
	assert_int_equal(config_file_load("/", &config, &errors), -EISDIR);
	config_errors_deinit(&errors);
}

static uint64_t random_state;

/* xorshift64 (Marsaglia 2003). */
static size_t random_below(size_t bound)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (size_t)(random_state % bound);
}

/* One to eight times: overwrites a byte, or copies a piece of the text over another place. */
static void mutate(char *text, size_t size)
{
	static const char bytes[] = "\n\t :-,[]{}&*!|>'\"%@#?0a~\xff";
	size_t times = 1 + random_below(8);

	for (size_t i = 0; i < times; i++) {
		size_t length = random_below(40), from = random_below(size - length);
		size_t to = random_below(size - length);

		if (random_below(2) == 0)
			memmove(text + to, text + from, length);
		else
			text[to] = bytes[random_below(sizeof(bytes))];
	}
}

static void a_mutated_file_is_read_or_explained(void **state)
{
	char text[sizeof(everything)];
	size_t size = sizeof(everything) - 1;

	(void)state;
	if (getrandom(&random_state, sizeof(random_state), 0) < 0 || random_state == 0)
		random_state = 1;
	print_message("seed %" PRIu64 "\n", random_state);
	for (int i = 0; i < 5000; i++) {
		struct config_errors errors;
		struct config *config = NULL;
		int r;

		memcpy(text, everything, sizeof(text));
		mutate(text, size);
		r = config_file_parse("f", text, size, &config, &errors);
		assert_int_equal(r, errors.count > 0 ? -EINVAL : 0);
		assert_int_equal(config != NULL, r == 0);
		for (size_t e = 1; e < errors.count; e++)
			assert_true(errors.list[e - 1].line <= errors.list[e].line);
		if (config)
			config_free(config);
		config_errors_deinit(&errors);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_top_level_key_is_read),
		cmocka_unit_test(every_key_of_a_service_is_read),
		cmocka_unit_test(every_key_of_an_https_probe_is_read),
		cmocka_unit_test(bytes_are_read_as_text_and_as_hex),
		cmocka_unit_test(what_is_left_out_has_its_default),
		cmocka_unit_test(a_probe_takes_defaults_and_the_port_of_its_service),
		cmocka_unit_test(an_icmp_probe_has_no_port),
		cmocka_unit_test(lists_of_services_and_backends_may_be_empty),
		cmocka_unit_test(metrics_can_be_switched_off),
		cmocka_unit_test(a_byte_order_mark_is_no_column),
		cmocka_unit_test(the_example_is_right),
		cmocka_unit_test(many_errors_are_found_in_one_pass_and_sorted),
		cmocka_unit_test(more_errors_than_are_kept_are_mentioned),
		cmocka_unit_test(unknown_keys_are_errors_that_list_what_is_allowed),
		cmocka_unit_test(missing_keys_are_named),
		cmocka_unit_test(a_key_that_stands_twice_is_an_error),
		cmocka_unit_test(a_value_of_the_wrong_kind_is_an_error),
		cmocka_unit_test(interfaces_are_one_to_64_different_names),
		cmocka_unit_test(top_level_values_are_checked),
		cmocka_unit_test(values_of_a_service_are_checked),
		cmocka_unit_test(every_scheduler_is_read),
		cmocka_unit_test(sticky_goes_with_schedulers_that_remember_flows),
		cmocka_unit_test(rate_has_a_default_and_limits),
		cmocka_unit_test(what_is_no_rate_is_refused),
		cmocka_unit_test(sources_are_let_in_and_kept_out_by_lists),
		cmocka_unit_test(lists_in_files_say_which_line_is_wrong),
		cmocka_unit_test(what_is_no_file_of_prefixes_is_refused),
		cmocka_unit_test(gue_ping_and_fragments_have_defaults_and_limits),
		cmocka_unit_test(one_service_of_an_address_and_protocol_gets_fragments),
		cmocka_unit_test(times_of_a_service_are_checked),
		cmocka_unit_test(flows_are_rounded_up_to_a_power_of_two),
		cmocka_unit_test(a_maglev_table_has_a_prime_number_of_slots),
		cmocka_unit_test(values_of_a_probe_are_checked),
		cmocka_unit_test(a_timeout_is_at_most_the_interval),
		cmocka_unit_test(status_codes_are_numbers_ranges_or_lists),
		cmocka_unit_test(what_goes_into_a_request_cannot_end_it),
		cmocka_unit_test(bytes_are_hex_pairs_or_text),
		cmocka_unit_test(texts_may_be_as_long_as_their_bounds),
		cmocka_unit_test(keys_of_another_type_of_probe_are_errors),
		cmocka_unit_test(a_udp_probe_needs_something_to_send),
		cmocka_unit_test(a_probe_needs_a_port_when_its_service_has_any),
		cmocka_unit_test(services_differ_in_name_and_in_address_port_or_protocol),
		cmocka_unit_test(backends_of_a_service_differ_in_name_and_address),
		cmocka_unit_test(a_backends_name_stands_for_one_address),
		cmocka_unit_test(l2_carries_one_family),
		cmocka_unit_test(nat_has_a_pool_and_ports),
		cmocka_unit_test(what_is_no_pool_is_refused),
		cmocka_unit_test(nat_needs_an_address_of_the_family),
		cmocka_unit_test(nat_translates_within_a_family),
		cmocka_unit_test(only_nat_gives_a_backend_a_port),
		cmocka_unit_test(a_pools_ports_are_no_services),
		cmocka_unit_test(a_backend_has_an_address_of_its_own),
		cmocka_unit_test(as_many_backends_as_the_maps_hold_are_allowed),
		cmocka_unit_test(lists_that_are_too_long_are_errors),
		cmocka_unit_test(anchors_aliases_and_tags_are_refused),
		cmocka_unit_test(tag_directives_by_the_thousand_are_refused_at_once),
		cmocka_unit_test(keys_are_words),
		cmocka_unit_test(a_second_document_is_refused),
		cmocka_unit_test(an_empty_file_is_refused),
		cmocka_unit_test(broken_yaml_is_refused_where_it_breaks),
		cmocka_unit_test(binary_files_are_refused),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(sizes_are_bounded),
		cmocka_unit_test(a_file_that_cannot_be_read_says_why),
		cmocka_unit_test(a_mutated_file_is_read_or_explained),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
