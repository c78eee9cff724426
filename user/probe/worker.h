/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The probing half: takes orders from a socket, runs each probe at its time and answers with
 * results. It lives in the child process, but only prober_process.c makes it so: given a loop and a
 * socket, it works anywhere.
 */
#ifndef LEAT_PROBE_WORKER_H
#define LEAT_PROBE_WORKER_H

#include <systemd/sd-event.h>

#include "base/macros.h"
#include "probe/probe_icmp.h"
#include "probe/wire.h"

struct worker;

/* Borrows the socket and the ICMP sockets. The loop exits when the other end is closed. 0 or
 * -errno. */
int worker_new(struct worker **ret_worker, sd_event *event, int fd,
	       const struct icmp_sockets *icmp_sockets);
struct worker *worker_free(struct worker *worker);

/* Does what one message says. 0; -EBADMSG when it says nothing sensible; -errno. */
int worker_take(struct worker *worker, union wire_message *message, size_t size);

DEFINE_CLEANUP(struct worker *, worker_free)

#endif
