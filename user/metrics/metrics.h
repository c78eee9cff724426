/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * /metrics in Prometheus' text format, /healthz, and the status page with the document that it shows,
 * over HTTP. All of it is for reading.
 */
#ifndef LEAT_METRICS_METRICS_H
#define LEAT_METRICS_METRICS_H

#include <stdio.h>
#include <systemd/sd-event.h>

#include "base/macros.h"
#include "model/node.h"

struct metrics;

/* What the daemon does for them. */
struct metrics_operations {
	/* Brings the counters in the node up to date before they are written. */
	void (*refresh)(void *user);
	/* What the status page shows, as malloc()ed JSON; NULL when out of memory. */
	char *(*status)(void *user);
};

int metrics_new(struct metrics **ret_metrics, sd_event *event, const char *listen,
		const struct node *node, const struct metrics_operations *operations, void *user);
struct metrics *metrics_free(struct metrics *metrics);

/* The text alone. */
void metrics_write(FILE *out, const struct node *node);

DEFINE_CLEANUP(struct metrics *, metrics_free)

#endif
