/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Turns a mapping of the tree into a struct, driven by a table of its keys. Whatever does not fit is
 * reported as "key: value is not allowed, use ..." and leaves the field with its default, so that
 * reading goes on.
 */
#ifndef LEAT_CONFIG_SCHEMA_H
#define LEAT_CONFIG_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/tree.h"

#define SCHEMA_MAX_FIELDS 32

/* Of what services, backends, groups and hosts are called. */
#define SCHEMA_NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

struct schema_choice {
	const char *name; /* NULL ends the list */
	unsigned int value;
};

struct schema_field;

/* Reads a value into target, which is the field's place in the object. */
typedef void (*schema_reader)(struct report *report, const struct tree_node *node,
			      const struct schema_field *field, void *target);

struct schema_field {
	const char *name;
	schema_reader read;
	size_t offset;
	bool is_required;
	uint64_t least, most;		     /* of a number, or milliseconds of a duration */
	const struct schema_choice *choices; /* of schema_read_choice() */
	unsigned int probes;		     /* the probe types that know the key, as bits */
};

struct schema {
	const char *what; /* "a service" */
	const struct schema_field *fields;
	size_t field_count; /* at most SCHEMA_MAX_FIELDS */
};

/* Whether all went well enough for the object to be worth checking: it is a mapping. */
bool schema_read(struct report *report, const struct tree_node *node, const struct schema *schema,
		 void *object);
const struct schema_field *schema_find(const struct schema *schema, const char *name);

/* "key: value is not allowed, use ..." at the node, whose key may be its list's. */
void schema_refuse(struct report *report, const struct tree_node *node, const char *use, ...)
	printf_like(3);
/* "key: ..." at the node. */
void schema_report(struct report *report, const struct tree_node *node, const char *format, ...)
	printf_like(3);

/* False, and reported, when the node is of another kind. */
bool schema_expect_list(struct report *report, const struct tree_node *node, const char *use);

/* uint32_t */
void schema_read_number(struct report *report, const struct tree_node *node,
			const struct schema_field *field, void *target);
void schema_read_duration(struct report *report, const struct tree_node *node,
			  const struct schema_field *field, void *target);
/* The same, or 0, which needs no unit. */
void schema_read_optional_duration(struct report *report, const struct tree_node *node,
				   const struct schema_field *field, void *target);
/* An enum. */
void schema_read_choice(struct report *report, const struct tree_node *node,
			const struct schema_field *field, void *target);
/* bool */
void schema_read_bool(struct report *report, const struct tree_node *node,
		      const struct schema_field *field, void *target);
/* char[CONFIG_MAX_NAME + 1] */
void schema_read_name(struct report *report, const struct tree_node *node,
		      const struct schema_field *field, void *target);
/* struct leat_addr, unicast */
void schema_read_address(struct report *report, const struct tree_node *node,
			 const struct schema_field *field, void *target);
/* char *, at most field->most bytes, from the root directory */
void schema_read_file(struct report *report, const struct tree_node *node,
		      const struct schema_field *field, void *target);
/* Replaces the string in *target by a copy of text. */
void schema_set_string(struct report *report, const char *text, char **target);

#endif
