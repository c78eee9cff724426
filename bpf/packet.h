/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A packet of the usual shape, parsed once: Ethernet, IPv4 with options or IPv6, then TCP or UDP. Each
 * parse_*() moves the cursor over one header and says what comes next, or returns a negative reason.
 */
#ifndef LEAT_BPF_PACKET_H
#define LEAT_BPF_PACKET_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "maps/hash.h"
#include "maps/layout.h"

#define TCP_FLAGS_OFFSET   13
#define IPV4_FRAGMENT_MASK 0x3fff /* more fragments, and the offset */

struct packet {
	struct xdp_md *ctx;
	struct ethhdr *eth; /* until room is made in front of it */

	struct leat_service_key service_key; /* destination address and port, protocol */
	struct leat_addr source;
	__u32 ports;	 /* source and destination, as they stand in the packet */
	__u32 link_len;	 /* of what is in front of the IP header; 0: Ethernet alone */
	__u32 ip_len;	 /* header and payload, by the header's own account */
	__u32 ip_room;	 /* bytes from the IP header to the end of the packet */
	__u32 l4_offset; /* from the IP header */
	__u8 tos;	 /* IPv4 TOS or IPv6 traffic class */
	__u8 tcp_flags;
	__u8 is_quoted; /* service_key, source and ports are from what an ICMP error quotes */

	__u64 hash;
	__u32 slot;
	__u32 mtu; /* of a packet that is too big: what would fit */
};

/* A packet that the fast path does not know what to do with; dissect.h looks at it anew. Beside the
 * negative reasons, and never counted. */
#define UNUSUAL (-LEAT_REASON_COUNT)

struct cursor {
	void *at;
	void *end;
};

static __always_inline void *packet_data(const struct packet *p)
{
	return (void *)(long)p->ctx->data;
}

static __always_inline void *packet_end(const struct packet *p)
{
	return (void *)(long)p->ctx->data_end;
}

static __always_inline __u64 packet_size(const struct packet *p)
{
	return packet_end(p) - packet_data(p);
}

static __always_inline struct leat_addr addr_from_ipv4(__be32 ipv4)
{
	struct leat_addr addr = { .words = { 0, 0, bpf_htonl(0xffff), ipv4 } };

	return addr;
}

/* Packets may be read without alignment where XDP runs, and two loads are better than four. */
static __always_inline struct leat_addr addr_from_ipv6(const struct in6_addr *ipv6)
{
	const __u64 *halves = (const void *)ipv6;
	struct leat_addr addr = { .halves = { halves[0], halves[1] } };

	return addr;
}

static __always_inline int parse_ethernet(struct cursor *c)
{
	struct ethhdr *eth = c->at;
	const __be16 *proto = (const void *)&eth->h_proto;

	if ((void *)(eth + 1) > c->end)
		return -LEAT_RUNT;
	c->at = eth + 1;
	/* The struct is packed, and its field would be read byte by byte. */
	return *proto;
}

static __always_inline int parse_ipv4(struct packet *p, struct cursor *c)
{
	struct iphdr *ip = c->at;
	__u32 header_len;

	if ((void *)(ip + 1) > c->end)
		return -LEAT_RUNT;
	header_len = ip->ihl * 4;
	if (ip->version != 4 || header_len < sizeof(*ip))
		return -LEAT_BAD_HEADER;
	if (c->at + header_len > c->end)
		return -LEAT_RUNT;
	if (ip->frag_off & bpf_htons(IPV4_FRAGMENT_MASK))
		return UNUSUAL;

	p->source = addr_from_ipv4(ip->saddr);
	p->service_key.address = addr_from_ipv4(ip->daddr);
	p->ip_len = bpf_ntohs(ip->tot_len);
	p->ip_room = c->end - c->at;
	p->l4_offset = header_len;
	p->tos = ip->tos;
	c->at += header_len;
	return ip->protocol;
}

static __always_inline int parse_ipv6(struct packet *p, struct cursor *c)
{
	struct ipv6hdr *ip = c->at;

	if ((void *)(ip + 1) > c->end)
		return -LEAT_RUNT;
	if (ip->version != 6)
		return -LEAT_BAD_HEADER;

	p->source = addr_from_ipv6(&ip->saddr);
	p->service_key.address = addr_from_ipv6(&ip->daddr);
	/* Mapped addresses are how IPv4 is written here, and nothing that belongs on a wire. */
	if (leat_addr_is_ipv4(&p->source) || leat_addr_is_ipv4(&p->service_key.address))
		return -LEAT_BAD_HEADER;
	p->ip_len = sizeof(*ip) + bpf_ntohs(ip->payload_len);
	p->ip_room = c->end - c->at;
	p->l4_offset = sizeof(*ip);
	p->tos = ip->priority << 4 | ip->flow_lbl[0] >> 4;
	c->at = ip + 1;
	return ip->nexthdr;
}

static __always_inline int parse_ports(struct packet *p, struct cursor *c, int protocol)
{
	if (protocol == IPPROTO_TCP) {
		if (c->at + sizeof(struct tcphdr) > c->end)
			return -LEAT_RUNT;
		p->tcp_flags = ((__u8 *)c->at)[TCP_FLAGS_OFFSET];
	} else if (protocol == IPPROTO_UDP) {
		if (c->at + sizeof(struct udphdr) > c->end)
			return -LEAT_RUNT;
	} else {
		return UNUSUAL;
	}

	p->ports = *(__u32 *)c->at;
	p->service_key.port = p->ports >> 16;
	p->service_key.protocol = protocol;
	return 0;
}

static __always_inline int addr_equal(const struct leat_addr *a, const struct leat_addr *b)
{
	return a->halves[1] == b->halves[1] && a->halves[0] == b->halves[0];
}

/*
 * For a packet that is some service's: what the headers say must fit into what came. Padding behind
 * the IP packet is fine, Ethernet adds it to short ones. A jumbo frame's end may be elsewhere.
 */
static __always_inline int packet_check(const struct packet *p)
{
	__u32 l4_len = p->service_key.protocol == IPPROTO_TCP ? sizeof(struct tcphdr)
							      : sizeof(struct udphdr);

	if (p->ip_len > p->ip_room)
		return UNUSUAL;
	if (p->ip_len < p->l4_offset + l4_len)
		return -LEAT_BAD_LENGTH;
	if (addr_equal(&p->source, &p->service_key.address))
		return -LEAT_LAND;
	return 0;
}

#endif
