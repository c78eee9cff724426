/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Checksums by what differs (RFC 1624) are those that one computes from nothing, for any words, the
 * two zeros of one's complement among them. The datapath's own C, compiled for the host.
 */
#include "tests/unit/sample_config.h"

#include "tools/host/leat.h"

#define ROUNDS	  200000
#define WORDS	  12 /* of 32 bits: two addresses of IPv6, and some of a header */
#define MOST_SWAP 9

struct covered {
	uint32_t words[WORDS];
};

/* RFC 1071, by 16 bits and without a shortcut. */
static uint16_t checksum_of(const struct covered *covered)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < WORDS; i++) {
		sum += covered->words[i] & 0xffff;
		sum = (sum & 0xffff) + (sum >> 16);
		sum += covered->words[i] >> 16;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return (uint16_t)~sum;
}

/* Half of them are what is hard. */
static uint32_t any_word(uint64_t *random)
{
	static const uint32_t hard[] = { 0,	     1,		 0xffff,     0x10000,
					 0xffff0000, 0xffffffff, 0xfffeffff, 0x80008000 };
	uint64_t drawn = sample_random(random);

	return drawn & 1 ? hard[drawn >> 32 & 7] : (uint32_t)(drawn >> 16);
}

static void fill(struct covered *covered, uint64_t *random)
{
	for (size_t i = 0; i < WORDS; i++)
		covered->words[i] = any_word(random);
	/* There is always something: a version, a protocol. */
	covered->words[WORDS - 1] |= 1;
}

/* Other words in some places but the last; how the sum differs. */
static __u64 change(struct covered *covered, uint64_t *random)
{
	__u64 difference = 0;

	for (uint64_t left = sample_random(random) % (MOST_SWAP + 1); left; left--)
		replace_word(&covered->words[sample_random(random) % (WORDS - 1)], any_word(random),
			     &difference);
	return difference;
}

static void a_changed_checksum_is_the_one_from_nothing(void **state)
{
	uint64_t random = sample_seed();

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct covered covered;
		__u64 difference;
		uint16_t was;

		fill(&covered, &random);
		was = checksum_of(&covered);
		difference = change(&covered, &random);
		assert_int_equal(checksum_adjust(was, difference), checksum_of(&covered));
	}
}

/* 0 goes over the wire as 0xffff (RFC 768), in and out. */
static void a_udp_checksum_is_never_none_by_accident(void **state)
{
	uint64_t random = sample_seed();
	size_t zeros = 0;

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct covered covered;
		__u64 difference;
		uint16_t was, now;

		fill(&covered, &random);
		was = checksum_of(&covered);
		difference = change(&covered, &random);
		/* Every other time the last word makes it come out as 0. */
		if (i % 2)
			replace_word(&covered.words[WORDS - 1],
				     covered.words[WORDS - 1] + checksum_of(&covered), &difference);
		now = checksum_of(&covered);
		zeros += now == 0;
		assert_int_equal(udp_checksum_adjust(was ? was : 0xffff, difference),
				 now ? now : 0xffff);
		assert_int_equal(udp_checksum_adjust(0, difference), 0);
	}
	assert_true(zeros > ROUNDS / 16);
}

/* What was wrong by some amount is wrong by it ever after. */
static void an_error_stays(void **state)
{
	uint64_t random = sample_seed();

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct covered covered;
		uint16_t wrong = (uint16_t)(1 + sample_random(&random) % 0xfffe), was;
		__u64 difference;

		fill(&covered, &random);
		was = checksum_of(&covered);
		was = (uint16_t)((was + wrong) % 0xffff);
		difference = change(&covered, &random);
		assert_int_equal((checksum_of(&covered) + wrong) % 0xffff,
				 checksum_adjust(was, difference) % 0xffff);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_changed_checksum_is_the_one_from_nothing),
		cmocka_unit_test(a_udp_checksum_is_never_none_by_accident),
		cmocka_unit_test(an_error_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
