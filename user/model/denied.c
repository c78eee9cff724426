/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/denied.h"

#include <errno.h>
#include <string.h>

void denied_deinit(struct denied *denied)
{
	free(denied->entries);
	*denied = (struct denied){ 0 };
}

int denied_copy(const struct denied *denied, struct denied *ret_copy)
{
	struct denied_entry *entries = calloc(denied->count + 1, sizeof(*entries));

	if (!entries)
		return -ENOMEM;
	if (denied->count)
		memcpy(entries, denied->entries, denied->count * sizeof(*entries));
	*ret_copy = (struct denied){ .entries = entries, .count = denied->count };
	return 0;
}

static int compare(const struct prefix *a, const struct prefix *b)
{
	int order = address_compare(&a->address, &b->address);

	return order ?: (a->length > b->length) - (a->length < b->length);
}

/* Where the prefix is, or would be. */
static size_t find(const struct denied *denied, const struct prefix *prefix, bool *ret_is_there)
{
	size_t first = 0, end = denied->count;

	while (first < end) {
		size_t middle = first + (end - first) / 2;

		if (compare(&denied->entries[middle].prefix, prefix) < 0)
			first = middle + 1;
		else
			end = middle;
	}
	*ret_is_there = first < denied->count &&
			compare(&denied->entries[first].prefix, prefix) == 0;
	return first;
}

int denied_add(struct denied *denied, const struct prefix *prefix, uint64_t until_s)
{
	const struct denied_entry entry = { .prefix = *prefix, .until_s = until_s };
	struct denied_entry *more;
	bool is_there;
	size_t at = find(denied, prefix, &is_there);

	if (is_there) {
		denied->entries[at] = entry;
		return 0;
	}
	if (denied->count >= LEAT_MAX_DENIED)
		return -ENOSPC;
	more = realloc(denied->entries, (denied->count + 1) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	memmove(&more[at + 1], &more[at], (denied->count - at) * sizeof(*more));
	more[at] = entry;
	denied->entries = more;
	denied->count++;
	return 0;
}

bool denied_remove(struct denied *denied, const struct prefix *prefix)
{
	bool is_there;
	size_t at = find(denied, prefix, &is_there);

	if (!is_there)
		return false;
	denied->count--;
	memmove(&denied->entries[at], &denied->entries[at + 1],
		(denied->count - at) * sizeof(*denied->entries));
	return true;
}

size_t denied_expire(struct denied *denied, uint64_t now_s)
{
	size_t kept = 0, count = denied->count;

	for (size_t i = 0; i < count; i++) {
		const struct denied_entry *entry = &denied->entries[i];

		if (!entry->until_s || entry->until_s > now_s)
			denied->entries[kept++] = *entry;
	}
	denied->count = kept;
	return count - kept;
}

int denied_merge(const struct denied *denied, struct access_list *configured,
		 struct access_list **ret_list)
{
	cleanup(access_builder_deinit) struct access_builder builder = { 0 };

	if (denied->count == 0) {
		*ret_list = access_list_ref(configured);
		return 0;
	}
	access_builder_add_list(&builder, configured);
	for (size_t i = 0; i < denied->count; i++)
		access_builder_add(&builder, &denied->entries[i].prefix, LEAT_ACCESS_DENIED);
	return access_builder_finish(&builder, false, ret_list);
}
