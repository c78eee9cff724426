/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The maps of bpf/maps.h and the way into them, for the one source of a program that has bpf/'s C
 * inside. Comes before anything of bpf/, between HOST_BEGIN_BPF and HOST_END_BPF with all of that.
 */
#ifndef LEAT_TOOLS_HOST_PROGRAM_H
#define LEAT_TOOLS_HOST_PROGRAM_H

/* The C library's <netinet/in.h>, which is in there, has to be first. */
#include "tools/host/helpers.h"

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>

#include "maps/hash.h"
#include "maps/layout.h"

/* clang-format off: it sees no pragma in these */
/* The datapath's warnings are for the compiler that it is made for. */
#define HOST_BEGIN_BPF                                                                             \
	_Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wpragmas\"") _Pragma(    \
		"GCC diagnostic ignored \"-Wunknown-warning-option\"")                             \
		_Pragma("GCC diagnostic ignored \"-Waddress-of-packed-member\"") _Pragma(          \
			"GCC diagnostic ignored \"-Wcast-qual\"")                                  \
			_Pragma("GCC diagnostic ignored \"-Wconversion\"") _Pragma(                \
				"GCC diagnostic ignored \"-Wmissing-prototypes\"")                 \
				_Pragma("GCC diagnostic ignored \"-Wshadow\"") _Pragma(            \
					"GCC diagnostic ignored \"-Wsign-compare\"")               \
					_Pragma("GCC diagnostic ignored \"-Wsign-conversion\"")    \
						_Pragma("GCC diagnostic ignored \"-Wunknown-pragmas\"")
#define HOST_END_BPF _Pragma("GCC diagnostic pop")
/* clang-format on */

/* A number that a member's type says: int (*member)[number]. */
#define HOST_NUMBER(member) (sizeof(*(member)) / sizeof(int))

#define HOST_DESCRIBE(definition)                                                                  \
	{                                                                                          \
		.name = #definition, .type = HOST_NUMBER((definition).type),                       \
		.key_size = HOST_NUMBER((definition).key_size),                                    \
		.value_size = HOST_NUMBER((definition).value_size),                                \
		.max_entries = HOST_NUMBER((definition).max_entries),                              \
	}

/* From now on the program finds `map` where it has `definition`. */
#define HOST_BIND(definition, host_map) ((definition).type = (void *)(host_map))

#endif
