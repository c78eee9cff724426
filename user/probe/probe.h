/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One probe of one backend, from its start to its one result, in the process that probes. What is
 * common to every kind is here: the clock, the timeout, the socket and the completion; a kind adds
 * what it says and what it takes for an answer.
 */
#ifndef LEAT_PROBE_PROBE_H
#define LEAT_PROBE_PROBE_H

#include <systemd/sd-event.h>

#include "model/config.h"
#include "model/probe_result.h"
#include "probe/http_engine.h"

struct icmp_engine;
struct probe;

/* What probes share; outlives all of them. */
struct probe_context {
	sd_event *event;
	struct http_engine *http;
	struct icmp_engine *icmp;
};

struct probe_kind {
	/* Sets the probe going; may end it at once. 0, or -errno when this node cannot run it. */
	int (*start)(struct probe *probe);
	/* The outcome when the time is up now; NULL: probe->timeout_outcome. */
	enum probe_outcome (*timeout)(struct probe *probe);
	/* Lets go of what start() took beyond probe->fd and probe->io; NULL: nothing. */
	void (*stop)(struct probe *probe);
};

extern const struct probe_kind probe_kind_tcp;
extern const struct probe_kind probe_kind_udp;
extern const struct probe_kind probe_kind_http;
extern const struct probe_kind probe_kind_icmp;

/* For the engine of HTTP transfers: ends the probe that is its `user`. */
void probe_http_ended(void *user, CURLcode code);

/* The probe is over and may be started again from here. */
typedef void (*probe_done)(struct probe *probe, const struct probe_result *result);

/* Embedded in its owner, who keeps address and config alive. */
struct probe {
	const struct probe_context *context;
	const struct probe_kind *kind;
	const struct leat_addr *address;
	const struct probe_config *config;
	probe_done done;

	uint64_t started_us; /* CLOCK_MONOTONIC; 0: not in flight */
	enum probe_outcome timeout_outcome;
	sd_event_source *timer;
	int fd;
	sd_event_source *io;
	size_t progress; /* the kind's: bytes sent or matched so far */
	void *data;	 /* the kind's, let go of by its stop() */
};

void probe_init(struct probe *probe, const struct probe_context *context,
		const struct leat_addr *address, const struct probe_config *config,
		probe_done done);
/* Stops it without a result. */
void probe_deinit(struct probe *probe);

/* Ends in exactly one call of done(), at the latest when the timeout has passed. done() may already
 * have been called on return. */
void probe_start(struct probe *probe);

/* The one way in which a probe ends. The caller does not touch the probe afterwards; what the text
 * is made from may belong to the probe. */
void probe_finish(struct probe *probe, enum probe_outcome outcome, const char *format, ...)
	__attribute__((__format__(__printf__, 3, 4)));

/* Ends it because of an errno (positive): `outcome`, unless this node is to blame. */
void probe_finish_errno(struct probe *probe, enum probe_outcome outcome, int error);

/* Whether the errno (positive) of a socket call is about this node and not about the backend. */
bool probe_errno_is_internal(int error);

/* A non-blocking socket in probe->fd, connected or connecting. 0 or -errno; -EINPROGRESS is 0. */
int probe_connect(struct probe *probe, int type);
/* Calls `callback` with the probe as its user data on `events` of probe->fd. 0 or -errno. */
int probe_wait(struct probe *probe, uint32_t events, sd_event_io_handler_t callback);

/* Closing ends the connection with a reset: thousands of probes a second leave no TIME_WAIT behind,
 * neither here nor at the backends. */
int probe_reset_on_close(int fd);

#endif
