/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "probe/probe.h"

/* The socket is connected: only the backend's datagrams, and ICMP errors about ours, come in. */
static int on_readable(sd_event_source *source, int fd, uint32_t events, void *user)
{
	struct probe *probe = user;
	const struct byte_string *expect = &probe->config->expect;
	unsigned char buffer[CONFIG_MAX_BYTES];
	ssize_t n = recv(fd, buffer, sizeof(buffer), 0);

	(void)source;
	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0)
		probe_finish_errno(probe, PROBE_L4CON, errno);
	else if ((size_t)n < expect->size ||
		 (expect->size > 0 && memcmp(buffer, expect->data, expect->size) != 0))
		probe_finish(probe, PROBE_L7RSP, "unexpected reply of %zd bytes", n);
	else
		probe_finish(probe, PROBE_L7OK, "%s", "");
	return 0;
}

static int udp_start(struct probe *probe)
{
	const struct byte_string *payload = &probe->config->send;
	int r = probe_connect(probe, SOCK_DGRAM);

	if (r >= 0 && send(probe->fd, payload->data, payload->size, MSG_NOSIGNAL) < 0)
		r = -errno;
	if (r < 0) {
		probe_finish_errno(probe, PROBE_L4CON, -r);
		return 0;
	}
	probe->timeout_outcome = PROBE_L7TOUT;
	return probe_wait(probe, EPOLLIN, on_readable);
}

const struct probe_kind probe_kind_udp = { .start = udp_start };
