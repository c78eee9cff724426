/* SPDX-License-Identifier: GPL-2.0-only */
#include "probe/prober.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>

#include "tests/unit/probe/harness.h"

static void tcp_probe_of_an_open_port_succeeds(void **state)
{
	struct harness *harness = *state;
	struct server *server = server_new(harness, SERVER_KEEPS, false, "");
	struct probe_config config = config_of(PROBE_TCP, server->port);
	struct subject subject;

	assert_int_equal(probe_once(harness, "127.0.0.1", &config, &subject), PROBE_L4OK);
	assert_true(subject.last.duration_us > 0);
	assert_string_equal(subject.last.detail, "");
	server_free(server);
}

static void tcp_probe_of_a_closed_port_is_refused(void **state)
{
	struct harness *harness = *state;
	int fd = bind_loopback(SOCK_STREAM);
	struct probe_config config = config_of(PROBE_TCP, bound_port(fd));
	struct subject subject;

	assert_int_equal(probe_once(harness, "127.0.0.1", &config, &subject), PROBE_L4CON);
	assert_string_equal(subject.last.detail, "Connection refused");
	close(fd);
}

static void tcp_probe_of_a_black_hole_times_out(void **state)
{
	struct harness *harness = *state;
	struct black_hole hole = black_hole_open();
	struct probe_config config = config_of(PROBE_TCP, bound_port(hole.fd));
	struct subject subject;

	assert_int_equal(probe_once(harness, "127.0.0.1", &config, &subject), PROBE_L4TOUT);
	assert_string_equal(subject.last.detail, "after 100 ms");
	assert_true(subject.last.duration_us >= 100000);
	black_hole_close(&hole);
}

static void tcp_probe_reads_the_expected_banner(void **state)
{
	struct harness *harness = *state;
	struct server *server = server_new(harness, SERVER_KEEPS, false, "220 ready\r\n");
	struct probe_config config = config_of(PROBE_TCP, server->port);
	struct subject subject;

	config.expect = bytes_of("220 ");
	assert_int_equal(probe_once(harness, "127.0.0.1", &config, &subject), PROBE_L7OK);
	config.expect = bytes_of("250 ");
	assert_int_equal(probe_once(harness, "127.0.0.1", &config, &subject), PROBE_L7RSP);
	assert_string_equal(subject.last.detail, "unexpected reply");
	server_free(server);
}

static void tcp_probe_sends_and_expects(void **state)
{
	struct harness *harness = *state;
	struct server *server = server_new(harness, SERVER_KEEPS, true, "PONG");
	struct probe_config config = config_of(PROBE_TCP, server->port);
	struct subject subject;

	config.expect = bytes_of("PONG");
	assert_int_equal(probe_once(harness, "127.0.0.1", &config, &subject), PROBE_L7TOUT);
	config.send = bytes_of("PING");
	assert_int_equal(probe_once(harness, "127.0.0.1", &config, &subject), PROBE_L7OK);
	server_free(server);
}

static void tcp_probe_names_a_banner_that_ends_early(void **state)
{
	struct harness *harness = *state;
	struct server *server = server_new(harness, SERVER_CLOSES, false, "22");
	struct probe_config config = config_of(PROBE_TCP, server->port);
	struct subject subject;

	config.expect = bytes_of("220 ");
	assert_int_equal(probe_once(harness, "127.0.0.1", &config, &subject), PROBE_L7RSP);
	assert_string_equal(subject.last.detail, "closed after 2 bytes");
	server_free(server);
}

static int on_datagram(sd_event_source *source, int fd, uint32_t events, void *user)
{
	struct sockaddr_storage from;
	socklen_t length = sizeof(from);
	char buffer[64];
	ssize_t n = recvfrom(fd, buffer, sizeof(buffer), 0, (struct sockaddr *)&from, &length);

	(void)source;
	(void)events;
	(void)user;
	assert_true(n > 0);
	sendto(fd, buffer, (size_t)n, 0, (struct sockaddr *)&from, length);
	return 0;
}

static void udp_probe_judges_the_reply(void **state)
{
	struct harness *harness = *state;
	int fd = bind_loopback(SOCK_DGRAM);
	struct probe_config config = config_of(PROBE_UDP, bound_port(fd));
	sd_event_source *io = NULL;
	struct subject subject;

	sd_event_add_io(harness->event, &io, fd, EPOLLIN, on_datagram, NULL);
	config.send = bytes_of("hello");
	assert_int_equal(probe_once(harness, "127.0.0.1", &config, &subject), PROBE_L7OK);
	config.expect = bytes_of("hell");
	assert_int_equal(probe_once(harness, "127.0.0.1", &config, &subject), PROBE_L7OK);
	config.expect = bytes_of("hello, world");
	assert_int_equal(probe_once(harness, "127.0.0.1", &config, &subject), PROBE_L7RSP);

	sd_event_source_disable_unref(io);
	assert_int_equal(probe_once(harness, "127.0.0.1", &config, &subject), PROBE_L7TOUT);
	close(fd);
	assert_int_equal(probe_once(harness, "127.0.0.1", &config, &subject), PROBE_L4CON);
}

static void icmp_probe_reaches_both_families(void **state)
{
	struct harness *harness = *state;
	struct probe_config config = config_of(PROBE_ICMP, 0);
	struct subject subject;

	if (geteuid() != 0) {
		print_message("raw sockets need root\n");
		skip();
	}
	assert_int_equal(probe_once(harness, "127.0.0.1", &config, &subject), PROBE_L4OK);
	assert_int_equal(probe_once(harness, "::1", &config, &subject), PROBE_L4OK);
}

static void watches_of_the_same_probe_share_its_run(void **state)
{
	struct harness *harness = *state;
	struct server *server = server_new(harness, SERVER_KEEPS, false, "");
	struct probe_config config = config_of(PROBE_TCP, server->port);
	struct subject first, second;

	watch(harness, "127.0.0.1", &config, &first);
	config.fall = 7;
	watch(harness, "127.0.0.1", &config, &second);
	RUN_UNTIL(harness, first.results >= 3);
	assert_int_equal(first.results, second.results);
	assert_in_range(server->connections, first.results, first.results + 1);

	/* The run goes on for the one that stays. */
	prober_unwatch(first.watch);
	first.results = 0;
	second.results = 0;
	RUN_UNTIL(harness, second.results >= 2);
	assert_int_equal(first.results, 0);
	prober_unwatch(second.watch);
	server_free(server);
}

static void unwatched_probe_stops(void **state)
{
	struct harness *harness = *state;
	struct server *server = server_new(harness, SERVER_KEEPS, false, "");
	struct probe_config config = config_of(PROBE_TCP, server->port);
	struct server *other = server_new(harness, SERVER_KEEPS, false, "");
	struct probe_config other_config = config_of(PROBE_TCP, other->port);
	struct subject subject, witness;
	unsigned int connections;

	watch(harness, "127.0.0.1", &config, &subject);
	RUN_UNTIL(harness, subject.results >= 2);
	prober_unwatch(subject.watch);

	/* A result of another run, ordered later, shows that the child has heard of the end. */
	watch(harness, "127.0.0.1", &other_config, &witness);
	RUN_UNTIL(harness, witness.results >= 1);
	connections = server->connections;
	RUN_UNTIL(harness, witness.results >= 6);
	assert_int_equal(server->connections, connections);
	prober_unwatch(witness.watch);
	server_free(server);
	server_free(other);
}

struct fickle {
	struct harness *harness;
	struct probe_config config;
	struct subject *subjects;
	unsigned int calls;
};

/* Takes back every watch of the run that it is told about, and makes a new one. */
static void on_fickle_result(void *user, void *subject, const struct probe_result *result)
{
	struct fickle *fickle = user;
	struct leat_addr address = address_of("127.0.0.1");

	(void)subject;
	(void)result;
	fickle->calls++;
	for (unsigned int i = 0; i < 2; i++)
		prober_unwatch(fickle->subjects[i].watch);
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(prober_watch(fickle->harness->prober, &address, &fickle->config,
					      NULL, &fickle->subjects[i].watch),
				 0);
}

static void watches_may_go_and_come_while_they_are_told(void **state)
{
	struct harness *harness = *state;
	struct server *server = server_new(harness, SERVER_KEEPS, false, "");
	struct subject subjects[2];
	struct fickle fickle = { .harness = harness,
				 .config = config_of(PROBE_TCP, server->port),
				 .subjects = subjects };

	prober_free(harness->prober);
	assert_int_equal(prober_new(&harness->prober, harness->event, on_fickle_result, &fickle),
			 0);
	watch(harness, "127.0.0.1", &fickle.config, &subjects[0]);
	watch(harness, "127.0.0.1", &fickle.config, &subjects[1]);
	RUN_UNTIL(harness, fickle.calls >= 3);
	server_free(server);
}

/* The process that the prober under test has started. */
static pid_t find_child(void)
{
	cleanup(fclosep) FILE *file = fopen("/proc/thread-self/children", "re");
	pid_t pid = 0;

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%d", &pid), 1);
	return pid;
}

static void killed_child_is_replaced_and_results_resume(void **state)
{
	struct harness *harness = *state;
	struct server *server = server_new(harness, SERVER_KEEPS, false, "");
	struct probe_config config = config_of(PROBE_TCP, server->port);
	pid_t killed = find_child();
	struct subject subject;

	watch(harness, "127.0.0.1", &config, &subject);
	RUN_UNTIL(harness, subject.results >= 1);
	assert_return_code(kill(killed, SIGKILL), errno);
	RUN_UNTIL(harness, kill(killed, 0) < 0 && errno == ESRCH);
	subject.results = 0;
	RUN_UNTIL(harness, subject.results >= 3);
	assert_int_not_equal(find_child(), killed);
	assert_int_equal(subject.last.outcome, PROBE_L4OK);
	server_free(server);
}

static void child_that_hangs_is_replaced(void **state)
{
	struct harness *harness = *state;
	struct server *server = server_new(harness, SERVER_KEEPS, false, "");
	struct probe_config config = config_of(PROBE_TCP, server->port);
	pid_t hung = find_child();
	struct subject subject;

	watch(harness, "127.0.0.1", &config, &subject);
	RUN_UNTIL(harness, subject.results >= 1);
	assert_return_code(kill(hung, SIGSTOP), errno);
	RUN_UNTIL(harness, kill(hung, 0) < 0 && errno == ESRCH);
	subject.results = 0;
	RUN_UNTIL(harness, subject.results >= 1);
	server_free(server);
}

static void read_status(pid_t pid, const char *key, char *value, size_t size)
{
	cleanup(fclosep) FILE *file = NULL;
	char path[64], line[256];

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "re");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		if (strncmp(line, key, strlen(key)) != 0)
			continue;
		snprintf(value, size, "%s", line + strlen(key) + strspn(line + strlen(key), ":\t"));
		value[strcspn(value, "\n")] = '\0';
		return;
	}
	fail_msg("no %s in %s", key, path);
}

static void child_holds_no_privilege(void **state)
{
	static const char *const capabilities[] = { "CapInh", "CapPrm", "CapEff", "CapBnd",
						    "CapAmb" };
	struct harness *harness = *state;
	struct server *server = server_new(harness, SERVER_KEEPS, false, "");
	struct probe_config config = config_of(PROBE_TCP, server->port);
	struct subject subject;
	char value[256];

	if (geteuid() != 0) {
		print_message("not root, so there is nothing to give up\n");
		server_free(server);
		skip();
	}
	assert_int_equal(probe_once(harness, "127.0.0.1", &config, &subject), PROBE_L4OK);
	for (size_t i = 0; i < ARRAY_SIZE(capabilities); i++) {
		read_status(find_child(), capabilities[i], value, sizeof(value));
		assert_string_equal(value, "0000000000000000");
	}
	read_status(find_child(), "Uid", value, sizeof(value));
	assert_string_equal(value, "65534\t65534\t65534\t65534");
	read_status(find_child(), "Gid", value, sizeof(value));
	assert_string_equal(value, "65534\t65534\t65534\t65534");
	read_status(find_child(), "Groups", value, sizeof(value));
	assert_int_equal(strspn(value, " "), strlen(value));
	read_status(find_child(), "NoNewPrivs", value, sizeof(value));
	assert_string_equal(value, "1");
	server_free(server);
}

static bool has_mapped_bpf(pid_t pid)
{
	cleanup(fclosep) FILE *file = NULL;
	char path[64], line[512];

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	file = fopen(path, "re");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		if (strstr(line, "anon_inode:bpf"))
			return true;
	}
	return false;
}

/* The first child is made before there are maps; the next ones are not. */
static void child_made_late_has_no_maps(void **state)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);
	struct harness *harness = *state;
	struct server *server = server_new(harness, SERVER_KEEPS, false, "");
	struct probe_config config = config_of(PROBE_TCP, server->port);
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct subject subject;
	void *mapped;
	int fd;

	if (geteuid() != 0) {
		print_message("BPF maps need root\n");
		server_free(server);
		skip();
	}
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "leat_t_probe", sizeof(uint32_t), 8, 1, &options);
	assert_return_code(fd, errno);
	mapped = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(mapped, MAP_FAILED);
	assert_true(has_mapped_bpf(getpid()));
	assert_return_code(kill(find_child(), SIGKILL), errno);
	watch(harness, "127.0.0.1", &config, &subject);
	RUN_UNTIL(harness, subject.results >= 1);
	assert_false(has_mapped_bpf(find_child()));
	munmap(mapped, page);
	close(fd);
	server_free(server);
}

#define MANY 300

static void hundreds_of_runs_all_report(void **state)
{
	static struct subject subjects[MANY];
	struct harness *harness = *state;
	struct server *server = server_new(harness, SERVER_CLOSES, false, "");
	unsigned int reported = 0;

	for (unsigned int i = 0; i < MANY; i++) {
		struct probe_config config = config_of(PROBE_TCP, server->port);

		/* One address, but probes that differ. */
		config.interval_ms = 60000 + i;
		config.timeout_ms = 5000;
		watch(harness, "127.0.0.1", &config, &subjects[i]);
	}
	while (reported < MANY) {
		RUN_UNTIL(harness, subjects[reported].results > 0);
		assert_int_equal(subjects[reported++].outcomes[0], PROBE_L4OK);
	}
	server_free(server);
}

/* More probes hang than may be in flight: the others get their turn when those time out. */
static void probes_beyond_the_cap_wait_for_their_turn(void **state)
{
	static struct subject subjects[PROBER_MAX_IN_FLIGHT + 50];
	struct harness *harness = *state;
	struct black_hole hole = black_hole_open();
	unsigned int reported = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(subjects); i++) {
		struct probe_config config = config_of(PROBE_TCP, bound_port(hole.fd));

		config.interval_ms = 60000 + i;
		config.timeout_ms = 1000;
		watch(harness, "127.0.0.1", &config, &subjects[i]);
	}
	while (reported < ARRAY_SIZE(subjects)) {
		RUN_UNTIL(harness, subjects[reported].results > 0);
		assert_int_equal(subjects[reported++].outcomes[0], PROBE_L4TOUT);
	}
	black_hole_close(&hole);
}

/* Half an interval apart until there are as many failures as `fall`, a whole one from then on. */
static void failures_are_confirmed_at_double_pace(void **state)
{
	struct harness *harness = *state;
	int fd = bind_loopback(SOCK_STREAM);
	struct probe_config config = config_of(PROBE_TCP, bound_port(fd));
	struct subject subject;

	config.interval_ms = 1000;
	config.timeout_ms = 400;
	watch(harness, "127.0.0.1", &config, &subject);
	RUN_UNTIL(harness, subject.results >= 5);
	assert_true(subject.at_us[2] - subject.at_us[0] < subject.at_us[4] - subject.at_us[2]);
	close(fd);
}

static void useless_configuration_is_refused(void **state)
{
	struct harness *harness = *state;
	struct leat_addr address = address_of("127.0.0.1");
	struct probe_config config = config_of(PROBE_NONE, 80);
	struct probe_watch *none = NULL;

	assert_int_equal(prober_watch(harness->prober, &address, &config, NULL, &none), -EINVAL);
	assert_null(none);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(tcp_probe_of_an_open_port_succeeds),
		TEST(tcp_probe_of_a_closed_port_is_refused),
		TEST(tcp_probe_of_a_black_hole_times_out),
		TEST(tcp_probe_reads_the_expected_banner),
		TEST(tcp_probe_sends_and_expects),
		TEST(tcp_probe_names_a_banner_that_ends_early),
		TEST(udp_probe_judges_the_reply),
		TEST(icmp_probe_reaches_both_families),
		TEST(watches_of_the_same_probe_share_its_run),
		TEST(unwatched_probe_stops),
		TEST(watches_may_go_and_come_while_they_are_told),
		TEST(killed_child_is_replaced_and_results_resume),
		TEST(child_that_hangs_is_replaced),
		TEST(child_holds_no_privilege),
		TEST(child_made_late_has_no_maps),
		TEST(hundreds_of_runs_all_report),
		TEST(probes_beyond_the_cap_wait_for_their_turn),
		TEST(failures_are_confirmed_at_double_pace),
		TEST(useless_configuration_is_refused),
	};

	return cmocka_run_group_tests_name("prober", tests, NULL, NULL);
}
