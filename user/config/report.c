/* SPDX-License-Identifier: GPL-2.0-only */
#include "config/report.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

void config_errors_deinit(struct config_errors *errors)
{
	for (size_t i = 0; i < errors->count; i++) {
		free(errors->list[i].file);
		free(errors->list[i].text);
	}
	free(errors->list);
	*errors = (struct config_errors){ 0 };
}

void report_deinit(struct report *report)
{
	config_errors_deinit(&report->errors);
}

/* Room for every error that is kept and the one that says that there are more. */
static bool report_reserve(struct report *report)
{
	struct config_errors *errors = &report->errors;

	if (!errors->list)
		errors->list = calloc(CONFIG_FILE_MAX_ERRORS + 1, sizeof(*errors->list));
	return errors->list != NULL;
}

static void __attribute__((__format__(__printf__, 4, 0)))
report_append(struct report *report, unsigned int line, unsigned int column, const char *format,
	      va_list args)
{
	struct config_error error = { .line = line, .column = column };

	error.file = strdup(report->file);
	if (vasprintf(&error.text, format, args) < 0)
		error.text = NULL;
	if (!error.file || !error.text || !report_reserve(report)) {
		report->is_out_of_memory = true;
		free(error.file);
		free(error.text);
		return;
	}
	report->errors.list[report->errors.count++] = error;
}

void report_add(struct report *report, unsigned int line, unsigned int column, const char *format,
		...)
{
	va_list args;

	if (report->errors.count >= CONFIG_FILE_MAX_ERRORS) {
		report->has_more = true;
		return;
	}
	va_start(args, format);
	report_append(report, line, column, format, args);
	va_end(args);
}

static void printf_like(2) report_append_last(struct report *report, const char *format, ...)
{
	const struct config_error *last = &report->errors.list[report->errors.count - 1];
	va_list args;

	va_start(args, format);
	report_append(report, last->line, last->column, format, args);
	va_end(args);
}

static int error_compare(const void *a, const void *b)
{
	const struct config_error *left = a, *right = b;

	if (left->line != right->line)
		return left->line < right->line ? -1 : 1;
	if (left->column != right->column)
		return left->column < right->column ? -1 : 1;
	return strcmp(left->text, right->text);
}

int report_finish(struct report *report, struct config_errors *ret_errors)
{
	struct config_errors *errors = &report->errors;

	if (errors->count > 0)
		qsort(errors->list, errors->count, sizeof(*errors->list), error_compare);
	if (report->has_more)
		report_append_last(report, "more is wrong than these %d errors",
				   CONFIG_FILE_MAX_ERRORS);
	if (report->is_out_of_memory)
		return -ENOMEM;

	*ret_errors = *errors;
	*errors = (struct config_errors){ 0 };
	return ret_errors->count > 0 ? -EINVAL : 0;
}

static void error_print(FILE *out, const struct config_error *error)
{
	if (error->line == 0)
		fprintf(out, "%s: %s\n", error->file, error->text);
	else
		fprintf(out, "%s:%u:%u: %s\n", error->file, error->line, error->column,
			error->text);
}

char *config_errors_format(const struct config_errors *errors)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	for (size_t i = 0; i < errors->count; i++)
		error_print(out, &errors->list[i]);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
