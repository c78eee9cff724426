/* SPDX-License-Identifier: GPL-2.0-only */
#include "netlink/resolver.h"

#include "tests/unit/netlink/network.h"

#include <string.h>

#include "maps/limits.h"

#define MANY 1000

/* What the resolver said last of one address. */
struct known {
	struct leat_addr address;
	struct next_hop hop;
	unsigned int changes;
};

struct fixture {
	sd_event *event;
	struct resolver *resolver;
	struct known known[MANY];
	size_t known_count;
	unsigned int changes;
	bool is_in_call;
	bool unwatch_on_change;
	const char *watch_on_change;
};

static struct known *find_known(struct fixture *f, const struct leat_addr *address)
{
	for (size_t i = 0; i < f->known_count; i++) {
		if (address_equal(&f->known[i].address, address))
			return &f->known[i];
	}
	return NULL;
}

static struct known *watch_address(struct fixture *f, const struct leat_addr *address)
{
	struct known *known = find_known(f, address);

	if (!known) {
		assert_true(f->known_count < ARRAY_SIZE(f->known));
		known = &f->known[f->known_count++];
		known->address = *address;
	}
	f->is_in_call = true;
	assert_int_equal(resolver_watch(f->resolver, address, &known->hop), 0);
	f->is_in_call = false;
	return known;
}

static struct known *watch(struct fixture *f, const char *text)
{
	struct leat_addr address = network_address(text);

	return watch_address(f, &address);
}

static void unwatch(struct fixture *f, const struct known *known)
{
	f->is_in_call = true;
	resolver_unwatch(f->resolver, &known->address);
	f->is_in_call = false;
}

static void on_changed(void *user, const struct leat_addr *address, const struct next_hop *hop)
{
	struct fixture *f = user;
	struct known *known = find_known(f, address);

	assert_false(f->is_in_call);
	assert_non_null(known);
	assert_false(next_hop_equal(hop, &known->hop));
	known->hop = *hop;
	known->changes++;
	f->changes++;
	if (f->unwatch_on_change) {
		for (size_t i = 0; i < f->known_count; i++)
			unwatch(f, &f->known[i]);
	}
	if (f->watch_on_change)
		watch(f, take_ptr(f->watch_on_change));
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	network_create();
	assert_int_equal(sd_event_new(&f->event), 0);
	assert_int_equal(resolver_new(&f->resolver, f->event, on_changed, f), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	resolver_free(f->resolver);
	sd_event_unref(f->event);
	free(f);
	network_destroy();
	return 0;
}

static bool is_pending(const void *user)
{
	const struct known *known = user;

	return known->hop.state == NEXT_HOP_PENDING;
}

static bool is_resolved(const void *user)
{
	const struct known *known = user;

	return known->hop.state == NEXT_HOP_RESOLVED;
}

static bool is_without_neighbour(const void *user)
{
	const struct known *known = user;

	return known->hop.state == NEXT_HOP_NO_NEIGHBOUR;
}

static bool is_without_route(const void *user)
{
	const struct known *known = user;

	return known->hop.state == NEXT_HOP_NO_ROUTE;
}

static bool is_local(const void *user)
{
	const struct known *known = user;

	return known->hop.state == NEXT_HOP_LOCAL;
}

static void wait_for(struct fixture *f, const struct known *known, bool (*is_so)(const void *user))
{
	network_wait(f->event, is_so, known);
}

static struct mac link_mac(const char *name)
{
	char command[64], text[MAC_TEXT_SIZE];
	struct mac mac;
	FILE *file;

	/* sysfs shows the namespace that it was mounted in; `ip` shows this one. */
	snprintf(command, sizeof(command), "ip -o link show %s | grep -o 'ether [0-9a-f:]*'", name);
	file = popen(command, "r");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "ether %17s", text), 1);
	assert_int_equal(pclose(file), 0);
	assert_int_equal(mac_parse(text, &mac), 0);
	return mac;
}

static void assert_mac(const uint8_t mac[6], const char *expected)
{
	char text[MAC_TEXT_SIZE];

	assert_string_equal(mac_format(mac, text), expected);
}

static void assert_peer_via_v0(const struct known *known, bool has_gateway)
{
	struct mac own = link_mac("v0");

	assert_mac(known->hop.dst_mac, NETWORK_PEER_MAC);
	assert_memory_equal(known->hop.src_mac, own.bytes, sizeof(own.bytes));
	assert_int_equal(known->hop.ifindex, if_nametoindex("v0"));
	assert_int_equal(known->hop.mtu, 1500);
	assert_int_equal(known->hop.has_gateway, has_gateway);
}

static void direct_ipv4_neighbour_is_resolved(void **state)
{
	struct fixture *f = *state;
	struct known *known = watch(f, "192.0.2.2");

	wait_for(f, known, is_resolved);
	assert_peer_via_v0(known, false);
}

static void direct_ipv6_neighbour_is_resolved(void **state)
{
	struct fixture *f = *state;
	struct known *known = watch(f, "2001:db8::2");

	wait_for(f, known, is_resolved);
	assert_peer_via_v0(known, false);
}

static void ipv4_gateway_stands_for_what_is_behind_it(void **state)
{
	struct fixture *f = *state;
	struct known *known;

	network_ip("route add 203.0.113.0/24 via 192.0.2.2\n");
	known = watch(f, "203.0.113.7");
	wait_for(f, known, is_resolved);
	assert_peer_via_v0(known, true);
}

static void link_local_gateway_serves_ipv6(void **state)
{
	struct fixture *f = *state;
	struct known *known;

	network_ip("route add 2001:db8:1::/48 via fe80::2 dev v0\n");
	known = watch(f, "2001:db8:1::7");
	wait_for(f, known, is_resolved);
	assert_peer_via_v0(known, true);
}

static void ipv4_route_via_an_ipv6_neighbour_is_resolved(void **state)
{
	struct fixture *f = *state;
	struct known *known;

	network_ip("route add 203.0.113.0/24 via inet6 fe80::2 dev v0\n");
	known = watch(f, "203.0.113.7");
	wait_for(f, known, is_resolved);
	assert_peer_via_v0(known, true);
}

static void next_hop_object_is_followed(void **state)
{
	struct fixture *f = *state;
	struct known *known;

	network_ip("nexthop add id 7 via 198.51.100.2 dev v1\n"
		   "route add 203.0.113.0/24 nhid 7\n");
	known = watch(f, "203.0.113.7");
	wait_for(f, known, is_resolved);
	assert_int_equal(known->hop.ifindex, if_nametoindex("v1"));
	network_ip("nexthop replace id 7 via 192.0.2.2 dev v0\n");
	while (known->hop.ifindex != if_nametoindex("v0"))
		assert_true(sd_event_run(f->event, NETWORK_DEADLINE_US) > 0);
	wait_for(f, known, is_resolved);
	assert_peer_via_v0(known, true);
}

static void address_without_route_gets_one_later(void **state)
{
	struct fixture *f = *state;
	struct known *ipv4 = watch(f, "203.0.113.7"), *ipv6 = watch(f, "2001:db8:1::7");

	assert_int_equal(ipv4->hop.state, NEXT_HOP_NO_ROUTE);
	assert_int_equal(ipv6->hop.state, NEXT_HOP_NO_ROUTE);
	network_ip("route add 203.0.113.0/24 via 192.0.2.2\n"
		   "route add 2001:db8:1::/48 via 2001:db8::2\n");
	wait_for(f, ipv4, is_resolved);
	wait_for(f, ipv6, is_resolved);
}

static void routes_that_refuse_are_no_routes(void **state)
{
	struct fixture *f = *state;
	const char *const kinds[] = { "unreachable", "prohibit", "blackhole" };
	char lines[256];

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		snprintf(lines, sizeof(lines),
			 "route replace %s 203.0.113.0/24\nroute replace %s 2001:db8:1::/48\n",
			 kinds[i], kinds[i]);
		network_ip(lines);
		assert_int_equal(watch(f, "203.0.113.7")->hop.state, NEXT_HOP_NO_ROUTE);
		assert_int_equal(watch(f, "2001:db8:1::7")->hop.state, NEXT_HOP_NO_ROUTE);
		unwatch(f, &f->known[0]);
		unwatch(f, &f->known[1]);
		network_ip("route del 2001:db8:1::/48\n");
	}
}

static void own_address_is_local_while_it_is_there(void **state)
{
	struct fixture *f = *state;
	struct known *ipv4 = watch(f, "192.0.2.1"), *ipv6 = watch(f, "2001:db8::1");
	struct known *later = watch(f, "203.0.113.7");

	assert_int_equal(ipv4->hop.state, NEXT_HOP_LOCAL);
	assert_int_equal(ipv6->hop.state, NEXT_HOP_LOCAL);
	assert_int_equal(later->hop.state, NEXT_HOP_NO_ROUTE);
	network_ip("addr add 203.0.113.7/32 dev lo\n");
	wait_for(f, later, is_local);
	network_ip("addr del 203.0.113.7/32 dev lo\n");
	wait_for(f, later, is_without_route);
}

static bool has_new_mac(const void *user)
{
	const struct known *known = user;
	static const uint8_t mac[6] = { 0x02, 0x00, 0x5e, 0x00, 0x53, 0x99 };

	return memcmp(known->hop.dst_mac, mac, sizeof(mac)) == 0;
}

static void changed_mac_of_a_neighbour_is_followed(void **state)
{
	struct fixture *f = *state;
	struct known *ipv4 = watch(f, "192.0.2.2"), *ipv6 = watch(f, "2001:db8::2");

	wait_for(f, ipv4, is_resolved);
	wait_for(f, ipv6, is_resolved);
	network_peer_ip("link set p0 address 02:00:5e:00:53:99\n");
	network_ip("neigh flush dev v0\n");
	wait_for(f, ipv4, has_new_mac);
	wait_for(f, ipv6, has_new_mac);
	assert_int_equal(ipv4->hop.state, NEXT_HOP_RESOLVED);
	assert_int_equal(ipv6->hop.state, NEXT_HOP_RESOLVED);
}

static bool has_new_source(const void *user)
{
	const struct known *known = user;
	static const uint8_t mac[6] = { 0x02, 0x00, 0x5e, 0x00, 0x53, 0x01 };

	return memcmp(known->hop.src_mac, mac, sizeof(mac)) == 0;
}

static void changed_mac_of_the_own_link_is_followed(void **state)
{
	struct fixture *f = *state;
	struct known *known = watch(f, "192.0.2.2");

	wait_for(f, known, is_resolved);
	network_ip("link set v0 address 02:00:5e:00:53:01\n");
	wait_for(f, known, has_new_source);
}

static bool is_via_v1(const void *user)
{
	const struct known *known = user;

	return is_resolved(user) && known->hop.ifindex == if_nametoindex("v1");
}

static void replaced_route_moves_to_the_other_interface(void **state)
{
	struct fixture *f = *state;
	struct mac own = link_mac("v1");
	struct known *known;

	network_ip("route add 203.0.113.0/24 via 192.0.2.2\n");
	known = watch(f, "203.0.113.7");
	wait_for(f, known, is_resolved);
	network_ip("route replace 203.0.113.0/24 via 198.51.100.2\n");
	wait_for(f, known, is_via_v1);
	assert_memory_equal(known->hop.src_mac, own.bytes, sizeof(own.bytes));
}

static void rule_moves_an_address_to_another_table(void **state)
{
	struct fixture *f = *state;
	struct known *known;

	network_ip("route add 203.0.113.0/24 via 192.0.2.2\n"
		   "route add 203.0.113.0/24 via 198.51.100.2 table 77\n");
	known = watch(f, "203.0.113.7");
	wait_for(f, known, is_resolved);
	network_ip("rule add to 203.0.113.7 table 77\n");
	wait_for(f, known, is_via_v1);
}

static void link_that_goes_down_takes_the_route_with_it(void **state)
{
	struct fixture *f = *state;
	struct known *known = watch(f, "192.0.2.2");

	wait_for(f, known, is_resolved);
	network_ip("link set v0 down\n");
	wait_for(f, known, is_without_route);
	assert_int_equal(known->hop.ifindex, 0);
	network_ip("link set v0 up\n");
	wait_for(f, known, is_resolved);
}

static void removed_link_leaves_no_route(void **state)
{
	struct fixture *f = *state;
	struct known *ipv4 = watch(f, "192.0.2.2"), *ipv6 = watch(f, "2001:db8::2");

	wait_for(f, ipv4, is_resolved);
	wait_for(f, ipv6, is_resolved);
	network_ip("link del v0\n");
	wait_for(f, ipv4, is_without_route);
	wait_for(f, ipv6, is_without_route);
}

static void silent_neighbour_fails_until_it_answers(void **state)
{
	struct fixture *f = *state;
	struct known *ipv4 = watch(f, "192.0.2.77"), *ipv6 = watch(f, "2001:db8::77");

	assert_true(is_pending(ipv4));
	assert_true(is_pending(ipv6));
	wait_for(f, ipv4, is_without_neighbour);
	wait_for(f, ipv6, is_without_neighbour);
	network_peer_ip("addr add 192.0.2.77/24 dev p0\n"
			"addr add 2001:db8::77/64 dev p0 nodad\n");
	wait_for(f, ipv4, is_resolved);
	wait_for(f, ipv6, is_resolved);
	/* Pending, failed, resolved: the attempts in between are nobody's business. */
	assert_int_equal(ipv4->changes, 2);
	assert_int_equal(ipv6->changes, 2);
}

static void neighbour_that_falls_silent_fails(void **state)
{
	struct fixture *f = *state;
	struct known *known = watch(f, "192.0.2.2");

	wait_for(f, known, is_resolved);
	network_peer_ip("addr del 192.0.2.2/24 dev p0\n");
	network_ip("neigh flush dev v0\n");
	wait_for(f, known, is_without_neighbour);
	assert_mac(known->hop.dst_mac, "00:00:00:00:00:00");
}

static void permanent_entry_is_resolved_at_once(void **state)
{
	struct fixture *f = *state;
	struct known *known;

	network_ip("neigh add 192.0.2.50 lladdr 02:00:5e:00:53:50 dev v0 nud permanent\n");
	known = watch(f, "192.0.2.50");
	assert_int_equal(known->hop.state, NEXT_HOP_RESOLVED);
	assert_mac(known->hop.dst_mac, "02:00:5e:00:53:50");
	network_ip("neigh replace 192.0.2.50 lladdr 02:00:5e:00:53:99 dev v0 nud permanent\n");
	wait_for(f, known, has_new_mac);
}

static void device_without_ethernet_has_no_neighbours(void **state)
{
	struct fixture *f = *state;

	network_ip("route add 203.0.113.0/24 dev lo\n");
	assert_int_equal(watch(f, "203.0.113.7")->hop.state, NEXT_HOP_NO_NEIGHBOUR);
}

static bool has_mtu_1400(const void *user)
{
	const struct known *known = user;

	return known->hop.mtu == 1400;
}

static bool has_mtu_1300(const void *user)
{
	const struct known *known = user;

	return known->hop.mtu == 1300;
}

static void mtu_is_the_links_or_the_routes(void **state)
{
	struct fixture *f = *state;
	struct known *known;

	network_ip("route add 203.0.113.0/24 via 192.0.2.2\n");
	known = watch(f, "203.0.113.7");
	assert_int_equal(known->hop.mtu, 1500);
	network_ip("link set v0 mtu 1400\n");
	wait_for(f, known, has_mtu_1400);
	network_ip("route replace 203.0.113.0/24 via 192.0.2.2 mtu 1300\n");
	wait_for(f, known, has_mtu_1300);
}

static struct leat_addr nth_address(uint32_t n)
{
	struct leat_addr address = network_address("2001:db8:1::");

	address.words[3] = htonl(n);
	return address;
}

static bool are_all_via_v1(const void *user)
{
	const struct fixture *f = user;

	for (size_t i = 0; i < f->known_count; i++) {
		if (!is_via_v1(&f->known[i]))
			return false;
	}
	return true;
}

static void many_addresses_follow_a_route_each_once(void **state)
{
	struct fixture *f = *state;
	struct leat_addr address;

	network_ip("addr add 2001:db8:99::1/64 dev v1 nodad\n"
		   "neigh add 2001:db8:99::2 lladdr 02:00:5e:00:53:99 dev v1 nud permanent\n"
		   "neigh add 2001:db8::3 lladdr 02:00:5e:00:53:03 dev v0 nud permanent\n"
		   "route add 2001:db8:1::/48 via 2001:db8::3\n");
	for (uint32_t i = 0; i < MANY; i++) {
		address = nth_address(i + 1);
		assert_int_equal(watch_address(f, &address)->hop.state, NEXT_HOP_RESOLVED);
	}
	network_ip("route replace 2001:db8:1::/48 via 2001:db8:99::2\n");
	network_wait(f->event, are_all_via_v1, f);
	assert_int_equal(f->changes, MANY);
}

static void storm_of_other_routes_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct known *known = watch(f, "192.0.2.2"), *last = watch(f, "203.0.113.255");
	char lines[255 * 64] = "";
	size_t length = 0;

	wait_for(f, known, is_resolved);
	f->changes = 0;
	for (int i = 0; i < 255; i++)
		length += (size_t)snprintf(lines + length, sizeof(lines) - length,
					   "route add 203.0.113.%d/32 via 192.0.2.2\n", i);
	network_ip(lines);
	network_ip("route add 203.0.113.255/32 via 192.0.2.2\n");
	wait_for(f, last, is_resolved);
	assert_int_equal(f->changes, last->changes);
}

static void watches_are_counted(void **state)
{
	struct fixture *f = *state;
	struct known *known = watch(f, "203.0.113.7"), *other = watch(f, "203.0.113.8");

	watch(f, "203.0.113.7");
	unwatch(f, known);
	network_ip("route add 203.0.113.0/24 via 192.0.2.2\n");
	wait_for(f, known, is_resolved);
	unwatch(f, known);
	known->changes = 0;
	network_ip("route del 203.0.113.0/24\n");
	wait_for(f, other, is_without_route);
	assert_int_equal(known->changes, 0);
	/* One too many is nothing. */
	unwatch(f, known);
}

static void callback_may_unwatch_everything(void **state)
{
	struct fixture *f = *state;
	struct known *first = watch(f, "203.0.113.7");

	watch(f, "203.0.113.8");
	watch(f, "203.0.113.9");
	f->unwatch_on_change = true;
	network_ip("route add 203.0.113.0/24 via 192.0.2.2\n");
	while (f->changes == 0)
		assert_true(sd_event_run(f->event, NETWORK_DEADLINE_US) > 0);
	/* Something later that is announced after all that the first change could still cause. */
	f->unwatch_on_change = false;
	network_ip("route del 203.0.113.0/24\n");
	watch(f, "198.51.100.77");
	network_ip("neigh replace 198.51.100.77 lladdr 02:00:5e:00:53:77 dev v1 nud permanent\n");
	wait_for(f, find_known(f, &f->known[3].address), is_resolved);
	assert_int_equal(first->changes + f->known[1].changes + f->known[2].changes, 1);
}

static void callback_may_watch_another_address(void **state)
{
	struct fixture *f = *state;
	struct known *known = watch(f, "203.0.113.7");

	f->watch_on_change = "198.51.100.2";
	network_ip("route add 203.0.113.0/24 via 192.0.2.2\n");
	wait_for(f, known, is_resolved);
	assert_int_equal(f->known_count, 2);
	wait_for(f, &f->known[1], is_resolved);
}

static void one_address_too_many_is_refused(void **state)
{
	struct fixture *f = *state;
	struct leat_addr address;
	struct next_hop hop;

	for (uint32_t i = 0; i < LEAT_MAX_BACKENDS; i++) {
		address = nth_address(i);
		assert_int_equal(resolver_watch(f->resolver, &address, &hop), 0);
	}
	address = nth_address(LEAT_MAX_BACKENDS);
	assert_int_equal(resolver_watch(f->resolver, &address, &hop), -ENOSPC);
	/* One that is watched already takes no room. */
	address = nth_address(0);
	assert_int_equal(resolver_watch(f->resolver, &address, &hop), 0);
}

#define in_network(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_network(direct_ipv4_neighbour_is_resolved),
		in_network(direct_ipv6_neighbour_is_resolved),
		in_network(ipv4_gateway_stands_for_what_is_behind_it),
		in_network(link_local_gateway_serves_ipv6),
		in_network(ipv4_route_via_an_ipv6_neighbour_is_resolved),
		in_network(next_hop_object_is_followed),
		in_network(address_without_route_gets_one_later),
		in_network(routes_that_refuse_are_no_routes),
		in_network(own_address_is_local_while_it_is_there),
		in_network(changed_mac_of_a_neighbour_is_followed),
		in_network(changed_mac_of_the_own_link_is_followed),
		in_network(replaced_route_moves_to_the_other_interface),
		in_network(rule_moves_an_address_to_another_table),
		in_network(link_that_goes_down_takes_the_route_with_it),
		in_network(removed_link_leaves_no_route),
		in_network(silent_neighbour_fails_until_it_answers),
		in_network(neighbour_that_falls_silent_fails),
		in_network(permanent_entry_is_resolved_at_once),
		in_network(device_without_ethernet_has_no_neighbours),
		in_network(mtu_is_the_links_or_the_routes),
		in_network(many_addresses_follow_a_route_each_once),
		in_network(storm_of_other_routes_changes_nothing),
		in_network(watches_are_counted),
		in_network(callback_may_unwatch_everything),
		in_network(callback_may_watch_another_address),
		in_network(one_address_too_many_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
