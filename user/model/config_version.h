/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The versions of the configuration that ran lately: a number that only grows, and the hash of the text.
 * One may run on trial: it goes back to the one before unless somebody confirms it.
 */
#ifndef LEAT_MODEL_CONFIG_VERSION_H
#define LEAT_MODEL_CONFIG_VERSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_VERSIONS_MAX	 20
#define CONFIG_VERSION_TEXT_SIZE 32 /* "18446744073709551615-01234567" */
#define CONFIG_VERSION_NOTE_SIZE 320

#define CONFIG_DEFAULT_MIN_HEALTHY 50 /* percent */
#define CONFIG_MIN_TRIAL_MS	   1000
#define CONFIG_MAX_TRIAL_MS	   (UINT64_C(24) * 3600 * 1000)

/* How it came to run. */
enum config_origin {
	CONFIG_BY_START,
	CONFIG_BY_RELOAD,
	CONFIG_BY_APPLY,
	CONFIG_BY_ROLLBACK,
	CONFIG_ORIGIN_COUNT,
};

struct config_version {
	uint64_t number; /* from 1; 0: there is none */
	uint64_t hash;	 /* of the text */
	uint64_t size;	 /* of the text, in bytes */
	uint64_t time_s; /* UNIX time */
	enum config_origin origin;
	char note[CONFIG_VERSION_NOTE_SIZE]; /* what changed, in a line */
};

/* The last version's. */
struct config_trial {
	bool is_on;
	bool needs_confirmation; /* else it only has to stay healthy */
	uint64_t back_to;	 /* number */
	uint64_t until_s;	 /* UNIX time, for a daemon that starts meanwhile */
	uint64_t length_s;
	uint32_t min_healthy; /* percent of each service's backends */
};

struct config_versions {
	struct config_version list[CONFIG_VERSIONS_MAX]; /* the oldest first; the last one runs */
	size_t count;
	struct config_trial trial;
};

uint64_t config_text_hash(const char *text, size_t size);

/* NULL: there is none. */
const struct config_version *config_versions_running(const struct config_versions *versions);
const struct config_version *config_versions_find(const struct config_versions *versions,
						  uint64_t number);
/* The one that ran before the running one; NULL: there is none, or it is forgotten. */
const struct config_version *config_versions_previous(const struct config_versions *versions);
/* Appends one, which is the running one from then on, and forgets the oldest when there are too many. */
struct config_version *config_versions_add(struct config_versions *versions,
					   enum config_origin origin, uint64_t hash, uint64_t size,
					   uint64_t now_s);

/* "12-3fa9c2d1"; "none" for NULL. Returns `text`. */
const char *config_version_format(const struct config_version *version,
				  char text[CONFIG_VERSION_TEXT_SIZE]);
/* Whether `text` means this one: "12-3fa9c2d1", or "12" alone. */
bool config_version_is(const struct config_version *version, const char *text);

const char *config_origin_name(enum config_origin origin);

#endif
