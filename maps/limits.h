/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The sizes that the datapath, the daemon and the configuration agree on. Each of them is a
 * refusal with a message somewhere; none is reached silently.
 */
#ifndef LEAT_MAPS_LIMITS_H
#define LEAT_MAPS_LIMITS_H

#define LEAT_MAX_SERVICES	  4096
#define LEAT_SERVICE_ENTRIES	  16384 /* a power of two; services, and their addresses */
#define LEAT_SERVICE_PROBES	  64	/* entries that a look-up may touch */
#define LEAT_MAX_BACKENDS	  32768 /* ids fit a slot's 15 bits; id 0 means "none" */
#define LEAT_MAX_TABLES		  8192 /* a table that changes its size needs a second one for a while */
#define LEAT_MAX_INTERFACES	  64
#define LEAT_MAX_EGRESS		  256
#define LEAT_MIN_FLOWS		  16384 /* buckets of the map of flows; each has room for four */
#define LEAT_DEFAULT_FLOWS	  262144
#define LEAT_LIMIT_FLOWS	  16777216
#define LEAT_HALF_OPEN_BUCKETS	  131072 /* half of them for each protocol */
#define LEAT_CLIENT_BUCKETS	  65536	 /* of services with `sticky` */
#define LEAT_FRAGMENT_BUCKETS	  8192	 /* of packets that come in fragments */
#define LEAT_SOURCE_BUCKETS	  65536	 /* of services with `rate`; a power of two */
#define LEAT_MAX_QUIC_IDS	  229376 /* 7 of each backend: one for each configuration */
#define LEAT_NAT_ENTRIES	  524288 /* two for each flow that is translated */
#define LEAT_NAT_ADDRESSES	  64	 /* of the pool, of each family */
#define LEAT_NAT_PROBES		  32	 /* ports that a new flow tries */
#define LEAT_NAT_CLOSING_MS	  240000 /* how long a half-closed one may be silent (RFC 5382) */
#define LEAT_FRAGMENT_MS	  30000 /* how long the first one is remembered (RFC 1122, 3.3.2) */
#define LEAT_MAX_EXTENSIONS	  6	/* IPv6 headers before the transport's */
#define LEAT_ANSWERS_PER_TICK	  1000	/* ICMP errors that each CPU sends in a second, at most */
#define LEAT_SYN_REPEAT_MS	  16000 /* a later SYN on a half-open flow's 5-tuple is a new one */
#define LEAT_HALF_OPEN_MS	  64000 /* how long a flow of one packet is remembered */
#define LEAT_CLOSING_MS		  60000 /* how long a flow that sent FIN may be silent */
#define LEAT_DEFAULT_TCP_IDLE_MS  900000
#define LEAT_DEFAULT_UDP_IDLE_MS  60000
#define LEAT_MIN_IDLE_MS	  1000
#define LEAT_MAX_IDLE_MS	  43200000 /* twelve hours: a flow's clock has 16 bits */
#define LEAT_MAX_ORDER_SIZE	  65536
#define LEAT_MIN_TABLE_SIZE	  64
#define LEAT_MAX_TABLE_SIZE	  1048576
#define LEAT_MAX_RATE		  1000000 /* flows a second and source, and of its burst */
#define LEAT_MAX_PREFIXES	  100000  /* of sources, in one list of the configuration */
#define LEAT_MAX_DENIED		  16384	  /* prefixes that the operator denies at run time */
#define LEAT_ACCESS_ENTRIES	  262144  /* rules of an access list: two lists and the defaults */
#define LEAT_MAX_WEIGHT		  65535
#define LEAT_MAX_SERVICE_BACKENDS 4096
#define LEAT_MAX_DECAP_INNER	  1024
#define LEAT_MAX_DECAP_OUTER	  1024
#define LEAT_MAX_DECAP_SOURCES	  1024

#endif
