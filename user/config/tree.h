/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The part of YAML that a configuration may use, as a tree whose every node knows where it stands:
 * one document of mappings, lists and scalars. Anchors, aliases and tags are refused; depth and
 * number of nodes are bounded. What the keys mean is schema.h's matter.
 */
#ifndef LEAT_CONFIG_TREE_H
#define LEAT_CONFIG_TREE_H

#include <stddef.h>

#include "config/report.h"

/* The largest configuration within maps/limits.h, written with every key and two QUIC server ids for each
 * backend, has some 700 000. */
#define TREE_MAX_NODES 786432

enum tree_kind {
	TREE_SCALAR,
	TREE_LIST,
	TREE_MAP,
	TREE_REFUSED, /* an alias: reported, nothing more to say about it */
};

struct tree_node {
	enum tree_kind kind;
	unsigned int line, column; /* from 1 */
	struct tree_node *parent;  /* the list or map that it is in; NULL for the root */
	struct tree_node *key;	   /* a scalar; NULL outside of a map */
	struct tree_node *first;   /* of a list's items or a map's values */
	struct tree_node *last;
	struct tree_node *next;
	size_t count;
	struct tree_node *allocated; /* the tree's node before this one */
	char text[];		     /* of a scalar; holds no NUL */
};

struct tree {
	struct tree_node *root;
	struct tree_node *allocated; /* every node, keys too: tree_deinit() needs no order */
	size_t node_count;
};

/*
 * Reads text into *tree, which is zero. 0: the tree is whole, although what it refuses may have been
 * reported. -EINVAL: reported, and the tree is not worth reading. -ENOMEM.
 */
int tree_read(struct tree *tree, struct report *report, const char *text, size_t size);
void tree_deinit(struct tree *tree);

/* The value of a key, or NULL. Of a key that stands twice, the first. */
const struct tree_node *tree_find(const struct tree_node *map, const char *key);

#endif
