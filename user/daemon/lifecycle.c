/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What happens to backends by time alone: they start slowly, their drains end, and those that have left
 * the file go.
 */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/daemon.h"
#include "model/slow_start.h"

void daemon_begin_slow_start(struct backend *backend)
{
	if (backend->state != BACKEND_UP || !slow_start_applies(backend, clock_wall_s())) {
		backend->ramp_percent = 100;
		return;
	}
	backend->ramp_started_us = clock_monotonic_us();
	backend->ramp_percent = slow_start_percent(0, backend->service->config.slow_start_ms);
}

void daemon_resume_slow_start(struct backend *backend)
{
	uint64_t up_s = clock_wall_s() - backend->state_changed_s;
	uint64_t slow_start_s = backend->service->config.slow_start_ms / 1000;

	if (backend->state != BACKEND_UP || up_s >= slow_start_s ||
	    !slow_start_applies(backend, clock_wall_s()))
		return;
	backend->ramp_started_us = clock_monotonic_us() - up_s * 1000000;
	backend->ramp_percent =
		slow_start_percent(up_s * 1000, backend->service->config.slow_start_ms);
}

static void advance(struct daemon *daemon, struct backend *backend, uint64_t now_us)
{
	const struct service *service = backend->service;
	uint32_t percent = slow_start_percent((now_us - backend->ramp_started_us) / 1000,
					      service->config.slow_start_ms);

	if (backend->ramp_percent == 100 || percent == backend->ramp_percent)
		return;
	backend->ramp_percent = percent;
	if (percent == 100)
		daemon_tell_backend(daemon, EVENT_BACKEND_STARTED, backend,
				    " has its whole weight");
	daemon_mark_stale(daemon, backend->service);
}

static void tell_of_drain(struct daemon *daemon, struct backend *backend)
{
	bool is_drained = backend->state == BACKEND_DRAINING && backend_is_drained(backend);

	if (is_drained && !backend->is_drain_told)
		daemon_tell_backend(daemon, EVENT_BACKEND_DRAINED, backend,
				    " is drained: no flow is left");
	backend->is_drain_told = is_drained;
}

/* What it was watched for is over, and the next change of the datapath takes it out. */
static void remove_backend(struct daemon *daemon, struct service *service, size_t index)
{
	struct backend *backend = service->backends[index];

	daemon_tell_backend(daemon, EVENT_BACKEND_LEFT, backend, " has left");
	daemon_release_backend(backend, daemon->resolver);
	service->backend_count--;
	memmove(&service->backends[index], &service->backends[index + 1],
		(service->backend_count - index) * sizeof(struct backend *));
	backend_free(backend);
	daemon_mark_stale(daemon, service);
}

static void advance_service(struct daemon *daemon, struct service *service, uint64_t now_us)
{
	for (size_t i = service->backend_count; i-- > 0;) {
		struct backend *backend = service->backends[i];

		advance(daemon, backend, now_us);
		tell_of_drain(daemon, backend);
		if (backend->is_leaving && backend_is_drained(backend))
			remove_backend(daemon, service, i);
	}
}

void daemon_advance_backends(struct daemon *daemon, uint64_t now_us)
{
	for (size_t i = 0; i < daemon->node.service_count; i++)
		advance_service(daemon, daemon->node.services[i], now_us);
}
