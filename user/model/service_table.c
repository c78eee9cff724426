/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/service_table.h"

#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>

#include "maps/hash.h"

static int place(struct leat_service_entry *table, const struct leat_service_entry *entry)
{
	uint32_t index = leat_service_entry_index(&entry->key);

	for (uint32_t probe = 0; probe < LEAT_SERVICE_PROBES; probe++) {
		struct leat_service_entry *at = &table[(index + probe) % LEAT_SERVICE_ENTRIES];

		if (at->key.protocol)
			continue;
		*at = *entry;
		return 0;
	}
	return -E2BIG;
}

static struct leat_service_entry *find_placed(struct leat_service_entry *table,
					      const struct leat_service_key *key)
{
	uint32_t index = leat_service_entry_index(key);

	for (uint32_t probe = 0; probe < LEAT_SERVICE_PROBES; probe++) {
		struct leat_service_entry *at = &table[(index + probe) % LEAT_SERVICE_ENTRIES];

		if (!at->key.protocol || leat_service_key_equal(&at->key, key))
			return at->key.protocol ? at : NULL;
	}
	return NULL;
}

/* An address answers pings if one of its services does. */
static int place_address(struct leat_service_entry *table, const struct leat_service_entry *service)
{
	struct leat_service_entry entry = {
		.key = { .address = service->key.address, .protocol = LEAT_ADDRESS_ENTRY },
		.value.flags = service->value.flags & LEAT_SERVICE_PING,
	};
	struct leat_service_entry *placed = find_placed(table, &entry.key);

	if (!placed)
		return place(table, &entry);
	placed->value.flags |= entry.value.flags;
	return 0;
}

/* The configuration has one such service for an address and protocol at most. */
static int place_fragments(struct leat_service_entry *table,
			   const struct leat_service_entry *service)
{
	struct leat_service_entry entry = {
		.key = { .address = service->key.address,
			 .protocol = service->key.protocol == IPPROTO_TCP ? LEAT_FRAGMENTS_TCP
									  : LEAT_FRAGMENTS_UDP },
		.value = service->value,
	};

	if (!(service->value.flags & LEAT_SERVICE_FRAGMENTS) || find_placed(table, &entry.key))
		return 0;
	return place(table, &entry);
}

int service_table_place(struct leat_service_entry *table, const struct leat_service_entry *service)
{
	int r = place(table, service);

	if (r == 0)
		r = place_address(table, service);
	return r == 0 ? place_fragments(table, service) : r;
}
