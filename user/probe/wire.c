/* SPDX-License-Identifier: GPL-2.0-only */
#include "probe/wire.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* The compiler must not have put any padding into what is compared and hashed as bytes. */
_Static_assert(offsetof(struct wire_identity, bytes) ==
		       sizeof(struct leat_addr) + 2 * sizeof(uint32_t) + 8 * sizeof(uint16_t) +
			       CONFIG_MAX_STATUS_RANGES * sizeof(struct status_range),
	       "struct wire_identity has padding");

#define ADD_FIXED_SIZE offsetof(struct wire_add, identity.bytes)

static size_t string_size(const char *string)
{
	return string ? strlen(string) + 1 : 0;
}

/* What ends up in a request's first lines: one word, so that it cannot become another line. */
static bool is_one_word(const char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text <= ' ' || *text == '\x7f')
			return false;
	}
	return true;
}

static bool is_host(const char *host)
{
	return *host && is_one_word(host) && !strpbrk(host, "/?#@\\%");
}

static bool is_path(const char *path)
{
	return *path == '/' && is_one_word(path) && !strchr(path, '#');
}

static bool config_is_usable(const struct probe_config *config)
{
	bool is_http = config->type == PROBE_HTTP || config->type == PROBE_HTTPS;

	return config->type > PROBE_NONE && config->type <= PROBE_ICMP && config->interval_ms > 0 &&
	       config->timeout_ms > 0 && (config->port > 0 || config->type == PROBE_ICMP) &&
	       config->status_count <= CONFIG_MAX_STATUS_RANGES && (config->path || !is_http) &&
	       (!config->path || is_path(config->path)) &&
	       (!config->host || is_host(config->host)) &&
	       (config->type != PROBE_UDP || config->send.size > 0);
}

static bool sizes_are_allowed(const struct wire_identity *identity)
{
	return identity->send_size <= CONFIG_MAX_BYTES &&
	       identity->expect_size <= CONFIG_MAX_BYTES &&
	       identity->path_size <= CONFIG_MAX_PATH + 1 &&
	       identity->host_size <= WIRE_MAX_HOST + 1 &&
	       identity->body_size <= CONFIG_MAX_BYTES + 1;
}

static size_t bytes_size(const struct wire_identity *identity)
{
	return (size_t)identity->send_size + identity->expect_size + identity->path_size +
	       identity->host_size + identity->body_size;
}

static int size_write(size_t size, uint16_t *field)
{
	if (size > UINT16_MAX)
		return -EINVAL;
	*field = (uint16_t)size;
	return 0;
}

static int sizes_write(struct wire_identity *identity, const struct probe_config *config)
{
	int r = 0;

	r |= size_write(config->send.size, &identity->send_size);
	r |= size_write(config->expect.size, &identity->expect_size);
	r |= size_write(string_size(config->path), &identity->path_size);
	r |= size_write(string_size(config->host), &identity->host_size);
	r |= size_write(string_size(config->body), &identity->body_size);
	return r < 0 || !sizes_are_allowed(identity) ? -EINVAL : 0;
}

static void bytes_write(uint8_t **cursor, const void *bytes, size_t size)
{
	if (size > 0)
		memcpy(*cursor, bytes, size);
	*cursor += size;
}

static void all_bytes_write(struct wire_identity *identity, const struct probe_config *config)
{
	uint8_t *cursor = identity->bytes;

	bytes_write(&cursor, config->send.data, identity->send_size);
	bytes_write(&cursor, config->expect.data, identity->expect_size);
	bytes_write(&cursor, config->path, identity->path_size);
	bytes_write(&cursor, config->host, identity->host_size);
	bytes_write(&cursor, config->body, identity->body_size);
}

int wire_write_add(struct wire_add *add, uint64_t id, const struct leat_addr *address,
		   const struct probe_config *config, size_t *ret_size)
{
	struct wire_identity *identity = &add->identity;

	memset(add, 0, ADD_FIXED_SIZE);
	if (!config_is_usable(config) || sizes_write(identity, config) < 0)
		return -EINVAL;

	add->header = (struct wire_header){ .kind = WIRE_ADD, .id = id };
	add->rise = config->rise;
	add->fall = config->fall;
	identity->address = *address;
	identity->interval_ms = config->interval_ms;
	identity->timeout_ms = config->timeout_ms;
	identity->port = config->port;
	identity->type = (uint8_t)config->type;
	identity->verify = config->verify;
	identity->status_count = (uint16_t)config->status_count;
	memcpy(identity->status, config->status, config->status_count * sizeof(config->status[0]));
	all_bytes_write(identity, config);
	*ret_size = ADD_FIXED_SIZE + bytes_size(identity);
	return 0;
}

size_t wire_identity_size(size_t size)
{
	assert(size >= ADD_FIXED_SIZE);
	return size - offsetof(struct wire_add, identity);
}

static struct byte_string bytes_read(uint8_t **cursor, size_t size)
{
	struct byte_string bytes = { .data = size > 0 ? *cursor : NULL, .size = size };

	*cursor += size;
	return bytes;
}

/* Exactly one NUL, at the end. */
static int string_read(uint8_t **cursor, size_t size, char **ret_string)
{
	char *string = (char *)*cursor;

	*cursor += size;
	if (size > 0 && memchr(string, '\0', size) != string + size - 1)
		return -EBADMSG;
	*ret_string = size > 0 ? string : NULL;
	return 0;
}

static int all_bytes_read(struct wire_identity *identity, struct probe_config *config)
{
	uint8_t *cursor = identity->bytes;

	config->send = bytes_read(&cursor, identity->send_size);
	config->expect = bytes_read(&cursor, identity->expect_size);
	if (string_read(&cursor, identity->path_size, &config->path) < 0 ||
	    string_read(&cursor, identity->host_size, &config->host) < 0)
		return -EBADMSG;
	return string_read(&cursor, identity->body_size, &config->body);
}

int wire_read_add(struct wire_add *add, size_t size, struct probe_config *ret_config)
{
	struct wire_identity *identity = &add->identity;
	struct probe_config config;

	if (size < ADD_FIXED_SIZE || !sizes_are_allowed(identity) ||
	    size != ADD_FIXED_SIZE + bytes_size(identity) ||
	    identity->status_count > CONFIG_MAX_STATUS_RANGES)
		return -EBADMSG;

	config = (struct probe_config){
		.type = identity->type,
		.port = identity->port,
		.interval_ms = identity->interval_ms,
		.timeout_ms = identity->timeout_ms,
		.rise = add->rise,
		.fall = add->fall,
		.status_count = identity->status_count,
		.verify = identity->verify != 0,
	};
	memcpy(config.status, identity->status, sizeof(config.status));
	if (all_bytes_read(identity, &config) < 0 || !config_is_usable(&config))
		return -EBADMSG;
	*ret_config = config;
	return 0;
}

int wire_read_result(const struct wire_result *message, size_t size,
		     struct probe_result *ret_result)
{
	if (size != sizeof(*message) || message->header.kind != WIRE_RESULT ||
	    (unsigned int)message->result.outcome >= PROBE_OUTCOME_COUNT)
		return -EBADMSG;
	*ret_result = message->result;
	ret_result->detail[sizeof(ret_result->detail) - 1] = '\0';
	wire_make_printable(ret_result->detail, sizeof(ret_result->detail));
	return 0;
}

void wire_make_printable(char *text, size_t size)
{
	for (size_t i = 0; i < size && text[i]; i++) {
		if (text[i] < ' ' || text[i] > '~')
			text[i] = '?';
	}
}
