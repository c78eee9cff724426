/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Times in the maps are in ticks of the monotonic clock: 2^30 ns, a little more than a second, so that
 * the datapath shifts instead of dividing. Those of flows are cut to 16 bits and wrap after 19 hours.
 */
#ifndef LEAT_MAPS_TICKS_H
#define LEAT_MAPS_TICKS_H

#include <linux/types.h>

#define LEAT_TICK_SHIFT 30
#define LEAT_TICKS(ms)	((__u32)((((__u64)(ms)*1000000) >> LEAT_TICK_SHIFT) + 1))

/* Whoever looks at flows for a while meets some that were seen after it had looked at the clock. */
#define LEAT_FUTURE_TICKS 256

/* For how many ticks a flow has been silent, unless that is more than LEAT_MAX_IDLE_MS. */
static inline __u32 leat_flow_age(__u32 now, __u16 seen)
{
	__u16 age = (__u16)(now - seen);

	return age < 0x10000 - LEAT_FUTURE_TICKS ? age : 0;
}

#endif
