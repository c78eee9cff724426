/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One end of a QUIC connection over libngtcp2 with GnuTLS, and one stream on it: what its programs, a
 * server and a client, have in common. Whoever has one gives it the datagrams that come, and gets those
 * that go.
 */
#ifndef LEAT_TESTS_QUIC_ENDPOINT_H
#define LEAT_TESTS_QUIC_ENDPOINT_H

#include <gnutls/gnutls.h>
#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>
#include <stdbool.h>
#include <sys/socket.h>

#define ENDPOINT_DATAGRAM 1452
#define ENDPOINT_NONE	  (-1) /* there is no stream yet */

struct endpoint;

struct endpoint_events {
	/* A datagram wants to leave on `path`. */
	void (*send)(struct endpoint *endpoint, const ngtcp2_path *path, const uint8_t *datagram,
		     size_t size);
	/* Bytes have come on a stream. */
	void (*receive)(struct endpoint *endpoint, int64_t stream, const uint8_t *bytes,
			size_t size);
	/* An id of `size` bytes by which the other side will call this one, into *ret_id. */
	void (*issue)(struct endpoint *endpoint, size_t size, ngtcp2_cid *ret_id);
	/* An id is no longer used; may be NULL. */
	void (*retire)(struct endpoint *endpoint, const ngtcp2_cid *id);
};

/* What is sent on the stream stays where it is until it is acknowledged, which here is to the end. */
#define ENDPOINT_STREAM_MAX 16384

struct endpoint {
	const struct endpoint_events *events;
	ngtcp2_conn *conn;
	gnutls_session_t session;
	ngtcp2_crypto_conn_ref ref;
	int64_t stream;
	uint8_t out[ENDPOINT_STREAM_MAX];
	size_t queued, sent;
	bool is_confirmed; /* the handshake: the connection may migrate */
	bool is_dead;
};

/* The end that opens the connection, or the other one for the packet that opens it. `id` is how this
 * end is called. 0, or a negative number with the endpoint not begun. */
int endpoint_begin_client(struct endpoint *endpoint, const struct endpoint_events *events,
			  gnutls_certificate_credentials_t credentials, const ngtcp2_path *path,
			  const ngtcp2_cid *id);
int endpoint_begin_server(struct endpoint *endpoint, const struct endpoint_events *events,
			  gnutls_certificate_credentials_t credentials, const ngtcp2_path *path,
			  const ngtcp2_cid *id, const ngtcp2_pkt_hd *opening);
void endpoint_end(struct endpoint *endpoint);

/* A datagram that came on `path`. */
void endpoint_receive(struct endpoint *endpoint, const ngtcp2_path *path, const uint8_t *datagram,
		      size_t size);
/* Queues bytes for the stream; the connection is dead when they are more than it takes in its life. */
void endpoint_queue(struct endpoint *endpoint, const void *bytes, size_t size);
/* Sends what is to be sent now. */
void endpoint_flush(struct endpoint *endpoint);
/* Does what is due by now, and says in how many milliseconds something will be, -1: never. */
void endpoint_tick(struct endpoint *endpoint);
int endpoint_timeout_ms(const struct endpoint *endpoint);

uint64_t endpoint_now_ns(void);
void endpoint_random(void *bytes, size_t size);
ngtcp2_path endpoint_path(struct sockaddr_storage *local, struct sockaddr_storage *remote);
socklen_t endpoint_address_size(const struct sockaddr_storage *address);

#endif
