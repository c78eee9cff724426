/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How much kernel memory the inner maps of a service take: its table and former table, their clocks, the
 * order of a round robin, its list of sources. What all services share is there in any case.
 */
#ifndef LEAT_MODEL_MEMORY_H
#define LEAT_MODEL_MEMORY_H

#include "model/image.h"

/* In bytes, without what the kernel adds to each map and without what its allocator rounds up by. */
uint64_t memory_of_image(const struct image *image);

#endif
