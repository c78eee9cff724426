/* SPDX-License-Identifier: GPL-2.0-only */
#include "config/schema.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "base/number.h"

#define PHRASE_SIZE	512
#define QUOTED_SIZE	48 /* of a value or key in a message; longer ones are cut */
#define MAX_TYPO_LENGTH 24 /* longer words are not compared */
#define MAX_TYPOS	2

/* A value in a message goes to terminals and logs: printable ASCII, and not too much of it. */
static const char *quote(const char *text, char quoted[QUOTED_SIZE])
{
	size_t length = strlen(text), kept = MIN(length, (size_t)QUOTED_SIZE - 6);

	quoted[0] = '"';
	for (size_t i = 0; i < kept; i++)
		quoted[i + 1] = isprint((unsigned char)text[i]) ? text[i] : '?';
	strcpy(quoted + kept + 1, length > kept ? "...\"" : "\"");
	return quoted;
}

static const char *describe(const struct tree_node *node, char quoted[QUOTED_SIZE])
{
	switch (node->kind) {
	case TREE_LIST:
		return "a list";
	case TREE_MAP:
		return "a mapping";
	default:
		return node->text[0] ? quote(node->text, quoted) : "an empty value";
	}
}

/* The key that the node, or the list that it is in, stands under. */
static const char *subject(const struct tree_node *node)
{
	while (node && !node->key)
		node = node->parent;
	return node ? node->key->text : "the file";
}

void schema_refuse(struct report *report, const struct tree_node *node, const char *use, ...)
{
	char phrase[PHRASE_SIZE], quoted[QUOTED_SIZE];
	va_list args;

	if (node->kind == TREE_REFUSED)
		return;
	va_start(args, use);
	vsnprintf(phrase, sizeof(phrase), use, args);
	va_end(args);
	report_add(report, node->line, node->column, "%s: %s is not allowed, use %s", subject(node),
		   describe(node, quoted), phrase);
}

void schema_report(struct report *report, const struct tree_node *node, const char *format, ...)
{
	char phrase[PHRASE_SIZE];
	va_list args;

	va_start(args, format);
	vsnprintf(phrase, sizeof(phrase), format, args);
	va_end(args);
	report_add(report, node->line, node->column, "%s: %s", subject(node), phrase);
}

bool schema_expect_list(struct report *report, const struct tree_node *node, const char *use)
{
	if (node->kind != TREE_LIST)
		schema_refuse(report, node, "%s", use);
	return node->kind == TREE_LIST;
}

const struct schema_field *schema_find(const struct schema *schema, const char *name)
{
	for (size_t i = 0; i < schema->field_count; i++) {
		if (strcmp(schema->fields[i].name, name) == 0)
			return &schema->fields[i];
	}
	return NULL;
}

/* Levenshtein's distance, one row at a time. */
static size_t count_typos(const char *a, const char *b)
{
	size_t row[MAX_TYPO_LENGTH + 1], length = strlen(b);

	if (strlen(a) > MAX_TYPO_LENGTH || length > MAX_TYPO_LENGTH)
		return SIZE_MAX;
	for (size_t j = 0; j <= length; j++)
		row[j] = j;
	for (size_t i = 0; a[i]; i++) {
		size_t diagonal = row[0];

		row[0] = i + 1;
		for (size_t j = 0; j < length; j++) {
			size_t replaced = diagonal + (a[i] != b[j]);

			diagonal = row[j + 1];
			row[j + 1] = MIN(replaced, MIN(row[j], row[j + 1]) + 1);
		}
	}
	return row[length];
}

/* The key that was probably meant, or NULL. */
static const char *guess_field(const struct schema *schema, const char *name)
{
	const char *guess = NULL;
	size_t fewest = MAX_TYPOS + 1;

	for (size_t i = 0; i < schema->field_count; i++) {
		const char *field = schema->fields[i].name;
		size_t typos = count_typos(name, field);

		if (typos < fewest && typos < strlen(field)) {
			fewest = typos;
			guess = field;
		}
	}
	return guess;
}

static void list_fields(const struct schema *schema, char phrase[PHRASE_SIZE])
{
	size_t used = 0;

	phrase[0] = '\0';
	for (size_t i = 0; i < schema->field_count && used < PHRASE_SIZE; i++)
		used += (size_t)snprintf(phrase + used, PHRASE_SIZE - used, "%s%s",
					 i > 0 ? ", " : "", schema->fields[i].name);
}

static void report_unknown(struct report *report, const struct tree_node *key,
			   const struct schema *schema)
{
	char phrase[PHRASE_SIZE], quoted[QUOTED_SIZE];
	const char *guess = guess_field(schema, key->text);

	list_fields(schema, phrase);
	if (guess)
		report_add(report, key->line, key->column,
			   "%s is not a key of %s, did you mean %s? allowed are %s",
			   quote(key->text, quoted), schema->what, guess, phrase);
	else
		report_add(report, key->line, key->column, "%s is not a key of %s, allowed are %s",
			   quote(key->text, quoted), schema->what, phrase);
}

static void read_value(struct report *report, const struct tree_node *value,
		       const struct schema *schema, const struct tree_node **seen, void *object)
{
	const struct schema_field *field = schema_find(schema, value->key->text);
	const struct tree_node **first;

	if (!field) {
		report_unknown(report, value->key, schema);
		return;
	}
	first = &seen[field - schema->fields];
	if (*first) {
		report_add(report, value->key->line, value->key->column,
			   "%s: a key is allowed once, the first is at line %u", field->name,
			   (*first)->key->line);
		return;
	}
	*first = value;
	field->read(report, value, field, (char *)object + field->offset);
}

static void report_missing(struct report *report, const struct tree_node *map,
			   const struct schema *schema, const struct tree_node *const *seen)
{
	for (size_t i = 0; i < schema->field_count; i++) {
		if (schema->fields[i].is_required && !seen[i])
			report_add(report, map->line, map->column, "%s needs the key %s",
				   schema->what, schema->fields[i].name);
	}
}

bool schema_read(struct report *report, const struct tree_node *node, const struct schema *schema,
		 void *object)
{
	const struct tree_node *seen[SCHEMA_MAX_FIELDS] = { 0 };
	char phrase[PHRASE_SIZE];

	if (node->kind != TREE_MAP) {
		list_fields(schema, phrase);
		schema_refuse(report, node, "a mapping with the keys of %s: %s", schema->what,
			      phrase);
		return false;
	}
	for (const struct tree_node *value = node->first; value; value = value->next)
		read_value(report, value, schema, seen, object);
	report_missing(report, node, schema, seen);
	return true;
}

void schema_read_number(struct report *report, const struct tree_node *node,
			const struct schema_field *field, void *target)
{
	uint64_t number;

	if (node->kind != TREE_SCALAR ||
	    number_parse(node->text, field->least, field->most, &number) < 0)
		schema_refuse(report, node, "a number from %" PRIu64 " to %" PRIu64, field->least,
			      field->most);
	else
		*(uint32_t *)target = (uint32_t)number;
}

static void read_duration(struct report *report, const struct tree_node *node,
			  const struct schema_field *field, const char *otherwise, uint32_t *target)
{
	char least[DURATION_TEXT_SIZE], most[DURATION_TEXT_SIZE];
	uint64_t ms;

	if (node->kind != TREE_SCALAR ||
	    duration_parse(node->text, field->least, field->most, &ms) < 0)
		schema_refuse(report, node, "a duration from %s to %s, in ms, s, m or h%s",
			      duration_format(field->least, least),
			      duration_format(field->most, most), otherwise);
	else
		*target = (uint32_t)ms;
}

void schema_read_duration(struct report *report, const struct tree_node *node,
			  const struct schema_field *field, void *target)
{
	read_duration(report, node, field, "", target);
}

void schema_read_optional_duration(struct report *report, const struct tree_node *node,
				   const struct schema_field *field, void *target)
{
	if (strcmp(node->text, "0") == 0)
		*(uint32_t *)target = 0;
	else
		read_duration(report, node, field, ", or 0 for none", target);
}

/* "auto, native or generic" */
static void list_choices(const struct schema_choice *choices, char phrase[PHRASE_SIZE])
{
	size_t used = 0;

	for (const struct schema_choice *choice = choices; choice->name && used < PHRASE_SIZE;
	     choice++) {
		const char *between = choice == choices ? "" : choice[1].name ? ", " : " or ";

		used += (size_t)snprintf(phrase + used, PHRASE_SIZE - used, "%s%s", between,
					 choice->name);
	}
}

static const struct schema_choice *find_choice(const struct schema_choice *choices,
					       const struct tree_node *node)
{
	if (node->kind != TREE_SCALAR)
		return NULL;
	while (choices->name && strcmp(choices->name, node->text) != 0)
		choices++;
	return choices->name ? choices : NULL;
}

static const struct schema_choice *expect_choice(struct report *report,
						 const struct tree_node *node,
						 const struct schema_choice *choices)
{
	const struct schema_choice *choice = find_choice(choices, node);
	char phrase[PHRASE_SIZE];

	if (!choice) {
		list_choices(choices, phrase);
		schema_refuse(report, node, "%s", phrase);
	}
	return choice;
}

void schema_read_choice(struct report *report, const struct tree_node *node,
			const struct schema_field *field, void *target)
{
	const struct schema_choice *choice = expect_choice(report, node, field->choices);

	if (choice)
		*(unsigned int *)target = choice->value;
}

void schema_read_bool(struct report *report, const struct tree_node *node,
		      const struct schema_field *field, void *target)
{
	static const struct schema_choice words[] = {
		{ "yes", true }, { "no", false }, { "true", true }, { "false", false }, { 0 }
	};
	const struct schema_choice *choice = expect_choice(report, node, words);

	(void)field;
	if (choice)
		*(bool *)target = choice->value;
}

void schema_read_name(struct report *report, const struct tree_node *node,
		      const struct schema_field *field, void *target)
{
	size_t length = strlen(node->text);

	(void)field;
	if (node->kind != TREE_SCALAR || length == 0 || length > CONFIG_MAX_NAME ||
	    strspn(node->text, SCHEMA_NAME_CHARACTERS) != length)
		schema_refuse(report, node,
			      "1 to %d letters, digits and the characters \"-\", \"_\" and \".\"",
			      CONFIG_MAX_NAME);
	else
		memcpy(target, node->text, length + 1);
}

void schema_read_address(struct report *report, const struct tree_node *node,
			 const struct schema_field *field, void *target)
{
	struct leat_addr address;

	(void)field;
	if (node->kind != TREE_SCALAR || address_parse(node->text, &address) < 0 ||
	    !address_is_unicast(&address))
		schema_refuse(report, node,
			      "a unicast address, as 192.0.2.1 for IPv4 or 2001:db8::1 for IPv6");
	else
		*(struct leat_addr *)target = address;
}

void schema_set_string(struct report *report, const char *text, char **target)
{
	free(*target);
	*target = strdup(text);
	if (!*target)
		report->is_out_of_memory = true;
}

void schema_read_file(struct report *report, const struct tree_node *node,
		      const struct schema_field *field, void *target)
{
	if (node->kind != TREE_SCALAR || node->text[0] != '/' || strlen(node->text) > field->most)
		schema_refuse(report, node,
			      "a file's whole path, from / on and of at most %" PRIu64 " bytes",
			      field->most);
	else
		schema_set_string(report, node->text, target);
}
