/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A prober on a loop, somebody who watches, and servers on loopback that behave as told, for the
 * tests of probes. Everything happens on one loop, which is run until a condition holds.
 */
#ifndef LEAT_TESTS_PROBE_HARNESS_H
#define LEAT_TESTS_PROBE_HARNESS_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/address.h"
#include "base/clock.h"
#include "probe/prober.h"

#define WITHIN_MS   10000 /* for what should happen soon: only a failure takes so long */
#define MAX_HISTORY 64
#define MAX_CLIENTS 512

struct harness {
	sd_event *event;
	struct prober *prober;
};

/* One watch and what it was told. */
struct subject {
	struct probe_watch *watch;
	unsigned int results;
	struct probe_result last;
	enum probe_outcome outcomes[MAX_HISTORY];
	uint64_t at_us[MAX_HISTORY];
};

static inline void on_result(void *user, void *subject_, const struct probe_result *result)
{
	struct subject *subject = subject_;

	(void)user;
	if (subject->results < MAX_HISTORY) {
		subject->outcomes[subject->results] = result->outcome;
		subject->at_us[subject->results] = clock_monotonic_us();
	}
	subject->last = *result;
	subject->results++;
}

/* Runs the loop until the condition holds; fails the test when that takes too long. The
 * condition must not change anything. */
#define RUN_UNTIL(harness, condition)                                                              \
	do {                                                                                       \
		uint64_t until_end_ = clock_monotonic_us() + WITHIN_MS * 1000;                     \
		while (!(condition) && clock_monotonic_us() < until_end_)                          \
			sd_event_run((harness)->event, 10000);                                     \
		assert_true(condition);                                                            \
	} while (0)

static inline int harness_setup(void **state)
{
	struct harness *harness = calloc(1, sizeof(*harness));

	assert_non_null(harness);
	assert_return_code(sd_event_new(&harness->event), 0);
	assert_return_code(prober_new(&harness->prober, harness->event, on_result, NULL), 0);
	*state = harness;
	return 0;
}

static inline int harness_teardown(void **state)
{
	struct harness *harness = *state;

	prober_free(harness->prober);
	sd_event_unref(harness->event);
	free(harness);
	return 0;
}

static inline struct leat_addr address_of(const char *text)
{
	struct leat_addr address;

	assert_int_equal(address_parse(text, &address), 0);
	return address;
}

/* Of a literal; nobody writes to what a configuration points to. */
static inline struct byte_string bytes_of(const char *text)
{
	return (struct byte_string){ .data = (unsigned char *)(uintptr_t)text,
				     .size = strlen(text) };
}

static inline struct probe_config config_of(enum probe_type type, uint16_t port)
{
	return (struct probe_config){
		.type = type,
		.port = port,
		.interval_ms = 200,
		.timeout_ms = 100,
		.rise = 2,
		.fall = 3,
		.status = { { 200, 399 } },
		.status_count = 1,
	};
}

static inline void watch(struct harness *harness, const char *address,
			 const struct probe_config *config, struct subject *subject)
{
	struct leat_addr parsed = address_of(address);

	*subject = (struct subject){ 0 };
	assert_int_equal(prober_watch(harness->prober, &parsed, config, subject, &subject->watch),
			 0);
}

/* The outcome of the first probe. */
static inline enum probe_outcome probe_once(struct harness *harness, const char *address,
					    const struct probe_config *config,
					    struct subject *subject)
{
	watch(harness, address, config, subject);
	RUN_UNTIL(harness, subject->results > 0);
	subject->watch = prober_unwatch(subject->watch);
	return subject->outcomes[0];
}

/* What a server does with a client, once that has sent something or, without `waits`, at once. */
enum behaviour {
	SERVER_KEEPS, /* says its text, then keeps the connection open */
	SERVER_CLOSES,
	SERVER_RESETS,
	SERVER_REPEATS, /* says its text as fast as it is taken */
	SERVER_DRIPS,	/* says its text and then a byte now and then */
};

struct server {
	struct harness *harness;
	int fd;
	uint16_t port;
	enum behaviour behaviour;
	bool waits;
	const char *text;
	unsigned int connections;
	sd_event_source *io;
	struct server_client *clients[MAX_CLIENTS];
};

struct server_client {
	struct server *server;
	int fd;
	sd_event_source *io;
	sd_event_source *timer;
};

static inline uint16_t bound_port(int fd)
{
	struct sockaddr_in address;
	socklen_t length = sizeof(address);

	assert_return_code(getsockname(fd, (struct sockaddr *)&address, &length), errno);
	return ntohs(address.sin_port);
}

/* A socket on a port of 127.0.0.1 that nobody else has. */
static inline int bind_loopback(int type)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_return_code(fd, errno);
	assert_return_code(bind(fd, (struct sockaddr *)&address, sizeof(address)), errno);
	return fd;
}

/* A listener whose queue is full drops what would be one more connection. */
struct black_hole {
	int fd;
	int fillers[4];
};

static inline struct black_hole black_hole_open(void)
{
	struct black_hole hole = { .fd = bind_loopback(SOCK_STREAM) };
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				       .sin_port = htons(bound_port(hole.fd)) };

	assert_return_code(listen(hole.fd, 0), errno);
	for (size_t i = 0; i < ARRAY_SIZE(hole.fillers); i++) {
		hole.fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		assert_return_code(hole.fillers[i], errno);
		if (connect(hole.fillers[i], (struct sockaddr *)&address, sizeof(address)) < 0)
			assert_int_equal(errno, EINPROGRESS);
	}
	return hole;
}

static inline void black_hole_close(struct black_hole *hole)
{
	for (size_t i = 0; i < ARRAY_SIZE(hole->fillers); i++)
		close(hole->fillers[i]);
	close(hole->fd);
}

static inline void client_close(struct server_client *client)
{
	client->io = sd_event_source_disable_unref(client->io);
	client->timer = sd_event_source_disable_unref(client->timer);
	close_fdp(&client->fd);
	client->fd = -1;
}

static inline void client_say(struct server_client *client)
{
	send(client->fd, client->server->text, strlen(client->server->text),
	     MSG_NOSIGNAL | MSG_DONTWAIT);
}

static inline int on_client_flood(sd_event_source *source, int fd, uint32_t events, void *user)
{
	struct server_client *client = user;

	(void)source;
	(void)fd;
	if (events & (EPOLLHUP | EPOLLERR))
		client_close(client);
	else
		client_say(client);
	return 0;
}

static inline int on_client_drip(sd_event_source *source, uint64_t usec, void *user)
{
	struct server_client *client = user;

	(void)usec;
	if (send(client->fd, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return 0;
	sd_event_source_set_time_relative(source, 10000);
	sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	return 0;
}

static inline void client_behave(struct server_client *client)
{
	struct server *server = client->server;
	struct linger linger = { .l_onoff = 1 };

	client->io = sd_event_source_disable_unref(client->io);
	client_say(client);
	switch (server->behaviour) {
	case SERVER_KEEPS:
		break;
	case SERVER_RESETS:
		setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
		client_close(client);
		break;
	case SERVER_CLOSES:
		client_close(client);
		break;
	case SERVER_REPEATS:
		sd_event_add_io(server->harness->event, &client->io, client->fd, EPOLLOUT,
				on_client_flood, client);
		break;
	case SERVER_DRIPS:
		sd_event_add_time_relative(server->harness->event, &client->timer, CLOCK_MONOTONIC,
					   10000, 1000, on_client_drip, client);
		break;
	}
}

static inline int on_client_said(sd_event_source *source, int fd, uint32_t events, void *user)
{
	struct server_client *client = user;
	char buffer[4096];

	(void)source;
	(void)events;
	if (recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT) > 0)
		client_behave(client);
	else
		client_close(client);
	return 0;
}

static inline int on_connection(sd_event_source *source, int fd, uint32_t events, void *user)
{
	struct server *server = user;
	struct server_client *client = calloc(1, sizeof(*client));

	(void)source;
	(void)events;
	assert_non_null(client);
	assert_true(server->connections < MAX_CLIENTS);
	client->server = server;
	client->fd = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (client->fd < 0) {
		free(client);
		return 0;
	}
	server->clients[server->connections++] = client;
	if (server->waits)
		sd_event_add_io(server->harness->event, &client->io, client->fd, EPOLLIN,
				on_client_said, client);
	else
		client_behave(client);
	return 0;
}

static inline struct server *server_new(struct harness *harness, enum behaviour behaviour,
					bool waits, const char *text)
{
	struct server *server = calloc(1, sizeof(*server));

	assert_non_null(server);
	server->harness = harness;
	server->behaviour = behaviour;
	server->waits = waits;
	server->text = text;
	server->fd = bind_loopback(SOCK_STREAM);
	server->port = bound_port(server->fd);
	assert_return_code(listen(server->fd, 512), errno);
	assert_return_code(sd_event_add_io(harness->event, &server->io, server->fd, EPOLLIN,
					   on_connection, server),
			   0);
	return server;
}

static inline void server_free(struct server *server)
{
	for (unsigned int i = 0; i < server->connections; i++) {
		client_close(server->clients[i]);
		free(server->clients[i]);
	}
	sd_event_source_disable_unref(server->io);
	close_fdp(&server->fd);
	free(server);
}

#endif
