/* SPDX-License-Identifier: GPL-2.0-only */
#include "daemon/version_store.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/number.h"
#include "config/config_file.h"

#define INDEX	       "versions.json"
#define INDEX_VERSION  1
#define INDEX_MAX_SIZE (1024 * 1024)
#define TEXT_SUFFIX    ".yaml"
#define MODE	       0600 /* a configuration may hold what a probe proves itself with */

static char *path_of(const char *directory, const char *name)
{
	char *path;

	return asprintf(&path, "%s/%s", directory, name) < 0 ? NULL : path;
}

static char *text_path(const char *directory, const struct config_version *version)
{
	char *path;

	return asprintf(&path, "%s/%" PRIu64 TEXT_SUFFIX, directory, version->number) < 0 ? NULL
											  : path;
}

static int parse_origin(const char *name, enum config_origin *ret_origin)
{
	for (int origin = 0; origin < CONFIG_ORIGIN_COUNT; origin++) {
		if (strcmp(name, config_origin_name((enum config_origin)origin)) == 0) {
			*ret_origin = (enum config_origin)origin;
			return 0;
		}
	}
	return -EINVAL;
}

static int parse_version(json_t *entry, uint64_t least, struct config_version *ret_version)
{
	const char *hash, *origin, *note;
	struct config_version version = { 0 };
	json_int_t number, size, time_s;

	if (json_unpack(entry, "{s:I, s:s, s:I, s:I, s:s, s:s}", "number", &number, "hash", &hash,
			"size", &size, "time", &time_s, "origin", &origin, "note", &note) < 0 ||
	    number < 0 || (uint64_t)number < least || size < 0 || time_s < 0 ||
	    strlen(note) >= sizeof(version.note) || hex64_parse(hash, &version.hash) < 0 ||
	    parse_origin(origin, &version.origin) < 0)
		return -EINVAL;
	version.number = (uint64_t)number;
	version.size = (uint64_t)size;
	version.time_s = (uint64_t)time_s;
	strcpy(version.note, note);
	*ret_version = version;
	return 0;
}

static int parse_trial(json_t *trial, struct config_trial *ret_trial)
{
	json_int_t back_to, until_s, length_s;
	int min_healthy, needs_confirmation;

	if (!trial)
		return 0;
	if (json_unpack(trial, "{s:I, s:I, s:I, s:i, s:b}", "back_to", &back_to, "until", &until_s,
			"length", &length_s, "min_healthy", &min_healthy, "needs_confirmation",
			&needs_confirmation) < 0 ||
	    back_to < 1 || until_s < 0 || length_s < 0 || min_healthy < 0 || min_healthy > 100)
		return -EINVAL;
	*ret_trial = (struct config_trial){
		.is_on = true,
		.needs_confirmation = needs_confirmation,
		.back_to = (uint64_t)back_to,
		.until_s = (uint64_t)until_s,
		.length_s = (uint64_t)length_s,
		.min_healthy = (uint32_t)min_healthy,
	};
	return 0;
}

static int parse_index(const json_t *root, struct config_versions *ret_versions)
{
	const json_t *list = json_object_get(root, "versions");
	struct config_versions versions = { 0 };
	uint64_t least = 1;
	json_t *entry;
	size_t i;

	if (json_integer_value(json_object_get(root, "version")) != INDEX_VERSION ||
	    !json_is_array(list) || json_array_size(list) > CONFIG_VERSIONS_MAX)
		return -EINVAL;
	json_array_foreach(list, i, entry) {
		struct config_version *version = &versions.list[versions.count++];

		if (parse_version(entry, least, version) < 0)
			return -EINVAL;
		least = version->number + 1;
	}
	if (parse_trial(json_object_get(root, "trial"), &versions.trial) < 0)
		return -EINVAL;
	*ret_versions = versions;
	return 0;
}

int version_store_load(const char *directory, struct config_versions *ret_versions)
{
	cleanup(freep) char *path = path_of(directory, INDEX);
	cleanup(freep) char *text = NULL;
	cleanup(json_decrefp) json_t *root = NULL;
	size_t size;
	int r = path ? file_read(path, INDEX_MAX_SIZE, &text, &size) : -ENOMEM;

	if (r == -ENOENT) {
		*ret_versions = (struct config_versions){ 0 };
		return 0;
	}
	if (r < 0) {
		log_error("cannot read %s: %s", path ?: directory, strerror(-r));
		return r;
	}
	root = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
	r = parse_index(root, ret_versions);
	if (r < 0)
		log_error("%s is no index of configurations", path);
	return r;
}

int version_store_set_aside(const char *directory)
{
	cleanup(freep) char *path = path_of(directory, INDEX);
	cleanup(freep) char *aside = path_of(directory, INDEX ".bad");

	if (!path || !aside)
		return -ENOMEM;
	return rename(path, aside) < 0 ? -errno : 0;
}

static json_t *format_versions(const struct config_versions *versions)
{
	json_t *list = json_array();

	for (size_t i = 0; i < versions->count; i++) {
		const struct config_version *version = &versions->list[i];

		json_array_append_new(list, json_pack("{s:I, s:o, s:I, s:I, s:s, s:s}", "number",
						      (json_int_t)version->number, "hash",
						      json_sprintf("%016" PRIx64, version->hash),
						      "size", (json_int_t)version->size, "time",
						      (json_int_t)version->time_s, "origin",
						      config_origin_name(version->origin), "note",
						      version->note));
	}
	/* What was lost for want of memory must not pass for the whole. */
	if (json_array_size(list) == versions->count)
		return list;
	json_decref(list);
	return NULL;
}

static json_t *format_trial(const struct config_trial *trial)
{
	return json_pack("{s:I, s:I, s:I, s:i, s:b}", "back_to", (json_int_t)trial->back_to,
			 "until", (json_int_t)trial->until_s, "length", (json_int_t)trial->length_s,
			 "min_healthy", (int)trial->min_healthy, "needs_confirmation",
			 trial->needs_confirmation);
}

int version_store_save(const char *directory, const struct config_versions *versions)
{
	cleanup(freep) char *path = path_of(directory, INDEX);
	cleanup(json_decrefp) json_t *root = json_pack("{s:i, s:o}", "version", INDEX_VERSION,
						       "versions", format_versions(versions));
	cleanup(freep) char *text = NULL;

	if (root && versions->trial.is_on &&
	    json_object_set_new(root, "trial", format_trial(&versions->trial)) < 0)
		return -ENOMEM;
	text = root ? json_dumps(root, JSON_INDENT(2)) : NULL;
	return path && text ? file_replace(path, text, strlen(text), MODE) : -ENOMEM;
}

int version_store_keep_text(const char *directory, const struct config_version *version,
			    const char *text, size_t size)
{
	cleanup(freep) char *path = text_path(directory, version);

	return path ? file_replace(path, text, size, MODE) : -ENOMEM;
}

int version_store_read_text(const char *directory, const struct config_version *version,
			    char **ret_text, size_t *ret_size)
{
	cleanup(freep) char *path = text_path(directory, version);
	cleanup(freep) char *text = NULL;
	size_t size;
	int r = path ? file_read(path, CONFIG_FILE_MAX_SIZE, &text, &size) : -ENOMEM;

	if (r < 0)
		return r;
	if (config_text_hash(text, size) != version->hash)
		return -EBADMSG;
	*ret_text = take_ptr(text);
	*ret_size = size;
	return 0;
}

static bool is_of_nobody(const char *name, const struct config_versions *versions)
{
	char *end;
	uint64_t number = strtoull(name, &end, 10);

	return end != name && strcmp(end, TEXT_SUFFIX) == 0 &&
	       !config_versions_find(versions, number);
}

static void closedirp(DIR **directory)
{
	if (*directory)
		closedir(*directory);
}

void version_store_prune(const char *directory, const struct config_versions *versions)
{
	cleanup(closedirp) DIR *opened = opendir(directory);
	const struct dirent *entry;

	while (opened && (entry = readdir(opened))) {
		if (is_of_nobody(entry->d_name, versions))
			unlinkat(dirfd(opened), entry->d_name, 0);
	}
}
