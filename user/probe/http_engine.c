/* SPDX-License-Identifier: GPL-2.0-only */
#include "probe/http_engine.h"

#include <assert.h>
#include <errno.h>
#include <sys/epoll.h>

#include "base/clock.h"

#define TIMER_ACCURACY_US 1000

struct http_engine {
	sd_event *event;
	CURLM *multi;
	sd_event_source *timer;
	http_engine_done done;
};

/* Transfers that have ended; done() may remove them and add others. */
static void http_engine_collect(struct http_engine *engine)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(engine->multi, &left))) {
		void *user = NULL;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &user);
		engine->done(user, message->data.result);
	}
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *user)
{
	struct http_engine *engine = user;
	int flags = 0;
	int running;

	(void)source;
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		flags |= CURL_CSELECT_IN;
	if (events & EPOLLOUT)
		flags |= CURL_CSELECT_OUT;
	if (events & EPOLLERR)
		flags |= CURL_CSELECT_ERR;
	curl_multi_socket_action(engine->multi, fd, flags, &running);
	http_engine_collect(engine);
	return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *user)
{
	struct http_engine *engine = user;
	int running;

	(void)source;
	(void)usec;
	curl_multi_socket_action(engine->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	http_engine_collect(engine);
	return 0;
}

static uint32_t epoll_events(int what)
{
	uint32_t events = 0;

	if (what & CURL_POLL_IN)
		events |= EPOLLIN;
	if (what & CURL_POLL_OUT)
		events |= EPOLLOUT;
	return events;
}

/* curl keeps the event source of each socket for us. */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *socket_data)
{
	struct http_engine *engine = user;
	sd_event_source *source = socket_data;
	int r;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		sd_event_source_disable_unref(source);
		curl_multi_assign(engine->multi, fd, NULL);
		return 0;
	}
	if (source)
		return sd_event_source_set_io_events(source, epoll_events(what)) < 0 ? -1 : 0;
	r = sd_event_add_io(engine->event, &source, fd, epoll_events(what), on_io, engine);
	if (r < 0)
		return -1;
	curl_multi_assign(engine->multi, fd, source);
	return 0;
}

/* Never acts at once, even when curl asks for it: this is called from within curl. */
static int on_set_timer(CURLM *multi, long timeout_ms, void *user)
{
	struct http_engine *engine = user;
	int r;

	(void)multi;
	if (timeout_ms < 0)
		return sd_event_source_set_enabled(engine->timer, SD_EVENT_OFF) < 0 ? -1 : 0;
	r = sd_event_source_set_time(engine->timer,
				     clock_monotonic_us() + (uint64_t)timeout_ms * 1000);
	if (r >= 0)
		r = sd_event_source_set_enabled(engine->timer, SD_EVENT_ONESHOT);
	return r < 0 ? -1 : 0;
}

static int http_engine_prepare(struct http_engine *engine)
{
	int r = sd_event_add_time(engine->event, &engine->timer, CLOCK_MONOTONIC, 0,
				  TIMER_ACCURACY_US, on_timer, engine);

	if (r >= 0)
		r = sd_event_source_set_enabled(engine->timer, SD_EVENT_OFF);
	if (r < 0)
		return r;
	if (curl_multi_setopt(engine->multi, CURLMOPT_SOCKETFUNCTION, on_socket) ||
	    curl_multi_setopt(engine->multi, CURLMOPT_SOCKETDATA, engine) ||
	    curl_multi_setopt(engine->multi, CURLMOPT_TIMERFUNCTION, on_set_timer) ||
	    curl_multi_setopt(engine->multi, CURLMOPT_TIMERDATA, engine))
		return -ENOMEM;
	return 0;
}

int http_engine_new(struct http_engine **ret_engine, sd_event *event, http_engine_done done)
{
	cleanup(http_engine_freep) struct http_engine *engine = NULL;
	int r;

	if (curl_global_init(CURL_GLOBAL_DEFAULT))
		return -ENOMEM;
	engine = calloc(1, sizeof(*engine));
	if (!engine) {
		curl_global_cleanup();
		return -ENOMEM;
	}
	engine->event = event;
	engine->done = done;
	engine->multi = curl_multi_init();
	if (!engine->multi)
		return -ENOMEM;
	r = http_engine_prepare(engine);
	if (r < 0)
		return r;
	*ret_engine = take_ptr(engine);
	return 0;
}

struct http_engine *http_engine_free(struct http_engine *engine)
{
	/* Closing connections calls back, so the timer goes last. */
	curl_multi_cleanup(engine->multi);
	sd_event_source_disable_unref(engine->timer);
	free(engine);
	curl_global_cleanup();
	return NULL;
}

int http_engine_add(struct http_engine *engine, CURL *easy)
{
	return curl_multi_add_handle(engine->multi, easy) ? -ENOMEM : 0;
}

void http_engine_remove(struct http_engine *engine, CURL *easy)
{
	curl_multi_remove_handle(engine->multi, easy);
}
