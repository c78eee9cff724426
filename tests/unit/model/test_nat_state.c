/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/nat_state.h"

#include "tests/unit/sample_config.h"

#define LIVE   LEAT_NAT_LIVE
#define FIN    (LEAT_NAT_LIVE | LEAT_NAT_FIN)
#define RST    (LEAT_NAT_LIVE | LEAT_NAT_RST)
#define SECOND 1000

static const struct leat_policy policy = {
	.tcp_idle = LEAT_TICKS(900 * SECOND),
	.udp_idle = LEAT_TICKS(120 * SECOND),
};

static uint32_t tcp(uint8_t client, uint8_t backend)
{
	return nat_lifetime(IPPROTO_TCP, client, backend, &policy);
}

static uint32_t udp(uint8_t client, uint8_t backend)
{
	return nat_lifetime(IPPROTO_UDP, client, backend, &policy);
}

static void a_tcp_flow_lives_by_its_state(void **state)
{
	(void)state;
	assert_int_equal(tcp(0, 0), LEAT_TICKS(LEAT_HALF_OPEN_MS));
	/* The backend has answered, and the client may be nobody: a flood of SYNs gets as far. */
	assert_int_equal(tcp(0, LIVE), LEAT_TICKS(LEAT_HALF_OPEN_MS));
	assert_int_equal(tcp(LIVE, LIVE), policy.tcp_idle);
	assert_int_equal(tcp(FIN, LIVE), LEAT_TICKS(LEAT_NAT_CLOSING_MS));
	assert_int_equal(tcp(LIVE, FIN), LEAT_TICKS(LEAT_NAT_CLOSING_MS));
	assert_int_equal(tcp(FIN, FIN), LEAT_TICKS(LEAT_CLOSING_MS));
	assert_int_equal(tcp(RST, LIVE), LEAT_TICKS(LEAT_CLOSING_MS));
	assert_int_equal(tcp(0, RST), LEAT_TICKS(LEAT_CLOSING_MS));
}

static void a_udp_flow_that_is_answered_lives_for_the_idle_time(void **state)
{
	(void)state;
	assert_int_equal(udp(LIVE, 0), LEAT_TICKS(LEAT_HALF_OPEN_MS));
	assert_int_equal(udp(LIVE, LIVE), policy.udp_idle);
}

static void flags_of_the_direction_do_not_matter(void **state)
{
	(void)state;
	assert_int_equal(tcp(LIVE, LIVE | LEAT_NAT_FROM_BACKEND), policy.tcp_idle);
	assert_int_equal(tcp(0, LIVE | LEAT_NAT_FROM_BACKEND), LEAT_TICKS(LEAT_HALF_OPEN_MS));
}

static void nothing_lives_longer_than_the_idle_time_or_shorter_than_the_least(void **state)
{
	(void)state;
	for (uint16_t idle = 1; idle < 400; idle++) {
		const struct leat_policy brief = { .tcp_idle = idle, .udp_idle = idle };

		for (unsigned int flags = 0; flags < 0x100; flags++) {
			uint8_t client = flags & 0xf, backend = (uint8_t)(flags >> 4);
			uint32_t of_tcp = nat_lifetime(IPPROTO_TCP, client, backend, &brief);
			uint32_t of_udp = nat_lifetime(IPPROTO_UDP, client, backend, &brief);

			assert_in_range(of_tcp, nat_least_lifetime(&brief), idle);
			assert_in_range(of_udp, nat_least_lifetime(&brief), idle);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tcp_flow_lives_by_its_state),
		cmocka_unit_test(a_udp_flow_that_is_answered_lives_for_the_idle_time),
		cmocka_unit_test(flags_of_the_direction_do_not_matter),
		cmocka_unit_test(nothing_lives_longer_than_the_idle_time_or_shorter_than_the_least),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
