/* SPDX-License-Identifier: GPL-2.0-only */
#include "tests/judge/opinion.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <string.h>

#define require(condition, what)                                                                   \
	do {                                                                                       \
		if (!(condition))                                                                  \
			scene_fail("%s:%d: %s (%s)", __FILE__, __LINE__, what, #condition);        \
	} while (0)

#define MAC_LEN	    6
#define VLAN_LEN    4
#define GUE_LEN	    12
#define PROTO_GUE   17
#define ICMP_LEN    8
#define TCP_LEN	    20U
#define UDP_LEN	    8U
#define DF	    0x4000
#define TTL	    64
#define IPV4_LEN    20
#define IPV6_LEN    40
#define IPV6_MIN    1280
#define PAYLOAD_MAX 65535

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)get16(at) << 16 | get16(at + 2);
}

static struct bytes bytes_from(struct bytes all, size_t offset)
{
	require(offset <= all.size, "it ends too early");
	return (struct bytes){ all.at + offset, all.size - offset };
}

static bool bytes_equal(struct bytes a, struct bytes b)
{
	return a.size == b.size && (a.size == 0 || memcmp(a.at, b.at, a.size) == 0);
}

/* RFC 1071, byte by byte; `sum` may be a pseudo header's. 0xffff when the checksum within is right. */
static uint16_t sum_bytes(uint32_t sum, const uint8_t *at, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		sum += i % 2 ? at[i] : (uint32_t)at[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return (uint16_t)sum;
}

/* A frame's headers, as far as they are there. */
struct frame {
	struct bytes link; /* with tags, and the type */
	struct bytes ip;   /* the rest, padding included */
	uint16_t type;
	unsigned int family; /* 4, 6, or 0: neither, or cut short */
	uint32_t header_len; /* without extension headers */
	uint32_t len;	     /* of the IP packet, as it says itself */
	const uint8_t *source, *destination;
	size_t address_len;
	uint8_t next, tos, ttl;
};

static void read_ipv4(struct frame *f)
{
	const uint8_t *ip = f->ip.at;

	if (f->ip.size < IPV4_LEN || ip[0] >> 4 != 4)
		return;
	f->family = 4;
	f->header_len = (ip[0] & 15) * 4U;
	f->tos = ip[1];
	f->len = get16(ip + 2);
	f->ttl = ip[8];
	f->next = ip[9];
	f->source = ip + 12;
	f->destination = ip + 16;
	f->address_len = 4;
}

static void read_ipv6(struct frame *f)
{
	const uint8_t *ip = f->ip.at;

	if (f->ip.size < IPV6_LEN || ip[0] >> 4 != 6)
		return;
	f->family = 6;
	f->header_len = IPV6_LEN;
	f->tos = (uint8_t)(get16(ip) >> 4);
	f->len = IPV6_LEN + get16(ip + 4);
	f->next = ip[6];
	f->ttl = ip[7];
	f->source = ip + 8;
	f->destination = ip + 24;
	f->address_len = 16;
}

static void read_ip(struct frame *f)
{
	if (f->type == ETH_P_IP)
		read_ipv4(f);
	if (f->type == ETH_P_IPV6)
		read_ipv6(f);
}

static bool is_tag(uint16_t type)
{
	return type == ETH_P_8021Q || type == ETH_P_8021AD;
}

static struct frame frame_read(struct bytes all, size_t most_tags)
{
	struct frame f = { .link = { all.at, ETH_HLEN } };

	require(all.size >= ETH_HLEN, "no Ethernet header");
	f.type = get16(all.at + ETH_HLEN - 2);
	for (size_t i = 0; i < most_tags && is_tag(f.type); i++) {
		if (all.size < f.link.size + VLAN_LEN)
			break;
		f.link.size += VLAN_LEN;
		f.type = get16(all.at + f.link.size - 2);
	}
	f.ip = bytes_from(all, f.link.size);
	read_ip(&f);
	return f;
}

/* Of the transport or ICMP at `at`, with the pseudo header of `f`. */
static uint16_t sum_payload(const struct frame *f, struct bytes payload, uint8_t protocol)
{
	uint32_t sum = (uint32_t)payload.size + protocol;

	sum = (sum & 0xffff) + (sum >> 16);
	sum = sum_bytes(sum, f->source, f->address_len);
	sum = sum_bytes(sum, f->destination, f->address_len);
	return sum_bytes(sum, payload.at, payload.size);
}

/* ICMP has a pseudo header with IPv6 alone. */
static uint16_t sum_icmp(const struct frame *f, struct bytes icmp)
{
	if (f->family == 4)
		return sum_bytes(0, icmp.at, icmp.size);
	return sum_payload(f, icmp, 58);
}

static struct bytes payload_of(const struct frame *f)
{
	struct bytes payload = bytes_from(f->ip, f->header_len);

	require(f->len >= f->header_len && f->len - f->header_len <= payload.size,
		"its length is wrong");
	payload.size = f->len - f->header_len;
	return payload;
}

static bool is_address(const uint8_t *at, unsigned int family, const struct leat_addr *address)
{
	const uint8_t *bytes = address->bytes + (family == 4 ? 12 : 0);

	return address_is_ipv4(address) == (family == 4) &&
	       memcmp(at, bytes, family == 4 ? 4 : 16) == 0;
}

static bool is_in_prefix(const uint8_t *at, unsigned int family, const struct prefix *prefix)
{
	const uint8_t *bytes = prefix->address.bytes + (family == 4 ? 12 : 0);

	/* Those of the scene end at bytes. */
	return memcmp(at, bytes, prefix->length / 8) == 0;
}

static bool leaves_elsewhere(const struct backend *backend)
{
	return backend->next_hop.ifindex && backend->next_hop.ifindex != SCENE_NEAR;
}

/* Who sends it to whom, with which tags. */
static void check_link(const struct frame *in, const struct frame *out,
		       const struct backend *backend)
{
	const struct next_hop *hop = &backend->next_hop;
	const uint8_t *source = hop->ifindex ? hop->src_mac : in->link.at;
	struct bytes tags = { in->link.at + 2 * MAC_LEN, in->link.size - ETH_HLEN };
	struct bytes out_tags = { out->link.at + 2 * MAC_LEN, out->link.size - ETH_HLEN };
	uint8_t tag[VLAN_LEN] = { 0x81, 0, (uint8_t)(hop->vlan >> 8), (uint8_t)hop->vlan };

	if (hop->ifindex)
		tags = (struct bytes){ tag, hop->vlan ? sizeof(tag) : 0 };
	require(memcmp(out->link.at, hop->dst_mac, MAC_LEN) == 0, "not to the next hop");
	require(memcmp(out->link.at + MAC_LEN, source, MAC_LEN) == 0, "not from this node");
	require(bytes_equal(tags, out_tags), "wrong VLAN tags");
}

static void check_outer_ipv4(const struct scene *scene, const struct frame *out)
{
	const uint8_t *ip = out->ip.at;

	require(out->header_len == IPV4_LEN, "the outer header has another length");
	require(sum_bytes(0, ip, IPV4_LEN) == 0xffff, "the outer header's checksum is wrong");
	require(get16(ip + 4) == 0 && get16(ip + 6) == DF, "not atomic");
	require(is_in_prefix(out->source, 4, &scene->node.config->outer_source4),
		"not from the outer source");
}

static void check_outer_ipv6(const struct scene *scene, const struct frame *out)
{
	require(is_in_prefix(out->source, 6, &scene->node.config->outer_source6),
		"not from the outer source");
}

/* ::ffff:0:0/96 belongs on no wire (RFC 4038, 4.2). */
static bool is_mapped(const uint8_t *at)
{
	static const uint8_t prefix[12] = { [10] = 0xff, [11] = 0xff };

	return memcmp(at, prefix, sizeof(prefix)) == 0;
}

/* Whether a receiver would take the packet that `f` begins with; nothing says so of fragments. */
static bool is_sound(const struct frame *f)
{
	struct bytes payload;

	if (f->len > f->ip.size || f->len < f->header_len)
		return false;
	if (f->family == 4 &&
	    (sum_bytes(0, f->ip.at, f->header_len) != 0xffff || get16(f->ip.at + 6) & 0x3fff))
		return false;
	if (f->family == 6 && (is_mapped(f->source) || is_mapped(f->destination)))
		return false;
	payload = payload_of(f);
	if (payload.size < (f->next == IPPROTO_TCP ? TCP_LEN : UDP_LEN))
		return false;
	return (f->next == IPPROTO_TCP || f->next == IPPROTO_UDP) &&
	       sum_payload(f, payload, f->next) == 0xffff;
}

static void check_gue(const struct frame *in, const struct frame *out,
		      const struct backend *backend)
{
	struct bytes gue = payload_of(out);

	require(gue.size == GUE_LEN + in->len && get16(gue.at + 4) == gue.size,
		"GUE has another length");
	require(get16(gue.at) >= 0xc000, "not from a dynamic port");
	require(get16(gue.at + 2) == backend->service->config.gue_port, "not to GUE's port");
	require(gue.at[8] == 0 && get16(gue.at + 10) == 0, "not GUE 0 without options");
	require(gue.at[9] == (in->family == 4 ? IPPROTO_IPIP : IPPROTO_IPV6), "GUE of what?");
	if (out->family == 4)
		require(get16(gue.at + 6) == 0, "a checksum where none is needed");
	else if (get16(gue.at + 6) && is_sound(in))
		require(sum_payload(out, gue, PROTO_GUE) == 0xffff, "GUE's checksum is wrong");
}

static uint8_t expected_next(const struct frame *in, bool is_gue)
{
	if (is_gue)
		return PROTO_GUE;
	return in->family == 4 ? IPPROTO_IPIP : IPPROTO_IPV6;
}

/* Returns what is behind it. */
static struct bytes check_outer(const struct scene *scene, const struct frame *in,
				const struct frame *out, const struct backend *backend)
{
	bool is_gue = backend->service->config.forward == LEAT_FORWARD_GUE;
	uint32_t extra = is_gue ? GUE_LEN : 0;

	require(out->family == (address_is_ipv4(&backend->config.address) ? 4 : 6),
		"no outer header of the backend's family");
	if (out->family == 4)
		check_outer_ipv4(scene, out);
	else
		check_outer_ipv6(scene, out);
	require(out->len == out->header_len + extra + in->len, "the outer length is wrong");
	require(out->tos == in->tos && out->ttl == TTL, "another TOS or TTL");
	require(out->next == expected_next(in, is_gue), "another protocol");
	require(is_address(out->destination, out->family, &backend->config.address),
		"not to the backend");
	if (is_gue)
		check_gue(in, out, backend);
	return bytes_from(out->ip, out->header_len + extra);
}

static void check_mtu(const struct frame *out, const struct backend *backend)
{
	uint16_t mtu = backend->next_hop.mtu;

	require(!mtu || out->len <= mtu, "does not fit");
}

static bool is_pool_address(const struct scene *scene, const uint8_t *at, unsigned int family)
{
	const struct nat_config *nat = &scene->node.config->nat;
	enum nat_family which = family == 4 ? NAT_IPV4 : NAT_IPV6;

	for (uint32_t i = 0; i < nat->counts[which]; i++) {
		if (is_address(at, family, &nat->addresses[which][i]))
			return true;
	}
	return false;
}

static bool is_for_pool(const struct scene *scene, const struct frame *f)
{
	return scene->datapath.options.nat && f->family &&
	       is_pool_address(scene, f->destination, f->family);
}

static size_t check_offset(uint8_t protocol)
{
	return protocol == IPPROTO_TCP ? 16 : 6;
}

/* Ports and checksum are all that differs. */
static void check_translated_transport(const struct frame *in, const struct frame *out)
{
	struct bytes from = payload_of(in), to = payload_of(out);
	size_t at = check_offset(in->next);

	require(memcmp(from.at + 4, to.at + 4, at - 4) == 0, "the transport's header has changed");
	require(bytes_equal(bytes_from(from, at + 2), bytes_from(to, at + 2)),
		"the payload has changed");
	if (in->next == IPPROTO_UDP)
		require(!get16(from.at + at) == !get16(to.at + at), "a checksum came or went");
	require(!is_sound(in) || is_sound(out), "the transport's checksum is wrong");
}

static void check_translated_ip(const struct frame *in, const struct frame *out)
{
	require(in->family == out->family && in->type == out->type, "another family");
	require(in->ip.size == out->ip.size && in->len == out->len &&
			in->header_len == out->header_len && in->tos == out->tos &&
			in->next == out->next,
		"another IP header");
	require(in->ttl > 1 && out->ttl == in->ttl - 1, "another TTL");
	if (in->family == 4 && sum_bytes(0, in->ip.at, in->header_len) == 0xffff)
		require(sum_bytes(0, out->ip.at, out->header_len) == 0xffff,
			"the IP header's checksum is wrong");
	if (in->next == IPPROTO_TCP || in->next == IPPROTO_UDP)
		check_translated_transport(in, out);
	else if (in->next == (in->family == 4 ? 1 : 58) && sum_icmp(in, payload_of(in)) == 0xffff)
		require(sum_icmp(out, payload_of(out)) == 0xffff, "ICMP's checksum is wrong");
}

/* From the pool to the backend and its port. */
static void check_towards_backend(const struct scene *scene, const struct frame *in,
				  const struct frame *out, const struct backend *backend)
{
	const struct nat_config *nat = &scene->node.config->nat;
	const uint8_t *from = in->ip.at + in->header_len, *to = out->ip.at + out->header_len;

	require(is_pool_address(scene, out->source, out->family), "not from the pool");
	require(is_address(out->destination, out->family, &backend->config.address),
		"not to the backend");
	if (in->next != IPPROTO_TCP && in->next != IPPROTO_UDP)
		return;
	require(get16(to) >= nat->first_port && get16(to) <= nat->last_port,
		"not from the pool's ports");
	require(get16(to + 2) == (backend->config.port ? backend->config.port : get16(from + 2)),
		"not to the backend's port");
}

static void check_translated(const struct scene *scene, struct bytes all,
			     const struct outcome *outcome, const struct backend *backend)
{
	struct frame in = frame_read(all, 2), out = frame_read(outcome->out, 2);

	require(in.family && in.len <= in.ip.size && in.len >= in.header_len,
		"what is translated is no IP packet");
	check_translated_ip(&in, &out);
	if (outcome->trace.reason == LEAT_FORWARDED) {
		check_link(&in, &out, backend);
		check_mtu(&out, backend);
		check_towards_backend(scene, &in, &out, backend);
		return;
	}
	require(outcome->action == XDP_TX || outcome->action == XDP_REDIRECT, "it goes nowhere");
	require(is_for_pool(scene, &in), "not for the pool");
	require(is_address(out.source, out.family, &backend->service->config.key.address),
		"not from the service");
}

static void check_forwarded(const struct scene *scene, struct bytes all,
			    const struct outcome *outcome)
{
	const struct backend *backend = scene_find_backend(scene, outcome->trace.backend);
	struct frame in = frame_read(all, 2), out = frame_read(outcome->out, 2);
	struct bytes inner = out.ip;

	require(backend, "to no backend");
	if (backend->service->config.forward == LEAT_FORWARD_NAT) {
		check_translated(scene, all, outcome, backend);
		return;
	}
	require(in.family && in.len <= in.ip.size && in.len >= in.header_len,
		"what is forwarded is no IP packet");
	require(is_address(in.destination, in.family, &backend->service->config.key.address),
		"a backend of another service");
	require(!outcome->trace.service || outcome->trace.service == backend->service->id + 1,
		"another service's backend");
	require(outcome->action == (leaves_elsewhere(backend) ? XDP_REDIRECT : XDP_TX),
		"by another interface");
	check_link(&in, &out, backend);
	/* An inner frame may look as if it had tags of its own. */
	check_mtu(&out, backend);
	if (backend->service->config.forward != LEAT_FORWARD_L2)
		inner = check_outer(scene, &in, &out, backend);
	else
		require(in.type == out.type, "another protocol");
	require(bytes_equal(inner, in.ip), "the packet has changed");
}

/* Back to where it came from. */
static void check_answer_link(const struct frame *in, const struct frame *out)
{
	require(out->family == in->family && out->link.size == in->link.size, "another link");
	require(memcmp(out->link.at, in->link.at + MAC_LEN, MAC_LEN) == 0 &&
			memcmp(out->link.at + MAC_LEN, in->link.at, MAC_LEN) == 0,
		"not back to its sender");
	require(memcmp(out->link.at + 2 * MAC_LEN, in->link.at + 2 * MAC_LEN,
		       in->link.size - 2 * MAC_LEN) == 0,
		"other VLAN tags");
	require(memcmp(out->source, in->destination, in->address_len) == 0 &&
			memcmp(out->destination, in->source, in->address_len) == 0,
		"the answer is from or to someone else");
	require(out->ttl == TTL, "another TTL");
}

static void check_echo(const struct frame *in, const struct frame *out)
{
	struct bytes ping = bytes_from(in->ip, in->header_len);
	struct bytes pong = bytes_from(out->ip, out->header_len);

	require(out->ip.size == in->ip.size && out->len == in->len, "another length");
	require(pong.at[0] == (in->family == 4 ? 0 : 129) && pong.at[1] == ping.at[1],
		"no echo reply");
	require(bytes_equal(bytes_from(ping, 4), bytes_from(pong, 4)), "another echo");
	if (in->family == 4 && sum_bytes(0, in->ip.at, in->header_len) == 0xffff)
		require(sum_bytes(0, out->ip.at, out->header_len) == 0xffff,
			"the IP header's checksum is wrong");
	if (sum_icmp(in, payload_of(in)) == 0xffff)
		require(sum_icmp(out, payload_of(out)) == 0xffff, "ICMP's checksum is wrong");
}

static void check_too_big(const struct scene *scene, const struct frame *in,
			  const struct frame *out, const struct outcome *outcome)
{
	const struct backend *backend = scene_find_backend(scene, outcome->trace.backend);
	struct bytes icmp = payload_of(out), quote = bytes_from(icmp, ICMP_LEN);
	bool is_ipv4 = out->family == 4;
	uint32_t mtu = get32(icmp.at + 4), outer;

	require(out->header_len == (is_ipv4 ? IPV4_LEN : IPV6_LEN), "options or extensions");
	require(out->len == out->ip.size, "its length is wrong");
	require(!is_ipv4 || sum_bytes(0, out->ip.at, IPV4_LEN) == 0xffff,
		"the IP header's checksum is wrong");
	require(out->next == (is_ipv4 ? 1 : 58), "no ICMP");
	require(icmp.at[0] == (is_ipv4 ? 3 : 2) && icmp.at[1] == (is_ipv4 ? 4 : 0),
		"another message");
	require(sum_icmp(out, icmp) == 0xffff, "ICMP's checksum is wrong");
	require(out->len <= (is_ipv4 ? 576 : IPV6_MIN), "quotes too much");
	require(quote.size >= in->header_len + 8U && quote.size <= in->ip.size &&
			memcmp(quote.at, in->ip.at, quote.size) == 0,
		"quotes something else");
	require(backend, "to no backend");
	outer = address_is_ipv4(&backend->config.address) ? IPV4_LEN : IPV6_LEN;
	if (backend->service->config.forward == LEAT_FORWARD_NAT)
		outer = 0;
	require(mtu == backend->next_hop.mtu - outer || mtu == (is_ipv4 ? 68 : IPV6_MIN),
		"another MTU");
	require(in->len > mtu || (!is_ipv4 && mtu == IPV6_MIN), "it would have fit");
}

/* Of a connection that the sender believes in. */
static void check_reset(const struct frame *in, const struct frame *out)
{
	struct bytes segment = payload_of(in), reset = payload_of(out);

	require(in->next == IPPROTO_TCP && out->next == IPPROTO_TCP, "no TCP");
	require(reset.size == TCP_LEN && out->ip.size == out->header_len + TCP_LEN,
		"another length");
	require(segment.at[13] & 0x10 && !(segment.at[13] & 0x04) && reset.at[13] == 0x04,
		"no reset of a segment with ACK");
	require(memcmp(reset.at, segment.at + 2, 2) == 0 &&
			memcmp(reset.at + 2, segment.at, 2) == 0,
		"other ports");
	require(memcmp(reset.at + 4, segment.at + 8, 4) == 0, "another sequence number");
	require(sum_payload(out, reset, IPPROTO_TCP) == 0xffff, "TCP's checksum is wrong");
	if (in->family == 4 && sum_bytes(0, in->ip.at, in->header_len) == 0xffff)
		require(sum_bytes(0, out->ip.at, out->header_len) == 0xffff,
			"the IP header's checksum is wrong");
}

static void check_answer(const struct scene *scene, struct bytes all, const struct outcome *outcome)
{
	struct frame in = frame_read(all, 2), out;

	if (outcome->action == XDP_DROP)
		return;
	require(outcome->action == XDP_TX, "an answer goes back");
	out = frame_read(outcome->out, 2);
	require(in.family && in.len <= in.ip.size && in.len >= in.header_len,
		"an answer to no IP packet");
	check_answer_link(&in, &out);
	if (outcome->trace.reason == LEAT_ECHO)
		check_echo(&in, &out);
	else if (outcome->trace.reason == LEAT_NAT_NO_STATE)
		check_reset(&in, &out);
	else
		check_too_big(scene, &in, &out, outcome);
}

enum verdict {
	FORWARD,
	PASS,
	DROP,
	ANSWER,
};

static enum verdict verdict_of(uint32_t reason)
{
	static const enum verdict verdicts[] = {
#define X(name, verdict, label, text) verdict,
		LEAT_REASONS(X)
#undef X
	};

	require(reason < LEAT_REASON_COUNT, "no such reason");
	return verdicts[reason];
}

/* The service that a packet is for, by its address and ports; NULL: none. */
static const struct service *find_service(const struct scene *scene, const struct frame *f)
{
	const struct service *any = NULL;
	uint16_t port = get16(f->ip.at + f->header_len + 2);

	for (size_t i = 0; i < scene->node.service_count; i++) {
		const struct service *service = scene->node.services[i];
		const struct leat_service_key *key = &service->config.key;

		if (!is_address(f->destination, f->family, &key->address) ||
		    key->protocol != f->next)
			continue;
		if (ntohs(key->port) == port)
			return service;
		if (key->port == 0)
			any = service;
	}
	return scene->datapath.options.any_port ? any : NULL;
}

/* Lists as the scene's configuration has them, for the node and for services; later ones are longer. */
struct list_entry {
	const char *service; /* NULL: all */
	const char *prefix;
	uint32_t reason; /* 0: let in */
};

static const struct list_entry list_entries[] = {
	{ NULL, "198.18.0.0/16", LEAT_DENIED },
	{ NULL, "2001:db8:bad::/48", LEAT_DENIED },
	{ "four-in-six", "0.0.0.0/0", LEAT_NOT_ALLOWED },
	{ "four-in-six", "203.0.113.64/26", 0 },
	{ "four-in-six", "203.0.113.80/28", LEAT_DENIED },
	{ "four-in-six", "203.0.113.77/31", LEAT_DENIED },
	{ "dns", "203.0.113.96/27", LEAT_DENIED },
};

static bool is_covered(const uint8_t *at, unsigned int family, const char *text)
{
	unsigned int skipped = family == 4 ? 12 : 0;
	struct prefix prefix;

	require(prefix_parse(text, &prefix) == 0, "a wrong prefix in this file");
	if (address_is_ipv4(&prefix.address) != (family == 4))
		return false;
	for (unsigned int bit = 0; bit < prefix.length; bit++) {
		uint8_t mask = (uint8_t)(0x80 >> bit % 8);

		if ((at[bit / 8] ^ prefix.address.bytes[skipped + bit / 8]) & mask)
			return false;
	}
	return true;
}

/* 0: it is let in. */
static uint32_t expected_access(const struct frame *f, const struct service *service)
{
	uint32_t node = 0, own = 0;

	for (size_t i = 0; i < ARRAY_SIZE(list_entries); i++) {
		const struct list_entry *entry = &list_entries[i];

		if (!is_covered(f->source, f->family, entry->prefix))
			continue;
		if (!entry->service)
			node = entry->reason;
		else if (strcmp(entry->service, service->config.name) == 0)
			own = entry->reason;
	}
	return node ?: own;
}

static void check_access(const struct frame *f, const struct service *service, uint32_t reason)
{
	uint32_t expected = expected_access(f, service);

	if (memcmp(f->source, f->destination, f->address_len) == 0)
		require(reason == LEAT_LAND, "from itself");
	else if (expected)
		require(reason == expected, "a list has its source");
	else
		require(reason != LEAT_DENIED && reason != LEAT_NOT_ALLOWED,
			"no list has its source");
}

static bool is_for_service_address(const struct scene *scene, const struct frame *f)
{
	for (size_t i = 0; i < scene->node.service_count; i++) {
		const struct leat_service_key *key = &scene->node.services[i]->config.key;

		if (f->family && is_address(f->destination, f->family, &key->address))
			return true;
	}
	return false;
}

/* RFC 9000, 17: the connection id that a server must have issued, of a QUIC packet whose header is short or
 * a Handshake's; size 0: there is none. */
static struct bytes issued_id(struct bytes udp)
{
	static const uint8_t version1[] = { 0, 0, 0, 1 };
	struct bytes quic = bytes_from(udp, UDP_LEN);
	size_t size;

	if (quic.size > 0 && quic.at[0] < 0x80)
		return bytes_from(quic, 1);
	if (quic.size < 6 || (quic.at[0] & 0xb0) != 0xa0 || memcmp(quic.at + 1, version1, 4) != 0)
		return (struct bytes){ 0 };
	size = MIN((size_t)quic.at[5], quic.size - 6);
	return (struct bytes){ quic.at + 6, size };
}

/* draft-ietf-quic-load-balancers: which backend's server id it has. NULL: nobody's. */
static const struct backend *find_issuer(const struct service *service, struct bytes id)
{
	unsigned int config = id.size ? id.at[0] >> 5 : LEAT_QUIC_CONFIGS;
	size_t length = config < LEAT_QUIC_CONFIGS ? service->config.quic_lengths[config] : 0;

	if (length == 0 || id.size < 1 + length)
		return NULL;
	for (size_t i = 0; i < service->backend_count; i++) {
		const struct backend *backend = service->backends[i];

		if (memcmp(backend->config.server_ids[config].bytes, id.at + 1, length) == 0)
			return backend;
	}
	return NULL;
}

/* A connection stays with who issued its id. */
static void check_issuer(const struct scene *scene, const struct frame *in,
			 const struct service *service, const struct outcome *outcome)
{
	const struct backend *issuer;

	if (!scene->datapath.options.quic || !service_is_quic(&service->config))
		return;
	issuer = find_issuer(service, issued_id(payload_of(in)));
	if (issuer && outcome->trace.reason == LEAT_FORWARDED)
		require(outcome->trace.backend == issuer->id, "another server issued its id");
}

/* What is for no service's address passes, whatever it is; and a sound packet is its service's. */
static void check_found(const struct scene *scene, struct bytes all, const struct outcome *outcome)
{
	struct frame in = frame_read(all, 2);
	const struct service *service;

	if (is_for_pool(scene, &in))
		return;
	if (!is_for_service_address(scene, &in))
		require(outcome->action == XDP_PASS, "for no service, and did not pass");
	if (outcome->seen < all.size || !in.family || !is_sound(&in))
		return;
	service = find_service(scene, &in);
	require(!outcome->trace.service || service, "for no service, and some has it");
	require(!service || outcome->trace.service == service->id + 1, "not its service");
	require((outcome->action == XDP_PASS) == !service, "for a service, and passed");
	if (service && scene->datapath.options.access)
		check_access(&in, service, outcome->trace.reason);
	if (service)
		check_issuer(scene, &in, service, outcome);
}

void opinion_of_leat(const struct scene *scene, struct bytes in, const struct outcome *outcome)
{
	check_found(scene, in, outcome);
	switch (verdict_of(outcome->trace.reason)) {
	case FORWARD:
		check_forwarded(scene, in, outcome);
		break;
	case PASS:
		require(outcome->action == XDP_PASS, "the reason is one to pass");
		require(bytes_equal(in, outcome->out), "what passes has changed");
		break;
	case DROP:
		require(outcome->action == XDP_DROP, "the reason is one to drop");
		require(outcome->trace.reason != LEAT_INTERNAL, "a defect");
		break;
	case ANSWER:
		check_answer(scene, in, outcome);
	}
}

/* 1 if it counts this very packet, 0 if nothing. */
static unsigned int counted(const struct host_map *map, uint32_t index, const struct bytes *in,
			    size_t seen)
{
	const struct leat_counter *counter = host_map_at(map, index);

	if (counter->packets == 0 && counter->bytes == 0)
		return 0;
	require(counter->packets == 1 && (counter->bytes == in->size || counter->bytes == seen),
		"counted otherwise");
	return 1;
}

/* How many packets a service was refused for a reason. */
static uint64_t refused(const struct datapath *datapath, uint32_t service, uint32_t reason)
{
	const struct leat_refusals *refusals = host_map_at(&datapath->refusals, service);

	return refusals->packets[reason];
}

void opinion_of_counters(const struct scene *scene, struct bytes in, const struct outcome *outcome)
{
	const struct datapath *datapath = &scene->datapath;
	bool is_forwarded = outcome->trace.reason == LEAT_FORWARDED;
	bool is_reply = outcome->trace.reason == LEAT_NAT_REPLY;
	uint32_t service = outcome->trace.service;
	size_t seen = outcome->seen;
	unsigned int total = 0;

	for (uint32_t i = 0; i < LEAT_REASON_COUNT; i++)
		total += counted(&datapath->reason_count, i, &in, seen);
	for (uint32_t i = 0; i < SCENE_MAX_BACKENDS; i++)
		total += counted(&datapath->backend_count, i, &in, seen);
	require(total == 1, "not counted once");
	if (is_forwarded)
		require(counted(&datapath->backend_count, outcome->trace.backend, &in, seen),
			"not counted at its backend");
	else
		require(counted(&datapath->reason_count, outcome->trace.reason, &in, seen),
			"not counted at its reason");
	for (uint32_t i = 0; i < SCENE_MAX_SERVICES; i++)
		require(refused(datapath, i, outcome->trace.reason) ==
				(!is_forwarded && !is_reply && service == i + 1),
			"not counted at its service's reason");
	for (uint32_t i = 0; i < SCENE_MAX_SERVICES; i++)
		require(counted(&datapath->service_count, i, &in, seen) ==
				(!is_forwarded && !is_reply && service == i + 1),
			"not counted at its service");
}

struct bytes opinion_find_inner(const struct scene *scene, struct bytes in,
				const struct outcome *outcome)
{
	const struct backend *backend = scene_find_backend(scene, outcome->trace.backend);
	struct frame read = frame_read(in, 2), out;

	if (outcome->trace.reason != LEAT_FORWARDED || !backend ||
	    backend->service->config.forward == LEAT_FORWARD_L2 ||
	    backend->service->config.forward == LEAT_FORWARD_NAT)
		return (struct bytes){ 0 };
	out = frame_read(outcome->out, 2);
	return out.link.size == ETH_HLEN ? read.ip : (struct bytes){ 0 };
}

/* Congestion that the outer header met is the only thing that an inner one may learn of. */
static void check_unwrapped(struct bytes inner, const struct frame *out, uint8_t outer_tos)
{
	require(inner.size == out->ip.size, "another length");
	require(out->family, "no IP packet was inside");
	if (bytes_equal(inner, out->ip))
		return;
	require((outer_tos & 3) == 3 && (out->tos & 3) == 3, "the inner packet has changed");
	if (out->family == 6)
		require((inner.at[1] | 0x30) == out->ip.at[1] && inner.at[0] == out->ip.at[0] &&
				memcmp(inner.at + 2, out->ip.at + 2, inner.size - 2) == 0,
			"more than ECN has changed");
	else
		require((inner.at[1] | 3) == out->ip.at[1] &&
				memcmp(inner.at + 2, out->ip.at + 2, 8) == 0 &&
				memcmp(inner.at + 12, out->ip.at + 12, inner.size - 12) == 0,
			"more than ECN has changed");
	if (out->family == 4 && sum_bytes(0, inner.at, out->header_len) == 0xffff)
		require(sum_bytes(0, out->ip.at, out->header_len) == 0xffff,
			"the header's checksum is wrong");
}

void opinion_of_decap(struct bytes in, struct bytes out, enum leat_decap_reason reason)
{
	struct frame read, unwrapped;
	uint32_t cut;

	if (reason != LEAT_DECAP_UNWRAPPED) {
		require(bytes_equal(in, out), "what passes has changed");
		return;
	}
	read = frame_read(in, 0);
	unwrapped = frame_read(out, 0);
	require(read.family, "no outer header");
	cut = read.header_len + (read.next == PROTO_GUE ? GUE_LEN : 0);
	require(memcmp(in.at, out.at, 2 * MAC_LEN) == 0, "other MACs");
	require(read.len <= read.ip.size && unwrapped.len >= unwrapped.header_len &&
			cut + unwrapped.len <= read.len,
		"lengths that lie");
	check_unwrapped(bytes_from(read.ip, cut), &unwrapped, read.tos);
}
