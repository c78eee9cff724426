/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ICMP (RFC 792) and ICMPv6 (RFC 4443), as far as they are looked at. <linux/icmp.h> needs headers of
 * the C library that are not there for BPF.
 */
#ifndef LEAT_BPF_ICMP_H
#define LEAT_BPF_ICMP_H

#include <linux/types.h>

/* Both have this in common. */
struct icmp_header {
	__u8 type;
	__u8 code;
	__sum16 check;
	__be32 rest; /* of an error: IPv4's MTU in the lower half, IPv6's as a whole */
};

#define ICMP4_ECHO_REPLY      0
#define ICMP4_UNREACHABLE     3
#define ICMP4_FRAGMENT_NEEDED 4 /* a code */
#define ICMP4_ECHO	      8
#define ICMP4_TIME_EXCEEDED   11
#define ICMP4_PARAMETER	      12

#define ICMP6_UNREACHABLE 1
#define ICMP6_TOO_BIG	  2
#define ICMP6_PARAMETER	  4
#define ICMP6_ECHO	  128
#define ICMP6_ECHO_REPLY  129

#endif
