/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "tools/leat/cli.h"

static struct {
	FILE *stream; /* NULL: nothing was printed */
	char *text;
	size_t size;
} out;

void *cli_allocated(void *allocated)
{
	if (!allocated) {
		fputs("Error: out of memory\n", stderr);
		exit(CLI_FAILURE);
	}
	return allocated;
}

static char logged_error[1024];

static void keep_error(enum log_level level, const char *line)
{
	if (level == LOG_LEVEL_ERROR)
		snprintf(logged_error, sizeof(logged_error), "%s", line);
}

void cli_capture_log(void)
{
	log_set_sink(keep_error);
}

const char *cli_logged_error(const char *otherwise)
{
	return logged_error[0] ? logged_error : otherwise;
}

FILE *cli_out(void)
{
	if (!out.stream)
		out.stream = cli_allocated(open_memstream(&out.text, &out.size));
	return out.stream;
}

/* Ends the rendering; the text, if any, is the caller's. */
static char *out_take(size_t *ret_size)
{
	if (out.stream && fclose(take_ptr(out.stream)) != 0)
		cli_allocated(NULL);
	*ret_size = out.size;
	out.size = 0;
	return take_ptr(out.text);
}

static int write_all(int fd, const char *text, size_t size)
{
	while (size > 0) {
		ssize_t written = write(fd, text, size);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -errno;
		text += written;
		size -= (size_t)written;
	}
	return 0;
}

int cli_flush(void)
{
	size_t size;
	cleanup(freep) char *text = out_take(&size);
	int r = write_all(STDOUT_FILENO, text, size);

	if (r < 0) {
		fprintf(stderr, "Error: cannot write the output: %s\n", strerror(-r));
		return CLI_FAILURE;
	}
	return CLI_OK;
}

/* jansson escapes everything else that steers a terminal. */
static void print_json_text(const char *text)
{
	for (; *text; text++) {
		if (*text == 0x7f)
			fputs("\\u007f", cli_out());
		else
			fputc(*text, cli_out());
	}
}

void cli_print_json(const json_t *json)
{
	size_t layout = cli_options.pretty ? JSON_INDENT(4) : JSON_COMPACT;
	size_t flags = layout | JSON_ENSURE_ASCII | JSON_ENCODE_ANY | JSON_REAL_PRECISION(12);
	cleanup(freep) char *text = json_dumps(json, flags);

	print_json_text(cli_allocated(text));
	fputc('\n', cli_out());
}

void cli_print_quoted(const char *text)
{
	cleanup(json_decrefp) json_t *string = cli_json_string(text);
	cleanup(freep) char *quoted = json_dumps(string, JSON_ENSURE_ASCII | JSON_ENCODE_ANY);

	print_json_text(cli_allocated(quoted));
}

json_t *cli_json_string(const char *text)
{
	json_t *string = json_string(text);
	cleanup(freep) char *ascii = NULL;

	if (string)
		return string;
	ascii = cli_allocated(strdup(text));
	for (char *c = ascii; *c; c++)
		*c = *c & 0x80 ? '?' : *c;
	return cli_allocated(json_string(ascii));
}

/* Nothing that was printed before an error is worth reading. */
static void error_report(const char *text)
{
	cleanup(json_decrefp) json_t *json = NULL;
	size_t size;

	free(out_take(&size));
	if (!cli_options.json) {
		fprintf(stderr, "Error: %s\n", text);
		return;
	}
	json = json_pack("{s:o}", "error", cli_json_string(text));
	cli_print_json(json);
}

char *cli_format(const char *format, va_list args)
{
	char *text;

	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	return cli_allocated(text);
}

int cli_error(const char *format, ...)
{
	cleanup(freep) char *text = NULL;
	va_list args;

	va_start(args, format);
	text = cli_format(format, args);
	va_end(args);
	error_report(text);
	return CLI_FAILURE;
}

int cli_usage_error(const char *format, ...)
{
	const char *object = cli_current_object();
	cleanup(freep) char *text = NULL;
	cleanup(freep) char *hint = NULL;
	va_list args;

	va_start(args, format);
	text = cli_format(format, args);
	va_end(args);
	if (asprintf(&hint, "%s (see: leat %s%shelp)", text, object ?: "", object ? " " : "") < 0)
		hint = NULL;
	error_report(cli_allocated(hint));
	return CLI_USAGE;
}

/* NO_COLOR is as https://no-color.org has it: set and not empty. */
static bool colour_is_wanted(void)
{
	const char *no_color = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(no_color && *no_color) &&
	       !(term && strcmp(term, "dumb") == 0);
}

static const char *colour_code(enum cli_colour colour)
{
	switch (colour) {
	case CLI_PLAIN:
		return "";
	case CLI_BOLD:
		return "\033[1m";
	case CLI_GREEN:
		return "\033[32m";
	case CLI_YELLOW:
		return "\033[33m";
	case CLI_RED:
		return "\033[31m";
	}
	return "";
}

void cli_print_coloured(enum cli_colour colour, const char *format, ...)
{
	bool is_coloured = colour != CLI_PLAIN && colour_is_wanted();
	va_list args;

	fputs(is_coloured ? colour_code(colour) : "", cli_out());
	va_start(args, format);
	vfprintf(cli_out(), format, args);
	va_end(args);
	fputs(is_coloured ? "\033[0m" : "", cli_out());
}

const char *cli_format_number(double number, char text[CLI_NUMBER_SIZE])
{
	static const char units[] = { 'k', 'M', 'G', 'T', 'P', 'E' };
	size_t unit = 0;

	if (number < 10000) {
		snprintf(text, CLI_NUMBER_SIZE, number > 0 && number < 10 ? "%.3g" : "%.0f",
			 number);
		return text;
	}
	/* 999.5 would round to four digits. */
	for (number /= 1000; number >= 999.5 && unit + 1 < ARRAY_SIZE(units); unit++)
		number /= 1000;
	snprintf(text, CLI_NUMBER_SIZE, "%.*f%c",
		 number < 9.995	  ? 2
		 : number < 99.95 ? 1
				  : 0,
		 number, units[unit]);
	return text;
}

const char *cli_format_duration(uint64_t seconds, char text[CLI_NUMBER_SIZE])
{
	/* Two of a unit rather than one: 90 minutes say more than one hour. */
	static const struct {
		uint64_t seconds;
		char name;
	} units[] = { { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' } };

	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (seconds < 2 * units[i].seconds)
			continue;
		snprintf(text, CLI_NUMBER_SIZE, "%" PRIu64 "%c", seconds / units[i].seconds,
			 units[i].name);
		return text;
	}
	snprintf(text, CLI_NUMBER_SIZE, "%" PRIu64 "s", seconds);
	return text;
}

/* C0 without newline, DEL, and C1, which UTF-8 writes as 0xc2 and 0x80 to 0x9f. */
static size_t control_length(const unsigned char *text)
{
	if ((*text < 0x20 && *text != '\n') || *text == 0x7f)
		return 1;
	if (text[0] == 0xc2 && text[1] >= 0x80 && text[1] <= 0x9f)
		return 2;
	return 0;
}

static void string_make_printable(json_t *string)
{
	cleanup(freep) char *text = cli_allocated(strdup(json_string_value(string)));
	char *to = text;

	for (const char *from = text; *from; to++) {
		size_t length = control_length((const unsigned char *)from);

		*to = length ? '?' : *from;
		from += length ?: 1;
	}
	*to = '\0';
	json_string_set(string, text);
}

void cli_make_printable(json_t *json)
{
	const char *key;
	json_t *member;
	size_t i;

	if (json_is_string(json))
		string_make_printable(json);
	json_array_foreach(json, i, member)
		cli_make_printable(member);
	json_object_foreach(json, key, member)
		cli_make_printable(member);
}
