/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the churn test's programs have in common: numbers on their command line, enough descriptors,
 * and an end when their standard input ends, so that none of them outlives its driver.
 */
#ifndef LEAT_TESTS_CHURN_PROGRAM_H
#define LEAT_TESTS_CHURN_PROGRAM_H

#include <err.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/number.h"

/* Ends the program when `text` is not a number from least to most. */
static inline uint64_t program_number(const char *what, const char *text, uint64_t least,
				      uint64_t most)
{
	uint64_t number;

	if (number_parse(text, least, most, &number) < 0)
		errx(2, "%s: \"%s\" is not a number from %lu to %lu", what, text, least, most);
	return number;
}

/* The same for "250ms", "3s"; returns microseconds. */
static inline uint64_t program_duration_us(const char *what, const char *text, uint64_t most_ms)
{
	uint64_t ms;

	if (duration_parse(text, 1, most_ms, &ms) < 0)
		errx(2, "%s: \"%s\" is not a duration up to %lu ms", what, text, most_ms);
	return ms * 1000;
}

/* Not everybody may go beyond the hard limit; what that has to be at least is up to the caller. */
static inline void program_raise_descriptors(rlim_t least)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		err(1, "the number of descriptors");
	if (limit.rlim_max < least)
		limit.rlim_max = least;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		err(1, "%lu descriptors", (unsigned long)limit.rlim_cur);
}

/* Standard input has to be non-blocking: see program_watch_stdin(). */
static inline bool program_stdin_ended(void)
{
	char byte;

	return read(STDIN_FILENO, &byte, 1) == 0;
}

static inline void program_watch_stdin(void)
{
	if (fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK) < 0)
		err(1, "standard input");
}

#endif
