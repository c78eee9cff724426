/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Packet captures in the classic pcap format, either byte order, micro- or nanoseconds, Ethernet
 * only. (pcapng is what editcap -F pcap turns into this.)
 */
#ifndef LEAT_TOOLS_PCAP_H
#define LEAT_TOOLS_PCAP_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/macros.h"

#define PCAP_MAX_PACKET 262144

struct pcap_reader {
	FILE *file;
	const char *name;
	bool is_swapped;
	bool is_nano;
	uint32_t count; /* packets read so far */
};

struct pcap_packet {
	uint32_t seconds;
	uint32_t nanoseconds;
	uint32_t size;
	uint8_t *data; /* PCAP_MAX_PACKET of room; the caller's */
};

/* Both write what is wrong to `error`. pcap_open(): 0 or -errno. pcap_read(): 1 with a packet, 0 at the end,
 * -errno. */
#define PCAP_ERROR_SIZE 256
int pcap_open(struct pcap_reader *reader, const char *name, char error[PCAP_ERROR_SIZE]);
int pcap_read(struct pcap_reader *reader, struct pcap_packet *packet, char error[PCAP_ERROR_SIZE]);
void pcap_close(struct pcap_reader *reader);

/* A new capture in this machine's byte order, with nanoseconds. 0 or -errno. */
int pcap_create(const char *name, FILE **ret_file);
int pcap_write(FILE *file, const struct pcap_packet *packet);

#endif
