/* SPDX-License-Identifier: GPL-2.0-only */
#include "config/access.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "model/config.h"

#define EXAMPLE	 "192.0.2.0/24 or 2001:db8::/32"
#define BLANKS	 " \t\r\n"
#define MAX_FILE (16 * 1024 * 1024)

/* One of the two keys on its way into a list. */
struct reading {
	struct report *report;
	const struct tree_node *node; /* the key's value */
	enum leat_access access;
	struct access_builder *builder;
	size_t count; /* of its prefixes */
};

void access_read_later(struct report *report, const struct tree_node *node,
		       const struct schema_field *field, void *target)
{
	(void)report;
	(void)node;
	(void)field;
	(void)target;
}

static void add_prefix(struct reading *reading, const struct prefix *prefix)
{
	reading->count++;
	access_builder_add(reading->builder, prefix, reading->access);
}

static void read_items(struct reading *reading)
{
	const struct tree_node *list = reading->node;
	struct prefix prefix;

	if (list->count > LEAT_MAX_PREFIXES) {
		schema_report(reading->report, list,
			      "the list has %zu prefixes, at most %d are allowed", list->count,
			      LEAT_MAX_PREFIXES);
		return;
	}
	for (const struct tree_node *item = list->first; item; item = item->next) {
		if (item->kind == TREE_SCALAR && prefix_parse(item->text, &prefix) == 0)
			add_prefix(reading, &prefix);
		else
			schema_refuse(reading->report, item, "a prefix, such as " EXAMPLE);
	}
}

/* "# ..." and blanks around a prefix mean nothing. */
static char *strip(char *line)
{
	size_t length;

	line[strcspn(line, "#")] = '\0';
	line += strspn(line, BLANKS);
	length = strlen(line);
	while (length && strchr(BLANKS, line[length - 1]))
		line[--length] = '\0';
	return line;
}

/* Whether to go on with the next line. */
static bool read_line(struct reading *reading, const char *path, size_t number, char *line)
{
	struct prefix prefix;
	const char *text = strip(line);

	if (*text == '\0')
		return true;
	if (prefix_parse(text, &prefix) < 0) {
		schema_report(reading->report, reading->node,
			      "%s, line %zu: no prefix, such as " EXAMPLE, path, number);
		return false;
	}
	if (reading->count == LEAT_MAX_PREFIXES) {
		schema_report(reading->report, reading->node,
			      "%s, line %zu: more than %d prefixes, which are the most", path,
			      number, LEAT_MAX_PREFIXES);
		return false;
	}
	add_prefix(reading, &prefix);
	return true;
}

static void read_lines(struct reading *reading, const char *path, FILE *file)
{
	cleanup(freep) char *line = NULL;
	size_t room = 0, number = 0;

	while (getline(&line, &room, file) >= 0) {
		if (!read_line(reading, path, ++number, line))
			return;
	}
	if (ferror(file))
		schema_report(reading->report, reading->node, "%s cannot be read: %s", path,
			      strerror(errno));
}

/* Not a pipe or a device, on which the daemon would wait, and not without end. */
static FILE *open_regular(const char *path)
{
	cleanup(close_fdp) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat status;
	FILE *file;

	if (fd < 0 || fstat(fd, &status) < 0)
		return NULL;
	if (!S_ISREG(status.st_mode) || status.st_size > MAX_FILE) {
		errno = S_ISREG(status.st_mode) ? EFBIG : EINVAL;
		return NULL;
	}
	file = fdopen(fd, "r");
	if (file)
		fd = -1;
	return file;
}

static void read_file(struct reading *reading, const char *path)
{
	cleanup(fclosep) FILE *file = open_regular(path);

	if (file)
		read_lines(reading, path, file);
	else
		schema_report(reading->report, reading->node, "%s cannot be read: %s", path,
			      strerror(errno));
}

static const struct schema_field file_fields[] = {
	{ "file", schema_read_file, .offset = 0, .most = CONFIG_MAX_PATH, .is_required = true },
};

static const struct schema file_schema = { "a list of prefixes", file_fields,
					   ARRAY_SIZE(file_fields) };

static void read_key(struct reading *reading, char **ret_file)
{
	if (reading->node->kind == TREE_LIST)
		read_items(reading);
	else if (reading->node->kind != TREE_MAP)
		schema_refuse(reading->report, reading->node,
			      "a list of prefixes or { file: PATH }");
	else if (schema_read(reading->report, reading->node, &file_schema, ret_file) && *ret_file)
		read_file(reading, *ret_file);
}

/* An empty list of those who are let in is more likely a mistake than a wish. */
static void read_allow(struct reading *reading, char **ret_file)
{
	size_t errors = reading->report->errors.count;

	read_key(reading, ret_file);
	if (reading->count == 0 && reading->report->errors.count == errors)
		schema_report(
			reading->report, reading->node,
			"no prefix, which would let nobody in; without the key, everybody is");
}

void access_read(struct report *report, const struct tree_node *map,
		 const struct access_config *target)
{
	cleanup(access_builder_deinit) struct access_builder builder = { 0 };
	const struct tree_node *allow = target->allow_file ? tree_find(map, "allow") : NULL;
	const struct tree_node *deny = tree_find(map, "deny");
	struct reading reading = { .report = report, .builder = &builder };

	if (allow) {
		reading.node = allow;
		reading.access = LEAT_ACCESS_ALLOWED;
		read_allow(&reading, target->allow_file);
	}
	if (deny) {
		reading.node = deny;
		reading.access = LEAT_ACCESS_DENIED;
		reading.count = 0;
		read_key(&reading, target->deny_file);
	}
	if (access_builder_finish(&builder, allow != NULL, target->list) < 0)
		report->is_out_of_memory = true;
}
