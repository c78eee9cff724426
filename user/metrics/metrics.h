/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * /metrics in Prometheus' text format and /healthz, over HTTP.
 */
#ifndef LEAT_METRICS_METRICS_H
#define LEAT_METRICS_METRICS_H

#include <stdio.h>
#include <systemd/sd-event.h>

#include "base/macros.h"
#include "model/node.h"

struct metrics;

/* `refresh` brings the counters in the node up to date before they are written. */
int metrics_new(struct metrics **ret_metrics, sd_event *event, const char *listen,
		const struct node *node, void (*refresh)(void *user), void *user);
struct metrics *metrics_free(struct metrics *metrics);

/* The text alone. */
void metrics_write(FILE *out, const struct node *node);

DEFINE_CLEANUP(struct metrics *, metrics_free)

#endif
