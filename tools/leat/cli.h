/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the commands of leat share: tables of commands, arguments, the daemon's API, and output.
 * Output is rendered to memory and written once, when the command has ended, so that nobody reads
 * half of it. Out of memory ends the program. It decides nothing about traffic: leatd does.
 */
#ifndef LEAT_TOOLS_CLI_H
#define LEAT_TOOLS_CLI_H

#include <jansson.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/macros.h"

/* What a command returns and the program exits with. */
#define CLI_OK	     0
#define CLI_FAILURE  1
#define CLI_USAGE    2
#define CLI_CONFLICT 3 /* another version of the configuration runs */

struct cli_options {
	bool json;
	bool pretty; /* indented; only together with json */
	const char *socket;
};

extern struct cli_options cli_options;

/* main.c: one line per option, for help; and their long names for the completion. */
extern const char cli_options_help[];
json_t *cli_options_json(void);
/* "--wait" and the like, which stand among a command's words. */
bool cli_is_command_option(const char *word);

/*
 * command.c: objects and commands. A table ends with CLI_HELP. `run` gets the words that follow the
 * command's name and returns the exit code. In `arguments`, capitals stand for a value and small
 * letters for themselves, as in "[BACKEND] [service SERVICE]": help and the completion are made of it.
 */
struct cli_command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *arguments;
	const char *text;
};

#define CLI_HELP                                                                                   \
	{                                                                                          \
		"help", NULL, "", "this text"                                                      \
	}

/*
 * Runs the command that argv[0] names or is the only prefix of; the table's first one when there is
 * no word. `object` is what the table belongs to, NULL for the objects themselves.
 */
int cmd_select(const char *object, const struct cli_command *commands, int argc, char **argv);

/* The object whose commands are being chosen from; NULL: none yet. */
const char *cli_current_object(void);

/* A word with a value behind it; without a keyword, a word on its own. A keyword with two dashes has no
 * value but itself. The user may give the dashes of those that are options, and leave them out. */
struct cli_argument {
	const char *keyword;
	const char **value; /* NULL before; stays so when the argument is not there */
};

/* Assigns all words, in any order; those without keyword fill such arguments from left to right.
 * CLI_OK, or CLI_USAGE after having said why. */
int cli_parse(int argc, char **argv, const struct cli_argument *arguments, size_t count);

/*
 * output.c: "Error: ..." on standard error, or {"error": "..."} as the only output under -j. Both
 * return the exit code: CLI_FAILURE; and CLI_USAGE after a hint at the object's help.
 */
int cli_error(const char *format, ...) printf_like(1);
int cli_usage_error(const char *format, ...) printf_like(1);

/* What the daemon's code, used here, logged last as an error, or `otherwise`: for cli_error(), so that a
 * failure is told once, and as JSON where that is asked for. */
const char *cli_logged_error(const char *otherwise);
void cli_capture_log(void);

/* Where commands print to. */
FILE *cli_out(void);
/* Writes what was printed to standard output; CLI_OK, or CLI_FAILURE after having said why. */
int cli_flush(void);
/* Prints as -j or -p asks; borrows the reference. */
void cli_print_json(const json_t *json);
/* Prints a string in quotes, as JSON has it. */
void cli_print_quoted(const char *text);
/* A string for JSON, which is UTF-8; file names and arguments need not be, and lose what is not. */
json_t *cli_json_string(const char *text);

enum cli_colour {
	CLI_PLAIN,
	CLI_BOLD,
	CLI_GREEN,
	CLI_YELLOW,
	CLI_RED,
};

/* printf() to cli_out(), in colour when a terminal shows it. */
void cli_print_coloured(enum cli_colour colour, const char *format, ...) printf_like(2);

#define CLI_NUMBER_SIZE 24

/* "987", "12.3k", "4.56M": three digits or four, units of 1000. Returns `text`. */
const char *cli_format_number(double number, char text[CLI_NUMBER_SIZE]);
/* "42s", "17m", "5h", "12d". Returns `text`. */
const char *cli_format_duration(uint64_t seconds, char text[CLI_NUMBER_SIZE]);

/* yaml.c: an object as the configuration file would have it. */
void cli_print_yaml(json_t *object);

/* vprintf() into memory. */
char *cli_format(const char *format, va_list args) __attribute__((__format__(__printf__, 1, 0)));

/* Ends the program when `allocated` is NULL, and returns it otherwise. */
void *cli_allocated(void *allocated);

/* Replaces, in every string, what would steer a terminal; newlines stay. */
void cli_make_printable(json_t *json);

/*
 * table.c: aligned columns. Cells are added from left to right, row by row. The last column is cut
 * where the terminal ends.
 */
struct cli_column {
	const char *title;
	bool is_number; /* aligned to the right */
};

struct cli_cell {
	char *text;
	enum cli_colour colour;
};

struct cli_table {
	const struct cli_column *columns;
	size_t column_count;
	struct cli_cell *cells;
	size_t cell_count;
	size_t capacity;
};

#define CLI_TABLE(c)                                                                               \
	{                                                                                          \
		.columns = (c), .column_count = ARRAY_SIZE(c)                                      \
	}

void cli_table_deinit(struct cli_table *table);
void cli_table_add(struct cli_table *table, const char *format, ...) printf_like(2);
void cli_table_add_coloured(struct cli_table *table, enum cli_colour colour, const char *format,
			    ...) printf_like(3);
void cli_table_add_number(struct cli_table *table, double number);
/* Prints titles and rows, each behind `indent` spaces. */
void cli_table_print(const struct cli_table *table, int indent);
/* The same without titles, for lists that scripts read. */
void cli_table_print_rows(const struct cli_table *table, int indent);

/* How many columns a line has on standard output; SIZE_MAX when that is no terminal. */
size_t cli_terminal_columns(void);

/* api.c: requests to leatd. Each returns CLI_OK with a new reference, or CLI_FAILURE after cli_error(). */
struct api_parameter {
	const char *name;
	const char *value; /* NULL: left out */
};

/* A reply of another type than `type` is an error too. */
int api_get(const char *path, const struct api_parameter *parameters, size_t count, json_type type,
	    json_t **ret_reply);
/* `name` is appended to the path when it is not NULL; `body` may be NULL, and is borrowed. */
int api_post(const char *path, const char *name, const json_t *body, json_type type,
	     json_t **ret_reply);

/* The same with a text as the body, NULL when there is none. ret_status (may be NULL) gets the reply's status,
 * 0 when there was none. The reply is an object. */
int api_post_text(const char *path, const struct api_parameter *parameters, size_t count,
		  const char *text, size_t size, json_t **ret_reply, long *ret_status);

/* Why a request came to nothing. */
struct api_failure {
	long status; /* of the reply; 0: there was none */
	char *text;  /* for cli_error(); malloc()ed */
};

void api_failure_deinit(struct api_failure *failure);
/* api_get() that tells nobody of its failure, and lasts at most so long. */
int api_try_get(const char *path, const struct api_parameter *parameters, size_t count,
		json_type type, uint64_t timeout_ms, json_t **ret_reply,
		struct api_failure *ret_failure);

/* Hands over each line of a stream, which has no end of its own, as it comes; one that says nothing is
 * a sign of life and skipped. `take` returns whether to go on. CLI_OK when that was so no longer, or
 * CLI_FAILURE after cli_error(). */
typedef bool (*api_line)(void *user, const json_t *line);
int api_follow(const char *path, const struct api_parameter *parameters, size_t count,
	       api_line take, void *user);

/* Members of a reply, whatever the daemon sent: "-", 0 and NULL for what is not there. */
const char *reply_text(const json_t *object, const char *key);
double reply_number(const json_t *object, const char *key);
uint64_t reply_count(const json_t *object, const char *key);
bool reply_flag(const json_t *object, const char *key);

/* One per object. */
int service_main(int argc, char **argv);
int backend_main(int argc, char **argv);
int stats_main(int argc, char **argv);
int top_main(int argc, char **argv);
int event_main(int argc, char **argv);
int deny_main(int argc, char **argv);
int config_main(int argc, char **argv);
int node_main(int argc, char **argv);
int packet_main(int argc, char **argv);
int explain_main(int argc, char **argv);
int decap_main(int argc, char **argv);

/* config_apply.c: commands of `config`. */
int config_plan(int argc, char **argv);
int config_apply(int argc, char **argv);
int config_confirm(int argc, char **argv);
int config_history(int argc, char **argv);
int config_rollback(int argc, char **argv);

/* forecast.c: what leatd says that a change does. */
void forecast_print(const json_t *forecast);

/* drain.c: shows what the backends called `name` have left until there is nothing, or so many milliseconds
 * have passed (0: for ever). `backends` is what leatd said of them when it drained them. */
int drain_wait(const char *name, const char *service, uint64_t deadline_ms, const json_t *backends);

/* service.c: "192.0.2.10:80/tcp", "[2001:db8::10]:any/udp"; the caller frees it. */
char *service_format_endpoint(const json_t *service);

/* backend.c: cells that a service's table has too; the operator's changes show in both. */
void backend_add_weight(struct cli_table *table, const json_t *backend);
void backend_add_state(struct cli_table *table, const json_t *backend);
void backend_add_flows(struct cli_table *table, const json_t *backend);

#endif
