/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * HTTP clients for tests of servers on the same loop: libcurl for whole requests, bare sockets for
 * clients that misbehave. Each turns the loop until what it waits for is there or the time is up.
 */
#ifndef LEAT_TESTS_UNIT_HTTP_CLIENT_H
#define LEAT_TESTS_UNIT_HTTP_CLIENT_H

#include <curl/curl.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <systemd/sd-event.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/macros.h"

#define CLIENT_DEADLINE_US (20 * 1000000ULL)
#define CLIENT_TURN_US	   2000

struct client_reply {
	long status;
	char content_type[128];
	char allow[128];
	char *body; /* NUL terminated */
	size_t body_len;
};

struct client_request {
	const char *method;	 /* NULL: GET */
	const char *unix_socket; /* NULL: TCP */
	const char *url;
	const char *body; /* NULL: none */
	size_t body_len;
	bool is_chunked;
};

static inline void client_reply_deinit(struct client_reply *reply)
{
	free(reply->body);
	*reply = (struct client_reply){ 0 };
}

/* One turn of the server's loop; waits a little when there is nothing to do. */
static inline void client_turn(sd_event *event)
{
	assert_true(sd_event_run(event, CLIENT_TURN_US) >= 0);
}

/* Turns the loop until `condition`, which may change with every turn. */
#define client_wait_for(event, condition)                                                          \
	do {                                                                                       \
		uint64_t end_us_ = clock_monotonic_us() + CLIENT_DEADLINE_US;                      \
                                                                                                   \
		while (!(condition)) {                                                             \
			assert_true(clock_monotonic_us() < end_us_);                               \
			client_turn(event);                                                        \
		}                                                                                  \
	} while (0)

static inline size_t client_on_body(char *data, size_t one, size_t size, void *user)
{
	struct client_reply *reply = user;
	char *body = realloc(reply->body, reply->body_len + size + 1);

	(void)one;
	if (!body)
		return 0;
	memcpy(body + reply->body_len, data, size);
	reply->body = body;
	reply->body_len += size;
	reply->body[reply->body_len] = '\0';
	return size;
}

static inline size_t client_on_header(char *data, size_t one, size_t size, void *user)
{
	struct client_reply *reply = user;
	char line[256];

	snprintf(line, sizeof(line), "%.*s", (int)size, data);
	sscanf(line, "Content-Type: %127[^\r\n]", reply->content_type);
	sscanf(line, "Allow: %127[^\r\n]", reply->allow);
	return one * size;
}

static inline void client_set_method(CURL *curl, const struct client_request *request)
{
	if (!request->method)
		return;
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
	if (strcmp(request->method, "HEAD") == 0)
		curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
}

static inline void client_set_body(CURL *curl, const struct client_request *request)
{
	if (!request->body)
		return;
	curl_easy_setopt(curl, CURLOPT_POST, 1L);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)request->body_len);
}

/* curl sends no "Expect" and so writes the whole body before it reads, as most clients do. */
static inline CURL *client_prepare(const struct client_request *request,
				   struct client_reply *ret_reply, struct curl_slist *headers)
{
	CURL *curl = curl_easy_init();

	assert_non_null(curl);
	*ret_reply = (struct client_reply){ 0 };
	client_set_body(curl, request);
	client_set_method(curl, request);
	curl_easy_setopt(curl, CURLOPT_URL, request->url);
	if (request->unix_socket)
		curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, request->unix_socket);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, client_on_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, ret_reply);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, client_on_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, ret_reply);
	return curl;
}

static inline void client_finish(CURLM *multi, CURL *curl, CURLcode *ret_result)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(multi, &left))) {
		if (message->msg == CURLMSG_DONE && message->easy_handle == curl)
			*ret_result = message->data.result;
	}
}

/* One request; returns curl's result, and 0 in the reply's status when there was none. */
static inline CURLcode client_run(sd_event *event, const struct client_request *request,
				  struct client_reply *ret_reply)
{
	struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
	CURLM *multi = curl_multi_init();
	CURLcode result = CURLE_OK;
	int running = 1;
	CURL *curl;

	if (request->is_chunked)
		headers = curl_slist_append(headers, "Transfer-Encoding: chunked");
	curl = client_prepare(request, ret_reply, headers);
	curl_multi_add_handle(multi, curl);
	client_wait_for(event, (curl_multi_perform(multi, &running), running == 0));
	client_finish(multi, curl, &result);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &ret_reply->status);
	curl_multi_remove_handle(multi, curl);
	curl_easy_cleanup(curl);
	curl_multi_cleanup(multi);
	curl_slist_free_all(headers);
	return result;
}

#endif
