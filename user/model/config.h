/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What an operator wants, as read from a configuration file: plain values with their defaults filled
 * in and checked, and no trace of YAML. user/config makes one; nobody changes it afterwards.
 */
#ifndef LEAT_MODEL_CONFIG_H
#define LEAT_MODEL_CONFIG_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/macros.h"
#include "maps/layout.h"
#include "model/access_list.h"

#define CONFIG_MAX_NAME		 63 /* letters, digits, '-', '_' and '.' */
#define CONFIG_MAX_PATH		 1024
#define CONFIG_MAX_BYTES	 512
#define CONFIG_MAX_STATUS_RANGES 8

#define CONFIG_DEFAULT_SEED	     0x8f2c51d09b7e4a36ULL
#define CONFIG_DEFAULT_TABLE_SIZE    65536
#define CONFIG_DEFAULT_WEIGHT	     100
#define CONFIG_DEFAULT_SOCKET	     "/run/leat/leat.sock"
#define CONFIG_DEFAULT_GROUP	     "root"
#define CONFIG_DEFAULT_STATE	     "/var/lib/leat/state.json"
#define CONFIG_DEFAULT_LISTEN	     "127.0.0.1:9817"
#define CONFIG_DEFAULT_OUTER_SOURCE4 "172.16.0.0/16"
#define CONFIG_DEFAULT_OUTER_SOURCE6 "100::/64"
#define CONFIG_DEFAULT_GUE_PORT	     6080 /* IANA's */
/* Below those that the kernel gives its own connections by default (ip_local_port_range). */
#define CONFIG_DEFAULT_NAT_FIRST     1024
#define CONFIG_DEFAULT_NAT_LAST	     32767
#define CONFIG_DEFAULT_INTERVAL_MS   1000
#define CONFIG_DEFAULT_RISE	     2
#define CONFIG_DEFAULT_FALL	     3

enum attach_mode {
	ATTACH_AUTO,
	ATTACH_NATIVE,
	ATTACH_GENERIC,
};

enum table_kind {
	TABLE_RENDEZVOUS,
	TABLE_MAGLEV,
};

enum probe_type {
	PROBE_NONE, /* the backend counts as up */
	PROBE_TCP,
	PROBE_HTTP,
	PROBE_HTTPS,
	PROBE_UDP,
	PROBE_ICMP,
};

/* Bytes that a probe sends or expects; may hold NULs. data is NULL when there are none. */
struct byte_string {
	unsigned char *data;
	size_t size;
};

struct status_range {
	uint16_t least;
	uint16_t most;
};

/* Of what a probe is and when it runs. rise and fall are not part of its identity: two services may
 * judge one probe's results differently. */
struct probe_config {
	enum probe_type type;
	bool has_port; /* else it is the service's, or that of a backend with a port of its own */
	uint16_t port;
	uint32_t interval_ms;
	uint32_t timeout_ms;
	uint32_t rise;
	uint32_t fall;

	struct byte_string send;   /* tcp: optional; udp: required */
	struct byte_string expect; /* a prefix of the reply; udp: any reply when there is none */

	/* http and https */
	char *path;
	char *host; /* Host header and, for https, the SNI; NULL: the backend's address */
	char *body; /* substring that the body must hold; NULL: any */
	struct status_range status[CONFIG_MAX_STATUS_RANGES];
	size_t status_count;
	bool verify; /* https: the certificate must be valid for host */
};

/* What a backend's QUIC connection ids begin with; length 0: it has none. */
struct server_id {
	uint8_t length;
	uint8_t bytes[LEAT_QUIC_SERVER_ID_MAX]; /* the rest is zero */
};

struct backend_config {
	char name[CONFIG_MAX_NAME + 1];
	struct leat_addr address;
	uint32_t weight;				/* 0 drains */
	struct server_id server_ids[LEAT_QUIC_CONFIGS]; /* by configuration of QUIC-LB */
	uint32_t port; /* of forward: nat; 0: the one that a packet is for */
};

struct service_config {
	char name[CONFIG_MAX_NAME + 1];
	struct leat_service_key key;
	enum leat_scheduler scheduler;
	enum leat_hash_input hash;
	enum table_kind table;
	uint32_t table_size; /* slots; a prime for maglev */
	enum leat_forward forward;
	uint32_t gue_port;     /* of GUE's receivers */
	bool ping;	       /* pings of its address are answered */
	bool hashes_fragments; /* those that come before the first one; else they are dropped */
	uint32_t tcp_idle_ms;  /* how long a flow may be silent without being forgotten */
	uint32_t udp_idle_ms;
	uint32_t slow_start_ms; /* 0: a backend that comes up gets its whole weight at once */
	uint32_t sticky_ms;	/* how long a client stays with a backend; 0: it does not */
	uint32_t rate_new;	/* flows that a source may open in a second; 0: any number */
	uint32_t rate_burst;	/* and at once */
	char *allow_file; /* of the prefixes in the list; NULL: they are in the configuration */
	char *deny_file;
	struct access_list *access;		  /* NULL: every source is let in */
	uint32_t quic_lengths[LEAT_QUIC_CONFIGS]; /* of server ids; 0: no such configuration */
	struct probe_config probe;
	struct backend_config *backends;
	size_t backend_count;
};

enum nat_family {
	NAT_IPV4,
	NAT_IPV6,
	NAT_FAMILIES,
};

/* Where the sources of forward: nat are taken from. */
struct nat_config {
	struct leat_addr addresses[NAT_FAMILIES][LEAT_NAT_ADDRESSES];
	uint32_t counts[NAT_FAMILIES];
	uint16_t first_port;
	uint16_t last_port;
};

struct config {
	char (*interfaces)[IF_NAMESIZE];
	size_t interface_count;
	enum attach_mode mode;
	uint64_t seed;
	uint32_t flows; /* how many can be remembered; a power of two */
	bool has_next_hop;
	struct mac next_hop;
	struct prefix
		outer_source4; /* the outer source's host bits are filled by the flow's hash */
	struct prefix outer_source6;
	struct nat_config nat;
	char *control_socket;
	char *control_group;
	char *metrics_listen;	    /* NULL: no metrics */
	char *state;		    /* file for the operator's changes */
	char *deny_file;	    /* as a service's */
	struct access_list *access; /* for all services; NULL: every source is let in */
	struct service_config *services;
	size_t service_count;
};

struct config *config_free(struct config *config);
DEFINE_CLEANUP(struct config *, config_free)

void probe_config_deinit(struct probe_config *probe);
/* 0 or -ENOMEM. */
int probe_config_copy(const struct probe_config *probe, struct probe_config *ret_copy);
/* Whether one run serves both: everything but rise and fall is equal. */
bool probe_config_same_run(const struct probe_config *a, const struct probe_config *b);

/* Whether it goes by connection ids: it has some configuration of QUIC-LB. */
bool service_is_quic(const struct service_config *service);
static inline enum nat_family nat_family_of(const struct leat_addr *address)
{
	return address_is_ipv4(address) ? NAT_IPV4 : NAT_IPV6;
}

/* Whether `name` is among the first `count` of `names`. */
bool interface_is_listed(const char *name, char (*names)[IF_NAMESIZE], size_t count);

const char *attach_mode_name(enum attach_mode mode);
const char *table_kind_name(enum table_kind kind);
const char *probe_type_name(enum probe_type type);
const char *scheduler_name(enum leat_scheduler scheduler);
const char *hash_input_name(enum leat_hash_input hash);
const char *forward_name(enum leat_forward forward);
const char *protocol_name(uint8_t protocol);

#endif
