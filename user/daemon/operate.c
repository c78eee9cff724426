/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The operator's changes: first into the file that keeps them, then into the datapath.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/daemon.h"
#include "daemon/observation.h"
#include "daemon/operator_store.h"

static struct operator_change changed(const struct backend *backend,
				      const struct control_change *change)
{
	struct operator_change now = backend->operator_change;

	switch (change->verb) {
	case CONTROL_DRAIN:
		now.state = OPERATOR_DRAIN;
		break;
	case CONTROL_DISABLE:
		now.state = OPERATOR_DISABLE;
		break;
	case CONTROL_UNDRAIN:
		if (now.state == OPERATOR_DRAIN)
			now.state = OPERATOR_NONE;
		break;
	case CONTROL_ENABLE:
		if (now.state == OPERATOR_DISABLE)
			now.state = OPERATOR_NONE;
		break;
	case CONTROL_WEIGHT:
		/* The file's own weight is no change any more. */
		now.has_weight = change->weight != backend->config.weight;
		now.weight = now.has_weight ? change->weight : 0;
		break;
	}
	return now;
}

static void change_text(const struct control_change *change, char *text, size_t size)
{
	static const char *const texts[] = { "drained by the operator", "undrained by the operator",
					     "disabled by the operator",
					     "enabled by the operator" };

	if (change->verb == CONTROL_WEIGHT)
		snprintf(text, size, "weight set to %u by the operator", change->weight);
	else
		snprintf(text, size, "%s", texts[change->verb]);
}

struct selection {
	struct backend **backends;
	struct operator_change *before;
	size_t count;
	const struct backend *refused; /* one that the change does not go with, or NULL */
};

static void selection_deinit(struct selection *selection)
{
	free(selection->backends);
	free(selection->before);
}

static bool is_meant(const struct control_change *change, const struct service *service)
{
	return !change->service[0] || strcmp(change->service, service->config.name) == 0;
}

/* What is no longer in the file can only end, sooner or later. */
static bool is_possible(const struct control_change *change, const struct backend *backend)
{
	return !backend->is_leaving || change->verb == CONTROL_DRAIN ||
	       change->verb == CONTROL_DISABLE;
}

static int select_backends(const struct node *node, const struct control_change *change,
			   struct selection *selection)
{
	selection->backends = calloc(node->service_count + 1, sizeof(struct backend *));
	selection->before = calloc(node->service_count + 1, sizeof(*selection->before));
	if (!selection->backends || !selection->before)
		return -ENOMEM;
	for (size_t i = 0; i < node->service_count; i++) {
		struct service *service = node->services[i];
		struct backend *backend = service_find_backend(service, change->backend);

		if (!backend || !is_meant(change, service))
			continue;
		if (!is_possible(change, backend)) {
			selection->refused = backend;
			continue;
		}
		selection->before[selection->count] = backend->operator_change;
		selection->backends[selection->count++] = backend;
	}
	return 0;
}

static int explain_refusal(const struct backend *backend, char **ret_error)
{
	if (asprintf(ret_error,
		     "%s/%s is no longer in the configuration and only stays until its flows have "
		     "ended; put it into the file again",
		     backend->service->config.name, backend->config.name) < 0)
		return -ENOMEM;
	return -EINVAL;
}

static int explain_missing(const struct node *node, const struct control_change *change,
			   char **ret_error)
{
	int r;

	if (change->service[0] && !node_find_service(node, change->service))
		r = asprintf(ret_error, "there is no service %s", change->service);
	else if (change->service[0])
		r = asprintf(ret_error, "the service %s has no backend %s", change->service,
			     change->backend);
	else
		r = asprintf(ret_error, "no service has a backend %s", change->backend);
	return r < 0 ? -ENOMEM : -ENOENT;
}

static int keep_changes(struct daemon *daemon, char **ret_error)
{
	const char *path = daemon->node.config->state;
	int r = operator_store_save(path, &daemon->node);

	if (r < 0 && asprintf(ret_error, "cannot keep the change in %s: %s; nothing was changed",
			      path, strerror(-r)) < 0)
		return -ENOMEM;
	return r;
}

static void carry_out(struct daemon *daemon, const struct control_change *change,
		      struct backend *backend)
{
	char text[64];

	change_text(change, text, sizeof(text));
	if (change->verb == CONTROL_WEIGHT)
		daemon_tell_backend(daemon, EVENT_BACKEND_WEIGHT, backend, ": %s", text);
	daemon_update_backend(daemon, backend, text);
}

/* Those that a change goes with: at least one. 0 or -errno, with the reason. */
static int find_backends(const struct node *node, const struct control_change *change,
			 struct selection *selection, char **ret_error)
{
	int r = select_backends(node, change, selection);

	if (r < 0)
		return r;
	if (selection->count == 0 && selection->refused)
		return explain_refusal(selection->refused, ret_error);
	if (selection->count == 0)
		return explain_missing(node, change, ret_error);
	return 0;
}

int daemon_change(void *user, const struct control_change *change, char **ret_error)
{
	cleanup(selection_deinit) struct selection selection = { 0 };
	struct daemon *daemon = user;
	int r = find_backends(&daemon->node, change, &selection, ret_error);

	if (r < 0)
		return r;
	for (size_t i = 0; i < selection.count; i++)
		selection.backends[i]->operator_change = changed(selection.backends[i], change);
	r = keep_changes(daemon, ret_error);
	for (size_t i = 0; i < selection.count; i++) {
		if (r < 0)
			selection.backends[i]->operator_change = selection.before[i];
		else
			carry_out(daemon, change, selection.backends[i]);
	}
	if (r == 0)
		daemon_apply_stale(NULL, daemon);
	return r;
}

/* What daemon_update_backend() does to a backend before the datapath is told. */
static void pretend_change(struct backend *backend, const struct control_change *change)
{
	backend->operator_change = changed(backend, change);
	if (backend_current_state(backend) == backend->state)
		return;
	backend->state = backend_current_state(backend);
	backend->state_changed_s = clock_wall_s();
	daemon_begin_slow_start(backend);
}

/* To a copy of what runs, of which nobody else knows. */
static int plan_copy(struct daemon *daemon, const struct node *copy,
		     const struct control_change *change, struct difference *difference,
		     char **ret_error)
{
	struct observation observation = { &daemon->node, copy, difference };
	const struct applier_observer observer = { observation_see, &observation };
	cleanup(selection_deinit) struct selection selection = { 0 };
	cleanup(freep) struct service **services = NULL;
	int r = find_backends(copy, change, &selection, ret_error);

	if (r < 0)
		return r;
	services = calloc(selection.count, sizeof(struct service *));
	if (!services)
		return -ENOMEM;
	for (size_t i = 0; i < selection.count; i++) {
		pretend_change(selection.backends[i], change);
		services[i] = selection.backends[i]->service;
	}
	return applier_preview(&daemon->applier, copy, services, selection.count, false, &observer);
}

int daemon_plan_change(void *user, const struct control_change *change,
		       struct forecast *ret_forecast, char **ret_error)
{
	cleanup(succession_deinit) struct succession services = { 0 };
	struct forecast forecast = { 0 };
	struct daemon *daemon = user;
	struct node copy;
	int r;

	daemon_apply_stale(NULL, daemon);
	r = succession_make(&daemon->node, daemon->node.config, true, &services);
	if (r < 0)
		return r;
	copy = (struct node){
		.config = daemon->node.config,
		.services = services.services,
		.service_count = services.count,
	};
	r = plan_copy(daemon, &copy, change, &forecast.now, ret_error);
	if (r < 0) {
		forecast_deinit(&forecast);
		return r;
	}
	daemon_note_running(daemon, &forecast);
	*ret_forecast = forecast;
	return 0;
}
