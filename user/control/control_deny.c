/* SPDX-License-Identifier: GPL-2.0-only */
#include "control/control_deny.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "base/number.h"

#define MAX_FOR_MS (UINT64_C(366) * 24 * 3600 * 1000)
#define MS_PER_S   1000

static int refuse(char **ret_error, const char *text)
{
	*ret_error = strdup(text);
	return *ret_error ? -EINVAL : -ENOMEM;
}

void control_deny_deinit(struct control_deny *deny)
{
	free(deny->prefixes);
	*deny = (struct control_deny){ 0 };
}

static int read_action(const json_t *value, struct control_deny *deny, char **ret_error)
{
	const char *text = json_string_value(value);

	if (text && strcmp(text, "add") == 0)
		deny->is_taken_back = false;
	else if (text && strcmp(text, "delete") == 0)
		deny->is_taken_back = true;
	else
		return refuse(ret_error, "\"action\" must be add or delete");
	return 0;
}

static int read_prefix(const json_t *value, struct control_deny *deny, char **ret_error)
{
	const char *text = json_string_value(value);

	if (text && prefix_parse(text, &deny->prefixes[deny->count]) == 0) {
		deny->count++;
		return 0;
	}
	if (asprintf(ret_error, "%s is no prefix, such as 192.0.2.0/24 or 2001:db8::1",
		     text ?: "what is not a text") < 0)
		return -ENOMEM;
	return -EINVAL;
}

static int read_prefixes(const json_t *value, struct control_deny *deny, char **ret_error)
{
	size_t count = json_array_size(value), i;
	const json_t *item;
	int r = 0;

	if (count == 0 || count > LEAT_MAX_DENIED)
		return refuse(ret_error, "\"prefixes\" must be a list of prefixes");
	deny->prefixes = calloc(count, sizeof(*deny->prefixes));
	if (!deny->prefixes)
		return -ENOMEM;
	json_array_foreach(value, i, item) {
		r = read_prefix(item, deny, ret_error);
		if (r < 0)
			break;
	}
	return r;
}

/* Rounded up, so that it is not shorter than asked for. */
static int read_for(const json_t *value, struct control_deny *deny, char **ret_error)
{
	const char *text = json_string_value(value);
	uint64_t ms;

	if (!text || duration_parse(text, 1, MAX_FOR_MS, &ms) < 0)
		return refuse(ret_error,
			      "\"for\" must be a duration up to 8784h, such as 10m or 24h");
	deny->for_s = (ms + MS_PER_S - 1) / MS_PER_S;
	return 0;
}

static const struct {
	const char *key;
	int (*read)(const json_t *value, struct control_deny *deny, char **ret_error);
} keys[] = { { "action", read_action }, { "prefixes", read_prefixes }, { "for", read_for } };

static int read_member(const char *key, const json_t *value, struct control_deny *deny,
		       char **ret_error)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (strcmp(key, keys[i].key) == 0)
			return keys[i].read(value, deny, ret_error);
	}
	return refuse(ret_error, "an unknown key; there are \"action\", \"prefixes\" and \"for\"");
}

static int read_body(json_t *body, struct control_deny *deny, char **ret_error)
{
	const char *key;
	json_t *value;
	int r = 0;

	if (!json_is_object(body))
		return refuse(ret_error, "the body must be a JSON object, without duplicate keys");
	json_object_foreach(body, key, value) {
		r = read_member(key, value, deny, ret_error);
		if (r < 0)
			return r;
	}
	if (!json_object_get(body, "action") || !deny->prefixes)
		return refuse(ret_error, "\"action\" and \"prefixes\" are needed");
	if (deny->is_taken_back && deny->for_s)
		return refuse(ret_error, "\"for\" goes with the action add and only with it");
	return 0;
}

int control_deny_parse(const char *body, size_t size, struct control_deny *ret_deny,
		       char **ret_error)
{
	cleanup(json_decrefp) json_t *json = json_loadb(body, size, JSON_REJECT_DUPLICATES, NULL);
	cleanup(control_deny_deinit) struct control_deny deny = { 0 };
	int r = read_body(json, &deny, ret_error);

	if (r < 0)
		return r;
	*ret_deny = deny;
	deny.prefixes = NULL;
	return 0;
}
