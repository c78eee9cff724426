/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The way of a packet from end to end: parse, service, slot, backend, forward, verdict. The program
 * that is attached and the benchmark's wrapper are both made of it.
 */
#ifndef LEAT_BPF_BALANCE_H
#define LEAT_BPF_BALANCE_H

#include "bpf/access.h"
#include "bpf/forward.h"
#include "bpf/packet.h"
#include "bpf/rate.h"
#include "bpf/service.h"
#include "bpf/unusual.h"
#include "bpf/verdict.h"

static __always_inline int balance_service(struct packet *p, const struct leat_service *service)
{
	const struct leat_backend *backend;
	int r = packet_check(p);
	__u32 id;

	if (r == 0 && options.nat && service->flags & LEAT_SERVICE_NAT)
		return UNUSUAL;
	if (r == 0)
		r = access_check(service->id, &p->source);
	if (r == 0)
		r = rate_check(service, p);
	if (r < 0)
		return r;
	r = service_pick(service, p, &id, &backend);
	if (r < 0)
		return r;
	r = forward_to(p, backend);
	return r < 0 ? r : verdict_forwarded(id, sizeof(struct ethhdr) + p->ip_room, r);
}

/* From behind the IP header, which was parsed and announced `protocol` (or was refused). */
static __always_inline int balance_ip(struct packet *p, struct cursor *c, int protocol)
{
	const struct leat_service *service;
	int r;

	r = protocol < 0 ? protocol : parse_ports(p, c, protocol);
	if (r < 0)
		return r;
	trace_packet(p);
	service = service_find(p);
	if (!service && options.nat) {
		/* A branch, which goes away, where a choice between two numbers would not. */
		asm volatile("" ::: "memory");
		return UNUSUAL;
	}
	if (!service)
		return -LEAT_NOT_OURS;
	return verdict_of_service(service, packet_size(p), balance_service(p, service));
}

/* One source for both families, and two copies in the program: where the upper half of an address is a
 * constant, most of the work on it goes away. */
static __always_inline int balance_packet(struct packet *p)
{
	struct cursor c = { .at = packet_data(p), .end = packet_end(p) };
	int proto = parse_ethernet(&c);

	p->eth = packet_data(p);
	if (proto == bpf_htons(ETH_P_IP))
		return balance_ip(p, &c, parse_ipv4(p, &c));
	if (proto == bpf_htons(ETH_P_IPV6))
		return balance_ip(p, &c, parse_ipv6(p, &c));
	return proto < 0 ? proto : UNUSUAL;
}

static __always_inline int balance(struct xdp_md *ctx)
{
	struct packet p = { .ctx = ctx };
	int r = balance_packet(&p);

	if (r == UNUSUAL)
		return balance_unusual(&p);
	return verdict(&p, packet_size(&p), r);
}

#endif
