/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "probe/probe.h"

/* Reads no more than is expected, so a backend that talks without end is not listened to. */
static int on_readable(sd_event_source *source, int fd, uint32_t events, void *user)
{
	struct probe *probe = user;
	const struct byte_string *expect = &probe->config->expect;
	unsigned char buffer[CONFIG_MAX_BYTES];
	ssize_t n = recv(fd, buffer, expect->size - probe->progress, 0);

	(void)source;
	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0)
		probe_finish_errno(probe, PROBE_L7RSP, errno);
	else if (n == 0)
		probe_finish(probe, PROBE_L7RSP, "closed after %zu bytes", probe->progress);
	else if (memcmp(buffer, expect->data + probe->progress, (size_t)n) != 0)
		probe_finish(probe, PROBE_L7RSP, "unexpected reply");
	else if (probe->progress + (size_t)n == expect->size)
		probe_finish(probe, PROBE_L7OK, "%s", "");
	else
		probe->progress += (size_t)n;
	return 0;
}

static void tcp_expect(struct probe *probe)
{
	int r;

	if (probe->config->expect.size == 0) {
		probe_finish(probe, PROBE_L4OK, "%s", "");
		return;
	}
	probe->progress = 0;
	probe->timeout_outcome = PROBE_L7TOUT;
	r = probe_wait(probe, EPOLLIN, on_readable);
	if (r < 0)
		probe_finish_errno(probe, PROBE_INTERNAL, -r);
}

static int on_writable(sd_event_source *source, int fd, uint32_t events, void *user)
{
	struct probe *probe = user;
	const struct byte_string *payload = &probe->config->send;
	ssize_t n;

	(void)source;
	(void)events;
	n = send(fd, payload->data + probe->progress, payload->size - probe->progress,
		 MSG_NOSIGNAL);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0) {
		probe_finish_errno(probe, PROBE_L7RSP, errno);
		return 0;
	}
	probe->progress += (size_t)n;
	if (probe->progress == payload->size)
		tcp_expect(probe);
	return 0;
}

static int on_connected(sd_event_source *source, int fd, uint32_t events, void *user)
{
	struct probe *probe = user;
	socklen_t length = sizeof(int);
	int error = 0;

	(void)source;
	(void)events;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
		error = errno;
	if (error) {
		probe_finish_errno(probe, error == ETIMEDOUT ? PROBE_L4TOUT : PROBE_L4CON, error);
		return 0;
	}
	if (probe->config->send.size == 0) {
		tcp_expect(probe);
		return 0;
	}
	probe->timeout_outcome = PROBE_L7TOUT;
	error = -probe_wait(probe, EPOLLOUT, on_writable);
	if (error > 0)
		probe_finish_errno(probe, PROBE_INTERNAL, error);
	return 0;
}

static int tcp_start(struct probe *probe)
{
	int r = probe_connect(probe, SOCK_STREAM);

	if (r < 0) {
		probe_finish_errno(probe, PROBE_L4CON, -r);
		return 0;
	}
	probe->timeout_outcome = PROBE_L4TOUT;
	return probe_wait(probe, EPOLLOUT, on_connected);
}

const struct probe_kind probe_kind_tcp = { .start = tcp_start };
