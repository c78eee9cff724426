/* SPDX-License-Identifier: GPL-2.0-only */
#include "probe/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "tests/unit/probe/harness.h"

/* A real nginx, for the whole group of tests. */
struct nginx {
	char folder[48];
	pid_t pid;
	uint16_t port;
	uint16_t tls_port;
};

static struct nginx nginx;

static const char nginx_conf[] =
	"daemon off;\n"
	"master_process off;\n"
	"pid %1$s/pid;\n"
	"error_log %1$s/error.log;\n"
	"events {}\n"
	"http {\n"
	"  access_log off;\n"
	"  client_body_temp_path %1$s/body;\n"
	"  proxy_temp_path %1$s/proxy;\n"
	"  fastcgi_temp_path %1$s/fastcgi;\n"
	"  uwsgi_temp_path %1$s/uwsgi;\n"
	"  scgi_temp_path %1$s/scgi;\n"
	"  server {\n"
	"    listen 127.0.0.1:%2$u;\n"
	"    listen [::1]:%2$u;\n"
	"    location / { return 200 \"host=$http_host uri=$request_uri.\"; }\n"
	"    location /moved { return 301 /; }\n"
	"    location /broken { return 503; }\n"
	"    location /large { alias %1$s/large; }\n"
	"  }\n"
	"  server {\n"
	"    listen 127.0.0.1:%3$u ssl http2;\n"
	"    ssl_certificate %1$s/certificate;\n"
	"    ssl_certificate_key %1$s/key;\n"
	"    location / { return 200 \"sni=$ssl_server_name host=$host $server_protocol\"; }\n"
	"  }\n"
	"}\n";

/* Runs a program with its output thrown away, and for no longer than this test. */
static pid_t spawn(const char *const *arguments)
{
	pid_t parent = getpid(), pid = fork();
	int null;

	assert_return_code(pid, errno);
	if (pid > 0)
		return pid;
	null = open("/dev/null", O_RDWR);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
	    dup2(null, STDERR_FILENO) < 0 || getppid() != parent)
		_exit(126);
	execvp(arguments[0], (char *const *)(uintptr_t)arguments);
	_exit(127);
}

static void make_certificate(void)
{
	char key[80], certificate[80];
	const char *const arguments[] = { "openssl",
					  "req",
					  "-x509",
					  "-newkey",
					  "ec",
					  "-pkeyopt",
					  "ec_paramgen_curve:prime256v1",
					  "-nodes",
					  "-subj",
					  "/CN=www.example.com",
					  "-days",
					  "2",
					  "-keyout",
					  key,
					  "-out",
					  certificate,
					  NULL };
	int status = 0;

	snprintf(key, sizeof(key), "%s/key", nginx.folder);
	snprintf(certificate, sizeof(certificate), "%s/certificate", nginx.folder);
	assert_return_code(waitpid(spawn(arguments), &status, 0), errno);
	assert_int_equal(status, 0);
}

static uint16_t free_port(void)
{
	int fd = bind_loopback(SOCK_STREAM);
	uint16_t port = bound_port(fd);

	close(fd);
	return port;
}

static FILE *create(const char *name)
{
	char path[80];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", nginx.folder, name);
	file = fopen(path, "we");
	assert_non_null(file);
	return file;
}

/* More than a probe looks at, with a word before and a word after that. */
static void make_large_file(void)
{
	cleanup(fclosep) FILE *file = create("large");

	fprintf(file, "early");
	for (unsigned int i = 0; i < 100000; i++)
		fputc('.', file);
	fprintf(file, "late");
}

static void make_configuration(void)
{
	cleanup(fclosep) FILE *file = create("nginx.conf");

	fprintf(file, nginx_conf, nginx.folder, nginx.port, nginx.tls_port);
}

static void wait_for_nginx(void **state)
{
	struct harness *harness;
	struct probe_config config = config_of(PROBE_TCP, nginx.port);
	struct subject subject;

	harness_setup(state);
	harness = *state;
	watch(harness, "127.0.0.1", &config, &subject);
	RUN_UNTIL(harness, subject.results > 0 && subject.last.outcome == PROBE_L4OK);
	harness_teardown(state);
}

static int nginx_setup(void **state)
{
	char path[80];
	const char *const arguments[] = { "nginx", "-e", "/dev/null", "-c", path, NULL };

	snprintf(nginx.folder, sizeof(nginx.folder), "/tmp/leat-t-%d-nginx-XXXXXX", getpid());
	assert_non_null(mkdtemp(nginx.folder));
	nginx.port = free_port();
	nginx.tls_port = free_port();
	make_certificate();
	make_large_file();
	make_configuration();
	snprintf(path, sizeof(path), "%s/nginx.conf", nginx.folder);
	nginx.pid = spawn(arguments);
	wait_for_nginx(state);
	return 0;
}

static int remove_file(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
	(void)status;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int nginx_teardown(void **state)
{
	(void)state;
	if (nginx.pid > 0) {
		kill(nginx.pid, SIGKILL);
		waitpid(nginx.pid, NULL, 0);
	}
	return nftw(nginx.folder, remove_file, 8, FTW_DEPTH | FTW_PHYS);
}

static struct probe_config http_config(enum probe_type type, const char *path)
{
	struct probe_config config =
		config_of(type, type == PROBE_HTTP ? nginx.port : nginx.tls_port);

	config.timeout_ms = 5000;
	config.interval_ms = 10000;
	config.path = (char *)(uintptr_t)path;
	return config;
}

static void set_text(char **field, const char *text)
{
	*field = (char *)(uintptr_t)text;
}

static void status_in_range_succeeds(void **state)
{
	struct probe_config config = http_config(PROBE_HTTP, "/");
	struct subject subject;

	assert_int_equal(probe_once(*state, "127.0.0.1", &config, &subject), PROBE_L7OK);
	assert_string_equal(subject.last.detail, "status 200");
}

static void status_out_of_range_fails(void **state)
{
	struct probe_config config = http_config(PROBE_HTTP, "/broken");
	struct subject subject;

	assert_int_equal(probe_once(*state, "127.0.0.1", &config, &subject), PROBE_L7STS);
	assert_string_equal(subject.last.detail, "status 503");

	config.status[config.status_count++] = (struct status_range){ 503, 503 };
	assert_int_equal(probe_once(*state, "127.0.0.1", &config, &subject), PROBE_L7OK);
}

static void redirect_is_not_followed(void **state)
{
	struct probe_config config = http_config(PROBE_HTTP, "/moved");
	struct subject subject;

	assert_int_equal(probe_once(*state, "127.0.0.1", &config, &subject), PROBE_L7OK);
	assert_string_equal(subject.last.detail, "status 301");
}

static void host_and_path_are_sent_as_written(void **state)
{
	struct probe_config config = http_config(PROBE_HTTP, "/a/../b?c=d%20e");
	struct subject subject;

	set_text(&config.host, "www.example.com");
	set_text(&config.body, "host=www.example.com uri=/a/../b?c=d%20e.");
	assert_int_equal(probe_once(*state, "127.0.0.1", &config, &subject), PROBE_L7OK);
}

static void host_is_the_address_when_none_is_given(void **state)
{
	struct probe_config config = http_config(PROBE_HTTP, "/");
	struct subject subject;
	char body[64];

	set_text(&config.body, body);
	snprintf(body, sizeof(body), "host=127.0.0.1:%u ", nginx.port);
	assert_int_equal(probe_once(*state, "127.0.0.1", &config, &subject), PROBE_L7OK);
	snprintf(body, sizeof(body), "host=[::1]:%u ", nginx.port);
	assert_int_equal(probe_once(*state, "::1", &config, &subject), PROBE_L7OK);
}

static void body_without_the_text_fails(void **state)
{
	struct probe_config config = http_config(PROBE_HTTP, "/");
	struct subject subject;

	set_text(&config.body, "all is well");
	assert_int_equal(probe_once(*state, "127.0.0.1", &config, &subject), PROBE_L7RSP);
	assert_string_equal(subject.last.detail, "status 200, body without the text");
}

static void only_the_first_part_of_a_body_is_looked_at(void **state)
{
	struct probe_config config = http_config(PROBE_HTTP, "/large");
	struct subject subject;

	assert_int_equal(probe_once(*state, "127.0.0.1", &config, &subject), PROBE_L7OK);
	set_text(&config.body, "early");
	assert_int_equal(probe_once(*state, "127.0.0.1", &config, &subject), PROBE_L7OK);
	set_text(&config.body, "late");
	assert_int_equal(probe_once(*state, "127.0.0.1", &config, &subject), PROBE_L7RSP);
}

static void certificate_that_nobody_signed_fails_when_verified(void **state)
{
	struct probe_config config = http_config(PROBE_HTTPS, "/");
	struct subject subject;

	set_text(&config.host, "www.example.com");
	config.verify = true;
	assert_int_equal(probe_once(*state, "127.0.0.1", &config, &subject), PROBE_L6RSP);
	assert_non_null(strstr(subject.last.detail, "certificate"));
	config.verify = false;
	assert_int_equal(probe_once(*state, "127.0.0.1", &config, &subject), PROBE_L7OK);
}

static void https_probe_sends_the_name_and_speaks_http2(void **state)
{
	struct probe_config config = http_config(PROBE_HTTPS, "/");
	struct subject subject;

	set_text(&config.host, "www.example.com");
	set_text(&config.body, "sni=www.example.com host=www.example.com HTTP/2.0");
	assert_int_equal(probe_once(*state, "127.0.0.1", &config, &subject), PROBE_L7OK);
}

static void environment_proxy_is_not_used(void **state)
{
	struct probe_config config = http_config(PROBE_HTTP, "/");
	struct subject subject;

	harness_teardown(state);
	setenv("http_proxy", "http://127.0.0.1:9", 1);
	setenv("all_proxy", "http://127.0.0.1:9", 1);
	harness_setup(state);
	unsetenv("http_proxy");
	unsetenv("all_proxy");
	assert_int_equal(probe_once(*state, "127.0.0.1", &config, &subject), PROBE_L7OK);
}

/* What a server that is not well, or not well-meaning, makes of a probe. */
struct hostile_case {
	enum probe_type type;
	enum behaviour behaviour;
	const char *text;
	enum probe_outcome outcome;
};

#define OK "HTTP/1.1 200 OK\r\n"

static const struct hostile_case hostile_cases[] = {
	{ PROBE_HTTP, SERVER_KEEPS, "", PROBE_L7TOUT },
	{ PROBE_HTTP, SERVER_CLOSES, "", PROBE_L7RSP },
	{ PROBE_HTTP, SERVER_RESETS, "", PROBE_L7RSP },
	{ PROBE_HTTP, SERVER_CLOSES, "\001\377 no HTTP at all\r\n\r\n", PROBE_L7RSP },
	{ PROBE_HTTP, SERVER_REPEATS, "no HTTP and no end", PROBE_L7RSP },
	{ PROBE_HTTP, SERVER_REPEATS, OK "X-Many: yes\r\n", PROBE_L7RSP },
	{ PROBE_HTTP, SERVER_REPEATS, OK "Transfer-Encoding: chunked\r\n\r\nzz", PROBE_L7RSP },
	{ PROBE_HTTP, SERVER_REPEATS, OK "\r\nfor ever and ever", PROBE_L7OK },
	{ PROBE_HTTP, SERVER_DRIPS, OK "X-Slow: ", PROBE_L7TOUT },
	{ PROBE_HTTP, SERVER_DRIPS, OK "Content-Length: 100000\r\n\r\n", PROBE_L7TOUT },
	{ PROBE_HTTP, SERVER_RESETS, OK "Content-Length: 10\r\n\r\nabc", PROBE_L7RSP },
	{ PROBE_HTTP, SERVER_CLOSES, OK "Content-Length: 10\r\n\r\nabc", PROBE_L7RSP },
	{ PROBE_HTTP, SERVER_CLOSES, OK "Content-Length: -1\r\n\r\nabc", PROBE_L7RSP },
	{ PROBE_HTTP, SERVER_CLOSES, "HTTP/1.1 999999 no\r\n\r\n", PROBE_L7RSP },
	{ PROBE_HTTPS, SERVER_KEEPS, "", PROBE_L6TOUT },
	{ PROBE_HTTPS, SERVER_CLOSES, "", PROBE_L6RSP },
	{ PROBE_HTTPS, SERVER_RESETS, "", PROBE_L6RSP },
	{ PROBE_HTTPS, SERVER_KEEPS, OK "\r\n", PROBE_L6RSP },
	{ PROBE_HTTPS, SERVER_REPEATS, "\026\003\001\000\001\001", PROBE_L6RSP },
	{ PROBE_HTTPS, SERVER_DRIPS, "\026\003\003\077\377", PROBE_L6TOUT },
	{ PROBE_TCP, SERVER_REPEATS, "no end", PROBE_L7RSP },
	{ PROBE_TCP, SERVER_RESETS, "", PROBE_L7RSP },
};

static void check_hostile_case(struct harness *harness, const struct hostile_case *hostile)
{
	struct server *server =
		server_new(harness, hostile->behaviour, hostile->type != PROBE_TCP, hostile->text);
	struct probe_config config = config_of(hostile->type, server->port);
	enum probe_outcome outcome;
	struct subject subject;

	if (hostile->type == PROBE_TCP)
		config.expect = bytes_of("welcome");
	else
		set_text(&config.path, "/");
	config.timeout_ms = 500;
	outcome = probe_once(harness, "127.0.0.1", &config, &subject);
	if (outcome != hostile->outcome)
		fail_msg("case %zd: %s (%s) instead of %s", hostile - hostile_cases,
			 probe_outcome_code(outcome), subject.last.detail,
			 probe_outcome_code(hostile->outcome));
	server_free(server);
}

static void hostile_server_costs_one_result(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(hostile_cases); i++)
		check_hostile_case(*state, &hostile_cases[i]);
}

static void no_connection_is_told_from_no_answer(void **state)
{
	struct black_hole hole = black_hole_open();
	struct probe_config config = http_config(PROBE_HTTPS, "/");
	struct subject subject;
	int fd = bind_loopback(SOCK_STREAM);

	config.timeout_ms = 200;
	config.port = bound_port(hole.fd);
	assert_int_equal(probe_once(*state, "127.0.0.1", &config, &subject), PROBE_L4TOUT);
	config.port = bound_port(fd);
	assert_int_equal(probe_once(*state, "127.0.0.1", &config, &subject), PROBE_L4CON);
	assert_string_equal(subject.last.detail, "Connection refused");
	black_hole_close(&hole);
	close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(status_in_range_succeeds),
		TEST(status_out_of_range_fails),
		TEST(redirect_is_not_followed),
		TEST(host_and_path_are_sent_as_written),
		TEST(host_is_the_address_when_none_is_given),
		TEST(body_without_the_text_fails),
		TEST(only_the_first_part_of_a_body_is_looked_at),
		TEST(certificate_that_nobody_signed_fails_when_verified),
		TEST(https_probe_sends_the_name_and_speaks_http2),
		TEST(environment_proxy_is_not_used),
		TEST(hostile_server_costs_one_result),
		TEST(no_connection_is_told_from_no_answer),
	};

	return cmocka_run_group_tests_name("probe_http", tests, nginx_setup, nginx_teardown);
}
