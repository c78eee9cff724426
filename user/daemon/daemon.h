/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The daemon: one thread, one loop. Brings together what the file wants, what probes and the kernel
 * say and what the operator asks for, and keeps the datapath at it.
 */
#ifndef LEAT_DAEMON_DAEMON_H
#define LEAT_DAEMON_DAEMON_H

#include <systemd/sd-event.h>

#include "control/control.h"
#include "daemon/applier.h"
#include "daemon/nat_watch.h"
#include "datapath/datapath.h"
#include "metrics/metrics.h"
#include "model/difference.h"
#include "model/succession.h"
#include "netlink/resolver.h"
#include "probe/prober.h"

#define DAEMON_CONFIG_MODE 0640 /* of a configuration file that is written where none is */

struct daemon_options {
	const char *config_path;
	const char *pin_path;
	bool keep; /* leave forwarding running at the end */
};

/* What a configuration was read from; malloc()ed. */
struct config_text {
	char *data;
	size_t size;
};

static inline void config_text_deinit(struct config_text *text)
{
	free(text->data);
	*text = (struct config_text){ 0 };
}

struct daemon {
	struct daemon_options options;
	sd_event *event;
	struct node node;
	struct prober *prober;
	struct resolver *resolver;
	struct datapath *datapath;
	struct applier applier;
	struct nat_watch nat_watch;
	struct control *control;
	struct metrics *metrics;
	sd_event_source *apply_source; /* once per round of the loop, when something is stale */
	sd_event_source *tick_source;
	bool is_telling;	  /* what the log hears now is an event already */
	uint64_t sampled_us;	  /* when the rates were computed last */
	uint64_t attach_by_us;	  /* 0: attached; else what runs meanwhile is another layout's */
	struct config_text text;  /* of the configuration that runs */
	char *versions_directory; /* for as long as the daemon lives, whatever a new file says */
	uint64_t trial_until_us;  /* monotonic, while node.versions.trial is on */
};

/* Loads everything, attaches and serves until a signal ends it. 0 or -errno, logged. */
int daemon_run(const struct daemon_options *options);

/* tell.c: events, each a line of the log too. */

/* Of a service, whose name the text does not say by itself, or of none: NULL. */
void daemon_tell(struct daemon *daemon, enum event_kind kind, const struct service *service,
		 const char *format, ...) printf_like(4);
/* The text goes on behind "SERVICE/BACKEND". */
void daemon_tell_backend(struct daemon *daemon, enum event_kind kind, const struct backend *backend,
			 const char *format, ...) printf_like(4);
/* From now on, whatever else is logged as a warning or an error is an event, too. */
void daemon_begin_telling(struct daemon *daemon);
void daemon_end_telling(void);

/* links.c: tells of interfaces whose link has changed since the last time. */
void daemon_follow_links(struct daemon *daemon);

/* observe.c: what happens to backends. */

/* Works out a backend's state after something changed, and tells the log, the registry and the
 * applier. `reason` says what it was. */
void daemon_update_backend(struct daemon *daemon, struct backend *backend, const char *reason);
/* Marks a service for the end of this round of the loop. */
void daemon_mark_stale(struct daemon *daemon, struct service *service);
/* prober_result and resolver_changed; `user` is the daemon. */
void daemon_on_probe_result(void *user, void *subject, const struct probe_result *result);
void daemon_on_next_hop(void *user, const struct leat_addr *address,
			const struct next_hop *next_hop);
/* Brings the datapath to the stale services. */
int daemon_apply_stale(sd_event_source *source, void *user);
/* Brings the node's counters up to date. */
void daemon_read_counters(struct daemon *daemon);
/* Whether every probe has had a first result. */
bool daemon_is_settled(const struct daemon *daemon);
/* Continues with the health that an earlier daemon noted. Whether there was such a note. */
bool daemon_restore_health(struct daemon *daemon, struct backend *backend);

/* lifecycle.c: what happens to backends by time alone. */

/* Of a backend whose state has just changed. */
void daemon_begin_slow_start(struct backend *backend);
/* Of one whose state an earlier daemon noted. */
void daemon_resume_slow_start(struct backend *backend);
/* Goes on with slow starts, tells of drains that have ended, and removes what has left. */
void daemon_advance_backends(struct daemon *daemon, uint64_t now_us);

/* reload.c */

/* Makes `config`, which becomes the daemon's, what runs; with `drains_lost`, backends that it has no
 * more leave when their flows have ended. ret_difference (may be NULL) gets what that changed. On failure
 * all is as it was, the cause is logged, and the configuration is freed. */
int daemon_adopt(struct daemon *daemon, struct config *config, bool drains_lost,
		 struct difference *ret_difference);
/* Whether the node has what a configuration names. 0 or -ENODEV, logged. */
int daemon_check_interfaces(const struct config *config);
/* Reads the file again; what is gone from it ends at once when is_now. ret_error (may be NULL) gets a
 * malloc()ed text for people. 0 or -errno. */
int daemon_reload(struct daemon *daemon, bool is_now, char **ret_error);
/* What is wrong goes to the log and, joined by newlines, to ret_error (may be NULL); `name` stands for the
 * file. 0 or -errno. */
int daemon_read_config(const char *path, struct config_text *ret_text, char **ret_error);
int daemon_parse_config(const char *name, const struct config_text *text,
			struct config **ret_config, char **ret_error);
/* Says what of a configuration takes effect only later. */
void daemon_warn_of_restart(const struct config *now, const struct config *next);
/* Sees to it that the configured interfaces run the program. */
int daemon_attach(struct daemon *daemon);
/* Ends what watches a backend. */
void daemon_release_backend(struct backend *backend, struct resolver *resolver);
void daemon_release_services(struct succession *services, struct resolver *resolver);

/* operate.c: the operator's changes; control_operations.change and .plan_change. */
int daemon_change(void *user, const struct control_change *change, char **ret_error);
int daemon_plan_change(void *user, const struct control_change *change,
		       struct forecast *ret_forecast, char **ret_error);

/* apply.c: control_operations of the same names. */
int daemon_plan(void *user, const struct control_plan *plan, struct forecast *ret_forecast,
		char **ret_error);
int daemon_apply(void *user, const struct control_apply *apply, struct forecast *ret_forecast,
		 char **ret_error);
int daemon_rollback(void *user, const struct control_rollback *rollback,
		    struct forecast *ret_forecast, char **ret_error);
int daemon_confirm(void *user, char **ret_error);
/* Fills in what a forecast has beside its differences. */
void daemon_note_running(const struct daemon *daemon, struct forecast *forecast);
/* Goes back from a trial that has failed, and ends one that has succeeded. */
void daemon_watch_trial(struct daemon *daemon, uint64_t now_us);

/* versions.c: what is known of configurations. */

/* Finds out what ran before. When a trial ended while no daemon ran, `config` and the text are then those
 * from before it. 0 or -errno, logged. */
int daemon_begin_versions(struct daemon *daemon, struct config **config);
/* `text` is what runs from now on, and is taken; NULL: the daemon has it. Unless it ran before, it is a new version, about which
 * `note` says something in a line. */
void daemon_note_version(struct daemon *daemon, struct config_text *text, enum config_origin origin,
			 const char *note);
/* Keeps these versions, of which the last one has this text, so that they outlive the daemon. 0 or
 * -errno; then what was kept still is. */
int daemon_keep_versions(struct daemon *daemon, const struct config_versions *versions,
			 const struct config_text *text);
/* Begins to count the time of a trial that is on. */
void daemon_begin_trial(struct daemon *daemon);

/* deny.c: the node's own list of sources. */

/* What a program for `config` is told, and for what is denied at run time. */
struct leat_options daemon_options_of(const struct daemon *daemon, const struct config *config);
/* control_operations.deny. */
int daemon_deny(void *user, const struct control_deny *deny, char **ret_error);
/* Lets those in again whose time has passed. */
void daemon_expire_denied(struct daemon *daemon);

/* history.c: control_operations.export_history and .import_history. */
int daemon_export_history(void *user, json_t **ret_history);
int daemon_import_history(void *user, const json_t *history, char **ret_error);

#endif
