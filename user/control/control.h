/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The control API: HTTP and JSON on the daemon's unix socket. Reading is for whoever may open the
 * socket, changing for root. It renders the node and hands changes on; it decides nothing.
 */
#ifndef LEAT_CONTROL_CONTROL_H
#define LEAT_CONTROL_CONTROL_H

#include <systemd/sd-event.h>

#include "base/http.h"
#include "model/node.h"

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
};

/* What the daemon does for the API. `ret_error` gets a malloc()ed text for people on failure. */
struct control_operations {
	/* Brings the counters in the node up to date. */
	void (*refresh)(void *user);
	/* 0; -EINVAL: the file is wrong, ret_error lists how; other -errno. */
	int (*reload)(void *user, char **ret_error);
	/* 0; -ENOENT: no such backend or service; other -errno. */
	int (*change)(void *user, const struct control_change *change, char **ret_error);
};

struct control;

int control_new(struct control **ret_control, sd_event *event, const struct config *config,
		const struct node *node, const struct control_operations *operations, void *user);
struct control *control_free(struct control *control);

/* The API without its socket: what the server's handler is, and what tests and the fuzzer call. */
void control_handle(struct control *control, const struct http_request *request,
		    struct http_response *ret_response);

DEFINE_CLEANUP(struct control *, control_free)

#endif
