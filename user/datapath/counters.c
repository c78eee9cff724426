/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counters: the datapath's per CPU, and what is kept of those whose owner has gone.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "datapath/internal.h"

static int read_counter(struct datapath *datapath, const struct bpf_map *map, uint32_t index,
			struct leat_counter *ret_counter)
{
	struct leat_counter sum = { 0 };
	int r = bpf_map_lookup_elem(bpf_map__fd(map), &index, datapath->per_cpu);

	if (r < 0)
		return r;
	for (unsigned int cpu = 0; cpu < datapath->cpus; cpu++) {
		sum.packets += datapath->per_cpu[cpu].packets;
		sum.bytes += datapath->per_cpu[cpu].bytes;
	}
	*ret_counter = sum;
	return 0;
}

static int add_retired(struct datapath *datapath, uint32_t index, struct leat_counter *counter)
{
	int fd = bpf_map__fd(datapath->maps->maps.retired);
	struct leat_counter retired;
	int r = bpf_map_lookup_elem(fd, &index, &retired);

	if (r < 0)
		return r;
	counter->packets += retired.packets;
	counter->bytes += retired.bytes;
	return 0;
}

int datapath_read_service(struct datapath *datapath, uint32_t id, struct leat_counter *ret_counter)
{
	struct leat_counter counter;
	int r = read_counter(datapath, datapath->maps->maps.service_count, id, &counter);

	if (r == 0)
		r = add_retired(datapath, id, &counter);
	if (r == 0)
		*ret_counter = counter;
	return r;
}

int datapath_read_refusals(struct datapath *datapath, uint32_t id,
			   struct leat_refusals *ret_refusals)
{
	cleanup(freep) struct leat_refusals *per_cpu = calloc(datapath->cpus, sizeof(*per_cpu));
	struct leat_refusals sum = { 0 };

	if (!per_cpu)
		return -ENOMEM;
	if (bpf_map_lookup_elem(bpf_map__fd(datapath->maps->maps.refusals), &id, per_cpu) < 0)
		return -errno;
	for (unsigned int cpu = 0; cpu < datapath->cpus; cpu++) {
		for (uint32_t reason = 0; reason < LEAT_REASON_COUNT; reason++)
			sum.packets[reason] += per_cpu[cpu].packets[reason];
	}
	*ret_refusals = sum;
	return 0;
}

int datapath_read_backend(struct datapath *datapath, uint32_t id, struct leat_counter *ret_counter)
{
	return read_counter(datapath, datapath->maps->maps.backend_count, id, ret_counter);
}

int datapath_read_reasons(struct datapath *datapath, struct leat_counter reasons[LEAT_REASON_COUNT])
{
	for (uint32_t reason = 0; reason < LEAT_REASON_COUNT; reason++) {
		int r = read_counter(datapath, datapath->maps->maps.reason_count, reason,
				     &reasons[reason]);

		if (r < 0)
			return r;
	}
	return add_retired(datapath, LEAT_RETIRED_TOTAL, &reasons[LEAT_FORWARDED]);
}

int datapath_read_events(struct datapath *datapath, uint64_t ret_events[LEAT_EVENT_COUNT])
{
	uint64_t *per_cpu = (uint64_t *)datapath->per_cpu;

	for (uint32_t event = 0; event < LEAT_EVENT_COUNT; event++) {
		int r = bpf_map_lookup_elem(bpf_map__fd(datapath->maps->maps.event_count), &event,
					    per_cpu);

		if (r < 0)
			return r;
		ret_events[event] = 0;
		for (unsigned int cpu = 0; cpu < datapath->cpus; cpu++)
			ret_events[event] += per_cpu[cpu];
	}
	return 0;
}

static int zero_counter(struct datapath *datapath, const struct bpf_map *map, uint32_t id)
{
	memset(datapath->per_cpu, 0, datapath->cpus * sizeof(*datapath->per_cpu));
	return bpf_map_update_elem(bpf_map__fd(map), &id, datapath->per_cpu, BPF_ANY);
}

static int zero_refusals(struct datapath *datapath, uint32_t id)
{
	cleanup(freep) struct leat_refusals *per_cpu = calloc(datapath->cpus, sizeof(*per_cpu));

	if (!per_cpu)
		return -ENOMEM;
	return bpf_map_update_elem(bpf_map__fd(datapath->maps->maps.refusals), &id, per_cpu,
				   BPF_ANY);
}

int counters_begin_service(struct datapath *datapath, uint32_t id)
{
	const struct leat_counter zero = { 0 };
	int r = zero_counter(datapath, datapath->maps->maps.service_count, id);

	if (r == 0)
		r = zero_refusals(datapath, id);
	if (r < 0)
		return r;
	return bpf_map_update_elem(bpf_map__fd(datapath->maps->maps.retired), &id, &zero, BPF_ANY);
}

int counters_begin_backend(struct datapath *datapath, uint32_t id)
{
	return zero_counter(datapath, datapath->maps->maps.backend_count, id);
}

static int retire_into(struct datapath *datapath, uint32_t index,
		       const struct leat_counter *counter)
{
	struct leat_counter sum = *counter;
	int r = add_retired(datapath, index, &sum);

	if (r < 0)
		return r;
	return bpf_map_update_elem(bpf_map__fd(datapath->maps->maps.retired), &index, &sum,
				   BPF_ANY);
}

int counters_retire_backend(struct datapath *datapath, uint32_t service_id, uint32_t id)
{
	struct leat_counter counter;
	int r = datapath_read_backend(datapath, id, &counter);

	if (r == 0)
		r = counters_begin_backend(datapath, id);
	if (r == 0 && service_id != LEAT_RETIRED_TOTAL)
		r = retire_into(datapath, service_id, &counter);
	if (r == 0)
		r = retire_into(datapath, LEAT_RETIRED_TOTAL, &counter);
	return r;
}
