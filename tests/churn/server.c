/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A server that names itself, with any number of connections and nothing remembered of any of them:
 * each byte that comes, over TCP or UDP, is answered with a record. A probe that only connects is
 * content too.
 *
 *   churn-server NAME PORT ADDRESS...
 *
 * Prints a line when it listens on all addresses, and ends when its standard input does.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/address.h"
#include "tests/churn/program.h"
#include "tests/churn/record.h"

#define MIN_DESCRIPTORS 4096
#define BACKLOG		4096
#define EVENTS		256
#define READ_SIZE	64 /* bytes that are answered at a time */
#define ROUNDS		64 /* on a listener or a datagram socket, then others get their turn */

enum source { LISTENER, CONNECTION, DATAGRAMS, STDIN };

struct server {
	int epoll;
	struct record name;
};

static void watch(const struct server *server, int fd, enum source source)
{
	struct epoll_event event = {
		.events = EPOLLIN,
		.data.u64 = (uint64_t)source << 32 | (uint32_t)fd,
	};

	if (epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		err(1, "epoll_ctl");
}

static void listen_on(const struct server *server, const char *text, uint16_t port, int type)
{
	struct sockaddr_storage name;
	struct leat_addr address;
	socklen_t size;
	int fd, yes = 1;

	if (address_parse(text, &address) < 0)
		errx(2, "\"%s\" is not an address", text);
	size = address_to_sockaddr(&address, port, &name);
	fd = socket(name.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0 ||
	    bind(fd, (struct sockaddr *)&name, size) < 0)
		err(1, "%s port %u", text, port);
	if (type == SOCK_STREAM && listen(fd, BACKLOG) < 0)
		err(1, "listen");
	watch(server, fd, type == SOCK_STREAM ? LISTENER : DATAGRAMS);
}

/* Running out of descriptors would look like a balancer that fails; it has to be heard of. */
static void accept_some(const struct server *server, int listener)
{
	for (int i = 0; i < ROUNDS; i++) {
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0)
			watch(server, fd, CONNECTION);
		else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
			err(1, "accept");
		else if (errno == EAGAIN)
			return;
	}
}

/* Returns the size of the records. */
static size_t make_answer(const struct server *server, const uint8_t *bytes, size_t count,
			  struct record answer[READ_SIZE])
{
	for (size_t i = 0; i < count; i++) {
		answer[i] = server->name;
		answer[i].sequence = bytes[i];
	}
	return count * sizeof(answer[0]);
}

/* A client that does not take its answers is let go: nothing is queued here. */
static void answer_connection(const struct server *server, int fd)
{
	struct record answer[READ_SIZE];
	uint8_t bytes[READ_SIZE];
	ssize_t count = recv(fd, bytes, sizeof(bytes), 0);
	size_t size;

	if (count < 0 && errno == EAGAIN)
		return;
	if (count > 0) {
		size = make_answer(server, bytes, (size_t)count, answer);
		if (send(fd, answer, size, MSG_NOSIGNAL) == (ssize_t)size)
			return;
	}
	close(fd);
}

static void answer_datagrams(const struct server *server, int fd)
{
	struct record answer[READ_SIZE];
	uint8_t bytes[READ_SIZE];

	for (int i = 0; i < ROUNDS; i++) {
		struct sockaddr_storage sender;
		socklen_t sender_size = sizeof(sender);
		ssize_t count = recvfrom(fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&sender,
					 &sender_size);
		size_t size;

		if (count < 0)
			return;
		size = make_answer(server, bytes, (size_t)count, answer);
		/* What does not get out is lost like any datagram. */
		sendto(fd, answer, size, 0, (struct sockaddr *)&sender, sender_size);
	}
}

static void handle(const struct server *server, uint64_t data)
{
	int fd = (int)(uint32_t)data;

	switch ((enum source)(data >> 32)) {
	case LISTENER:
		accept_some(server, fd);
		break;
	case CONNECTION:
		answer_connection(server, fd);
		break;
	case DATAGRAMS:
		answer_datagrams(server, fd);
		break;
	case STDIN:
		if (program_stdin_ended())
			exit(0);
		break;
	}
}

static void serve(const struct server *server)
{
	struct epoll_event events[EVENTS];

	while (true) {
		int count = epoll_wait(server->epoll, events, EVENTS, -1);

		if (count < 0 && errno != EINTR)
			err(1, "epoll_wait");
		for (int i = 0; i < count; i++)
			handle(server, events[i].data.u64);
	}
}

int main(int argc, char **argv)
{
	struct server server = { .epoll = epoll_create1(EPOLL_CLOEXEC) };
	uint16_t port;

	if (argc < 4 || strlen(argv[1]) >= RECORD_NAME_SIZE)
		errx(2, "usage: churn-server NAME PORT ADDRESS...");
	if (server.epoll < 0)
		err(1, "epoll_create1");
	strncpy(server.name.name, argv[1], RECORD_NAME_SIZE - 1);
	port = (uint16_t)program_number("port", argv[2], 1, UINT16_MAX);
	program_raise_descriptors(MIN_DESCRIPTORS);
	program_watch_stdin();
	watch(&server, STDIN_FILENO, STDIN);
	for (int i = 3; i < argc; i++) {
		listen_on(&server, argv[i], port, SOCK_STREAM);
		listen_on(&server, argv[i], port, SOCK_DGRAM);
	}
	puts("listening");
	fflush(stdout);
	serve(&server);
}
