/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Runs probes in a child process that holds no privilege: what a backend sends is parsed there, and
 * only fixed-size results come back. The daemon's side keeps what is watched, so that a child that
 * dies is replaced without loss. Knows nothing of rise, fall or backends' states.
 */
#ifndef LEAT_PROBE_PROBER_H
#define LEAT_PROBE_PROBER_H

#include <systemd/sd-event.h>

#include "model/config.h"
#include "model/probe_result.h"

#define PROBER_MAX_IN_FLIGHT 512 /* more wait for their turn */

struct prober;
struct probe_watch;

/* Called from the loop once per run and watch. */
typedef void (*prober_result)(void *user, void *subject, const struct probe_result *result);

/* Starts the child. Call it early: the child inherits nothing that is open later. 0 or -errno. */
int prober_new(struct prober **ret_prober, sd_event *event, prober_result result, void *user);
struct prober *prober_free(struct prober *prober);

/*
 * Probes `address` as `config` says until prober_unwatch(). A watch whose probe has the same address
 * and probe_config_same_run() as another's shares its runs. The configuration is copied.
 * 0 or -errno; config->type must not be PROBE_NONE.
 */
int prober_watch(struct prober *prober, const struct leat_addr *address,
		 const struct probe_config *config, void *subject, struct probe_watch **ret_watch);
struct probe_watch *prober_unwatch(struct probe_watch *watch);

DEFINE_CLEANUP(struct prober *, prober_free)
DEFINE_CLEANUP(struct probe_watch *, prober_unwatch)

#endif
