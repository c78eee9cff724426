/* SPDX-License-Identifier: GPL-2.0-only */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/address.h"
#include "probe/probe.h"
#include "probe/wire.h"

#define MAX_BODY    65536 /* what comes after is not looked at */
#define MAX_HEADERS 65536
#define URL_SIZE    (sizeof("https://[]:65535/") + WIRE_MAX_HOST)
#define TO_SIZE	    (sizeof("::[]:65535") + ADDRESS_TEXT_SIZE)

struct http_transfer {
	CURL *easy;
	struct curl_slist *connect_to;
	char error[CURL_ERROR_SIZE];
	int fd;		  /* curl's; valid as long as the transfer has not ended */
	int socket_error; /* errno of a socket that could not be made */
	size_t header_size;
	char *body; /* NULL: nobody asks what it holds */
	size_t body_size;
	bool is_cut; /* the rest of the body is not wanted */
};

static void http_transfer_free(struct http_transfer *transfer)
{
	curl_easy_cleanup(transfer->easy);
	curl_slist_free_all(transfer->connect_to);
	free(transfer->body);
	free(transfer);
}

static curl_socket_t open_socket(void *user, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct http_transfer *transfer = user;

	(void)purpose;
	transfer->fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
	if (transfer->fd < 0) {
		transfer->socket_error = errno;
		return CURL_SOCKET_BAD;
	}
	/* On failure connections linger; that is no reason not to probe. */
	probe_reset_on_close(transfer->fd);
	return transfer->fd;
}

/* Returning less than it got stops the transfer. */
static size_t on_header(char *bytes, size_t size, size_t count, void *user)
{
	struct http_transfer *transfer = user;

	(void)bytes;
	transfer->header_size += size * count;
	return transfer->header_size <= MAX_HEADERS ? size * count : 0;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *user)
{
	struct http_transfer *transfer = user;
	size_t kept = MIN(size * count, MAX_BODY - transfer->body_size);

	if (transfer->body)
		memcpy(transfer->body + transfer->body_size, bytes, kept);
	transfer->body_size += kept;
	transfer->is_cut = transfer->body_size == MAX_BODY;
	return transfer->is_cut ? 0 : size * count;
}

/* The URL names who is asked for; where to connect is another matter. */
static void http_url(const struct probe *probe, char url[URL_SIZE])
{
	const char *scheme = probe->config->type == PROBE_HTTPS ? "https" : "http";
	char text[ADDRESS_TEXT_SIZE];

	if (probe->config->host) {
		snprintf(url, URL_SIZE, "%s://%s/", scheme, probe->config->host);
		return;
	}
	address_format(probe->address, text);
	snprintf(url, URL_SIZE, address_is_ipv4(probe->address) ? "%s://%s:%u/" : "%s://[%s]:%u/",
		 scheme, text, probe->config->port);
}

static struct curl_slist *http_connect_to(const struct probe *probe)
{
	char text[ADDRESS_TEXT_SIZE];
	char to[TO_SIZE];

	address_format(probe->address, text);
	snprintf(to, sizeof(to), address_is_ipv4(probe->address) ? "::%s:%u" : "::[%s]:%u", text,
		 probe->config->port);
	return curl_slist_append(NULL, to);
}

#define SET(option, value) (r |= curl_easy_setopt(easy, CURLOPT_##option, value) ? -ENOMEM : 0)

static int http_set_request(const struct probe *probe, struct http_transfer *transfer)
{
	CURL *easy = transfer->easy;
	char url[URL_SIZE];
	int r = 0;

	http_url(probe, url);
	SET(URL, url);
	SET(REQUEST_TARGET, probe->config->path);
	SET(CONNECT_TO, transfer->connect_to);
	SET(PROTOCOLS_STR, "http,https");
	SET(FOLLOWLOCATION, 0L);
	SET(PROXY, "");
	SET(NOPROXY, "*");
	SET(HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	SET(USERAGENT, "leat/" LEAT_VERSION);
	SET(SSL_VERIFYPEER, probe->config->verify ? 1L : 0L);
	SET(SSL_VERIFYHOST, probe->config->verify ? 2L : 0L);
	return r;
}

/* A connection of its own, made new: whether one can be made is what the probe asks. */
static int http_set_connection(struct http_transfer *transfer)
{
	CURL *easy = transfer->easy;
	int r = 0;

	SET(FRESH_CONNECT, 1L);
	SET(FORBID_REUSE, 1L);
	SET(SSL_SESSIONID_CACHE, 0L);
	SET(NOSIGNAL, 1L);
	SET(OPENSOCKETFUNCTION, open_socket);
	SET(OPENSOCKETDATA, transfer);
	SET(HEADERFUNCTION, on_header);
	SET(HEADERDATA, transfer);
	SET(WRITEFUNCTION, on_body);
	SET(WRITEDATA, transfer);
	SET(ERRORBUFFER, transfer->error);
	return r;
}

#undef SET

static int http_transfer_fill(struct probe *probe, struct http_transfer *transfer)
{
	int r;

	transfer->easy = curl_easy_init();
	transfer->connect_to = http_connect_to(probe);
	if (probe->config->body)
		transfer->body = malloc(MAX_BODY);
	if (!transfer->easy || !transfer->connect_to || (probe->config->body && !transfer->body))
		return -ENOMEM;
	r = http_set_request(probe, transfer);
	if (r >= 0)
		r = http_set_connection(transfer);
	if (r >= 0 && curl_easy_setopt(transfer->easy, CURLOPT_PRIVATE, probe))
		r = -ENOMEM;
	return r;
}

static int http_start(struct probe *probe)
{
	struct http_transfer *transfer = calloc(1, sizeof(*transfer));
	int r;

	if (!transfer)
		return -ENOMEM;
	transfer->fd = -1;
	r = http_transfer_fill(probe, transfer);
	if (r >= 0)
		r = http_engine_add(probe->context->http, transfer->easy);
	if (r < 0) {
		http_transfer_free(transfer);
		return r;
	}
	probe->data = transfer;
	return 0;
}

static void http_stop(struct probe *probe)
{
	struct http_transfer *transfer = probe->data;

	if (!transfer)
		return;
	http_engine_remove(probe->context->http, transfer->easy);
	http_transfer_free(transfer);
	probe->data = NULL;
}

static bool http_is_connected(const struct http_transfer *transfer)
{
	struct sockaddr_storage peer;
	socklen_t length = sizeof(peer);

	return getpeername(transfer->fd, (struct sockaddr *)&peer, &length) == 0;
}

static bool http_is_shaking_hands(const struct probe *probe)
{
	const struct http_transfer *transfer = probe->data;
	curl_off_t end_us = 0;

	curl_easy_getinfo(transfer->easy, CURLINFO_APPCONNECT_TIME_T, &end_us);
	return probe->config->type == PROBE_HTTPS && end_us == 0;
}

/* curl's own times cannot tell a connection without a handshake from no connection. */
static enum probe_outcome http_timeout(struct probe *probe)
{
	if (!http_is_connected(probe->data))
		return PROBE_L4TOUT;
	return http_is_shaking_hands(probe) ? PROBE_L6TOUT : PROBE_L7TOUT;
}

static bool code_is_internal(CURLcode code)
{
	switch (code) {
	case CURLE_OUT_OF_MEMORY:
	case CURLE_FAILED_INIT:
	case CURLE_URL_MALFORMAT:
	case CURLE_BAD_FUNCTION_ARGUMENT:
	case CURLE_SSL_ENGINE_NOTFOUND:
	case CURLE_SSL_ENGINE_SETFAILED:
	case CURLE_SSL_ENGINE_INITFAILED:
	case CURLE_SSL_CACERT_BADFILE: /* this node's own list of authorities */
		return true;
	default:
		return false;
	}
}

static enum probe_outcome http_error_outcome(const struct probe *probe, CURLcode code)
{
	if (code_is_internal(code))
		return PROBE_INTERNAL;
	return http_is_shaking_hands(probe) ? PROBE_L6RSP : PROBE_L7RSP;
}

static const char *http_error_text(const struct http_transfer *transfer, CURLcode code)
{
	return transfer->error[0] ? transfer->error : curl_easy_strerror(code);
}

static void http_finish_unconnected(struct probe *probe)
{
	const struct http_transfer *transfer = probe->data;
	long error = transfer->socket_error;

	if (!error)
		curl_easy_getinfo(transfer->easy, CURLINFO_OS_ERRNO, &error);
	if (error)
		probe_finish_errno(probe, error == ETIMEDOUT ? PROBE_L4TOUT : PROBE_L4CON,
				   (int)error);
	else
		probe_finish(probe, PROBE_L4CON, "%s",
			     http_error_text(transfer, CURLE_COULDNT_CONNECT));
}

static bool status_is_expected(const struct probe_config *config, long status)
{
	for (size_t i = 0; i < config->status_count; i++) {
		if (status >= config->status[i].least && status <= config->status[i].most)
			return true;
	}
	return false;
}

static bool body_is_expected(const struct probe *probe)
{
	const struct http_transfer *transfer = probe->data;
	const char *expected = probe->config->body;

	return !expected || memmem(transfer->body, transfer->body_size, expected, strlen(expected));
}

static void http_finish_reply(struct probe *probe)
{
	const struct http_transfer *transfer = probe->data;
	long status = 0;

	curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	if (!status_is_expected(probe->config, status))
		probe_finish(probe, PROBE_L7STS, "status %ld", status);
	else if (!body_is_expected(probe))
		probe_finish(probe, PROBE_L7RSP, "status %ld, body without the text", status);
	else
		probe_finish(probe, PROBE_L7OK, "status %ld", status);
}

void probe_http_ended(void *user, CURLcode code)
{
	struct probe *probe = user;
	const struct http_transfer *transfer = probe->data;

	if (transfer->header_size > MAX_HEADERS)
		probe_finish(probe, PROBE_L7RSP, "more than %d bytes of headers", MAX_HEADERS);
	else if (code == CURLE_OK || transfer->is_cut)
		http_finish_reply(probe);
	else if (code == CURLE_COULDNT_CONNECT)
		http_finish_unconnected(probe);
	else
		probe_finish(probe, http_error_outcome(probe, code), "%s",
			     http_error_text(transfer, code));
}

const struct probe_kind probe_kind_http = {
	.start = http_start,
	.timeout = http_timeout,
	.stop = http_stop,
};
