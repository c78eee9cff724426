/* SPDX-License-Identifier: GPL-2.0-only */
#include "metrics/metrics.h"

#include <errno.h>
#include <string.h>

#include "base/http.h"

struct metrics {
	struct http_server *server;
	const struct node *node;
	void (*refresh)(void *user);
	void *user;
};

static void reply_text(struct http_response *response, unsigned int status, const char *text)
{
	response->status = status;
	response->content_type = "text/plain";
	response->body = strdup(text);
	response->body_len = response->body ? strlen(text) : 0;
}

static void reply_metrics(const struct metrics *metrics, struct http_response *response)
{
	cleanup(freep) char *text = NULL;
	size_t size = 0;
	bool is_whole;
	FILE *out;

	metrics->refresh(metrics->user);
	out = open_memstream(&text, &size);
	if (!out) {
		reply_text(response, 500, "out of memory\n");
		return;
	}
	metrics_write(out, metrics->node);
	is_whole = !ferror(out);
	if (fclose(out) != 0 || !is_whole) {
		reply_text(response, 500, "out of memory\n");
		return;
	}
	response->status = 200;
	response->content_type = "text/plain; version=0.0.4";
	response->body_len = size;
	response->body = take_ptr(text);
}

static void metrics_serve(void *user, const struct http_request *request,
			  struct http_response *ret_response)
{
	bool is_metrics = strcmp(request->path, "/metrics") == 0;

	if (!is_metrics && strcmp(request->path, "/healthz") != 0) {
		reply_text(ret_response, 404, "there are /metrics and /healthz\n");
	} else if (strcmp(request->method, "GET") != 0) {
		ret_response->allow = "GET, HEAD";
		reply_text(ret_response, 405, "only GET\n");
	} else if (is_metrics) {
		reply_metrics(user, ret_response);
	} else {
		reply_text(ret_response, 200, "ok\n");
	}
}

int metrics_new(struct metrics **ret_metrics, sd_event *event, const char *listen,
		const struct node *node, void (*refresh)(void *user), void *user)
{
	cleanup(metrics_freep) struct metrics *metrics = NULL;
	int fd, r;

	metrics = calloc(1, sizeof(*metrics));
	if (!metrics)
		return -ENOMEM;
	metrics->node = node;
	metrics->refresh = refresh;
	metrics->user = user;
	fd = http_listen_tcp(listen);
	if (fd < 0)
		return fd;
	r = http_server_new(&metrics->server, event, fd, metrics_serve, metrics);
	if (r < 0)
		return r;
	*ret_metrics = take_ptr(metrics);
	return 0;
}

struct metrics *metrics_free(struct metrics *metrics)
{
	if (metrics->server)
		http_server_free(metrics->server);
	free(metrics);
	return NULL;
}
