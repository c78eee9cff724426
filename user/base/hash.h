/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * uthash as Leat uses it: hashed by xxhash, and a failed allocation leaves the element out
 * (its hh.tbl is NULL) instead of ending the process.
 */
#ifndef LEAT_BASE_HASH_H
#define LEAT_BASE_HASH_H

#include <xxhash.h>

#define HASH_NONFATAL_OOM 1
#define HASH_FUNCTION(key, size, ret_hash)                                                         \
	do {                                                                                       \
		(ret_hash) = (unsigned int)XXH3_64bits(key, size);                                 \
	} while (0)

#include <uthash.h>

#endif
