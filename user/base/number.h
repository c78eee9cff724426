/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whole numbers and durations from text, strictly: no sign, no space, nothing left over; and
 * durations as text.
 */
#ifndef LEAT_BASE_NUMBER_H
#define LEAT_BASE_NUMBER_H

#include <stdint.h>

/* 0; -EINVAL: not a decimal number; -ERANGE: outside least..most, as UINT64_MAX always is. */
int number_parse(const char *text, uint64_t least, uint64_t most, uint64_t *ret_number);

/* "250ms", "3s", "10m", "1h" to milliseconds; errors as above, the bounds in milliseconds. */
int duration_parse(const char *text, uint64_t least_ms, uint64_t most_ms, uint64_t *ret_ms);

#define DURATION_TEXT_SIZE 24

/* The other way round, in the largest unit that it is a whole number of. Returns `text`. */
const char *duration_format(uint64_t ms, char text[DURATION_TEXT_SIZE]);

/* Exactly 16 hexadecimal digits. 0 or -EINVAL. */
int hex64_parse(const char *text, uint64_t *ret_number);

#endif
