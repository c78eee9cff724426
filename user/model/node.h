/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The node as it is now: for every service and backend what the file wants, what probes observed,
 * what the operator said, and what the datapath was told and counted. Pure data and pure rules; the
 * daemon owns one and is alone in changing it, control and metrics read it.
 */
#ifndef LEAT_MODEL_NODE_H
#define LEAT_MODEL_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include "maps/events.h"
#include "maps/layout.h"
#include "model/config.h"
#include "model/config_version.h"
#include "model/denied.h"
#include "model/event.h"
#include "model/health.h"
#include "model/probe_result.h"

enum backend_state {
	BACKEND_UP,
	BACKEND_DOWN,
	BACKEND_UNKNOWN,
	BACKEND_DRAINING, /* weight 0, by the file or the operator */
	BACKEND_DISABLED, /* by the operator */
	BACKEND_STATE_COUNT,
};

/* What an operator set through the control socket; it goes before the file and outlives restarts. */
enum operator_state {
	OPERATOR_NONE,
	OPERATOR_DRAIN,
	OPERATOR_DISABLE,
};

struct operator_change {
	enum operator_state state;
	bool has_weight;
	uint32_t weight;
};

struct counter_rate {
	double packets_per_s;
	double bytes_per_s;
	struct leat_counter sampled; /* what it was computed from last */
};

/* Computes the rate over the time since the last call. */
void counter_rate_update(struct counter_rate *rate, const struct leat_counter *now, double seconds);

/* Where the kernel would send a packet for an address. */
enum next_hop_state {
	NEXT_HOP_PENDING, /* the neighbour is being resolved */
	NEXT_HOP_RESOLVED,
	NEXT_HOP_NO_ROUTE,
	NEXT_HOP_NO_NEIGHBOUR, /* resolution failed */
	NEXT_HOP_LOCAL,	       /* the address is this node's own */
};

struct next_hop {
	enum next_hop_state state;
	bool has_gateway; /* the MAC is a router's, not the backend's */
	uint32_t ifindex;
	uint16_t mtu;
	uint16_t vlan; /* VID of the tag that packets leave with; 0: none */
	uint8_t dst_mac[6];
	uint8_t src_mac[6];
};

const char *next_hop_state_name(enum next_hop_state state);
bool next_hop_equal(const struct next_hop *a, const struct next_hop *b);

#define PROBE_BUCKETS 12
/* Upper bounds in microseconds of the histogram of probe durations; the last is +Inf. */
extern const uint64_t probe_bucket_us[PROBE_BUCKETS - 1];

struct probe_stats {
	uint64_t buckets[PROBE_BUCKETS]; /* not cumulative */
	uint64_t sum_us;
	uint64_t failures[PROBE_LAYER_COUNT];
};

void probe_stats_count(struct probe_stats *stats, const struct probe_result *result);

#define BACKEND_REASON_SIZE 103

/* What is known of a backend's flows. In the steady state a service with `scheduler: hash` remembers
 * none: then is_counted is false, and only those opened in open slots are in the numbers. */
struct backend_flows {
	bool is_counted; /* live is all of them: its scheduler remembers them, or it drains */
	uint64_t live;
	uint64_t closing;	 /* have sent FIN or RST, a short while ago */
	uint32_t previous_slots; /* open slots whose older flows may be its own */
	uint32_t silent_s;	 /* draining: until flows that were silent since count as ended */
	uint64_t since_us;	 /* draining: since when (monotonic) those that speak are counted */
};

struct probe_watch;
struct service;

struct backend {
	struct service *service;
	struct backend_config config;
	struct health health;
	bool has_probe;
	struct probe_watch *probe_watch; /* the daemon's to begin and end */
	bool is_resolver_watched;	 /* likewise */
	struct operator_change operator_change;
	struct next_hop next_hop;
	struct probe_stats probe_stats;

	enum backend_state state;
	uint64_t state_changed_s;	  /* UNIX time */
	char reason[BACKEND_REASON_SIZE]; /* of the last change of state */

	uint32_t id; /* in the maps; 0 before it has one */
	struct leat_counter counter;
	struct counter_rate rate;
	uint32_t slots; /* of its service's table that hold it */

	bool is_leaving;	  /* no longer in the file, and here until its flows have ended */
	uint32_t ramp_percent;	  /* of its weight, while it starts slowly; 100: all of it */
	uint64_t ramp_started_us; /* monotonic */
	bool is_drain_told;	  /* the end of its drain was logged */
	struct backend_flows flows;
};

struct service {
	struct service_config config; /* what it points to is node.config's */
	uint32_t id;		      /* of its counters */
	struct backend **backends;    /* in the file's order */
	size_t backend_count;
	uint32_t open_slots;
	bool is_stale; /* the datapath does not know its latest state yet */
	struct leat_counter counter;
	struct counter_rate rate;
	uint64_t own_packets;	       /* of the counter, without the backends', when it was read */
	struct leat_refusals refusals; /* what was not forwarded, by reason */
};

enum link_state {
	LINK_UP,
	LINK_DOWN,
	LINK_GONE,
};

struct interface_status {
	char name[IF_NAMESIZE];
	uint32_t ifindex;
	enum attach_mode mode; /* what it got: native or generic */
	bool is_attached;
	bool has_dispatcher; /* shared with other XDP programs */
	bool was_reused;     /* the program was already there and stayed */
	uint32_t program_id;
	enum link_state link; /* as it was told last; up when it was attached */
};

struct map_usage {
	const char *name;
	uint64_t entries;
	uint64_t capacity;
};

/* The datapath's memory of flows. */
struct flow_memory {
	uint64_t remembered; /* live flows */
	uint64_t old;	     /* of these, the ones that are older than their slot's change */
	uint64_t half_open;  /* flows of one packet */
	uint64_t clients;    /* of services with `sticky` */
	uint64_t capacity;   /* how many flows, half-open flows and clients there is room for */
	uint64_t half_open_capacity;
	uint64_t client_capacity;
	uint64_t events[LEAT_EVENT_COUNT];
};

#define NODE_MAX_MAPS 8

/* What a restarted daemon found and kept. */
struct reuse_report {
	bool maps;
	bool program;
	uint32_t backends; /* whose health was taken over */
};

struct node {
	struct config *config; /* what runs */
	struct service **services;
	size_t service_count;

	struct interface_status interfaces[LEAT_MAX_INTERFACES];
	size_t interface_count;
	struct map_usage maps[NODE_MAX_MAPS];
	size_t map_count;
	struct reuse_report reuse;
	struct flow_memory flow_memory;
	struct leat_counter reasons[LEAT_REASON_COUNT];
	struct counter_rate reason_rates[LEAT_REASON_COUNT];
	uint64_t started_s;

	struct event_ring events;
	struct denied denied; /* what the operator denies, beside the configuration */
	struct config_versions versions;

	char *config_path;
	bool reload_succeeded;
	uint64_t reload_s; /* UNIX time of the last successful one */
};

/* The state that health, the file and the operator make together. */
enum backend_state backend_current_state(const struct backend *backend);
/* The weight that its table is built with: 0 unless it is up, and less than wanted while it starts
 * slowly. */
uint32_t backend_effective_weight(const struct backend *backend);
/* What the operator or the file asks for, whatever its health. */
uint32_t backend_wanted_weight(const struct backend *backend);

/* Whether nothing is on its way to a backend that takes no new flows. */
bool backend_is_drained(const struct backend *backend);

/* Whether flows that it has may stay: it is neither down nor disabled. */
bool backend_keeps_flows(const struct backend *backend);

const char *backend_state_name(enum backend_state state);
const char *operator_state_name(enum operator_state state);

struct service *node_find_service(const struct node *node, const char *name);
/* One that is leaving only when no other has the name: the file may have given it to a new backend. */
struct backend *service_find_backend(const struct service *service, const char *name);
/*
 * How many percent of a service's backends are up, of those that should carry traffic. Left out are those
 * that were down before `since_s` (UNIX time), and without `is_final` those of which no probe has ended
 * yet; with it, these count as down. 100 when none is left.
 */
uint32_t service_healthy_percent(const struct service *service, uint64_t since_s, bool is_final);
/* The share of the table, 0 to 1. */
double backend_share(const struct backend *backend);

struct backend *backend_free(struct backend *backend);
/* With its backends. */
struct service *service_free(struct service *service);
/* Frees what the node owns, not the node. */
void node_deinit(struct node *node);

DEFINE_CLEANUP(struct backend *, backend_free)
DEFINE_CLEANUP(struct service *, service_free)

#endif
