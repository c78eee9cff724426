/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/nearest.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/address.h"

const char *nearness_name(enum nearness nearness)
{
	static const char *const names[] = {
		[NEAREST_PROTOCOL] = "protocol",      [NEAREST_PORT] = "port",
		[NEAREST_BOTH] = "port and protocol", [NEAREST_ADDRESS] = "address",
		[NEAREST_NONE] = "everything",
	};

	return names[nearness];
}

static bool same_port(const struct leat_service_key *service, const struct leat_service_key *key)
{
	return !service->port || service->port == key->port;
}

static enum nearness judge(const struct leat_service_key *service,
			   const struct leat_service_key *key)
{
	bool is_protocol = service->protocol == key->protocol, is_port = same_port(service, key);

	if (!address_equal(&service->address, &key->address))
		return is_port && is_protocol &&
				       address_is_ipv4(&service->address) ==
					       address_is_ipv4(&key->address)
			       ? NEAREST_ADDRESS
			       : NEAREST_NONE;
	if (is_port)
		return NEAREST_PROTOCOL;
	return is_protocol ? NEAREST_PORT : NEAREST_BOTH;
}

/* Leading bits in which addresses differ, counted from the end: less is closer. */
static unsigned int address_distance(const struct leat_addr *a, const struct leat_addr *b)
{
	for (unsigned int i = 0; i < sizeof(a->bytes); i++) {
		unsigned int differ = a->bytes[i] ^ b->bytes[i], bits = 8 * (15 - i);

		if (differ)
			return bits + 32 - (unsigned int)__builtin_clz(differ);
	}
	return 0;
}

/* Among services of the same nearness. */
static unsigned int distance(const struct leat_service_key *service,
			     const struct leat_service_key *key, enum nearness nearness)
{
	if (nearness == NEAREST_ADDRESS)
		return address_distance(&service->address, &key->address);
	return (unsigned int)abs(ntohs(service->port) - ntohs(key->port));
}

const struct leat_service_entry *nearest_service(const struct leat_service_entry *services,
						 size_t count, const struct leat_service_key *key,
						 enum nearness *ret_nearness)
{
	const struct leat_service_entry *best = NULL;
	enum nearness nearest = NEAREST_NONE;

	for (size_t i = 0; i < count; i++) {
		const struct leat_service_key *service = &services[i].key;
		enum nearness now = judge(service, key);

		if (now > nearest || now == NEAREST_NONE)
			continue;
		if (best && now == nearest &&
		    distance(service, key, now) >= distance(&best->key, key, now))
			continue;
		best = &services[i];
		nearest = now;
	}
	*ret_nearness = nearest;
	return best;
}
