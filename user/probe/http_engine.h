/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * libcurl's multi interface on the loop: transfers go in, their ends come out. Knows nothing of
 * probes.
 */
#ifndef LEAT_PROBE_HTTP_ENGINE_H
#define LEAT_PROBE_HTTP_ENGINE_H

#include <curl/curl.h>
#include <systemd/sd-event.h>

#include "base/macros.h"

struct http_engine;

/* A transfer has ended; `user` is its CURLOPT_PRIVATE. It is still the engine's: remove it. */
typedef void (*http_engine_done)(void *user, CURLcode code);

/* 0 or -errno. */
int http_engine_new(struct http_engine **ret_engine, sd_event *event, http_engine_done done);
/* After all transfers were removed. */
struct http_engine *http_engine_free(struct http_engine *engine);

/* 0 or -errno. The end is reported from the loop, never from within these. */
int http_engine_add(struct http_engine *engine, CURL *easy);
/* Stops a transfer; not to be called from curl's callbacks. */
void http_engine_remove(struct http_engine *engine, CURL *easy);

DEFINE_CLEANUP(struct http_engine *, http_engine_free)

#endif
