/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From one configuration to the next: the new services take over what is known of the old ones and
 * watch what they need before the old ones let go, so that a probe or a next hop that both use is
 * never interrupted, and a change that fails leaves no trace.
 */
#include <errno.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/config_file.h"
#include "daemon/daemon.h"
#include "daemon/observation.h"
#include "daemon/operator_store.h"
#include "model/encode.h"
#include "model/succession.h"

static void log_config_errors(const struct config_errors *errors)
{
	for (size_t i = 0; i < errors->count; i++) {
		const struct config_error *error = &errors->list[i];

		if (error->line)
			log_error("%s:%u:%u: %s", error->file, error->line, error->column,
				  error->text);
		else
			log_error("%s: %s", error->file, error->text);
	}
}

static int refuse_config(int result, const struct config_errors *errors, char **ret_error)
{
	log_config_errors(errors);
	if (ret_error)
		*ret_error = config_errors_format(errors);
	return result;
}

int daemon_read_config(const char *path, struct config_text *ret_text, char **ret_error)
{
	cleanup(config_errors_deinit) struct config_errors errors = { 0 };
	int r = config_file_read(path, &ret_text->data, &ret_text->size, &errors);

	return r < 0 ? refuse_config(r, &errors, ret_error) : 0;
}

int daemon_parse_config(const char *name, const struct config_text *text,
			struct config **ret_config, char **ret_error)
{
	cleanup(config_errors_deinit) struct config_errors errors = { 0 };
	int r = config_file_parse(name, text->data, text->size, ret_config, &errors);

	return r < 0 ? refuse_config(r, &errors, ret_error) : 0;
}

void daemon_release_backend(struct backend *backend, struct resolver *resolver)
{
	if (backend->probe_watch)
		prober_unwatch(take_ptr(backend->probe_watch));
	if (backend->is_resolver_watched)
		resolver_unwatch(resolver, &backend->config.address);
	backend->is_resolver_watched = false;
}

void daemon_release_services(struct succession *services, struct resolver *resolver)
{
	for (size_t i = 0; i < services->count; i++) {
		struct service *service = services->services[i];

		for (size_t j = 0; j < service->backend_count; j++)
			daemon_release_backend(service->backends[j], resolver);
	}
	succession_deinit(services);
}

static int watch_backend(struct daemon *daemon, const struct config *config,
			 struct backend *backend)
{
	const struct leat_addr *address = &backend->config.address;
	struct probe_config probe = backend->service->config.probe;
	int r = 0;

	if (!probe.has_port && backend->config.port)
		probe.port = (uint16_t)backend->config.port;
	if (!config->has_next_hop) {
		r = resolver_watch(daemon->resolver, address, &backend->next_hop);
		backend->is_resolver_watched = r == 0;
	}
	if (r == 0 && backend->has_probe)
		r = prober_watch(daemon->prober, address, &probe, backend, &backend->probe_watch);
	if (r < 0)
		log_error("%s/%s: cannot be watched: %s", backend->service->config.name,
			  backend->config.name, strerror(-r));
	return r;
}

static int watch_services(struct daemon *daemon, const struct config *config,
			  const struct succession *services)
{
	for (size_t i = 0; i < services->count; i++) {
		struct service *service = services->services[i];

		for (size_t j = 0; j < service->backend_count; j++) {
			int r = watch_backend(daemon, config, service->backends[j]);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* A file that cannot be read must not keep traffic from flowing; what was in it is kept for people. */
static int set_store_aside(const char *path, int reason)
{
	cleanup(freep) char *aside = NULL;

	if (reason != -EINVAL && reason != -EFBIG)
		return reason;
	if (asprintf(&aside, "%s.bad", path) < 0) {
		aside = NULL;
		return -ENOMEM;
	}
	if (rename(path, aside) < 0)
		return -errno;
	log_error("starting without the operator's changes; the file is now %s", aside);
	return 0;
}

static bool service_has_backend(const struct service *service, const struct leat_addr *address)
{
	for (size_t i = 0; i < service->backend_count; i++) {
		if (address_equal(&service->backends[i]->config.address, address))
			return true;
	}
	return false;
}

/* Backends that left the file before or while no daemon ran, and may still have flows. */
static int restore_leaving(const struct daemon *daemon, struct service *service)
{
	const struct image *image = applier_find_image(&daemon->applier, &service->config.key);

	for (size_t i = 0; image && i < image->backend_count; i++) {
		const struct image_backend *backend = &image->backends[i];
		struct server_id server_ids[LEAT_QUIC_CONFIGS];
		int r;

		if (backend->value.forward == LEAT_FORWARD_NONE ||
		    service_has_backend(service, &backend->address))
			continue;
		image_server_ids(image, backend->id, server_ids);
		r = succession_add_leaving(service, backend->name, &backend->address, server_ids);
		if (r < 0 && r != -ENOSPC)
			return r;
	}
	return 0;
}

static void restore_backends(struct daemon *daemon, struct service *service)
{
	for (size_t i = 0; i < service->backend_count; i++)
		daemon->node.reuse.backends += daemon_restore_health(daemon, service->backends[i]);
	for (size_t i = 0; i < service->backend_count; i++)
		daemon_resume_slow_start(service->backends[i]);
}

/* At the start, the predecessor of a service is what an earlier daemon left in the maps. */
static int restore_services(struct daemon *daemon, const struct config *config,
			    const struct succession *services)
{
	int r = operator_store_load(config->state, services, &daemon->node.denied);

	if (r < 0)
		r = set_store_aside(config->state, r);
	for (size_t i = 0; r == 0 && i < services->count; i++) {
		r = restore_leaving(daemon, services->services[i]);
		if (r == 0)
			restore_backends(daemon, services->services[i]);
	}
	return r;
}

static const char *reason_of(const struct backend *backend)
{
	if (backend->is_leaving)
		return "no longer in the file";
	return backend->has_probe ? "configured" : "has no probe";
}

/* States follow the new file: a weight of 0 drains, a probe that is gone no longer holds back. */
static void update_states(struct daemon *daemon)
{
	for (size_t i = 0; i < daemon->node.service_count; i++) {
		struct service *service = daemon->node.services[i];

		for (size_t j = 0; j < service->backend_count; j++) {
			struct backend *backend = service->backends[j];

			if (backend_current_state(backend) != backend->state)
				daemon_update_backend(daemon, backend, reason_of(backend));
		}
		service->is_stale = false;
	}
}

static const struct interface_status *find_interface(const struct node *node, const char *name)
{
	for (size_t i = 0; i < node->interface_count; i++) {
		if (strcmp(node->interfaces[i].name, name) == 0)
			return &node->interfaces[i];
	}
	return NULL;
}

/* Only the first time can a program be an earlier daemon's: what is there later, this one attached,
 * perhaps a moment ago and ahead of a change. */
static void take_interface(struct daemon *daemon, struct interface_status *now)
{
	const struct node *node = &daemon->node;
	const struct interface_status *was = find_interface(node, now->name);

	if (was && was->program_id == now->program_id && was->ifindex == now->ifindex) {
		now->was_reused = was->was_reused;
		now->link = was->link;
		return;
	}
	now->was_reused &= node->interface_count == 0;
	daemon_tell(daemon, EVENT_INTERFACE_ATTACHED, NULL, "%s: attached in %s mode%s%s",
		    now->name, attach_mode_name(now->mode),
		    now->has_dispatcher ? ", behind a dispatcher" : "",
		    now->was_reused ? " (the program was already there)" : "");
}

static int attach_to(struct daemon *daemon, const struct config *config)
{
	struct node *node = &daemon->node;
	struct interface_status statuses[LEAT_MAX_INTERFACES] = { 0 };
	int r = datapath_attach(daemon->datapath, config->interfaces, config->interface_count,
				config->mode, statuses);

	if (r < 0)
		return r;
	for (size_t i = 0; i < config->interface_count; i++)
		take_interface(daemon, &statuses[i]);
	memcpy(node->interfaces, statuses, sizeof(statuses));
	node->interface_count = config->interface_count;
	return 0;
}

int daemon_attach(struct daemon *daemon)
{
	struct leat_options options = daemon_options_of(daemon, daemon->node.config);

	daemon->attach_by_us = 0;
	datapath_set_options(daemon->datapath, &options);
	return attach_to(daemon, daemon->node.config);
}

int daemon_check_interfaces(const struct config *config)
{
	for (size_t i = 0; i < config->interface_count; i++) {
		if (if_nametoindex(config->interfaces[i]) == 0) {
			log_error("%s: no such interface", config->interfaces[i]);
			return -ENODEV;
		}
	}
	return 0;
}

/*
 * What may be refused goes first: the new interfaces get the program while the old ones keep it, and
 * a program that looks for any-port services runs before the first of them is there. Both are
 * harmless over the old maps.
 */
static int attach_ahead(struct daemon *daemon, const struct config *config)
{
	char names[2 * LEAT_MAX_INTERFACES][IF_NAMESIZE];
	struct interface_status statuses[2 * LEAT_MAX_INTERFACES];
	const struct config *now = daemon->node.config;
	struct leat_options options = daemon_options_of(daemon, now);
	size_t count = now->interface_count;
	int r;

	memcpy(names, now->interfaces, count * sizeof(names[0]));
	for (size_t i = 0; i < config->interface_count; i++) {
		if (!interface_is_listed(config->interfaces[i], names, count))
			memcpy(names[count++], config->interfaces[i], sizeof(names[0]));
	}
	options = options_merge(options, options_encode(config));
	datapath_set_options(daemon->datapath, &options);
	r = datapath_attach(daemon->datapath, names, count, config->mode, statuses);
	if (r < 0)
		daemon_attach(daemon);
	return r;
}

static int prepare(struct daemon *daemon, const struct config *config, bool drains_lost,
		   struct succession *services)
{
	int r = daemon_check_interfaces(config);

	if (r == 0)
		r = succession_make(&daemon->node, config, drains_lost, services);
	if (r == 0 && !daemon->node.config)
		r = restore_services(daemon, config, services);
	if (r == 0)
		r = watch_services(daemon, config, services);
	if (r == 0 && daemon->node.config && !daemon->attach_by_us)
		r = attach_ahead(daemon, config);
	return r;
}

static void commit(struct daemon *daemon, struct config *config, struct succession *services)
{
	struct node *node = &daemon->node;
	struct succession old = { .services = node->services, .count = node->service_count };

	node->services = services->services;
	node->service_count = services->count;
	*services = (struct succession){ 0 };
	daemon_release_services(&old, daemon->resolver);
	if (node->config)
		config_free(node->config);
	node->config = config;
}

int daemon_adopt(struct daemon *daemon, struct config *config, bool drains_lost,
		 struct difference *ret_difference)
{
	struct node next = { .config = config };
	struct succession services = { 0 };
	struct observation observation = { &daemon->node, &next, ret_difference };
	const struct applier_observer observer = { observation_see, &observation };
	int r = prepare(daemon, config, drains_lost, &services);

	/* At the start, it was read only now. */
	next.denied = daemon->node.denied;
	next.services = services.services;
	next.service_count = services.count;
	if (r == 0)
		r = applier_apply_seen(&daemon->applier, &next, services.services, services.count,
				       ret_difference ? &observer : NULL);
	if (r < 0) {
		daemon_release_services(&services, daemon->resolver);
		config_free(config);
		return r;
	}
	commit(daemon, config, &services);
	update_states(daemon);
	return 0;
}

/* Of the file's errors, each of which is in the log, the event has the first. */
static void refuse_reload(struct daemon *daemon, char **error, int result)
{
	if (!*error &&
	    asprintf(error, "%s; see the daemon's log. What ran goes on", strerror(-result)) < 0)
		*error = NULL;
	daemon_tell(daemon, EVENT_CONFIG_REFUSED, NULL, "reload failed, what ran goes on: %.*s",
		    *error ? (int)strcspn(*error, "\n") : 0, *error ?: "");
}

static bool text_changed(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) != 0 : a != b;
}

void daemon_warn_of_restart(const struct config *now, const struct config *next)
{
	if (text_changed(now->control_socket, next->control_socket) ||
	    text_changed(now->control_group, next->control_group) ||
	    text_changed(now->metrics_listen, next->metrics_listen))
		log_warning("control and metrics listen elsewhere only after a restart");
	if (now->flows != next->flows)
		log_warning("flows: takes effect when the maps are made anew, see leat.yaml(5)");
}

static int adopt_file(struct daemon *daemon, bool drains_lost, char **ret_error)
{
	cleanup(config_text_deinit) struct config_text text = { 0 };
	cleanup(difference_deinit) struct difference difference = { 0 };
	const char *path = daemon->options.config_path;
	char note[DIFFERENCE_TEXT_SIZE];
	struct config *config;
	int r = daemon_read_config(path, &text, ret_error);

	if (r == 0)
		r = daemon_parse_config(path, &text, &config, ret_error);
	if (r < 0)
		return r;
	daemon_warn_of_restart(daemon->node.config, config);
	r = daemon_adopt(daemon, config, drains_lost, &difference);
	if (r == 0)
		daemon_note_version(daemon, &text, CONFIG_BY_RELOAD,
				    difference_format(&difference, note));
	return r;
}

static int reload(struct daemon *daemon, bool drains_lost, char **error)
{
	int r = adopt_file(daemon, drains_lost, error);

	if (r == 0 && !daemon->attach_by_us)
		r = daemon_attach(daemon);
	daemon->node.reload_succeeded = r == 0;
	if (r < 0) {
		refuse_reload(daemon, error, r);
		return r;
	}
	daemon->node.reload_s = clock_wall_s();
	daemon_tell(daemon, EVENT_CONFIG_RELOADED, NULL, "reloaded %s; services: %zu",
		    daemon->options.config_path, daemon->node.service_count);
	return 0;
}

int daemon_reload(struct daemon *daemon, bool is_now, char **ret_error)
{
	cleanup(freep) char *error = NULL;
	int r;

	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)clock_monotonic_us());
	r = reload(daemon, !is_now, &error);
	sd_notify(0, "READY=1");
	if (ret_error)
		*ret_error = take_ptr(error);
	return r;
}
