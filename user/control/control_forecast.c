/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a change of configuration does, and which ones ran, as JSON.
 */
#include <string.h>

#include "control/control_json.h"

/* The largest; what is left out is said. */
#define MAX_MOVES 64

static json_t *keys_json(const char *const *keys, size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++)
		list = control_json_append(list, json_string(keys[i]));
	return list;
}

/* "" where no backend is. */
static const char *name_of(const struct difference_service *service, size_t index)
{
	return index == DIFFERENCE_NOBODY ? "" : service->backends[index].name;
}

static json_t *moves_json(const struct difference_service *service)
{
	json_t *list = json_array();

	for (size_t i = 0; i < MIN(service->move_count, (size_t)MAX_MOVES); i++) {
		const struct difference_move *move = &service->moves[i];

		list = control_json_append(
			list, json_pack("{s:o, s:o, s:o}", "from",
					control_text_json(name_of(service, move->from)), "to",
					control_text_json(name_of(service, move->to)), "share",
					control_real_json(move->share)));
	}
	return list;
}

static json_t *backend_json(const struct difference_backend *backend)
{
	json_t *json;

	json = json_pack(
		"{s:o, s:o, s:s, s:s?, s:o, s:o}", "name", control_text_json(backend->name),
		"address", control_address_json(&backend->address), "change",
		difference_kind_name(backend->kind), "state",
		backend->kind == DIFFERENCE_REMOVED ? NULL
						    : backend_state_name(backend->state_after),
		"weight_before", control_number_json(backend->weight_before), "weight_after",
		control_number_json(backend->weight_after));
	return control_json_merge(
		json, json_pack("{s:o, s:o, s:o, s:o, s:o, s:b, s:s?}", "slots_before",
				control_number_json(backend->slots_before), "slots_after",
				control_number_json(backend->slots_after), "share_before",
				control_real_json(backend->share_before), "share_after",
				control_real_json(backend->share_after), "flows",
				control_number_json(backend->flows.live), "flows_counted",
				backend->flows.is_counted, "breaks", backend->breaks));
}

static json_t *backends_json(const struct difference_service *service)
{
	json_t *list = json_array();

	for (size_t i = 0; i < service->backend_count; i++)
		list = control_json_append(list, backend_json(&service->backends[i]));
	return list;
}

static json_t *later_json(const struct difference_service *later)
{
	json_t *list = json_array();

	for (size_t i = 0; i < later->backend_count; i++) {
		const struct difference_backend *backend = &later->backends[i];

		list = control_json_append(
			list, json_pack("{s:o, s:o, s:o}", "name", control_text_json(backend->name),
					"slots", control_number_json(backend->slots_after), "share",
					control_real_json(backend->share_after)));
	}
	return json_pack("{s:o, s:o, s:o, s:o}", "slots_moved",
			 control_number_json(later->slots_moved), "share_moved",
			 control_real_json(later->share_moved), "moves", moves_json(later),
			 "backends", list);
}

/* Where that is something else than at once; NULL: it is not. */
static const struct difference_service *find_later(const struct forecast *forecast,
						   const struct difference_service *now)
{
	for (size_t i = 0; i < forecast->once_up.service_count; i++) {
		const struct difference_service *later = &forecast->once_up.services[i];

		if (memcmp(&later->key, &now->key, sizeof(now->key)) != 0)
			continue;
		for (size_t j = 0; j < later->backend_count; j++) {
			if (later->backends[j].slots_after != now->backends[j].slots_after)
				return later;
		}
	}
	return NULL;
}

static json_t *service_json(const struct forecast *forecast,
			    const struct difference_service *service)
{
	const struct difference_service *later = find_later(forecast, service);
	size_t left_out = service->move_count > MAX_MOVES ? service->move_count - MAX_MOVES : 0;
	json_t *json;

	json = json_pack("{s:o, s:o, s:o, s:s, s:s, s:o}", "name", control_text_json(service->name),
			 "address", control_address_json(&service->key.address), "port",
			 control_port_json(service->key.port), "protocol",
			 protocol_name(service->key.protocol), "change",
			 difference_kind_name(service->kind), "keys",
			 keys_json(service->keys, service->key_count));
	json = control_json_merge(
		json,
		json_pack("{s:o, s:o, s:o, s:b, s:o, s:{s:b, s:o, s:o}}", "slots",
			  control_number_json(service->slots), "slots_moved",
			  control_number_json(service->slots_moved), "slots_opened",
			  control_number_json(service->slots_opened), "rehashed",
			  service->is_rehashed, "share_moved",
			  control_real_json(service->share_moved), "flows", "counted",
			  service->is_counted, "stay", control_number_json(service->flows_stay),
			  "break", control_number_json(service->flows_break)));
	return control_json_merge(json,
				  json_pack("{s:o, s:o, s:o, s:o}", "moves", moves_json(service),
					    "moves_left_out", control_number_json(left_out),
					    "backends", backends_json(service), "once_up",
					    later ? later_json(later) : json_null()));
}

json_t *control_forecast_json(const struct forecast *forecast)
{
	const struct difference *now = &forecast->now;
	json_t *list = json_array();

	for (size_t i = 0; i < now->service_count; i++)
		list = control_json_append(list, service_json(forecast, &now->services[i]));
	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "version", forecast->version, "keys",
			 keys_json(now->keys, now->key_count), "services", list, "unchanged",
			 control_number_json(now->unchanged), "memory_before",
			 control_number_json(now->memory_before), "memory_after",
			 control_number_json(now->memory_after));
}

json_t *control_trial_json(const struct config_trial *trial)
{
	if (!trial->is_on)
		return json_null();
	return json_pack("{s:o, s:o, s:o, s:b}", "back_to", control_number_json(trial->back_to),
			 "until", control_number_json(trial->until_s), "min_healthy",
			 control_number_json(trial->min_healthy), "needs_confirmation",
			 trial->needs_confirmation);
}

static json_t *version_json(const struct config_version *version)
{
	char text[CONFIG_VERSION_TEXT_SIZE];

	return json_pack(
		"{s:s, s:o, s:o, s:s, s:o}", "version", config_version_format(version, text),
		"number", control_number_json(version->number), "timestamp",
		control_number_json(version->time_s), "by", config_origin_name(version->origin),
		"note", control_text_json(version->note));
}

/* The newest first. */
json_t *control_versions_json(const struct config_versions *versions)
{
	char text[CONFIG_VERSION_TEXT_SIZE];
	json_t *list = json_array();

	for (size_t i = versions->count; i-- > 0;)
		list = control_json_append(list, version_json(&versions->list[i]));
	return json_pack("{s:s, s:o, s:o}", "version",
			 config_version_format(config_versions_running(versions), text), "trial",
			 control_trial_json(&versions->trial), "versions", list);
}
