/* SPDX-License-Identifier: GPL-2.0-only */
/* One message of either direction, as it would come from a peer that has been taken over. */
#include <assert.h>
#include <string.h>
#include <sys/socket.h>

#include "probe/worker.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Its loop is never run, so it takes orders and probes nothing. */
static struct worker *worker;
static int fd;

static void start_worker(void)
{
	static const struct icmp_sockets no_sockets = { .fd4 = -1, .fd6 = -1 };
	sd_event *event = NULL;
	int fds[2];
	int r;

	r = sd_event_new(&event);
	assert(r >= 0);
	r = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds);
	assert(r >= 0);
	fd = fds[0];
	r = worker_new(&worker, event, fds[1], &no_sockets);
	assert(r >= 0);
}

static void take_order(const uint8_t *data, size_t size)
{
	union wire_message message;
	uint64_t id;

	memcpy(&message, data, size);
	id = message.header.id;
	if (worker_take(worker, &message, size) < 0 || message.header.kind != WIRE_ADD)
		return;
	message.header = (struct wire_header){ .kind = WIRE_REMOVE, .id = id };
	if (worker_take(worker, &message, sizeof(message.header)) < 0)
		abort();
}

/* What the daemon would show to people. */
static void take_result(const uint8_t *data, size_t size)
{
	struct probe_result result;
	struct wire_result message;

	memcpy(&message, data, MIN(size, sizeof(message)));
	if (wire_read_result(&message, size, &result) < 0)
		return;
	if (strlen(result.detail) >= sizeof(result.detail) ||
	    probe_outcome_layer(result.outcome) >= PROBE_LAYER_COUNT)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char answer[sizeof(struct wire_header)];

	if (!worker)
		start_worker();
	if (size < sizeof(struct wire_header) || size > sizeof(union wire_message))
		return 0;
	take_order(data, size);
	take_result(data, size);
	while (recv(fd, answer, sizeof(answer), MSG_DONTWAIT) > 0)
		;
	return 0;
}
