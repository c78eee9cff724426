/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the daemon's modules and the datapath on the host take for the time.
 */
#ifndef LEAT_TOOLS_HOST_CLOCK_H
#define LEAT_TOOLS_HOST_CLOCK_H

#include <stdint.h>

extern uint64_t host_clock_ns; /* monotonic */

#endif
