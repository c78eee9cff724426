/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The keys `allow` and `deny`: each is a list of source prefixes, or a file of them.
 */
#ifndef LEAT_CONFIG_ACCESS_H
#define LEAT_CONFIG_ACCESS_H

#include "config/schema.h"
#include "model/access_list.h"

/* Reads nothing yet: access_read() looks at both keys at once. */
void access_read_later(struct report *report, const struct tree_node *node,
		       const struct schema_field *field, void *target);

/* What is read: each string is a file's path, or NULL if the prefixes are in the configuration. */
struct access_config {
	char **allow_file; /* NULL: there is no such key */
	char **deny_file;
	struct access_list **list;
};

/* Reads the keys of `map` and the files that they name. */
void access_read(struct report *report, const struct tree_node *map,
		 const struct access_config *target);

#endif
