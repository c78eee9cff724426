/* SPDX-License-Identifier: GPL-2.0-only */
#include <curl/curl.h>
#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "tools/leat/cli.h"

#define API_MAX_REPLY	       (64 * 1024 * 1024) /* all services with all their backends fit in half */
#define API_CONNECT_TIMEOUT_MS 2000
#define API_TIMEOUT_MS	       30000

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

static void curl_deinit(CURL **curl)
{
	curl_easy_cleanup(*curl);
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

/* The environment's proxies are for the world outside. */
static CURL *request_new(struct buffer *reply)
{
	CURL *curl = cli_allocated(curl_easy_init());

	curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, cli_options.socket);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_HTTP09_ALLOWED, 0L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)API_CONNECT_TIMEOUT_MS);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)API_TIMEOUT_MS);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, buffer_append);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, reply);
	return curl;
}

static int error_permission(void)
{
	struct stat status;
	const struct group *group = NULL;

	if (stat(cli_options.socket, &status) == 0)
		group = getgrgid(status.st_gid);
	if (!group)
		return cli_error("no permission to reach leatd at %s; try as root",
				 cli_options.socket);
	return cli_error("no permission to reach leatd at %s; it is open to root and to members of "
			 "the group %s",
			 cli_options.socket, group->gr_name);
}

static int error_connect(CURL *curl)
{
	long error = 0;

	curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &error);
	if (error == EACCES)
		return error_permission();
	return cli_error(
		"cannot reach leatd at %s: %s; is leatd running? Use -s PATH if its socket "
		"is elsewhere",
		cli_options.socket, error ? strerror((int)error) : "no connection");
}

static int error_transfer(CURL *curl, CURLcode code, const struct buffer *reply)
{
	if (reply->is_too_big)
		return cli_error("the reply of leatd at %s is larger than %d MiB",
				 cli_options.socket, API_MAX_REPLY / 1024 / 1024);
	if (code == CURLE_COULDNT_CONNECT)
		return error_connect(curl);
	if (code == CURLE_OPERATION_TIMEDOUT)
		return cli_error("leatd at %s did not answer in %d s", cli_options.socket,
				 API_TIMEOUT_MS / 1000);
	return cli_error("no whole reply from leatd at %s: %s", cli_options.socket,
			 curl_easy_strerror(code));
}

/* What leatd refuses it explains; whoever else answers may not. */
static int error_status(long status, json_t *reply)
{
	const char *text = json_string_value(json_object_get(reply, "error"));

	if (text)
		return cli_error("%s", text);
	return cli_error("leatd at %s answered with status %ld", cli_options.socket, status);
}

static int reply_take(CURL *curl, const struct buffer *buffer, json_type type, json_t **ret_reply)
{
	cleanup(json_decrefp) json_t *reply = NULL;
	json_error_t error;
	long status = 0;

	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	reply = json_loadb(buffer->data ?: "", buffer->size, JSON_DECODE_ANY, &error);
	/* JSON for programs escapes what steers a terminal. */
	if (!cli_options.json)
		cli_make_printable(reply);
	if (status != 200)
		return error_status(status, reply);
	if (!reply || json_typeof(reply) != type)
		return cli_error("what answers at %s is not leatd: the reply is not as expected",
				 cli_options.socket);
	*ret_reply = take_ptr(reply);
	return CLI_OK;
}

static int request_run(CURL *curl, const char *url, struct buffer *buffer, json_type type,
		       json_t **ret_reply)
{
	CURLcode code;

	if (strlen(cli_options.socket) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return cli_error("the socket's path is too long: %s", cli_options.socket);

	curl_easy_setopt(curl, CURLOPT_URL, url);
	code = curl_easy_perform(curl);
	if (code != CURLE_OK)
		return error_transfer(curl, code, buffer);
	return reply_take(curl, buffer, type, ret_reply);
}

int api_get(const char *path, const struct api_parameter *parameters, size_t count, json_type type,
	    json_t **ret_reply)
{
	cleanup(buffer_deinit) struct buffer buffer = {};
	cleanup(curl_deinit) CURL *curl = request_new(&buffer);
	cleanup(freep) char *url = url_make(curl, path, NULL, parameters, count);

	return request_run(curl, url, &buffer, type, ret_reply);
}

int api_post(const char *path, const char *name, const json_t *body, json_type type,
	     json_t **ret_reply)
{
	cleanup(buffer_deinit) struct buffer buffer = {};
	cleanup(curl_deinit) CURL *curl = request_new(&buffer);
	cleanup(freep) char *url = url_make(curl, path, name, NULL, 0);
	cleanup(freep) char *text = body ? cli_allocated(json_dumps(body, JSON_COMPACT)) : NULL;
	cleanup(curl_free_headers) struct curl_slist *headers =
		curl_slist_append(NULL, "Content-Type: application/json");

	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, text ?: "");
	return request_run(curl, url, &buffer, type, ret_reply);
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
