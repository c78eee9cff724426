/* SPDX-License-Identifier: GPL-2.0-only */
#include "tools/sim/clock.h"

#include <time.h>

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time);
time_t __wrap_time(time_t *ret_time);

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time)
{
	(void)clock;
	ret_time->tv_sec = (time_t)(host_clock_ns / 1000000000);
	ret_time->tv_nsec = (long)(host_clock_ns % 1000000000);
	return 0;
}

time_t __wrap_time(time_t *ret_time)
{
	time_t now = (time_t)(host_clock_ns / 1000000000);

	if (ret_time)
		*ret_time = now;
	return now;
}
