/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which configurations ran, and how one that ran can be had again.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "daemon/daemon.h"
#include "daemon/version_store.h"

/* The running one's text may not have been kept yet, when the disk was full at the time. */
static int keep_running(struct daemon *daemon)
{
	const struct config_version *running = config_versions_running(&daemon->node.versions);
	struct config_text kept = { 0 };
	int r;

	if (!running || !daemon->text.data)
		return 0;
	r = version_store_read_text(daemon->versions_directory, running, &kept.data, &kept.size);
	config_text_deinit(&kept);
	return r == 0 ? 0
		      : version_store_keep_text(daemon->versions_directory, running,
						daemon->text.data, daemon->text.size);
}

int daemon_keep_versions(struct daemon *daemon, const struct config_versions *versions,
			 const struct config_text *text)
{
	const char *directory = daemon->versions_directory;
	int r = keep_running(daemon);

	if (r == 0)
		r = version_store_keep_text(directory, config_versions_running(versions),
					    text->data, text->size);
	return r < 0 ? r : version_store_save(directory, versions);
}

static void set_text(struct daemon *daemon, struct config_text *text)
{
	config_text_deinit(&daemon->text);
	daemon->text = *text;
	*text = (struct config_text){ 0 };
}

/* Another configuration by other means than the trial's end is a decision that goes before it. */
static void end_trial(struct config_versions *versions)
{
	if (versions->trial.is_on)
		log_warning("the trial of configuration %" PRIu64 " ends, as another was loaded",
			    config_versions_running(versions)->number);
	versions->trial = (struct config_trial){ 0 };
}

static void keep_noted(struct daemon *daemon)
{
	struct config_versions *versions = &daemon->node.versions;
	int r = daemon_keep_versions(daemon, versions, &daemon->text);

	if (r < 0)
		log_warning(
			"cannot keep the configuration in %s: %s; it runs, but is no version to go "
			"back to",
			daemon->versions_directory, strerror(-r));
	else
		version_store_prune(daemon->versions_directory, versions);
}

void daemon_note_version(struct daemon *daemon, struct config_text *text, enum config_origin origin,
			 const char *note)
{
	struct config_versions *versions = &daemon->node.versions;
	const struct config_version *running = config_versions_running(versions);
	struct config_version *version;
	uint64_t hash;

	if (text)
		set_text(daemon, text);
	hash = config_text_hash(daemon->text.data, daemon->text.size);
	if (running && running->hash == hash)
		return;
	end_trial(versions);
	version = config_versions_add(versions, origin, hash, daemon->text.size, clock_wall_s());
	snprintf(version->note, sizeof(version->note), "%s", note);
	keep_noted(daemon);
}

void daemon_begin_trial(struct daemon *daemon)
{
	const struct config_trial *trial = &daemon->node.versions.trial;
	uint64_t now_s = clock_wall_s();
	uint64_t left_s = trial->until_s > now_s ? trial->until_s - now_s : 0;

	/* Whatever the calendar's clock has done meanwhile. */
	daemon->trial_until_us = clock_monotonic_us() + MIN(left_s, trial->length_s) * 1000000;
}

/* What ran before the trial, read. 0 or -errno. */
static int read_earlier(struct daemon *daemon, struct config_text *ret_text,
			struct config **ret_config)
{
	const struct config_versions *versions = &daemon->node.versions;
	const struct config_version *back = config_versions_find(versions, versions->trial.back_to);
	int r = -ENOENT;

	if (back)
		r = version_store_read_text(daemon->versions_directory, back, &ret_text->data,
					    &ret_text->size);
	return r < 0 ? r
		     : daemon_parse_config(daemon->options.config_path, ret_text, ret_config, NULL);
}

/* While no daemon ran: only the file has to go back. */
static int give_up_trial(struct daemon *daemon, struct config **config)
{
	const char *path = daemon->options.config_path;
	cleanup(config_text_deinit) struct config_text text = { 0 };
	cleanup(config_freep) struct config *earlier = NULL;
	int r = read_earlier(daemon, &text, &earlier);

	if (r == 0)
		r = file_replace(path, text.data, text.size, DAEMON_CONFIG_MODE);
	if (r < 0)
		return r;
	log_warning(
		"the configuration was not confirmed while no daemon ran; it goes back to %" PRIu64,
		daemon->node.versions.trial.back_to);
	daemon->node.versions.trial = (struct config_trial){ 0 };
	config_free(*config);
	*config = take_ptr(earlier);
	daemon_note_version(daemon, &text, CONFIG_BY_ROLLBACK,
			    "not confirmed in time, while no daemon ran");
	return 0;
}

static void resume_trial(struct daemon *daemon, struct config **config)
{
	struct config_versions *versions = &daemon->node.versions;
	const struct config_version *running = config_versions_running(versions);
	int r = 0;

	if (!running || running->hash != config_text_hash(daemon->text.data, daemon->text.size)) {
		log_warning("%s is not the configuration that was on trial; it stays",
			    daemon->options.config_path);
		versions->trial = (struct config_trial){ 0 };
		return;
	}
	if (versions->trial.until_s <= clock_wall_s())
		r = give_up_trial(daemon, config);
	else
		log_notice("configuration %" PRIu64 " is still on trial", running->number);
	if (r < 0)
		log_error(
			"cannot go back from a configuration that was not confirmed: %s; starting "
			"with it",
			strerror(-r));
	/* What could not be done is tried again. */
	if (versions->trial.is_on)
		daemon_begin_trial(daemon);
}

static int load_versions(struct daemon *daemon)
{
	const char *directory = daemon->versions_directory;
	int r = version_store_load(directory, &daemon->node.versions);

	if (r == -EINVAL && version_store_set_aside(directory) == 0)
		log_error("starting without knowledge of earlier configurations");
	/* What runs is more important than what ran. */
	return r == -ENOMEM ? r : 0;
}

int daemon_begin_versions(struct daemon *daemon, struct config **config)
{
	int r;

	if (asprintf(&daemon->versions_directory, "%s.versions", (*config)->state) < 0) {
		daemon->versions_directory = NULL;
		return -ENOMEM;
	}
	r = load_versions(daemon);
	if (r == 0 && daemon->node.versions.trial.is_on)
		resume_trial(daemon, config);
	return r;
}
