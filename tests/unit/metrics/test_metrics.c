/* SPDX-License-Identifier: GPL-2.0-only */
#include "metrics/metrics.h"

#include <stdio.h>

#include "tests/unit/http_client.h"
#include "tests/unit/sample_node.h"

#define MAX_LINES 1024

static char *write_text(const struct node *node)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	metrics_write(out, node);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void expect_line(const char *text, const char *line)
{
	cleanup(freep) char *whole = NULL;

	assert_true(asprintf(&whole, "\n%s\n", line) > 0);
	if (!strstr(text, whole))
		fail_msg("there is no line: %s", line);
}

/* Splits the text in place. */
static size_t split(char *text, char *lines[MAX_LINES])
{
	size_t count = 0;

	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		assert_true(count < MAX_LINES);
		lines[count++] = line;
	}
	return count;
}

/* Counts what its probes would have told it. */
static void probe_backends(struct sample_node *sample)
{
	static const struct probe_result results[] = {
		{ .outcome = PROBE_L7OK, .duration_us = 900 },
		{ .outcome = PROBE_L7OK, .duration_us = 1000 },
		{ .outcome = PROBE_L7STS, .duration_us = 30000 },
		{ .outcome = PROBE_L4TOUT, .duration_us = 99000000 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(results); i++)
		probe_stats_count(&sample->web1.probe_stats, &results[i]);
}

static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* promtool does not look for these. */
static void no_sample_is_written_twice(void **state)
{
	struct sample_node sample;
	cleanup(freep) char *text = NULL;
	char *lines[MAX_LINES];
	size_t count;

	(void)state;
	sample_node_init(&sample);
	text = write_text(&sample.node);
	count = split(text, lines);
	for (size_t i = 0; i < count; i++) {
		if (lines[i][0] != '#')
			*strrchr(lines[i], ' ') = '\0';
	}
	qsort(lines, count, sizeof(lines[0]), compare_lines);
	for (size_t i = 1; i < count; i++)
		assert_string_not_equal(lines[i - 1], lines[i]);
}

/* The name in a line of text up to where labels, value or help begin. */
static void read_name(const char *line, char name[128])
{
	size_t length = strcspn(line, "{ ");

	assert_true(length > 0 && length < 128);
	memcpy(name, line, length);
	name[length] = '\0';
}

/* Every sample stands below its own family's HELP and TYPE, and no family comes twice. */
static void samples_of_a_family_stand_together(void **state)
{
	char family[128] = "", name[128], seen[64][128];
	cleanup(freep) char *text = NULL;
	struct sample_node sample;
	char *lines[MAX_LINES];
	size_t count, families = 0;

	(void)state;
	sample_node_init(&sample);
	text = write_text(&sample.node);
	count = split(text, lines);
	for (size_t i = 0; i < count; i++) {
		if (strncmp(lines[i], "# HELP ", 7) == 0) {
			read_name(lines[i] + 7, family);
			for (size_t j = 0; j < families; j++)
				assert_string_not_equal(seen[j], family);
			assert_true(families < ARRAY_SIZE(seen));
			strcpy(seen[families++], family);
			assert_int_equal(strncmp(lines[i + 1], "# TYPE ", 7), 0);
			read_name(lines[i + 1] + 7, name);
			assert_string_equal(name, family);
		} else if (lines[i][0] != '#') {
			read_name(lines[i], name);
			assert_int_equal(strncmp(name, family, strlen(family)), 0);
		}
	}
	assert_true(families >= 16);
}

static void every_metric_has_its_value(void **state)
{
	static const char *const expected[] = {
		"leat_service_packets_total{service=\"web\"} 5000",
		"leat_service_bytes_total{service=\"web\"} 320000",
		"leat_service_packets_total{service=\"dns\"} 0",
		"leat_service_refused_packets_total{service=\"web\",reason=\"no_backend\"} 9",
		"leat_service_refused_packets_total{service=\"web\",reason=\"denied\"} 3",
		"leat_backend_packets_total{service=\"web\",backend=\"web1\"} 1001",
		"leat_backend_bytes_total{service=\"dns\",backend=\"dns1\"} 64004",
		"leat_backend_up{service=\"web\",backend=\"web1\"} 1",
		"leat_backend_up{service=\"web\",backend=\"web2\"} 0",
		"leat_backend_up{service=\"dns\",backend=\"dns1\"} 1",
		"leat_backend_state{service=\"web\",backend=\"web1\",state=\"up\"} 1",
		"leat_backend_state{service=\"web\",backend=\"web1\",state=\"down\"} 0",
		"leat_backend_state{service=\"web\",backend=\"web2\",state=\"draining\"} 1",
		"leat_backend_state{service=\"web\",backend=\"web3\",state=\"unknown\"} 1",
		"leat_backend_state{service=\"web\",backend=\"web3\",state=\"disabled\"} 0",
		"leat_service_open_slots{service=\"web\"} 512",
		"leat_service_open_slots{service=\"dns\"} 0",
		"leat_backend_flows{service=\"web\",backend=\"web2\"} 12",
		"leat_backend_flows{service=\"dns\",backend=\"dns1\"} 7",
		"leat_backend_closing_flows{service=\"web\",backend=\"web2\"} 3",
		"leat_backend_drained{service=\"web\",backend=\"web2\"} 0",
		"leat_backend_leaving{service=\"web\",backend=\"web2\"} 0",
		"leat_backend_ramp_ratio{service=\"web\",backend=\"web1\"} 1",
		"leat_backend_ramp_ratio{service=\"web\",backend=\"web3\"} 0.25",
		"leat_flows_remembered 22",
		"leat_flows_capacity 262144",
		"leat_flows_old 5",
		"leat_flows_half_open 4",
		"leat_flows_half_open_capacity 65536",
		"leat_sticky_clients 2",
		"leat_sticky_clients_capacity 32768",
		"leat_backend_weight{service=\"web\",backend=\"web1\"} 100",
		"leat_backend_weight{service=\"web\",backend=\"web2\"} 40",
		"leat_packets_total{reason=\"forwarded\"} 1",
		"leat_bytes_total{reason=\"not_ours\"} 100",
		"leat_map_entries{map=\"backends\"} 4",
		"leat_map_capacity{map=\"backends\"} 32768",
		"leat_config_last_reload_success 1",
		"leat_config_last_reload_success_timestamp_seconds 1700000001",
		"leat_config_version 1",
		"leat_config_last_change_timestamp_seconds 1700000002",
		"leat_config_trial 1",
		"leat_start_time_seconds 1700000000",
		"leat_build_info{version=\"" LEAT_VERSION "\",layout=\"6\"} 1",
	};
	cleanup(freep) char *text = NULL;
	struct sample_node sample;

	(void)state;
	sample_node_init(&sample);
	config_versions_add(&sample.node.versions, CONFIG_BY_APPLY, 1, 1, 1700000002);
	sample.node.versions.trial.is_on = true;
	text = write_text(&sample.node);
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
		expect_line(text, expected[i]);
}

static void reasons_are_counted_each_under_its_label(void **state)
{
	static const char *const labels[] = {
#define X(name, verdict, label, text) label,
		LEAT_REASONS(X)
#undef X
	};
	cleanup(freep) char *text = NULL;
	struct sample_node sample;
	char line[128];

	(void)state;
	sample_node_init(&sample);
	text = write_text(&sample.node);
	for (size_t i = 0; i < LEAT_REASON_COUNT; i++) {
		snprintf(line, sizeof(line), "leat_packets_total{reason=\"%s\"} %zu", labels[i],
			 i + 1);
		expect_line(text, line);
	}
}

static void events_are_counted_each_under_its_label(void **state)
{
	static const char *const labels[] = {
#define X(name, label, text) label,
		LEAT_EVENTS(X)
#undef X
	};
	cleanup(freep) char *text = NULL;
	struct sample_node sample;
	char line[128];

	(void)state;
	sample_node_init(&sample);
	text = write_text(&sample.node);
	for (size_t i = 0; i < LEAT_EVENT_COUNT; i++) {
		snprintf(line, sizeof(line), "leat_flow_events_total{event=\"%s\"} %zu", labels[i],
			 10 * (i + 1));
		expect_line(text, line);
	}
}

static void flows_are_there_only_where_all_are_counted(void **state)
{
	cleanup(freep) char *text = NULL;
	struct sample_node sample;

	(void)state;
	sample_node_init(&sample);
	sample.web1.flows.live = 5;
	text = write_text(&sample.node);
	assert_null(strstr(text, "leat_backend_flows{service=\"web\",backend=\"web1\""));
	assert_null(strstr(text, "leat_backend_closing_flows{service=\"web\",backend=\"web1\""));
}

static void a_drained_backend_that_leaves_is_both(void **state)
{
	cleanup(freep) char *text = NULL;
	struct sample_node sample;

	(void)state;
	sample_node_init(&sample);
	sample.web2.flows = (struct backend_flows){ .is_counted = true, .since_us = 1 };
	sample.web2.is_leaving = true;
	text = write_text(&sample.node);
	expect_line(text, "leat_backend_flows{service=\"web\",backend=\"web2\"} 0");
	expect_line(text, "leat_backend_drained{service=\"web\",backend=\"web2\"} 1");
	expect_line(text, "leat_backend_leaving{service=\"web\",backend=\"web2\"} 1");
}

static void a_name_that_was_given_away_has_one_backends_samples(void **state)
{
	cleanup(freep) char *text = NULL;
	struct sample_node sample;

	(void)state;
	sample_node_init(&sample);
	strcpy(sample.web2.config.name, "web1");
	strcpy(sample.web3.config.name, "web1");
	sample.web1.is_leaving = true;
	sample.web2.is_leaving = true;
	text = write_text(&sample.node);
	expect_line(text, "leat_backend_packets_total{service=\"web\",backend=\"web1\"} 1003");
	assert_null(strstr(text, "{service=\"web\",backend=\"web1\"} 1001"));
	assert_null(strstr(text, "{service=\"web\",backend=\"web1\"} 1002"));
}

#define PAGE_SIZE 65536

static char *read_page(const char *path)
{
	char *page = calloc(1, PAGE_SIZE);
	FILE *file = fopen(path, "r");

	assert_true(file && page);
	assert_true(fread(page, 1, PAGE_SIZE - 1, file) > 0);
	assert_true(feof(file));
	fclose(file);
	return page;
}

/* An entry is ".B name" or ".B name{labels}". */
static bool has_entry(const char *page, const char *name)
{
	char entry[160];
	const char *end;

	snprintf(entry, sizeof(entry), "\n.B %s", name);
	page = strstr(page, entry);
	end = page ? page + strlen(entry) : NULL;
	return end && (*end == '\n' || *end == '{' || has_entry(end, name));
}

static void every_family_is_in_the_manual(void **state)
{
	cleanup(freep) char *text = NULL, *page = read_page("man/leatd.8");
	struct sample_node sample;
	char *lines[MAX_LINES], name[128];
	size_t count;

	(void)state;
	sample_node_init(&sample);
	text = write_text(&sample.node);
	count = split(text, lines);
	for (size_t i = 0; i < count; i++) {
		if (strncmp(lines[i], "# HELP ", 7) != 0)
			continue;
		read_name(lines[i] + 7, name);
		if (!has_entry(page, name))
			fail_msg("man/leatd.8 has no %s", name);
	}
}

static void every_event_is_in_the_manual(void **state)
{
	static const char *const labels[] = {
#define X(name, label, text) label,
		LEAT_EVENTS(X)
#undef X
	};
	cleanup(freep) char *page = read_page("man/leatd.8");

	(void)state;
	for (size_t i = 0; i < LEAT_EVENT_COUNT; i++) {
		if (!has_entry(page, labels[i]))
			fail_msg("man/leatd.8 has no %s", labels[i]);
	}
}

#define WEB1 "service=\"web\",backend=\"web1\""

static void histogram_is_cumulative_and_ends_in_its_count(void **state)
{
	static const char *const expected[] = {
		"leat_probe_duration_seconds_bucket{" WEB1 ",le=\"0.001\"} 2",
		"leat_probe_duration_seconds_bucket{" WEB1 ",le=\"+Inf\"} 4",
		"leat_probe_duration_seconds_sum{" WEB1 "} 99.031900",
		"leat_probe_duration_seconds_count{" WEB1 "} 4",
		"leat_probe_failures_total{" WEB1 ",layer=\"L4\"} 1",
		"leat_probe_failures_total{" WEB1 ",layer=\"L7\"} 1",
		"leat_probe_failures_total{" WEB1 ",layer=\"L6\"} 0",
	};
	static const char bucket[] = "\nleat_probe_duration_seconds_bucket{" WEB1 ",le=\"";
	cleanup(freep) char *text = NULL;
	struct sample_node sample;
	unsigned long last = 0, value;
	double last_bound = 0, bound;
	size_t buckets = 0;

	(void)state;
	sample_node_init(&sample);
	probe_backends(&sample);
	text = write_text(&sample.node);
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
		expect_line(text, expected[i]);
	for (const char *at = strstr(text, bucket); at; at = strstr(at + 1, bucket)) {
		assert_int_equal(sscanf(at + strlen(bucket), "%lf\"} %lu", &bound, &value), 2);
		assert_true(bound > last_bound && value >= last);
		last_bound = bound;
		last = value;
		buckets++;
	}
	assert_int_equal(buckets, PROBE_BUCKETS);
	assert_int_equal(last, 4);
}

static void backend_without_a_probe_has_no_probe_series(void **state)
{
	cleanup(freep) char *text = NULL;
	struct sample_node sample;

	(void)state;
	sample_node_init(&sample);
	text = write_text(&sample.node);
	for (const char *at = strstr(text, "\nleat_probe_"); at;
	     at = strstr(at + 1, "\nleat_probe_"))
		assert_int_equal(strncmp(strchr(at, '{'), "{service=\"web\"", 14), 0);
	assert_null(strstr(text, "layer=\"none\""));
}

static void labels_are_escaped(void **state)
{
	cleanup(freep) char *text = NULL;
	struct sample_node sample;

	(void)state;
	sample_node_init(&sample);
	strcpy(sample.web.config.name, "a\"b\\c\nd");
	text = write_text(&sample.node);
	expect_line(text, "leat_service_packets_total{service=\"a\\\"b\\\\c\\nd\"} 5000");
	expect_line(text, "leat_backend_up{service=\"a\\\"b\\\\c\\nd\",backend=\"web1\"} 1");
}

/* Runs promtool on the text and expects that it finds nothing. */
static void expect_promtool_silence(const char *text)
{
	FILE *promtool = popen("promtool check metrics 2>&1", "w");

	assert_non_null(promtool);
	assert_true(fputs(text, promtool) >= 0);
	assert_int_equal(pclose(promtool), 0);
}

static void promtool_finds_nothing(void **state)
{
	cleanup(freep) char *full = NULL, *escaped = NULL, *empty = NULL;
	struct sample_node sample;
	struct node nothing = { 0 };

	(void)state;
	sample_node_init(&sample);
	probe_backends(&sample);
	full = write_text(&sample.node);
	expect_promtool_silence(full);
	strcpy(sample.web1.config.name, "a\"b\\c\nd");
	escaped = write_text(&sample.node);
	expect_promtool_silence(escaped);
	empty = write_text(&nothing);
	expect_promtool_silence(empty);
}

static void promtool_would_find_something(void **state)
{
	FILE *promtool = popen("promtool check metrics >/dev/null 2>&1", "w");

	(void)state;
	assert_non_null(promtool);
	fputs("leat_bad_total{ 1\n", promtool);
	assert_int_not_equal(pclose(promtool), 0);
}

struct fixture {
	struct sample_node sample;
	sd_event *event;
	struct metrics *metrics;
	char url[64];
	unsigned int refreshed;
	unsigned int made;
};

static void refresh(void *user)
{
	struct fixture *fixture = user;

	fixture->refreshed++;
	fixture->sample.web.counter.packets = 6000;
}

static char *status(void *user)
{
	struct fixture *fixture = user;
	char *text = NULL;

	assert_true(asprintf(&text, "{\"made\":%u}", ++fixture->made) > 0);
	return text;
}

/* On a port that was free a moment ago. */
static int set_up(void **state)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	static const struct metrics_operations operations = {
		.refresh = refresh,
		.status = status,
	};
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t size = sizeof(in);
	char listen[32];

	assert_int_equal(bind(fd, (struct sockaddr *)&in, size), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &size), 0);
	close(fd);
	snprintf(listen, sizeof(listen), "127.0.0.1:%d", ntohs(in.sin_port));
	snprintf(fixture->url, sizeof(fixture->url), "http://%s", listen);
	sample_node_init(&fixture->sample);
	assert_int_equal(sd_event_new(&fixture->event), 0);
	assert_int_equal(metrics_new(&fixture->metrics, fixture->event, listen,
				     &fixture->sample.node, &operations, fixture),
			 0);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	metrics_free(fixture->metrics);
	sd_event_unref(fixture->event);
	free(fixture);
	return 0;
}

static struct client_reply ask(struct fixture *fixture, const char *method, const char *path)
{
	struct client_request request = { .method = method };
	struct client_reply reply;
	char url[128];

	snprintf(url, sizeof(url), "%s%s", fixture->url, path);
	request.url = url;
	assert_int_equal(client_run(fixture->event, &request, &reply), CURLE_OK);
	return reply;
}

static void metrics_are_served_fresh_and_in_their_format(void **state)
{
	struct fixture *fixture = *state;
	struct client_reply reply = ask(fixture, "GET", "/metrics");

	assert_int_equal(reply.status, 200);
	assert_string_equal(reply.content_type, "text/plain; version=0.0.4");
	expect_line(reply.body, "leat_service_packets_total{service=\"web\"} 6000");
	assert_int_equal(fixture->refreshed, 1);
	expect_promtool_silence(reply.body);
	client_reply_deinit(&reply);
}

static void expect_status(struct fixture *fixture, const char *method, const char *path,
			  long status, const char *body)
{
	struct client_reply reply = ask(fixture, method, path);

	assert_int_equal(reply.status, status);
	if (body)
		assert_string_equal(reply.body, body);
	client_reply_deinit(&reply);
}

static void healthz_answers_and_nothing_else_is_there(void **state)
{
	struct fixture *fixture = *state;

	expect_status(fixture, "GET", "/healthz", 200, "ok\n");
	expect_status(fixture, "HEAD", "/healthz", 200, NULL);
	expect_status(fixture, "HEAD", "/metrics", 200, NULL);
	expect_status(fixture, "GET", "/status", 404, NULL);
	expect_status(fixture, "GET", "/metrics/", 404, NULL);
	expect_status(fixture, "GET", "/v1/services", 404, NULL);
	expect_status(fixture, "POST", "/metrics", 405, NULL);
	expect_status(fixture, "DELETE", "/healthz", 405, NULL);
}

static void the_status_page_is_served_with_its_policy(void **state)
{
	struct fixture *fixture = *state;
	struct client_reply reply = ask(fixture, "GET", "/");

	assert_int_equal(reply.status, 200);
	assert_string_equal(reply.content_type, "text/html; charset=utf-8");
	assert_non_null(strstr(reply.body, "</html>"));
	client_reply_deinit(&reply);
	expect_status(fixture, "HEAD", "/", 200, NULL);
	expect_status(fixture, "POST", "/", 405, NULL);
}

/* However many look at it. The two requests take far less. */
static void the_status_is_made_once_a_second_at_most(void **state)
{
	struct fixture *fixture = *state;

	expect_status(fixture, "GET", "/status.json", 200, "{\"made\":1}");
	expect_status(fixture, "GET", "/status.json", 200, "{\"made\":1}");
	assert_int_equal(fixture->refreshed, 1);
}

#define with_metrics(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_sample_is_written_twice),
		cmocka_unit_test(samples_of_a_family_stand_together),
		cmocka_unit_test(every_metric_has_its_value),
		cmocka_unit_test(reasons_are_counted_each_under_its_label),
		cmocka_unit_test(events_are_counted_each_under_its_label),
		cmocka_unit_test(flows_are_there_only_where_all_are_counted),
		cmocka_unit_test(a_drained_backend_that_leaves_is_both),
		cmocka_unit_test(a_name_that_was_given_away_has_one_backends_samples),
		cmocka_unit_test(every_family_is_in_the_manual),
		cmocka_unit_test(every_event_is_in_the_manual),
		cmocka_unit_test(histogram_is_cumulative_and_ends_in_its_count),
		cmocka_unit_test(backend_without_a_probe_has_no_probe_series),
		cmocka_unit_test(labels_are_escaped),
		cmocka_unit_test(promtool_finds_nothing),
		cmocka_unit_test(promtool_would_find_something),
		with_metrics(metrics_are_served_fresh_and_in_their_format),
		with_metrics(healthz_answers_and_nothing_else_is_there),
		with_metrics(the_status_page_is_served_with_its_policy),
		with_metrics(the_status_is_made_once_a_second_at_most),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
