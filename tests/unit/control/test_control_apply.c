/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Requests that plan, apply, roll back and confirm, through the socket: only there a request has a query.
 * Whoever may change nothing gets 403, so that these are tests for root.
 */
#include <jansson.h>

#include "control/control.h"
#include "tests/unit/http_client.h"
#include "tests/unit/sample_node.h"

#define TEXT "interfaces: [eth0]\n"

struct fixture {
	struct sample_node sample;
	sd_event *event;
	struct control *control;
	char folder[64];
	unsigned int calls;
	struct control_apply apply; /* the last one; what it points to is below */
	char name[64], if_version[64], version[64];
	char text[64];
	bool is_now;
	struct control_change change;
	int result;
	const char *error;
};

static void keep(char *to, const char *text)
{
	snprintf(to, 64, "%s", text ?: "NULL");
}

static int answer(struct fixture *fixture, struct forecast *ret_forecast, char **ret_error)
{
	fixture->calls++;
	if (fixture->error)
		*ret_error = strdup(fixture->error);
	if (fixture->result == 0 && ret_forecast)
		*ret_forecast = (struct forecast){ .version = "7-01234567",
						   .now.unchanged = 2,
						   .now.memory_after = 4096 };
	return fixture->result;
}

static void refresh(void *user)
{
	(void)user;
}

static void keep_text(struct fixture *fixture, const struct control_text *text)
{
	keep(fixture->name, text->name);
	snprintf(fixture->text, sizeof(fixture->text), "%.*s", (int)text->size, text->data);
}

static int plan(void *user, const struct control_plan *wanted, struct forecast *ret_forecast,
		char **ret_error)
{
	struct fixture *fixture = user;

	keep_text(fixture, &wanted->text);
	fixture->is_now = wanted->is_now;
	return answer(fixture, ret_forecast, ret_error);
}

static int apply(void *user, const struct control_apply *wanted, struct forecast *ret_forecast,
		 char **ret_error)
{
	struct fixture *fixture = user;

	keep_text(fixture, &wanted->text);
	keep(fixture->if_version, wanted->if_version);
	fixture->apply = *wanted;
	fixture->is_now = wanted->is_now;
	return answer(fixture, ret_forecast, ret_error);
}

static int roll_back(void *user, const struct control_rollback *wanted,
		     struct forecast *ret_forecast, char **ret_error)
{
	struct fixture *fixture = user;

	keep(fixture->version, wanted->version);
	fixture->is_now = wanted->is_now;
	return answer(fixture, ret_forecast, ret_error);
}

static int confirm(void *user, char **ret_error)
{
	return answer(user, NULL, ret_error);
}

static int plan_change(void *user, const struct control_change *wanted,
		       struct forecast *ret_forecast, char **ret_error)
{
	struct fixture *fixture = user;

	fixture->change = *wanted;
	return answer(fixture, ret_forecast, ret_error);
}

static const struct control_operations operations = {
	.refresh = refresh,
	.plan = plan,
	.apply = apply,
	.rollback = roll_back,
	.confirm = confirm,
	.plan_change = plan_change,
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	sample_node_init(&fixture->sample);
	strcpy(fixture->folder, "/tmp/leat-test-apply-XXXXXX");
	assert_non_null(mkdtemp(fixture->folder));
	snprintf(fixture->sample.socket, sizeof(fixture->sample.socket), "%s/leat.sock",
		 fixture->folder);
	assert_int_equal(sd_event_new(&fixture->event), 0);
	assert_int_equal(control_new(&fixture->control, fixture->event, &fixture->sample.config,
				     &fixture->sample.node, &operations, fixture),
			 0);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	control_free(fixture->control);
	sd_event_unref(fixture->event);
	assert_int_equal(rmdir(fixture->folder), 0);
	free(fixture);
	return 0;
}

static json_t *ask(struct fixture *fixture, const char *method, const char *path, const char *body,
		   size_t size, long status)
{
	cleanup(freep) char *url = NULL;
	struct client_request request = { .method = method,
					  .unix_socket = fixture->sample.socket,
					  .body = body,
					  .body_len = size };
	struct client_reply reply;
	json_t *json;

	if (getuid() != 0 && strcmp(method, "POST") == 0)
		skip();
	assert_true(asprintf(&url, "http://leat%s", path) > 0);
	request.url = url;
	assert_int_equal(client_run(fixture->event, &request, &reply), CURLE_OK);
	assert_int_equal(reply.status, status);
	json = json_loads(reply.body, JSON_REJECT_DUPLICATES, NULL);
	/* What is too long is refused before anybody knows what it is. */
	assert_true(json || status == 413);
	assert_true(status == 200 || status == 413 ||
		    json_is_string(json_object_get(json, "error")));
	client_reply_deinit(&reply);
	return json;
}

static void post(struct fixture *fixture, const char *path, const char *body, long status)
{
	json_decref(ask(fixture, "POST", path, body, strlen(body), status));
}

static void plan_gets_the_body_as_it_is(void **state)
{
	struct fixture *fixture = *state;
	json_t *json = ask(fixture, "POST", "/v1/config/plan", TEXT, strlen(TEXT), 200);

	assert_string_equal(fixture->text, TEXT);
	assert_string_equal(fixture->name, "configuration");
	assert_false(fixture->is_now);
	assert_string_equal(json_string_value(json_object_get(json, "version")), "7-01234567");
	assert_int_equal(json_integer_value(json_object_get(json, "memory_after")), 4096);
	assert_null(json_object_get(json, "applied"));
	json_decref(json);
	post(fixture, "/v1/config/plan?name=next.yaml&now=1", TEXT, 200);
	assert_string_equal(fixture->name, "next.yaml");
	assert_true(fixture->is_now);
}

static void apply_is_for_good_unless_it_is_told_when_to_go_back(void **state)
{
	struct fixture *fixture = *state;

	post(fixture, "/v1/config/apply?if_version=6-00000000", TEXT, 200);
	assert_string_equal(fixture->if_version, "6-00000000");
	assert_int_equal(fixture->apply.trial_ms, 0);
	post(fixture, "/v1/config/apply?rollback_after=60s", TEXT, 200);
	assert_string_equal(fixture->if_version, "NULL");
	assert_int_equal(fixture->apply.trial_ms, 60000);
	assert_int_equal(fixture->apply.min_healthy, 50);
	assert_true(fixture->apply.needs_confirmation);
	post(fixture, "/v1/config/apply?rollback_after=1s&if_unhealthy=1&min_healthy=0", TEXT, 200);
	assert_int_equal(fixture->apply.min_healthy, 0);
	assert_false(fixture->apply.needs_confirmation);
}

static void what_is_asked_for_wrongly_does_not_reach_the_daemon(void **state)
{
	static const char *const paths[] = {
		"/v1/config/plan?now=2",
		"/v1/config/apply?now=yes",
		"/v1/config/apply?rollback_after=0s",
		"/v1/config/apply?rollback_after=25h",
		"/v1/config/apply?rollback_after=60",
		"/v1/config/apply?rollback_after=60s&min_healthy=101",
		"/v1/config/apply?rollback_after=60s&min_healthy=-1",
		"/v1/config/apply?rollback_after=60s&if_unhealthy=yes",
		"/v1/config/apply?min_healthy=50",
		"/v1/config/apply?if_unhealthy=1",
		"/v1/config/rollback", /* with a body */
		"/v1/config/confirm",
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		post(fixture, paths[i], TEXT, 400);
	post(fixture, "/v1/config/rollback?now=2", "", 400);
	assert_int_equal(fixture->calls, 0);
}

static void failures_have_a_status_and_the_daemons_words(void **state)
{
	static const struct {
		int result;
		long status;
	} failures[] = {
		{ -EINVAL, 400 }, { -ENOENT, 404 }, { -EBUSY, 409 },
		{ -ESTALE, 412 }, { -ENOSPC, 500 }, { -EROFS, 500 },
	};
	static const char *const paths[] = { "/v1/config/plan", "/v1/config/apply",
					     "/v1/config/rollback", "/v1/config/confirm" };
	struct fixture *fixture = *state;

	fixture->error = "so it is";
	for (size_t i = 0; i < ARRAY_SIZE(failures) * ARRAY_SIZE(paths); i++) {
		json_t *json;

		fixture->result = failures[i / ARRAY_SIZE(paths)].result;
		json = ask(fixture, "POST", paths[i % ARRAY_SIZE(paths)], "", 0,
			   failures[i / ARRAY_SIZE(paths)].status);
		assert_string_equal(json_string_value(json_object_get(json, "error")), "so it is");
		json_decref(json);
	}
}

static void rollback_is_to_a_version_or_to_the_one_before(void **state)
{
	struct fixture *fixture = *state;

	post(fixture, "/v1/config/rollback", "", 200);
	assert_string_equal(fixture->version, "NULL");
	post(fixture, "/v1/config/rollback?version=3&now=1", "", 200);
	assert_string_equal(fixture->version, "3");
	assert_true(fixture->is_now);
}

static void versions_are_shown_the_newest_first_with_their_trial(void **state)
{
	struct fixture *fixture = *state;
	struct config_versions *versions = &fixture->sample.node.versions;
	json_t *json = ask(fixture, "GET", "/v1/config/history", NULL, 0, 200), *first;

	assert_string_equal(json_string_value(json_object_get(json, "version")), "none");
	assert_true(json_is_null(json_object_get(json, "trial")));
	json_decref(json);
	config_versions_add(versions, CONFIG_BY_START, 1ULL << 32, 9, 1700000000);
	strcpy(config_versions_add(versions, CONFIG_BY_APPLY, 2ULL << 32, 9, 1700000001)->note,
	       "caf\xe9");
	versions->trial = (struct config_trial){ .is_on = true, .back_to = 1, .until_s = 9 };
	json = ask(fixture, "GET", "/v1/config/history", NULL, 0, 200);
	assert_string_equal(json_string_value(json_object_get(json, "version")), "2-00000002");
	assert_int_equal(json_array_size(json_object_get(json, "versions")), 2);
	first = json_array_get(json_object_get(json, "versions"), 0);
	assert_string_equal(json_string_value(json_object_get(first, "by")), "apply");
	assert_string_equal(json_string_value(json_object_get(first, "note")), "caf?");
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(json, "trial"), "back_to")), 1);
	json_decref(json);
}

static void change_of_a_backend_can_be_planned(void **state)
{
	struct fixture *fixture = *state;

	post(fixture, "/v1/backends/web1", "{\"action\":\"drain\",\"plan\":true}", 200);
	assert_true(fixture->change.is_plan);
	assert_int_equal(fixture->change.verb, CONTROL_DRAIN);
	post(fixture, "/v1/backends/web1", "{\"action\":\"drain\",\"plan\":1}", 400);
	assert_int_equal(fixture->calls, 1);
}

static void configuration_may_be_as_long_as_a_file(void **state)
{
	struct fixture *fixture = *state;
	char *text = malloc(CONTROL_MAX_CONFIG + 1);

	memset(text, '#', CONTROL_MAX_CONFIG + 1);
	json_decref(ask(fixture, "POST", "/v1/config/plan", text, CONTROL_MAX_CONFIG, 200));
	json_decref(ask(fixture, "POST", "/v1/config/apply", text, CONTROL_MAX_CONFIG + 1, 413));
	assert_int_equal(fixture->calls, 1);
	free(text);
}

#define with_control(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_control(plan_gets_the_body_as_it_is),
		with_control(apply_is_for_good_unless_it_is_told_when_to_go_back),
		with_control(what_is_asked_for_wrongly_does_not_reach_the_daemon),
		with_control(failures_have_a_status_and_the_daemons_words),
		with_control(rollback_is_to_a_version_or_to_the_one_before),
		with_control(versions_are_shown_the_newest_first_with_their_trial),
		with_control(change_of_a_backend_can_be_planned),
		with_control(configuration_may_be_as_long_as_a_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
