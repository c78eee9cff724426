/* SPDX-License-Identifier: GPL-2.0-only */
#include "probe/probe.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>

#include "base/address.h"
#include "base/clock.h"
#include "probe/wire.h"

#define TIMER_ACCURACY_US 1000

static const struct probe_kind *kind_of(enum probe_type type)
{
	static const struct probe_kind *const kinds[] = {
		[PROBE_TCP] = &probe_kind_tcp,	  [PROBE_HTTP] = &probe_kind_http,
		[PROBE_HTTPS] = &probe_kind_http, [PROBE_UDP] = &probe_kind_udp,
		[PROBE_ICMP] = &probe_kind_icmp,
	};

	assert(type > PROBE_NONE && type < ARRAY_SIZE(kinds));
	return kinds[type];
}

void probe_init(struct probe *probe, const struct probe_context *context,
		const struct leat_addr *address, const struct probe_config *config, probe_done done)
{
	*probe = (struct probe){
		.context = context,
		.kind = kind_of(config->type),
		.address = address,
		.config = config,
		.done = done,
		.fd = -1,
	};
}

static void probe_stop(struct probe *probe)
{
	if (probe->kind->stop)
		probe->kind->stop(probe);
	probe->timer = sd_event_source_disable_unref(probe->timer);
	probe->io = sd_event_source_disable_unref(probe->io);
	close_fdp(&probe->fd);
	probe->fd = -1;
	probe->started_us = 0;
}

void probe_deinit(struct probe *probe)
{
	if (probe->started_us)
		probe_stop(probe);
}

void probe_finish(struct probe *probe, enum probe_outcome outcome, const char *format, ...)
{
	struct probe_result result = {
		.outcome = outcome,
		.duration_us = clock_monotonic_us() - probe->started_us,
	};
	va_list args;

	assert(probe->started_us);
	va_start(args, format);
	vsnprintf(result.detail, sizeof(result.detail), format, args);
	va_end(args);
	wire_make_printable(result.detail, sizeof(result.detail));

	probe_stop(probe);
	probe->done(probe, &result);
}

bool probe_errno_is_internal(int error)
{
	switch (error) {
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case ENOBUFS:
	case EADDRNOTAVAIL: /* no local port left */
	case EPERM:	    /* a local packet filter */
	case EAFNOSUPPORT:
	case EINVAL:
		return true;
	default:
		return false;
	}
}

void probe_finish_errno(struct probe *probe, enum probe_outcome outcome, int error)
{
	if (probe_errno_is_internal(error))
		outcome = PROBE_INTERNAL;
	probe_finish(probe, outcome, "%s", strerror(error));
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *user)
{
	struct probe *probe = user;
	enum probe_outcome outcome = probe->timeout_outcome;

	(void)source;
	(void)usec;
	if (probe->kind->timeout)
		outcome = probe->kind->timeout(probe);
	probe_finish(probe, outcome, "after %u ms", probe->config->timeout_ms);
	return 0;
}

static int probe_start_timer(struct probe *probe)
{
	uint64_t end = probe->started_us + (uint64_t)probe->config->timeout_ms * 1000;

	return sd_event_add_time(probe->context->event, &probe->timer, CLOCK_MONOTONIC, end,
				 TIMER_ACCURACY_US, on_timeout, probe);
}

void probe_start(struct probe *probe)
{
	int r;

	assert(!probe->started_us);
	probe->started_us = clock_monotonic_us();
	probe->progress = 0;
	r = probe_start_timer(probe);
	if (r >= 0)
		r = probe->kind->start(probe);
	if (r < 0)
		probe_finish(probe, PROBE_INTERNAL, "%s", strerror(-r));
}

int probe_reset_on_close(int fd)
{
	struct linger linger = { .l_onoff = 1, .l_linger = 0 };

	return setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) < 0 ? -errno : 0;
}

int probe_connect(struct probe *probe, int type)
{
	struct sockaddr_storage address;
	socklen_t length = address_to_sockaddr(probe->address, probe->config->port, &address);

	probe->fd = socket(address.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (probe->fd < 0)
		return -errno;
	if (type == SOCK_STREAM && probe_reset_on_close(probe->fd) < 0)
		return -errno;
	if (connect(probe->fd, (struct sockaddr *)&address, length) < 0 && errno != EINPROGRESS)
		return -errno;
	return 0;
}

int probe_wait(struct probe *probe, uint32_t events, sd_event_io_handler_t callback)
{
	probe->io = sd_event_source_disable_unref(probe->io);
	return sd_event_add_io(probe->context->event, &probe->io, probe->fd, events, callback,
			       probe);
}
