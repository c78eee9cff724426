/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * IP addresses, prefixes and MACs as text, and the one address type in sockaddr form. IPv4 is held
 * mapped (::ffff:a.b.c.d); text that already is in the mapped form is refused, so that an address
 * has one spelling.
 */
#ifndef LEAT_BASE_ADDRESS_H
#define LEAT_BASE_ADDRESS_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "maps/hash.h"
#include "maps/layout.h"

#define ADDRESS_TEXT_SIZE INET6_ADDRSTRLEN
#define PREFIX_TEXT_SIZE  (INET6_ADDRSTRLEN + 4)
#define MAC_TEXT_SIZE	  18

struct prefix {
	struct leat_addr address; /* host bits are zero */
	uint8_t length;		  /* of the family: 0-32 or 0-128 */
};

struct mac {
	uint8_t bytes[6];
};

/* All of these return 0 or -EINVAL and leave the result alone on failure. */
int address_parse(const char *text, struct leat_addr *ret_address);
int prefix_parse(const char *text, struct prefix *ret_prefix);
int mac_parse(const char *text, struct mac *ret_mac);
/* "192.0.2.1:80" or "[2001:db8::1]:80". */
int address_parse_with_port(const char *text, struct leat_addr *ret_address, uint16_t *ret_port);

/* Each returns `text`. */
const char *address_format(const struct leat_addr *address, char text[ADDRESS_TEXT_SIZE]);
const char *prefix_format(const struct prefix *prefix, char text[PREFIX_TEXT_SIZE]);
const char *mac_format(const uint8_t mac[6], char text[MAC_TEXT_SIZE]);

static inline bool address_is_ipv4(const struct leat_addr *address)
{
	return leat_addr_is_ipv4(address);
}

static inline bool address_is_zero(const struct leat_addr *address)
{
	return address->halves[0] == 0 && address->halves[1] == 0;
}

/* Like memcmp(); orders by the bytes as they go over the wire. */
int address_compare(const struct leat_addr *a, const struct leat_addr *b);
bool address_equal(const struct leat_addr *a, const struct leat_addr *b);
/* Loopback, unspecified, multicast and broadcast: nothing that traffic can be sent to. */
bool address_is_unicast(const struct leat_addr *address);

struct leat_addr address_from_ipv4(struct in_addr in);
struct leat_addr address_from_ipv6(const struct in6_addr *in6);
/* Returns the length of the AF_INET or AF_INET6 address written. */
socklen_t address_to_sockaddr(const struct leat_addr *address, uint16_t port,
			      struct sockaddr_storage *ret_sockaddr);

#endif
