/* SPDX-License-Identifier: GPL-2.0-only */
#include "base/frame.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <string.h>

#include "base/checksum.h"
#include "base/macros.h"

#define TTL	     64
#define TCP_WINDOW   65535
#define MAX_LAYERS   10
#define VLAN_TAG_LEN 4
#define VLAN_ID	     0x0fff
#define FRAGMENT     0x1fff

/* By their bits, from the lowest on. */
static const char flag_letters[] = "FSRPAUEC";

static size_t l4_header_size(const struct frame *frame)
{
	return frame->protocol == IPPROTO_TCP ? sizeof(struct tcphdr) : sizeof(struct udphdr);
}

static size_t ip_header_size(const struct frame *frame)
{
	return address_is_ipv4(&frame->source) ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
}

size_t frame_least_size(const struct frame *frame)
{
	return ip_header_size(frame) + l4_header_size(frame);
}

static void write_ipv4(const struct frame *frame, size_t size, uint8_t *at)
{
	struct iphdr ip = {
		.version = 4,
		.ihl = 5,
		.tot_len = htons((uint16_t)size),
		.frag_off = htons(0x4000), /* do not fragment */
		.ttl = TTL,
		.protocol = frame->protocol,
		.saddr = frame->source.words[3],
		.daddr = frame->destination.words[3],
	};

	ip.check = (uint16_t)~checksum_sum(&ip, sizeof(ip));
	memcpy(at, &ip, sizeof(ip));
}

static void write_ipv6(const struct frame *frame, size_t size, uint8_t *at)
{
	struct ipv6hdr ip = {
		.version = 6,
		.payload_len = htons((uint16_t)(size - sizeof(ip))),
		.nexthdr = frame->protocol,
		.hop_limit = TTL,
	};

	memcpy(&ip.saddr, &frame->source, sizeof(ip.saddr));
	memcpy(&ip.daddr, &frame->destination, sizeof(ip.daddr));
	memcpy(at, &ip, sizeof(ip));
}

/* Of the pseudo header, which for IPv4 sums up to the same with mapped addresses but for their prefix. */
static uint32_t pseudo_sum(const struct frame *frame, size_t l4_size)
{
	size_t first = address_is_ipv4(&frame->source) ? 12 : 0;

	return (uint32_t)checksum_sum(&frame->source.bytes[first], 16 - first) +
	       checksum_sum(&frame->destination.bytes[first], 16 - first) + htons(frame->protocol) +
	       htons((uint16_t)l4_size);
}

static uint16_t fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

/* All behind its header is zero and adds nothing. */
static void write_l4(const struct frame *frame, size_t size, uint8_t *at)
{
	uint32_t sum = pseudo_sum(frame, size);
	struct tcphdr tcp = {
		.source = htons(frame->source_port),
		.dest = htons(frame->destination_port),
		.doff = sizeof(tcp) / 4,
		.window = htons(TCP_WINDOW),
	};
	struct udphdr udp = {
		.source = tcp.source,
		.dest = tcp.dest,
		.len = htons((uint16_t)size),
	};

	if (frame->protocol == IPPROTO_TCP) {
		((uint8_t *)&tcp)[13] = frame->tcp_flags;
		tcp.check = (uint16_t)~fold(sum + checksum_sum(&tcp, sizeof(tcp)));
		memcpy(at, &tcp, sizeof(tcp));
		return;
	}
	udp.check = (uint16_t)~fold(sum + checksum_sum(&udp, sizeof(udp)));
	udp.check = udp.check ?: 0xffff;
	memcpy(at, &udp, sizeof(udp));
}

size_t frame_write(const struct frame *frame, uint8_t *data)
{
	bool is_ipv4 = address_is_ipv4(&frame->source);
	size_t size = frame->ip_size ?: frame_least_size(frame), header = ip_header_size(frame);
	struct ethhdr eth = { .h_proto = htons(is_ipv4 ? ETH_P_IP : ETH_P_IPV6) };
	uint8_t *ip = data + sizeof(eth);

	memcpy(eth.h_dest, &frame->destination_mac, sizeof(eth.h_dest));
	memcpy(eth.h_source, &frame->source_mac, sizeof(eth.h_source));
	memset(data, 0, sizeof(eth) + size);
	memcpy(data, &eth, sizeof(eth));
	if (is_ipv4)
		write_ipv4(frame, size, ip);
	else
		write_ipv6(frame, size, ip);
	write_l4(frame, size - header, ip + header);
	return sizeof(eth) + size;
}

int tcp_flags_parse(const char *text, uint8_t *ret_flags)
{
	uint8_t flags = 0;

	for (const char *letter = text; *letter; letter++) {
		const char *found = strchr(flag_letters, *letter);

		if (!found)
			return -EINVAL;
		flags |= (uint8_t)(1U << (found - flag_letters));
	}
	if (!flags)
		return -EINVAL;
	*ret_flags = flags;
	return 0;
}

/* Where taking apart is, and what comes next there. */
struct walk {
	const uint8_t *at;
	size_t left;
	uint16_t gue_port;
	bool is_link; /* `next` is an EtherType, else an IP protocol */
	uint16_t next;
	json_t *layers;
};

/* The next header in whole, or false: it is cut short. */
static bool take(struct walk *walk, void *header, size_t size)
{
	if (walk->left < size)
		return false;
	memcpy(header, walk->at, size);
	walk->at += size;
	walk->left -= size;
	return true;
}

static bool skip(struct walk *walk, size_t size)
{
	if (walk->left < size)
		return false;
	walk->at += size;
	walk->left -= size;
	return true;
}

static bool add(struct walk *walk, json_t *layer)
{
	return json_array_append_new(walk->layers, layer) == 0;
}

static bool walk_ethernet(struct walk *walk)
{
	char source[MAC_TEXT_SIZE], destination[MAC_TEXT_SIZE];
	struct ethhdr eth;

	if (!take(walk, &eth, sizeof(eth)))
		return false;
	walk->is_link = true;
	walk->next = ntohs(eth.h_proto);
	return add(walk, json_pack("{s:s, s:s, s:s}", "layer", "ethernet", "source",
				   mac_format(eth.h_source, source), "destination",
				   mac_format(eth.h_dest, destination)));
}

static bool walk_vlan(struct walk *walk)
{
	__be16 tag[VLAN_TAG_LEN / sizeof(__be16)];

	if (!take(walk, tag, sizeof(tag)))
		return false;
	walk->next = ntohs(tag[1]);
	return add(walk, json_pack("{s:s, s:i}", "layer", "vlan", "id", ntohs(tag[0]) & VLAN_ID));
}

static bool add_ip(struct walk *walk, const char *layer, const struct leat_addr *source,
		   const struct leat_addr *destination, int ttl, int size)
{
	char from[ADDRESS_TEXT_SIZE], to[ADDRESS_TEXT_SIZE];

	return add(walk, json_pack("{s:s, s:s, s:s, s:i, s:i}", "layer", layer, "source",
				   address_format(source, from), "destination",
				   address_format(destination, to), "ttl", ttl, "size", size));
}

static bool walk_ipv4(struct walk *walk)
{
	struct leat_addr source, destination;
	struct iphdr ip;

	if (!take(walk, &ip, sizeof(ip)) || ip.ihl < 5 || !skip(walk, ip.ihl * 4U - sizeof(ip)))
		return false;
	source = address_from_ipv4((struct in_addr){ ip.saddr });
	destination = address_from_ipv4((struct in_addr){ ip.daddr });
	walk->is_link = false;
	walk->next = ip.protocol;
	return add_ip(walk, "ipv4", &source, &destination, ip.ttl, ntohs(ip.tot_len)) &&
	       !(ntohs(ip.frag_off) & FRAGMENT);
}

static bool walk_ipv6(struct walk *walk)
{
	struct leat_addr source, destination;
	struct ipv6hdr ip;

	if (!take(walk, &ip, sizeof(ip)))
		return false;
	memcpy(&source, &ip.saddr, sizeof(source));
	memcpy(&destination, &ip.daddr, sizeof(destination));
	walk->is_link = false;
	walk->next = ip.nexthdr;
	return add_ip(walk, "ipv6", &source, &destination, ip.hop_limit,
		      (int)sizeof(ip) + ntohs(ip.payload_len));
}

/* "SA", the letters of the flags that are set. */
static const char *flags_format(uint8_t flags, char text[sizeof(flag_letters)])
{
	size_t size = 0;

	for (size_t bit = 0; flag_letters[bit]; bit++) {
		if (flags >> bit & 1)
			text[size++] = flag_letters[bit];
	}
	text[size] = '\0';
	return text;
}

static bool walk_tcp(struct walk *walk)
{
	char flags[sizeof(flag_letters)];
	struct tcphdr tcp;

	if (!take(walk, &tcp, sizeof(tcp)))
		return false;
	add(walk, json_pack("{s:s, s:i, s:i, s:s}", "layer", "tcp", "source_port",
			    ntohs(tcp.source), "destination_port", ntohs(tcp.dest), "flags",
			    flags_format(((uint8_t *)&tcp)[13], flags)));
	return false;
}

static bool walk_gue(struct walk *walk)
{
	struct {
		uint8_t version_and_len;
		uint8_t protocol;
		__be16 flags;
	} gue;

	if (!take(walk, &gue, sizeof(gue)) || gue.version_and_len)
		return false;
	walk->next = gue.protocol;
	return add(walk, json_pack("{s:s}", "layer", "gue"));
}

static bool walk_udp(struct walk *walk)
{
	struct udphdr udp;

	if (!take(walk, &udp, sizeof(udp)))
		return false;
	add(walk, json_pack("{s:s, s:i, s:i}", "layer", "udp", "source_port", ntohs(udp.source),
			    "destination_port", ntohs(udp.dest)));
	return walk->gue_port && ntohs(udp.dest) == walk->gue_port && walk_gue(walk);
}

static bool walk_icmp(struct walk *walk)
{
	uint8_t type_and_code[2];

	if (take(walk, type_and_code, sizeof(type_and_code)))
		add(walk, json_pack("{s:s, s:i, s:i}", "layer", "icmp", "type", type_and_code[0],
				    "code", type_and_code[1]));
	return false;
}

static bool walk_link(struct walk *walk)
{
	switch (walk->next) {
	case ETH_P_8021Q:
	case ETH_P_8021AD:
		return walk_vlan(walk);
	case ETH_P_IP:
		return walk_ipv4(walk);
	case ETH_P_IPV6:
		return walk_ipv6(walk);
	default:
		return false;
	}
}

static bool walk_protocol(struct walk *walk)
{
	switch (walk->next) {
	case IPPROTO_IPIP:
		return walk_ipv4(walk);
	case IPPROTO_IPV6:
		return walk_ipv6(walk);
	case IPPROTO_TCP:
		return walk_tcp(walk);
	case IPPROTO_UDP:
		return walk_udp(walk);
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return walk_icmp(walk);
	default:
		return false;
	}
}

json_t *frame_layers(const uint8_t *data, size_t size, uint16_t gue_port)
{
	struct walk walk = {
		.at = data,
		.left = size,
		.gue_port = gue_port,
		.layers = json_array(),
	};
	bool goes_on = walk_ethernet(&walk);

	while (goes_on && json_array_size(walk.layers) < MAX_LAYERS)
		goes_on = walk.is_link ? walk_link(&walk) : walk_protocol(&walk);
	return walk.layers;
}
