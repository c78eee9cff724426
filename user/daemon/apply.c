/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Configurations that come over the API. The file stays what runs: one that is applied takes its place,
 * and what ran is kept to go back to. On the way there, whatever may be refused goes first; a daemon that is
 * killed meanwhile finds at its start what it has to do.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "config/config_file.h"
#include "daemon/daemon.h"
#include "daemon/observation.h"
#include "daemon/version_store.h"

#if CONTROL_MAX_CONFIG != CONFIG_FILE_MAX_SIZE
#error "the API takes what a file may be"
#endif

/* When going back from a trial failed. */
#define RETRY_US 10000000

/* Says why, and returns `result`. */
static int refuse(char **ret_error, int result, const char *format, ...) printf_like(3);

static int refuse(char **ret_error, int result, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (vasprintf(ret_error, format, args) < 0)
		*ret_error = NULL;
	va_end(args);
	return result;
}

/* A change of the whole configuration. */
struct change {
	enum config_origin origin;
	const char *name; /* of the file, for errors */
	struct config_text text;
	const struct config_trial *trial; /* NULL: there is none */
	const char *why;		  /* in front of what it changes; or NULL */
	bool drains_lost;
	bool is_own; /* nobody is there to ask */
};

/* The applier's look at what is to come. */
static int preview(struct daemon *daemon, const struct node *next, struct difference *difference)
{
	struct observation observation = { &daemon->node, next, difference };
	const struct applier_observer observer = { observation_see, &observation };

	return applier_preview(&daemon->applier, next, next->services, next->service_count, true,
			       &observer);
}

/* As if their first probes had succeeded. */
static void raise_unknown(const struct node *node)
{
	for (size_t i = 0; i < node->service_count; i++) {
		struct service *service = node->services[i];

		for (size_t j = 0; j < service->backend_count; j++) {
			struct backend *backend = service->backends[j];

			if (health_is_unknown(&backend->health))
				health_update(&backend->health, true);
		}
	}
}

static int foresee(struct daemon *daemon, const struct node *next, struct forecast *forecast)
{
	int r = preview(daemon, next, &forecast->now);

	raise_unknown(next);
	return r < 0 ? r : preview(daemon, next, &forecast->once_up);
}

static int plan_config(struct daemon *daemon, struct config *config, bool drains_lost,
		       struct forecast *forecast)
{
	cleanup(succession_deinit) struct succession services = { 0 };
	int r = daemon_check_interfaces(config);
	struct node next;

	if (r == 0)
		r = succession_make(&daemon->node, config, drains_lost, &services);
	if (r < 0)
		return r;
	next = (struct node){
		.config = config,
		.services = services.services,
		.service_count = services.count,
	};
	return foresee(daemon, &next, forecast);
}

void daemon_note_running(const struct daemon *daemon, struct forecast *forecast)
{
	config_version_format(config_versions_running(&daemon->node.versions), forecast->version);
	forecast->memory_shared = datapath_locked_memory(daemon->datapath);
}

int daemon_plan(void *user, const struct control_plan *plan, struct forecast *ret_forecast,
		char **ret_error)
{
	const struct config_text text = { (char *)(uintptr_t)plan->text.data, plan->text.size };
	cleanup(config_freep) struct config *config = NULL;
	struct forecast forecast = { 0 };
	struct daemon *daemon = user;
	int r = daemon_parse_config(plan->text.name, &text, &config, ret_error);

	if (r < 0)
		return r;
	daemon_apply_stale(NULL, daemon);
	r = plan_config(daemon, config, !plan->is_now, &forecast);
	if (r < 0) {
		forecast_deinit(&forecast);
		return refuse(ret_error, r, "cannot be planned: %s; see the daemon's log",
			      strerror(-r));
	}
	daemon_note_running(daemon, &forecast);
	*ret_forecast = forecast;
	return 0;
}

/* The file may hold what somebody has written and not loaded yet: then ret_file has it, and the result is 1.
 * A missing one holds nothing: 0. Else -errno. */
static int read_edited(const struct daemon *daemon, struct config_text *ret_file)
{
	struct config_text file = { 0 };
	bool is_same;
	int r = file_read(daemon->options.config_path, CONFIG_FILE_MAX_SIZE, &file.data,
			  &file.size);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	is_same = file.size == daemon->text.size &&
		  memcmp(file.data, daemon->text.data, file.size) == 0;
	if (!is_same) {
		*ret_file = file;
		return 1;
	}
	config_text_deinit(&file);
	return 0;
}

static int check_file(struct daemon *daemon, char **ret_error)
{
	cleanup(config_text_deinit) struct config_text file = { 0 };
	const char *path = daemon->options.config_path;
	int r = read_edited(daemon, &file);

	if (r == 0)
		return 0;
	if (r < 0)
		return refuse(ret_error, r, "cannot read %s: %s; nothing was changed", path,
			      strerror(-r));
	return refuse(
		ret_error, -EBUSY,
		"%s was changed since it was loaded, and would be lost; reload it, or move it "
		"away. Nothing was changed",
		path);
}

static int check_state(const struct daemon *daemon, const struct config *config, char **ret_error)
{
	const char *state = daemon->node.config->state;

	if (strcmp(state, config->state) == 0)
		return 0;
	return refuse(
		ret_error, -EINVAL,
		"state: is %s where leatd runs, and another only after a restart with another "
		"file; nothing was changed",
		state);
}

/* For what comes from people. */
static int check_change(struct daemon *daemon, const struct change *change,
			const struct config *config, char **ret_error)
{
	int r = check_state(daemon, config, ret_error);

	if (r == 0 && !change->is_own)
		r = check_file(daemon, ret_error);
	return r;
}

static struct config_versions make_versions(const struct daemon *daemon,
					    const struct change *change)
{
	struct config_versions versions = daemon->node.versions;
	const struct config_version *running = config_versions_running(&versions);
	uint64_t before = running ? running->number : 0, now_s = clock_wall_s();
	struct config_version *version = config_versions_add(
		&versions, change->origin, config_text_hash(change->text.data, change->text.size),
		change->text.size, now_s);

	snprintf(version->note, sizeof(version->note), "%s", change->why ?: "not complete");
	versions.trial = (struct config_trial){ 0 };
	if (change->trial) {
		versions.trial = *change->trial;
		versions.trial.back_to = before;
		versions.trial.until_s = now_s + change->trial->length_s;
	}
	return versions;
}

/* What was done before adopting is taken back. */
static void undo(struct daemon *daemon, bool is_replaced)
{
	const char *path = daemon->options.config_path;
	int r = 0;

	if (is_replaced)
		r = file_replace(path, daemon->text.data, daemon->text.size, DAEMON_CONFIG_MODE);
	if (r < 0)
		log_error("%s is not the configuration that runs, and cannot be made so: %s", path,
			  strerror(-r));
	r = version_store_save(daemon->versions_directory, &daemon->node.versions);
	if (r < 0)
		log_error("cannot write to %s: %s", daemon->versions_directory, strerror(-r));
	version_store_prune(daemon->versions_directory, &daemon->node.versions);
}

static int replace_files(struct daemon *daemon, const struct change *change,
			 const struct config_versions *versions, char **ret_error)
{
	const char *path = daemon->options.config_path;
	int r = daemon_keep_versions(daemon, versions, &change->text);

	if (r < 0) {
		undo(daemon, false);
		return refuse(ret_error, r,
			      "cannot keep the configuration in %s: %s; nothing was changed",
			      daemon->versions_directory, strerror(-r));
	}
	r = file_replace(path, change->text.data, change->text.size, DAEMON_CONFIG_MODE);
	if (r < 0) {
		undo(daemon, false);
		return refuse(ret_error, r, "cannot replace %s: %s; nothing was changed", path,
			      strerror(-r));
	}
	return 0;
}

static void settle_versions(struct daemon *daemon, const struct change *change,
			    const struct config_versions *versions,
			    const struct difference *difference)
{
	struct config_version *version;
	char note[DIFFERENCE_TEXT_SIZE];
	int r;

	daemon->node.versions = *versions;
	version = &daemon->node.versions.list[versions->count - 1];
	difference_format(difference, note);
	if (change->why)
		snprintf(version->note, sizeof(version->note), "%.150s: %.160s", change->why, note);
	else
		snprintf(version->note, sizeof(version->note), "%s", note);
	r = version_store_save(daemon->versions_directory, &daemon->node.versions);
	if (r < 0)
		log_warning("cannot write to %s: %s", daemon->versions_directory, strerror(-r));
	version_store_prune(daemon->versions_directory, &daemon->node.versions);
	if (versions->trial.is_on)
		daemon_begin_trial(daemon);
}

static void tell(struct daemon *daemon)
{
	const struct config_versions *versions = &daemon->node.versions;
	const struct config_version *version = config_versions_running(versions);
	char text[CONFIG_VERSION_TEXT_SIZE];

	daemon_tell(daemon, EVENT_CONFIG_APPLIED, NULL, "configuration %s runs, by %s: %s",
		    config_version_format(version, text), config_origin_name(version->origin),
		    version->note);
	if (versions->trial.is_on)
		daemon_tell(daemon, EVENT_CONFIG_APPLIED, NULL,
			    "configuration %s goes back to %" PRIu64 " in %" PRIu64 " s unless %s",
			    text, versions->trial.back_to, versions->trial.length_s,
			    versions->trial.needs_confirmation ? "it is confirmed"
							       : "it stays healthy");
}

/* Takes the change's text when it runs. */
static int adopt(struct daemon *daemon, struct change *change, struct config *config,
		 const struct config_versions *versions, struct difference *ret_difference)
{
	int r;

	daemon_warn_of_restart(daemon->node.config, config);
	r = daemon_adopt(daemon, config, change->drains_lost, ret_difference);
	if (r < 0) {
		undo(daemon, true);
		return r;
	}
	config_text_deinit(&daemon->text);
	daemon->text = change->text;
	change->text = (struct config_text){ 0 };
	settle_versions(daemon, change, versions, ret_difference);
	daemon->node.reload_s = clock_wall_s();
	daemon->node.reload_succeeded = true;
	tell(daemon);
	/* The interfaces run the program already; those that are no longer wanted are left. */
	return daemon->attach_by_us ? 0 : daemon_attach(daemon);
}

static int make_change(struct daemon *daemon, struct change *change, struct forecast *ret_forecast,
		       char **ret_error)
{
	struct forecast forecast = { 0 };
	struct config_versions versions;
	struct config *config;
	int r = daemon_parse_config(change->name, &change->text, &config, ret_error);

	if (r < 0)
		return r;
	r = check_change(daemon, change, config, ret_error);
	if (r == 0) {
		versions = make_versions(daemon, change);
		r = replace_files(daemon, change, &versions, ret_error);
	}
	if (r < 0) {
		config_free(config);
		return r;
	}
	r = adopt(daemon, change, config, &versions, &forecast.now);
	daemon_note_running(daemon, &forecast);
	if (r < 0) {
		forecast_deinit(&forecast);
		return refuse(ret_error, r, "%s; see the daemon's log. What ran goes on",
			      strerror(-r));
	}
	*ret_forecast = forecast;
	return 0;
}

static int check_trial(const struct daemon *daemon, char **ret_error)
{
	const struct config_versions *versions = &daemon->node.versions;

	if (!versions->trial.is_on)
		return 0;
	return refuse(ret_error, -EBUSY,
		      "configuration %" PRIu64 " is on trial; confirm it or roll it back before "
		      "another is applied",
		      config_versions_running(versions)->number);
}

static int check_version(const struct daemon *daemon, const char *wanted, char **ret_error)
{
	const struct config_version *running = config_versions_running(&daemon->node.versions);
	char text[CONFIG_VERSION_TEXT_SIZE];

	if (!wanted || config_version_is(running, wanted))
		return 0;
	return refuse(ret_error, -ESTALE, "version %s runs, and not %s; nothing was changed",
		      config_version_format(running, text), wanted);
}

static int copy_text(const struct control_text *text, struct config_text *ret_text)
{
	char *data = malloc(text->size + 1);

	if (!data)
		return -ENOMEM;
	memcpy(data, text->data, text->size);
	*ret_text = (struct config_text){ data, text->size };
	return 0;
}

int daemon_apply(void *user, const struct control_apply *apply, struct forecast *ret_forecast,
		 char **ret_error)
{
	const struct config_trial trial = {
		.is_on = true,
		.needs_confirmation = apply->needs_confirmation,
		.length_s = (apply->trial_ms + 999) / 1000,
		.min_healthy = apply->min_healthy,
	};
	struct change change = {
		.origin = CONFIG_BY_APPLY,
		.name = apply->text.name,
		.trial = apply->trial_ms ? &trial : NULL,
		.drains_lost = !apply->is_now,
	};
	struct daemon *daemon = user;
	int r = check_version(daemon, apply->if_version, ret_error);

	if (r == 0)
		r = check_trial(daemon, ret_error);
	if (r == 0)
		r = copy_text(&apply->text, &change.text);
	if (r == 0)
		r = make_change(daemon, &change, ret_forecast, ret_error);
	config_text_deinit(&change.text);
	return r;
}

/* Of all that are known, the last one that `text` means. */
static const struct config_version *find_version(const struct config_versions *versions,
						 const char *text)
{
	if (!text && versions->trial.is_on)
		return config_versions_find(versions, versions->trial.back_to);
	if (!text)
		return config_versions_previous(versions);
	for (size_t i = versions->count; i-- > 0;) {
		if (config_version_is(&versions->list[i], text))
			return &versions->list[i];
	}
	return NULL;
}

static int read_version(const struct daemon *daemon, const struct config_version *version,
			struct config_text *ret_text, char **ret_error)
{
	int r = version_store_read_text(daemon->versions_directory, version, &ret_text->data,
					&ret_text->size);

	if (r == 0)
		return 0;
	return refuse(ret_error, r == -ENOENT ? r : -EIO,
		      "version %" PRIu64 " cannot be had from %s: %s; nothing was changed",
		      version->number, daemon->versions_directory,
		      r == -EBADMSG ? "its text is another" : strerror(-r));
}

static int go_back(struct daemon *daemon, const struct config_version *version, const char *why,
		   struct change *change, struct forecast *ret_forecast, char **ret_error)
{
	char text[CONFIG_VERSION_TEXT_SIZE], whole[CONFIG_VERSION_NOTE_SIZE];
	int r = read_version(daemon, version, &change->text, ret_error);

	if (r < 0)
		return r;
	snprintf(whole, sizeof(whole), "back to %s%s%s", config_version_format(version, text),
		 why ? ", " : "", why ?: "");
	change->origin = CONFIG_BY_ROLLBACK;
	change->name = daemon->options.config_path;
	change->why = whole;
	r = make_change(daemon, change, ret_forecast, ret_error);
	config_text_deinit(&change->text);
	change->why = NULL;
	return r;
}

int daemon_rollback(void *user, const struct control_rollback *rollback,
		    struct forecast *ret_forecast, char **ret_error)
{
	struct daemon *daemon = user;
	const struct config_version *version =
		find_version(&daemon->node.versions, rollback->version);
	struct change change = { .drains_lost = !rollback->is_now };

	if (!version && !rollback->version)
		return refuse(ret_error, -ENOENT, "there is no earlier version to go back to");
	if (!version)
		return refuse(ret_error, -ENOENT,
			      "there is no version %s; see: leat config history",
			      rollback->version);
	if (version == config_versions_running(&daemon->node.versions))
		return refuse(ret_error, -EBUSY, "version %" PRIu64 " is what runs",
			      version->number);
	return go_back(daemon, version, NULL, &change, ret_forecast, ret_error);
}

/* Until the end of the trial is kept, it goes on. */
static int end_trial(struct daemon *daemon)
{
	struct config_versions versions = daemon->node.versions;
	int r;

	versions.trial = (struct config_trial){ 0 };
	r = version_store_save(daemon->versions_directory, &versions);
	if (r == 0)
		daemon->node.versions = versions;
	return r;
}

int daemon_confirm(void *user, char **ret_error)
{
	struct daemon *daemon = user;
	const struct config_versions *versions = &daemon->node.versions;
	int r;

	if (!versions->trial.is_on)
		return refuse(ret_error, -ENOENT, "no configuration is on trial");
	r = end_trial(daemon);
	if (r < 0)
		return refuse(ret_error, r, "cannot write to %s: %s; the trial goes on",
			      daemon->versions_directory, strerror(-r));
	daemon_tell(daemon, EVENT_CONFIG_CONFIRMED, NULL, "configuration %" PRIu64 " is confirmed",
		    config_versions_running(versions)->number);
	return 0;
}

/* What somebody wrote into the file meanwhile must not be lost. There is a file at any time: a daemon may be
 * killed, and another start. */
static void save_edits(struct daemon *daemon)
{
	cleanup(config_text_deinit) struct config_text file = { 0 };
	const char *path = daemon->options.config_path;
	cleanup(freep) char *aside = NULL;
	int r;

	if (read_edited(daemon, &file) <= 0)
		return;
	if (asprintf(&aside, "%s.edited", path) < 0) {
		aside = NULL;
		return;
	}
	r = file_replace(aside, file.data, file.size, DAEMON_CONFIG_MODE);
	if (r < 0)
		log_error("%s was changed since it was loaded, and cannot be kept: %s", path,
			  strerror(-r));
	else
		log_warning("%s was changed since it was loaded; that is now in %s", path, aside);
}

static void fail_trial(struct daemon *daemon, const char *why, uint64_t now_us)
{
	const struct config_versions *versions = &daemon->node.versions;
	const struct config_version *back = config_versions_find(versions, versions->trial.back_to);
	struct change change = { .drains_lost = true, .is_own = true };
	struct forecast forecast = { 0 };
	cleanup(freep) char *error = NULL;
	int r = -ENOENT;

	daemon_tell(daemon, EVENT_CONFIG_WITHDRAWN, NULL,
		    "configuration %" PRIu64 " goes back to %" PRIu64 ": %s",
		    config_versions_running(versions)->number, versions->trial.back_to, why);
	if (back) {
		save_edits(daemon);
		r = go_back(daemon, back, why, &change, &forecast, &error);
	}
	forecast_deinit(&forecast);
	if (r == 0)
		return;
	log_error("cannot go back: %s; trying again in %d s", error ?: strerror(-r),
		  RETRY_US / 1000000);
	daemon->trial_until_us = now_us + RETRY_US;
}

/* "web: 1 of 3..." of the first service that is below what the trial allows; whether there is one. */
static bool is_unhealthy(const struct daemon *daemon, bool is_final, char *why, size_t size)
{
	const struct config_trial *trial = &daemon->node.versions.trial;
	uint64_t since_s = trial->until_s - trial->length_s;

	for (size_t i = 0; i < daemon->node.service_count; i++) {
		const struct service *service = daemon->node.services[i];
		uint32_t percent = service_healthy_percent(service, since_s, is_final);

		if (percent >= trial->min_healthy)
			continue;
		snprintf(why, size, "%u%% of the backends of %s are healthy", percent,
			 service->config.name);
		return true;
	}
	return false;
}

void daemon_watch_trial(struct daemon *daemon, uint64_t now_us)
{
	const struct config_trial *trial = &daemon->node.versions.trial;
	bool is_over = now_us >= daemon->trial_until_us;
	char why[CONFIG_MAX_NAME + 64];

	if (!trial->is_on)
		return;
	if (is_unhealthy(daemon, is_over, why, sizeof(why)))
		fail_trial(daemon, why, now_us);
	else if (is_over && trial->needs_confirmation)
		fail_trial(daemon, "it was not confirmed in time", now_us);
	else if (is_over && end_trial(daemon) == 0)
		daemon_tell(daemon, EVENT_CONFIG_CONFIRMED, NULL,
			    "configuration %" PRIu64 " has stayed healthy; its trial is over",
			    config_versions_running(&daemon->node.versions)->number);
}
