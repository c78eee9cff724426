/* SPDX-License-Identifier: GPL-2.0-only */
#include "control/control.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "control/control_change.h"
#include "control/control_deny.h"
#include "control/control_events.h"
#include "control/control_json.h"
#include "control/internal.h"

#define BACKENDS_PATH "/v1/backends/"
#define HISTORY_PATH  "/v1/node/history"
#define DENIED_PATH   "/v1/denied"

void control_reply_json(struct http_response *response, unsigned int status, json_t *json)
{
	response->content_type = "application/json";
	response->status = status;
	response->body = json ? json_dumps(json, JSON_COMPACT) : NULL;
	json_decref(json);
	if (!response->body) {
		response->status = 500;
		response->body = strdup("{\"error\":\"out of memory\"}");
	}
	response->body_len = response->body ? strlen(response->body) : 0;
}

void control_reply_error(struct http_response *response, unsigned int status, const char *text)
{
	control_reply_json(response, status, json_pack("{s:o}", "error", control_text_json(text)));
}

static unsigned int status_of(int error)
{
	switch (error) {
	case -EINVAL:
		return 400;
	case -ENOENT:
		return 404;
	case -EBUSY:
		return 409;
	case -ESTALE:
		return 412;
	default:
		return 500;
	}
}

void control_reply_failure(struct http_response *response, int error, const char *text)
{
	control_reply_error(response, status_of(error), text ? text : strerror(-error));
}

static bool is_asked_for(const char *asked, const char *name)
{
	return !asked || strcmp(asked, name) == 0;
}

static void get_services(struct control *control, const struct http_request *request,
			 struct http_response *response)
{
	const struct node *node = control->node;
	const char *name = http_request_query(request, "name");
	json_t *list;

	if (name && !node_find_service(node, name)) {
		control_reply_error(response, 404, "there is no such service");
		return;
	}
	control->operations.refresh(control->user);
	list = json_array();
	for (size_t i = 0; i < node->service_count; i++) {
		if (is_asked_for(name, node->services[i]->config.name))
			list = control_json_append(list,
						   control_service_json(node, node->services[i]));
	}
	control_reply_json(response, 200, list);
}

/* The backends called `name` of the service called `service`; NULL asks for all. */
static json_t *backends_json(const struct node *node, const char *service, const char *name)
{
	json_t *list = json_array();

	for (size_t i = 0; i < node->service_count; i++) {
		const struct service *s = node->services[i];

		for (size_t j = 0; is_asked_for(service, s->config.name) && j < s->backend_count;
		     j++) {
			if (is_asked_for(name, s->backends[j]->config.name))
				list = control_json_append(
					list, control_backend_json(node, s->backends[j]));
		}
	}
	return list;
}

static void get_backends(struct control *control, const struct http_request *request,
			 struct http_response *response)
{
	const char *service = http_request_query(request, "service");
	const char *name = http_request_query(request, "name");
	cleanup(json_decrefp) json_t *list = NULL;

	if (service && !node_find_service(control->node, service)) {
		control_reply_error(response, 404, "there is no such service");
		return;
	}
	control->operations.refresh(control->user);
	list = backends_json(control->node, service, name);
	if (list && name && json_array_size(list) == 0)
		control_reply_error(response, 404, "there is no such backend");
	else
		control_reply_json(response, 200, take_ptr(list));
}

static void get_stats(struct control *control, const struct http_request *request,
		      struct http_response *response)
{
	(void)request;
	control->operations.refresh(control->user);
	control_reply_json(response, 200, control_stats_json(control->node));
}

static void get_node(struct control *control, const struct http_request *request,
		     struct http_response *response)
{
	(void)request;
	control->operations.refresh(control->user);
	control_reply_json(response, 200, control_node_json(control->node));
}

/* ?after=NUMBER, and ?follow=1 for a stream of those that come. */
static void get_events(struct control *control, const struct http_request *request,
		       struct http_response *response)
{
	const struct event_ring *ring = &control->node->events;
	struct control_selection selection;
	const char *wrong;
	int r = control_selection_parse(request, ring, &selection, &wrong);

	if (r < 0) {
		control_reply_error(response, 400, wrong);
	} else if (!selection.is_followed) {
		control_reply_json(response, 200, control_events_json(ring, &selection));
	} else if (control_watchers_add(&control->watchers, ring, &selection, response) < 0) {
		log_warning("a watcher of events was refused: there are %d, which is the most",
			    CONTROL_MAX_WATCHERS);
		control_reply_error(response, 503,
				    "too many watch events already; end some of them");
	}
}

static void get_config(struct control *control, const struct http_request *request,
		       struct http_response *response)
{
	(void)request;
	control_reply_json(response, 200, control_config_json(control->node));
}

static void get_denied(struct control *control, const struct http_request *request,
		       struct http_response *response)
{
	(void)request;
	control_reply_json(response, 200, control_denied_json(control->node));
}

static void post_denied(struct control *control, const struct http_request *request,
			struct http_response *response)
{
	cleanup(control_deny_deinit) struct control_deny deny = { 0 };
	cleanup(freep) char *error = NULL;
	int r = control_deny_parse(request->body, request->body_len, &deny, &error);

	if (r == 0)
		r = control->operations.deny(control->user, &deny, &error);
	if (r < 0)
		control_reply_failure(response, r, error);
	else
		control_reply_json(response, 200, control_denied_json(control->node));
}

static void get_history(struct control *control, const struct http_request *request,
			struct http_response *response)
{
	json_t *history = NULL;
	int r = control->operations.export_history(control->user, &history);

	(void)request;
	if (r < 0)
		control_reply_failure(response, r, NULL);
	else
		control_reply_json(response, 200, history);
}

static void post_history(struct control *control, const struct http_request *request,
			 struct http_response *response)
{
	cleanup(json_decrefp) json_t *history =
		json_loadb(request->body, request->body_len, JSON_REJECT_DUPLICATES, NULL);
	cleanup(freep) char *error = NULL;
	int r;

	if (!history) {
		control_reply_error(response, 400, "the body must be JSON, without duplicate keys");
		return;
	}
	r = control->operations.import_history(control->user, history, &error);
	if (r < 0)
		control_reply_failure(response, r, error);
	else
		control_reply_json(response, 200, json_pack("{s:b}", "imported", 1));
}

/* ?now=1 or ?now=0, which is what nothing means, too. */
static int reload_parse(const struct http_request *request, bool *ret_is_now)
{
	const char *now = http_request_query(request, "now");

	if (now && strcmp(now, "0") != 0 && strcmp(now, "1") != 0)
		return -EINVAL;
	*ret_is_now = now && now[0] == '1';
	return 0;
}

static void post_reload(struct control *control, const struct http_request *request,
			struct http_response *response)
{
	cleanup(freep) char *error = NULL;
	bool is_now;
	int r;

	if (request->body_len > 0) {
		control_reply_error(response, 400, "a reload takes no body");
		return;
	}
	if (reload_parse(request, &is_now) < 0) {
		control_reply_error(response, 400, "\"now\" must be 0 or 1");
		return;
	}
	r = control->operations.reload(control->user, is_now, &error);
	if (r < 0)
		control_reply_failure(response, r, error);
	else
		control_reply_json(response, 200, json_pack("{s:b}", "reloaded", 1));
}

static void plan_backend(struct control *control, const struct control_change *change,
			 struct http_response *response)
{
	cleanup(forecast_deinit) struct forecast forecast = { 0 };
	cleanup(freep) char *error = NULL;
	int r = control->operations.plan_change(control->user, change, &forecast, &error);

	if (r < 0)
		control_reply_failure(response, r, error);
	else
		control_reply_json(response, 200, control_forecast_json(&forecast));
}

static void change_backend(struct control *control, const struct control_change *change,
			   struct http_response *response)
{
	cleanup(freep) char *error = NULL;
	int r = control->operations.change(control->user, change, &error);

	if (r < 0) {
		control_reply_failure(response, r, error);
		return;
	}
	control->operations.refresh(control->user);
	control_reply_json(response, 200,
			   backends_json(control->node, change->service[0] ? change->service : NULL,
					 change->backend));
}

static void post_backend(struct control *control, const struct http_request *request,
			 struct http_response *response)
{
	const char *name = request->path + strlen(BACKENDS_PATH);
	struct control_change change;
	const char *wrong;

	if (control_change_parse(name, request->body, request->body_len, &change, &wrong) < 0)
		control_reply_error(response, 400, wrong);
	else if (change.is_plan)
		plan_backend(control, &change, response);
	else
		change_backend(control, &change, response);
}

void control_wake(struct control *control)
{
	http_server_wake(control->server);
}

static bool path_is(const char *path, const char *route)
{
	return strcmp(path, route) == 0;
}

/* The route of one backend, whose name has a name's form. */
static bool path_is_under(const char *path, const char *route)
{
	size_t length = strlen(route);

	return strncmp(path, route, length) == 0 && path[length] != '\0' &&
	       strlen(path + length) <= CONFIG_MAX_NAME && !strchr(path + length, '/');
}

static const struct route {
	const char *path;
	bool (*matches)(const char *path, const char *route);
	const char *method;
	void (*handle)(struct control *control, const struct http_request *request,
		       struct http_response *response);
} routes[] = {
	{ "/v1/services", path_is, "GET", get_services },
	{ "/v1/backends", path_is, "GET", get_backends },
	{ "/v1/stats", path_is, "GET", get_stats },
	{ "/v1/node", path_is, "GET", get_node },
	{ "/v1/events", path_is, "GET", get_events },
	{ HISTORY_PATH, path_is, "GET", get_history },
	{ HISTORY_PATH, path_is, "POST", post_history },
	{ DENIED_PATH, path_is, "GET", get_denied },
	{ DENIED_PATH, path_is, "POST", post_denied },
	{ "/v1/config", path_is, "GET", get_config },
	{ "/v1/config/reload", path_is, "POST", post_reload },
	{ CONTROL_PLAN_PATH, path_is, "POST", control_post_plan },
	{ CONTROL_APPLY_PATH, path_is, "POST", control_post_apply },
	{ "/v1/config/rollback", path_is, "POST", control_post_rollback },
	{ "/v1/config/confirm", path_is, "POST", control_post_confirm },
	{ "/v1/config/history", path_is, "GET", control_get_versions },
	{ BACKENDS_PATH, path_is_under, "POST", post_backend },
};

/* NULL for method: any. */
static const struct route *route_find(const char *path, const char *method)
{
	for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
		if (routes[i].matches(path, routes[i].path) &&
		    (!method || strcmp(method, routes[i].method) == 0))
			return &routes[i];
	}
	return NULL;
}

static void reply_other_methods(struct http_response *response, const char *path)
{
	bool has_get = route_find(path, "GET") != NULL, has_post = route_find(path, "POST") != NULL;

	response->allow = has_get && has_post ? "GET, HEAD, POST" : has_get ? "GET, HEAD" : "POST";
	control_reply_error(response, 405, "this path has another method");
}

void control_handle(struct control *control, const struct http_request *request,
		    struct http_response *ret_response)
{
	const struct route *route = route_find(request->path, request->method);

	if (!route && !route_find(request->path, NULL)) {
		control_reply_error(ret_response, 404, "there is nothing under this path");
	} else if (!route) {
		reply_other_methods(ret_response, request->path);
	} else if (strcmp(route->method, "POST") == 0 && request->peer_uid != 0) {
		control_reply_error(ret_response, 403, "only root may change anything");
	} else {
		route->handle(control, request, ret_response);
	}
}

static void control_serve(void *user, const struct http_request *request,
			  struct http_response *ret_response)
{
	control_handle(user, request, ret_response);
}

static const struct {
	const char *path;
	size_t most;
} long_bodies[] = {
	{ HISTORY_PATH, CONTROL_MAX_BODY },
	{ DENIED_PATH, CONTROL_MAX_BODY },
	{ CONTROL_PLAN_PATH, CONTROL_MAX_CONFIG },
	{ CONTROL_APPLY_PATH, CONTROL_MAX_CONFIG },
};

/* A long body is for root, who alone can do anything with it. */
static size_t control_limit_body(void *user, const struct http_request *request)
{
	bool may_be_long = strcmp(request->method, "POST") == 0 && request->peer_uid == 0;

	(void)user;
	for (size_t i = 0; may_be_long && i < ARRAY_SIZE(long_bodies); i++) {
		if (strcmp(request->path, long_bodies[i].path) == 0)
			return long_bodies[i].most;
	}
	return HTTP_MAX_BODY;
}

static int control_listen(struct control *control, sd_event *event, const struct config *config)
{
	int fd, r;

	fd = http_listen_unix(config->control_socket, config->control_group);
	if (fd < 0)
		return fd;
	control->path = strdup(config->control_socket);
	if (!control->path) {
		unlink(config->control_socket);
		close(fd);
		return -ENOMEM;
	}
	r = http_server_new(&control->server, event, fd, control_serve, control);
	if (r < 0)
		return r;
	http_server_limit_bodies(control->server, control_limit_body);
	return 0;
}

int control_new(struct control **ret_control, sd_event *event, const struct config *config,
		const struct node *node, const struct control_operations *operations, void *user)
{
	cleanup(control_freep) struct control *control = NULL;
	int r;

	control = calloc(1, sizeof(*control));
	if (!control)
		return -ENOMEM;
	control->node = node;
	control->operations = *operations;
	control->user = user;
	r = control_listen(control, event, config);
	if (r < 0)
		return r;
	*ret_control = take_ptr(control);
	return 0;
}

/* The file goes first, so that nobody connects to a server that is going away. */
struct control *control_free(struct control *control)
{
	if (control->path)
		unlink(control->path);
	if (control->server)
		http_server_free(control->server);
	free(control->path);
	free(control);
	return NULL;
}
