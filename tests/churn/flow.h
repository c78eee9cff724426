/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One flow of the churn test's client: a connection, or a UDP socket, on which one byte at a time is
 * sent and answered. Strict: another backend's name, a reset, an end or silence breaks it. When
 * something is due, and what becomes of a broken flow, is the caller's business.
 */
#ifndef LEAT_TESTS_CHURN_FLOW_H
#define LEAT_TESTS_CHURN_FLOW_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "tests/churn/record.h"

enum flow_state {
	FLOW_CLOSED,
	FLOW_CONNECTING,
	FLOW_IDLE,
	FLOW_AWAITING, /* its answer */
};

enum flow_event {
	FLOW_NOTHING,
	FLOW_CONNECTED,
	FLOW_ANSWERED,
	FLOW_BROKEN, /* and `reason` says how */
};

/* What flows have in common. */
struct flow_target {
	int type; /* SOCK_STREAM or SOCK_DGRAM */
	int epoll;
	struct sockaddr_storage address;
	socklen_t address_size;
};

struct flow {
	int fd;
	enum flow_state state;
	const struct flow_target *target;
	struct sockaddr_storage source; /* port 0: the kernel picks one */

	uint64_t due_us; /* the caller's: when to open, send, or give up */
	uint64_t opened_us;
	uint64_t sent_us;
	uint64_t exchanges;
	bool is_short;	 /* one exchange a connection */
	bool is_checked; /* has exchanged since the end was called for */

	struct record reply;
	uint8_t reply_size; /* how much of it has come */
	uint8_t sequence;
	char backend[RECORD_NAME_SIZE]; /* "" until it has answered once */
	const char *reason;
	char other_backend[RECORD_NAME_SIZE]; /* the one that answered instead */
};

/* Each returns what came of it; FLOW_NOTHING is what remains to be waited for. */
enum flow_event flow_open(struct flow *flow, uint64_t now_us);
enum flow_event flow_send(struct flow *flow, uint64_t now_us);
enum flow_event flow_handle(struct flow *flow, uint32_t epoll_events);
/* For one that has waited long enough. */
enum flow_event flow_give_up(struct flow *flow);

/* UDP may be lost on the way: the same byte again. */
void flow_send_again(const struct flow *flow);

/* The port that the flow was opened from, also when the kernel picked it; 0 when there is none. */
uint16_t flow_port(const struct flow *flow);
void flow_set_port(struct flow *flow, uint16_t port);

/* Closes it in the usual way, or by a reset, which leaves its port free at once. */
void flow_close(struct flow *flow);
void flow_reset(struct flow *flow);

#endif
