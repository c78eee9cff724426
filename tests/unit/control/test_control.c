/* SPDX-License-Identifier: GPL-2.0-only */
#include "control/control.h"

#include <jansson.h>
#include <math.h>
#include <sys/stat.h>

#include "config/config_file.h"
#include "control/control_status.h"
#include "tests/unit/control/harness.h"
#include "tests/unit/sample_access.h"

#define NOBODY	   65534
#define NAME_OF_64 "0123456789012345678901234567890123456789012345678901234567890123"

struct fixture {
	struct harness harness;
	unsigned int refreshed, reloaded, changed, imported;
	bool is_now;	     /* of the last reload */
	json_t *history;     /* to be exported; NULL: that fails with `result` */
	char *imported_json; /* the last history that was imported */
	struct control_change change;
	int denied;
	struct control_deny deny; /* the last one, without its prefixes */
	struct prefix deny_first;
	int result;
	const char *error;
};

static void refresh(void *user)
{
	struct fixture *fixture = user;

	fixture->refreshed++;
}

static int reload(void *user, bool is_now, char **ret_error)
{
	struct fixture *fixture = user;

	fixture->reloaded++;
	fixture->is_now = is_now;
	if (fixture->error)
		*ret_error = strdup(fixture->error);
	return fixture->result;
}

static int change(void *user, const struct control_change *wanted, char **ret_error)
{
	struct fixture *fixture = user;

	fixture->changed++;
	fixture->change = *wanted;
	if (fixture->error)
		*ret_error = strdup(fixture->error);
	return fixture->result;
}

static int deny(void *user, const struct control_deny *wanted, char **ret_error)
{
	struct fixture *fixture = user;

	fixture->denied++;
	fixture->deny = *wanted;
	fixture->deny.prefixes = NULL;
	fixture->deny_first = wanted->prefixes[0];
	if (fixture->error)
		*ret_error = strdup(fixture->error);
	return fixture->result;
}

static int export_history(void *user, json_t **ret_history)
{
	struct fixture *fixture = user;

	if (!fixture->history)
		return fixture->result;
	*ret_history = json_incref(fixture->history);
	return 0;
}

static int import_history(void *user, const json_t *history, char **ret_error)
{
	struct fixture *fixture = user;

	fixture->imported++;
	free(fixture->imported_json);
	fixture->imported_json = json_dumps(history, JSON_COMPACT);
	if (fixture->error)
		*ret_error = strdup(fixture->error);
	return fixture->result;
}

static const struct control_operations operations = {
	.refresh = refresh,
	.reload = reload,
	.change = change,
	.deny = deny,
	.export_history = export_history,
	.import_history = import_history,
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	harness_begin(&fixture->harness, &operations, fixture);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	json_decref(fixture->history);
	free(fixture->imported_json);
	harness_end(&fixture->harness);
	free(fixture);
	return 0;
}

/* Without a socket. Returns the reply's document. */
static json_t *handle_as(struct fixture *fixture, uid_t uid, const char *method, const char *path,
			 const char *body, unsigned int status)
{
	struct http_request request = {
		.method = method,
		.path = path,
		.body = body,
		.body_len = strlen(body),
		.peer_uid = uid,
	};
	struct http_response response = { 0 };
	json_t *json;

	control_handle(fixture->harness.control, &request, &response);
	assert_int_equal(response.status, status);
	assert_string_equal(response.content_type, "application/json");
	assert_int_equal(strlen(response.body), response.body_len);
	json = json_loads(response.body, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(json);
	free(response.body);
	return json;
}

static json_t *get(struct fixture *fixture, const char *path)
{
	return handle_as(fixture, NOBODY, "GET", path, "", 200);
}

static void expect_error(struct fixture *fixture, json_t *json)
{
	(void)fixture;
	assert_int_equal(json_object_size(json), 1);
	assert_true(json_string_length(json_object_get(json, "error")) > 0);
	json_decref(json);
}

/* `expected` is JSON; the order of keys does not matter, every key does. */
static void expect_json(const json_t *json, const char *expected)
{
	cleanup(json_decrefp) json_t *wanted =
		json_loads(expected, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
	cleanup(freep) char *text = json_dumps(json, JSON_SORT_KEYS | JSON_ENCODE_ANY);
	cleanup(freep) char *wanted_text = NULL;

	assert_non_null(wanted);
	wanted_text = json_dumps(wanted, JSON_SORT_KEYS | JSON_ENCODE_ANY);
	assert_string_equal(text, wanted_text);
}

static void post_ok(struct fixture *fixture, const char *path, const char *body)
{
	json_decref(handle_as(fixture, 0, "POST", path, body, 200));
}

#define NO_FLOWS                                                                                   \
	"\"flows\":0,\"flows_counted\":false,\"closing_flows\":0,\"previous_slots\":0,"            \
	"\"silent_s\":0,\"is_drained\":false,\"leaving\":false,\"ramp_percent\":100,"
#define WEB1                                                                                       \
	"{\"service\":\"web\",\"name\":\"web1\",\"address\":\"198.51.100.11\",\"weight\":100,"     \
	"\"configured_weight\":100,\"state\":\"up\",\"operator\":null,\"operator_weight\":null,"   \
	"\"reason\":\"not probed yet\",\"changed\":1700000001,\"packets\":1001,\"bytes\":64001,"   \
	"\"packets_per_second\":1.5,\"bytes_per_second\":96.0," NO_FLOWS                           \
	"\"share\":0.25,\"slots\":256,"                                                            \
	"\"next_hop\":{\"state\":\"resolved\",\"interface\":\"edge0\","                            \
	"\"mac\":\"02:00:00:00:00:11\",\"gateway\":true}}"
#define WEB2                                                                                       \
	"{\"service\":\"web\",\"name\":\"web2\",\"address\":\"198.51.100.12\",\"weight\":40,"      \
	"\"configured_weight\":100,\"state\":\"draining\",\"operator\":\"drain\","                 \
	"\"operator_weight\":40,\"reason\":\"not probed yet\",\"changed\":1700000002,"             \
	"\"packets\":1002,\"bytes\":64002,\"packets_per_second\":1.5,\"bytes_per_second\":96.0,"   \
	"\"flows\":12,\"flows_counted\":true,\"closing_flows\":3,\"previous_slots\":512,"          \
	"\"silent_s\":870,\"is_drained\":false,\"leaving\":false,\"ramp_percent\":100,"            \
	"\"share\":0.5,\"slots\":512,\"next_hop\":{\"state\":\"pending\",\"interface\":null,"      \
	"\"mac\":null,\"gateway\":false}}"
#define DNS1                                                                                       \
	"{\"service\":\"dns\",\"name\":\"dns1\",\"address\":\"2001:db8::53\",\"weight\":100,"      \
	"\"configured_weight\":100,\"state\":\"up\",\"operator\":null,\"operator_weight\":null,"   \
	"\"reason\":\"not probed yet\",\"changed\":1700000004,\"packets\":1004,\"bytes\":64004,"   \
	"\"packets_per_second\":1.5,\"bytes_per_second\":96.0,\"flows\":7,\"flows_counted\":true," \
	"\"closing_flows\":0,\"previous_slots\":0,\"silent_s\":0,\"is_drained\":false,"            \
	"\"leaving\":false,\"ramp_percent\":100,\"share\":0.5,\"slots\":1024,"                     \
	"\"next_hop\":{\"state\":\"no_route\",\"interface\":null,\"mac\":null,\"gateway\":false}}"
#define DNS                                                                                        \
	"{\"name\":\"dns\",\"address\":\"2001:db8::10\",\"port\":\"any\",\"protocol\":\"udp\","    \
	"\"scheduler\":\"round-robin\",\"hash\":\"source\",\"table\":\"maglev\","                  \
	"\"table_size\":2048,\"forward\":\"l2\",\"idle_ms\":30000,\"slow_start_ms\":0,"            \
	"\"sticky_ms\":1800000,\"open_slots\":0,"                                                  \
	"\"probe\":null,\"packets\":0,\"bytes\":0,\"packets_per_second\":0.0,"                     \
	"\"bytes_per_second\":0.0,\"refused\":{},\"backends\":[" DNS1 "]}"

/* A size of which the share is a short decimal. */
static void round_dns(struct sample_node *sample)
{
	sample->dns.config.table_size = 2048;
	sample->dns1.slots = 1024;
}

static void services_are_shown_with_every_key(void **state)
{
	struct fixture *fixture = *state;
	cleanup(json_decrefp) json_t *list = NULL;
	json_t *web;

	round_dns(&fixture->harness.sample);
	list = get(fixture, "/v1/services");
	assert_int_equal(json_array_size(list), 2);
	expect_json(json_array_get(list, 1), DNS);
	web = json_array_get(list, 0);
	expect_json(json_object_get(web, "refused"), "{\"no_backend\":9,\"denied\":3}");
	assert_int_equal(json_array_size(json_object_get(web, "backends")), 3);
	assert_int_equal(json_integer_value(json_object_get(web, "port")), 80);
	assert_string_equal(json_string_value(json_object_get(web, "scheduler")), "hash");
	assert_int_equal(json_integer_value(json_object_get(web, "idle_ms")), 900000);
	assert_int_equal(json_integer_value(json_object_get(web, "slow_start_ms")), 30000);
	assert_int_equal(json_integer_value(json_object_get(web, "sticky_ms")), 0);
	assert_int_equal(json_integer_value(json_object_get(web, "open_slots")), 512);
	expect_json(json_object_get(web, "probe"),
		    "{\"type\":\"http\",\"port\":8080,\"interval_ms\":1000,\"timeout_ms\":800,"
		    "\"rise\":2,\"fall\":3}");
	assert_int_equal(fixture->refreshed, 1);
}

static void backends_are_shown_with_every_key(void **state)
{
	struct fixture *fixture = *state;
	cleanup(json_decrefp) json_t *list = NULL;

	round_dns(&fixture->harness.sample);
	list = get(fixture, "/v1/backends");
	assert_int_equal(json_array_size(list), 4);
	expect_json(json_array_get(list, 0), WEB1);
	expect_json(json_array_get(list, 1), WEB2);
	expect_json(json_array_get(list, 3), DNS1);
	assert_int_equal(fixture->refreshed, 1);
}

static void a_backend_that_leaves_is_shown_as_such_and_is_not_configured(void **state)
{
	struct fixture *fixture = *state;
	struct backend *web2 = &fixture->harness.sample.web2;
	cleanup(json_decrefp) json_t *list = NULL, *config = NULL;
	json_t *json;

	web2->is_leaving = true;
	health_update(&web2->health, true);
	web2->flows = (struct backend_flows){ .is_counted = true, .since_us = 1 };
	list = get(fixture, "/v1/backends");
	json = json_array_get(list, 1);
	assert_true(json_is_true(json_object_get(json, "leaving")));
	assert_true(json_is_true(json_object_get(json, "is_drained")));
	config = get(fixture, "/v1/config");
	json = json_object_get(json_array_get(json_object_get(config, "services"), 0), "backends");
	assert_int_equal(json_array_size(json), 2);
	assert_string_equal(json_string_value(json_object_get(json_array_get(json, 1), "name")),
			    "web3");
}

static void a_backend_that_starts_slowly_says_how_far_it_is(void **state)
{
	cleanup(json_decrefp) json_t *list = get(*state, "/v1/backends");
	json_t *web3 = json_array_get(list, 2);

	assert_int_equal(json_integer_value(json_object_get(web3, "ramp_percent")), 25);
}

static void static_next_hop_goes_before_what_the_kernel_says(void **state)
{
	struct fixture *fixture = *state;
	cleanup(json_decrefp) json_t *list = NULL;

	fixture->harness.sample.config.has_next_hop = true;
	fixture->harness.sample.config.next_hop = (struct mac){ { 2, 0, 0, 0, 0, 1 } };
	list = get(fixture, "/v1/backends");
	expect_json(json_object_get(json_array_get(list, 0), "next_hop"),
		    "{\"state\":\"static\",\"interface\":null,\"mac\":\"02:00:00:00:00:01\","
		    "\"gateway\":false}");
}

static void numbers_are_finite_and_texts_are_unicode(void **state)
{
	struct fixture *fixture = *state;
	struct backend *web1 = &fixture->harness.sample.web1;
	cleanup(json_decrefp) json_t *list = NULL;
	json_t *json;

	web1->rate = (struct counter_rate){ .packets_per_s = NAN, .bytes_per_s = INFINITY };
	web1->counter.packets = UINT64_MAX;
	strcpy(web1->reason, "caf\xe9 \"x\"\n");
	list = get(fixture, "/v1/backends");
	json = json_array_get(list, 0);
	assert_true(json_real_value(json_object_get(json, "packets_per_second")) == 0);
	assert_true(json_real_value(json_object_get(json, "bytes_per_second")) == 0);
	assert_int_equal(json_integer_value(json_object_get(json, "packets")), INT64_MAX);
	assert_string_equal(json_string_value(json_object_get(json, "reason")), "caf? \"x\"\n");
}

static void stats_list_every_reason_in_order_and_add_up(void **state)
{
	static const char *const labels[] = {
#define X(name, verdict, label, text) label,
		LEAT_REASONS(X)
#undef X
	};
	cleanup(json_decrefp) json_t *stats = get(*state, "/v1/stats");
	json_t *reasons = json_object_get(stats, "reasons");
	json_t *totals = json_object_get(stats, "totals");

	assert_int_equal(json_object_size(stats), 3);
	assert_int_equal(json_array_size(reasons), LEAT_REASON_COUNT);
	for (size_t i = 0; i < LEAT_REASON_COUNT; i++)
		assert_string_equal(
			json_string_value(json_object_get(json_array_get(reasons, i), "reason")),
			labels[i]);
	expect_json(json_array_get(reasons, LEAT_NO_BACKEND),
		    "{\"reason\":\"no_backend\",\"verdict\":\"drop\","
		    "\"text\":\"the service has no usable backend\",\"packets\":9,\"bytes\":800,"
		    "\"packets_per_second\":0.5,\"bytes_per_second\":50.0}");
	assert_int_equal(json_object_size(totals), 4);
	expect_json(json_object_get(totals, "forwarded"),
		    "{\"packets\":23,\"bytes\":2100,\"packets_per_second\":1.0,"
		    "\"bytes_per_second\":100.0}");
	expect_json(json_object_get(totals, "passed"),
		    "{\"packets\":45,\"bytes\":3800,\"packets_per_second\":3.5,"
		    "\"bytes_per_second\":350.0}");
	assert_non_null(json_object_get(totals, "dropped"));
}

static void stats_list_every_event_of_the_memory_of_flows_in_order(void **state)
{
	static const char *const labels[] = {
#define X(name, label, text) label,
		LEAT_EVENTS(X)
#undef X
	};
	cleanup(json_decrefp) json_t *stats = get(*state, "/v1/stats");
	json_t *events = json_object_get(stats, "flow_events");

	assert_int_equal(json_array_size(events), LEAT_EVENT_COUNT);
	for (size_t i = 0; i < LEAT_EVENT_COUNT; i++)
		assert_string_equal(
			json_string_value(json_object_get(json_array_get(events, i), "event")),
			labels[i]);
	expect_json(json_array_get(events, LEAT_EVENT_REMEMBERED),
		    "{\"event\":\"remembered\",\"text\":\"a flow sent its second packet and is "
		    "remembered from then on\",\"count\":10}");
}

static void add_event(struct fixture *fixture, enum event_kind kind, const char *text)
{
	struct event event = { .time_ms = 1700000000123, .kind = kind, .service = "web" };

	snprintf(event.text, sizeof(event.text), "%s", text);
	event_ring_add(&fixture->harness.sample.node.events, &event);
}

static void events_are_shown_with_every_key(void **state)
{
	struct fixture *fixture = *state;
	cleanup(json_decrefp) json_t *none = get(fixture, "/v1/events"), *events = NULL;

	expect_json(none, "{\"events\":[],\"lost\":0,\"last\":0}");
	add_event(fixture, EVENT_BACKEND_DOWN, "web/\xffweb1 is \"down\"");
	events = get(fixture, "/v1/events");
	expect_json(events, "{\"events\":[{\"number\":1,\"time_ms\":1700000000123,"
			    "\"kind\":\"backend_down\",\"level\":\"warning\",\"service\":\"web\","
			    "\"backend\":null,\"text\":\"web/?web1 is \\\"down\\\"\"}],"
			    "\"lost\":0,\"last\":1}");
}

static bool status_has(const struct fixture *fixture, const char *text)
{
	cleanup(json_decrefp) json_t *status = control_status_json(&fixture->harness.sample.node);
	cleanup(freep) char *dump = json_dumps(status, JSON_COMPACT);

	assert_non_null(dump);
	return strstr(dump, text) != NULL;
}

static void the_status_names_no_source(void **state)
{
	struct fixture *fixture = *state;

	add_event(fixture, EVENT_SOURCE_DENIED, "203.0.113.7/32: denied by the operator");
	add_event(fixture, EVENT_BACKEND_UP, "web/web1 is up");
	assert_true(status_has(fixture, "web/web1 is up"));
	assert_true(status_has(fixture, "source_denied"));
	assert_false(status_has(fixture, "203.0.113.7"));
}

#define MANY (CONTROL_STATUS_BACKENDS + 10)

static void of_many_backends_the_status_has_those_in_trouble(void **state)
{
	struct fixture *fixture = *state;
	struct service *web = &fixture->harness.sample.web;
	struct backend *list[MANY], many[MANY];
	json_t *service, *backends;
	cleanup(json_decrefp) json_t *status = NULL;

	for (size_t i = 0; i < MANY; i++) {
		many[i] = fixture->harness.sample.web1;
		snprintf(many[i].config.name, sizeof(many[i].config.name), "web%zu", i);
		many[i].state = i == MANY - 1 ? BACKEND_DOWN : BACKEND_UP;
		list[i] = &many[i];
	}
	web->backends = list;
	web->backend_count = MANY;
	status = control_status_json(&fixture->harness.sample.node);
	service = json_array_get(json_object_get(status, "services"), 0);
	backends = json_object_get(service, "backends");
	assert_int_equal(json_integer_value(json_object_get(service, "backend_count")), MANY);
	assert_int_equal(json_integer_value(json_object_get(service, "up_count")), MANY - 1);
	assert_int_equal(json_array_size(backends), CONTROL_STATUS_BACKENDS);
	expect_json(json_object_get(json_array_get(backends, CONTROL_STATUS_BACKENDS - 1), "state"),
		    "\"down\"");
}

static void node_is_shown_with_every_key(void **state)
{
	cleanup(json_decrefp) json_t *node = get(*state, "/v1/node");

	assert_int_equal(json_integer_value(json_object_get(node, "pid")), getpid());
	assert_true(json_integer_value(json_object_get(node, "uptime_s")) > 0);
	json_object_del(node, "pid");
	json_object_del(node, "uptime_s");
	expect_json(node,
		    "{\"version\":\"" LEAT_VERSION "\",\"layout\":6,\"started\":1700000000,"
		    "\"config\":\"/etc/leat.yaml\",\"config_version\":\"none\","
		    "\"trial\":null,\"interfaces\":[{\"name\":\"edge0\","
		    "\"ifindex\":7,\"mode\":\"native\",\"attached\":true,\"dispatcher\":false,"
		    "\"reused\":false,\"program_id\":42}],\"reused\":{\"maps\":true,"
		    "\"program\":false,\"backends\":3},\"maps\":[{\"name\":\"services\","
		    "\"entries\":2,\"capacity\":4096},{\"name\":\"backends\",\"entries\":4,"
		    "\"capacity\":32768}],\"flow_memory\":{\"remembered\":22,\"capacity\":262144,"
		    "\"old\":5,\"half_open\":4,\"half_open_capacity\":65536,\"clients\":2,"
		    "\"client_capacity\":32768},\"reload\":{\"success\":true,"
		    "\"timestamp\":1700000001}}");
}

static void config_has_the_keys_of_the_file(void **state)
{
	struct fixture *fixture = *state;
	cleanup(json_decrefp) json_t *config = NULL;
	json_t *control;

	fixture->harness.sample.web.backend_count = 1;
	fixture->harness.sample.config.has_next_hop = true;
	config = get(fixture, "/v1/config");
	control = json_object_get(config, "control");
	assert_string_equal(json_string_value(json_object_get(control, "socket")),
			    fixture->harness.sample.socket);
	json_object_set_new(control, "socket", json_string("S"));
	expect_json(config,
		    "{\"interfaces\":[\"edge0\"],\"mode\":\"auto\",\"seed\":\"8f2c51d09b7e4a36\","
		    "\"flows\":262144,\"next_hop\":\"00:00:00:00:00:00\",\"outer_source\":["
		    "\"172.16.0.0/16\",\"100::/64\"],\"control\":{\"socket\":\"S\","
		    "\"group\":\"root\"},\"metrics\":{\"listen\":\"127.0.0.1:9817\"},"
		    "\"state\":\"/var/lib/leat/state.json\",\"services\":[{\"name\":\"web\","
		    "\"address\":\"192.0.2.10\",\"port\":80,\"protocol\":\"tcp\","
		    "\"scheduler\":\"hash\",\"hash\":\"flow\",\"table\":\"rendezvous\","
		    "\"table_size\":1024,\"forward\":\"ipip\",\"idle\":{\"tcp\":\"15m\","
		    "\"udp\":\"1m\"},\"slow_start\":\"30s\",\"probe\":{\"type\":\"http\","
		    "\"port\":8080,\"interval\":\"1s\",\"timeout\":\"800ms\",\"rise\":2,"
		    "\"fall\":3,\"path\":\"/healthz\",\"status\":[\"200-399\"]},\"backends\":["
		    "{\"name\":\"web1\",\"address\":\"198.51.100.11\",\"weight\":100}]},"
		    "{\"name\":\"dns\",\"address\":\"2001:db8::10\",\"port\":\"any\","
		    "\"protocol\":\"udp\",\"scheduler\":\"round-robin\",\"hash\":\"source\","
		    "\"table\":\"maglev\",\"table_size\":1031,\"forward\":\"l2\","
		    "\"idle\":{\"tcp\":\"15m\",\"udp\":\"30s\"},\"sticky\":\"30m\",\"backends\":["
		    "{\"name\":\"dns1\",\"address\":\"2001:db8::53\",\"weight\":100}]}]}");
}

static void what_a_service_does_with_packets_is_shown_where_it_is_no_default(void **state)
{
	struct fixture *fixture = *state;
	struct service_config *web = &fixture->harness.sample.web.config;
	cleanup(json_decrefp) json_t *json = NULL;
	json_t *shown;

	web->forward = LEAT_FORWARD_GUE;
	web->gue_port = 5555;
	web->ping = false;
	web->hashes_fragments = true;
	web->rate_new = 1000;
	web->rate_burst = 200;
	web->access = sample_access("10.0.0.0/8");
	fixture->harness.sample.config.deny_file = (char *)(uintptr_t) "/etc/leat/deny";
	json = get(fixture, "/v1/config");
	shown = json_array_get(json_object_get(json, "services"), 0);
	assert_int_equal(json_integer_value(json_object_get(shown, "gue_port")), 5555);
	assert_string_equal(json_string_value(json_object_get(shown, "ping")), "no");
	assert_string_equal(json_string_value(json_object_get(shown, "fragments")), "hash");
	expect_json(json_object_get(shown, "rate"), "{\"new\":\"1000/s\",\"burst\":200}");
	expect_json(json_object_get(shown, "deny"), "[\"10.0.0.0/8\"]");
	assert_null(json_object_get(shown, "allow"));
	expect_json(json_object_get(json, "deny"), "{\"file\":\"/etc/leat/deny\"}");
	access_list_unref(take_ptr(web->access));
	fixture->harness.sample.config.deny_file = NULL;
}

static void expect_quic(struct fixture *fixture, const char *quic, const char *server_id)
{
	cleanup(json_decrefp) json_t *json = get(fixture, "/v1/config");
	json_t *shown = json_array_get(json_object_get(json, "services"), 1);
	json_t *backend = json_array_get(json_object_get(shown, "backends"), 0);
	char expected[256];

	expect_json(json_object_get(shown, "quic"), quic);
	snprintf(expected, sizeof(expected),
		 "{\"name\":\"dns1\",\"address\":\"2001:db8::53\",\"weight\":100,\"server_id\":%s}",
		 server_id);
	expect_json(backend, expected);
}

/* What is shown, read as a file. */
static void expect_quic_from_file(struct fixture *fixture)
{
	const struct service_config *dns = &fixture->harness.sample.dns.config;
	cleanup(json_decrefp) json_t *json = get(fixture, "/v1/config");
	cleanup(freep) char *text = json_dumps(json, JSON_COMPACT);
	cleanup(config_freep) struct config *config = NULL;
	struct config_errors errors = { 0 };

	assert_int_equal(config_file_parse("shown", text, strlen(text), &config, &errors), 0);
	assert_memory_equal(config->services[1].quic_lengths, dns->quic_lengths,
			    sizeof(dns->quic_lengths));
	assert_memory_equal(config->services[1].backends[0].server_ids,
			    fixture->harness.sample.dns1.config.server_ids,
			    sizeof(fixture->harness.sample.dns1.config.server_ids));
	config_errors_deinit(&errors);
}

static void quic_is_shown_in_its_plainest_form(void **state)
{
	struct fixture *fixture = *state;
	struct service_config *dns = &fixture->harness.sample.dns.config;
	struct server_id *ids = fixture->harness.sample.dns1.config.server_ids;

	dns->quic_lengths[0] = 2;
	ids[0] = (struct server_id){ 2, { 0xab, 1 } };
	expect_quic(fixture, "{\"cid\":\"quic-lb\",\"server_id_length\":2}", "\"ab01\"");
	dns->quic_lengths[6] = 2;
	ids[6] = ids[0];
	expect_quic(fixture, "{\"cid\":\"quic-lb\",\"server_id_length\":{\"0\":2,\"6\":2}}",
		    "\"ab01\"");
	ids[6] = (struct server_id){ 2, { 0xcd, 2 } };
	expect_quic(fixture, "{\"cid\":\"quic-lb\",\"server_id_length\":{\"0\":2,\"6\":2}}",
		    "{\"0\":\"ab01\",\"6\":\"cd02\"}");
	expect_quic_from_file(fixture);
}

static void nat_is_shown_where_there_is_one(void **state)
{
	struct fixture *fixture = *state;
	struct nat_config *nat = &fixture->harness.sample.config.nat;
	cleanup(json_decrefp) json_t *json = NULL;
	json_t *web, *backend;

	nat->addresses[NAT_IPV4][nat->counts[NAT_IPV4]++] = sample_address("198.51.100.2");
	nat->addresses[NAT_IPV6][nat->counts[NAT_IPV6]++] = sample_address("2001:db8::2");
	nat->first_port = 1024;
	nat->last_port = 2047;
	fixture->harness.sample.web.config.forward = LEAT_FORWARD_NAT;
	fixture->harness.sample.web1.config.port = 8081;
	json = get(fixture, "/v1/config");
	expect_json(json_object_get(json, "nat"),
		    "{\"addresses\":[\"198.51.100.2\",\"2001:db8::2\"],\"ports\":"
		    "\"1024-2047\"}");
	web = json_array_get(json_object_get(json, "services"), 0);
	assert_string_equal(json_string_value(json_object_get(web, "forward")), "nat");
	backend = json_array_get(json_object_get(web, "backends"), 0);
	assert_int_equal(json_integer_value(json_object_get(backend, "port")), 8081);
	assert_null(json_object_get(json_object_get(web, "probe"), "port"));
}

/* JSON is YAML: what is shown can be saved as the file that it came from. */
static void config_that_is_shown_is_a_configuration_file(void **state)
{
	struct fixture *fixture = *state;
	cleanup(json_decrefp) json_t *json = get(fixture, "/v1/config");
	cleanup(freep) char *text = json_dumps(json, JSON_COMPACT);
	cleanup(config_freep) struct config *config = NULL;
	struct config_errors errors = { 0 };

	assert_int_equal(config_file_parse("shown", text, strlen(text), &config, &errors), 0);
	assert_int_equal(config->service_count, 2);
	assert_int_equal(config->services[0].backend_count, 3);
	assert_memory_equal(&config->services[1].key, &fixture->harness.sample.dns.config.key,
			    sizeof(struct leat_service_key));
	assert_true(probe_config_same_run(&config->services[0].probe,
					  &fixture->harness.sample.web.config.probe));
	assert_memory_equal(&config->outer_source6, &fixture->harness.sample.config.outer_source6,
			    sizeof(struct prefix));
	assert_string_equal(config->metrics_listen, fixture->harness.sample.listen);
	assert_int_equal(config->flows, fixture->harness.sample.config.flows);
	assert_int_equal(config->services[0].slow_start_ms, 30000);
	assert_int_equal(config->services[1].scheduler, LEAT_SCHEDULER_ROUND_ROBIN);
	assert_int_equal(config->services[1].sticky_ms, 1800000);
	assert_int_equal(config->services[1].udp_idle_ms, 30000);
	config_errors_deinit(&errors);
}

static void probes_bytes_are_shown_as_the_file_writes_them(void **state)
{
	struct fixture *fixture = *state;
	unsigned char text[] = "PING", binary[] = { 0, 0xff, 'x' }, prefix[] = "hex:text";
	struct probe_config *probe = &fixture->harness.sample.web.config.probe;
	cleanup(json_decrefp) json_t *config = NULL, *other = NULL;
	json_t *json;

	*probe = (struct probe_config){ .type = PROBE_UDP,
					.port = 53,
					.interval_ms = 250,
					.timeout_ms = 200,
					.rise = 1,
					.fall = 1,
					.send = { text, 4 },
					.expect = { binary, 3 } };
	config = get(fixture, "/v1/config");
	json = json_array_get(json_object_get(config, "services"), 0);
	expect_json(json_object_get(json, "probe"),
		    "{\"type\":\"udp\",\"port\":53,\"interval\":\"250ms\",\"timeout\":\"200ms\","
		    "\"rise\":1,\"fall\":1,\"send\":\"PING\",\"expect\":\"hex:00ff78\"}");
	probe->send = (struct byte_string){ prefix, 8 };
	other = get(fixture, "/v1/config");
	json = json_array_get(json_object_get(other, "services"), 0);
	json = json_object_get(json_object_get(json, "probe"), "send");
	assert_string_equal(json_string_value(json), "hex:6865783a74657874");
}

/* Through the socket, because only there a request has a query. */
static json_t *ask(struct fixture *fixture, const char *url, long status)
{
	struct client_request request = { .url = url,
					  .unix_socket = fixture->harness.sample.socket };
	struct client_reply reply;
	json_t *json;

	assert_int_equal(client_run(fixture->harness.event, &request, &reply), CURLE_OK);
	assert_int_equal(reply.status, status);
	assert_string_equal(reply.content_type, "application/json");
	json = json_loads(reply.body, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(json);
	client_reply_deinit(&reply);
	return json;
}

static void expect_names(struct fixture *fixture, const char *url, const char *first, size_t count)
{
	cleanup(json_decrefp) json_t *list = ask(fixture, url, 200);

	assert_int_equal(json_array_size(list), count);
	assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "name")),
			    first);
}

static void queries_pick_services_and_backends(void **state)
{
	expect_names(*state, "http://leat/v1/services", "web", 2);
	expect_names(*state, "http://leat/v1/services?name=dns", "dns", 1);
	expect_names(*state, "http://leat/v1/backends?service=dns", "dns1", 1);
	expect_names(*state, "http://leat/v1/backends?name=web2", "web2", 1);
	expect_names(*state, "http://leat/v1/backends?service=web&name=web3", "web3", 1);
}

static void unknown_names_are_not_found(void **state)
{
	expect_error(*state, ask(*state, "http://leat/v1/services?name=mail", 404));
	expect_error(*state, ask(*state, "http://leat/v1/services?name=", 404));
	expect_error(*state, ask(*state, "http://leat/v1/backends?service=mail", 404));
	expect_error(*state, ask(*state, "http://leat/v1/backends?name=mail1", 404));
	expect_error(*state, ask(*state, "http://leat/v1/backends?service=dns&name=web1", 404));
}

static void unknown_paths_are_not_found(void **state)
{
	static const char *const paths[] = {
		"",
		"/",
		"/v1",
		"/v1/",
		"/v1/service",
		"/v1/services/",
		"/v1/services/web",
		"/v1//services",
		"/v1/../v1/services",
		"/v2/services",
		"/v1/config/",
		"/v1/config/reload/",
		"/v1/backends/",
		"/v1/backends/a/b",
		"/V1/services",
		("/v1/backends/" NAME_OF_64),
	};

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		expect_error(*state, handle_as(*state, 0, "GET", paths[i], "", 404));
		expect_error(*state, handle_as(*state, 0, "POST", paths[i], "{}", 404));
	}
}

static void expect_allow(struct fixture *fixture, const char *method, const char *path,
			 const char *allow)
{
	struct http_request request = { .method = method, .path = path, .body = "" };
	struct http_response response = { 0 };

	control_handle(fixture->harness.control, &request, &response);
	assert_int_equal(response.status, 405);
	assert_string_equal(response.allow, allow);
	free(response.body);
}

static void other_methods_are_refused_and_the_allowed_named(void **state)
{
	struct fixture *fixture = *state;

	expect_allow(fixture, "POST", "/v1/services", "GET, HEAD");
	expect_allow(fixture, "DELETE", "/v1/backends", "GET, HEAD");
	expect_allow(fixture, "get", "/v1/config", "GET, HEAD");
	expect_allow(fixture, "PUT", "/v1/stats", "GET, HEAD");
	expect_allow(fixture, "", "/v1/node", "GET, HEAD");
	expect_allow(fixture, "GET", "/v1/config/reload", "POST");
	expect_allow(fixture, "GET", "/v1/config/apply", "POST");
	expect_allow(fixture, "POST", "/v1/config/history", "GET, HEAD");
	expect_allow(fixture, "GET", "/v1/backends/web1", "POST");
	expect_allow(fixture, "PUT", "/v1/node/history", "GET, HEAD, POST");
	assert_int_equal(fixture->reloaded, 0);
}

static void only_root_changes_anything(void **state)
{
	struct fixture *fixture = *state;
	const char *drain = "{\"action\":\"drain\"}";

	expect_error(fixture, handle_as(fixture, NOBODY, "POST", "/v1/config/reload", "", 403));
	expect_error(fixture, handle_as(fixture, NOBODY, "POST", "/v1/config/plan", "", 403));
	expect_error(fixture, handle_as(fixture, NOBODY, "POST", "/v1/config/apply", "", 403));
	expect_error(fixture, handle_as(fixture, NOBODY, "POST", "/v1/config/rollback", "", 403));
	expect_error(fixture, handle_as(fixture, NOBODY, "POST", "/v1/config/confirm", "", 403));
	expect_error(fixture, handle_as(fixture, NOBODY, "POST", "/v1/backends/web1", drain, 403));
	expect_error(fixture,
		     handle_as(fixture, (uid_t)-1, "POST", "/v1/backends/web1", drain, 403));
	expect_error(fixture, handle_as(fixture, NOBODY, "POST", "/v1/node/history", "{}", 403));
	assert_int_equal(fixture->imported, 0);
	assert_int_equal(fixture->reloaded, 0);
	assert_int_equal(fixture->changed, 0);
}

static void reload_reports_success_and_every_failure(void **state)
{
	struct fixture *fixture = *state;
	cleanup(json_decrefp) json_t *good = NULL, *bad = NULL;

	good = handle_as(fixture, 0, "POST", "/v1/config/reload", "", 200);
	expect_json(good, "{\"reloaded\":true}");
	fixture->result = -EINVAL;
	fixture->error = "leat.yaml:3:1: no\nleat.yaml:4:1: no\n";
	bad = handle_as(fixture, 0, "POST", "/v1/config/reload", "", 400);
	expect_json(bad, "{\"error\":\"leat.yaml:3:1: no\\nleat.yaml:4:1: no\\n\"}");
	fixture->result = -EIO;
	fixture->error = NULL;
	expect_error(fixture, handle_as(fixture, 0, "POST", "/v1/config/reload", "", 500));
	assert_int_equal(fixture->reloaded, 3);
	expect_error(fixture, handle_as(fixture, 0, "POST", "/v1/config/reload", "{}", 400));
	assert_int_equal(fixture->reloaded, 3);
}

/* Through the socket. */
static void post(struct fixture *fixture, const char *url, const char *body, size_t body_len,
		 long status, const char *expected)
{
	struct client_request request = { .method = "POST",
					  .url = url,
					  .unix_socket = fixture->harness.sample.socket,
					  .body = body,
					  .body_len = body_len };
	struct client_reply reply;

	assert_int_equal(client_run(fixture->harness.event, &request, &reply), CURLE_OK);
	assert_int_equal(reply.status, status);
	if (expected)
		assert_string_equal(reply.body, expected);
	client_reply_deinit(&reply);
}

static void post_denied(struct fixture *fixture, const char *body, long status,
			const char *expected)
{
	post(fixture, "http://leat/v1/denied", body, strlen(body), status, expected);
}

static void sources_are_denied_and_let_in_again(void **state)
{
	struct fixture *fixture = *state;
	cleanup(json_decrefp) json_t *shown = NULL;
	struct prefix prefix;

	post_denied(fixture,
		    "{\"action\":\"add\",\"prefixes\":[\"10.0.0.0/8\",\"2001:db8::1\"],"
		    "\"for\":\"1500ms\"}",
		    200, "{\"denied\":[],\"configured\":0}");
	assert_int_equal(fixture->deny.count, 2);
	assert_int_equal(fixture->deny.for_s, 2);
	assert_false(fixture->deny.is_taken_back);
	assert_int_equal(prefix_parse("10.0.0.0/8", &prefix), 0);
	assert_memory_equal(&fixture->deny_first, &prefix, sizeof(prefix));
	post_denied(fixture, "{\"action\":\"delete\",\"prefixes\":[\"10.0.0.0/8\"]}", 200, NULL);
	assert_true(fixture->deny.is_taken_back);
	assert_int_equal(denied_add(&fixture->harness.sample.node.denied, &prefix, 1800000000), 0);
	fixture->harness.sample.config.access = sample_access("192.0.2.0/24");
	shown = get(fixture, "/v1/denied");
	expect_json(shown, "{\"denied\":[{\"prefix\":\"10.0.0.0/8\",\"until\":1800000000}],"
			   "\"configured\":1}");
	denied_deinit(&fixture->harness.sample.node.denied);
	access_list_unref(take_ptr(fixture->harness.sample.config.access));
}

static void what_denies_nothing_clear_is_refused(void **state)
{
	static const char *const bodies[] = {
		"",
		"[]",
		"{}",
		"{\"action\":\"add\"}",
		"{\"prefixes\":[\"10.0.0.0/8\"]}",
		"{\"action\":\"add\",\"prefixes\":[]}",
		"{\"action\":\"add\",\"prefixes\":[5]}",
		"{\"action\":\"add\",\"prefixes\":[\"10.0.0.0/8\",\"x\"]}",
		"{\"action\":\"add\",\"prefixes\":\"10.0.0.0/8\"}",
		"{\"action\":\"drop\",\"prefixes\":[\"10.0.0.0/8\"]}",
		"{\"action\":\"add\",\"prefixes\":[\"10.0.0.0/8\"],\"for\":5}",
		"{\"action\":\"add\",\"prefixes\":[\"10.0.0.0/8\"],\"for\":\"0s\"}",
		"{\"action\":\"add\",\"prefixes\":[\"10.0.0.0/8\"],\"for\":\"9000h\"}",
		"{\"action\":\"add\",\"prefixes\":[\"10.0.0.0/8\"],\"why\":\"5s\"}",
		"{\"action\":\"add\",\"action\":\"add\",\"prefixes\":[\"10.0.0.0/8\"]}",
		"{\"action\":\"delete\",\"prefixes\":[\"10.0.0.0/8\"],\"for\":\"5s\"}",
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++)
		post_denied(fixture, bodies[i], 400, NULL);
	assert_int_equal(fixture->denied, 0);
	fixture->result = -ENOENT;
	fixture->error = "10.0.0.0/8 was not denied";
	post_denied(fixture, "{\"action\":\"delete\",\"prefixes\":[\"10.0.0.0/8\"]}", 404,
		    "{\"error\":\"10.0.0.0/8 was not denied\"}");
}

static void reload_is_told_whether_to_end_things_now(void **state)
{
	struct fixture *fixture = *state;

	post(fixture, "http://leat/v1/config/reload", "", 0, 200, "{\"reloaded\":true}");
	assert_false(fixture->is_now);
	post(fixture, "http://leat/v1/config/reload?now=1", "", 0, 200, "{\"reloaded\":true}");
	assert_true(fixture->is_now);
	post(fixture, "http://leat/v1/config/reload?now=0", "", 0, 200, "{\"reloaded\":true}");
	assert_false(fixture->is_now);
	assert_int_equal(fixture->reloaded, 3);
	post(fixture, "http://leat/v1/config/reload?now=yes", "", 0, 400,
	     "{\"error\":\"\\\"now\\\" must be 0 or 1\"}");
	assert_int_equal(fixture->reloaded, 3);
}

static void history_is_exported_as_the_daemon_has_it(void **state)
{
	struct fixture *fixture = *state;
	cleanup(json_decrefp) json_t *history = NULL;

	fixture->result = -ENOSYS;
	expect_error(fixture, handle_as(fixture, NOBODY, "GET", "/v1/node/history", "", 500));
	fixture->history = json_pack("{s:[i, s]}", "changes", 7, "x");
	history = get(fixture, "/v1/node/history");
	expect_json(history, "{\"changes\":[7,\"x\"]}");
}

static void history_is_imported_and_refused_in_the_daemons_words(void **state)
{
	static const char *const not_json[] = { "", "{\"a", "{\"a\":1,\"a\":1}", "{} {}" };
	struct fixture *fixture = *state;
	cleanup(json_decrefp) json_t *good = NULL, *bad = NULL;

	good = handle_as(fixture, 0, "POST", "/v1/node/history", "{\"changes\": [1]}", 200);
	expect_json(good, "{\"imported\":true}");
	assert_string_equal(fixture->imported_json, "{\"changes\":[1]}");
	fixture->result = -EINVAL;
	fixture->error = "another seed";
	bad = handle_as(fixture, 0, "POST", "/v1/node/history", "{}", 400);
	expect_json(bad, "{\"error\":\"another seed\"}");
	for (size_t i = 0; i < ARRAY_SIZE(not_json); i++)
		expect_error(fixture,
			     handle_as(fixture, 0, "POST", "/v1/node/history", not_json[i], 400));
	assert_int_equal(fixture->imported, 2);
}

/* A list of one text, as long as that. */
static char *long_body(size_t size)
{
	char *body = malloc(size + 1);

	assert_non_null(body);
	memset(body, 'x', size);
	memcpy(body, "[\"", 2);
	memcpy(body + size - 2, "\"]", 3);
	return body;
}

static void history_may_be_long_and_nothing_else_may(void **state)
{
	struct fixture *fixture = *state;
	cleanup(freep) char *most = long_body(CONTROL_MAX_BODY);
	cleanup(freep) char *more = long_body(CONTROL_MAX_BODY + 1);
	long status = getuid() == 0 ? 200 : 413;

	post(fixture, "http://leat/v1/node/history", most, strlen(most), status, NULL);
	assert_int_equal(fixture->imported, status == 200);
	post(fixture, "http://leat/v1/node/history", more, strlen(more), 413, NULL);
	post(fixture, "http://leat/v1/backends/web1", most, HTTP_MAX_BODY + 1, 413, NULL);
	assert_int_equal(fixture->imported, status == 200);
	assert_int_equal(fixture->changed, 0);
}

static void every_action_reaches_the_daemon(void **state)
{
	static const struct {
		const char *body;
		enum control_verb verb;
		uint32_t weight;
	} changes[] = {
		{ "{\"action\":\"drain\"}", CONTROL_DRAIN, 0 },
		{ "{\"action\":\"undrain\"}", CONTROL_UNDRAIN, 0 },
		{ "{\"action\":\"disable\"}", CONTROL_DISABLE, 0 },
		{ "{\"action\":\"enable\"}", CONTROL_ENABLE, 0 },
		{ "{\"action\":\"weight\",\"weight\":0}", CONTROL_WEIGHT, 0 },
		{ " {\"weight\":65535,\"action\":\"weight\"}\n", CONTROL_WEIGHT, 65535 },
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		post_ok(fixture, "/v1/backends/web1", changes[i].body);
		assert_int_equal(fixture->change.verb, changes[i].verb);
		assert_int_equal(fixture->change.weight, changes[i].weight);
		assert_string_equal(fixture->change.backend, "web1");
		assert_string_equal(fixture->change.service, "");
	}
	assert_int_equal(fixture->changed, ARRAY_SIZE(changes));
}

static void change_answers_with_the_backends_concerned(void **state)
{
	struct fixture *fixture = *state;
	cleanup(json_decrefp) json_t *both = NULL, *one = NULL;

	strcpy(fixture->harness.sample.dns1.config.name, "web1");
	both = handle_as(fixture, 0, "POST", "/v1/backends/web1", "{\"action\":\"drain\"}", 200);
	assert_int_equal(json_array_size(both), 2);
	expect_json(json_array_get(both, 0), WEB1);
	one = handle_as(fixture, 0, "POST", "/v1/backends/web1",
			"{\"action\":\"drain\",\"service\":\"web\"}", 200);
	assert_string_equal(fixture->change.service, "web");
	assert_int_equal(json_array_size(one), 1);
	expect_json(json_array_get(one, 0), WEB1);
}

static void failed_change_says_why(void **state)
{
	struct fixture *fixture = *state;
	cleanup(json_decrefp) json_t *json = NULL;
	const char *drain = "{\"action\":\"drain\"}";

	fixture->result = -ENOENT;
	fixture->error = "no backend is called web9";
	json = handle_as(fixture, 0, "POST", "/v1/backends/web9", drain, 404);
	expect_json(json, "{\"error\":\"no backend is called web9\"}");
	fixture->error = NULL;
	expect_error(fixture, handle_as(fixture, 0, "POST", "/v1/backends/web9", drain, 404));
	fixture->result = -EIO;
	expect_error(fixture, handle_as(fixture, 0, "POST", "/v1/backends/web1", drain, 500));
}

static void bodies_that_are_not_understood_change_nothing(void **state)
{
	static const char *const bodies[] = {
		"",
		" ",
		"null",
		"1",
		"\"drain\"",
		"[]",
		"{",
		"{}",
		"{\"action\":\"drain\"",
		"{\"action\":\"drain\"} x",
		"{'action':'drain'}",
		"{\"action\":null}",
		"{\"action\":1}",
		"{\"action\":\"\"}",
		"{\"action\":\"Drain\"}",
		"{\"action\":[\"drain\"]}",
		"{\"action\":\"drain\",\"action\":\"drain\"}",
		"{\"action\":\"drain\",\"acton\":1}",
		"{\"action\":\"drain\",\"weight\":1}",
		"{\"action\":\"weight\"}",
		"{\"weight\":1}",
		"{\"action\":\"weight\",\"weight\":-1}",
		"{\"action\":\"weight\",\"weight\":65536}",
		"{\"action\":\"weight\",\"weight\":4294967296}",
		"{\"action\":\"weight\",\"weight\":99999999999999999999}",
		"{\"action\":\"weight\",\"weight\":1.0}",
		"{\"action\":\"weight\",\"weight\":\"1\"}",
		"{\"action\":\"weight\",\"weight\":null}",
		"{\"action\":\"weight\",\"weight\":true}",
		"{\"action\":\"drain\",\"service\":\"\"}",
		"{\"action\":\"drain\",\"service\":null}",
		"{\"action\":\"drain\",\"service\":[]}",
		"{\"action\":\"drain\\u0000\"}",
		"{\"action\":\"drain\",\"service\":\"a\\u0000\"}",
		"{\"action\":\"dr\xff\x80\"}",
		("{\"action\":\"drain\",\"service\":\"" NAME_OF_64 "\"}"),
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++)
		expect_error(fixture,
			     handle_as(fixture, 0, "POST", "/v1/backends/web1", bodies[i], 400));
	assert_int_equal(fixture->changed, 0);
}

static void long_and_deep_bodies_are_refused(void **state)
{
	struct fixture *fixture = *state;
	static char body[HTTP_MAX_BODY];

	memset(body, '[', sizeof(body) - 1);
	expect_error(fixture, handle_as(fixture, 0, "POST", "/v1/backends/web1", body, 400));
	body[4096] = '\0';
	expect_error(fixture, handle_as(fixture, 0, "POST", "/v1/backends/web1", body, 400));
	memset(body, ' ', sizeof(body) - 1);
	memcpy(body, "{\"action\":\"drain\"}", 18);
	expect_error(fixture, handle_as(fixture, 0, "POST", "/v1/backends/web1", body, 400));
	assert_int_equal(fixture->changed, 0);
	body[4096] = '\0';
	post_ok(fixture, "/v1/backends/web1", body);
	assert_int_equal(fixture->changed, 1);
}

static void socket_lasts_as_long_as_the_api(void **state)
{
	struct fixture *fixture = *state;
	struct stat status;

	assert_int_equal(stat(fixture->harness.sample.socket, &status), 0);
	assert_int_equal(status.st_mode, S_IFSOCK | 0660);
	fixture->harness.control = control_free(fixture->harness.control);
	assert_int_equal(stat(fixture->harness.sample.socket, &status), -1);
}

static void second_api_on_the_socket_is_refused_and_harms_nothing(void **state)
{
	struct fixture *fixture = *state;
	struct control *second = NULL;

	assert_int_equal(control_new(&second, fixture->harness.event,
				     &fixture->harness.sample.config, &fixture->harness.sample.node,
				     &operations, fixture),
			 -EADDRINUSE);
	assert_null(second);
	expect_names(fixture, "http://leat/v1/services", "web", 2);
}

#define with_control(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_control(services_are_shown_with_every_key),
		with_control(backends_are_shown_with_every_key),
		with_control(a_backend_that_leaves_is_shown_as_such_and_is_not_configured),
		with_control(a_backend_that_starts_slowly_says_how_far_it_is),
		with_control(static_next_hop_goes_before_what_the_kernel_says),
		with_control(numbers_are_finite_and_texts_are_unicode),
		with_control(stats_list_every_reason_in_order_and_add_up),
		with_control(stats_list_every_event_of_the_memory_of_flows_in_order),
		with_control(events_are_shown_with_every_key),
		with_control(the_status_names_no_source),
		with_control(of_many_backends_the_status_has_those_in_trouble),
		with_control(node_is_shown_with_every_key),
		with_control(config_has_the_keys_of_the_file),
		with_control(what_a_service_does_with_packets_is_shown_where_it_is_no_default),
		with_control(quic_is_shown_in_its_plainest_form),
		with_control(nat_is_shown_where_there_is_one),
		with_control(config_that_is_shown_is_a_configuration_file),
		with_control(probes_bytes_are_shown_as_the_file_writes_them),
		with_control(queries_pick_services_and_backends),
		with_control(unknown_names_are_not_found),
		with_control(unknown_paths_are_not_found),
		with_control(other_methods_are_refused_and_the_allowed_named),
		with_control(only_root_changes_anything),
		with_control(reload_reports_success_and_every_failure),
		with_control(sources_are_denied_and_let_in_again),
		with_control(what_denies_nothing_clear_is_refused),
		with_control(reload_is_told_whether_to_end_things_now),
		with_control(history_is_exported_as_the_daemon_has_it),
		with_control(history_is_imported_and_refused_in_the_daemons_words),
		with_control(history_may_be_long_and_nothing_else_may),
		with_control(every_action_reaches_the_daemon),
		with_control(change_answers_with_the_backends_concerned),
		with_control(failed_change_says_why),
		with_control(bodies_that_are_not_understood_change_nothing),
		with_control(long_and_deep_bodies_are_refused),
		with_control(socket_lasts_as_long_as_the_api),
		with_control(second_api_on_the_socket_is_refused_and_harms_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
