/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The sources that the operator denies at run time, beside those of the configuration.
 */
#ifndef LEAT_MODEL_DENIED_H
#define LEAT_MODEL_DENIED_H

#include "model/access_list.h"

struct denied_entry {
	struct prefix prefix;
	uint64_t until_s; /* UNIX time; 0: until it is taken back */
};

struct denied {
	struct denied_entry *entries; /* in the prefixes' order */
	size_t count;		      /* at most LEAT_MAX_DENIED */
};

void denied_deinit(struct denied *denied);
/* 0 or -ENOMEM. */
int denied_copy(const struct denied *denied, struct denied *ret_copy);

/* One that is there already gets the new time. 0, -ENOSPC or -ENOMEM. */
int denied_add(struct denied *denied, const struct prefix *prefix, uint64_t until_s);
/* Whether it was there. */
bool denied_remove(struct denied *denied, const struct prefix *prefix);
/* Removes what ends by `now_s`; returns how many. */
size_t denied_expire(struct denied *denied, uint64_t now_s);

/* `configured` (may be NULL) and these in one list, or NULL if there is nothing. 0 or -ENOMEM. */
int denied_merge(const struct denied *denied, struct access_list *configured,
		 struct access_list **ret_list);

#endif
