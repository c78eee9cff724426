/* SPDX-License-Identifier: GPL-2.0-only */
#include "probe/prober.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "probe/prober_process.h"
#include "probe/wire.h"

#define MAX_RUNS	   (2 * LEAT_MAX_BACKENDS) /* a reload may replace all of them */
#define RESULTS_PER_ROUND  64			   /* then the rest of the daemon gets its turn */
#define TIMER_ACCURACY_US  10000
#define PING_INTERVAL_US   1000000
#define MAX_SILENCE_US	   5000000 /* a child that answers no ping for so long hangs */
#define MIN_BACKOFF_US	   100000
#define MAX_BACKOFF_US	   10000000
#define STABLE_LIFETIME_US 30000000 /* a child that lived for so long is started again soon */

/* What the child does not know yet. */
enum run_news {
	RUN_IS_KNOWN,
	RUN_IS_NEW,
	RUN_IS_GONE,
};

/* One probe of one address, for all who watch it. Its order is its configuration. */
struct prober_run {
	struct prober *prober;
	struct wire_add *order; /* as large as it is sent */
	size_t order_size;
	uint64_t id;
	struct probe_watch *watches;
	bool is_dispatching; /* its watches are being told: none may be freed */
	enum run_news news;
	struct prober_run *prev; /* in prober->unsent, unless it is known */
	struct prober_run *next;
	UT_hash_handle hh_id;
	UT_hash_handle hh_identity;
};

struct probe_watch {
	struct prober_run *run;
	void *subject;
	bool is_gone;
	struct probe_watch *prev;
	struct probe_watch *next;
};

struct prober {
	sd_event *event;
	prober_result result;
	void *user;
	struct prober_process process;
	sd_event_source *io;
	sd_event_source *timer; /* for the next ping, or the next child when there is none */
	uint64_t started_us;	/* the child */
	uint64_t heard_us;	/* anything from it */
	uint64_t backoff_us;
	uint64_t last_id;
	unsigned int run_count; /* those that are gone but not sent included */
	struct prober_run *runs_by_id;
	struct prober_run *runs_by_identity;
	struct prober_run
		*unsent; /* no queue of messages, so nothing that can grow beyond the runs */
};

static void prober_lose(struct prober *prober, const char *why);

static void run_free(struct prober_run *run)
{
	run->prober->run_count--;
	free(run->order);
	free(run);
}

static void run_announce(struct prober_run *run, enum run_news news)
{
	if (run->news == RUN_IS_KNOWN)
		DL_APPEND(run->prober->unsent, run);
	run->news = news;
}

static ssize_t run_send_news(const struct prober_run *run)
{
	struct wire_header removal = { .kind = WIRE_REMOVE, .id = run->id };
	int fd = run->prober->process.fd;

	if (run->news == RUN_IS_GONE)
		return send(fd, &removal, sizeof(removal), MSG_DONTWAIT | MSG_NOSIGNAL);
	return send(fd, run->order, run->order_size, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void run_was_sent(struct prober_run *run)
{
	bool is_gone = run->news == RUN_IS_GONE;

	DL_DELETE(run->prober->unsent, run);
	run->news = RUN_IS_KNOWN;
	if (is_gone)
		run_free(run);
}

/* Tells the child as much as its socket takes; the rest when there is room again. A child that is
 * dead is noticed by the loop. */
static void prober_flush(struct prober *prober)
{
	if (!prober->process.pid)
		return;
	while (prober->unsent && run_send_news(prober->unsent) >= 0)
		run_was_sent(prober->unsent);
	sd_event_source_set_io_events(prober->io, prober->unsent ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

/* After the last watch: results still under way find no run and are ignored. */
static void run_retire(struct prober_run *run)
{
	struct prober *prober = run->prober;

	HASH_DELETE(hh_id, prober->runs_by_id, run);
	HASH_DELETE(hh_identity, prober->runs_by_identity, run);
	if (run->news == RUN_IS_NEW) {
		DL_DELETE(prober->unsent, run);
		run_free(run);
		return;
	}
	run_announce(run, RUN_IS_GONE);
	prober_flush(prober);
}

static void run_sweep(struct prober_run *run)
{
	struct probe_watch *watch, *next;

	DL_FOREACH_SAFE(run->watches, watch, next) {
		if (!watch->is_gone)
			continue;
		DL_DELETE(run->watches, watch);
		free(watch);
	}
	if (!run->watches)
		run_retire(run);
}

static void run_dispatch(struct prober_run *run, const struct probe_result *result)
{
	struct prober *prober = run->prober;
	struct probe_watch *watch;

	run->is_dispatching = true;
	DL_FOREACH(run->watches, watch) {
		if (!watch->is_gone)
			prober->result(prober->user, watch->subject, result);
	}
	run->is_dispatching = false;
	run_sweep(run);
}

static int prober_take_result(struct prober *prober, const struct wire_result *message, size_t size)
{
	struct probe_result result;
	struct prober_run *run;
	int r = wire_read_result(message, size, &result);

	if (r < 0)
		return r;
	HASH_FIND(hh_id, prober->runs_by_id, &message->header.id, sizeof(message->header.id), run);
	if (run)
		run_dispatch(run, &result);
	return 0;
}

static int prober_take(struct prober *prober, const union wire_message *message, size_t size)
{
	if (size < sizeof(message->header))
		return -EBADMSG;
	prober->heard_us = clock_monotonic_us();
	if (message->header.kind == WIRE_PING)
		return 0;
	return prober_take_result(prober, &message->result, size);
}

/* False when there is nothing more to receive for now. */
static bool prober_receive(struct prober *prober)
{
	union wire_message message;
	ssize_t n = recv(prober->process.fd, &message, sizeof(message), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		prober_lose(prober, "ended");
		return false;
	}
	if (prober_take(prober, &message, (size_t)n) < 0) {
		prober_lose(prober, "sent nonsense and was ended");
		return false;
	}
	return true;
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *user)
{
	struct prober *prober = user;

	(void)source;
	(void)fd;
	if (events & EPOLLOUT)
		prober_flush(prober);
	for (unsigned int i = 0; i < RESULTS_PER_ROUND && prober_receive(prober); i++)
		;
	return 0;
}

static int prober_arm(struct prober *prober, uint64_t delay_us)
{
	int r = sd_event_source_set_time_relative(prober->timer, delay_us);

	if (r >= 0)
		r = sd_event_source_set_enabled(prober->timer, SD_EVENT_ONESHOT);
	return MIN(r, 0);
}

/* A new child knows nothing: it hears of every run, and of none that is gone. */
static void prober_announce_all(struct prober *prober)
{
	struct prober_run *run, *next;

	DL_FOREACH_SAFE(prober->unsent, run, next) {
		if (run->news == RUN_IS_GONE)
			run_was_sent(run);
	}
	HASH_ITER(hh_id, prober->runs_by_id, run, next)
		run_announce(run, RUN_IS_NEW);
}

static int prober_start(struct prober *prober)
{
	int r = prober_process_init(&prober->process);

	if (r < 0)
		return r;
	r = sd_event_add_io(prober->event, &prober->io, prober->process.fd, EPOLLIN, on_io, prober);
	if (r < 0) {
		prober_process_deinit(&prober->process);
		return r;
	}
	prober->started_us = prober->heard_us = clock_monotonic_us();
	prober_announce_all(prober);
	prober_flush(prober);
	return prober_arm(prober, PING_INTERVAL_US);
}

/* Another child comes soon, but one that dies again and again does not keep the node busy. */
static void prober_restart_later(struct prober *prober)
{
	if (clock_monotonic_us() - prober->started_us > STABLE_LIFETIME_US)
		prober->backoff_us = MIN_BACKOFF_US;
	prober_arm(prober, prober->backoff_us);
	prober->backoff_us = MIN(2 * prober->backoff_us, (uint64_t)MAX_BACKOFF_US);
}

static void prober_lose(struct prober *prober, const char *why)
{
	pid_t pid = prober->process.pid;
	int status;

	prober->io = sd_event_source_disable_unref(prober->io);
	status = prober_process_deinit(&prober->process);
	prober_restart_later(prober);
	log_warning("prober: process %d %s (%s %d); no probes until another starts", pid, why,
		    WIFSIGNALED(status) ? "signal" : "status",
		    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

static void prober_ping(struct prober *prober)
{
	struct wire_header ping = { .kind = WIRE_PING };

	if (clock_monotonic_us() - prober->heard_us > MAX_SILENCE_US) {
		prober_lose(prober, "does not answer and was ended");
		return;
	}
	/* A full socket is no reason to worry: what is in it will be answered. */
	send(prober->process.fd, &ping, sizeof(ping), MSG_DONTWAIT | MSG_NOSIGNAL);
	prober_arm(prober, PING_INTERVAL_US);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *user)
{
	struct prober *prober = user;
	int r;

	(void)source;
	(void)usec;
	if (prober->process.pid) {
		prober_ping(prober);
		return 0;
	}
	r = prober_start(prober);
	if (r < 0) {
		log_warning("prober: cannot start a process: %s; trying again", strerror(-r));
		prober_restart_later(prober);
	}
	return 0;
}

int prober_new(struct prober **ret_prober, sd_event *event, prober_result result, void *user)
{
	cleanup(prober_freep) struct prober *prober = calloc(1, sizeof(*prober));
	int r;

	if (!prober)
		return -ENOMEM;
	prober->event = sd_event_ref(event);
	prober->result = result;
	prober->user = user;
	prober->process = PROBER_PROCESS_NULL;
	prober->backoff_us = MIN_BACKOFF_US;
	r = sd_event_add_time_relative(event, &prober->timer, CLOCK_MONOTONIC, PING_INTERVAL_US,
				       TIMER_ACCURACY_US, on_timer, prober);
	if (r < 0)
		return r;
	r = prober_start(prober);
	if (r < 0)
		return r;
	*ret_prober = take_ptr(prober);
	return 0;
}

static void run_free_with_watches(struct prober_run *run)
{
	struct probe_watch *watch, *next;

	DL_FOREACH_SAFE(run->watches, watch, next)
		free(watch);
	run_free(run);
}

static void prober_free_runs(struct prober *prober)
{
	struct prober_run *run, *next;

	DL_FOREACH_SAFE(prober->unsent, run, next) {
		if (run->news == RUN_IS_GONE)
			run_was_sent(run);
	}
	HASH_CLEAR(hh_identity, prober->runs_by_identity);
	HASH_ITER(hh_id, prober->runs_by_id, run, next) {
		HASH_DELETE(hh_id, prober->runs_by_id, run);
		run_free_with_watches(run);
	}
}

struct prober *prober_free(struct prober *prober)
{
	prober_free_runs(prober);
	sd_event_source_disable_unref(prober->io);
	sd_event_source_disable_unref(prober->timer);
	prober_process_deinit(&prober->process);
	sd_event_unref(prober->event);
	free(prober);
	return NULL;
}

static struct prober_run *prober_find(struct prober *prober, const struct wire_add *order,
				      size_t size)
{
	struct prober_run *run;

	HASH_FIND(hh_identity, prober->runs_by_identity, &order->identity, wire_identity_size(size),
		  run);
	return run;
}

static struct prober_run *run_new(struct prober *prober, const struct wire_add *order, size_t size)
{
	cleanup(freep) struct prober_run *run = calloc(1, sizeof(*run));

	if (!run)
		return NULL;
	run->order = malloc(size);
	if (!run->order)
		return NULL;
	memcpy(run->order, order, size);
	run->order_size = size;
	run->prober = prober;
	run->id = ++prober->last_id;
	run->order->header.id = run->id;
	prober->run_count++;
	return take_ptr(run);
}

static struct prober_run *prober_add(struct prober *prober, const struct wire_add *order,
				     size_t size)
{
	struct prober_run *run = run_new(prober, order, size);

	if (!run)
		return NULL;
	HASH_ADD(hh_id, prober->runs_by_id, id, sizeof(run->id), run);
	if (!run->hh_id.tbl) {
		run_free(run);
		return NULL;
	}
	HASH_ADD_KEYPTR(hh_identity, prober->runs_by_identity, &run->order->identity,
			wire_identity_size(size), run);
	if (!run->hh_identity.tbl) {
		HASH_DELETE(hh_id, prober->runs_by_id, run);
		run_free(run);
		return NULL;
	}
	run_announce(run, RUN_IS_NEW);
	return run;
}

int prober_watch(struct prober *prober, const struct leat_addr *address,
		 const struct probe_config *config, void *subject, struct probe_watch **ret_watch)
{
	cleanup(freep) struct probe_watch *watch = calloc(1, sizeof(*watch));
	struct wire_add order;
	size_t size;
	int r = wire_write_add(&order, 0, address, config, &size);

	if (r < 0)
		return r;
	if (!watch)
		return -ENOMEM;
	watch->subject = subject;
	watch->run = prober_find(prober, &order, size);
	if (!watch->run && prober->run_count >= MAX_RUNS)
		return -ENOSPC;
	if (!watch->run)
		watch->run = prober_add(prober, &order, size);
	if (!watch->run)
		return -ENOMEM;
	/* In front: a watch made while its run is dispatched waits for the next result. */
	DL_PREPEND(watch->run->watches, watch);
	prober_flush(prober);
	*ret_watch = take_ptr(watch);
	return 0;
}

struct probe_watch *prober_unwatch(struct probe_watch *watch)
{
	watch->is_gone = true;
	if (!watch->run->is_dispatching)
		run_sweep(watch->run);
	return NULL;
}
