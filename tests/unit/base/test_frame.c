/* SPDX-License-Identifier: GPL-2.0-only */
#include "base/frame.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/checksum.h"
#include "base/macros.h"

static struct frame make(const char *source, const char *destination, uint8_t protocol,
			 uint16_t ip_size)
{
	struct frame frame = {
		.source_mac = { { 2, 0, 0, 0, 0, 1 } },
		.destination_mac = { { 2, 0, 0, 0, 0, 2 } },
		.source_port = 51234,
		.destination_port = 443,
		.protocol = protocol,
		.tcp_flags = 0x12,
		.ip_size = ip_size,
	};

	assert_int_equal(address_parse(source, &frame.source), 0);
	assert_int_equal(address_parse(destination, &frame.destination), 0);
	return frame;
}

static struct frame make4(uint8_t protocol, uint16_t ip_size)
{
	return make("203.0.113.9", "192.0.2.10", protocol, ip_size);
}

static struct frame make6(uint8_t protocol, uint16_t ip_size)
{
	return make("2001:db8:3::9", "2001:db8:1::10", protocol, ip_size);
}

/* The layers as text, without what is behind `size` bytes. */
static char *layers(const uint8_t *data, size_t size, uint16_t gue_port)
{
	json_t *json = frame_layers(data, size, gue_port), *layer;
	static char text[200];
	size_t i;

	text[0] = '\0';
	json_array_foreach(json, i, layer) {
		strcat(text, i ? " " : "");
		strcat(text, json_string_value(json_object_get(layer, "layer")));
	}
	json_decref(json);
	return text;
}

static void a_frame_that_was_written_is_taken_apart_again(void **state)
{
	uint8_t data[FRAME_MAX];
	struct frame frame = make4(IPPROTO_TCP, 0);
	size_t size = frame_write(&frame, data);
	json_t *json = frame_layers(data, size, 0), *ip = json_array_get(json, 1);
	json_t *tcp = json_array_get(json, 2);

	(void)state;
	assert_int_equal(size, 14 + 20 + 20);
	assert_string_equal(json_string_value(json_object_get(ip, "source")), "203.0.113.9");
	assert_string_equal(json_string_value(json_object_get(ip, "destination")), "192.0.2.10");
	assert_int_equal(json_integer_value(json_object_get(ip, "size")), 40);
	assert_int_equal(json_integer_value(json_object_get(tcp, "source_port")), 51234);
	assert_int_equal(json_integer_value(json_object_get(tcp, "destination_port")), 443);
	assert_string_equal(json_string_value(json_object_get(tcp, "flags")), "SA");
	json_decref(json);
}

static void each_family_and_protocol_has_the_size_that_was_asked_for(void **state)
{
	uint8_t data[FRAME_MAX];
	struct frame frames[] = { make4(IPPROTO_UDP, 0), make6(IPPROTO_TCP, 0),
				  make6(IPPROTO_UDP, 1500), make4(IPPROTO_TCP, UINT16_MAX) };
	static const struct {
		size_t size;
		const char *layers;
	} wanted[] = { { 14 + 28, "ethernet ipv4 udp" },
		       { 14 + 60, "ethernet ipv6 tcp" },
		       { 14 + 1500, "ethernet ipv6 udp" },
		       { FRAME_MAX, "ethernet ipv4 tcp" } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(frames); i++) {
		assert_int_equal(frame_write(&frames[i], data), wanted[i].size);
		assert_string_equal(layers(data, wanted[i].size, 0), wanted[i].layers);
	}
}

/* Over the pseudo header and all behind the IP header, a right checksum makes the sum all ones. */
static void checksums_are_right(void **state)
{
	uint8_t data[FRAME_MAX + 40] = { 0 };
	uint8_t *ip = data + 14;
	struct frame frames[] = { make4(IPPROTO_TCP, 0), make4(IPPROTO_UDP, 100),
				  make4(IPPROTO_TCP, 1001) };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(frames); i++) {
		size_t l4_size = frame_write(&frames[i], data) - 14 - 20;
		uint8_t pseudo[12 + 2000] = { 0 };

		assert_int_equal(checksum_sum(ip, 20), 0xffff);
		memcpy(pseudo, ip + 12, 8);
		pseudo[9] = frames[i].protocol;
		pseudo[10] = (uint8_t)(l4_size >> 8);
		pseudo[11] = (uint8_t)l4_size;
		memcpy(pseudo + 12, ip + 20, l4_size);
		assert_int_equal(checksum_sum(pseudo, 12 + (l4_size + 1) / 2 * 2), 0xffff);
	}
}

static void encapsulations_are_seen_through(void **state)
{
	uint8_t inner[FRAME_MAX], data[200];
	struct frame frame = make4(IPPROTO_TCP, 0), outer = make6(IPPROTO_UDP, 0);
	size_t inner_size = frame_write(&frame, inner) - 14, size;

	(void)state;
	/* ipip: an IPv6 header whose next header is IPv4 */
	frame_write(&outer, data);
	data[14 + 6] = IPPROTO_IPIP;
	memcpy(data + 54, inner + 14, inner_size);
	assert_string_equal(layers(data, 54 + inner_size, 0), "ethernet ipv6 ipv4 tcp");

	/* gue: its header behind UDP, and only where the port says so */
	size = frame_write(&outer, data);
	memcpy(data + size, (uint8_t[]){ 0, IPPROTO_IPIP, 0, 0 }, 4);
	memcpy(data + size + 4, inner + 14, inner_size);
	assert_string_equal(layers(data, size + 4 + inner_size, 443),
			    "ethernet ipv6 udp gue ipv4 tcp");
	assert_string_equal(layers(data, size + 4 + inner_size, 444), "ethernet ipv6 udp");
}

static void what_is_cut_short_ends_where_it_is_cut(void **state)
{
	uint8_t data[FRAME_MAX];
	struct frame frame = make4(IPPROTO_TCP, 0);

	(void)state;
	frame_write(&frame, data);
	assert_string_equal(layers(data, 13, 0), "");
	assert_string_equal(layers(data, 33, 0), "ethernet");
	assert_string_equal(layers(data, 53, 0), "ethernet ipv4");
}

static void flags_are_letters_in_any_order(void **state)
{
	uint8_t flags = 0;

	(void)state;
	assert_int_equal(tcp_flags_parse("AS", &flags), 0);
	assert_int_equal(flags, 0x12);
	assert_int_equal(tcp_flags_parse("FSRPAUEC", &flags), 0);
	assert_int_equal(flags, 0xff);
	assert_int_equal(tcp_flags_parse("", &flags), -EINVAL);
	assert_int_equal(tcp_flags_parse("S|A", &flags), -EINVAL);
	assert_int_equal(flags, 0xff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_frame_that_was_written_is_taken_apart_again),
		cmocka_unit_test(each_family_and_protocol_has_the_size_that_was_asked_for),
		cmocka_unit_test(checksums_are_right),
		cmocka_unit_test(encapsulations_are_seen_through),
		cmocka_unit_test(what_is_cut_short_ends_where_it_is_cut),
		cmocka_unit_test(flags_are_letters_in_any_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
