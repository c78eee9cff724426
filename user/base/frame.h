/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ethernet frames: made from what a command line says, and taken apart for people. Neither decides
 * anything; what a packet means to the datapath, the datapath says.
 */
#ifndef LEAT_BASE_FRAME_H
#define LEAT_BASE_FRAME_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"

/* A packet of a flow, with zeros for its payload. Both addresses are of one family. */
struct frame {
	struct mac source_mac, destination_mac;
	struct leat_addr source, destination;
	uint16_t source_port, destination_port;
	uint8_t protocol; /* IPPROTO_TCP or IPPROTO_UDP */
	uint8_t tcp_flags;
	uint16_t ip_size; /* of the IP packet; 0: as small as its headers */
};

#define FRAME_MAX (UINT16_MAX + 14)

/* The least ip_size that a frame can have. */
size_t frame_least_size(const struct frame *frame);
/* Writes it with its checksums, to room of FRAME_MAX bytes. Its size. */
size_t frame_write(const struct frame *frame, uint8_t *data);

/* "S", "SA", "FA": TCP flags by their first letters, in any order. 0 or -EINVAL. */
int tcp_flags_parse(const char *text, uint8_t *ret_flags);

/*
 * The headers from the outermost on, an object for each with the member "layer": ethernet, vlan, ipv4,
 * ipv6, tcp, udp, gue or icmp. It ends where something is cut short or not known. gue_port: the
 * destination port of GUE; 0: none is.
 */
json_t *frame_layers(const uint8_t *data, size_t size, uint16_t gue_port);

#endif
