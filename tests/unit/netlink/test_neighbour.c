/* SPDX-License-Identifier: GPL-2.0-only */
#include "netlink/neighbour.h"

#include "tests/unit/netlink/network.h"

#include <linux/neighbour.h>
#include <string.h>

struct fixture {
	struct rtnl rtnl;
	struct neighbour_table table;
	uint32_t ifindex;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	network_create();
	assert_int_equal(rtnl_init(&f->rtnl), 0);
	f->table.rtnl = &f->rtnl;
	f->ifindex = if_nametoindex("v0");
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	neighbour_table_deinit(&f->table);
	rtnl_deinit(&f->rtnl);
	free(f);
	network_destroy();
	return 0;
}

static struct neighbour *get(struct fixture *f, const char *text)
{
	struct leat_addr address = network_address(text);
	struct neighbour *neighbour;

	assert_int_equal(neighbour_table_get(&f->table, f->ifindex, &address, &neighbour), 0);
	return neighbour;
}

static uint16_t kernel_state(struct fixture *f, const struct neighbour *neighbour)
{
	struct rtnl_neighbour found;

	assert_int_equal(rtnl_get_neighbour(&f->rtnl, f->ifindex, &neighbour->key.address, &found),
			 0);
	return found.state;
}

/* Ticks until the neighbour is due, and updates it. */
static unsigned int tick_until_due(struct fixture *f, struct neighbour *neighbour)
{
	unsigned int ticks = 0;

	while (!neighbour->is_queued) {
		assert_true(ticks < 100);
		neighbour_table_tick(&f->table);
		ticks++;
	}
	assert_true(neighbour_table_update(&f->table, neighbour) >= 0);
	return ticks;
}

static void one_neighbour_serves_all_that_ask_for_it(void **state)
{
	struct fixture *f = *state;
	struct neighbour *first = get(f, "192.0.2.50");
	struct leat_addr address = network_address("192.0.2.50");

	assert_ptr_equal(get(f, "192.0.2.50"), first);
	assert_ptr_not_equal(get(f, "192.0.2.51"), first);
	assert_ptr_equal(neighbour_table_find(&f->table, f->ifindex, &address), first);
	assert_null(neighbour_table_find(&f->table, f->ifindex + 1, &address));
	neighbour_table_drop(&f->table, first);
	assert_null(neighbour_table_find(&f->table, f->ifindex, &address));
}

static void permanent_entry_stays_permanent(void **state)
{
	struct fixture *f = *state;
	struct neighbour *neighbour;

	network_ip("neigh add 192.0.2.50 lladdr 02:00:5e:00:53:50 dev v0 nud permanent\n");
	neighbour = get(f, "192.0.2.50");
	tick_until_due(f, neighbour);
	assert_int_equal(kernel_state(f, neighbour), NUD_PERMANENT);
	assert_int_equal(neighbour->state, NEIGHBOUR_RESOLVED);
}

static void stale_entry_is_verified_when_due(void **state)
{
	struct fixture *f = *state;
	struct neighbour *neighbour;

	network_ip("neigh replace 192.0.2.2 lladdr " NETWORK_PEER_MAC " dev v0 nud reachable\n");
	neighbour = get(f, "192.0.2.2");
	network_ip("neigh change 192.0.2.2 lladdr " NETWORK_PEER_MAC " dev v0 nud stale\n");
	assert_int_equal(neighbour->state, NEIGHBOUR_RESOLVED);
	assert_int_equal(kernel_state(f, neighbour), NUD_STALE);
	assert_int_equal(tick_until_due(f, neighbour), NEIGHBOUR_VERIFY_TICKS);
	assert_int_not_equal(kernel_state(f, neighbour), NUD_STALE);
}

static void stale_entry_is_verified_at_once_when_it_comes_into_use(void **state)
{
	struct fixture *f = *state;
	struct neighbour *neighbour;

	network_ip("neigh replace 192.0.2.2 lladdr " NETWORK_PEER_MAC " dev v0 nud stale\n");
	neighbour = get(f, "192.0.2.2");
	assert_int_equal(neighbour->state, NEIGHBOUR_RESOLVED);
	assert_int_not_equal(kernel_state(f, neighbour), NUD_STALE);
}

static void failed_entry_is_tried_again_and_stays_failed_meanwhile(void **state)
{
	struct fixture *f = *state;
	struct neighbour *neighbour = get(f, "192.0.2.77");

	assert_int_equal(neighbour->state, NEIGHBOUR_PENDING);
	network_ip("neigh change 192.0.2.77 dev v0 nud failed\n");
	assert_int_equal(neighbour_table_update(&f->table, neighbour), 1);
	assert_int_equal(neighbour->state, NEIGHBOUR_FAILED);
	assert_int_equal(tick_until_due(f, neighbour), NEIGHBOUR_RETRY_TICKS);
	assert_int_equal(kernel_state(f, neighbour), NUD_INCOMPLETE);
	assert_int_equal(neighbour->state, NEIGHBOUR_FAILED);
}

static void known_mac_serves_while_the_kernel_resolves_again(void **state)
{
	struct fixture *f = *state;
	struct neighbour *neighbour;

	network_ip("neigh add 192.0.2.77 lladdr 02:00:5e:00:53:77 dev v0 nud reachable\n");
	neighbour = get(f, "192.0.2.77");
	network_ip("neigh flush dev v0\n");
	assert_int_equal(neighbour_table_update(&f->table, neighbour), 0);
	assert_int_equal(kernel_state(f, neighbour), NUD_INCOMPLETE);
	assert_int_equal(neighbour->state, NEIGHBOUR_RESOLVED);
}

static void neighbour_on_an_interface_that_went_has_failed(void **state)
{
	struct fixture *f = *state;
	struct neighbour *neighbour;

	network_ip("neigh add 192.0.2.77 lladdr 02:00:5e:00:53:77 dev v0 nud reachable\n");
	neighbour = get(f, "192.0.2.77");
	network_ip("link del v0\n");
	assert_int_equal(neighbour_table_update(&f->table, neighbour), 1);
	assert_int_equal(neighbour->state, NEIGHBOUR_FAILED);
}

#define in_network(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_network(one_neighbour_serves_all_that_ask_for_it),
		in_network(permanent_entry_stays_permanent),
		in_network(stale_entry_is_verified_when_due),
		in_network(stale_entry_is_verified_at_once_when_it_comes_into_use),
		in_network(failed_entry_is_tried_again_and_stays_failed_meanwhile),
		in_network(known_mac_serves_while_the_kernel_resolves_again),
		in_network(neighbour_on_an_interface_that_went_has_failed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
