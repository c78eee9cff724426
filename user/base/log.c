/* SPDX-License-Identifier: GPL-2.0-only */
#include "base/log.h"

#include <stdarg.h>

static enum log_level log_level = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
	log_level = level;
}

const char *log_level_name(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_ERROR:
		return "error";
	case LOG_LEVEL_WARNING:
		return "warning";
	case LOG_LEVEL_NOTICE:
		return "notice";
	case LOG_LEVEL_INFO:
		return "info";
	case LOG_LEVEL_DEBUG:
		return "debug";
	}
	return "?";
}

static void (*log_sink)(enum log_level level, const char *line);

void log_set_sink(void (*sink)(enum log_level level, const char *line))
{
	log_sink = sink;
}

static struct {
	void (*tell)(void *user, enum log_level level, const char *line);
	void *user;
} listener;

void log_set_listener(void (*tell)(void *user, enum log_level level, const char *line), void *user)
{
	listener.tell = tell;
	listener.user = user;
}

void log_write(enum log_level level, const char *format, ...)
{
	char line[1024];
	va_list args;

	if (level > log_level)
		return;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);

	if (listener.tell && level <= LOG_LEVEL_WARNING)
		listener.tell(listener.user, level, line);
	if (log_sink) {
		log_sink(level, line);
		return;
	}
	/* One call, so that lines of two processes do not mix. */
	if (getenv("JOURNAL_STREAM"))
		fprintf(stderr, "<%d>%s\n", level, line);
	else
		fprintf(stderr, "%s: %s\n", log_level_name(level), line);
}
