/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/event.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct event_ring *make_ring(unsigned int count)
{
	struct event_ring *ring = calloc(1, sizeof(*ring));
	struct event event = { .kind = EVENT_BACKEND_UP };

	for (unsigned int i = 1; i <= count; i++) {
		snprintf(event.text, sizeof(event.text), "event %u", i);
		event_ring_add(ring, &event);
	}
	return ring;
}

static void expect_next(const struct event_ring *ring, uint64_t after, uint64_t number)
{
	const struct event *event = event_ring_next(ring, after);
	char text[EVENT_TEXT_SIZE];

	assert_non_null(event);
	assert_int_equal(event->number, number);
	snprintf(text, sizeof(text), "event %u", (unsigned int)number);
	assert_string_equal(event->text, text);
}

static void an_empty_ring_has_nothing_and_lost_nothing(void **state)
{
	cleanup(freep) struct event_ring *ring = make_ring(0);

	(void)state;
	assert_null(event_ring_next(ring, 0));
	assert_null(event_ring_next(ring, 7));
	assert_int_equal(event_ring_lost(ring, 0), 0);
	assert_int_equal(event_ring_lost(ring, 7), 0);
}

static void events_come_in_the_order_of_their_numbers(void **state)
{
	cleanup(freep) struct event_ring *ring = make_ring(EVENT_RING_SIZE);

	(void)state;
	for (uint64_t after = 0; after < EVENT_RING_SIZE; after++)
		expect_next(ring, after, after + 1);
	assert_null(event_ring_next(ring, EVENT_RING_SIZE));
	assert_int_equal(event_ring_lost(ring, 0), 0);
}

static void later_events_push_out_the_earliest(void **state)
{
	cleanup(freep) struct event_ring *ring = make_ring(EVENT_RING_SIZE + 3);

	(void)state;
	expect_next(ring, 0, 4);
	expect_next(ring, 3, 4);
	expect_next(ring, 4, 5);
	assert_int_equal(event_ring_lost(ring, 0), 3);
	assert_int_equal(event_ring_lost(ring, 2), 1);
	assert_int_equal(event_ring_lost(ring, 3), 0);
	assert_int_equal(event_ring_lost(ring, EVENT_RING_SIZE + 3), 0);
}

static void one_is_found_among_so_many_of_the_latest(void **state)
{
	cleanup(freep) struct event_ring *ring = make_ring(10);

	(void)state;
	assert_true(event_ring_has(ring, EVENT_BACKEND_UP, "event 8", 3));
	assert_false(event_ring_has(ring, EVENT_BACKEND_UP, "event 7", 3));
	assert_false(event_ring_has(ring, EVENT_BACKEND_DOWN, "event 8", 3));
	assert_true(event_ring_has(ring, EVENT_BACKEND_UP, "event 1", 100));
}

static void every_kind_has_a_name_of_its_own_and_a_text(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < EVENT_KIND_COUNT; i++) {
		assert_true(strlen(event_kind_name((enum event_kind)i)) <= CONFIG_MAX_NAME);
		assert_true(event_kind_text((enum event_kind)i)[0]);
		for (unsigned int j = 0; j < i; j++)
			assert_string_not_equal(event_kind_name((enum event_kind)i),
						event_kind_name((enum event_kind)j));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_ring_has_nothing_and_lost_nothing),
		cmocka_unit_test(events_come_in_the_order_of_their_numbers),
		cmocka_unit_test(later_events_push_out_the_earliest),
		cmocka_unit_test(one_is_found_among_so_many_of_the_latest),
		cmocka_unit_test(every_kind_has_a_name_of_its_own_and_a_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
