/* SPDX-License-Identifier: GPL-2.0-only */
/* The probing half without its process, so that the sanitizers see all of its memory. */
#include "probe/worker.h"

#include <errno.h>
#include <sys/resource.h>

#include "tests/unit/probe/harness.h"

struct fixture {
	struct harness harness; /* without a prober: only the loop */
	struct icmp_sockets icmp_sockets;
	struct worker *worker;
	int fd; /* the daemon's end */
	int worker_fd;
};

static int fixture_setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	int fds[2];

	assert_non_null(fixture);
	assert_return_code(sd_event_new(&fixture->harness.event), 0);
	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), errno);
	fixture->fd = fds[0];
	fixture->worker_fd = fds[1];
	fixture->icmp_sockets = icmp_sockets_open();
	assert_int_equal(worker_new(&fixture->worker, fixture->harness.event, fixture->worker_fd,
				    &fixture->icmp_sockets),
			 0);
	*state = fixture;
	return 0;
}

static int fixture_teardown(void **state)
{
	struct fixture *fixture = *state;

	worker_free(fixture->worker);
	icmp_sockets_close(&fixture->icmp_sockets);
	close_fdp(&fixture->fd);
	close_fdp(&fixture->worker_fd);
	sd_event_unref(fixture->harness.event);
	free(fixture);
	return 0;
}

static void order(struct fixture *fixture, uint64_t id, const struct probe_config *config)
{
	struct leat_addr address = address_of("127.0.0.1");
	struct wire_add add;
	size_t size;

	assert_int_equal(wire_write_add(&add, id, &address, config, &size), 0);
	assert_int_equal(send(fixture->fd, &add, size, 0), size);
}

static void take_back(struct fixture *fixture, uint64_t id)
{
	struct wire_header header = { .kind = WIRE_REMOVE, .id = id };

	assert_int_equal(send(fixture->fd, &header, sizeof(header), 0), sizeof(header));
}

static bool is_readable(int fd)
{
	char byte;

	return recv(fd, &byte, sizeof(byte), MSG_DONTWAIT | MSG_PEEK) > 0;
}

/* Waits for the next result of any run. */
static struct wire_result next_result(struct fixture *fixture)
{
	struct wire_result result = { 0 };

	RUN_UNTIL(&fixture->harness, is_readable(fixture->fd));
	assert_int_equal(recv(fixture->fd, &result, sizeof(result), 0), sizeof(result));
	return result;
}

static struct probe_config config_with_path(enum probe_type type, uint16_t port)
{
	struct probe_config config = config_of(type, port);

	config.path = (char *)(uintptr_t) "/";
	config.body = (char *)(uintptr_t) "well";
	config.send = bytes_of("hello");
	config.timeout_ms = 5000;
	return config;
}

static void every_kind_ends_and_frees_what_it_took(void **state)
{
	struct fixture *fixture = *state;
	struct server *server = server_new(&fixture->harness, SERVER_CLOSES, true,
					   "HTTP/1.1 200 OK\r\n\r\nall is well");
	unsigned int counts[PROBE_ICMP + 1] = { 0 };

	for (unsigned int type = PROBE_TCP; type <= PROBE_ICMP; type++) {
		struct probe_config config = config_with_path(type, server->port);

		order(fixture, type, &config);
	}
	while (!counts[PROBE_TCP] || !counts[PROBE_HTTP] || !counts[PROBE_HTTPS] ||
	       !counts[PROBE_UDP] || !counts[PROBE_ICMP])
		counts[next_result(fixture).header.id]++;
	server_free(server);
}

static void removed_run_stops_in_the_middle_of_its_probe(void **state)
{
	struct fixture *fixture = *state;
	struct server *server = server_new(&fixture->harness, SERVER_KEEPS, true, "");
	struct probe_config config = config_with_path(PROBE_HTTP, server->port);

	for (unsigned int type = PROBE_TCP; type <= PROBE_HTTPS; type++) {
		config.type = type;
		config.expect = bytes_of("never");
		order(fixture, type, &config);
	}
	RUN_UNTIL(&fixture->harness, server->connections == 3);
	for (unsigned int type = PROBE_TCP; type <= PROBE_HTTPS; type++)
		take_back(fixture, type);

	/* What comes is of the run that was ordered last, and of no other. */
	config = config_of(PROBE_TCP, server->port);
	order(fixture, 42, &config);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(next_result(fixture).header.id, 42);
	server_free(server);
}

static void worker_ends_in_the_middle_of_its_probes(void **state)
{
	struct fixture *fixture = *state;
	struct server *server = server_new(&fixture->harness, SERVER_DRIPS, true,
					   "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
	struct probe_config config = config_with_path(PROBE_HTTP, server->port);

	order(fixture, 1, &config);
	config.type = PROBE_HTTPS;
	order(fixture, 2, &config);
	RUN_UNTIL(&fixture->harness, server->connections == 2);
	shutdown(fixture->fd, SHUT_RDWR);
	RUN_UNTIL(&fixture->harness,
		  sd_event_get_state(fixture->harness.event) == SD_EVENT_FINISHED);
	server_free(server);
}

/* A node that has no socket left says so, and blames no backend. */
static void lack_of_descriptors_is_internal(void **state)
{
	struct fixture *fixture = *state;
	struct rlimit before, none;

	for (unsigned int type = PROBE_TCP; type <= PROBE_UDP; type++) {
		struct probe_config config = config_with_path(type, 9);

		order(fixture, type, &config);
	}
	assert_return_code(getrlimit(RLIMIT_NOFILE, &before), errno);
	none = before;
	none.rlim_cur = STDERR_FILENO + 1;
	assert_return_code(setrlimit(RLIMIT_NOFILE, &none), errno);
	for (unsigned int type = PROBE_TCP; type <= PROBE_UDP; type++)
		assert_int_equal(next_result(fixture).result.outcome, PROBE_INTERNAL);
	assert_return_code(setrlimit(RLIMIT_NOFILE, &before), errno);
}

static void ping_comes_back(void **state)
{
	struct fixture *fixture = *state;
	struct wire_header ping = { .kind = WIRE_PING }, answer = { 0 };

	assert_int_equal(send(fixture->fd, &ping, sizeof(ping), 0), sizeof(ping));
	RUN_UNTIL(&fixture->harness, is_readable(fixture->fd));
	assert_int_equal(recv(fixture->fd, &answer, sizeof(answer), 0), sizeof(answer));
	assert_int_equal(answer.kind, WIRE_PING);
}

static void nonsense_is_refused(void **state)
{
	struct fixture *fixture = *state;
	union wire_message message = { .header = { .kind = WIRE_REMOVE, .id = 99 } };

	assert_int_equal(worker_take(fixture->worker, &message, 3), -EBADMSG);
	assert_int_equal(worker_take(fixture->worker, &message, sizeof(message.header)), -EBADMSG);
	message.header.kind = WIRE_KIND_END;
	assert_int_equal(worker_take(fixture->worker, &message, sizeof(message)), -EBADMSG);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(every_kind_ends_and_frees_what_it_took),
		TEST(removed_run_stops_in_the_middle_of_its_probe),
		TEST(worker_ends_in_the_middle_of_its_probes),
		TEST(lack_of_descriptors_is_internal),
		TEST(ping_comes_back),
		TEST(nonsense_is_refused),
	};

	return cmocka_run_group_tests_name("worker", tests, NULL, NULL);
}
