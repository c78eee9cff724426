/* SPDX-License-Identifier: GPL-2.0-only */
#include "daemon/daemon.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "base/clock.h"
#include "base/log.h"
#include "control/control_status.h"
#include "model/encode.h"

#define TICK_US	       1000000
/* How long another layout's program goes on while this one's probes get their first results. */
#define SETTLE_US      5000000
/* Behind everything that brings results, so that one change of a table serves all of them. */
#define APPLY_PRIORITY (SD_EVENT_PRIORITY_NORMAL + 10)

static void sample_maps(struct daemon *daemon)
{
	const struct image_ids *ids = &daemon->applier.ids;
	const struct map_usage maps[] = {
		{ "services", ids->services.count, LEAT_MAX_SERVICES },
		{ "tables", ids->tables.count, LEAT_MAX_TABLES },
		{ "backends", ids->backends.count, LEAT_MAX_BACKENDS - 1 },
		{ "denied", daemon->node.denied.count, LEAT_MAX_DENIED },
		{ "nat_flows", 2 * daemon->nat_watch.counted_all, LEAT_NAT_ENTRIES },
	};

	daemon->node.flow_memory.capacity = datapath_flow_capacity(daemon->datapath);
	daemon->node.flow_memory.half_open_capacity = LEAT_HALF_OPEN_BUCKETS * LEAT_BUCKET_FLOWS;
	daemon->node.flow_memory.client_capacity = LEAT_CLIENT_BUCKETS * LEAT_BUCKET_FLOWS;
	memcpy(daemon->node.maps, maps, sizeof(maps));
	daemon->node.map_count = ARRAY_SIZE(maps);
}

/* Whoever reads the node's states also reads that the datapath has them. */
static void refresh(void *user)
{
	struct daemon *daemon = user;

	daemon_apply_stale(NULL, daemon);
	daemon_read_counters(daemon);
	sample_maps(daemon);
}

static void update_rates(struct node *node, double seconds)
{
	for (size_t reason = 0; reason < LEAT_REASON_COUNT; reason++)
		counter_rate_update(&node->reason_rates[reason], &node->reasons[reason], seconds);
	for (size_t i = 0; i < node->service_count; i++) {
		struct service *service = node->services[i];

		counter_rate_update(&service->rate, &service->counter, seconds);
		for (size_t j = 0; j < service->backend_count; j++)
			counter_rate_update(&service->backends[j]->rate,
					    &service->backends[j]->counter, seconds);
	}
}

static void tell_settled(struct daemon *daemon, const struct service *service, uint32_t was_open)
{
	if (was_open && !service->open_slots)
		daemon_tell(daemon, EVENT_SERVICE_SETTLED, service,
			    "%s: its last change is complete, no flow is on an earlier backend",
			    service->config.name);
}

/* Services that the datapath does not know the latest state of are not in the way: what is closed is
 * what it does know. */
static void settle(struct daemon *daemon, uint64_t now_us)
{
	struct node *node = &daemon->node;
	cleanup(freep) uint32_t *was_open = calloc(node->service_count + 1, sizeof(*was_open));

	for (size_t i = 0; was_open && i < node->service_count; i++)
		was_open[i] = node->services[i]->open_slots;
	applier_settle(&daemon->applier, node, now_us);
	nat_watch_step(&daemon->nat_watch, &daemon->applier, node, now_us);
	for (size_t i = 0; was_open && i < node->service_count; i++)
		tell_settled(daemon, node->services[i], was_open[i]);
}

static int on_tick(sd_event_source *source, uint64_t due_us, void *user)
{
	struct daemon *daemon = user;
	uint64_t now_us = clock_monotonic_us();

	refresh(daemon);
	update_rates(&daemon->node, (double)(now_us - daemon->sampled_us) / 1e6);
	daemon->sampled_us = now_us;
	settle(daemon, now_us);
	daemon_advance_backends(daemon, now_us);
	daemon_expire_denied(daemon);
	daemon_follow_links(daemon);
	daemon_watch_trial(daemon, now_us);
	if (daemon->attach_by_us && (daemon_is_settled(daemon) || now_us >= daemon->attach_by_us) &&
	    daemon_attach(daemon) < 0)
		return sd_event_exit(daemon->event, -EIO);

	(void)due_us;
	sd_event_source_set_time(source, now_us + TICK_US);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int on_end(sd_event_source *source, const struct signalfd_siginfo *info, void *user)
{
	struct daemon *daemon = user;

	(void)source;
	daemon_tell(daemon, EVENT_DAEMON_ENDING, NULL, "ending on signal %s; %s",
		    strsignal((int)info->ssi_signo),
		    daemon->options.keep ? "forwarding goes on" : "forwarding ends");
	sd_notify(0, "STOPPING=1");
	return sd_event_exit(daemon->event, 0);
}

static int on_hangup(sd_event_source *source, const struct signalfd_siginfo *info, void *user)
{
	(void)source;
	(void)info;
	daemon_reload(user, false, NULL);
	return 0;
}

static int reload_for_control(void *user, bool is_now, char **ret_error)
{
	return daemon_reload(user, is_now, ret_error);
}

static int add_signal(struct daemon *daemon, int signal_number, sd_event_signal_handler_t handler)
{
	return sd_event_add_signal(daemon->event, NULL, signal_number, handler, daemon);
}

static int begin_loop(struct daemon *daemon)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
	sigset_t mask;
	int r;

	sigemptyset(&mask);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaddset(&mask, signals[i]);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	signal(SIGPIPE, SIG_IGN);

	r = sd_event_default(&daemon->event);
	if (r >= 0)
		r = add_signal(daemon, SIGTERM, on_end);
	if (r >= 0)
		r = add_signal(daemon, SIGINT, on_end);
	if (r >= 0)
		r = add_signal(daemon, SIGHUP, on_hangup);
	if (r >= 0)
		r = sd_event_add_defer(daemon->event, &daemon->apply_source, daemon_apply_stale,
				       daemon);
	if (r >= 0)
		r = sd_event_source_set_priority(daemon->apply_source, APPLY_PRIORITY);
	if (r >= 0)
		r = sd_event_source_set_enabled(daemon->apply_source, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_set_watchdog(daemon->event, true);
	return r < 0 ? r : 0;
}

/* Maps that cannot be read back are of no use: forwarding goes on over them, without their pins,
 * until this daemon's program replaces theirs. */
static int begin_again(struct daemon *daemon, const struct config *config,
		       const struct leat_options *options)
{
	int r;

	log_error("starting with new maps; the program that runs stays until they are filled");
	datapath_unpin(daemon->datapath);
	applier_deinit(&daemon->applier);
	datapath_freep(&daemon->datapath);
	daemon->datapath = NULL;
	r = datapath_new(&daemon->datapath, daemon->options.pin_path, config->flows, options);
	if (r == 0)
		r = applier_init(&daemon->applier, daemon->datapath);
	daemon->attach_by_us = clock_monotonic_us() + SETTLE_US;
	return r;
}

static int begin_datapath(struct daemon *daemon, const struct config *config)
{
	struct leat_options options = options_encode(config);
	int r = datapath_new(&daemon->datapath, daemon->options.pin_path, config->flows, &options);

	if (r == 0)
		r = applier_init(&daemon->applier, daemon->datapath);
	if (r < 0)
		return r;
	if (datapath_has_foreign_layout(daemon->datapath)) {
		log_notice("another layout's program runs; this one's takes over once its probes "
			   "have ended");
		daemon->attach_by_us = clock_monotonic_us() + SETTLE_US;
	}
	daemon->node.reuse.maps = datapath_was_reused(daemon->datapath);
	if (!daemon->node.reuse.maps || applier_read_back(&daemon->applier) == 0)
		return 0;
	daemon->node.reuse.maps = false;
	return begin_again(daemon, config, &options);
}

static char *status(void *user)
{
	struct daemon *daemon = user;
	json_t *json = control_status_json(&daemon->node);
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

	json_decref(json);
	return text;
}

static int begin_metrics(struct daemon *daemon)
{
	static const struct metrics_operations operations = {
		.refresh = refresh,
		.status = status,
	};
	const char *listen = daemon->node.config->metrics_listen;
	int r;

	if (!listen)
		return 0;
	r = metrics_new(&daemon->metrics, daemon->event, listen, &daemon->node, &operations,
			daemon);
	if (r < 0)
		log_error("cannot serve metrics on %s: %s", listen, strerror(-r));
	return r;
}

static int begin_control(struct daemon *daemon)
{
	static const struct control_operations operations = {
		.refresh = refresh,
		.reload = reload_for_control,
		.change = daemon_change,
		.plan_change = daemon_plan_change,
		.plan = daemon_plan,
		.apply = daemon_apply,
		.rollback = daemon_rollback,
		.confirm = daemon_confirm,
		.deny = daemon_deny,
		.export_history = daemon_export_history,
		.import_history = daemon_import_history,
	};
	const struct config *config = daemon->node.config;
	int r = control_new(&daemon->control, daemon->event, config, &daemon->node, &operations,
			    daemon);

	if (r < 0)
		log_error("cannot serve %s: %s%s", config->control_socket, strerror(-r),
			  r == -EADDRINUSE ? "; another leatd serves it" : "");
	return r;
}

static int begin_ticking(struct daemon *daemon)
{
	daemon->sampled_us = clock_monotonic_us();
	return sd_event_add_time(daemon->event, &daemon->tick_source, CLOCK_MONOTONIC,
				 daemon->sampled_us + TICK_US, 0, on_tick, daemon);
}

static void note_start(struct daemon *daemon)
{
	struct node *node = &daemon->node;

	daemon_note_version(daemon, NULL, CONFIG_BY_START, "as the file was");
	node->started_s = clock_wall_s();
	node->reload_s = node->started_s;
	node->reload_succeeded = true;
	for (size_t i = 0; i < node->interface_count; i++)
		node->reuse.program |= node->interfaces[i].was_reused;
	daemon_tell(daemon, EVENT_DAEMON_STARTED, NULL, "serving; services: %zu, interfaces: %zu%s",
		    node->service_count, node->interface_count,
		    node->reuse.maps ? ", taken over from an earlier daemon" : "");
}

/* The prober is forked before anything that its child has no business with is open. */
static int begin(struct daemon *daemon, struct config *config)
{
	int r = begin_loop(daemon);

	if (r == 0)
		r = prober_new(&daemon->prober, daemon->event, daemon_on_probe_result, daemon);
	if (r == 0)
		r = resolver_new(&daemon->resolver, daemon->event, daemon_on_next_hop, daemon);
	if (r == 0)
		r = begin_datapath(daemon, config);
	if (r < 0) {
		config_free(config);
		return r;
	}
	return daemon_adopt(daemon, config, true, NULL);
}

static int load(struct daemon *daemon, struct config **ret_config)
{
	const char *path = daemon->options.config_path;
	int r = daemon_read_config(path, &daemon->text, NULL);

	if (r == 0)
		r = daemon_parse_config(path, &daemon->text, ret_config, NULL);
	if (r < 0)
		return r;
	r = daemon_begin_versions(daemon, ret_config);
	if (r == 0 && !(daemon->node.config_path = strdup(path)))
		r = -ENOMEM;
	if (r == 0)
		r = nat_watch_init(&daemon->nat_watch);
	if (r < 0)
		config_free(*ret_config);
	return r;
}

static int serve(struct daemon *daemon, struct config *config)
{
	int r = begin(daemon, config);

	if (r == 0)
		r = begin_control(daemon);
	if (r == 0)
		r = begin_metrics(daemon);
	if (r == 0 && !daemon->attach_by_us)
		r = daemon_attach(daemon);
	if (r == 0)
		r = begin_ticking(daemon);
	if (r < 0)
		return r;
	note_start(daemon);
	sd_notify(0, "READY=1");
	return sd_event_loop(daemon->event);
}

/* A start that failed over an earlier daemon's maps must not end what those forward. */
static void end_forwarding(struct daemon *daemon, int result)
{
	if (!daemon->datapath || (result == 0 && daemon->options.keep) ||
	    (result < 0 && daemon->node.reuse.maps))
		return;
	if (datapath_detach(daemon->datapath) == 0)
		datapath_unpin(daemon->datapath);
}

static void daemon_deinit(struct daemon *daemon)
{
	struct succession services = {
		.services = daemon->node.services,
		.count = daemon->node.service_count,
	};

	daemon_end_telling();
	control_freep(&daemon->control);
	metrics_freep(&daemon->metrics);
	daemon->node.services = NULL;
	daemon->node.service_count = 0;
	daemon_release_services(&services, daemon->resolver);
	prober_freep(&daemon->prober);
	resolver_freep(&daemon->resolver);
	nat_watch_deinit(&daemon->nat_watch);
	applier_deinit(&daemon->applier);
	datapath_freep(&daemon->datapath);
	node_deinit(&daemon->node);
	config_text_deinit(&daemon->text);
	free(daemon->versions_directory);
	sd_event_source_unref(daemon->tick_source);
	sd_event_source_unref(daemon->apply_source);
	sd_event_unref(daemon->event);
}

int daemon_run(const struct daemon_options *options)
{
	cleanup(daemon_deinit) struct daemon daemon = { .options = *options };
	struct config *config;
	int r = load(&daemon, &config);

	if (r < 0)
		return r;
	daemon_begin_telling(&daemon);
	r = serve(&daemon, config);
	end_forwarding(&daemon, r);
	return r;
}
