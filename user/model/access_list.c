/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/access_list.h"

#include <errno.h>
#include <string.h>

#define IPV4_BITS_BEFORE 96 /* of the mapped form */
#define LEAST_ROOM	 64

static struct leat_prefix key_of(const struct prefix *prefix)
{
	struct leat_prefix key = {
		.len = prefix->length + (address_is_ipv4(&prefix->address) ? IPV4_BITS_BEFORE : 0U),
	};

	memcpy(key.address, &prefix->address, sizeof(key.address));
	return key;
}

static void add_rule(struct access_builder *builder, struct access_rule rule)
{
	if (builder->count == builder->room) {
		size_t room = MAX(2 * builder->room, (size_t)LEAST_ROOM);
		struct access_rule *more = realloc(builder->rules, room * sizeof(*more));

		if (!more) {
			builder->is_out_of_memory = true;
			return;
		}
		builder->rules = more;
		builder->room = room;
	}
	builder->rules[builder->count++] = rule;
}

void access_builder_add(struct access_builder *builder, const struct prefix *prefix,
			enum leat_access access)
{
	add_rule(builder, (struct access_rule){ .prefix = key_of(prefix), .access = access });
}

void access_builder_add_list(struct access_builder *builder, const struct access_list *list)
{
	for (size_t i = 0; list && i < list->count; i++)
		add_rule(builder, list->rules[i]);
}

void access_builder_deinit(struct access_builder *builder)
{
	free(builder->rules);
	*builder = (struct access_builder){ 0 };
}

static int compare_prefixes(const struct leat_prefix *a, const struct leat_prefix *b)
{
	int order = memcmp(a->address, b->address, sizeof(a->address));

	return order ?: (a->len > b->len) - (a->len < b->len);
}

static int compare_rules(const void *a, const void *b)
{
	const struct access_rule *left = a, *right = b;
	int order = compare_prefixes(&left->prefix, &right->prefix);

	return order ?: (left->access > right->access) - (left->access < right->access);
}

/* Of those with one prefix, the first stays. */
static size_t drop_doubles(struct access_rule *rules, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		if (kept && compare_prefixes(&rules[kept - 1].prefix, &rules[i].prefix) == 0)
			continue;
		rules[kept++] = rules[i];
	}
	return kept;
}

/* Every IPv4 address has a rule, so that no short prefix of IPv6 speaks of its mapped form. */
static void add_defaults(struct access_builder *builder, bool is_closed)
{
	static const struct prefix ipv6;
	struct prefix ipv4 = { .address = address_from_ipv4((struct in_addr){ 0 }) };

	access_builder_add(builder, &ipv4,
			   is_closed ? LEAT_ACCESS_NOT_ALLOWED : LEAT_ACCESS_ALLOWED);
	if (is_closed)
		access_builder_add(builder, &ipv6, LEAT_ACCESS_NOT_ALLOWED);
}

static int make_list(const struct access_builder *builder, bool is_closed,
		     struct access_list **ret_list)
{
	size_t size = builder->count * sizeof(*builder->rules);
	struct access_list *list = malloc(sizeof(*list) + size);

	if (!list)
		return -ENOMEM;
	list->references = 1;
	list->is_closed = is_closed;
	memcpy(list->rules, builder->rules, size);
	qsort(list->rules, builder->count, sizeof(*list->rules), compare_rules);
	list->count = drop_doubles(list->rules, builder->count);
	*ret_list = list;
	return 0;
}

int access_builder_finish(struct access_builder *builder, bool is_closed,
			  struct access_list **ret_list)
{
	bool has_any = builder->count || is_closed;
	int r = 0;

	*ret_list = NULL;
	if (has_any)
		add_defaults(builder, is_closed);
	if (builder->is_out_of_memory)
		r = -ENOMEM;
	else if (has_any)
		r = make_list(builder, is_closed, ret_list);
	access_builder_deinit(builder);
	return r;
}

struct access_list *access_list_ref(struct access_list *list)
{
	if (list)
		list->references++;
	return list;
}

struct access_list *access_list_unref(struct access_list *list)
{
	if (list && --list->references == 0)
		free(list);
	return NULL;
}

bool access_list_equal(const struct access_list *a, const struct access_list *b)
{
	if (a == b || !a || !b)
		return a == b;
	return a->count == b->count &&
	       memcmp(a->rules, b->rules, a->count * sizeof(*a->rules)) == 0;
}

size_t access_list_count(const struct access_list *list, enum leat_access access)
{
	size_t count = 0;

	for (size_t i = 0; list && i < list->count; i++)
		count += list->rules[i].access == access;
	return count;
}

struct prefix access_rule_prefix(const struct access_rule *rule)
{
	struct prefix prefix;

	memcpy(&prefix.address, rule->prefix.address, sizeof(prefix.address));
	prefix.length = (uint8_t)(rule->prefix.len -
				  (address_is_ipv4(&prefix.address) ? IPV4_BITS_BEFORE : 0U));
	return prefix;
}
