/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A network of the test's own: the test process moves into a new network namespace, and a child
 * holds a second one, the peer's. Both end with the processes, however those end. Two veth pairs
 * connect them:
 *
 *     v0 192.0.2.1/24, 2001:db8::1/64     p0 192.0.2.2, 2001:db8::2, fe80::2
 *     v1 198.51.100.1/24                  p1 198.51.100.2
 */
#ifndef LEAT_TESTS_NETWORK_H
#define LEAT_TESTS_NETWORK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above first. */
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "base/address.h"
#include "base/clock.h"
#include "base/macros.h"

#define NETWORK_DEADLINE_US 15000000
#define NETWORK_PEER_MAC    "02:00:5e:00:53:02"

static pid_t network_peer;

static inline _Noreturn void network_hold_peer(int ready_fd)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (unshare(CLONE_NEWNET) == 0 && write(ready_fd, "", 1) == 1)
		pause();
	_exit(1);
}

/* Lines for `ip -batch` in the test's namespace. */
static inline void network_ip(const char *lines)
{
	FILE *ip = popen("ip -batch -", "w");

	assert_non_null(ip);
	fputs(lines, ip);
	assert_int_equal(pclose(ip), 0);
}

static inline void network_peer_ip(const char *lines)
{
	char command[64];
	FILE *ip;

	snprintf(command, sizeof(command), "nsenter -t %d -n ip -batch -", network_peer);
	ip = popen(command, "w");
	assert_non_null(ip);
	fputs(lines, ip);
	assert_int_equal(pclose(ip), 0);
}

static inline void network_write(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static inline void network_give_up_soon(void)
{
	network_write("/proc/sys/net/ipv4/neigh/v0/retrans_time_ms", "100");
	network_write("/proc/sys/net/ipv6/neigh/v0/retrans_time_ms", "100");
}

static inline void network_start_peer(void)
{
	char ready;
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	network_peer = fork();
	if (network_peer == 0)
		network_hold_peer(fds[1]);
	assert_true(network_peer > 0);
	close(fds[1]);
	assert_int_equal(read(fds[0], &ready, 1), 1);
	close(fds[0]);
}

static inline void network_connect(void)
{
	char lines[512];

	snprintf(lines, sizeof(lines),
		 "link set lo up\n"
		 "link add v0 type veth peer name p0 address " NETWORK_PEER_MAC " netns %d\n"
		 "link add v1 type veth peer name p1 netns %d\n"
		 "addr add 192.0.2.1/24 dev v0\n"
		 "addr add 198.51.100.1/24 dev v1\n"
		 "addr add 2001:db8::1/64 dev v0 nodad\n"
		 "link set v0 up\n"
		 "link set v1 up\n",
		 network_peer, network_peer);
	network_ip(lines);
	network_peer_ip("addr add 192.0.2.2/24 dev p0\n"
			"addr add 198.51.100.2/24 dev p1\n"
			"addr add 2001:db8::2/64 dev p0 nodad\n"
			"addr add fe80::2/64 dev p0 nodad\n"
			"link set p0 up\n"
			"link set p1 up\n");
}

/* In place of the network of the test before, if there was one. */
static inline void network_create(void)
{
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	network_start_peer();
	network_connect();
	network_give_up_soon();
}

static inline void network_destroy(void)
{
	kill(network_peer, SIGKILL);
	assert_int_equal(waitpid(network_peer, NULL, 0), network_peer);
}

static inline struct leat_addr network_address(const char *text)
{
	struct leat_addr address;

	assert_int_equal(address_parse(text, &address), 0);
	return address;
}

/* Runs the loop until `is_so`, or fails the test. */
static inline void network_wait(sd_event *event, bool (*is_so)(const void *user), const void *user)
{
	uint64_t deadline_us = clock_monotonic_us() + NETWORK_DEADLINE_US;

	while (!is_so(user)) {
		assert_true(clock_monotonic_us() < deadline_us);
		assert_true(sd_event_run(event, 100000) >= 0);
	}
}

#endif
