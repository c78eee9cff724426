/* SPDX-License-Identifier: GPL-2.0-only */
#include "datapath/decap.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <ifaddrs.h>
#include <string.h>

#include "base/log.h"
#include "datapath/attach.h"
#include "datapath/library.h"
#include "decap.skel.h"

#define PROGRAM_NAME "leat_decap"

void decap_config_deinit(struct decap_config *config)
{
	free(config->inner);
	free(config->outer);
	free(config->sources);
	*config = (struct decap_config){ 0 };
}

static int add_address(struct leat_addr **list, size_t *count, size_t limit,
		       const struct leat_addr *address)
{
	struct leat_addr *more;

	for (size_t i = 0; i < *count; i++) {
		if (address_equal(&(*list)[i], address))
			return 0;
	}
	if (*count == limit)
		return -ENOSPC;
	more = realloc(*list, (*count + 1) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	more[(*count)++] = *address;
	*list = more;
	return 0;
}

int decap_add_inner(struct decap_config *config, const struct leat_addr *address)
{
	return add_address(&config->inner, &config->inner_count, LEAT_MAX_DECAP_INNER, address);
}

int decap_add_source(struct decap_config *config, const struct prefix *prefix)
{
	struct prefix *more;

	if (config->source_count == LEAT_MAX_DECAP_SOURCES)
		return -ENOSPC;
	more = realloc(config->sources, (config->source_count + 1) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	more[config->source_count++] = *prefix;
	config->sources = more;
	return 0;
}

static int add_own_address(struct decap_config *config, const struct sockaddr *own)
{
	struct leat_addr address;

	if (own->sa_family == AF_INET)
		address = address_from_ipv4(
			((const struct sockaddr_in *)(const void *)own)->sin_addr);
	else if (own->sa_family == AF_INET6)
		address = address_from_ipv6(
			&((const struct sockaddr_in6 *)(const void *)own)->sin6_addr);
	else
		return 0;
	if (!address_is_unicast(&address))
		return 0;
	return add_address(&config->outer, &config->outer_count, LEAT_MAX_DECAP_OUTER, &address);
}

static void free_addressesp(struct ifaddrs **addresses)
{
	freeifaddrs(*addresses);
}

int decap_add_own_addresses(struct decap_config *config)
{
	cleanup(free_addressesp) struct ifaddrs *all = NULL;

	if (getifaddrs(&all) < 0)
		return -errno;
	for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
		int r = i->ifa_addr ? add_own_address(config, i->ifa_addr) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

/* The key of an LPM trie over mapped addresses. */
static struct leat_prefix source_key(const struct prefix *prefix)
{
	struct leat_prefix key = {
		.len = prefix->length + (address_is_ipv4(&prefix->address) ? 96U : 0U),
	};

	memcpy(key.address, &prefix->address, sizeof(key.address));
	return key;
}

static int fill_addresses(const struct bpf_map *map, const struct leat_addr *addresses,
			  size_t count)
{
	const uint8_t one = 1;

	for (size_t i = 0; i < count; i++) {
		int r = bpf_map_update_elem(bpf_map__fd(map), &addresses[i], &one, BPF_ANY);

		if (r < 0)
			return r;
	}
	return 0;
}

static int fill_maps(const struct decap_bpf *skeleton, const struct decap_config *config)
{
	int r;

	r = fill_addresses(skeleton->maps.decap_inner, config->inner, config->inner_count);
	if (r == 0)
		r = fill_addresses(skeleton->maps.decap_outer, config->outer, config->outer_count);
	for (size_t i = 0; r == 0 && i < config->source_count; i++) {
		struct leat_prefix key = source_key(&config->sources[i]);

		uint8_t family = leat_decap_family(&config->sources[i].address);

		r = bpf_map_update_elem(bpf_map__fd(skeleton->maps.decap_source), &key, &family,
					BPF_ANY);
	}
	if (r < 0)
		log_error("cannot fill the maps of leat-decap: %s", strerror(-r));
	return r;
}

static void destroyp(struct decap_bpf **skeleton)
{
	decap_bpf__destroy(*skeleton);
}

/* Maps come first and by themselves, so that a program that is attached is told everything. */
static int load_maps(const struct decap_config *config, struct decap_bpf **ret_maps)
{
	cleanup(destroyp) struct decap_bpf *maps = decap_bpf__open();
	int r;

	if (!maps)
		return -errno;
	bpf_program__set_autoload(maps->progs.leat_decap, false);
	r = decap_bpf__load(maps);
	if (r < 0) {
		log_error("cannot create the maps of leat-decap: %s (%s)", strerror(-r),
			  library_warning());
		return r;
	}
	r = fill_maps(maps, config);
	if (r == 0)
		*ret_maps = take_ptr(maps);
	return r;
}

static int share_maps(const struct decap_bpf *maps, struct decap_bpf *object)
{
	int r = bpf_map__reuse_fd(object->maps.decap_inner, bpf_map__fd(maps->maps.decap_inner));

	if (r == 0)
		r = bpf_map__reuse_fd(object->maps.decap_outer,
				      bpf_map__fd(maps->maps.decap_outer));
	if (r == 0)
		r = bpf_map__reuse_fd(object->maps.decap_source,
				      bpf_map__fd(maps->maps.decap_source));
	if (r == 0)
		r = bpf_map__reuse_fd(object->maps.decap_count,
				      bpf_map__fd(maps->maps.decap_count));
	return r;
}

static int attach_over(const struct decap_bpf *maps, const char *interface, enum attach_mode mode,
		       const struct decap_config *config, bool is_alone,
		       struct interface_status *ret_status)
{
	cleanup(destroyp) struct decap_bpf *object = decap_bpf__open();
	struct attachee attachee = { .name = PROGRAM_NAME, .is_alone = is_alone };
	int r;

	if (!object)
		return -errno;
	object->rodata->options.check_source = config->source_count > 0;
	object->rodata->options.gue_port = htons(config->gue_port);
	r = share_maps(maps, object);
	if (r == 0)
		r = attachee_open(object->obj, PROGRAM_NAME, &attachee.xdp);
	if (r < 0)
		return r;
	attachee.object = object->obj;
	attachee.program = object->progs.leat_decap;
	r = attach_interface(&attachee, interface, mode, ret_status);
	xdp_program__close(attachee.xdp);
	return r;
}

int decap_attach(const char *interface, enum attach_mode mode, const struct decap_config *config,
		 struct interface_status *ret_status)
{
	cleanup(destroyp) struct decap_bpf *maps = NULL;
	int r;

	library_capture_warnings();
	r = load_maps(config, &maps);
	if (r == 0)
		r = attach_over(maps, interface, mode, config, false, ret_status);
	if (r == -ELIBACC)
		r = attach_over(maps, interface, mode, config, true, ret_status);
	return r;
}

int decap_detach(const char *interface)
{
	struct interface_status status;
	int r;

	library_capture_warnings();
	r = attach_status(PROGRAM_NAME, interface, &status);
	return r < 0 ? r : detach_interface(PROGRAM_NAME, interface);
}

/* The maps of the attached program. */
struct live_maps {
	int inner;
	int outer;
	int source;
	int count;
};

#define LIVE_MAPS_NULL                                                                             \
	{                                                                                          \
		-1, -1, -1, -1                                                                     \
	}

static void live_maps_deinit(struct live_maps *maps)
{
	close_fdp(&maps->inner);
	close_fdp(&maps->outer);
	close_fdp(&maps->source);
	close_fdp(&maps->count);
}

static void live_maps_take(struct live_maps *maps, uint32_t id)
{
	cleanup(close_fdp) int fd = bpf_map_get_fd_by_id(id);
	struct bpf_map_info info = { 0 };
	uint32_t size = sizeof(info);

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size) < 0)
		return;
	if (strcmp(info.name, "decap_inner") == 0)
		maps->inner = take_fd(fd);
	else if (strcmp(info.name, "decap_outer") == 0)
		maps->outer = take_fd(fd);
	else if (strcmp(info.name, "decap_source") == 0)
		maps->source = take_fd(fd);
	else if (strcmp(info.name, "decap_count") == 0)
		maps->count = take_fd(fd);
}

static int live_maps_open(struct live_maps *maps, uint32_t program_id)
{
	cleanup(close_fdp) int fd = bpf_prog_get_fd_by_id(program_id);
	uint32_t ids[16];
	struct bpf_prog_info info = { .nr_map_ids = ARRAY_SIZE(ids),
				      .map_ids = (uint64_t)(uintptr_t)ids };
	uint32_t size = sizeof(info);

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size) < 0)
		return -errno;
	for (uint32_t i = 0; i < MIN(info.nr_map_ids, ARRAY_SIZE(ids)); i++)
		live_maps_take(maps, ids[i]);
	if (maps->inner < 0 || maps->outer < 0 || maps->count < 0)
		return -EUCLEAN;
	return 0;
}

static int read_addresses(int fd, struct leat_addr **list, size_t *count, size_t limit)
{
	struct leat_addr key, *previous = NULL;

	while (bpf_map_get_next_key(fd, previous, &key) == 0) {
		int r = add_address(list, count, limit, &key);

		if (r < 0)
			return r;
		previous = &key;
	}
	return 0;
}

/* A program that checks no sources has lost the map of them to the verifier's clean-up. */
static int read_sources(int fd, struct decap_config *config)
{
	struct leat_prefix key, *previous = NULL;

	while (fd >= 0 && bpf_map_get_next_key(fd, previous, &key) == 0) {
		struct prefix prefix = { .length = (uint8_t)key.len };
		int r;

		memcpy(&prefix.address, key.address, sizeof(prefix.address));
		if (address_is_ipv4(&prefix.address) && key.len >= 96)
			prefix.length = (uint8_t)(key.len - 96);
		r = decap_add_source(config, &prefix);
		if (r < 0)
			return r;
		previous = &key;
	}
	return 0;
}

static int read_counters(int fd, struct leat_counter reasons[LEAT_DECAP_REASON_COUNT])
{
	int cpus = libbpf_num_possible_cpus();
	cleanup(freep) struct leat_counter *per_cpu = NULL;

	if (cpus < 0)
		return cpus;
	per_cpu = calloc((size_t)cpus, sizeof(*per_cpu));
	if (!per_cpu)
		return -ENOMEM;
	for (uint32_t reason = 0; reason < LEAT_DECAP_REASON_COUNT; reason++) {
		int r = bpf_map_lookup_elem(fd, &reason, per_cpu);

		if (r < 0)
			return r;
		for (int cpu = 0; cpu < cpus; cpu++) {
			reasons[reason].packets += per_cpu[cpu].packets;
			reasons[reason].bytes += per_cpu[cpu].bytes;
		}
	}
	return 0;
}

int decap_read(const char *interface, struct decap_status *ret_status)
{
	cleanup(live_maps_deinit) struct live_maps maps = LIVE_MAPS_NULL;
	struct decap_status status = { 0 };
	int r;

	library_capture_warnings();
	r = attach_status(PROGRAM_NAME, interface, &status.interface);
	if (r == 0)
		r = live_maps_open(&maps, status.interface.program_id);
	if (r == 0)
		r = read_addresses(maps.inner, &status.config.inner, &status.config.inner_count,
				   LEAT_MAX_DECAP_INNER);
	if (r == 0)
		r = read_addresses(maps.outer, &status.config.outer, &status.config.outer_count,
				   LEAT_MAX_DECAP_OUTER);
	if (r == 0)
		r = read_sources(maps.source, &status.config);
	if (r == 0)
		r = read_counters(maps.count, status.reasons);
	if (r < 0) {
		decap_config_deinit(&status.config);
		return r;
	}
	*ret_status = status;
	return 0;
}
