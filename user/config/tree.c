/* SPDX-License-Identifier: GPL-2.0-only */
#include "config/tree.h"

#include <errno.h>
#include <string.h>
#include <yaml.h>

#define BYTE_ORDER_MARK "\xef\xbb\xbf"
#define TAG_DIRECTIVE	"%TAG"

/* What taking an event leads to, when it is not an error. */
enum {
	BUILDER_CONTINUE = 0,
	BUILDER_DONE = 1,
};

struct builder {
	struct report *report;
	struct tree *tree;
	struct tree_node *open; /* the innermost list or map that has not ended */
	struct tree_node *key;	/* read, and its value not yet */
	unsigned int depth;
	unsigned int documents;
};

#define report_at(builder, mark, ...)                                                              \
	report_add((builder)->report, (unsigned int)(mark).line + 1,                               \
		   (unsigned int)(mark).column + 1, __VA_ARGS__)

void tree_deinit(struct tree *tree)
{
	struct tree_node *node = tree->allocated;

	while (node) {
		struct tree_node *before = node->allocated;

		free(node);
		node = before;
	}
	*tree = (struct tree){ 0 };
}

const struct tree_node *tree_find(const struct tree_node *map, const char *key)
{
	if (map->kind != TREE_MAP)
		return NULL;
	for (const struct tree_node *value = map->first; value; value = value->next) {
		if (strcmp(value->key->text, key) == 0)
			return value;
	}
	return NULL;
}

static struct tree_node *tree_new_node(struct tree *tree, const char *text, size_t length)
{
	struct tree_node *node = calloc(1, sizeof(*node) + length + 1);

	if (!node)
		return NULL;
	memcpy(node->text, text, length);
	node->allocated = tree->allocated;
	tree->allocated = node;
	tree->node_count++;
	return node;
}

static bool builder_wants_key(const struct builder *builder)
{
	return builder->open && builder->open->kind == TREE_MAP && !builder->key;
}

static void builder_attach(struct builder *builder, struct tree_node *node)
{
	struct tree_node *open = builder->open;

	if (builder_wants_key(builder)) {
		builder->key = node;
		return;
	}
	node->parent = open;
	node->key = take_ptr(builder->key);
	if (!open) {
		builder->tree->root = node;
		return;
	}
	if (open->last)
		open->last->next = node;
	else
		open->first = node;
	open->last = node;
	open->count++;
}

static int builder_add(struct builder *builder, const yaml_event_t *event, enum tree_kind kind,
		       const char *text, size_t length)
{
	struct tree_node *node;

	if (builder_wants_key(builder) && kind != TREE_SCALAR) {
		report_at(builder, event->start_mark,
			  "a key is a word, not a list, a mapping or an alias");
		return -EINVAL;
	}
	if (builder->tree->node_count >= TREE_MAX_NODES) {
		report_at(builder, event->start_mark, "the file holds more than %d values",
			  TREE_MAX_NODES);
		return -EINVAL;
	}
	node = tree_new_node(builder->tree, text, length);
	if (!node)
		return -ENOMEM;
	node->kind = kind;
	node->line = (unsigned int)event->start_mark.line + 1;
	node->column = (unsigned int)event->start_mark.column + 1;
	builder_attach(builder, node);
	return 0;
}

static void builder_refuse_extras(struct builder *builder, const yaml_event_t *event,
				  const yaml_char_t *anchor, const yaml_char_t *tag)
{
	if (anchor)
		report_at(builder, event->start_mark,
			  "an anchor (&) is not allowed, write the value where it is used");
	if (tag)
		report_at(builder, event->start_mark,
			  "a tag (!) is not allowed, write the plain value");
}

static int builder_open(struct builder *builder, const yaml_event_t *event, enum tree_kind kind)
{
	struct tree_node *node;
	int r;

	if (builder->depth >= CONFIG_FILE_MAX_DEPTH) {
		report_at(builder, event->start_mark, "nested too deeply, at most %d levels",
			  CONFIG_FILE_MAX_DEPTH);
		return -EINVAL;
	}
	r = builder_add(builder, event, kind, "", 0);
	if (r < 0)
		return r;
	node = builder->tree->allocated;
	builder->open = node;
	builder->depth++;
	return BUILDER_CONTINUE;
}

static int builder_close(struct builder *builder)
{
	builder->open = builder->open->parent;
	builder->depth--;
	return BUILDER_CONTINUE;
}

static int builder_take_scalar(struct builder *builder, const yaml_event_t *event)
{
	const char *text = (const char *)event->data.scalar.value;
	size_t length = event->data.scalar.length;

	builder_refuse_extras(builder, event, event->data.scalar.anchor, event->data.scalar.tag);
	if (memchr(text, '\0', length)) {
		report_at(builder, event->start_mark,
			  "a NUL character is not allowed, bytes are written as hex:00ff");
		return builder_add(builder, event,
				   builder_wants_key(builder) ? TREE_SCALAR : TREE_REFUSED, "", 0);
	}
	return builder_add(builder, event, TREE_SCALAR, text, length);
}

static int builder_take_alias(struct builder *builder, const yaml_event_t *event)
{
	report_at(builder, event->start_mark,
		  "an alias (*) is not allowed, write the value where it is used");
	return builder_add(builder, event, TREE_REFUSED, "", 0);
}

static int builder_take_document(struct builder *builder, const yaml_event_t *event)
{
	if (builder->documents++ == 0)
		return BUILDER_CONTINUE;
	report_at(builder, event->start_mark, "a second document starts here, a file holds one");
	return BUILDER_DONE;
}

static int builder_take(struct builder *builder, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		return builder_take_document(builder, event);
	case YAML_ALIAS_EVENT:
		return builder_take_alias(builder, event);
	case YAML_SCALAR_EVENT:
		return builder_take_scalar(builder, event);
	case YAML_SEQUENCE_START_EVENT:
		builder_refuse_extras(builder, event, event->data.sequence_start.anchor,
				      event->data.sequence_start.tag);
		return builder_open(builder, event, TREE_LIST);
	case YAML_MAPPING_START_EVENT:
		builder_refuse_extras(builder, event, event->data.mapping_start.anchor,
				      event->data.mapping_start.tag);
		return builder_open(builder, event, TREE_MAP);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return builder_close(builder);
	case YAML_STREAM_END_EVENT:
		return BUILDER_DONE;
	default:
		return BUILDER_CONTINUE;
	}
}

/* libyaml gives a byte's offset, not a mark, for text that is not UTF-8 or not printable. */
static void report_bad_character(struct report *report, const yaml_parser_t *parser,
				 const char *text, size_t size)
{
	unsigned int line = 1, column = 1;

	for (size_t i = 0; i < MIN(size, parser->problem_offset); i++) {
		bool continues_character = ((unsigned char)text[i] & 0xc0) == 0x80;

		if (text[i] == '\n') {
			line++;
			column = 1;
		} else if (!continues_character) {
			column++;
		}
	}
	report_add(report, line, column, "%s, the file must be UTF-8 text", parser->problem);
}

static int report_syntax(struct report *report, const yaml_parser_t *parser, const char *text,
			 size_t size)
{
	unsigned int line = (unsigned int)parser->problem_mark.line + 1;
	unsigned int column = (unsigned int)parser->problem_mark.column + 1;

	if (parser->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	if (parser->error == YAML_READER_ERROR)
		report_bad_character(report, parser, text, size);
	else if (!parser->context)
		report_add(report, line, column, "not valid YAML: %s", parser->problem);
	else if (parser->context_mark.line == parser->problem_mark.line)
		report_add(report, line, column, "not valid YAML: %s %s", parser->problem,
			   parser->context);
	else
		report_add(report, line, column, "not valid YAML: %s %s that starts at line %zu",
			   parser->problem, parser->context, parser->context_mark.line + 1);
	return -EINVAL;
}

static int builder_run(struct builder *builder, yaml_parser_t *parser, const char *text,
		       size_t size)
{
	int r = BUILDER_CONTINUE;

	while (r == BUILDER_CONTINUE) {
		yaml_event_t event;

		if (!yaml_parser_parse(parser, &event))
			return report_syntax(builder->report, parser, text, size);
		r = builder_take(builder, &event);
		yaml_event_delete(&event);
	}
	return r < 0 ? r : 0;
}

/* libyaml compares every %TAG directive with all before it, which takes minutes for a file full of
 * them. A line within quotes that looks like one is refused too; no key takes such a value. */
static int refuse_tag_directive(struct report *report, const char *text, size_t size)
{
	unsigned int line = 1;

	for (size_t i = 0; i < size; line++) {
		const char *end = memchr(text + i, '\n', size - i);

		if (size - i > strlen(TAG_DIRECTIVE) &&
		    memcmp(text + i, TAG_DIRECTIVE, strlen(TAG_DIRECTIVE)) == 0) {
			report_add(report, line, 1,
				   "a %%TAG directive is not allowed, as tags are not");
			return -EINVAL;
		}
		i = end ? (size_t)(end - text) + 1 : size;
	}
	return 0;
}

int tree_read(struct tree *tree, struct report *report, const char *text, size_t size)
{
	struct builder builder = { .report = report, .tree = tree };
	cleanup(yaml_parser_delete) yaml_parser_t parser = { 0 };
	size_t mark_size = strlen(BYTE_ORDER_MARK);
	int r;

	if (!yaml_parser_initialize(&parser))
		return -ENOMEM;
	/* Told the encoding, libyaml counts a mark at the start as a column; so it does not see it. */
	if (size >= mark_size && memcmp(text, BYTE_ORDER_MARK, mark_size) == 0) {
		text += mark_size;
		size -= mark_size;
	}
	r = refuse_tag_directive(report, text, size);
	if (r < 0)
		return r;
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
	r = builder_run(&builder, &parser, text, size);
	if (r < 0)
		return r;
	if (!tree->root) {
		report_add(report, 1, 1,
			   "the file is empty, it needs at least interfaces and services");
		return -EINVAL;
	}
	return 0;
}
