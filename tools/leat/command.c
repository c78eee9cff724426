/* SPDX-License-Identifier: GPL-2.0-only */
#include <string.h>

#include "tools/leat/cli.h"

static const char *current_object;

/* Every table ends with help, the only command without a function. */
static size_t table_length(const struct cli_command *commands)
{
	size_t length = 0;

	while (commands[length].run)
		length++;
	return length + 1;
}

static bool has_prefix(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* How many commands the word may stand for; *ret_command is the first of them. A whole name stands
 * for nothing else. */
static size_t command_find(const struct cli_command *commands, const char *word,
			   const struct cli_command **ret_command)
{
	const struct cli_command *first = NULL;
	size_t matches = 0;

	for (size_t i = 0; i < table_length(commands); i++) {
		if (!has_prefix(commands[i].name, word))
			continue;
		if (strcmp(commands[i].name, word) == 0) {
			*ret_command = &commands[i];
			return 1;
		}
		if (matches++ == 0)
			first = &commands[i];
	}
	if (first)
		*ret_command = first;
	return matches;
}

/* "drain, disable": the names that begin with `prefix`. */
static char *command_names(const struct cli_command *commands, const char *prefix)
{
	char *names = NULL;
	size_t size;
	FILE *stream = cli_allocated(open_memstream(&names, &size));
	const char *separator = "";

	for (size_t i = 0; i < table_length(commands); i++) {
		if (!has_prefix(commands[i].name, prefix))
			continue;
		fprintf(stream, "%s%s", separator, commands[i].name);
		separator = ", ";
	}
	fclose(stream);
	return cli_allocated(names);
}

static void help_print_json(const struct cli_command *commands)
{
	cleanup(json_decrefp) json_t *help = json_object();
	json_t *list = json_array();

	for (size_t i = 0; i < table_length(commands); i++)
		json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "name", commands[i].name,
						      "arguments", commands[i].arguments, "text",
						      commands[i].text));
	json_object_set_new(help, "commands", list);
	if (!current_object)
		json_object_set_new(help, "options", cli_options_json());
	cli_print_json(help);
}

#define MAX_SYNTAX_WIDTH 36

static int syntax_width(const struct cli_command *command)
{
	return (int)(strlen(command->name) + 1 + strlen(command->arguments));
}

/* What would push all texts out of a terminal of 80 columns has its own below it. */
static bool is_wide(const struct cli_command *command)
{
	return syntax_width(command) > MAX_SYNTAX_WIDTH;
}

static void help_print_commands(const struct cli_command *commands)
{
	int width = 0;

	for (size_t i = 0; i < table_length(commands); i++) {
		if (!is_wide(&commands[i]))
			width = MAX(width, syntax_width(&commands[i]));
	}
	for (size_t i = 0; i < table_length(commands); i++) {
		const struct cli_command *command = &commands[i];
		int indent = is_wide(command) ? 2 + width : width - syntax_width(command);

		fprintf(cli_out(), "  %s %s%s%*s  %s\n", command->name, command->arguments,
			is_wide(command) ? "\n" : "", indent, "", command->text);
	}
}

static void help_print(const struct cli_command *commands)
{
	if (current_object)
		fprintf(cli_out(), "Usage: leat [OPTIONS] %s COMMAND\n\nCommands:\n",
			current_object);
	else
		fprintf(cli_out(), "Usage: leat [OPTIONS] OBJECT { COMMAND | help }\n\nObjects:\n");

	help_print_commands(commands);
	if (!current_object)
		fprintf(cli_out(), "\nOptions:\n%s", cli_options_help);
	fprintf(cli_out(),
		"\nNames of objects and commands may be shortened. More is in leat(8).\n");
}

static int command_run(const struct cli_command *command, const struct cli_command *commands,
		       int argc, char **argv)
{
	int r;

	if (command->run)
		return command->run(argc, argv);

	r = cli_parse(argc, argv, NULL, 0);
	if (r != CLI_OK)
		return r;
	if (cli_options.json)
		help_print_json(commands);
	else
		help_print(commands);
	return CLI_OK;
}

static int error_option(const char *word)
{
	return cli_usage_error("unknown option, or one used wrongly: %s", word);
}

int cmd_select(const char *object, const struct cli_command *commands, int argc, char **argv)
{
	const char *kind = object ? "command" : "object";
	cleanup(freep) char *names = NULL;
	const struct cli_command *command = NULL;
	size_t matches;

	current_object = object;
	if (argc == 0)
		return command_run(&commands[0], commands, 0, argv);
	if (cli_is_command_option(argv[0]))
		return error_option(argv[0]);

	matches = command_find(commands, argv[0], &command);
	if (matches == 1)
		return command_run(command, commands, argc - 1, argv + 1);

	names = command_names(commands, matches ? argv[0] : "");
	if (matches == 0)
		return cli_usage_error("unknown %s '%s'; there are: %s", kind, argv[0], names);
	return cli_usage_error("%s '%s' is ambiguous: %s", kind, argv[0], names);
}

const char *cli_current_object(void)
{
	return current_object;
}

static const char *without_dashes(const char *word)
{
	return has_prefix(word, "--") ? word + 2 : word;
}

static bool argument_has_value(const struct cli_argument *argument)
{
	return argument->keyword && !has_prefix(argument->keyword, "--");
}

static const struct cli_argument *argument_find(const struct cli_argument *arguments, size_t count,
						const char *word)
{
	bool is_option = cli_is_command_option(word);
	const char *name = is_option ? without_dashes(word) : word;

	for (size_t i = 0; i < count; i++)
		if (arguments[i].keyword && strcmp(without_dashes(arguments[i].keyword), name) == 0)
			return &arguments[i];
	for (size_t i = 0; i < count && !is_option; i++)
		if (!arguments[i].keyword && !*arguments[i].value)
			return &arguments[i];
	return NULL;
}

int cli_parse(int argc, char **argv, const struct cli_argument *arguments, size_t count)
{
	for (int i = 0; i < argc; i++) {
		const struct cli_argument *argument = argument_find(arguments, count, argv[i]);

		if (!argument && cli_is_command_option(argv[i]))
			return error_option(argv[i]);
		if (!argument)
			return cli_usage_error("unexpected argument '%s'", argv[i]);
		if (*argument->value)
			return cli_usage_error("'%s' is given twice", argument->keyword);
		if (argument_has_value(argument) && i + 1 == argc)
			return cli_usage_error("'%s' needs a value", argument->keyword);
		*argument->value = argv[argument_has_value(argument) ? ++i : i];
	}
	return CLI_OK;
}
