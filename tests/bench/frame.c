/* SPDX-License-Identifier: GPL-2.0-only */
#include "tests/bench/frame.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <string.h>

#define UDP_PAYLOAD	  12
#define TCP_FLAGS_OFFSET  13
/* RFC 9000, 17.3; zeroes are the id behind it. */
#define QUIC_SHORT_HEADER 0x40

static size_t put_ipv4(uint8_t *at, const struct bench_service *service, size_t payload)
{
	struct iphdr ip = { .version = 4, .ihl = 5, .ttl = 64 };

	ip.tot_len = htons((uint16_t)(sizeof(ip) + payload));
	ip.protocol = service->protocol;
	inet_pton(AF_INET, BENCH_ADDRESS4, &ip.daddr);
	memcpy(at, &ip, sizeof(ip));
	return sizeof(ip);
}

static size_t put_ipv6(uint8_t *at, const struct bench_service *service, size_t payload)
{
	struct ipv6hdr ip = { .version = 6, .hop_limit = 64 };

	ip.payload_len = htons((uint16_t)payload);
	ip.nexthdr = service->protocol;
	inet_pton(AF_INET6, BENCH_ADDRESS6, &ip.daddr);
	ip.saddr.s6_addr32[0] = htonl(0x20010db8);
	ip.saddr.s6_addr32[1] = htonl(3); /* no flow comes from the service itself */
	memcpy(at, &ip, sizeof(ip));
	return sizeof(ip);
}

void frame_make(struct frame *ret_frame, const struct bench_service *service, uint8_t tcp_flags)
{
	bool is_tcp = service->protocol == IPPROTO_TCP, is_ipv4 = service->family == 4;
	size_t payload = is_tcp ? sizeof(struct tcphdr) : sizeof(struct udphdr) + UDP_PAYLOAD;
	struct ethhdr *eth = (struct ethhdr *)ret_frame->bytes;
	uint8_t *ip = ret_frame->bytes + sizeof(*eth);
	size_t l4 = sizeof(*eth);

	*ret_frame = (struct frame){ 0 };
	memset(eth, 2, 2 * ETH_ALEN);
	eth->h_proto = htons(is_ipv4 ? ETH_P_IP : ETH_P_IPV6);
	l4 += is_ipv4 ? put_ipv4(ip, service, payload) : put_ipv6(ip, service, payload);
	if (is_tcp)
		ret_frame->bytes[l4 + TCP_FLAGS_OFFSET] = tcp_flags;
	if (service->is_quic)
		ret_frame->bytes[l4 + sizeof(struct udphdr)] = QUIC_SHORT_HEADER;
	/* The wrapper writes an IPv6 header's worth without asking for the family. */
	ret_frame->size =
		MAX(l4 + payload, sizeof(*eth) + sizeof(struct ipv6hdr) + sizeof(struct udphdr));
}
