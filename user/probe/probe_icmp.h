/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Echo requests of all ICMP probes, over one raw socket per family: those need privilege to open,
 * so they are opened first and used after it is gone. A reply counts when it comes from the address
 * asked and carries the sequence and the cookie of a probe in flight.
 */
#ifndef LEAT_PROBE_PROBE_ICMP_H
#define LEAT_PROBE_PROBE_ICMP_H

#include <systemd/sd-event.h>

#include "base/macros.h"

/* Raw sockets, or the -errno with which opening failed: ICMP probes then end with that. */
struct icmp_sockets {
	int fd4;
	int fd6;
};

#define ICMP_SOCKETS_NULL                                                                          \
	(struct icmp_sockets)                                                                      \
	{                                                                                          \
		.fd4 = -1, .fd6 = -1                                                               \
	}

struct icmp_engine;

struct icmp_sockets icmp_sockets_open(void);
void icmp_sockets_close(struct icmp_sockets *sockets);

/* Borrows the sockets. 0 or -errno. */
int icmp_engine_new(struct icmp_engine **ret_engine, sd_event *event,
		    const struct icmp_sockets *sockets);
struct icmp_engine *icmp_engine_free(struct icmp_engine *engine);
DEFINE_CLEANUP(struct icmp_engine *, icmp_engine_free)

#endif
