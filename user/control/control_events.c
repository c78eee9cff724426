/* SPDX-License-Identifier: GPL-2.0-only */
#include "control/control_events.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/number.h"
#include "control/control_json.h"

/* A client that follows events, and the line that it is being sent. */
struct watcher {
	struct control_watchers *watchers;
	const struct event_ring *ring;
	struct control_selection selection; /* `after` is the number of the last one sent */
	char *line;
	size_t length, sent;
};

static bool parse_name(const struct http_request *request, const char *key,
		       char name[CONFIG_MAX_NAME + 1])
{
	const char *value = http_request_query(request, key);

	if (value && strlen(value) > CONFIG_MAX_NAME)
		return false;
	strcpy(name, value ?: "");
	return true;
}

static bool kind_exists(const char *name)
{
	for (unsigned int kind = 0; kind < EVENT_KIND_COUNT; kind++) {
		if (strcmp(event_kind_name((enum event_kind)kind), name) == 0)
			return true;
	}
	return false;
}

static bool parse_names(const struct http_request *request, struct control_selection *selection,
			const char **ret_error)
{
	if (!parse_name(request, "service", selection->service) ||
	    !parse_name(request, "backend", selection->backend)) {
		*ret_error = "that is too long for a name";
		return false;
	}
	if (!parse_name(request, "kind", selection->kind) ||
	    (selection->kind[0] && !kind_exists(selection->kind))) {
		*ret_error = "there is no such kind of event";
		return false;
	}
	return true;
}

int control_selection_parse(const struct http_request *request, const struct event_ring *ring,
			    struct control_selection *ret_selection, const char **ret_error)
{
	const char *after = http_request_query(request, "after");
	const char *follow = http_request_query(request, "follow");
	struct control_selection selection = { 0 };

	selection.is_followed = follow && strcmp(follow, "1") == 0;
	if (follow && !selection.is_followed && strcmp(follow, "0") != 0) {
		*ret_error = "\"follow\" must be 0 or 1";
		return -EINVAL;
	}
	if (after && number_parse(after, 0, UINT64_MAX - 1, &selection.after) < 0) {
		*ret_error = "\"after\" must be the number of an event";
		return -EINVAL;
	}
	if (!parse_names(request, &selection, ret_error))
		return -EINVAL;
	if (!after && selection.is_followed)
		selection.after = ring->last;
	else if (selection.after > ring->last)
		selection.after = 0;
	*ret_selection = selection;
	return 0;
}

static bool is_wanted(const char *asked, const char *name)
{
	return !asked[0] || strcmp(asked, name) == 0;
}

static bool is_selected(const struct control_selection *selection, const struct event *event)
{
	return is_wanted(selection->kind, event_kind_name(event->kind)) &&
	       is_wanted(selection->service, event->service) &&
	       is_wanted(selection->backend, event->backend);
}

/* The next one that is selected, or NULL. *after becomes its number, or the last one's. */
static const struct event *next_selected(const struct event_ring *ring,
					 const struct control_selection *selection, uint64_t *after)
{
	const struct event *event;

	while ((event = event_ring_next(ring, *after))) {
		*after = event->number;
		if (is_selected(selection, event))
			return event;
	}
	return NULL;
}

static json_t *name_json(const char *name)
{
	return name[0] ? json_string(name) : json_null();
}

json_t *control_event_json(const struct event *event)
{
	return json_pack("{s:o, s:o, s:s, s:s, s:o, s:o, s:o}", "number",
			 control_number_json(event->number), "time_ms",
			 control_number_json(event->time_ms), "kind", event_kind_name(event->kind),
			 "level", log_level_name(event_kind_level(event->kind)), "service",
			 name_json(event->service), "backend", name_json(event->backend), "text",
			 control_text_json(event->text));
}

json_t *control_events_json(const struct event_ring *ring,
			    const struct control_selection *selection)
{
	uint64_t after = selection->after;
	json_t *list = json_array();
	const struct event *event;

	while ((event = next_selected(ring, selection, &after)))
		list = control_json_append(list, control_event_json(event));
	return json_pack("{s:o, s:o, s:o}", "events", list, "lost",
			 control_number_json(event_ring_lost(ring, selection->after)), "last",
			 control_number_json(ring->last));
}

static int watcher_set_line(struct watcher *watcher, json_t *json)
{
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	int length;

	json_decref(json);
	if (!text)
		return -ENOMEM;
	free(watcher->line);
	watcher->sent = watcher->length = 0;
	length = asprintf(&watcher->line, "%s\n", text);
	free(text);
	if (length < 0) {
		watcher->line = NULL;
		return -ENOMEM;
	}
	watcher->length = (size_t)length;
	return 0;
}

/* What was lost is told before what comes after it. */
static int watcher_advance(struct watcher *watcher)
{
	uint64_t *after = &watcher->selection.after;
	uint64_t lost = event_ring_lost(watcher->ring, *after);
	const struct event *event;

	if (lost) {
		*after += lost;
		return watcher_set_line(watcher,
					json_pack("{s:o}", "lost", control_number_json(lost)));
	}
	event = next_selected(watcher->ring, &watcher->selection, after);
	return event ? watcher_set_line(watcher, control_event_json(event)) : 0;
}

/* Copies what fits of the current line; how much. */
static size_t watcher_copy(struct watcher *watcher, char *data, size_t size)
{
	size_t length = MIN(size, watcher->length - watcher->sent);

	if (length > 0)
		memcpy(data, watcher->line + watcher->sent, length);
	watcher->sent += length;
	return length;
}

/* As many lines as there are and fit. */
static ssize_t watcher_read(void *user, char *data, size_t size)
{
	struct watcher *watcher = user;
	size_t filled = watcher_copy(watcher, data, size), length = 1;

	while (filled < size && length > 0) {
		if (watcher_advance(watcher) < 0)
			return -1;
		length = watcher_copy(watcher, data + filled, size - filled);
		filled += length;
	}
	return (ssize_t)filled;
}

static void watcher_end(void *user, bool is_cut_off)
{
	struct watcher *watcher = user;

	watcher->watchers->count--;
	free(watcher->line);
	free(watcher);
	if (is_cut_off)
		log_warning("a watcher of events took none for %d s and was cut off",
			    HTTP_TIMEOUT_S);
}

int control_watchers_add(struct control_watchers *watchers, const struct event_ring *ring,
			 const struct control_selection *selection,
			 struct http_response *ret_response)
{
	struct watcher *watcher;

	if (watchers->count >= CONTROL_MAX_WATCHERS)
		return -ENOSPC;
	watcher = calloc(1, sizeof(*watcher));
	if (!watcher)
		return -ENOMEM;
	watchers->count++;
	*watcher = (struct watcher){
		.watchers = watchers,
		.ring = ring,
		.selection = *selection,
	};
	ret_response->status = 200;
	ret_response->content_type = "application/x-ndjson";
	ret_response->stream = (struct http_stream){
		.read = watcher_read,
		.end = watcher_end,
		.pulse = "\n",
		.user = watcher,
	};
	return 0;
}
