/* SPDX-License-Identifier: GPL-2.0-only */
#include "metrics/metrics.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/http.h"
#include "metrics/status_page.h"

#define STATUS_MAX_AGE_US 1000000

struct metrics {
	struct http_server *server;
	const struct node *node;
	struct metrics_operations operations;
	void *user;
	char *status; /* NULL: not made yet */
	uint64_t status_us;
};

static const struct http_header status_headers[] = {
	{ "Cache-Control", "no-store" },
	{ "X-Content-Type-Options", "nosniff" },
	{ NULL, NULL },
};

static const struct http_header page_headers[] = {
	{ "Content-Security-Policy", STATUS_PAGE_POLICY },
	{ "Cache-Control", "no-store" },
	{ "Referrer-Policy", "no-referrer" },
	{ "X-Content-Type-Options", "nosniff" },
	{ NULL, NULL },
};

static void reply_text(struct http_response *response, unsigned int status, const char *text)
{
	response->status = status;
	response->content_type = "text/plain";
	response->body = strdup(text);
	response->body_len = response->body ? strlen(text) : 0;
}

static void reply_metrics(struct metrics *metrics, struct http_response *response)
{
	cleanup(freep) char *text = NULL;
	size_t size = 0;
	bool is_whole;
	FILE *out;

	metrics->operations.refresh(metrics->user);
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

/* Rates change once a second: so often it is made, however many look at it. */
static void reply_status(struct metrics *metrics, struct http_response *response)
{
	uint64_t now_us = clock_monotonic_us();

	if (!metrics->status || now_us - metrics->status_us >= STATUS_MAX_AGE_US) {
		free(metrics->status);
		metrics->operations.refresh(metrics->user);
		metrics->status = metrics->operations.status(metrics->user);
		metrics->status_us = now_us;
	}
	if (!metrics->status) {
		reply_text(response, 500, "out of memory\n");
		return;
	}
	reply_text(response, 200, metrics->status);
	response->content_type = "application/json";
	response->headers = status_headers;
}

static void reply_page(struct metrics *metrics, struct http_response *response)
{
	size_t size = ARRAY_SIZE(status_page);

	(void)metrics;
	response->body = malloc(size);
	if (!response->body) {
		reply_text(response, 500, "out of memory\n");
		return;
	}
	memcpy(response->body, status_page, size);
	response->body_len = size;
	response->status = 200;
	response->content_type = "text/html; charset=utf-8";
	response->headers = page_headers;
}

static void reply_health(struct metrics *metrics, struct http_response *response)
{
	(void)metrics;
	reply_text(response, 200, "ok\n");
}

static const struct {
	const char *path;
	void (*reply)(struct metrics *metrics, struct http_response *response);
} pages[] = {
	{ "/", reply_page },
	{ "/status.json", reply_status },
	{ "/metrics", reply_metrics },
	{ "/healthz", reply_health },
};

static void metrics_serve(void *user, const struct http_request *request,
			  struct http_response *ret_response)
{
	size_t i = 0;

	while (i < ARRAY_SIZE(pages) && strcmp(request->path, pages[i].path) != 0)
		i++;
	if (i == ARRAY_SIZE(pages)) {
		reply_text(ret_response, 404, "there are /, /status.json, /metrics and /healthz\n");
	} else if (strcmp(request->method, "GET") != 0) {
		ret_response->allow = "GET, HEAD";
		reply_text(ret_response, 405, "only GET\n");
	} else {
		pages[i].reply(user, ret_response);
	}
}

int metrics_new(struct metrics **ret_metrics, sd_event *event, const char *listen,
		const struct node *node, const struct metrics_operations *operations, void *user)
{
	cleanup(metrics_freep) struct metrics *metrics = NULL;
	int fd, r;

	metrics = calloc(1, sizeof(*metrics));
	if (!metrics)
		return -ENOMEM;
	metrics->node = node;
	metrics->operations = *operations;
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
	free(metrics->status);
	free(metrics);
	return NULL;
}
