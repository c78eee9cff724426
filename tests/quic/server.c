/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A QUIC server that names itself: each line on a connection's stream is answered with its name. Its
 * connection ids say which server it is, in the plaintext form of QUIC-LB: by the configuration and with
 * the server id that it was told last.
 *
 *   quic-server NAME CERTIFICATE KEY CONFIGURATION SERVER_ID PORT ADDRESS...
 *
 * Prints a line when it listens. A line "CONFIGURATION SERVER_ID" on its standard input changes what new
 * ids are made of, and is answered with a line; the server ends when its standard input does.
 */
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/address.h"
#include "tests/churn/program.h"
#include "tests/quic/endpoint.h"

#define ID_SIZE	      16 /* of every connection id, so that a short header says where it ends */
#define SERVER_ID_MAX (ID_SIZE - 1 - 4)
#define MAX_LISTENERS 8
#define NAME_MAX_SIZE 32

struct listener {
	int fd;
	struct sockaddr_storage local;
};

struct connection {
	struct endpoint endpoint; /* first: what events are about is cast back */
	const struct listener *listener;
	struct connection *next;
};

/* How somebody calls a connection. */
struct name {
	uint8_t id[NGTCP2_MAX_CIDLEN]; /* padded with zeroes */
	struct connection *connection;
	UT_hash_handle hh;
};

static char answer[NAME_MAX_SIZE];
static uint8_t configuration;
static uint8_t server_id[SERVER_ID_MAX];
static size_t server_id_size;
static gnutls_certificate_credentials_t credentials;
static struct listener listeners[MAX_LISTENERS];
static size_t listener_count;
static struct connection *connections;
static struct name *names;

static void pad_id(const uint8_t *bytes, size_t size, uint8_t id[NGTCP2_MAX_CIDLEN])
{
	memset(id, 0, NGTCP2_MAX_CIDLEN);
	memcpy(id, bytes, size < NGTCP2_MAX_CIDLEN ? size : NGTCP2_MAX_CIDLEN);
}

static struct name *find_name(const uint8_t *bytes, size_t size)
{
	uint8_t id[NGTCP2_MAX_CIDLEN];
	struct name *name;

	pad_id(bytes, size, id);
	HASH_FIND(hh, names, id, sizeof(id), name);
	return name;
}

static void add_name(struct connection *connection, const ngtcp2_cid *id)
{
	struct name *name = calloc(1, sizeof(*name));

	if (!name)
		err(1, "a connection id");
	pad_id(id->data, id->datalen, name->id);
	name->connection = connection;
	HASH_ADD(hh, names, id, sizeof(name->id), name);
}

static void drop_name(struct name *name)
{
	HASH_DEL(names, name);
	free(name);
}

/* draft-ietf-quic-load-balancers: configuration and random bits, server id, nonce. */
static void issue(struct endpoint *endpoint, size_t size, ngtcp2_cid *ret_id)
{
	ret_id->datalen = size;
	endpoint_random(ret_id->data, size);
	ret_id->data[0] = (uint8_t)(configuration << 5 | (ret_id->data[0] & 0x1f));
	memcpy(ret_id->data + 1, server_id, server_id_size);
	add_name((struct connection *)endpoint, ret_id);
}

static void retire(struct endpoint *endpoint, const ngtcp2_cid *id)
{
	struct name *name = find_name(id->data, id->datalen);

	(void)endpoint;
	if (name)
		drop_name(name);
}

static void send_datagram(struct endpoint *endpoint, const ngtcp2_path *path,
			  const uint8_t *datagram, size_t size)
{
	const struct connection *connection = (struct connection *)endpoint;

	/* What does not get out is lost like any datagram. */
	sendto(connection->listener->fd, datagram, size, 0, path->remote.addr,
	       path->remote.addrlen);
}

static void receive(struct endpoint *endpoint, int64_t stream, const uint8_t *bytes, size_t size)
{
	endpoint->stream = stream;
	for (size_t i = 0; i < size; i++) {
		if (bytes[i] == '\n')
			endpoint_queue(endpoint, answer, strlen(answer));
	}
}

static const struct endpoint_events events = { send_datagram, receive, issue, retire };

/* For a packet that opens one; NULL: it does not. */
static struct connection *open_connection(const struct listener *listener, const ngtcp2_path *path,
					  const uint8_t *datagram, size_t size)
{
	struct connection *connection;
	ngtcp2_pkt_hd opening;
	ngtcp2_cid id;

	if (ngtcp2_accept(&opening, datagram, size) != 0)
		return NULL;
	connection = calloc(1, sizeof(*connection));
	if (!connection)
		err(1, "a connection");
	connection->listener = listener;
	issue(&connection->endpoint, ID_SIZE, &id);
	add_name(connection, &opening.dcid);
	if (endpoint_begin_server(&connection->endpoint, &events, credentials, path, &id,
				  &opening) < 0)
		errx(1, "a connection cannot begin");
	connection->next = connections;
	connections = connection;
	return connection;
}

/* One that is for nobody here says nothing: it came to the wrong server. */
static void handle(struct listener *listener, struct sockaddr_storage *remote,
		   const uint8_t *datagram, size_t size)
{
	ngtcp2_path path = endpoint_path(&listener->local, remote);
	struct connection *connection;
	struct ngtcp2_version_cid ids;
	const struct name *name;

	if (ngtcp2_pkt_decode_version_cid(&ids, datagram, size, ID_SIZE) != 0)
		return;
	name = find_name(ids.dcid, ids.dcidlen);
	connection = name ? name->connection : open_connection(listener, &path, datagram, size);
	if (connection)
		endpoint_receive(&connection->endpoint, &path, datagram, size);
}

static void read_listener(struct listener *listener)
{
	uint8_t datagram[65536];

	for (;;) {
		struct sockaddr_storage remote;
		socklen_t size = sizeof(remote);
		ssize_t count = recvfrom(listener->fd, datagram, sizeof(datagram), MSG_DONTWAIT,
					 (struct sockaddr *)&remote, &size);

		if (count < 0)
			return;
		handle(listener, &remote, datagram, (size_t)count);
	}
}

static void drop_connection(struct connection *connection)
{
	struct name *name, *next;

	HASH_ITER(hh, names, name, next) {
		if (name->connection == connection)
			drop_name(name);
	}
	endpoint_end(&connection->endpoint);
	free(connection);
}

static void tick(void)
{
	struct connection **at = &connections;

	while (*at) {
		struct connection *connection = *at;

		endpoint_tick(&connection->endpoint);
		if (connection->endpoint.is_dead) {
			*at = connection->next;
			drop_connection(connection);
		} else {
			at = &connection->next;
		}
	}
}

static int timeout_ms(void)
{
	int soonest = -1;

	for (const struct connection *one = connections; one; one = one->next) {
		int ms = endpoint_timeout_ms(&one->endpoint);

		if (ms >= 0 && (soonest < 0 || ms < soonest))
			soonest = ms;
	}
	return soonest;
}

static void set_server_id(const char *number, const char *digits)
{
	size_t size = strlen(digits) / 2;

	configuration = (uint8_t)program_number("configuration", number, 0, 7);
	if (size == 0 || size > SERVER_ID_MAX || strlen(digits) % 2)
		errx(2, "\"%s\" is not a server id of up to %d bytes", digits, SERVER_ID_MAX);
	for (size_t i = 0; i < size; i++) {
		const char byte[] = { digits[2 * i], digits[2 * i + 1], '\0' };
		char *end;

		server_id[i] = (uint8_t)strtoul(byte, &end, 16);
		if (*end)
			errx(2, "\"%s\" is not hexadecimal", digits);
	}
	server_id_size = size;
}

static void read_command(void)
{
	char line[128], *digits;

	if (!fgets(line, sizeof(line), stdin))
		exit(0);
	line[strcspn(line, "\n")] = '\0';
	digits = strchr(line, ' ');
	if (!digits)
		errx(2, "\"%s\" is not CONFIGURATION SERVER_ID", line);
	*digits++ = '\0';
	set_server_id(line, digits);
	puts("done");
}

static void listen_on(const char *text, uint16_t port)
{
	struct listener *listener = &listeners[listener_count++];
	struct leat_addr address;
	socklen_t size;

	if (listener_count > MAX_LISTENERS || address_parse(text, &address) < 0)
		errx(2, "\"%s\" is not an address, or one too many", text);
	size = address_to_sockaddr(&address, port, &listener->local);
	listener->fd = socket(listener->local.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (listener->fd < 0 || bind(listener->fd, (struct sockaddr *)&listener->local, size) < 0)
		err(1, "%s port %u", text, port);
}

static void serve(void)
{
	struct pollfd watched[MAX_LISTENERS + 1] = { { STDIN_FILENO, POLLIN, 0 } };

	for (size_t i = 0; i < listener_count; i++)
		watched[i + 1] = (struct pollfd){ listeners[i].fd, POLLIN, 0 };
	for (;;) {
		if (poll(watched, listener_count + 1, timeout_ms()) < 0 && errno != EINTR)
			err(1, "poll");
		for (size_t i = 0; i < listener_count; i++) {
			if (watched[i + 1].revents)
				read_listener(&listeners[i]);
		}
		tick();
		if (watched[0].revents)
			read_command();
	}
}

int main(int argc, char **argv)
{
	if (argc < 8)
		errx(2, "quic-server NAME CERTIFICATE KEY CONFIGURATION SERVER_ID PORT ADDRESS...");
	setvbuf(stdout, NULL, _IOLBF, 0);
	setvbuf(stdin, NULL, _IONBF, 0);
	snprintf(answer, sizeof(answer), "%s\n", argv[1]);
	set_server_id(argv[4], argv[5]);
	if (gnutls_certificate_allocate_credentials(&credentials) < 0 ||
	    gnutls_certificate_set_x509_key_file(credentials, argv[2], argv[3],
						 GNUTLS_X509_FMT_PEM) < 0)
		errx(1, "%s and %s: no certificate and key", argv[2], argv[3]);
	for (int i = 7; i < argc; i++)
		listen_on(argv[i], (uint16_t)program_number("port", argv[6], 1, UINT16_MAX));
	puts("listening");
	serve();
}
