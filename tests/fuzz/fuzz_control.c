/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Requests to the control API from root, without the HTTP around them. Input: method and path
 * separated by a space, a line feed, the body. Every reply has a status and is valid JSON; what is
 * refused says why, and a change that reaches the daemon is within its limits.
 */
#include <errno.h>
#include <jansson.h>
#include <stdint.h>

#include "control/control.h"
#include "tests/unit/sample_node.h"

#define expect(condition)                                                                          \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void refresh(void *user)
{
	(void)user;
}

static int reload(void *user, bool is_now, char **ret_error)
{
	(void)user;
	expect(!is_now);
	*ret_error = strdup("leat.yaml:1:1: wrong");
	return -EINVAL;
}

static int change(void *user, const struct control_change *wanted, char **ret_error)
{
	struct sample_node *sample = user;

	(void)ret_error;
	expect(wanted->verb <= CONTROL_WEIGHT && wanted->weight <= LEAT_MAX_WEIGHT);
	expect(wanted->verb == CONTROL_WEIGHT || wanted->weight == 0);
	expect(strlen(wanted->backend) > 0 && strlen(wanted->backend) <= CONFIG_MAX_NAME);
	expect(strlen(wanted->service) <= CONFIG_MAX_NAME);
	return service_find_backend(&sample->web, wanted->backend) ? 0 : -ENOENT;
}

static int plan_change(void *user, const struct control_change *wanted,
		       struct forecast *ret_forecast, char **ret_error)
{
	expect(wanted->is_plan);
	*ret_forecast = (struct forecast){ .version = "1-00000000" };
	return change(user, wanted, ret_error);
}

static int plan(void *user, const struct control_plan *wanted, struct forecast *ret_forecast,
		char **ret_error)
{
	(void)user;
	(void)ret_forecast;
	expect(wanted->text.name && wanted->text.data[wanted->text.size] == '\0');
	*ret_error = strdup("leat.yaml:1:1: wrong");
	return -EINVAL;
}

static int apply(void *user, const struct control_apply *wanted, struct forecast *ret_forecast,
		 char **ret_error)
{
	(void)user;
	(void)ret_forecast;
	(void)ret_error;
	expect(wanted->text.name && wanted->min_healthy <= 100);
	expect(wanted->trial_ms <= CONFIG_MAX_TRIAL_MS);
	return wanted->text.size % 2 ? -ESTALE : -EBUSY;
}

static int roll_back(void *user, const struct control_rollback *wanted,
		     struct forecast *ret_forecast, char **ret_error)
{
	(void)user;
	(void)wanted;
	(void)ret_error;
	*ret_forecast = (struct forecast){ .version = "2-00000000" };
	return 0;
}

static int confirm(void *user, char **ret_error)
{
	(void)user;
	(void)ret_error;
	return -ENOENT;
}

static int deny(void *user, const struct control_deny *wanted, char **ret_error)
{
	(void)user;
	(void)ret_error;
	expect(wanted->count > 0 && wanted->count <= LEAT_MAX_DENIED && wanted->prefixes);
	expect(!wanted->is_taken_back || wanted->for_s == 0);
	for (size_t i = 0; i < wanted->count; i++)
		expect(wanted->prefixes[i].length <= 128);
	return wanted->is_taken_back ? -ENOENT : 0;
}

static int export_history(void *user, json_t **ret_history)
{
	(void)user;
	*ret_history = json_array();
	return *ret_history ? 0 : -ENOMEM;
}

static int import_history(void *user, const json_t *history, char **ret_error)
{
	(void)user;
	(void)ret_error;
	expect(json_is_object(history) || json_is_array(history));
	return -EINVAL;
}

/* Once per run; its socket is of no use and goes at once. */
static struct control *control_for(struct sample_node *sample)
{
	static const struct control_operations operations = {
		.refresh = refresh,
		.reload = reload,
		.change = change,
		.plan_change = plan_change,
		.plan = plan,
		.apply = apply,
		.rollback = roll_back,
		.confirm = confirm,
		.deny = deny,
		.export_history = export_history,
		.import_history = import_history,
	};
	static struct control *control;
	sd_event *event;

	if (control)
		return control;
	sample_node_init(sample);
	snprintf(sample->socket, sizeof(sample->socket), "/tmp/leat-fuzz-control-%d.sock",
		 getpid());
	expect(sd_event_new(&event) == 0);
	expect(control_new(&control, event, &sample->config, &sample->node, &operations, sample) ==
	       0);
	unlink(sample->socket);
	return control;
}

/* Cuts `text` at the first `end` and returns what is behind it. */
static char *cut(char *text, char end)
{
	char *at = strchr(text, end);

	if (!at)
		return text + strlen(text);
	*at = '\0';
	return at + 1;
}

static void expect_reply(const struct http_response *response)
{
	json_t *json = json_loadb(response->body, response->body_len,
				  JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);

	expect(response->status >= 200 && response->status <= 500);
	expect(json);
	expect(response->status == 200 || json_is_string(json_object_get(json, "error")));
	expect((response->status == 405) == (response->allow != NULL));
	json_decref(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sample_node sample;
	struct control *control = control_for(&sample);
	cleanup(freep) char *input = calloc(1, size + 1);
	struct http_response response = { 0 };
	struct http_request request = { 0 };
	char *path, *body;

	if (!input || size > HTTP_MAX_BODY)
		return 0;
	memcpy(input, data, size);
	body = cut(input, '\n');
	path = cut(input, ' ');
	request.method = input;
	request.path = path;
	request.body = body;
	request.body_len = size - (size_t)(body - input);
	control_handle(control, &request, &response);
	expect_reply(&response);
	free(response.body);
	return 0;
}
