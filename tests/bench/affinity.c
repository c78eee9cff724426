/* SPDX-License-Identifier: GPL-2.0-only */
#include "tests/bench/affinity.h"

#include <errno.h>
#include <sched.h>

int affinity_find(size_t *ret_cores, int most)
{
	cpu_set_t allowed;
	int count = 0;

	if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
		return -errno;
	for (size_t core = 0; core < CPU_SETSIZE && count < most; core++) {
		if (CPU_ISSET(core, &allowed))
			ret_cores[count++] = core;
	}
	return count;
}

int affinity_pin(size_t core)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(core, &set);
	return sched_setaffinity(0, sizeof(set), &set) < 0 ? -errno : 0;
}
