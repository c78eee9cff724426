/* SPDX-License-Identifier: GPL-2.0-only */
#include "control/control_change.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#define TEXT(x)	 #x
#define VALUE(x) TEXT(x)

static const struct {
	const char *name;
	enum control_verb verb;
} actions[] = {
	{ "drain", CONTROL_DRAIN },	{ "undrain", CONTROL_UNDRAIN },
	{ "disable", CONTROL_DISABLE }, { "enable", CONTROL_ENABLE },
	{ "weight", CONTROL_WEIGHT },
};

static const char *action_read(const json_t *value, struct control_change *change)
{
	for (size_t i = 0; json_is_string(value) && i < ARRAY_SIZE(actions); i++) {
		if (strcmp(json_string_value(value), actions[i].name) == 0) {
			change->verb = actions[i].verb;
			return NULL;
		}
	}
	return "\"action\" must be drain, undrain, disable, enable or weight";
}

static const char *service_read(const json_t *value, struct control_change *change)
{
	size_t length = json_string_length(value);

	if (!json_is_string(value) || length == 0 || length > CONFIG_MAX_NAME)
		return "\"service\" must be the name of a service";
	strcpy(change->service, json_string_value(value));
	return NULL;
}

static const char *weight_read(const json_t *value, struct control_change *change)
{
	json_int_t weight = json_integer_value(value);

	if (!json_is_integer(value) || weight < 0 || weight > LEAT_MAX_WEIGHT)
		return "\"weight\" must be a whole number from 0 to " VALUE(LEAT_MAX_WEIGHT);
	change->weight = (uint32_t)weight;
	return NULL;
}

static const char *plan_read(const json_t *value, struct control_change *change)
{
	if (!json_is_boolean(value))
		return "\"plan\" must be true or false";
	change->is_plan = json_is_true(value);
	return NULL;
}

static const struct {
	const char *key;
	const char *(*read)(const json_t *value, struct control_change *change);
} keys[] = { { "action", action_read },
	     { "service", service_read },
	     { "weight", weight_read },
	     { "plan", plan_read } };

static const char *member_read(const char *key, const json_t *value, struct control_change *change)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (strcmp(key, keys[i].key) == 0)
			return keys[i].read(value, change);
	}
	return "an unknown key; there are \"action\", \"weight\", \"service\" and \"plan\"";
}

static const char *change_read(json_t *body, struct control_change *change)
{
	bool has_weight = json_object_get(body, "weight") != NULL;
	const char *key;
	json_t *value;

	if (!json_is_object(body))
		return "the body must be a JSON object, without duplicate keys";
	json_object_foreach(body, key, value) {
		const char *error = member_read(key, value, change);

		if (error)
			return error;
	}
	if (!json_object_get(body, "action"))
		return "\"action\" is missing";
	if (has_weight != (change->verb == CONTROL_WEIGHT))
		return "\"weight\" goes with the action weight and only with it";
	return NULL;
}

int control_change_parse(const char *backend, const char *body, size_t size,
			 struct control_change *ret_change, const char **ret_error)
{
	cleanup(json_decrefp) json_t *json = NULL;
	struct control_change change = { 0 };
	const char *error;

	if (size > CONTROL_CHANGE_MAX_BODY) {
		*ret_error = "the body is longer than " VALUE(CONTROL_CHANGE_MAX_BODY) " bytes";
		return -EINVAL;
	}
	json = json_loadb(body, size, JSON_REJECT_DUPLICATES, NULL);
	error = change_read(json, &change);
	if (error) {
		*ret_error = error;
		return -EINVAL;
	}
	strcpy(change.backend, backend);
	*ret_change = change;
	return 0;
}
