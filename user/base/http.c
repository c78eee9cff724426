/* SPDX-License-Identifier: GPL-2.0-only */
#include "base/http.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <utlist.h>

/* Of one connection, for the request's line and headers and for the reply's headers; bodies are
 * beside it. */
#define HTTP_CONNECTION_MEMORY 16384
/* So much more than is allowed is read of a body, so that the 413 reaches a client that writes all
 * before it reads; whoever sends still more is cut off. */
#define HTTP_MAX_DISCARD       (1024 * 1024)
/* Of all replies that clients have not taken yet; one reply is let through whatever its size. */
#define HTTP_MAX_UNSENT	       (256 * 1024 * 1024)
/* So much of a stream is made at a time. */
#define HTTP_STREAM_BLOCK      4096

struct http_server {
	struct MHD_Daemon *daemon;
	sd_event_source *sockets;
	sd_event_source *timeout;
	http_handler handler;
	http_body_limit body_limit; /* NULL: HTTP_MAX_BODY for all */
	void *user;
	bool is_unix;
	struct exchange *streams; /* those whose replies are streams */
	sd_event_source *pulse;	  /* on while there are any */
	bool is_woken;		  /* they are to be asked again */
	size_t unsent;		  /* bytes of replies in the exchanges under way */
};

/* One request and its reply, from the request's first line until the reply is sent or given up. */
struct exchange {
	bool is_started;
	bool has_nul; /* %00 in the address: decoded, it would end early */
	size_t max_body;
	char *body;
	size_t capacity; /* of the body: max_body + 1 bytes at most */
	size_t received;
	size_t reply_len;
	struct http_stream stream;
	struct MHD_Connection *connection; /* of a stream */
	bool is_asleep;
	bool is_pulse_due;
	struct exchange *prev, *next; /* in server->streams */
};

static struct exchange *exchange_free(struct exchange *exchange)
{
	free(exchange->body);
	free(exchange);
	return NULL;
}

/* libmicrohttpd's first call for a request; what it returns comes back as *context. */
static void *exchange_new(void *user, const char *uri, struct MHD_Connection *connection)
{
	struct exchange *exchange;

	(void)user;
	(void)connection;
	exchange = calloc(1, sizeof(*exchange));
	if (exchange)
		exchange->has_nul = strstr(uri, "%00") != NULL;
	return exchange;
}

/* At most twice as much memory as was received: a length that is merely announced costs nothing. */
static int exchange_reserve(struct exchange *exchange, size_t size)
{
	size_t capacity = MIN(MAX(size, 2 * exchange->capacity), exchange->max_body + 1);
	char *body;

	if (size <= exchange->capacity)
		return 0;
	body = realloc(exchange->body, capacity);
	if (!body)
		return -ENOMEM;
	exchange->body = body;
	exchange->capacity = capacity;
	return 0;
}

static int exchange_append(struct exchange *exchange, const char *data, size_t size)
{
	size_t old = exchange->received;

	exchange->received += size;
	if (exchange->received > exchange->max_body + HTTP_MAX_DISCARD)
		return -EMSGSIZE;
	if (exchange->received > exchange->max_body)
		return 0;

	if (exchange_reserve(exchange, exchange->received + 1) < 0)
		return -ENOMEM;
	memcpy(exchange->body + old, data, size);
	exchange->body[exchange->received] = '\0';
	return 0;
}

static struct http_response response_error(unsigned int status, const char *text)
{
	struct http_response response = { .status = status, .content_type = "text/plain" };

	response.body = strdup(text);
	response.body_len = response.body ? strlen(text) : 0;
	return response;
}

static void exchange_wake(struct exchange *exchange)
{
	if (!exchange->is_asleep)
		return;
	exchange->is_asleep = false;
	MHD_resume_connection(exchange->connection);
}

static void wake_streams(struct http_server *server)
{
	struct exchange *exchange;

	DL_FOREACH(server->streams, exchange)
		exchange_wake(exchange);
}

/* They are read from the loop, not from here, which may be inside a handler. */
void http_server_wake(struct http_server *server)
{
	if (!server->streams)
		return;
	wake_streams(server);
	server->is_woken = true;
	sd_event_source_set_time_relative(server->timeout, 0);
	sd_event_source_set_enabled(server->timeout, SD_EVENT_ONESHOT);
}

/* libmicrohttpd asks a reader without data again at once, unless its connection is suspended. One that
 * is suspended is not watched: whether its client is still there shows when something is sent. */
static ssize_t exchange_read(void *user, uint64_t position, char *data, size_t size)
{
	struct exchange *exchange = user;
	ssize_t n = exchange->stream.read(exchange->stream.user, data, size);

	(void)position;
	if (n == 0 && exchange->is_pulse_due)
		n = stpncpy(data, exchange->stream.pulse, size) - data;
	exchange->is_pulse_due = false;
	if (n == 0) {
		exchange->is_asleep = true;
		MHD_suspend_connection(exchange->connection);
	}
	return n < 0 ? MHD_CONTENT_READER_END_OF_STREAM : n;
}

/* The stream becomes the exchange's. */
static struct MHD_Response *reply_to_stream(struct http_server *server, struct exchange *exchange,
					    struct MHD_Connection *connection,
					    const struct http_response *response)
{
	exchange->stream = response->stream;
	exchange->connection = connection;
	DL_APPEND(server->streams, exchange);
	sd_event_source_set_enabled(server->pulse, SD_EVENT_ON);
	return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, HTTP_STREAM_BLOCK, exchange_read,
						 exchange, NULL);
}

/* The body becomes the reply's. */
static struct MHD_Response *reply_to_body(struct http_server *server, struct exchange *exchange,
					  const struct http_response *response)
{
	struct MHD_Response *reply = MHD_create_response_from_buffer(
		response->body_len, response->body, MHD_RESPMEM_MUST_FREE);

	if (!reply) {
		free(response->body);
		return NULL;
	}
	exchange->reply_len = response->body_len;
	server->unsent += exchange->reply_len;
	return reply;
}

static enum MHD_Result reply_add_headers(struct MHD_Response *reply,
					 const struct http_response *response)
{
	const struct http_header *header = response->headers;
	enum MHD_Result r = MHD_YES;

	if (response->content_type)
		r = MHD_add_response_header(reply, "Content-Type", response->content_type);
	if (r == MHD_YES && response->allow)
		r = MHD_add_response_header(reply, "Allow", response->allow);
	for (; r == MHD_YES && header && header->name; header++)
		r = MHD_add_response_header(reply, header->name, header->value);
	return r;
}

/* Takes the reply's body. */
static enum MHD_Result exchange_reply(struct http_server *server, struct exchange *exchange,
				      struct MHD_Connection *connection,
				      const struct http_response *response)
{
	struct MHD_Response *reply;
	enum MHD_Result r;

	reply = response->stream.read ? reply_to_stream(server, exchange, connection, response)
				      : reply_to_body(server, exchange, response);
	if (!reply)
		return MHD_NO;
	r = reply_add_headers(reply, response);
	if (r == MHD_YES)
		r = MHD_queue_response(connection, response->status, reply);
	MHD_destroy_response(reply);
	return r;
}

static uid_t connection_peer_uid(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info;
	struct ucred peer;
	socklen_t size = sizeof(peer);

	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	if (!info || getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return (uid_t)-1;
	return peer.uid;
}

/* A HEAD is handled as the GET that it asks about; libmicrohttpd leaves the body out. */
static struct http_request exchange_request(const struct http_server *server,
					    const struct exchange *exchange,
					    struct MHD_Connection *connection, const char *path,
					    const char *method)
{
	return (struct http_request){
		.method = strcmp(method, "HEAD") == 0 ? "GET" : method,
		.path = path,
		.body = exchange->body ? exchange->body : "",
		.body_len = exchange->received,
		.peer_uid = server->is_unix ? connection_peer_uid(connection) : (uid_t)-1,
		.query_context = connection,
	};
}

static struct http_response exchange_handle(struct http_server *server,
					    const struct exchange *exchange,
					    const struct http_request *request)
{
	struct http_response response = { .status = MHD_HTTP_INTERNAL_SERVER_ERROR };

	if (exchange->has_nul)
		return response_error(MHD_HTTP_BAD_REQUEST, "the address holds a NUL\n");
	if (exchange->received > exchange->max_body)
		return response_error(MHD_HTTP_CONTENT_TOO_LARGE, "the body is too long\n");
	if (server->unsent > HTTP_MAX_UNSENT)
		return response_error(MHD_HTTP_SERVICE_UNAVAILABLE, "too many unread replies\n");
	server->handler(server->user, request, &response);
	return response;
}

static void exchange_start(const struct http_server *server, struct exchange *exchange,
			   const struct http_request *request)
{
	exchange->is_started = true;
	exchange->max_body = server->body_limit ? server->body_limit(server->user, request)
						: HTTP_MAX_BODY;
}

/* libmicrohttpd's call at the end of a request's headers, for every piece of its body, and at its
 * end. MHD_NO closes the connection. */
static enum MHD_Result exchange_advance(void *user, struct MHD_Connection *connection,
					const char *path, const char *method, const char *version,
					const char *data, size_t *size, void **context)
{
	struct http_server *server = user;
	struct exchange *exchange = *context;
	struct http_response response;
	struct http_request request;

	(void)version;
	if (!exchange)
		return MHD_NO;
	request = exchange_request(server, exchange, connection, path, method);
	if (!exchange->is_started) {
		exchange_start(server, exchange, &request);
		return MHD_YES;
	}
	if (*size > 0) {
		if (exchange_append(exchange, data, *size) < 0)
			return MHD_NO;
		*size = 0;
		return MHD_YES;
	}
	response = exchange_handle(server, exchange, &request);
	return exchange_reply(server, exchange, connection, &response);
}

static void exchange_end_stream(struct http_server *server, struct exchange *exchange,
				bool is_cut_off)
{
	DL_DELETE(server->streams, exchange);
	exchange->stream.end(exchange->stream.user, is_cut_off);
	if (!server->streams)
		sd_event_source_set_enabled(server->pulse, SD_EVENT_OFF);
}

static void exchange_complete(void *user, struct MHD_Connection *connection, void **context,
			      enum MHD_RequestTerminationCode code)
{
	struct http_server *server = user;
	struct exchange *exchange = *context;

	(void)connection;
	if (!exchange)
		return;
	server->unsent -= exchange->reply_len;
	if (exchange->stream.read)
		exchange_end_stream(server, exchange,
				    code == MHD_REQUEST_TERMINATED_TIMEOUT_REACHED);
	*context = exchange_free(exchange);
}

static bool server_is_full(const struct http_server *server)
{
	const union MHD_DaemonInfo *info;

	info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
	return info && info->num_connections >= HTTP_MAX_CONNECTIONS;
}

/* Does what can be done without waiting, and sets the timer to when there is more. */
static int server_run(struct http_server *server)
{
	MHD_UNSIGNED_LONG_LONG timeout_ms;
	bool was_full;
	int r;

	/* While full, libmicrohttpd does not watch for new connections, and it looks whether to
	 * start again before it closes those that idled too long: who waits would wait on. */
	do {
		was_full = server_is_full(server);
		server->is_woken = false;
		MHD_run(server->daemon);
	} while (server->is_woken || (was_full && !server_is_full(server)));
	if (MHD_get_timeout(server->daemon, &timeout_ms) != MHD_YES)
		return sd_event_source_set_enabled(server->timeout, SD_EVENT_OFF);
	r = sd_event_source_set_time_relative(server->timeout, timeout_ms * 1000);
	return r < 0 ? r : sd_event_source_set_enabled(server->timeout, SD_EVENT_ONESHOT);
}

static int server_on_socket(sd_event_source *source, int fd, uint32_t events, void *user)
{
	(void)source;
	(void)fd;
	(void)events;
	return server_run(user);
}

static int server_on_timeout(sd_event_source *source, uint64_t now_us, void *user)
{
	(void)source;
	(void)now_us;
	return server_run(user);
}

static int server_on_pulse(sd_event_source *source, uint64_t now_us, void *user)
{
	struct http_server *server = user;
	struct exchange *exchange;

	(void)now_us;
	DL_FOREACH(server->streams, exchange)
		exchange->is_pulse_due = true;
	http_server_wake(server);
	return sd_event_source_set_time_relative(source, HTTP_STREAM_PULSE_S * 1000000);
}

/* Takes the socket only when it returns 0. */
static int server_start(struct http_server *server, int listen_fd)
{
	server->daemon = MHD_start_daemon(
		MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, exchange_advance, server,
		MHD_OPTION_LISTEN_SOCKET, listen_fd, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned int)HTTP_MAX_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned int)HTTP_TIMEOUT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)HTTP_CONNECTION_MEMORY, MHD_OPTION_URI_LOG_CALLBACK, exchange_new, NULL,
		MHD_OPTION_NOTIFY_COMPLETED, exchange_complete, server, MHD_OPTION_END);
	return server->daemon ? 0 : -EIO;
}

static int server_watch(struct http_server *server, sd_event *event)
{
	const union MHD_DaemonInfo *info;
	int r;

	info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	if (!info)
		return -EIO;
	r = sd_event_add_io(event, &server->sockets, info->epoll_fd, EPOLLIN, server_on_socket,
			    server);
	if (r < 0)
		return r;
	/* Its first run finds nothing to wait for and switches it off. */
	r = sd_event_add_time_relative(event, &server->timeout, CLOCK_MONOTONIC, 0, 0,
				       server_on_timeout, server);
	if (r < 0)
		return r;
	r = sd_event_add_time_relative(event, &server->pulse, CLOCK_MONOTONIC,
				       HTTP_STREAM_PULSE_S * 1000000, 0, server_on_pulse, server);
	if (r < 0)
		return r;
	r = sd_event_source_set_enabled(server->pulse, SD_EVENT_OFF);
	return MIN(r, 0);
}

DEFINE_CLEANUP(struct http_server *, http_server_free)

int http_server_new(struct http_server **ret_server, sd_event *event, int listen_fd,
		    http_handler handler, void *user)
{
	cleanup(http_server_freep) struct http_server *server = NULL;
	cleanup(close_fdp) int fd = listen_fd;
	int domain = AF_UNSPEC, r;
	socklen_t size = sizeof(domain);

	server = calloc(1, sizeof(*server));
	if (!server)
		return -ENOMEM;
	server->handler = handler;
	server->user = user;
	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0)
		return -errno;
	server->is_unix = domain == AF_UNIX;

	r = server_start(server, fd);
	if (r < 0)
		return r;
	take_fd(fd);
	r = server_watch(server, event);
	if (r < 0)
		return r;
	*ret_server = take_ptr(server);
	return 0;
}

/* The sources go first: they refer to a descriptor that stopping closes. libmicrohttpd does not stop
 * while a connection is suspended. */
struct http_server *http_server_free(struct http_server *server)
{
	sd_event_source_disable_unref(server->sockets);
	server->timeout = sd_event_source_disable_unref(server->timeout);
	server->pulse = sd_event_source_disable_unref(server->pulse);
	wake_streams(server);
	if (server->daemon)
		MHD_stop_daemon(server->daemon);
	free(server);
	return NULL;
}

void http_server_limit_bodies(struct http_server *server, http_body_limit limit)
{
	server->body_limit = limit;
}

const char *http_request_query(const struct http_request *request, const char *name)
{
	if (!request->query_context)
		return NULL;
	return MHD_lookup_connection_value(request->query_context, MHD_GET_ARGUMENT_KIND, name);
}
