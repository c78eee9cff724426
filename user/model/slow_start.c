/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/slow_start.h"

uint32_t slow_start_percent(uint64_t elapsed_ms, uint32_t slow_start_ms)
{
	uint64_t step;

	if (elapsed_ms >= slow_start_ms)
		return 100;
	step = elapsed_ms * (SLOW_START_STEPS - 1) / slow_start_ms;
	return (uint32_t)(step + 1) * 100 / SLOW_START_STEPS;
}

static bool carries_all(const struct backend *backend, uint64_t now_s)
{
	uint64_t settled_s =
		backend->state_changed_s + backend->service->config.slow_start_ms / 1000;

	return backend->state == BACKEND_UP && backend->ramp_percent == 100 && settled_s <= now_s;
}

bool slow_start_applies(const struct backend *backend, uint64_t now_s)
{
	const struct service *service = backend->service;

	if (!service->config.slow_start_ms)
		return false;
	for (size_t i = 0; i < service->backend_count; i++) {
		if (service->backends[i] != backend && carries_all(service->backends[i], now_s))
			return true;
	}
	return false;
}
