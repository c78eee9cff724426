/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sends packets with random sources to a service at a given rate: SYNs that nobody completes, ACKs of
 * connections that nobody has, or datagrams. Bounded in rate and time, and only from within a
 * network namespace that it was sent into, to an address for documentation.
 *
 *   churn-flood syn|ack|udp RATE SECONDS SEED PREFIX ADDRESS PORT
 *
 * PREFIX is where sources are drawn from. It ends when its standard input does, and then prints, as
 * JSON, how many packets it sent and in how much time.
 */
#include <errno.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "base/address.h"
#include "base/checksum.h"
#include "base/clock.h"
#include "tests/churn/program.h"

#define MAX_RATE    1000000 /* packets a second */
#define MAX_SECONDS 3600
#define BATCH	    64
#define LATE_US	    20000   /* what is missed beyond this is not caught up on */
#define CALLER_US   1000000 /* for a caller to leave the network of the start */
#define FIRST_PORT  1024

enum kind { SYN, ACK, UDP };

struct packet {
	struct iphdr ip;
	union {
		struct tcphdr tcp;
		struct udphdr udp;
	};
};

/* What a TCP or UDP checksum covers besides the segment. */
struct pseudo_header {
	__be32 saddr;
	__be32 daddr;
	uint8_t zero;
	uint8_t protocol;
	__be16 size;
};

struct flood {
	enum kind kind;
	uint64_t rate;
	uint64_t end_us;
	uint64_t random;
	struct in_addr prefix;
	uint32_t host_mask;
	struct sockaddr_in target;
	int fd;

	struct packet packets[BATCH];
	struct iovec parts[BATCH];
	struct mmsghdr messages[BATCH];
};

/* xorshift64*, by Vigna. */
static uint32_t draw(struct flood *flood)
{
	flood->random ^= flood->random >> 12;
	flood->random ^= flood->random << 25;
	flood->random ^= flood->random >> 27;
	return (uint32_t)((flood->random * UINT64_C(0x2545f4914f6cdd1d)) >> 32);
}

static size_t segment_size(const struct flood *flood)
{
	return flood->kind == UDP ? sizeof(struct udphdr) : sizeof(struct tcphdr);
}

static uint16_t segment_checksum(const struct packet *packet, size_t size)
{
	struct pseudo_header pseudo = {
		.saddr = packet->ip.saddr,
		.daddr = packet->ip.daddr,
		.protocol = packet->ip.protocol,
		.size = htons((uint16_t)size),
	};
	uint32_t sum = checksum_sum(&pseudo, sizeof(pseudo));

	sum += checksum_sum(&packet->tcp, size);
	return (uint16_t) ~((sum & 0xffff) + (sum >> 16));
}

static void make_tcp(struct flood *flood, struct packet *packet, __be16 port)
{
	bool is_ack = flood->kind == ACK;

	packet->tcp = (struct tcphdr){
		.source = port,
		.dest = flood->target.sin_port,
		.seq = draw(flood),
		.ack_seq = is_ack ? draw(flood) : 0,
		.doff = sizeof(struct tcphdr) / 4,
		.syn = !is_ack,
		.ack = is_ack,
		.window = htons(UINT16_MAX),
	};
	packet->tcp.check = segment_checksum(packet, sizeof(packet->tcp));
}

static void make_udp(struct flood *flood, struct packet *packet, __be16 port)
{
	packet->udp = (struct udphdr){
		.source = port,
		.dest = flood->target.sin_port,
		.len = htons(sizeof(struct udphdr)),
	};
	packet->udp.check = segment_checksum(packet, sizeof(packet->udp));
}

/* The kernel fills in the header's checksum, length and id. */
static void make_packet(struct flood *flood, struct packet *packet)
{
	uint32_t host = draw(flood) & flood->host_mask;
	__be16 port = htons((uint16_t)(FIRST_PORT + draw(flood) % (UINT16_MAX - FIRST_PORT)));

	packet->ip = (struct iphdr){
		.version = 4,
		.ihl = sizeof(struct iphdr) / 4,
		.ttl = 64,
		.protocol = flood->kind == UDP ? IPPROTO_UDP : IPPROTO_TCP,
		.saddr = flood->prefix.s_addr | htonl(host),
		.daddr = flood->target.sin_addr.s_addr,
	};
	if (flood->kind == UDP)
		make_udp(flood, packet, port);
	else
		make_tcp(flood, packet, port);
}

static size_t send_batch(struct flood *flood)
{
	int sent;

	for (size_t i = 0; i < BATCH; i++)
		make_packet(flood, &flood->packets[i]);
	sent = sendmmsg(flood->fd, flood->messages, BATCH, 0);
	if (sent < 0 && errno != ENOBUFS && errno != EINTR)
		err(1, "sendmmsg");
	return sent < 0 ? 0 : (size_t)sent;
}

static void wait_until_us(uint64_t due_us)
{
	struct timespec due = {
		.tv_sec = (time_t)(due_us / 1000000),
		.tv_nsec = (long)(due_us % 1000000 * 1000),
	};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
}

/* Returns how many packets were sent. A pause of the machine makes it fewer, never a burst. */
static uint64_t run(struct flood *flood)
{
	uint64_t sent = 0, now_us = clock_monotonic_us(), due_us = now_us;
	uint64_t step_us = BATCH * UINT64_C(1000000) / flood->rate;

	while (now_us < flood->end_us && !program_stdin_ended()) {
		sent += send_batch(flood);
		due_us += step_us;
		wait_until_us(due_us);
		now_us = clock_monotonic_us();
		if (now_us > due_us + LATE_US)
			due_us = now_us;
	}
	return sent;
}

static bool is_in_callers_network(void)
{
	struct stat own, callers;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/net", getppid());
	if (stat("/proc/self/ns/net", &own) < 0 || stat(path, &callers) < 0)
		err(1, "the network namespace");
	return own.st_ino == callers.st_ino;
}

/*
 * The network that its caller is in, which may be the machine's own, has no business with any of this.
 * A caller that entered another one for the start may need a moment to be back.
 */
static void refuse_outside_of_tests(const struct sockaddr_in *target)
{
	uint64_t end_us = clock_monotonic_us() + CALLER_US;

	while (is_in_callers_network()) {
		if (clock_monotonic_us() > end_us)
			errx(2, "only in another network namespace than its caller");
		usleep(1000);
	}
	if ((ntohl(target->sin_addr.s_addr) & 0xffffff00) != 0xc0000200)
		errx(2, "only to 192.0.2.0/24");
}

static void parse_prefix(const char *text, struct flood *flood)
{
	struct prefix prefix;

	if (prefix_parse(text, &prefix) < 0 || !address_is_ipv4(&prefix.address) ||
	    prefix.length == 0)
		errx(2, "\"%s\" is not a prefix of IPv4", text);
	flood->prefix.s_addr = prefix.address.words[3];
	flood->host_mask = prefix.length == 32 ? 0 : UINT32_MAX >> prefix.length;
}

static void parse_target(const char *address_text, const char *port_text, struct flood *flood)
{
	struct leat_addr address;

	if (address_parse(address_text, &address) < 0 || !address_is_ipv4(&address))
		errx(2, "\"%s\" is not an address of IPv4", address_text);
	flood->target = (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_addr.s_addr = address.words[3],
		.sin_port = htons((uint16_t)program_number("port", port_text, 1, UINT16_MAX)),
	};
}

static enum kind parse_kind(const char *text)
{
	if (strcmp(text, "syn") == 0)
		return SYN;
	if (strcmp(text, "ack") == 0)
		return ACK;
	if (strcmp(text, "udp") == 0)
		return UDP;
	errx(2, "\"%s\" is none of syn, ack, udp", text);
}

/* A raw socket's target has no port. */
static void open_socket(struct flood *flood)
{
	struct sockaddr_in name = flood->target;

	name.sin_port = 0;
	flood->fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	if (flood->fd < 0 || connect(flood->fd, (struct sockaddr *)&name, sizeof(name)) < 0)
		err(1, "raw socket");
	for (size_t i = 0; i < BATCH; i++) {
		flood->parts[i] = (struct iovec){
			.iov_base = &flood->packets[i],
			.iov_len = sizeof(struct iphdr) + segment_size(flood),
		};
		flood->messages[i].msg_hdr.msg_iov = &flood->parts[i];
		flood->messages[i].msg_hdr.msg_iovlen = 1;
	}
}

int main(int argc, char **argv)
{
	struct flood flood = { .fd = -1 };
	uint64_t start_us = clock_monotonic_us(), sent;

	if (argc != 8)
		errx(2, "usage: churn-flood syn|ack|udp RATE SECONDS SEED PREFIX ADDRESS PORT");
	flood.kind = parse_kind(argv[1]);
	flood.rate = program_number("rate", argv[2], BATCH, MAX_RATE);
	flood.end_us = start_us + program_number("seconds", argv[3], 1, MAX_SECONDS) * 1000000;
	flood.random = program_number("seed", argv[4], 0, UINT32_MAX) + 1; /* never zero */
	parse_prefix(argv[5], &flood);
	parse_target(argv[6], argv[7], &flood);
	refuse_outside_of_tests(&flood.target);
	program_watch_stdin();
	open_socket(&flood);
	sent = run(&flood);
	printf("{\"sent\":%lu,\"seconds\":%.3f}\n", sent,
	       (double)(clock_monotonic_us() - start_us) / 1e6);
	return 0;
}
