/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/nat_state.h"

#include <netinet/in.h>

#include "base/macros.h"

static uint32_t least(const struct leat_policy *policy)
{
	return MIN(policy->tcp_idle, policy->udp_idle);
}

uint32_t nat_least_lifetime(const struct leat_policy *policy)
{
	return MIN(least(policy), MIN(LEAT_TICKS(LEAT_CLOSING_MS), LEAT_TICKS(LEAT_HALF_OPEN_MS)));
}

uint32_t nat_lifetime(uint8_t protocol, uint8_t client, uint8_t backend,
		      const struct leat_policy *policy)
{
	uint8_t either = client | backend, both = client & backend;
	uint32_t idle = protocol == IPPROTO_TCP ? policy->tcp_idle : policy->udp_idle;

	if (either & LEAT_NAT_RST || both & LEAT_NAT_FIN)
		return MIN(idle, LEAT_TICKS(LEAT_CLOSING_MS));
	if (!(both & LEAT_NAT_LIVE))
		return MIN(idle, LEAT_TICKS(LEAT_HALF_OPEN_MS));
	if (either & LEAT_NAT_FIN)
		return MIN(idle, LEAT_TICKS(LEAT_NAT_CLOSING_MS));
	return idle;
}
