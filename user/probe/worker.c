/* SPDX-License-Identifier: GPL-2.0-only */
#include "probe/worker.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "probe/probe.h"
#include "probe/prober.h"
#include "probe/schedule.h"

#define TIMER_ACCURACY_US 1000
#define ORDERS_PER_ROUND  64 /* then probes get their turn */

struct worker_run {
	uint64_t id;
	struct worker *worker;
	struct leat_addr address;
	struct probe_config config;
	struct schedule schedule;
	struct probe probe;
	uint64_t started_us; /* of the probe before the next */
	sd_event_source *timer;
	bool is_queued;
	struct worker_run *prev;
	struct worker_run *next;
	UT_hash_handle hh;
};

struct worker {
	struct probe_context context;
	int fd;
	sd_event_source *io;
	struct worker_run *runs;  /* by id */
	struct worker_run *queue; /* whose time has come */
	unsigned int in_flight;
	bool is_pumping;
};

/* Starting a probe can end it, and its end calls this again: the outer call goes on then, so that
 * a long queue is a loop and no recursion. */
static void worker_pump(struct worker *worker)
{
	if (worker->is_pumping)
		return;
	worker->is_pumping = true;
	while (worker->queue && worker->in_flight < PROBER_MAX_IN_FLIGHT) {
		struct worker_run *run = worker->queue;

		DL_DELETE(worker->queue, run);
		run->is_queued = false;
		worker->in_flight++;
		run->started_us = clock_monotonic_us();
		probe_start(&run->probe);
	}
	worker->is_pumping = false;
}

static int on_run_due(sd_event_source *source, uint64_t usec, void *user)
{
	struct worker_run *run = user;

	(void)source;
	(void)usec;
	DL_APPEND(run->worker->queue, run);
	run->is_queued = true;
	worker_pump(run->worker);
	return 0;
}

static int worker_run_arm(struct worker_run *run, uint64_t due_us)
{
	int r = sd_event_source_set_time(run->timer, due_us);

	if (r < 0)
		return r;
	return sd_event_source_set_enabled(run->timer, SD_EVENT_ONESHOT);
}

/* Waits when the daemon is behind: results are what it exists for, and it never waits for us. */
static void worker_send(struct worker *worker, const void *message, size_t size)
{
	while (send(worker->fd, message, size, MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
}

static void on_probe_done(struct probe *probe, const struct probe_result *result)
{
	struct worker_run *run =
		(struct worker_run *)((char *)probe - offsetof(struct worker_run, probe));
	struct worker *worker = run->worker;
	enum probe_layer layer = probe_outcome_layer(result->outcome);
	struct wire_result message = {
		.header = { .kind = WIRE_RESULT, .id = run->id },
		.result = *result,
	};

	worker->in_flight--;
	if (layer != PROBE_LAYER_INTERNAL)
		schedule_record(&run->schedule, layer == PROBE_LAYER_NONE);
	worker_run_arm(run, run->started_us + schedule_period_us(&run->schedule, arc4random()));
	worker_send(worker, &message, sizeof(message));
	worker_pump(worker);
}

static void worker_run_free(struct worker_run *run)
{
	struct worker *worker = run->worker;

	if (run->probe.started_us) {
		probe_deinit(&run->probe);
		worker->in_flight--;
	}
	if (run->is_queued)
		DL_DELETE(worker->queue, run);
	sd_event_source_disable_unref(run->timer);
	probe_config_deinit(&run->config);
	free(run);
}

static void worker_run_freep(struct worker_run **run)
{
	if (*run)
		worker_run_free(*run);
}

static int worker_add(struct worker *worker, uint64_t id, const struct leat_addr *address,
		      const struct probe_config *config)
{
	cleanup(worker_run_freep) struct worker_run *run = calloc(1, sizeof(*run));
	uint64_t due_us;
	int r;

	if (!run)
		return -ENOMEM;
	run->id = id;
	run->worker = worker;
	run->address = *address;
	r = probe_config_copy(config, &run->config);
	if (r < 0)
		return r;
	probe_init(&run->probe, &worker->context, &run->address, &run->config, on_probe_done);
	run->schedule = schedule_new(&run->config);
	due_us = clock_monotonic_us() + schedule_first_delay_us(&run->schedule, arc4random());
	r = sd_event_add_time(worker->context.event, &run->timer, CLOCK_MONOTONIC, due_us,
			      TIMER_ACCURACY_US, on_run_due, run);
	if (r < 0)
		return r;
	HASH_ADD(hh, worker->runs, id, sizeof(run->id), run);
	if (!run->hh.tbl)
		return -ENOMEM;
	run = NULL;
	return 0;
}

static struct worker_run *worker_find(struct worker *worker, uint64_t id)
{
	struct worker_run *run;

	HASH_FIND(hh, worker->runs, &id, sizeof(id), run);
	return run;
}

static int worker_take_add(struct worker *worker, struct wire_add *add, size_t size)
{
	struct probe_config config;
	int r = wire_read_add(add, size, &config);

	if (r < 0)
		return r;
	if (worker_find(worker, add->header.id))
		return -EBADMSG;
	return worker_add(worker, add->header.id, &add->identity.address, &config);
}

static int worker_take_remove(struct worker *worker, uint64_t id)
{
	struct worker_run *run = worker_find(worker, id);

	if (!run)
		return -EBADMSG;
	HASH_DELETE(hh, worker->runs, run);
	worker_run_free(run);
	worker_pump(worker);
	return 0;
}

int worker_take(struct worker *worker, union wire_message *message, size_t size)
{
	if (size < sizeof(message->header))
		return -EBADMSG;
	switch (message->header.kind) {
	case WIRE_ADD:
		return worker_take_add(worker, &message->add, size);
	case WIRE_REMOVE:
		return worker_take_remove(worker, message->header.id);
	case WIRE_PING:
		worker_send(worker, &message->header, sizeof(message->header));
		return 0;
	default:
		return -EBADMSG;
	}
}

/* An order that cannot be carried out would go missing in silence; the daemon starts over instead. */
static void worker_fail(struct worker *worker, int error)
{
	log_warning("prober: an order of the daemon failed: %s", strerror(error));
	sd_event_exit(worker->context.event, -error);
}

static int on_order(sd_event_source *source, int fd, uint32_t events, void *user)
{
	struct worker *worker = user;
	union wire_message message;

	(void)source;
	(void)events;
	for (unsigned int i = 0; i < ORDERS_PER_ROUND; i++) {
		ssize_t n = recv(fd, &message, sizeof(message), MSG_DONTWAIT);
		int r;

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return 0;
		if (n <= 0) {
			sd_event_exit(worker->context.event, 0);
			return 0;
		}
		r = worker_take(worker, &message, (size_t)n);
		if (r < 0) {
			worker_fail(worker, -r);
			return 0;
		}
	}
	return 0;
}

static int worker_prepare(struct worker *worker, const struct icmp_sockets *icmp_sockets)
{
	sd_event *event = worker->context.event;
	int r = http_engine_new(&worker->context.http, event, probe_http_ended);

	if (r >= 0)
		r = icmp_engine_new(&worker->context.icmp, event, icmp_sockets);
	if (r >= 0)
		r = sd_event_add_io(event, &worker->io, worker->fd, EPOLLIN, on_order, worker);
	return MIN(r, 0);
}

int worker_new(struct worker **ret_worker, sd_event *event, int fd,
	       const struct icmp_sockets *icmp_sockets)
{
	cleanup(worker_freep) struct worker *worker = calloc(1, sizeof(*worker));
	int r;

	if (!worker)
		return -ENOMEM;
	worker->context.event = sd_event_ref(event);
	worker->fd = fd;
	r = worker_prepare(worker, icmp_sockets);
	if (r < 0)
		return r;
	*ret_worker = take_ptr(worker);
	return 0;
}

struct worker *worker_free(struct worker *worker)
{
	struct worker_run *run, *next;

	HASH_ITER(hh, worker->runs, run, next) {
		HASH_DELETE(hh, worker->runs, run);
		worker_run_free(run);
	}
	if (worker->context.http)
		http_engine_free(worker->context.http);
	if (worker->context.icmp)
		icmp_engine_free(worker->context.icmp);
	sd_event_source_disable_unref(worker->io);
	sd_event_unref(worker->context.event);
	free(worker);
	return NULL;
}
