/* SPDX-License-Identifier: GPL-2.0-only */
#include <string.h>

#include "tools/leat/cli.h"

static void value_print(json_t *value, int indent);

/* Quoted as JSON does it, which YAML reads too, unless it can be read as nothing but a string or a
 * number, which the configuration does not tell apart. */
static void string_print(const char *text)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "-_./:";
	size_t length = strlen(text);

	if (length > 0 && strspn(text, plain) == length && !strchr("-:.", text[0]) &&
	    text[length - 1] != ':')
		fputs(text, cli_out());
	else
		cli_print_quoted(text);
}

static void scalar_print(const json_t *value)
{
	if (json_is_string(value))
		string_print(json_string_value(value));
	else if (json_is_boolean(value))
		fputs(json_is_true(value) ? "yes" : "no", cli_out());
	else if (json_is_integer(value))
		fprintf(cli_out(), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else
		fprintf(cli_out(), "%g", json_number_value(value));
}

static bool is_collection(const json_t *value)
{
	return json_is_object(value) || json_is_array(value);
}

/* What fits a line is read more easily in one. */
static bool is_flat(const json_t *list)
{
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
		if (is_collection(item))
			return false;
	return true;
}

static void flat_list_print(const json_t *list)
{
	const json_t *item;
	size_t i;

	fputc('[', cli_out());
	json_array_foreach(list, i, item) {
		fputs(i > 0 ? ", " : "", cli_out());
		scalar_print(item);
	}
	fputs("]\n", cli_out());
}

/* The first member continues the line that the cursor is on. */
static void object_print(json_t *object, int indent)
{
	const char *key;
	json_t *value;
	int before = 0;

	json_object_foreach(object, key, value) {
		if (json_is_null(value))
			continue;
		fprintf(cli_out(), "%*s", before, "");
		string_print(key);
		fputc(':', cli_out());
		value_print(value, indent);
		before = indent;
	}
}

static void list_print(json_t *list, int indent)
{
	json_t *item;
	size_t i;

	json_array_foreach(list, i, item) {
		fprintf(cli_out(), "%*s- ", indent, "");
		if (json_is_object(item))
			object_print(item, indent + 2);
		else
			value_print(item, indent);
	}
}

/* A member's value, from behind the colon to the end of the line. */
static void value_print(json_t *value, int indent)
{
	if (json_is_array(value) && is_flat(value)) {
		fputc(' ', cli_out());
		flat_list_print(value);
	} else if (json_is_array(value)) {
		fputc('\n', cli_out());
		list_print(value, indent);
	} else if (json_is_object(value)) {
		fprintf(cli_out(), "\n%*s", indent + 2, "");
		object_print(value, indent + 2);
	} else {
		fputc(' ', cli_out());
		scalar_print(value);
		fputc('\n', cli_out());
	}
}

void cli_print_yaml(json_t *object)
{
	object_print(object, 0);
}
