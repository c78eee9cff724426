/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads a configuration file (YAML, see leat.yaml(5)) into a struct config, or lists everything that
 * is wrong with it in one pass.
 */
#ifndef LEAT_CONFIG_CONFIG_FILE_H
#define LEAT_CONFIG_CONFIG_FILE_H

#include "model/config.h"

#define CONFIG_FILE_MAX_SIZE   (8 * 1024 * 1024)
#define CONFIG_FILE_MAX_DEPTH  16
#define CONFIG_FILE_MAX_ERRORS 100

struct config_error {
	char *file;
	unsigned int line;   /* from 1; 0: the file as a whole */
	unsigned int column; /* from 1, in characters */
	char *text;	     /* what is wrong, and what is allowed */
};

/* Sorted by position. One above CONFIG_FILE_MAX_ERRORS says that there are more. */
struct config_errors {
	struct config_error *list;
	size_t count;
};

void config_errors_deinit(struct config_errors *errors);
/* "file:line:column: text\n" for each; NULL when out of memory. */
char *config_errors_format(const struct config_errors *errors);

/*
 * 0 with *ret_config; -EINVAL: the file is wrong and `ret_errors` says how; other -errno: it could
 * not be read, and `ret_errors` has one entry that says so. The caller calls config_errors_deinit().
 */
int config_file_load(const char *path, struct config **ret_config,
		     struct config_errors *ret_errors);
/* Its text alone, which may be one byte longer than is allowed; malloc()ed. 0 or -errno, with one error. */
int config_file_read(const char *path, char **ret_text, size_t *ret_size,
		     struct config_errors *ret_errors);
/* The same for text in memory; `name` stands for the file in errors. */
int config_file_parse(const char *name, const char *text, size_t size, struct config **ret_config,
		      struct config_errors *ret_errors);

#endif
