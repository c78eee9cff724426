/* SPDX-License-Identifier: GPL-2.0-only */
#include "tests/quic/endpoint.h"

#include <err.h>
#include <gnutls/crypto.h>
#include <netinet/in.h>
#include <ngtcp2/ngtcp2_crypto_gnutls.h>
#include <string.h>
#include <time.h>

#define PRIORITY                                                                                   \
	"%DISABLE_TLS13_COMPAT_MODE:NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM:"       \
	"+AES-256-GCM:-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1"
#define WINDOW	  (1U << 20)
#define STREAMS	  4
#define IDS	  4 /* that the other side may have of this one at a time */
#define SECOND_NS 1000000000ULL
#define IDLE_S	  120

uint64_t endpoint_now_ns(void)
{
	struct timespec now;

	if (clock_gettime(CLOCK_MONOTONIC, &now) < 0)
		err(1, "clock_gettime");
	return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

void endpoint_random(void *bytes, size_t size)
{
	if (gnutls_rnd(GNUTLS_RND_RANDOM, bytes, size) < 0)
		errx(1, "no random numbers");
}

socklen_t endpoint_address_size(const struct sockaddr_storage *address)
{
	return address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
					      : sizeof(struct sockaddr_in);
}

ngtcp2_path endpoint_path(struct sockaddr_storage *local, struct sockaddr_storage *remote)
{
	return (ngtcp2_path){
		.local = { (struct sockaddr *)local, endpoint_address_size(local) },
		.remote = { (struct sockaddr *)remote, endpoint_address_size(remote) },
	};
}

static ngtcp2_conn *conn_of(ngtcp2_crypto_conn_ref *ref)
{
	const struct endpoint *endpoint = ref->user_data;

	return endpoint->conn;
}

static void on_random(uint8_t *bytes, size_t size, const ngtcp2_rand_ctx *context)
{
	(void)context;
	endpoint_random(bytes, size);
}

static int on_new_id(ngtcp2_conn *conn, ngtcp2_cid *id, uint8_t *token, size_t size, void *user)
{
	struct endpoint *endpoint = user;

	(void)conn;
	endpoint->events->issue(endpoint, size, id);
	endpoint_random(token, NGTCP2_STATELESS_RESET_TOKENLEN);
	return 0;
}

static int on_retired_id(ngtcp2_conn *conn, const ngtcp2_cid *id, void *user)
{
	struct endpoint *endpoint = user;

	(void)conn;
	if (endpoint->events->retire)
		endpoint->events->retire(endpoint, id);
	return 0;
}

static int on_stream_bytes(ngtcp2_conn *conn, uint32_t flags, int64_t stream, uint64_t offset,
			   const uint8_t *bytes, size_t size, void *user, void *stream_user)
{
	struct endpoint *endpoint = user;

	(void)flags;
	(void)offset;
	(void)stream_user;
	ngtcp2_conn_extend_max_stream_offset(conn, stream, size);
	ngtcp2_conn_extend_max_offset(conn, size);
	endpoint->events->receive(endpoint, stream, bytes, size);
	return 0;
}

static int on_confirmed(ngtcp2_conn *conn, void *user)
{
	struct endpoint *endpoint = user;

	(void)conn;
	endpoint->is_confirmed = true;
	return 0;
}

static const ngtcp2_callbacks callbacks = {
	.client_initial = ngtcp2_crypto_client_initial_cb,
	.recv_client_initial = ngtcp2_crypto_recv_client_initial_cb,
	.recv_crypto_data = ngtcp2_crypto_recv_crypto_data_cb,
	.encrypt = ngtcp2_crypto_encrypt_cb,
	.decrypt = ngtcp2_crypto_decrypt_cb,
	.hp_mask = ngtcp2_crypto_hp_mask_cb,
	.recv_stream_data = on_stream_bytes,
	.recv_retry = ngtcp2_crypto_recv_retry_cb,
	.rand = on_random,
	.get_new_connection_id = on_new_id,
	.remove_connection_id = on_retired_id,
	.update_key = ngtcp2_crypto_update_key_cb,
	.handshake_confirmed = on_confirmed,
	.delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb,
	.delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb,
	.get_path_challenge_data = ngtcp2_crypto_get_path_challenge_data_cb,
	.version_negotiation = ngtcp2_crypto_version_negotiation_cb,
};

static ngtcp2_settings settings_of(void)
{
	ngtcp2_settings settings;

	ngtcp2_settings_default(&settings);
	settings.initial_ts = endpoint_now_ns();
	return settings;
}

static ngtcp2_transport_params params_of(void)
{
	ngtcp2_transport_params params;

	ngtcp2_transport_params_default(&params);
	params.initial_max_stream_data_bidi_local = WINDOW;
	params.initial_max_stream_data_bidi_remote = WINDOW;
	params.initial_max_data = WINDOW;
	params.initial_max_streams_bidi = STREAMS;
	params.active_connection_id_limit = IDS;
	params.max_idle_timeout = IDLE_S * SECOND_NS;
	return params;
}

static int begin_tls(struct endpoint *endpoint, unsigned int flags,
		     gnutls_certificate_credentials_t credentials)
{
	gnutls_datum_t protocol = { (unsigned char *)(uintptr_t) "leat-test", 9 };
	gnutls_session_t session;
	int r;

	if (gnutls_init(&session, flags) < 0)
		return -1;
	endpoint->session = session;
	endpoint->ref = (ngtcp2_crypto_conn_ref){ conn_of, endpoint };
	gnutls_session_set_ptr(session, &endpoint->ref);
	r = gnutls_priority_set_direct(session, PRIORITY, NULL);
	if (r == 0)
		r = gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials);
	if (r == 0)
		r = gnutls_alpn_set_protocols(session, &protocol, 1, GNUTLS_ALPN_MANDATORY);
	if (r == 0)
		r = flags & GNUTLS_SERVER ? ngtcp2_crypto_gnutls_configure_server_session(session)
					  : ngtcp2_crypto_gnutls_configure_client_session(session);
	ngtcp2_conn_set_tls_native_handle(endpoint->conn, session);
	return r;
}

int endpoint_begin_client(struct endpoint *endpoint, const struct endpoint_events *events,
			  gnutls_certificate_credentials_t credentials, const ngtcp2_path *path,
			  const ngtcp2_cid *id)
{
	ngtcp2_settings settings = settings_of();
	ngtcp2_transport_params params = params_of();
	ngtcp2_cid first = { .datalen = NGTCP2_MIN_INITIAL_DCIDLEN };

	endpoint->events = events;
	endpoint->stream = ENDPOINT_NONE;
	endpoint_random(first.data, first.datalen);
	if (ngtcp2_conn_client_new(&endpoint->conn, &first, id, path, NGTCP2_PROTO_VER_V1,
				   &callbacks, &settings, &params, NULL, endpoint) != 0)
		return -1;
	return begin_tls(endpoint, GNUTLS_CLIENT | GNUTLS_NO_END_OF_EARLY_DATA, credentials);
}

int endpoint_begin_server(struct endpoint *endpoint, const struct endpoint_events *events,
			  gnutls_certificate_credentials_t credentials, const ngtcp2_path *path,
			  const ngtcp2_cid *id, const ngtcp2_pkt_hd *opening)
{
	ngtcp2_settings settings = settings_of();
	ngtcp2_transport_params params = params_of();

	endpoint->events = events;
	endpoint->stream = ENDPOINT_NONE;
	params.original_dcid = opening->dcid;
	if (ngtcp2_conn_server_new(&endpoint->conn, &opening->scid, id, path, opening->version,
				   &callbacks, &settings, &params, NULL, endpoint) != 0)
		return -1;
	return begin_tls(endpoint, GNUTLS_SERVER | GNUTLS_NO_END_OF_EARLY_DATA, credentials);
}

void endpoint_end(struct endpoint *endpoint)
{
	if (endpoint->conn)
		ngtcp2_conn_del(endpoint->conn);
	if (endpoint->session)
		gnutls_deinit(endpoint->session);
	endpoint->conn = NULL;
	endpoint->session = NULL;
}

void endpoint_receive(struct endpoint *endpoint, const ngtcp2_path *path, const uint8_t *datagram,
		      size_t size)
{
	const ngtcp2_pkt_info info = { 0 };

	if (endpoint->is_dead)
		return;
	if (ngtcp2_conn_read_pkt(endpoint->conn, path, &info, datagram, size, endpoint_now_ns()) !=
	    0)
		endpoint->is_dead = true;
	endpoint_flush(endpoint);
}

void endpoint_queue(struct endpoint *endpoint, const void *bytes, size_t size)
{
	if (size > sizeof(endpoint->out) - endpoint->queued) {
		endpoint->is_dead = true;
		return;
	}
	memcpy(endpoint->out + endpoint->queued, bytes, size);
	endpoint->queued += size;
}

/* The next datagram's size, 0 when there is none for now, or negative. */
static ngtcp2_ssize write_one(struct endpoint *endpoint, ngtcp2_path *path, uint8_t *datagram)
{
	ngtcp2_vec rest = { endpoint->out + endpoint->sent, endpoint->queued - endpoint->sent };
	bool has_rest = endpoint->stream != ENDPOINT_NONE && rest.len;
	ngtcp2_ssize taken = -1, size;
	ngtcp2_pkt_info info;

	size = ngtcp2_conn_writev_stream(endpoint->conn, path, &info, datagram, ENDPOINT_DATAGRAM,
					 &taken, NGTCP2_WRITE_STREAM_FLAG_NONE,
					 has_rest ? endpoint->stream : ENDPOINT_NONE, &rest,
					 has_rest, endpoint_now_ns());
	if (taken > 0)
		endpoint->sent += (size_t)taken;
	return size;
}

void endpoint_flush(struct endpoint *endpoint)
{
	uint8_t datagram[ENDPOINT_DATAGRAM];
	ngtcp2_path_storage path;
	ngtcp2_ssize size = 1;

	while (!endpoint->is_dead && size > 0) {
		ngtcp2_path_storage_zero(&path);
		size = write_one(endpoint, &path.path, datagram);
		if (size > 0)
			endpoint->events->send(endpoint, &path.path, datagram, (size_t)size);
	}
	endpoint->is_dead |= size < 0;
	if (!endpoint->is_dead)
		ngtcp2_conn_update_pkt_tx_time(endpoint->conn, endpoint_now_ns());
}

void endpoint_tick(struct endpoint *endpoint)
{
	uint64_t now_ns = endpoint_now_ns();

	if (endpoint->is_dead || ngtcp2_conn_get_expiry(endpoint->conn) > now_ns)
		return;
	if (ngtcp2_conn_handle_expiry(endpoint->conn, now_ns) != 0)
		endpoint->is_dead = true;
	endpoint_flush(endpoint);
}

int endpoint_timeout_ms(const struct endpoint *endpoint)
{
	uint64_t now_ns = endpoint_now_ns(), expiry_ns;

	if (endpoint->is_dead)
		return -1;
	expiry_ns = ngtcp2_conn_get_expiry(endpoint->conn);
	if (expiry_ns == UINT64_MAX)
		return -1;
	return expiry_ns <= now_ns ? 0 : (int)((expiry_ns - now_ns) / 1000000 + 1);
}
