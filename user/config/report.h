/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Collects what is wrong with a file, in whatever order it is found, and hands it over sorted. A
 * reader that reports goes on reading, so that one pass finds everything.
 */
#ifndef LEAT_CONFIG_REPORT_H
#define LEAT_CONFIG_REPORT_H

#include <stdbool.h>

#include "config/config_file.h"

struct report {
	const char *file;
	struct config_errors errors;
	bool has_more; /* than CONFIG_FILE_MAX_ERRORS; those are not kept */
	bool is_out_of_memory;
};

/* line and column as in struct config_error; line 0 speaks of the file as a whole. */
void report_add(struct report *report, unsigned int line, unsigned int column, const char *format,
		...) printf_like(4);
void report_deinit(struct report *report);

/*
 * 0: nothing was reported. -EINVAL: something was, and it is in *ret_errors. -ENOMEM.
 * The report is empty afterwards.
 */
int report_finish(struct report *report, struct config_errors *ret_errors);

#endif
