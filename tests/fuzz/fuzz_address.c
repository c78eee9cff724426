/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What an address parser accepts is formatted and read again as the same value, and each value has
 * one spelling.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/address.h"
#include "base/macros.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_address(const char *text)
{
	char first[ADDRESS_TEXT_SIZE], second[ADDRESS_TEXT_SIZE];
	struct leat_addr address, again;

	if (address_parse(text, &address) < 0)
		return;
	assert(address_parse(address_format(&address, first), &again) == 0);
	assert(address_equal(&address, &again));
	assert(strcmp(first, address_format(&again, second)) == 0);
}

static void check_prefix(const char *text)
{
	char first[PREFIX_TEXT_SIZE], second[PREFIX_TEXT_SIZE];
	struct prefix prefix, again;

	if (prefix_parse(text, &prefix) < 0)
		return;
	assert(prefix.length <= (address_is_ipv4(&prefix.address) ? 32 : 128));
	assert(prefix_parse(prefix_format(&prefix, first), &again) == 0);
	assert(prefix.length == again.length && address_equal(&prefix.address, &again.address));
	assert(strcmp(first, prefix_format(&again, second)) == 0);
}

static void check_mac(const char *text)
{
	char formatted[MAC_TEXT_SIZE];
	struct mac mac;

	if (mac_parse(text, &mac) < 0)
		return;
	assert(strcasecmp(text, mac_format(mac.bytes, formatted)) == 0);
}

static void check_address_with_port(const char *text)
{
	char formatted[ADDRESS_TEXT_SIZE + sizeof("[]:65535")], address_text[ADDRESS_TEXT_SIZE];
	struct leat_addr address, again;
	uint16_t port, port_again;

	if (address_parse_with_port(text, &address, &port) < 0)
		return;
	assert(port > 0);
	snprintf(formatted, sizeof(formatted), address_is_ipv4(&address) ? "%s:%u" : "[%s]:%u",
		 address_format(&address, address_text), port);
	assert(address_parse_with_port(formatted, &again, &port_again) == 0);
	assert(port == port_again && address_equal(&address, &again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup(freep) char *text = malloc(size + 1);

	assert(text);
	memcpy(text, data, size);
	text[size] = '\0';
	check_address(text);
	check_prefix(text);
	check_mac(text);
	check_address_with_port(text);
	return 0;
}
