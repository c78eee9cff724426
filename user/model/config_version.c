/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/config_version.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

uint64_t config_text_hash(const char *text, size_t size)
{
	return XXH64(text, size, 0);
}

const struct config_version *config_versions_running(const struct config_versions *versions)
{
	return versions->count ? &versions->list[versions->count - 1] : NULL;
}

const struct config_version *config_versions_previous(const struct config_versions *versions)
{
	return versions->count > 1 ? &versions->list[versions->count - 2] : NULL;
}

const struct config_version *config_versions_find(const struct config_versions *versions,
						  uint64_t number)
{
	for (size_t i = 0; i < versions->count; i++) {
		if (versions->list[i].number == number)
			return &versions->list[i];
	}
	return NULL;
}

struct config_version *config_versions_add(struct config_versions *versions,
					   enum config_origin origin, uint64_t hash, uint64_t size,
					   uint64_t now_s)
{
	const struct config_version *last = config_versions_running(versions);
	struct config_version version = {
		.number = last ? last->number + 1 : 1,
		.hash = hash,
		.size = size,
		.time_s = now_s,
		.origin = origin,
	};

	if (versions->count == CONFIG_VERSIONS_MAX)
		memmove(&versions->list[0], &versions->list[1],
			--versions->count * sizeof(version));
	versions->list[versions->count] = version;
	return &versions->list[versions->count++];
}

const char *config_version_format(const struct config_version *version,
				  char text[CONFIG_VERSION_TEXT_SIZE])
{
	if (version)
		snprintf(text, CONFIG_VERSION_TEXT_SIZE, "%" PRIu64 "-%08" PRIx32, version->number,
			 (uint32_t)(version->hash >> 32));
	else
		strcpy(text, "none");
	return text;
}

bool config_version_is(const struct config_version *version, const char *text)
{
	char whole[CONFIG_VERSION_TEXT_SIZE];
	size_t length = strlen(text);

	if (!version || length == 0)
		return false;
	config_version_format(version, whole);
	return strncmp(whole, text, length) == 0 && (whole[length] == '\0' || whole[length] == '-');
}

const char *config_origin_name(enum config_origin origin)
{
	static const char *const names[] = { "start", "reload", "apply", "rollback" };

	return names[origin];
}
