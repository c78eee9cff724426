/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the control API's own files share, and nobody else sees.
 */
#ifndef LEAT_CONTROL_INTERNAL_H
#define LEAT_CONTROL_INTERNAL_H

#include "control/control.h"
#include "control/control_events.h"

#define CONTROL_PLAN_PATH  "/v1/config/plan"
#define CONTROL_APPLY_PATH "/v1/config/apply"

struct control {
	struct http_server *server;
	char *path; /* of the socket that it bound; NULL until then */
	const struct node *node;
	struct control_operations operations;
	void *user;
	struct control_watchers watchers;
};

/* Takes the document; without one there was no memory for it. */
void control_reply_json(struct http_response *response, unsigned int status, json_t *json);
void control_reply_error(struct http_response *response, unsigned int status, const char *text);
/* A failed operation's own words, or the error's. */
void control_reply_failure(struct http_response *response, int error, const char *text);

/* control_apply.c: handlers of what has to do with versions of the configuration. */
void control_post_plan(struct control *control, const struct http_request *request,
		       struct http_response *response);
void control_post_apply(struct control *control, const struct http_request *request,
			struct http_response *response);
void control_post_rollback(struct control *control, const struct http_request *request,
			   struct http_response *response);
void control_post_confirm(struct control *control, const struct http_request *request,
			  struct http_response *response);
void control_get_versions(struct control *control, const struct http_request *request,
			  struct http_response *response);

#endif
