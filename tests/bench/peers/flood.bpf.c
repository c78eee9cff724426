/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The two ends of a measurement: packets of many flows as a driver would hand them over, and places
 * where packets end at next to no cost, a frame that a veth receives and an skb that is to be sent.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define FIRST_PORT 1024
#define SOURCES	   256 /* 203.0.113.0/24 */
#define FRAME_LEN  (sizeof(struct ethhdr) + sizeof(struct iphdr) + sizeof(struct tcphdr))

const volatile __u32 interface;		   /* where frames are sent */
const volatile __u8 destination[ETH_ALEN]; /* whose they are */
const volatile __u32 service = 0xc000020a; /* 192.0.2.10 */
const volatile __u32 flow_mask;		   /* flows - 1, a power of two less one */
const volatile __u32 first_flow;
const volatile __u32 is_opening; /* SYN, else ACK */

__u32 sequence;

/* Walks all flows in an order that no prefetcher follows: the multiplier is odd. */
static __always_inline __u32 next_flow(void)
{
	return first_flow + ((sequence++ * 2654435761U) & flow_mask);
}

/* Of a header of 20 bytes, which both are, on top of a sum. */
static __always_inline __u16 checksum(const void *header, __u32 sum)
{
	const __u16 *words = header;

	for (int i = 0; i < 10; i++)
		sum += words[i];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)~sum;
}

static __always_inline void write_ip(struct iphdr *ip, __u32 flow)
{
	__builtin_memset(ip, 0, sizeof(*ip));
	ip->version = 4;
	ip->ihl = sizeof(*ip) / 4;
	ip->ttl = 64;
	ip->protocol = IPPROTO_TCP;
	ip->tot_len = bpf_htons(sizeof(*ip) + sizeof(struct tcphdr));
	ip->saddr = bpf_htonl(0xcb007100 | flow % SOURCES);
	ip->daddr = bpf_htonl(service);
	ip->check = checksum(ip, 0);
}

static __always_inline __u32 pseudo_header(const struct iphdr *ip)
{
	return (ip->saddr & 0xffff) + (ip->saddr >> 16) + (ip->daddr & 0xffff) + (ip->daddr >> 16) +
	       bpf_htons(IPPROTO_TCP) + bpf_htons(sizeof(struct tcphdr));
}

static __always_inline void write_tcp(struct tcphdr *tcp, const struct iphdr *ip, __u32 flow)
{
	__builtin_memset(tcp, 0, sizeof(*tcp));
	tcp->source = bpf_htons((__u16)(FIRST_PORT + flow / SOURCES));
	tcp->dest = bpf_htons(80);
	tcp->doff = sizeof(*tcp) / 4;
	tcp->window = bpf_htons(1024);
	tcp->syn = is_opening != 0;
	tcp->ack = is_opening == 0;
	tcp->check = checksum(tcp, pseudo_header(ip));
}

/* Writes all of the frame, since the kernel hands it over as the last receiver left it. */
SEC("xdp")
int flood(struct xdp_md *ctx)
{
	struct ethhdr *eth = (void *)(long)ctx->data;
	struct iphdr *ip = (void *)(eth + 1);
	__u32 flow = next_flow();

	if ((void *)eth + FRAME_LEN > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	for (int i = 0; i < ETH_ALEN; i++) {
		eth->h_dest[i] = destination[i];
		eth->h_source[i] = 2;
	}
	eth->h_proto = bpf_htons(ETH_P_IP);
	write_ip(ip, flow);
	write_tcp((void *)(ip + 1), ip, flow);
	return (int)bpf_redirect(interface, 0);
}

SEC("xdp")
int drop_received(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_DROP;
}

SEC("tc")
int drop_sent(struct __sk_buff *skb)
{
	(void)skb;
	return TC_ACT_SHOT;
}

char LICENSE[] SEC("license") = "GPL";
