/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Lines on standard error with a priority: "<4>" in front when a service manager reads them
 * (JOURNAL_STREAM is set), the word otherwise. Not a place for anything a packet causes.
 */
#ifndef LEAT_BASE_LOG_H
#define LEAT_BASE_LOG_H

#include "base/macros.h"

enum log_level {
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_NOTICE = 5,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7,
};

/* Lines above this level are not written; LOG_LEVEL_INFO until told otherwise. */
void log_set_level(enum log_level level);

/* Takes the lines instead of standard error; NULL puts that back. */
void log_set_sink(void (*sink)(enum log_level level, const char *line));

/* Is told of each warning and error besides; NULL ends that. */
void log_set_listener(void (*tell)(void *user, enum log_level level, const char *line), void *user);

/* "warning" and the like. */
const char *log_level_name(enum log_level level);

void log_write(enum log_level level, const char *format, ...) printf_like(2);

#define log_error(...)	 log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...)	 log_write(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...)	 log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)	 log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
