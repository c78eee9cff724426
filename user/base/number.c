/* SPDX-License-Identifier: GPL-2.0-only */
#include "base/number.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"

/* Reads digits and points `rest` behind them; the number stops at UINT64_MAX, which is out of every
 * range, so that a long one is no other number. */
static int digits_parse(const char *text, uint64_t *ret_number, const char **ret_rest)
{
	uint64_t number = 0;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	for (; isdigit((unsigned char)*text); text++) {
		if (__builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, (uint64_t)(*text - '0'), &number))
			number = UINT64_MAX;
	}
	*ret_number = number;
	*ret_rest = text;
	return 0;
}

int number_parse(const char *text, uint64_t least, uint64_t most, uint64_t *ret_number)
{
	const char *rest;
	uint64_t number;

	if (digits_parse(text, &number, &rest) < 0 || *rest != '\0')
		return -EINVAL;
	if (number == UINT64_MAX || number < least || number > most)
		return -ERANGE;
	*ret_number = number;
	return 0;
}

static const struct {
	const char *name;
	uint64_t ms;
} units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 } };

int duration_parse(const char *text, uint64_t least_ms, uint64_t most_ms, uint64_t *ret_ms)
{
	const char *rest;
	uint64_t number;

	if (digits_parse(text, &number, &rest) < 0)
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (strcmp(rest, units[i].name) != 0)
			continue;
		if (number == UINT64_MAX || __builtin_mul_overflow(number, units[i].ms, &number) ||
		    number < least_ms || number > most_ms)
			return -ERANGE;
		*ret_ms = number;
		return 0;
	}
	return -EINVAL;
}

const char *duration_format(uint64_t ms, char text[DURATION_TEXT_SIZE])
{
	size_t unit = ARRAY_SIZE(units) - 1;

	while (unit > 0 && (ms == 0 || ms % units[unit].ms != 0))
		unit--;
	snprintf(text, DURATION_TEXT_SIZE, "%" PRIu64 "%s", ms / units[unit].ms, units[unit].name);
	return text;
}

int hex64_parse(const char *text, uint64_t *ret_number)
{
	if (strlen(text) != 16 || strspn(text, "0123456789abcdefABCDEF") != 16)
		return -EINVAL;
	*ret_number = strtoull(text, NULL, 16);
	return 0;
}
