/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/encode.h"

#include <arpa/inet.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <string.h>

#include "base/checksum.h"

#define OUTER_TTL 64

static bool is_gue(const struct service_config *service)
{
	return service->forward == LEAT_FORWARD_GUE;
}

/* Of what is behind the outer IP header. */
static uint8_t inner_protocol(const struct service_config *service)
{
	if (is_gue(service))
		return IPPROTO_UDP;
	return address_is_ipv4(&service->key.address) ? IPPROTO_IPIP : IPPROTO_IPV6;
}

/* The host bits of a prefix that lie in the address's last word. */
static __be32 last_word_host_bits(const struct prefix *prefix)
{
	unsigned int bits = address_is_ipv4(&prefix->address) ? 32 : 128;
	unsigned int host = bits - prefix->length;

	return htonl(host >= 32 ? UINT32_MAX : (UINT32_C(1) << host) - 1);
}

static void encode_outer_ipv4(struct leat_backend *value, const struct config *config,
			      const struct service_config *service, const struct leat_addr *backend)
{
	struct iphdr outer = {
		.version = 4,
		.ihl = 5,
		.frag_off = htons(0x4000), /* DF: an atomic datagram needs no id (RFC 6864) */
		.ttl = OUTER_TTL,
		.protocol = inner_protocol(service),
		.saddr = config->outer_source4.address.words[3],
		.daddr = backend->words[3],
	};

	outer.check = checksum_sum(&outer, sizeof(outer));
	memcpy(value->outer, &outer, sizeof(outer));
	value->outer_len = sizeof(outer);
	value->source_mask = last_word_host_bits(&config->outer_source4);
}

static void encode_outer_ipv6(struct leat_backend *value, const struct config *config,
			      const struct service_config *service, const struct leat_addr *backend)
{
	struct ipv6hdr outer = {
		.version = 6,
		.nexthdr = inner_protocol(service),
		.hop_limit = OUTER_TTL,
	};

	memcpy(&outer.saddr, &config->outer_source6.address, sizeof(outer.saddr));
	memcpy(&outer.daddr, backend, sizeof(outer.daddr));
	memcpy(value->outer, &outer, sizeof(outer));
	value->outer_len = sizeof(outer);
	value->source_mask = last_word_host_bits(&config->outer_source6);
}

/* The datapath knows the first word of either header, and has other things there. */
static void encode_outer(struct leat_backend *value, const struct config *config,
			 const struct service_config *service, const struct leat_addr *backend)
{
	if (address_is_ipv4(backend))
		encode_outer_ipv4(value, config, service, backend);
	else
		encode_outer_ipv6(value, config, service, backend);
	value->outer_words[0] = 0;
	if (!is_gue(service))
		return;
	value->outer_len = (uint8_t)(value->outer_len + sizeof(struct leat_gue));
	value->gue_port = htons((uint16_t)service->gue_port);
}

static void encode_nat(struct leat_backend *value, const struct backend_config *backend)
{
	value->nat_address = backend->address;
	value->nat_port = htons((uint16_t)backend->port);
}

static void encode_tag(struct leat_backend *value, const struct config *config,
		       const struct next_hop *next_hop)
{
	if (config->has_next_hop || !next_hop->vlan)
		return;
	value->vlan = htons(next_hop->vlan);
	value->forward |= LEAT_FORWARD_TAGGED;
}

static bool encode_next_hop(struct leat_backend *value, const struct config *config,
			    const struct service_config *service, const struct next_hop *next_hop)
{
	if (config->has_next_hop) {
		memcpy(value->dst_mac, config->next_hop.bytes, sizeof(value->dst_mac));
		return true;
	}
	if (next_hop->state != NEXT_HOP_RESOLVED ||
	    (service->forward == LEAT_FORWARD_L2 && next_hop->has_gateway))
		return false;
	memcpy(value->dst_mac, next_hop->dst_mac, sizeof(value->dst_mac));
	memcpy(value->src_mac, next_hop->src_mac, sizeof(value->src_mac));
	value->ifindex = next_hop->ifindex;
	value->mtu = next_hop->mtu;
	return true;
}

struct leat_backend backend_encode(const struct config *config,
				   const struct service_config *service,
				   const struct backend_config *backend,
				   const struct next_hop *next_hop)
{
	struct leat_backend value = { 0 };

	if (!encode_next_hop(&value, config, service, next_hop))
		return (struct leat_backend){ .forward = LEAT_FORWARD_UNRESOLVED };
	value.forward = (uint8_t)service->forward;
	if (service->forward == LEAT_FORWARD_NAT)
		encode_nat(&value, backend);
	else if (service->forward != LEAT_FORWARD_L2)
		encode_outer(&value, config, service, &backend->address);
	encode_tag(&value, config, next_hop);
	return value;
}

struct leat_nat_pool nat_pool_encode(const struct config *config, enum nat_family family)
{
	const struct nat_config *nat = &config->nat;
	struct leat_nat_pool pool = {
		.count = nat->counts[family],
		.first_port = nat->first_port,
		.port_count = nat->last_port - nat->first_port + 1U,
	};

	memcpy(pool.addresses, nat->addresses[family], sizeof(pool.addresses));
	return pool;
}

struct leat_options options_encode(const struct config *config)
{
	struct leat_options options = { .access = config->access != NULL };

	for (size_t i = 0; i < config->service_count; i++) {
		options.any_port |= config->services[i].key.port == 0;
		options.remembers |= config->services[i].scheduler != LEAT_SCHEDULER_HASH;
		options.rate |= config->services[i].rate_new != 0;
		options.access |= config->services[i].access != NULL;
		options.quic |= service_is_quic(&config->services[i]);
		options.nat |= config->services[i].forward == LEAT_FORWARD_NAT;
	}
	return options;
}

struct leat_options options_merge(struct leat_options a, struct leat_options b)
{
	return (struct leat_options){
		.any_port = a.any_port | b.any_port,
		.remembers = a.remembers | b.remembers,
		.trace = a.trace | b.trace,
		.rate = a.rate | b.rate,
		.access = a.access | b.access,
		.quic = a.quic | b.quic,
		.nat = a.nat | b.nat,
	};
}
