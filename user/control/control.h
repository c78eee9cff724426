/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The control API: HTTP and JSON on the daemon's unix socket. Reading is for whoever may open the
 * socket, changing for root. It renders the node and hands changes on; it decides nothing.
 */
#ifndef LEAT_CONTROL_CONTROL_H
#define LEAT_CONTROL_CONTROL_H

#include <jansson.h>
#include <systemd/sd-event.h>

#include "base/http.h"
#include "model/difference.h"
#include "model/node.h"

/* Of root's long bodies: a history of table changes, or prefixes to deny. */
#define CONTROL_MAX_BODY   (4 * 1024 * 1024)
#define CONTROL_MAX_CONFIG (8 * 1024 * 1024) /* a configuration's text */

enum control_verb {
	CONTROL_DRAIN,
	CONTROL_UNDRAIN,
	CONTROL_DISABLE,
	CONTROL_ENABLE,
	CONTROL_WEIGHT,
};

struct control_change {
	enum control_verb verb;
	char backend[CONFIG_MAX_NAME + 1];
	char service[CONFIG_MAX_NAME + 1]; /* "": every service that has the backend */
	uint32_t weight;		   /* CONTROL_WEIGHT */
	bool is_plan;			   /* asks what it would change */
};

/* Prefixes of sources that are denied from now on, or no longer. */
struct control_deny {
	struct prefix *prefixes;
	size_t count;
	bool is_taken_back;
	uint64_t for_s; /* 0: until it is taken back */
};

/* A configuration's text, and what it is called in errors. */
struct control_text {
	const char *name;
	const char *data;
	size_t size;
};

struct control_plan {
	struct control_text text;
	bool is_now; /* backends that are gone from it end at once */
};

struct control_apply {
	struct control_text text;
	bool is_now;
	const char *if_version;	 /* NULL: whatever runs */
	uint64_t trial_ms;	 /* 0: it is not on trial */
	bool needs_confirmation; /* else it only has to stay healthy */
	uint32_t min_healthy;	 /* percent of each service's backends */
};

struct control_rollback {
	const char *version; /* NULL: the one before */
	bool is_now;
};

/* What a change does at once, and what it has done when backends that it brings are up. */
struct forecast {
	char version[CONFIG_VERSION_TEXT_SIZE]; /* that runs: of a plan, before the change */
	struct difference now;
	struct difference once_up; /* against what runs before */
	uint64_t memory_shared;	   /* bytes of the maps that belong to no service */
};

void forecast_deinit(struct forecast *forecast);

/* What the daemon does for the API. `ret_error` gets a malloc()ed text for people on failure. */
struct control_operations {
	/* Brings the counters in the node up to date. */
	void (*refresh)(void *user);
	/* Backends that are gone from the file end at once when is_now, else when their flows have.
	 * 0; -EINVAL: the file is wrong, ret_error lists how; other -errno. */
	int (*reload)(void *user, bool is_now, char **ret_error);
	/* 0; -ENOENT: no such backend or service; other -errno. */
	int (*change)(void *user, const struct control_change *change, char **ret_error);
	/* What that would change, which it does not. Errors as of change(). */
	int (*plan_change)(void *user, const struct control_change *change,
			   struct forecast *ret_forecast, char **ret_error);
	/* What a configuration would change; it does not. 0; -EINVAL: it is wrong, ret_error lists how;
	 * other -errno. */
	int (*plan)(void *user, const struct control_plan *plan, struct forecast *ret_forecast,
		    char **ret_error);
	/* 0; -EINVAL as above; -ESTALE: another version runs; -EBUSY: something else stands against it,
	 * which the user can see to; other -errno. Unless it is 0, nothing was changed. */
	int (*apply)(void *user, const struct control_apply *apply, struct forecast *ret_forecast,
		     char **ret_error);
	/* The same for one that ran before; -ENOENT: it is not kept. */
	int (*rollback)(void *user, const struct control_rollback *rollback,
			struct forecast *ret_forecast, char **ret_error);
	/* 0; -ENOENT: there is nothing to confirm; other -errno. */
	int (*confirm)(void *user, char **ret_error);
	/* All of it or nothing. 0; -EINVAL: too many; -ENOENT: one was not denied; other -errno. */
	int (*deny)(void *user, const struct control_deny *deny, char **ret_error);
	/* The table changes that flows may still remember, as another node imports them. 0 or -errno. */
	int (*export_history)(void *user, json_t **ret_history);
	/* 0; -EINVAL: it is not understood or does not fit this node; other -errno. */
	int (*import_history)(void *user, const json_t *history, char **ret_error);
};

struct control;

int control_new(struct control **ret_control, sd_event *event, const struct config *config,
		const struct node *node, const struct control_operations *operations, void *user);
struct control *control_free(struct control *control);

/* After an event was added to the node's. */
void control_wake(struct control *control);

/* The API without its socket: what the server's handler is, and what tests and the fuzzer call. */
void control_handle(struct control *control, const struct http_request *request,
		    struct http_response *ret_response);

DEFINE_CLEANUP(struct control *, control_free)

#endif
