/* SPDX-License-Identifier: GPL-2.0-only */
#include "tools/leat/pcap.h"

#include <byteswap.h>
#include <errno.h>
#include <string.h>

#define MAGIC_MICRO   0xa1b2c3d4U
#define MAGIC_NANO    0xa1b23c4dU
#define LINK_ETHERNET 1U

/* https://datatracker.ietf.org/doc/draft-ietf-opsawg-pcap/ */
struct file_header {
	uint32_t magic;
	uint16_t major;
	uint16_t minor;
	uint32_t zero[2];
	uint32_t snap_len;
	uint32_t link_type; /* the upper half holds flags */
};

struct packet_header {
	uint32_t seconds;
	uint32_t fraction;
	uint32_t captured;
	uint32_t original;
};

static uint32_t host_order(const struct pcap_reader *reader, uint32_t value)
{
	return reader->is_swapped ? bswap_32(value) : value;
}

static int read_file_header(struct pcap_reader *reader, char error[PCAP_ERROR_SIZE])
{
	struct file_header header;
	uint32_t magic, link;

	if (fread(&header, sizeof(header), 1, reader->file) != 1) {
		snprintf(error, PCAP_ERROR_SIZE, "%s: too short for a packet capture",
			 reader->name);
		return -EINVAL;
	}
	magic = header.magic;
	reader->is_swapped = magic == bswap_32(MAGIC_MICRO) || magic == bswap_32(MAGIC_NANO);
	magic = host_order(reader, magic);
	reader->is_nano = magic == MAGIC_NANO;
	link = host_order(reader, header.link_type) & 0xffff;
	if (magic != MAGIC_MICRO && magic != MAGIC_NANO) {
		snprintf(error, PCAP_ERROR_SIZE,
			 "%s: not in the pcap format; for pcapng, type: editcap -F pcap %s OUT",
			 reader->name, reader->name);
		return -EINVAL;
	}
	if (link != LINK_ETHERNET) {
		snprintf(error, PCAP_ERROR_SIZE,
			 "%s: link type %u; only Ethernet (1) is understood", reader->name, link);
		return -EINVAL;
	}
	return 0;
}

int pcap_open(struct pcap_reader *reader, const char *name, char error[PCAP_ERROR_SIZE])
{
	int r;

	*reader = (struct pcap_reader){ .file = fopen(name, "rbe"), .name = name };
	if (!reader->file) {
		r = -errno;
		snprintf(error, PCAP_ERROR_SIZE, "cannot open %s: %s", name, strerror(-r));
		return r;
	}
	r = read_file_header(reader, error);
	if (r < 0)
		pcap_close(reader);
	return r;
}

void pcap_close(struct pcap_reader *reader)
{
	if (reader->file)
		fclose(take_ptr(reader->file));
}

static int cut_short(const struct pcap_reader *reader, char error[PCAP_ERROR_SIZE])
{
	snprintf(error, PCAP_ERROR_SIZE, "%s: packet %u is cut short", reader->name,
		 reader->count + 1);
	return -EINVAL;
}

int pcap_read(struct pcap_reader *reader, struct pcap_packet *packet, char error[PCAP_ERROR_SIZE])
{
	struct packet_header header;
	size_t got = fread(&header, 1, sizeof(header), reader->file);

	if (got == 0 && feof(reader->file))
		return 0;
	if (got != sizeof(header))
		return cut_short(reader, error);
	packet->seconds = host_order(reader, header.seconds);
	packet->nanoseconds = host_order(reader, header.fraction) * (reader->is_nano ? 1U : 1000U);
	packet->size = host_order(reader, header.captured);
	if (packet->size > PCAP_MAX_PACKET) {
		snprintf(error, PCAP_ERROR_SIZE,
			 "%s: packet %u claims %u bytes; at most %u are allowed", reader->name,
			 reader->count + 1, packet->size, PCAP_MAX_PACKET);
		return -EINVAL;
	}
	if (packet->size && fread(packet->data, packet->size, 1, reader->file) != 1)
		return cut_short(reader, error);
	reader->count++;
	return 1;
}

int pcap_create(const char *name, FILE **ret_file)
{
	static const struct file_header header = {
		.magic = MAGIC_NANO,
		.major = 2,
		.minor = 4,
		.snap_len = PCAP_MAX_PACKET,
		.link_type = LINK_ETHERNET,
	};
	FILE *file = fopen(name, "wbe");

	if (!file)
		return -errno;
	if (fwrite(&header, sizeof(header), 1, file) != 1) {
		fclose(file);
		return -EIO;
	}
	*ret_file = file;
	return 0;
}

int pcap_write(FILE *file, const struct pcap_packet *packet)
{
	struct packet_header header = {
		.seconds = packet->seconds,
		.fraction = packet->nanoseconds,
		.captured = packet->size,
		.original = packet->size,
	};

	if (fwrite(&header, sizeof(header), 1, file) != 1 ||
	    (packet->size && fwrite(packet->data, packet->size, 1, file) != 1))
		return -EIO;
	return 0;
}
