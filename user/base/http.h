/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A small HTTP server on the daemon's loop (libmicrohttpd driven by sd-event), shared by the control
 * API and the metrics. It knows sockets, requests and responses, and nothing of what they mean.
 */
#ifndef LEAT_BASE_HTTP_H
#define LEAT_BASE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "base/macros.h"

#define HTTP_MAX_BODY	     65536 /* a longer one is refused with 413, unless its owner allows it */
#define HTTP_MAX_CONNECTIONS 64
#define HTTP_TIMEOUT_S	     10

struct http_server;

/* So long a stream says nothing at most. Only by sending, a client is found gone. */
#define HTTP_STREAM_PULSE_S 5

struct http_request {
	const char *method;
	const char *path; /* decoded, without the query */
	const char *body; /* NUL terminated; "" when there is none */
	size_t body_len;
	uid_t peer_uid;	     /* of a unix socket's peer; (uid_t)-1 over TCP */
	void *query_context; /* for http_request_query() */
};

/* A body that is made while it is sent: `read` fills up to `size` bytes and returns how many; 0 when
 * there is nothing now, and it is asked again by http_server_wake() or after a pulse; -1 at the end. A
 * client that takes nothing for HTTP_TIMEOUT_S is cut off. */
struct http_stream {
	ssize_t (*read)(void *user, char *data, size_t size);
	/* Once, however it ends; is_cut_off: the client did not take what there was. */
	void (*end)(void *user, bool is_cut_off);
	const char *pulse; /* a literal that is sent when there was nothing for so long */
	void *user;
};

struct http_header {
	const char *name;
	const char *value;
};

/* What a handler fills. The body is malloc()ed and becomes the server's; a stream goes before it. */
struct http_response {
	unsigned int status;
	const char *content_type; /* a literal */
	const char *allow;	  /* a literal: the methods that a 405 suggests; NULL: none */
	const struct http_header *headers; /* literals, up to one without a name; NULL: none */
	char *body;
	size_t body_len;
	struct http_stream stream;
};

typedef void (*http_handler)(void *user, const struct http_request *request,
			     struct http_response *ret_response);

/* How many bytes the body of a request may have, which has arrived without it so far. */
typedef size_t (*http_body_limit)(void *user, const struct http_request *request);

/*
 * Serves a listening socket, which becomes the server's even on failure, until http_server_free().
 * Every request that is complete and within the limits reaches `handler`, a HEAD as the GET that it
 * asks about; the rest is answered here. 0 or -errno.
 */
int http_server_new(struct http_server **ret_server, sd_event *event, int listen_fd,
		    http_handler handler, void *user);
struct http_server *http_server_free(struct http_server *server);
/* Asks `limit`, with the handler's `user`, instead of allowing HTTP_MAX_BODY. */
void http_server_limit_bodies(struct http_server *server, http_body_limit limit);

/* Has every stream that had nothing to say asked again. Also for use inside a handler. */
void http_server_wake(struct http_server *server);

/* The value of ?name=, or NULL. Valid during the handler. */
const char *http_request_query(const struct http_request *request, const char *name);

/* Listening sockets, non-blocking, or -errno. The unix one gets mode 0660 and `group`; a socket file
 * that nobody listens on is replaced, one in use is -EADDRINUSE. */
int http_listen_tcp(const char *address_and_port);
int http_listen_unix(const char *path, const char *group);

#endif
