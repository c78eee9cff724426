/* SPDX-License-Identifier: GPL-2.0-only */
#include "tests/bench/reloads.h"

#include <arpa/inet.h>

#include "tests/bench/affinity.h"
#include "tests/bench/services.h"

static void change_backends(const struct node *node, unsigned int turn)
{
	const struct bench_service *many = bench_service_find("many");

	for (size_t i = 0; i < node->service_count; i++) {
		const struct service *service = node->services[i];
		struct backend *backend = service->backends[turn / 2 % service->backend_count];

		if (ntohs(service->config.key.port) >= many->port)
			backend->operator_change.state = turn % 2 ? OPERATOR_NONE : OPERATOR_DRAIN;
	}
}

static int reload(struct rehearsal *rehearsal, unsigned int turn)
{
	struct node *node = &rehearsal->node;

	change_backends(node, turn);
	return applier_apply(&rehearsal->applier, node, node->services, node->service_count, true);
}

static void *work(void *argument)
{
	struct reloads *reloads = argument;

	reloads->result = affinity_pin(reloads->core);
	while (reloads->result == 0 && !reloads->stops) {
		reloads->result = reload(reloads->rehearsal, reloads->done);
		reloads->done++;
	}
	return NULL;
}

int reloads_start(struct reloads *reloads, struct rehearsal *rehearsal, size_t core)
{
	*reloads = (struct reloads){ .rehearsal = rehearsal, .core = core };
	return -pthread_create(&reloads->thread, NULL, work, reloads);
}

int reloads_stop(struct reloads *reloads)
{
	int r;

	reloads->stops = true;
	r = -pthread_join(reloads->thread, NULL);
	return r < 0 ? r : reloads->result;
}
