/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/config.h"

#include <errno.h>
#include <string.h>

static void byte_string_deinit(struct byte_string *bytes)
{
	free(bytes->data);
	*bytes = (struct byte_string){ 0 };
}

void probe_config_deinit(struct probe_config *probe)
{
	byte_string_deinit(&probe->send);
	byte_string_deinit(&probe->expect);
	free(probe->path);
	free(probe->host);
	free(probe->body);
	*probe = (struct probe_config){ 0 };
}

static void service_config_deinit(struct service_config *service)
{
	probe_config_deinit(&service->probe);
	free(service->backends);
	free(service->allow_file);
	free(service->deny_file);
	access_list_unref(service->access);
}

struct config *config_free(struct config *config)
{
	for (size_t i = 0; i < config->service_count; i++) {
		service_config_deinit(&config->services[i]);
	}
	free(config->services);
	free(config->interfaces);
	free(config->control_socket);
	free(config->control_group);
	free(config->metrics_listen);
	free(config->state);
	free(config->deny_file);
	access_list_unref(config->access);
	free(config);
	return NULL;
}

static int string_copy(const char *string, char **ret_copy)
{
	*ret_copy = string ? strdup(string) : NULL;
	return string && !*ret_copy ? -ENOMEM : 0;
}

static int byte_string_copy(const struct byte_string *bytes, struct byte_string *ret_copy)
{
	ret_copy->data = NULL;
	ret_copy->size = bytes->size;
	if (!bytes->data)
		return 0;
	ret_copy->data = malloc(bytes->size + 1);
	if (!ret_copy->data)
		return -ENOMEM;
	memcpy(ret_copy->data, bytes->data, bytes->size);
	ret_copy->data[bytes->size] = '\0';
	return 0;
}

int probe_config_copy(const struct probe_config *probe, struct probe_config *ret_copy)
{
	struct probe_config copy = *probe;
	int r = 0;

	/* Every pointer is replaced before any failure is looked at, so that deinit() frees only ours. */
	r |= byte_string_copy(&probe->send, &copy.send);
	r |= byte_string_copy(&probe->expect, &copy.expect);
	r |= string_copy(probe->path, &copy.path);
	r |= string_copy(probe->host, &copy.host);
	r |= string_copy(probe->body, &copy.body);
	if (r < 0) {
		probe_config_deinit(&copy);
		return -ENOMEM;
	}
	*ret_copy = copy;
	return 0;
}

static bool string_equal(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool byte_string_equal(const struct byte_string *a, const struct byte_string *b)
{
	return a->size == b->size && (a->size == 0 || memcmp(a->data, b->data, a->size) == 0);
}

bool probe_config_same_run(const struct probe_config *a, const struct probe_config *b)
{
	return a->type == b->type && a->port == b->port && a->interval_ms == b->interval_ms &&
	       a->timeout_ms == b->timeout_ms && byte_string_equal(&a->send, &b->send) &&
	       byte_string_equal(&a->expect, &b->expect) && string_equal(a->path, b->path) &&
	       string_equal(a->host, b->host) && string_equal(a->body, b->body) &&
	       a->status_count == b->status_count &&
	       memcmp(a->status, b->status, a->status_count * sizeof(a->status[0])) == 0 &&
	       a->verify == b->verify;
}

bool service_is_quic(const struct service_config *service)
{
	for (size_t i = 0; i < LEAT_QUIC_CONFIGS; i++) {
		if (service->quic_lengths[i])
			return true;
	}
	return false;
}

bool interface_is_listed(const char *name, char (*names)[IF_NAMESIZE], size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(name, names[i]) == 0)
			return true;
	}
	return false;
}

const char *attach_mode_name(enum attach_mode mode)
{
	static const char *const names[] = { "auto", "native", "generic" };

	return names[mode];
}

const char *table_kind_name(enum table_kind kind)
{
	static const char *const names[] = { "rendezvous", "maglev" };

	return names[kind];
}

const char *probe_type_name(enum probe_type type)
{
	static const char *const names[] = { "none", "tcp", "http", "https", "udp", "icmp" };

	return names[type];
}

const char *scheduler_name(enum leat_scheduler scheduler)
{
	static const char *const names[] = { "hash", "round-robin", "least-connections" };

	return names[scheduler];
}

const char *hash_input_name(enum leat_hash_input hash)
{
	static const char *const names[] = { "flow", "source" };

	return names[hash];
}

const char *forward_name(enum leat_forward forward)
{
	static const char *const names[] = { "none", "l2", "ipip", "gue", "nat" };

	return names[forward];
}

const char *protocol_name(uint8_t protocol)
{
	return protocol == IPPROTO_TCP ? "tcp" : "udp";
}
