/* SPDX-License-Identifier: GPL-2.0-only */
#include "probe/probe_icmp.h"

#include <assert.h>
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/address.h"
#include "base/checksum.h"
#include "base/hash.h"
#include "probe/probe.h"

/* linux/icmp.h, which has the filter, collides with netinet's header. */
#define RAW_ICMP_FILTER	  1
#define RECEIVE_PER_ROUND 64 /* then other events get their turn */
#define RECEIVE_SIZE	  256

/* Both families have this form; ICMP errors are not asked for. */
struct echo {
	uint8_t type;
	uint8_t code;
	uint16_t checksum;
	__be16 id;
	__be16 sequence;
	uint64_t cookie;
};

_Static_assert(sizeof(struct echo) == 16, "struct echo is what goes over the wire");

/* One request that waits for its reply. */
struct echo_wait {
	uint16_t sequence;
	uint64_t cookie;
	struct probe *probe;
	struct icmp_engine *engine;
	UT_hash_handle hh;
};

struct icmp_engine {
	struct icmp_sockets sockets;
	sd_event_source *io4;
	sd_event_source *io6;
	struct echo_wait *waits; /* by sequence */
	uint16_t id;
	uint16_t next_sequence;
};

static int icmp4_open(void)
{
	uint32_t kept = ~(1U << ICMP_ECHOREPLY);
	int fd = socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_ICMP);

	if (fd < 0)
		return -errno;
	/* Without the filter all would work, at the price of looking at more packets. */
	setsockopt(fd, SOL_RAW, RAW_ICMP_FILTER, &kept, sizeof(kept));
	return fd;
}

static int icmp6_open(void)
{
	struct icmp6_filter filter;
	int fd = socket(AF_INET6, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_ICMPV6);

	if (fd < 0)
		return -errno;
	ICMP6_FILTER_SETBLOCKALL(&filter);
	ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter);
	setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof(filter));
	return fd;
}

struct icmp_sockets icmp_sockets_open(void)
{
	return (struct icmp_sockets){ .fd4 = icmp4_open(), .fd6 = icmp6_open() };
}

void icmp_sockets_close(struct icmp_sockets *sockets)
{
	close_fdp(&sockets->fd4);
	close_fdp(&sockets->fd6);
	*sockets = ICMP_SOCKETS_NULL;
}

static bool echo_is_reply_to(const struct echo *echo, const struct leat_addr *from,
			     const struct echo_wait *wait)
{
	uint8_t reply = address_is_ipv4(from) ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY;

	return echo->type == reply && echo->code == 0 && echo->cookie == wait->cookie &&
	       address_equal(from, wait->probe->address);
}

static void icmp_engine_match(struct icmp_engine *engine, const uint8_t *bytes, size_t size,
			      const struct leat_addr *from)
{
	struct echo_wait *wait;
	uint16_t sequence;
	struct echo echo;

	if (size < sizeof(echo))
		return;
	memcpy(&echo, bytes, sizeof(echo));
	if (echo.id != htons(engine->id))
		return;
	sequence = ntohs(echo.sequence);
	HASH_FIND(hh, engine->waits, &sequence, sizeof(sequence), wait);
	if (wait && echo_is_reply_to(&echo, from, wait))
		probe_finish(wait->probe, PROBE_L4OK, "%s", "");
}

/* A raw IPv4 socket delivers the IP header too. */
static void icmp4_receive(struct icmp_engine *engine, const uint8_t *bytes, size_t size,
			  const struct sockaddr_storage *from)
{
	struct leat_addr address;
	struct sockaddr_in in;
	size_t header;

	if (size < sizeof(struct iphdr))
		return;
	header = (size_t)(bytes[0] & 0xf) * 4;
	if (header > size)
		return;
	memcpy(&in, from, sizeof(in));
	address = address_from_ipv4(in.sin_addr);
	icmp_engine_match(engine, bytes + header, size - header, &address);
}

static void icmp6_receive(struct icmp_engine *engine, const uint8_t *bytes, size_t size,
			  const struct sockaddr_storage *from)
{
	struct leat_addr address;
	struct sockaddr_in6 in6;

	memcpy(&in6, from, sizeof(in6));
	address = address_from_ipv6(&in6.sin6_addr);
	icmp_engine_match(engine, bytes, size, &address);
}

static int on_readable(sd_event_source *source, int fd, uint32_t events, void *user)
{
	struct icmp_engine *engine = user;

	(void)source;
	(void)events;
	for (unsigned int i = 0; i < RECEIVE_PER_ROUND; i++) {
		struct sockaddr_storage from = { 0 };
		socklen_t length = sizeof(from);
		uint8_t bytes[RECEIVE_SIZE];
		ssize_t n =
			recvfrom(fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&from, &length);

		if (n < 0)
			break;
		if (fd == engine->sockets.fd4)
			icmp4_receive(engine, bytes, (size_t)n, &from);
		else
			icmp6_receive(engine, bytes, (size_t)n, &from);
	}
	return 0;
}

int icmp_engine_new(struct icmp_engine **ret_engine, sd_event *event,
		    const struct icmp_sockets *sockets)
{
	cleanup(icmp_engine_freep) struct icmp_engine *engine = calloc(1, sizeof(*engine));
	int r = 0;

	if (!engine)
		return -ENOMEM;
	engine->sockets = *sockets;
	engine->id = (uint16_t)arc4random();
	if (sockets->fd4 >= 0)
		r = sd_event_add_io(event, &engine->io4, sockets->fd4, EPOLLIN, on_readable,
				    engine);
	if (r >= 0 && sockets->fd6 >= 0)
		r = sd_event_add_io(event, &engine->io6, sockets->fd6, EPOLLIN, on_readable,
				    engine);
	if (r < 0)
		return r;
	*ret_engine = take_ptr(engine);
	return 0;
}

struct icmp_engine *icmp_engine_free(struct icmp_engine *engine)
{
	assert(!engine->waits);
	sd_event_source_disable_unref(engine->io4);
	sd_event_source_disable_unref(engine->io6);
	free(engine);
	return NULL;
}

/* There are many more sequences than probes in flight; one that is taken is passed over. */
static uint16_t icmp_engine_sequence(struct icmp_engine *engine)
{
	struct echo_wait *wait;
	uint16_t sequence;

	do {
		sequence = engine->next_sequence++;
		HASH_FIND(hh, engine->waits, &sequence, sizeof(sequence), wait);
	} while (wait);
	return sequence;
}

static int echo_send(const struct echo_wait *wait)
{
	const struct icmp_engine *engine = wait->engine;
	bool is_ipv4 = address_is_ipv4(wait->probe->address);
	int fd = is_ipv4 ? engine->sockets.fd4 : engine->sockets.fd6;
	struct echo echo = {
		.type = is_ipv4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST,
		.id = htons(engine->id),
		.sequence = htons(wait->sequence),
		.cookie = wait->cookie,
	};
	struct sockaddr_storage to;
	socklen_t length = address_to_sockaddr(wait->probe->address, 0, &to);

	if (fd < 0)
		return fd;
	/* Of ICMPv6's the kernel takes care. */
	echo.checksum = (uint16_t)~checksum_sum(&echo, sizeof(echo));
	if (sendto(fd, &echo, sizeof(echo), MSG_NOSIGNAL, (struct sockaddr *)&to, length) < 0)
		return -errno;
	return 0;
}

static int icmp_start(struct probe *probe)
{
	struct icmp_engine *engine = probe->context->icmp;
	struct echo_wait *wait = calloc(1, sizeof(*wait));
	int r;

	if (!wait)
		return -ENOMEM;
	wait->engine = engine;
	wait->probe = probe;
	wait->sequence = icmp_engine_sequence(engine);
	arc4random_buf(&wait->cookie, sizeof(wait->cookie));
	HASH_ADD(hh, engine->waits, sequence, sizeof(wait->sequence), wait);
	if (!wait->hh.tbl) {
		free(wait);
		return -ENOMEM;
	}
	probe->data = wait;
	probe->timeout_outcome = PROBE_L3TOUT;

	r = echo_send(wait);
	if (r < 0)
		probe_finish_errno(probe, PROBE_L3ERR, -r);
	return 0;
}

static void icmp_stop(struct probe *probe)
{
	struct echo_wait *wait = probe->data;

	if (!wait)
		return;
	HASH_DELETE(hh, wait->engine->waits, wait);
	free(wait);
	probe->data = NULL;
}

const struct probe_kind probe_kind_icmp = { .start = icmp_start, .stop = icmp_stop };
