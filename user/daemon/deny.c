/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The node's own list of sources: the configuration's, and what the operator denies at run time until it
 * ends. First into the file that keeps it, then into the datapath.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/daemon.h"
#include "daemon/operator_store.h"
#include "model/encode.h"

struct leat_options daemon_options_of(const struct daemon *daemon, const struct config *config)
{
	struct leat_options options = options_encode(config);

	options.access |= daemon->node.denied.count != 0;
	return options;
}

/* The program looks for a list only while there is one. */
static int bring_to_datapath(struct daemon *daemon)
{
	int r = applier_apply_access(&daemon->applier, &daemon->node);

	return r == 0 && !daemon->attach_by_us ? daemon_attach(daemon) : r;
}

static int save(struct daemon *daemon)
{
	return operator_store_save(daemon->node.config->state, &daemon->node);
}

static void swap(struct denied *a, struct denied *b)
{
	struct denied was = *a;

	*a = *b;
	*b = was;
}

/* What was denied before comes back if the new state cannot be kept or carried out; the caller frees the
 * other one. */
static int exchange(struct daemon *daemon, struct denied *denied, char **ret_error)
{
	int r;

	swap(&daemon->node.denied, denied);
	r = save(daemon);
	if (r == 0)
		r = bring_to_datapath(daemon);
	if (r == 0)
		return 0;
	swap(&daemon->node.denied, denied);
	save(daemon);
	bring_to_datapath(daemon);
	if (asprintf(ret_error,
		     "cannot keep the change in %s and carry it out: %s; nothing was changed",
		     daemon->node.config->state, strerror(-r)) < 0)
		*ret_error = NULL;
	return r;
}

static int refuse_full(char **ret_error)
{
	if (asprintf(ret_error,
		     "more than %d prefixes, which is the most; nothing was changed. Longer lists "
		     "belong into a file: deny: { file: PATH }",
		     LEAT_MAX_DENIED) < 0)
		*ret_error = NULL;
	return -EINVAL;
}

static int refuse_missing(const struct prefix *prefix, char **ret_error)
{
	char text[PREFIX_TEXT_SIZE];

	if (asprintf(ret_error, "%s was not denied at run time; nothing was changed",
		     prefix_format(prefix, text)) < 0)
		*ret_error = NULL;
	return -ENOENT;
}

static int change(struct denied *denied, const struct control_deny *deny, char **ret_error)
{
	uint64_t until_s = deny->for_s ? clock_wall_s() + deny->for_s : 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < deny->count; i++) {
		const struct prefix *prefix = &deny->prefixes[i];

		if (!deny->is_taken_back)
			r = denied_add(denied, prefix, until_s);
		else if (!denied_remove(denied, prefix))
			return refuse_missing(prefix, ret_error);
	}
	return r == -ENOSPC ? refuse_full(ret_error) : r;
}

static void tell_change(struct daemon *daemon, const struct control_deny *deny)
{
	char text[PREFIX_TEXT_SIZE];

	for (size_t i = 0; i < deny->count; i++) {
		prefix_format(&deny->prefixes[i], text);
		if (deny->is_taken_back)
			daemon_tell(daemon, EVENT_SOURCE_ADMITTED, NULL,
				    "%s: no longer denied by the operator", text);
		else if (deny->for_s)
			daemon_tell(daemon, EVENT_SOURCE_DENIED, NULL,
				    "%s: denied by the operator for %" PRIu64 " s", text,
				    deny->for_s);
		else
			daemon_tell(daemon, EVENT_SOURCE_DENIED, NULL, "%s: denied by the operator",
				    text);
	}
}

int daemon_deny(void *user, const struct control_deny *deny, char **ret_error)
{
	cleanup(denied_deinit) struct denied denied = { 0 };
	struct daemon *daemon = user;
	int r = denied_copy(&daemon->node.denied, &denied);

	if (r == 0)
		r = change(&denied, deny, ret_error);
	if (r == 0)
		r = exchange(daemon, &denied, ret_error);
	if (r == 0)
		tell_change(daemon, deny);
	return r;
}

void daemon_expire_denied(struct daemon *daemon)
{
	size_t count = denied_expire(&daemon->node.denied, clock_wall_s());

	if (count == 0)
		return;
	daemon_tell(daemon, EVENT_SOURCE_ADMITTED, NULL,
		    "sources whose time has passed and that are no longer denied: %zu", count);
	if (save(daemon) < 0)
		log_warning("%s: cannot be written; what has passed stays in it",
			    daemon->node.config->state);
	bring_to_datapath(daemon);
}
