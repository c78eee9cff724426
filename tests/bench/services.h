/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The services that the benchmark sends packets to, and configurations made of them.
 */
#ifndef LEAT_TESTS_BENCH_SERVICES_H
#define LEAT_TESTS_BENCH_SERVICES_H

#include "daemon/rehearsal.h"

#define BENCH_ADDRESS4 "192.0.2.10"
#define BENCH_ADDRESS6 "2001:db8::10"

/* Services whose flows are all remembered have a memory of flows for themselves. */
enum bench_maps {
	MAPS_SHARED,
	MAPS_RR,
	MAPS_LC,
	MAPS_COUNT,
};

/*
 * `count` services whose ports follow each other (0: the name of no service), with `backends` each. Once
 * all is in the maps, the first `drained` of these are drained, and the last `standby`, which had weight
 * 0 until then, get theirs: that opens slots.
 */
struct bench_service {
	const char *name;
	uint8_t family;
	uint8_t protocol;
	uint16_t port;
	unsigned int count;
	unsigned int backends;
	unsigned int standby;
	unsigned int drained;
	enum leat_scheduler scheduler;
	enum bench_maps maps;
	unsigned int allowed; /* /28s from 10.0.0.0 on that have an allow list, with all sources */
	unsigned int rate;    /* flows a second that a source may open */
	bool is_quic;	      /* packets have the first backend's connection ids */
};

/* NULL when there is no such service. */
const struct bench_service *bench_service_find(const char *name);

/* 0 or -errno. The caller frees the configuration, or gives it to rehearsal_init(). */
int bench_config_make(const struct bench_service *list, size_t count, uint32_t flows,
		      struct config **ret_config);

/* All services that bench_service_find() knows, in private maps, with their slots opened. 0 or -errno. */
int bench_rehearse(struct rehearsal ret_rehearsals[MAPS_COUNT]);
void bench_end_rehearsals(struct rehearsal rehearsals[MAPS_COUNT]);

#endif
