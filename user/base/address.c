/* SPDX-License-Identifier: GPL-2.0-only */
#include "base/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/macros.h"
#include "base/number.h"

struct leat_addr address_from_ipv4(struct in_addr in)
{
	struct leat_addr address = { .words = { 0, 0, htonl(0xffff), in.s_addr } };

	return address;
}

struct leat_addr address_from_ipv6(const struct in6_addr *in6)
{
	struct leat_addr address;

	memcpy(address.bytes, in6->s6_addr, sizeof(address.bytes));
	return address;
}

int address_parse(const char *text, struct leat_addr *ret_address)
{
	struct leat_addr address;
	struct in6_addr in6;
	struct in_addr in;

	if (inet_pton(AF_INET, text, &in) == 1) {
		*ret_address = address_from_ipv4(in);
		return 0;
	}
	if (inet_pton(AF_INET6, text, &in6) != 1)
		return -EINVAL;
	address = address_from_ipv6(&in6);
	if (address_is_ipv4(&address))
		return -EINVAL;
	*ret_address = address;
	return 0;
}

static void clear_host_bits(struct leat_addr *address, unsigned int length)
{
	for (unsigned int byte = 0; byte < sizeof(address->bytes); byte++) {
		unsigned int kept = length > byte * 8 ? MIN(length - byte * 8, 8U) : 0;

		address->bytes[byte] = (uint8_t)(address->bytes[byte] & (0xff00U >> kept));
	}
}

int prefix_parse(const char *text, struct prefix *ret_prefix)
{
	char copy[PREFIX_TEXT_SIZE];
	struct prefix prefix = { 0 };
	unsigned int bits;
	uint64_t length;
	char *slash;

	if (strlen(text) >= sizeof(copy))
		return -EINVAL;
	strcpy(copy, text);
	slash = strchr(copy, '/');
	if (slash)
		*slash = '\0';
	if (address_parse(copy, &prefix.address) < 0)
		return -EINVAL;

	bits = address_is_ipv4(&prefix.address) ? 32 : 128;
	length = bits;
	if (slash && number_parse(slash + 1, 0, bits, &length) < 0)
		return -EINVAL;
	prefix.length = (uint8_t)length;
	clear_host_bits(&prefix.address, 128 - bits + prefix.length);
	*ret_prefix = prefix;
	return 0;
}

int mac_parse(const char *text, struct mac *ret_mac)
{
	struct mac mac;
	int end = 0;

	if (strlen(text) != MAC_TEXT_SIZE - 1 ||
	    strspn(text, "0123456789abcdefABCDEF:") != MAC_TEXT_SIZE - 1)
		return -EINVAL;
	if (sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &mac.bytes[0], &mac.bytes[1],
		   &mac.bytes[2], &mac.bytes[3], &mac.bytes[4], &mac.bytes[5], &end) != 6 ||
	    end != MAC_TEXT_SIZE - 1)
		return -EINVAL;
	*ret_mac = mac;
	return 0;
}

int address_parse_with_port(const char *text, struct leat_addr *ret_address, uint16_t *ret_port)
{
	char copy[ADDRESS_TEXT_SIZE + sizeof("[]:65535")];
	bool bracketed = text[0] == '[';
	struct leat_addr address;
	uint64_t port;
	char *colon;

	if (strlen(text) >= sizeof(copy))
		return -EINVAL;
	strcpy(copy, text);
	colon = strrchr(copy, ':');
	if (!colon || colon == copy || number_parse(colon + 1, 1, 65535, &port) < 0)
		return -EINVAL;
	*colon = '\0';
	if (bracketed) {
		if (colon[-1] != ']')
			return -EINVAL;
		colon[-1] = '\0';
	}
	if (address_parse(copy + bracketed, &address) < 0 || address_is_ipv4(&address) == bracketed)
		return -EINVAL;
	*ret_address = address;
	*ret_port = (uint16_t)port;
	return 0;
}

const char *address_format(const struct leat_addr *address, char text[ADDRESS_TEXT_SIZE])
{
	if (address_is_ipv4(address))
		inet_ntop(AF_INET, &address->words[3], text, ADDRESS_TEXT_SIZE);
	else
		inet_ntop(AF_INET6, address->bytes, text, ADDRESS_TEXT_SIZE);
	return text;
}

const char *prefix_format(const struct prefix *prefix, char text[PREFIX_TEXT_SIZE])
{
	char address[ADDRESS_TEXT_SIZE];

	snprintf(text, PREFIX_TEXT_SIZE, "%s/%u", address_format(&prefix->address, address),
		 prefix->length);
	return text;
}

const char *mac_format(const uint8_t mac[6], char text[MAC_TEXT_SIZE])
{
	snprintf(text, MAC_TEXT_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		 mac[3], mac[4], mac[5]);
	return text;
}

int address_compare(const struct leat_addr *a, const struct leat_addr *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

bool address_equal(const struct leat_addr *a, const struct leat_addr *b)
{
	return address_compare(a, b) == 0;
}

bool address_is_unicast(const struct leat_addr *address)
{
	struct in6_addr in6;

	if (address_is_ipv4(address)) {
		uint32_t ipv4 = ntohl(address->words[3]);

		return ipv4 >> 24 != 0 && ipv4 >> 24 != 127 && ipv4 >> 28 < 14;
	}
	memcpy(in6.s6_addr, address->bytes, sizeof(address->bytes));
	return !IN6_IS_ADDR_UNSPECIFIED(&in6) && !IN6_IS_ADDR_LOOPBACK(&in6) &&
	       !IN6_IS_ADDR_MULTICAST(&in6);
}

socklen_t address_to_sockaddr(const struct leat_addr *address, uint16_t port,
			      struct sockaddr_storage *ret_sockaddr)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };

	memset(ret_sockaddr, 0, sizeof(*ret_sockaddr));
	if (address_is_ipv4(address)) {
		in.sin_addr.s_addr = address->words[3];
		memcpy(ret_sockaddr, &in, sizeof(in));
		return sizeof(in);
	}
	memcpy(in6.sin6_addr.s6_addr, address->bytes, sizeof(address->bytes));
	memcpy(ret_sockaddr, &in6, sizeof(in6));
	return sizeof(in6);
}
