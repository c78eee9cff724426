/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Requests that plan, apply, roll back and confirm configurations. A configuration is the body, as a file
 * has it; all else is in the query.
 */
#include <errno.h>
#include <string.h>

#include "base/number.h"
#include "control/control_json.h"
#include "control/internal.h"

#define DEFAULT_NAME "configuration" /* in errors */

void forecast_deinit(struct forecast *forecast)
{
	difference_deinit(&forecast->now);
	difference_deinit(&forecast->once_up);
}

/* ?name=1 or ?name=0, which is what nothing means, too. Says what is wrong. */
static bool read_flag(const struct http_request *request, const char *name, bool *ret_flag,
		      struct http_response *response)
{
	const char *value = http_request_query(request, name);
	char text[64];

	if (!value || strcmp(value, "0") == 0 || strcmp(value, "1") == 0) {
		*ret_flag = value && value[0] == '1';
		return true;
	}
	snprintf(text, sizeof(text), "\"%s\" must be 0 or 1", name);
	control_reply_error(response, 400, text);
	return false;
}

static struct control_text text_of(const struct http_request *request)
{
	return (struct control_text){
		.name = http_request_query(request, "name") ?: DEFAULT_NAME,
		.data = request->body,
		.size = request->body_len,
	};
}

void control_post_plan(struct control *control, const struct http_request *request,
		       struct http_response *response)
{
	struct control_plan plan = { .text = text_of(request) };
	cleanup(forecast_deinit) struct forecast forecast = { 0 };
	cleanup(freep) char *error = NULL;
	int r;

	if (!read_flag(request, "now", &plan.is_now, response))
		return;
	r = control->operations.plan(control->user, &plan, &forecast, &error);
	if (r < 0)
		control_reply_failure(response, r, error);
	else
		control_reply_json(response, 200, control_forecast_json(&forecast));
}

/* What ran on trial, and for how long it will, is in the reply to what began it. */
static json_t *applied_json(const struct control *control, const struct forecast *forecast)
{
	json_t *json = control_forecast_json(forecast);

	json = control_json_set(json, "applied", json_true());
	return control_json_set(json, "trial", control_trial_json(&control->node->versions.trial));
}

static bool read_trial(const struct http_request *request, struct control_apply *apply,
		       struct http_response *response)
{
	const char *after = http_request_query(request, "rollback_after");
	const char *least = http_request_query(request, "min_healthy");
	uint64_t percent = CONFIG_DEFAULT_MIN_HEALTHY;
	bool needs_no_confirmation;

	if (!read_flag(request, "if_unhealthy", &needs_no_confirmation, response))
		return false;
	if (!after && (least || needs_no_confirmation)) {
		control_reply_error(response, 400,
				    "\"min_healthy\" and \"if_unhealthy\" go with "
				    "\"rollback_after\"");
		return false;
	}
	if (after &&
	    duration_parse(after, CONFIG_MIN_TRIAL_MS, CONFIG_MAX_TRIAL_MS, &apply->trial_ms) < 0) {
		control_reply_error(response, 400,
				    "\"rollback_after\" must be a time from 1s to 24h");
		return false;
	}
	if (least && number_parse(least, 0, 100, &percent) < 0) {
		control_reply_error(response, 400,
				    "\"min_healthy\" must be a number from 0 to 100");
		return false;
	}
	apply->min_healthy = (uint32_t)percent;
	apply->needs_confirmation = !needs_no_confirmation;
	return true;
}

void control_post_apply(struct control *control, const struct http_request *request,
			struct http_response *response)
{
	struct control_apply apply = {
		.text = text_of(request),
		.if_version = http_request_query(request, "if_version"),
	};
	cleanup(forecast_deinit) struct forecast forecast = { 0 };
	cleanup(freep) char *error = NULL;
	int r;

	if (!read_flag(request, "now", &apply.is_now, response) ||
	    !read_trial(request, &apply, response))
		return;
	r = control->operations.apply(control->user, &apply, &forecast, &error);
	if (r < 0)
		control_reply_failure(response, r, error);
	else
		control_reply_json(response, 200, applied_json(control, &forecast));
}

static bool has_no_body(const struct http_request *request, struct http_response *response)
{
	if (request->body_len == 0)
		return true;
	control_reply_error(response, 400, "this takes no body");
	return false;
}

void control_post_rollback(struct control *control, const struct http_request *request,
			   struct http_response *response)
{
	struct control_rollback rollback = {
		.version = http_request_query(request, "version"),
	};
	cleanup(forecast_deinit) struct forecast forecast = { 0 };
	cleanup(freep) char *error = NULL;
	int r;

	if (!has_no_body(request, response) ||
	    !read_flag(request, "now", &rollback.is_now, response))
		return;
	r = control->operations.rollback(control->user, &rollback, &forecast, &error);
	if (r < 0)
		control_reply_failure(response, r, error);
	else
		control_reply_json(response, 200, applied_json(control, &forecast));
}

void control_post_confirm(struct control *control, const struct http_request *request,
			  struct http_response *response)
{
	cleanup(freep) char *error = NULL;
	int r;

	if (!has_no_body(request, response))
		return;
	r = control->operations.confirm(control->user, &error);
	if (r < 0)
		control_reply_failure(response, r, error);
	else
		control_reply_json(response, 200, control_versions_json(&control->node->versions));
}

void control_get_versions(struct control *control, const struct http_request *request,
			  struct http_response *response)
{
	(void)request;
	control_reply_json(response, 200, control_versions_json(&control->node->versions));
}
