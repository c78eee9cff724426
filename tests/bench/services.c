/* SPDX-License-Identifier: GPL-2.0-only */
#include "tests/bench/services.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "config/config_file.h"

#define FLOWS (1U << 20) /* as many as a service of a scenario has to remember */

/* One a line. A backend that is drained opens its slots: `open` has 5 % of them open, `flood` all. */
static const struct bench_service services[] = {
	{ "tcp4", 4, IPPROTO_TCP, 80, .count = 1, .backends = 100 },
	{ "tcp6", 6, IPPROTO_TCP, 80, .count = 1, .backends = 100 },
	{ "udp4", 4, IPPROTO_UDP, 53, .count = 1, .backends = 100 },
	{ "quic4", 4, IPPROTO_UDP, 443, .count = 1, .backends = 100, .is_quic = true },
	{ "allow", 4, IPPROTO_TCP, 91, .count = 1, .backends = 100, .allowed = 100000 },
	{ "rate", 4, IPPROTO_TCP, 92, .count = 1, .backends = 100, .rate = 1000 },
	{ "open", 4, IPPROTO_TCP, 81, .count = 1, .backends = 20, .drained = 1 },
	{ "flood", 4, IPPROTO_TCP, 82, .count = 1, .backends = 20, .standby = 10, .drained = 10 },
	{ "rr", 4, IPPROTO_TCP, 83, .count = 1, .backends = 100,
	  .scheduler = LEAT_SCHEDULER_ROUND_ROBIN, .maps = MAPS_RR },
	{ "lc", 4, IPPROTO_TCP, 84, .count = 1, .backends = 100,
	  .scheduler = LEAT_SCHEDULER_LEAST_CONNECTIONS, .maps = MAPS_LC },
	{ "many", 4, IPPROTO_TCP, 10000, .count = 100, .backends = 10 },
	{ "nobody", 4, IPPROTO_TCP, 9999, .count = 0 },
};

const struct bench_service *bench_service_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(services); i++) {
		if (strcmp(services[i].name, name) == 0)
			return &services[i];
	}
	return NULL;
}

static void write_backend(FILE *yaml, const struct bench_service *service, unsigned int index)
{
	const char *prefix = service->family == 4 ? "198.51.100." : "2001:db8:1::";

	fprintf(yaml, "  - { name: backend%u-%u, address: \"%s%u\"%s", service->family, index + 1,
		prefix, index + 1,
		index >= service->backends - service->standby ? ", weight: 0" : "");
	if (service->is_quic)
		fprintf(yaml, ", server_id: %08x", index);
	fputs(" }\n", yaml);
}

/* As many prefixes of 16 addresses. */
static void write_allowed(FILE *yaml, unsigned int count)
{
	const char *separator = "  allow: [";

	for (unsigned int i = 0; i < count; i++) {
		fprintf(yaml, "%s10.%u.%u.%u/28", separator, i >> 12, i >> 4 & 255, i << 4 & 255);
		separator = ", ";
	}
	fputs(count ? "]\n" : "", yaml);
}

static void write_service(FILE *yaml, const struct bench_service *service, unsigned int index)
{
	fprintf(yaml, "- name: %s-%u\n  address: \"%s\"\n  port: %u\n  protocol: %s\n",
		service->name, index + 1, service->family == 4 ? BENCH_ADDRESS4 : BENCH_ADDRESS6,
		service->port + index, protocol_name(service->protocol));
	if (service->scheduler != LEAT_SCHEDULER_HASH)
		fprintf(yaml, "  scheduler: %s\n", scheduler_name(service->scheduler));
	if (service->is_quic)
		fputs("  quic: { cid: quic-lb, server_id_length: 4 }\n", yaml);
	write_allowed(yaml, service->allowed);
	if (service->rate)
		fprintf(yaml, "  rate: { new: %u/s }\n", service->rate);
	fputs("  forward: ipip\n  backends:\n", yaml);
	for (unsigned int i = 0; i < service->backends; i++)
		write_backend(yaml, service, i);
}

static int write_config(const struct bench_service *list, size_t count, uint32_t flows,
			char **ret_text, size_t *ret_size)
{
	FILE *yaml = open_memstream(ret_text, ret_size);

	if (!yaml)
		return -errno;
	fprintf(yaml, "interfaces: [lo]\nnext_hop: 02:00:00:00:00:01\nflows: %u\nservices:\n",
		flows);
	for (size_t i = 0; i < count; i++) {
		for (unsigned int j = 0; j < list[i].count; j++)
			write_service(yaml, &list[i], j);
	}
	return fclose(yaml) == 0 ? 0 : -errno;
}

int bench_config_make(const struct bench_service *list, size_t count, uint32_t flows,
		      struct config **ret_config)
{
	cleanup(config_errors_deinit) struct config_errors errors = { 0 };
	cleanup(freep) char *text = NULL, *wrong = NULL;
	size_t size;
	int r = write_config(list, count, flows, &text, &size);

	if (r == 0)
		r = config_file_parse("bench", text, size, ret_config, &errors);
	if (r == -EINVAL) {
		wrong = config_errors_format(&errors);
		fputs(wrong ? wrong : "", stderr);
	}
	return r;
}

static void drain(const struct bench_service *what, struct service *service)
{
	for (size_t i = 0; i < service->backend_count; i++) {
		struct operator_change *change = &service->backends[i]->operator_change;

		if (i < what->drained)
			change->state = OPERATOR_DRAIN;
		else if (service->backends[i]->config.weight == 0)
			*change = (struct operator_change){ .has_weight = true,
							    .weight = CONFIG_DEFAULT_WEIGHT };
	}
}

static int open_slots(struct rehearsal *rehearsal)
{
	struct node *node = &rehearsal->node;

	for (size_t i = 0; i < ARRAY_SIZE(services); i++) {
		for (size_t j = 0; services[i].drained && j < node->service_count; j++) {
			struct service *service = node->services[j];

			if (ntohs(service->config.key.port) == services[i].port)
				drain(&services[i], service);
		}
	}
	return applier_apply(&rehearsal->applier, node, node->services, node->service_count, true);
}

static int rehearse(struct rehearsal *rehearsal, enum bench_maps maps)
{
	struct bench_service here[ARRAY_SIZE(services)];
	struct config *config;
	size_t count = 0;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(services); i++) {
		if (services[i].maps == maps)
			here[count++] = services[i];
	}
	r = bench_config_make(here, count, FLOWS, &config);
	if (r == 0)
		r = rehearsal_init(rehearsal, config, false, NULL);
	return r < 0 ? r : open_slots(rehearsal);
}

int bench_rehearse(struct rehearsal ret_rehearsals[MAPS_COUNT])
{
	int r = 0;

	memset(ret_rehearsals, 0, MAPS_COUNT * sizeof(*ret_rehearsals));
	for (int maps = 0; r == 0 && maps < MAPS_COUNT; maps++)
		r = rehearse(&ret_rehearsals[maps], (enum bench_maps)maps);
	if (r < 0)
		bench_end_rehearsals(ret_rehearsals);
	return r;
}

void bench_end_rehearsals(struct rehearsal rehearsals[MAPS_COUNT])
{
	for (size_t i = 0; i < MAPS_COUNT; i++)
		rehearsal_deinit(&rehearsals[i]);
}
