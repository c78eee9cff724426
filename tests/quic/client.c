/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Many QUIC connections at once, whose client changes its address in the middle of them.
 *
 *   quic-client ADDRESS PORT
 *
 * Does what lines on its standard input say, and answers each with a JSON list of who answered on each
 * connection, or null, in the order in which they were opened:
 *
 *   open COUNT SOURCE    opens connections from an address, and exchanges a line on each
 *   exchange             exchanges a line on each connection
 *   migrate SOURCE       goes over to another address (RFC 9000, 9), as a telephone that leaves a
 *                        network does, so that the former one is lost; then exchanges a line
 *   rebind SOURCE        the same without knowing of it, as behind a NAT that forgets its binding
 *   close                closes all connections, and answers with nobody
 *
 * Ends when its standard input does.
 */
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "tests/churn/program.h"
#include "tests/quic/endpoint.h"

#define MAX_CONNECTIONS 512
#define ID_SIZE		8
#define NAME_MAX_SIZE	32
#define PATIENCE_NS	5000000000ULL /* with one exchange */

struct connection {
	struct endpoint endpoint; /* first: what events are about is cast back */
	int fd;
	struct sockaddr_storage local; /* as the library knows it */
	char name[NAME_MAX_SIZE];      /* who answered last; begun, or whole with its newline */
	bool is_answered;
};

static struct sockaddr_storage service;
static struct connection *connections[MAX_CONNECTIONS];
static size_t connection_count;
static gnutls_certificate_credentials_t credentials;

static void issue(struct endpoint *endpoint, size_t size, ngtcp2_cid *ret_id)
{
	(void)endpoint;
	ret_id->datalen = size;
	endpoint_random(ret_id->data, size);
}

/* The former address is lost, and so is what is sent from it. */
static void send_datagram(struct endpoint *endpoint, const ngtcp2_path *path,
			  const uint8_t *datagram, size_t size)
{
	const struct connection *connection = (struct connection *)endpoint;

	if (path->local.addrlen == endpoint_address_size(&connection->local) &&
	    memcmp(path->local.addr, &connection->local, path->local.addrlen) == 0)
		send(connection->fd, datagram, size, 0);
}

static void receive(struct endpoint *endpoint, int64_t stream, const uint8_t *bytes, size_t size)
{
	struct connection *connection = (struct connection *)endpoint;

	(void)stream;
	for (size_t i = 0; i < size; i++) {
		size_t length = strlen(connection->name);

		if (bytes[i] == '\n')
			connection->is_answered = true;
		else if (length + 1 < sizeof(connection->name))
			connection->name[length] = (char)bytes[i];
	}
}

static const struct endpoint_events events = { send_datagram, receive, issue, NULL };

/* A socket at a port of its own. */
static int open_socket(const char *source, struct sockaddr_storage *ret_local)
{
	struct leat_addr address;
	socklen_t size;
	int fd;

	if (address_parse(source, &address) < 0)
		errx(2, "\"%s\" is not an address", source);
	memset(ret_local, 0, sizeof(*ret_local));
	size = address_to_sockaddr(&address, 0, ret_local);
	fd = socket(ret_local->ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)ret_local, size) < 0 ||
	    connect(fd, (struct sockaddr *)&service, endpoint_address_size(&service)) < 0 ||
	    getsockname(fd, (struct sockaddr *)ret_local, &size) < 0)
		err(1, "a socket at %s", source);
	return fd;
}

static void open_connection(const char *source)
{
	struct connection *connection = calloc(1, sizeof(*connection));
	ngtcp2_path path;
	ngtcp2_cid id;

	if (!connection || connection_count == MAX_CONNECTIONS)
		errx(1, "too many connections");
	connections[connection_count++] = connection;
	connection->fd = open_socket(source, &connection->local);
	path = endpoint_path(&connection->local, &service);
	issue(&connection->endpoint, ID_SIZE, &id);
	if (endpoint_begin_client(&connection->endpoint, &events, credentials, &path, &id) < 0)
		errx(1, "a connection cannot begin");
	endpoint_flush(&connection->endpoint);
}

static void read_socket(struct connection *connection)
{
	ngtcp2_path path = endpoint_path(&connection->local, &service);
	uint8_t datagram[65536];

	for (;;) {
		ssize_t count = recv(connection->fd, datagram, sizeof(datagram), MSG_DONTWAIT);

		/* An ICMP error is no reason to give up, and nothing to read. */
		if (count < 0)
			return;
		endpoint_receive(&connection->endpoint, &path, datagram, (size_t)count);
	}
}

static int timeout_ms(uint64_t deadline_ns)
{
	int soonest = (int)((deadline_ns - endpoint_now_ns()) / 1000000 + 1);

	for (size_t i = 0; i < connection_count; i++) {
		int ms = endpoint_timeout_ms(&connections[i]->endpoint);

		if (ms >= 0 && ms < soonest)
			soonest = ms;
	}
	return soonest;
}

/* Whether a command has come. */
static bool step(uint64_t deadline_ns)
{
	struct pollfd watched[MAX_CONNECTIONS + 1];

	for (size_t i = 0; i < connection_count; i++)
		watched[i] = (struct pollfd){ connections[i]->fd, POLLIN, 0 };
	watched[connection_count] = (struct pollfd){ STDIN_FILENO, POLLIN, 0 };
	if (poll(watched, connection_count + 1, timeout_ms(deadline_ns)) < 0 && errno != EINTR)
		err(1, "poll");
	for (size_t i = 0; i < connection_count; i++) {
		if (watched[i].revents)
			read_socket(connections[i]);
		endpoint_tick(&connections[i]->endpoint);
	}
	return watched[connection_count].revents;
}

static bool is_done(const struct connection *connection)
{
	return connection->endpoint.is_dead || connection->is_answered;
}

/* Until all have what they wait for, or are dead; or nobody is patient any more. */
static void run_until(bool (*holds)(const struct connection *connection))
{
	uint64_t deadline_ns = endpoint_now_ns() + PATIENCE_NS;

	while (endpoint_now_ns() < deadline_ns) {
		size_t count = 0;

		while (count < connection_count && holds(connections[count]))
			count++;
		if (count == connection_count)
			return;
		step(deadline_ns);
	}
}

static void print_answers(void)
{
	const char *separator = "";

	putchar('[');
	for (size_t i = 0; i < connection_count; i++) {
		const struct connection *connection = connections[i];

		if (connection->is_answered)
			printf("%s\"%s\"", separator, connection->name);
		else
			printf("%snull", separator);
		separator = ", ";
	}
	puts("]");
}

static bool may_migrate(const struct connection *connection)
{
	return connection->endpoint.is_dead || connection->endpoint.is_confirmed;
}

/* A stream may be opened when the handshake is through. */
static void ask(struct connection *connection)
{
	struct endpoint *endpoint = &connection->endpoint;

	connection->is_answered = false;
	memset(connection->name, 0, sizeof(connection->name));
	if (endpoint->is_dead)
		return;
	if (endpoint->stream == ENDPOINT_NONE &&
	    ngtcp2_conn_open_bidi_stream(endpoint->conn, &endpoint->stream, NULL) != 0)
		endpoint->stream = ENDPOINT_NONE;
	endpoint_queue(endpoint, "?\n", 2);
	endpoint_flush(endpoint);
}

static void exchange(void)
{
	run_until(may_migrate);
	for (size_t i = 0; i < connection_count; i++)
		ask(connections[i]);
	run_until(is_done);
	print_answers();
}

static void migrate(struct connection *connection, const char *source)
{
	struct sockaddr_storage local;
	int fd = open_socket(source, &local);
	ngtcp2_path path = endpoint_path(&local, &service);

	close(connection->fd);
	connection->fd = fd;
	connection->local = local;
	if (connection->endpoint.is_dead)
		return;
	if (ngtcp2_conn_initiate_immediate_migration(connection->endpoint.conn, &path,
						     endpoint_now_ns()) != 0)
		connection->endpoint.is_dead = true;
}

static void rebind(struct connection *connection, const char *source)
{
	struct sockaddr_storage local;

	close(connection->fd);
	connection->fd = open_socket(source, &local);
}

static void move(void (*how)(struct connection *connection, const char *source), const char *source)
{
	for (size_t i = 0; i < connection_count; i++)
		how(connections[i], source);
	exchange();
}

static void close_connections(void)
{
	while (connection_count) {
		struct connection *connection = connections[--connection_count];

		endpoint_end(&connection->endpoint);
		close(connection->fd);
		free(connection);
	}
	print_answers();
}

static void obey(const char *command, const char *first, const char *second)
{
	if (strcmp(command, "open") == 0) {
		uint64_t count = program_number("connections", first, 1, MAX_CONNECTIONS);

		while (count--)
			open_connection(second);
		exchange();
	} else if (strcmp(command, "exchange") == 0) {
		exchange();
	} else if (strcmp(command, "migrate") == 0) {
		move(migrate, first);
	} else if (strcmp(command, "rebind") == 0) {
		move(rebind, first);
	} else if (strcmp(command, "close") == 0) {
		close_connections();
	} else {
		errx(2, "\"%s\" is not a command", command);
	}
}

/* Meanwhile connections live. */
static char *read_command(char *line, int size)
{
	while (!step(endpoint_now_ns() + PATIENCE_NS))
		;
	return fgets(line, size, stdin);
}

int main(int argc, char **argv)
{
	char line[256], command[32], first[64], second[64];
	struct leat_addr address;

	if (argc != 3 || address_parse(argv[1], &address) < 0)
		errx(2, "quic-client ADDRESS PORT");
	setvbuf(stdout, NULL, _IOLBF, 0);
	setvbuf(stdin, NULL, _IONBF, 0);
	program_raise_descriptors(2 * MAX_CONNECTIONS);
	address_to_sockaddr(&address, (uint16_t)program_number("port", argv[2], 1, UINT16_MAX),
			    &service);
	if (gnutls_certificate_allocate_credentials(&credentials) < 0)
		errx(1, "no credentials");
	while (read_command(line, sizeof(line))) {
		first[0] = second[0] = '\0';
		if (sscanf(line, "%31s %63s %63s", command, first, second) < 1)
			errx(2, "an empty line is not a command");
		obey(command, first, second);
	}
	return 0;
}
