/* SPDX-License-Identifier: GPL-2.0-only */
#include "netlink/rtnl_monitor.h"

#include "tests/unit/netlink/network.h"

#include <string.h>

struct fixture {
	sd_event *event;
	struct rtnl_monitor monitor;
	unsigned int links, routes, losses;
	uint32_t neighbour_ifindex;
	struct leat_addr neighbour;
};

static void on_link(void *user)
{
	struct fixture *f = user;

	f->links++;
}

static void on_route(void *user)
{
	struct fixture *f = user;

	f->routes++;
}

static void on_neighbour(void *user, uint32_t ifindex, const struct leat_addr *address)
{
	struct fixture *f = user;

	f->neighbour_ifindex = ifindex;
	f->neighbour = *address;
}

static void on_lost(void *user)
{
	struct fixture *f = user;

	f->losses++;
}

static const struct rtnl_monitor_listener listener = {
	.link_changed = on_link,
	.route_changed = on_route,
	.neighbour_changed = on_neighbour,
	.lost = on_lost,
};

static bool has_seen_link(const void *user)
{
	return ((const struct fixture *)user)->links > 0;
}

static bool has_seen_route(const void *user)
{
	return ((const struct fixture *)user)->routes > 0;
}

static bool has_seen_neighbour(const void *user)
{
	const struct fixture *f = user;
	struct leat_addr expected = network_address("2001:db8::50");

	return address_equal(&f->neighbour, &expected);
}

static bool has_seen_loss(const void *user)
{
	return ((const struct fixture *)user)->losses > 0;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	network_create();
	assert_int_equal(sd_event_new(&f->event), 0);
	assert_int_equal(rtnl_monitor_init(&f->monitor, f->event, &listener, f), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	rtnl_monitor_deinit(&f->monitor);
	sd_event_unref(f->event);
	free(f);
	network_destroy();
	return 0;
}

static void change_of_a_link_is_reported(void **state)
{
	struct fixture *f = *state;

	network_ip("link set v0 mtu 1400\n");
	network_wait(f->event, has_seen_link, f);
}

static void whatever_can_move_a_route_is_reported(void **state)
{
	struct fixture *f = *state;
	const char *const lines[] = {
		"route add 203.0.113.0/24 via 192.0.2.2\n",
		"route del 203.0.113.0/24\n",
		"route add 2001:db8:1::/48 via 2001:db8::2\n",
		"rule add to 203.0.113.7 table 77\n",
		"addr add 203.0.113.8/32 dev v0\n",
		"addr add 2001:db8:2::1/64 dev v0 nodad\n",
		"nexthop add id 7 via 192.0.2.2 dev v0\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		while (sd_event_run(f->event, 0) > 0)
			continue;
		f->routes = 0;
		network_ip(lines[i]);
		network_wait(f->event, has_seen_route, f);
	}
}

static void change_of_a_neighbour_is_reported_with_its_address(void **state)
{
	struct fixture *f = *state;

	network_ip("neigh add 2001:db8::50 lladdr 02:00:5e:00:53:50 dev v0\n");
	network_wait(f->event, has_seen_neighbour, f);
	assert_int_equal(f->neighbour_ifindex, if_nametoindex("v0"));
}

static void overflow_is_reported_and_reports_go_on(void **state)
{
	struct fixture *f = *state;
	char lines[64 * 64] = "";
	int least = 1;

	assert_int_equal(setsockopt(mnl_socket_get_fd(f->monitor.socket), SOL_SOCKET, SO_RCVBUF,
				    &least, sizeof(least)),
			 0);
	for (int i = 0; i < 64; i++)
		snprintf(lines + strlen(lines), sizeof(lines) - strlen(lines),
			 "route add 203.0.113.%d/32 via 192.0.2.2\n", i);
	network_ip(lines);
	network_wait(f->event, has_seen_loss, f);
	f->routes = 0;
	network_ip("route del 203.0.113.1/32\n");
	network_wait(f->event, has_seen_route, f);
}

#define in_network(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_network(change_of_a_link_is_reported),
		in_network(whatever_can_move_a_route_is_reported),
		in_network(change_of_a_neighbour_is_reported_with_its_address),
		in_network(overflow_is_reported_and_reports_go_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
