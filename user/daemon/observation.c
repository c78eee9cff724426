/* SPDX-License-Identifier: GPL-2.0-only */
#include "daemon/observation.h"

#include <string.h>

static const struct service *find(const struct node *node, const struct leat_service_key *key)
{
	for (size_t i = 0; i < node->service_count; i++) {
		if (memcmp(&node->services[i]->config.key, key, sizeof(*key)) == 0)
			return node->services[i];
	}
	return NULL;
}

/* An image that an earlier daemon left may have no service. */
static int see_change(const struct observation *observation, const struct plan_change *change)
{
	const struct image *image = change->after ?: change->before;
	const struct service *before = find(observation->before, &image->key);
	const struct service *after = change->after ? find(observation->after, &image->key) : NULL;

	return before || after ? difference_add(observation->difference, change, before, after) : 0;
}

int observation_see(void *user, const struct plan_change *changes, size_t count)
{
	const struct observation *observation = user;
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++)
		r = see_change(observation, &changes[i]);
	if (r == 0 && observation->before->config)
		difference_compare(observation->difference, observation->before->config,
				   observation->after->config);
	return r;
}
