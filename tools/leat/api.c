/* SPDX-License-Identifier: GPL-2.0-only */
#include <curl/curl.h>
#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/number.h"
#include "tools/leat/cli.h"

#define API_MAX_REPLY	       (64 * 1024 * 1024) /* all services with all their backends fit in half */
#define API_CONNECT_TIMEOUT_MS 2000
#define API_TIMEOUT_MS	       30000
#define API_MAX_SILENCE_S      20 /* of a stream, in which leatd says something every 5 */

struct buffer {
	char *data;
	size_t size;
	size_t capacity;
	bool is_too_big;
};

static void buffer_deinit(struct buffer *buffer)
{
	free(buffer->data);
}

static void curl_free_text(char **text)
{
	curl_free(*text);
}

static void curl_free_headers(struct curl_slist **headers)
{
	curl_slist_free_all(*headers);
}

/* `size` is at most API_MAX_REPLY. */
static void buffer_reserve(struct buffer *buffer, size_t size)
{
	if (size <= buffer->capacity)
		return;
	buffer->capacity = MAX(size, buffer->capacity * 2);
	buffer->data = cli_allocated(realloc(buffer->data, buffer->capacity));
}

/* curl's form: `one` is 1, and a result other than `size` ends the transfer. */
static size_t buffer_append(char *data, size_t one, size_t size, void *user)
{
	struct buffer *buffer = user;

	if (size > API_MAX_REPLY - buffer->size) {
		buffer->is_too_big = true;
		return 0;
	}
	buffer_reserve(buffer, buffer->size + size);
	memcpy(buffer->data + buffer->size, data, size);
	buffer->size += size;
	return size * one;
}

/* The host is there because HTTP wants one. Components of a path are escaped, the path is not. */
static char *url_make(CURL *curl, const char *path, const char *name,
		      const struct api_parameter *parameters, size_t count)
{
	char *url = NULL;
	size_t size;
	FILE *stream = cli_allocated(open_memstream(&url, &size));
	char separator = '?';

	fprintf(stream, "http://leatd%s", path);
	if (name) {
		cleanup(curl_free_text) char *text = curl_easy_escape(curl, name, 0);

		fputs(cli_allocated(text), stream);
	}
	for (size_t i = 0; i < count; i++) {
		cleanup(curl_free_text) char *text = NULL;

		if (!parameters[i].value)
			continue;
		text = curl_easy_escape(curl, parameters[i].value, 0);
		fprintf(stream, "%c%s=%s", separator, parameters[i].name,
			(char *)cli_allocated(text));
		separator = '&';
	}
	fclose(stream);
	return cli_allocated(url);
}

struct request {
	CURL *curl;
	struct buffer reply;
	uint64_t timeout_ms;
};

static void request_deinit(struct request *request)
{
	curl_easy_cleanup(request->curl);
	buffer_deinit(&request->reply);
}

/* The environment's proxies are for the world outside. */
static struct request request_make(uint64_t timeout_ms)
{
	CURL *curl = cli_allocated(curl_easy_init());

	curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, cli_options.socket);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_HTTP09_ALLOWED, 0L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)API_CONNECT_TIMEOUT_MS);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, buffer_append);
	return (struct request){ .curl = curl, .timeout_ms = timeout_ms };
}

/* Says why; returns what the caller returns. */
static int fail(struct api_failure *failure, const char *format, ...) printf_like(2);

static int fail(struct api_failure *failure, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	failure->text = cli_format(format, args);
	va_end(args);
	return CLI_FAILURE;
}

void api_failure_deinit(struct api_failure *failure)
{
	free(take_ptr(failure->text));
}

static int fail_permission(struct api_failure *failure)
{
	struct stat status;
	const struct group *group = NULL;

	if (stat(cli_options.socket, &status) == 0)
		group = getgrgid(status.st_gid);
	if (!group)
		return fail(failure, "no permission to reach leatd at %s; try as root",
			    cli_options.socket);
	return fail(failure,
		    "no permission to reach leatd at %s; it is open to root and to members of the "
		    "group %s",
		    cli_options.socket, group->gr_name);
}

static int fail_connect(struct api_failure *failure, CURL *curl)
{
	long error = 0;

	curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &error);
	if (error == EACCES)
		return fail_permission(failure);
	return fail(failure,
		    "cannot reach leatd at %s: %s; is leatd running? Use -s PATH if its socket is "
		    "elsewhere",
		    cli_options.socket, error ? strerror((int)error) : "no connection");
}

static int fail_transfer(struct api_failure *failure, const struct request *request, CURLcode code)
{
	char timeout[DURATION_TEXT_SIZE];

	if (request->reply.is_too_big)
		return fail(failure, "the reply of leatd at %s is larger than %d MiB",
			    cli_options.socket, API_MAX_REPLY / 1024 / 1024);
	if (code == CURLE_COULDNT_CONNECT)
		return fail_connect(failure, request->curl);
	if (code == CURLE_OPERATION_TIMEDOUT)
		return fail(failure, "leatd at %s did not answer in %s", cli_options.socket,
			    duration_format(request->timeout_ms, timeout));
	return fail(failure, "no whole reply from leatd at %s: %s", cli_options.socket,
		    curl_easy_strerror(code));
}

/* What leatd refuses it explains; whoever else answers may not. */
static int fail_status(struct api_failure *failure, const json_t *reply)
{
	const char *text = json_string_value(json_object_get(reply, "error"));

	if (text)
		return fail(failure, "%s", text);
	return fail(failure, "leatd at %s answered with status %ld", cli_options.socket,
		    failure->status);
}

static int reply_take(const struct request *request, json_type type, json_t **ret_reply,
		      struct api_failure *ret_failure)
{
	const struct buffer *buffer = &request->reply;
	cleanup(json_decrefp) json_t *reply = NULL;
	json_error_t error;

	curl_easy_getinfo(request->curl, CURLINFO_RESPONSE_CODE, &ret_failure->status);
	reply = json_loadb(buffer->data ?: "", buffer->size, JSON_DECODE_ANY, &error);
	/* JSON for programs escapes what steers a terminal. */
	if (!cli_options.json)
		cli_make_printable(reply);
	if (ret_failure->status != 200)
		return fail_status(ret_failure, reply);
	if (!reply || json_typeof(reply) != type)
		return fail(ret_failure,
			    "what answers at %s is not leatd: the reply is not as expected",
			    cli_options.socket);
	*ret_reply = take_ptr(reply);
	return CLI_OK;
}

static int request_run(struct request *request, const char *url, json_type type, json_t **ret_reply,
		       struct api_failure *ret_failure)
{
	CURLcode code;

	*ret_failure = (struct api_failure){};
	if (strlen(cli_options.socket) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return fail(ret_failure, "the socket's path is too long: %s", cli_options.socket);

	curl_easy_setopt(request->curl, CURLOPT_URL, url);
	curl_easy_setopt(request->curl, CURLOPT_WRITEDATA, &request->reply);
	code = curl_easy_perform(request->curl);
	if (code != CURLE_OK)
		return fail_transfer(ret_failure, request, code);
	return reply_take(request, type, ret_reply, ret_failure);
}

int api_try_get(const char *path, const struct api_parameter *parameters, size_t count,
		json_type type, uint64_t timeout_ms, json_t **ret_reply,
		struct api_failure *ret_failure)
{
	cleanup(request_deinit) struct request request = request_make(timeout_ms);
	cleanup(freep) char *url = url_make(request.curl, path, NULL, parameters, count);

	return request_run(&request, url, type, ret_reply, ret_failure);
}

int api_get(const char *path, const struct api_parameter *parameters, size_t count, json_type type,
	    json_t **ret_reply)
{
	cleanup(api_failure_deinit) struct api_failure failure = {};
	int r = api_try_get(path, parameters, count, type, API_TIMEOUT_MS, ret_reply, &failure);

	return r == CLI_OK ? r : cli_error("%s", failure.text);
}

/* A stream and what has come of its current line, which begins the reply's buffer. */
struct stream {
	struct request *request;
	api_line take;
	void *user;
	bool is_refused; /* the reply is no stream but says why */
	bool is_enough;
};

static bool stream_take_line(struct stream *stream, const char *text, size_t size)
{
	cleanup(json_decrefp) json_t *line = json_loadb(text, size, 0, NULL);

	if (!cli_options.json)
		cli_make_printable(line);
	return !line || stream->take(stream->user, line);
}

/* curl's form, as buffer_append() has it. */
static size_t stream_append(char *data, size_t one, size_t size, void *user)
{
	struct stream *stream = user;
	struct buffer *buffer = &stream->request->reply;
	long status = 0;
	char *end;

	if (buffer_append(data, one, size, buffer) != size)
		return 0;
	curl_easy_getinfo(stream->request->curl, CURLINFO_RESPONSE_CODE, &status);
	stream->is_refused = status != 200;
	while (!stream->is_refused && (end = memchr(buffer->data, '\n', buffer->size))) {
		size_t length = (size_t)(end - buffer->data);

		if (length > 0 && !stream_take_line(stream, buffer->data, length)) {
			stream->is_enough = true;
			return 0;
		}
		buffer->size -= length + 1;
		memmove(buffer->data, end + 1, buffer->size);
	}
	return size;
}

static int stream_run(struct stream *stream, const char *url, struct api_failure *ret_failure)
{
	CURL *curl = stream->request->curl;
	CURLcode code;

	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, stream_append);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, stream);
	/* Not for ever, and not for longer than leatd is silent at most. */
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)API_MAX_SILENCE_S);
	code = curl_easy_perform(curl);
	if (stream->is_enough)
		return CLI_OK;
	if (stream->is_refused && code == CURLE_OK)
		return reply_take(stream->request, JSON_OBJECT, &(json_t *){ NULL }, ret_failure);
	if (code == CURLE_OPERATION_TIMEDOUT)
		return fail(ret_failure, "leatd at %s has said nothing for %d s",
			    cli_options.socket, API_MAX_SILENCE_S);
	if (code == CURLE_OK || code == CURLE_PARTIAL_FILE || code == CURLE_RECV_ERROR)
		return fail(ret_failure, "leatd at %s ended, or this was too slow for it",
			    cli_options.socket);
	return fail_transfer(ret_failure, stream->request, code);
}

int api_follow(const char *path, const struct api_parameter *parameters, size_t count,
	       api_line take, void *user)
{
	cleanup(api_failure_deinit) struct api_failure failure = {};
	cleanup(request_deinit) struct request request = request_make(0);
	cleanup(freep) char *url = url_make(request.curl, path, NULL, parameters, count);
	struct stream stream = { .request = &request, .take = take, .user = user };
	int r = stream_run(&stream, url, &failure);

	return r == CLI_OK ? r : cli_error("%s", failure.text);
}

/* Without "Expect", for which curl would wait: nothing that is sent here is too large to send at once. */
static int post(struct request *request, const char *url, const char *type, const char *body,
		size_t size, json_type reply_type, json_t **ret_reply,
		struct api_failure *ret_failure)
{
	cleanup(curl_free_headers) struct curl_slist *headers = curl_slist_append(NULL, type);

	headers = curl_slist_append(headers, "Expect:");
	curl_easy_setopt(request->curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(request->curl, CURLOPT_POSTFIELDS, body ?: "");
	curl_easy_setopt(request->curl, CURLOPT_POSTFIELDSIZE, (long)size);
	return request_run(request, url, reply_type, ret_reply, ret_failure);
}

int api_post(const char *path, const char *name, const json_t *body, json_type type,
	     json_t **ret_reply)
{
	cleanup(api_failure_deinit) struct api_failure failure = {};
	cleanup(request_deinit) struct request request = request_make(API_TIMEOUT_MS);
	cleanup(freep) char *url = url_make(request.curl, path, name, NULL, 0);
	cleanup(freep) char *text = body ? cli_allocated(json_dumps(body, JSON_COMPACT)) : NULL;
	int r = post(&request, url, "Content-Type: application/json", text, text ? strlen(text) : 0,
		     type, ret_reply, &failure);

	return r == CLI_OK ? r : cli_error("%s", failure.text);
}

int api_post_text(const char *path, const struct api_parameter *parameters, size_t count,
		  const char *text, size_t size, json_t **ret_reply, long *ret_status)
{
	cleanup(api_failure_deinit) struct api_failure failure = {};
	cleanup(request_deinit) struct request request = request_make(API_TIMEOUT_MS);
	cleanup(freep) char *url = url_make(request.curl, path, NULL, parameters, count);
	int r = post(&request, url, "Content-Type: application/yaml", text, size, JSON_OBJECT,
		     ret_reply, &failure);

	if (ret_status)
		*ret_status = failure.status;
	return r == CLI_OK ? r : cli_error("%s", failure.text);
}

const char *reply_text(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key)) ?: "-";
}

double reply_number(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

uint64_t reply_count(const json_t *object, const char *key)
{
	json_int_t count = json_integer_value(json_object_get(object, key));

	return count > 0 ? (uint64_t)count : 0;
}

bool reply_flag(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}
