/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The messages between the daemon and the process that probes, one per datagram of a SOCK_SEQPACKET
 * pair. Both ends are the same binary, so there is no version and no byte order; but neither trusts
 * the other's bytes, and every message has a largest size.
 */
#ifndef LEAT_PROBE_WIRE_H
#define LEAT_PROBE_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "model/config.h"
#include "model/probe_result.h"

#define WIRE_MAX_HOST  255
#define WIRE_MAX_BYTES (CONFIG_MAX_PATH + WIRE_MAX_HOST + 3 * CONFIG_MAX_BYTES + 3)

enum wire_kind {
	WIRE_ADD = 1, /* to the child: probe this from now on */
	WIRE_REMOVE,  /* to the child: no longer */
	WIRE_PING,    /* to the child, which sends it back */
	WIRE_RESULT,  /* from the child: a probe has ended */
	WIRE_KIND_END,
};

struct wire_header {
	uint32_t kind;
	uint32_t zero;
	uint64_t id; /* of the run; never used twice */
};

/* What makes two probes one run: equal bytes, equal runs. Without padding, unused parts zero. */
struct wire_identity {
	struct leat_addr address;
	uint32_t interval_ms;
	uint32_t timeout_ms;
	uint16_t port;
	uint8_t type; /* enum probe_type */
	uint8_t verify;
	uint16_t status_count;
	uint16_t send_size;
	uint16_t expect_size;
	uint16_t path_size; /* of a string: with its NUL; 0 is NULL */
	uint16_t host_size;
	uint16_t body_size;
	struct status_range status[CONFIG_MAX_STATUS_RANGES];
	uint8_t bytes[WIRE_MAX_BYTES]; /* in the order of the sizes; only those used are sent */
};

struct wire_add {
	struct wire_header header;
	uint32_t rise; /* these two only pace the run */
	uint32_t fall;
	struct wire_identity identity;
};

struct wire_result {
	struct wire_header header;
	struct probe_result result;
};

/* A buffer for any message. */
union wire_message {
	struct wire_header header;
	struct wire_add add;
	struct wire_result result;
};

/*
 * Writes the order to probe `address` as `config` says, and its size. 0; -EINVAL when the
 * configuration holds what no probe can do (no type, a field too long, a host that is no host).
 */
int wire_write_add(struct wire_add *add, uint64_t id, const struct leat_addr *address,
		   const struct probe_config *config, size_t *ret_size);
/* The bytes of an order of `size` that are its identity. */
size_t wire_identity_size(size_t size);

/*
 * Checks an order of `size` bytes and shows it as a configuration, whose pointers are into `add`:
 * it must not be deinitialised. 0 or -EBADMSG.
 */
int wire_read_add(struct wire_add *add, size_t size, struct probe_config *ret_config);

/*
 * Checks a result of `size` bytes; the detail comes back as printable ASCII. 0 or -EBADMSG.
 */
int wire_read_result(const struct wire_result *message, size_t size,
		     struct probe_result *ret_result);

/* Makes any bytes printable ASCII, in place, up to the first NUL. */
void wire_make_printable(char *text, size_t size);

#endif
