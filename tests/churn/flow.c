/* SPDX-License-Identifier: GPL-2.0-only */
#include "tests/churn/flow.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

static enum flow_event broken(struct flow *flow, const char *reason)
{
	flow->reason = reason;
	return FLOW_BROKEN;
}

static enum flow_event broken_by(struct flow *flow, int error)
{
	const char *name = strerrorname_np(error);

	return broken(flow, name ? name : "unknown error");
}

static bool is_stream(const struct flow *flow)
{
	return flow->target->type == SOCK_STREAM;
}

/* The port is picked on connecting, so that all ports of an address serve any number of flows. */
static int bind_source(const struct flow *flow)
{
	int yes = 1;

	if (setsockopt(flow->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof(yes)) < 0 ||
	    setsockopt(flow->fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0)
		return -1;
	return bind(flow->fd, (const struct sockaddr *)&flow->source, flow->target->address_size);
}

static int watch(struct flow *flow)
{
	struct epoll_event event = {
		.events = EPOLLIN | EPOLLOUT | EPOLLET,
		.data.ptr = flow,
	};

	return epoll_ctl(flow->target->epoll, EPOLL_CTL_ADD, flow->fd, &event);
}

static void forget(struct flow *flow, uint64_t now_us)
{
	flow->opened_us = now_us;
	flow->exchanges = 0;
	flow->reply_size = 0;
	flow->backend[0] = '\0';
	flow->other_backend[0] = '\0';
}

enum flow_event flow_open(struct flow *flow, uint64_t now_us)
{
	const struct flow_target *target = flow->target;

	forget(flow, now_us);
	flow->state = FLOW_CONNECTING;
	flow->fd =
		socket(target->address.ss_family, target->type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (flow->fd < 0 || bind_source(flow) < 0 || watch(flow) < 0)
		return broken_by(flow, errno);
	if (connect(flow->fd, (const struct sockaddr *)&target->address, target->address_size) ==
	    0) {
		flow->state = FLOW_IDLE;
		return FLOW_CONNECTED;
	}
	return errno == EINPROGRESS ? FLOW_NOTHING : broken_by(flow, errno);
}

enum flow_event flow_send(struct flow *flow, uint64_t now_us)
{
	assert(flow->state == FLOW_IDLE);
	flow->sequence++;
	flow->sent_us = now_us;
	flow->state = FLOW_AWAITING;
	if (send(flow->fd, &flow->sequence, 1, MSG_NOSIGNAL) == 1)
		return FLOW_NOTHING;
	return broken_by(flow, errno);
}

void flow_send_again(const struct flow *flow)
{
	/* An error shows in flow_handle(). */
	send(flow->fd, &flow->sequence, 1, MSG_NOSIGNAL);
}

static enum flow_event check_name(struct flow *flow)
{
	const char *name = flow->reply.name;

	if (name[0] == '\0' || name[RECORD_NAME_SIZE - 1] != '\0')
		return broken(flow, "an answer without a name");
	if (flow->backend[0] == '\0')
		memcpy(flow->backend, name, RECORD_NAME_SIZE);
	if (strcmp(flow->backend, name) == 0)
		return FLOW_NOTHING;
	memcpy(flow->other_backend, name, RECORD_NAME_SIZE);
	return broken(flow, "another backend");
}

/* A datagram that was sent again may be answered twice, and the second answer may come late. */
static enum flow_event take_reply(struct flow *flow)
{
	enum flow_event event = check_name(flow);

	flow->reply_size = 0;
	if (event == FLOW_BROKEN)
		return event;
	if (flow->state == FLOW_AWAITING && flow->reply.sequence == flow->sequence) {
		flow->state = FLOW_IDLE;
		flow->exchanges++;
		return FLOW_ANSWERED;
	}
	return is_stream(flow) ? broken(flow, "an answer to nothing") : FLOW_NOTHING;
}

/* One at a time is on its way, so all that can come is read until there is no more. */
static enum flow_event receive(struct flow *flow)
{
	enum flow_event event = FLOW_NOTHING;

	while (event != FLOW_BROKEN) {
		uint8_t *rest = (uint8_t *)&flow->reply + flow->reply_size;
		ssize_t size = recv(flow->fd, rest, sizeof(flow->reply) - flow->reply_size, 0);
		enum flow_event next;

		if (size < 0 && errno == EAGAIN)
			return event;
		if (size < 0)
			return broken_by(flow, errno);
		if (size == 0)
			return broken(flow, "closed by the backend");
		flow->reply_size = (uint8_t)(flow->reply_size + size);
		if (flow->reply_size < sizeof(flow->reply)) {
			if (!is_stream(flow))
				return broken(flow, "a short answer");
			continue;
		}
		next = take_reply(flow);
		if (next != FLOW_NOTHING)
			event = next;
	}
	return event;
}

static enum flow_event finish_connecting(struct flow *flow)
{
	int error = 0;
	socklen_t size = sizeof(error);

	if (getsockopt(flow->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		error = errno;
	if (error)
		return broken_by(flow, error);
	flow->state = FLOW_IDLE;
	return FLOW_CONNECTED;
}

enum flow_event flow_handle(struct flow *flow, uint32_t epoll_events)
{
	if (flow->state == FLOW_CLOSED)
		return FLOW_NOTHING;
	if (flow->state == FLOW_CONNECTING)
		return epoll_events & (EPOLLOUT | EPOLLERR | EPOLLHUP) ? finish_connecting(flow)
								       : FLOW_NOTHING;
	return epoll_events & (EPOLLIN | EPOLLERR | EPOLLHUP) ? receive(flow) : FLOW_NOTHING;
}

enum flow_event flow_give_up(struct flow *flow)
{
	return broken(flow, flow->state == FLOW_CONNECTING ? "no connection" : "no answer");
}

static in_port_t *port_of(struct sockaddr_storage *address)
{
	if (address->ss_family == AF_INET6)
		return &((struct sockaddr_in6 *)address)->sin6_port;
	return &((struct sockaddr_in *)address)->sin_port;
}

uint16_t flow_port(const struct flow *flow)
{
	struct sockaddr_storage name = { 0 };
	socklen_t size = sizeof(name);

	if (flow->fd < 0 || getsockname(flow->fd, (struct sockaddr *)&name, &size) < 0)
		return 0;
	return ntohs(*port_of(&name));
}

void flow_set_port(struct flow *flow, uint16_t port)
{
	*port_of(&flow->source) = htons(port);
}

void flow_close(struct flow *flow)
{
	if (flow->fd >= 0)
		close(flow->fd);
	flow->fd = -1;
	flow->state = FLOW_CLOSED;
}

void flow_reset(struct flow *flow)
{
	struct linger at_once = { .l_onoff = 1 };

	/* Without it, it is closed the other way, and the port is free a minute later. */
	setsockopt(flow->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	flow_close(flow);
}
