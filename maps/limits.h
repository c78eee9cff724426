/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The sizes that the datapath, the daemon and the configuration agree on. Each of them is a
 * refusal with a message somewhere; none is reached silently.
 */
#ifndef LEAT_MAPS_LIMITS_H
#define LEAT_MAPS_LIMITS_H

#define LEAT_MAX_SERVICES	  4096
#define LEAT_SERVICE_ENTRIES	  8192	/* a power of two, half of it used at most */
#define LEAT_SERVICE_PROBES	  64	/* entries that a look-up may touch */
#define LEAT_MAX_BACKENDS	  32768 /* ids fit a slot's 15 bits; id 0 means "none" */
#define LEAT_MAX_TABLES		  8192 /* a table that changes its size needs a second one for a while */
#define LEAT_MAX_INTERFACES	  64
#define LEAT_MAX_EGRESS		  256
#define LEAT_MAX_FLOWS		  262144 /* remembered, of those opened in slots that are open */
#define LEAT_MAX_HALF_OPEN	  65536
#define LEAT_TCP_IDLE_S		  900 /* how long a flow may be silent without being forgotten */
#define LEAT_SYN_REPEAT_S	  16 /* a SYN on a half-open flow's 5-tuple later than this is a new one */
#define LEAT_CLOSING_S		  10 /* how long a flow that sent FIN or RST is remembered */
#define LEAT_UDP_IDLE_S		  60
#define LEAT_MIN_TABLE_SIZE	  64
#define LEAT_MAX_TABLE_SIZE	  1048576
#define LEAT_MAX_WEIGHT		  65535
#define LEAT_MAX_SERVICE_BACKENDS 4096
#define LEAT_MAX_DECAP_INNER	  1024
#define LEAT_MAX_DECAP_OUTER	  1024
#define LEAT_MAX_DECAP_SOURCES	  1024

#endif
