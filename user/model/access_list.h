/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which sources are let in, as the datapath holds it: rules by prefix, of which the longest decides.
 */
#ifndef LEAT_MODEL_ACCESS_LIST_H
#define LEAT_MODEL_ACCESS_LIST_H

#include <stdbool.h>

#include "base/address.h"
#include "base/macros.h"

struct access_rule {
	struct leat_prefix prefix;
	uint32_t access; /* enum leat_access */
};

/* Shared and not changed any more, because it may be long. One thread has all references. */
struct access_list {
	unsigned int references;
	bool is_closed; /* only those are let in that a rule allows */
	size_t count;
	struct access_rule rules[]; /* in the prefixes' order; no prefix is there twice */
};

/* What a list is made of, in any order. */
struct access_builder {
	struct access_rule *rules;
	size_t count;
	size_t room;
	bool is_out_of_memory;
};

void access_builder_add(struct access_builder *builder, const struct prefix *prefix,
			enum leat_access access);
/* All of another list's rules; NULL has none. */
void access_builder_add_list(struct access_builder *builder, const struct access_list *list);
/*
 * Empties the builder, and makes a list: what no rule is for is let in, unless is_closed. No rules and
 * not closed make no list, NULL. 0 or -ENOMEM.
 */
int access_builder_finish(struct access_builder *builder, bool is_closed,
			  struct access_list **ret_list);
void access_builder_deinit(struct access_builder *builder);

/* A further reference; NULL has none. */
struct access_list *access_list_ref(struct access_list *list);
struct access_list *access_list_unref(struct access_list *list);
DEFINE_CLEANUP(struct access_list *, access_list_unref)

/* Whether both let in the same sources by the same rules; each may be NULL. */
bool access_list_equal(const struct access_list *a, const struct access_list *b);

/* How many of the rules are so. NULL has none. */
size_t access_list_count(const struct access_list *list, enum leat_access access);
/* The prefix of a rule, as people write it. */
struct prefix access_rule_prefix(const struct access_rule *rule);

#endif
