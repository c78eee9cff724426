/* SPDX-License-Identifier: GPL-2.0-only */
#include "tools/leat/reasons.h"

#include <linux/bpf.h>
#include <stddef.h>

#include "maps/reasons.h"

static const struct {
	const char *label;
	const char *text;
} reasons[] = {
#define X(name, verdict, label, text) { label, text },
	LEAT_REASONS(X)
#undef X
};

/* tests/lint/reasons holds these against docs/reasons.md. */
static const char *const advice[LEAT_REASON_COUNT] = {
	[LEAT_NO_BACKEND] =
		"no backend of the service is up with a weight above 0. leat service show has the "
		"state of each and why.",
	[LEAT_NO_NEXT_HOP] =
		"the backend has a slot, but no MAC address to send to. leat backend show has the "
		"state of its next hop; the kernel's view is ip route get ADDRESS and ip neigh.",
	[LEAT_TOO_BIG] =
		"senders learn what fits and go on with less. Raise the MTU between node and "
		"backends, or lower the backends' MSS, to spare them that; see the README.",
	[LEAT_NO_ROOM] =
		"the driver leaves less in front of the packet than the outer headers take, 52 "
		"bytes at most.",
	[LEAT_FRAGMENT_LOST] =
		"fragments come out of order, or routers send a packet's fragments to different "
		"nodes. fragments: hash helps with the former.",
	[LEAT_RATE_LIMITED] =
		"a source opens flows faster than the service's rate:. If it is a proxy or a NAT "
		"with many people behind it, raise burst or new; flows that are open are never "
		"limited.",
	[LEAT_DENIED] =
		"leat deny show has what the operator denies, leat config show the lists of the "
		"configuration.",
	[LEAT_NOT_ALLOWED] = "the source is in no prefix of the service's allow:.",
	[LEAT_NAT_REPLY] =
		"the answers of backends with forward: nat; not counted at service and backend, "
		"which have what came from clients.",
	[LEAT_NAT_NO_STATE] =
		"after a reboot, or when routers send a flow's packets to another node than "
		"before; else of connections that were silent for longer than idle:.",
	[LEAT_NAT_EXHAUSTED] =
		"more addresses in nat:, or more ports, or more backends. leat backend show has "
		"the flows of each; with a shorter idle: there are fewer.",
	[LEAT_NAT_FULL] =
		"262 144 flows are translated already, or the kernel had no memory at that "
		"moment. leat node show has how many there are.",
	[LEAT_NAT_SHAPE] =
		"a sender's packets are larger than its path: lower the MTU of tunnels on the "
		"way, or use ipip for such services.",
};

const char *action_name(uint32_t action)
{
	switch (action) {
	case XDP_TX:
		return "tx";
	case XDP_REDIRECT:
		return "redirect";
	case XDP_PASS:
		return "pass";
	default:
		return "drop";
	}
}

const char *reason_label(uint32_t reason)
{
	return reason < LEAT_REASON_COUNT ? reasons[reason].label : "?";
}

const char *reason_text(uint32_t reason)
{
	return reason < LEAT_REASON_COUNT ? reasons[reason].text : "?";
}

const char *reason_advice(uint32_t reason)
{
	return reason < LEAT_REASON_COUNT ? advice[reason] : NULL;
}
