/* SPDX-License-Identifier: GPL-2.0-only */
#include "base/http.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "tests/unit/http_client.h"

#define LARGE_BODY ((size_t)8 * 1024 * 1024)
#define HUGE_BODY  ((size_t)96 * 1024 * 1024)

struct fixture {
	sd_event *event;
	struct http_server *server;
	char folder[64];
	char path[96];
	unsigned int handled;
	unsigned int said; /* what a stream has to say next, and how much of it there is */
	unsigned int words;
	unsigned int ended, cut_off; /* streams */
};

static void reply_blank(struct http_response *response, size_t size)
{
	response->body = calloc(1, size);
	response->body_len = size;
}

/* "1 2 3 ", as far as there are words; the end comes behind the ninth. */
static ssize_t stream_read(void *user, char *data, size_t size)
{
	struct fixture *fixture = user;

	if (fixture->said == 9)
		return -1;
	if (fixture->said == fixture->words)
		return 0;
	return snprintf(data, size, "%u ", ++fixture->said);
}

/* Never ends. */
static ssize_t stream_read_much(void *user, char *data, size_t size)
{
	(void)user;
	memset(data, 'x', size);
	return (ssize_t)size;
}

static void stream_end(void *user, bool is_cut_off)
{
	struct fixture *fixture = user;

	fixture->ended++;
	fixture->cut_off += is_cut_off;
}

static struct http_stream make_stream(struct fixture *fixture, const char *path)
{
	return (struct http_stream){
		.read = strcmp(path, "/stream") == 0 ? stream_read : stream_read_much,
		.end = stream_end,
		.pulse = "pulse ",
		.user = fixture,
	};
}

/* Says what it was asked, so that tests can compare. */
static void handle(void *user, const struct http_request *request,
		   struct http_response *ret_response)
{
	struct fixture *fixture = user;
	const char *name = http_request_query(request, "name");

	fixture->handled++;
	assert_int_equal(strlen(request->body), request->body_len);
	ret_response->status = 200;
	ret_response->content_type = "text/plain";
	if (strcmp(request->path, "/large") == 0)
		reply_blank(ret_response, LARGE_BODY);
	else if (strncmp(request->path, "/stream", 7) == 0)
		ret_response->stream = make_stream(fixture, request->path);
	else if (strcmp(request->path, "/huge") == 0)
		reply_blank(ret_response, HUGE_BODY);
	else
		ret_response->body_len =
			(size_t)asprintf(&ret_response->body, "%s %s name=%s body=%zu uid=%d",
					 request->method, request->path, name ? name : "-",
					 request->body_len, (int)request->peer_uid);
	if (strcmp(request->path, "/allow") == 0) {
		ret_response->status = 405;
		ret_response->allow = "POST";
	}
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	int fd;

	strcpy(fixture->folder, "/tmp/leat-test-http-XXXXXX");
	assert_non_null(mkdtemp(fixture->folder));
	snprintf(fixture->path, sizeof(fixture->path), "%s/http.sock", fixture->folder);
	fd = http_listen_unix(fixture->path, "root");
	assert_true(fd >= 0);
	assert_int_equal(sd_event_new(&fixture->event), 0);
	assert_int_equal(http_server_new(&fixture->server, fixture->event, fd, handle, fixture), 0);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	if (fixture->server)
		http_server_free(fixture->server);
	sd_event_unref(fixture->event);
	unlink(fixture->path);
	rmdir(fixture->folder);
	free(fixture);
	return 0;
}

static void expect_reply(struct fixture *fixture, const struct client_request *request, long status,
			 const char *body)
{
	struct client_reply reply;
	struct client_request copy = *request;

	copy.unix_socket = fixture->path;
	assert_int_equal(client_run(fixture->event, &copy, &reply), CURLE_OK);
	assert_int_equal(reply.status, status);
	if (body)
		assert_string_equal(reply.body, body);
	client_reply_deinit(&reply);
}

static int raw_connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	strcpy(address.sun_path, path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static int raw_connect(const struct fixture *fixture)
{
	return raw_connect_to(fixture->path);
}

static void raw_send(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Reads what there is; returns how much, 0 at the end, -1 when there is nothing yet. A reset is an
 * end, too. */
static ssize_t raw_receive(int fd, char *data, size_t size)
{
	ssize_t n = recv(fd, data, size, 0);

	return n < 0 && errno == ECONNRESET ? 0 : n;
}

/* Reads what there is behind the text so far; returns whether `wanted` is in it now. */
static bool raw_has(int fd, char *text, size_t size, const char *wanted)
{
	size_t length = strlen(text);
	ssize_t n = raw_receive(fd, text + length, size - length - 1);

	if (n > 0)
		text[length + (size_t)n] = '\0';
	return strstr(text, wanted) != NULL;
}

static void raw_expect(struct fixture *fixture, int fd, const char *wanted)
{
	char text[4096] = "";

	client_wait_for(fixture->event, raw_has(fd, text, sizeof(text), wanted));
}

static void raw_expect_end(struct fixture *fixture, int fd)
{
	char data[4096];

	client_wait_for(fixture->event, raw_receive(fd, data, sizeof(data)) == 0);
}

static void request_over_unix_socket_arrives_with_its_peers_uid(void **state)
{
	char expected[128];

	snprintf(expected, sizeof(expected), "GET /a/b name=- body=0 uid=%d", (int)getuid());
	expect_reply(*state, &(struct client_request){ .url = "http://leat/a/b" }, 200, expected);
}

/* In a child, which can give its rights away: prints the reply's last line into `text`. */
static void ask_as(uid_t uid, const struct fixture *fixture, int out)
{
	char reply[1024];
	size_t length = 0;
	ssize_t n;
	int fd;

	if (setuid(uid) < 0)
		_exit(1);
	fd = raw_connect(fixture);
	fcntl(fd, F_SETFL, 0);
	raw_send(fd, "GET / HTTP/1.1\r\nHost: leat\r\nConnection: close\r\n\r\n");
	while ((n = recv(fd, reply + length, sizeof(reply) - length, 0)) > 0)
		length += (size_t)n;
	_exit(write(out, reply, length) == (ssize_t)length ? 0 : 1);
}

static void peers_uid_is_the_one_of_another_user(void **state)
{
	uid_t uid = getuid() == 0 ? 65534 : getuid();
	struct fixture *fixture = *state;
	char reply[1024] = "", expected[32];
	int ends[2], status;
	pid_t pid;

	chmod(fixture->folder, 0755);
	chmod(fixture->path, 0666);
	assert_int_equal(pipe(ends), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		ask_as(uid, fixture, ends[1]);
	close(ends[1]);
	client_wait_for(fixture->event, waitpid(pid, &status, WNOHANG) == pid);
	assert_int_equal(status, 0);
	assert_true(read(ends[0], reply, sizeof(reply) - 1) > 0);
	close(ends[0]);
	snprintf(expected, sizeof(expected), "uid=%d", (int)uid);
	assert_non_null(strstr(reply, expected));
}

/* A port that was free a moment ago. */
static int free_port(int family)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr *address = family == AF_INET ? (struct sockaddr *)&in
						     : (struct sockaddr *)&in6;
	socklen_t size = family == AF_INET ? sizeof(in) : sizeof(in6);
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, address, size), 0);
	assert_int_equal(getsockname(fd, address, &size), 0);
	close(fd);
	return ntohs(family == AF_INET ? in.sin_port : in6.sin6_port);
}

static void serve_over_tcp(struct fixture *fixture, int family)
{
	const char *host = family == AF_INET ? "127.0.0.1" : "[::1]";
	struct http_server *server;
	struct client_reply reply;
	char address[64], url[96];
	int fd;

	snprintf(address, sizeof(address), "%s:%d", host, free_port(family));
	snprintf(url, sizeof(url), "http://%s/", address);
	fd = http_listen_tcp(address);
	assert_true(fd >= 0);
	assert_int_equal(http_listen_tcp(address), -EADDRINUSE);
	assert_int_equal(http_server_new(&server, fixture->event, fd, handle, fixture), 0);
	assert_int_equal(client_run(fixture->event, &(struct client_request){ .url = url }, &reply),
			 CURLE_OK);
	assert_string_equal(reply.body, "GET / name=- body=0 uid=-1");
	client_reply_deinit(&reply);
	http_server_free(server);
}

static void tcp_serves_both_families_and_knows_no_peer(void **state)
{
	serve_over_tcp(*state, AF_INET);
	serve_over_tcp(*state, AF_INET6);
}

static void query_is_decoded_and_left_out_of_the_path(void **state)
{
	char expected[128];

	snprintf(expected, sizeof(expected), "GET /a b name=x&y body=0 uid=%d", (int)getuid());
	expect_reply(*state, &(struct client_request){ .url = "http://leat/a%20b?n=1&name=x%26y" },
		     200, expected);
	assert_null(http_request_query(&(struct http_request){ 0 }, "name"));
}

static void nul_in_the_address_is_refused(void **state)
{
	struct fixture *fixture = *state;

	expect_reply(fixture, &(struct client_request){ .url = "http://leat/a%00b" }, 400, NULL);
	expect_reply(fixture, &(struct client_request){ .url = "http://leat/?name=a%00b" }, 400,
		     NULL);
	assert_int_equal(fixture->handled, 0);
}

static void head_is_a_get_without_the_body(void **state)
{
	struct fixture *fixture = *state;
	struct client_request request = { .url = "http://leat/x",
					  .method = "HEAD",
					  .unix_socket = fixture->path };
	struct client_reply reply;

	assert_int_equal(client_run(fixture->event, &request, &reply), CURLE_OK);
	assert_int_equal(reply.status, 200);
	assert_string_equal(reply.content_type, "text/plain");
	assert_int_equal(reply.body_len, 0);
	assert_int_equal(fixture->handled, 1);
	client_reply_deinit(&reply);
}

static void refused_method_names_the_allowed_ones(void **state)
{
	struct fixture *fixture = *state;
	struct client_request request = { .url = "http://leat/allow",
					  .unix_socket = fixture->path };
	struct client_reply reply;

	assert_int_equal(client_run(fixture->event, &request, &reply), CURLE_OK);
	assert_int_equal(reply.status, 405);
	assert_string_equal(reply.allow, "POST");
	client_reply_deinit(&reply);
}

static void expect_post(struct fixture *fixture, size_t size, bool is_chunked, long status)
{
	cleanup(freep) char *body = malloc(size + 1);

	memset(body, 'x', size);
	body[size] = '\0';
	expect_reply(fixture,
		     &(struct client_request){ .url = "http://leat/",
					       .body = body,
					       .body_len = size,
					       .is_chunked = is_chunked },
		     status, NULL);
}

static void body_up_to_the_limit_is_handled_whole(void **state)
{
	struct fixture *fixture = *state;

	expect_post(fixture, 0, false, 200);
	expect_post(fixture, 1, false, 200);
	expect_post(fixture, HTTP_MAX_BODY, false, 200);
	expect_post(fixture, HTTP_MAX_BODY, true, 200);
	assert_int_equal(fixture->handled, 4);
}

static void longer_body_is_refused_and_not_handled(void **state)
{
	struct fixture *fixture = *state;

	expect_post(fixture, HTTP_MAX_BODY + 1, false, 413);
	expect_post(fixture, HTTP_MAX_BODY + 1, true, 413);
	expect_post(fixture, 10 * HTTP_MAX_BODY, false, 413);
	assert_int_equal(fixture->handled, 0);
}

static size_t limit_bodies(void *user, const struct http_request *request)
{
	(void)user;
	assert_int_equal(request->body_len, 0);
	return strcmp(request->path, "/") == 0 && strcmp(request->method, "POST") == 0 &&
			       request->peer_uid == getuid()
		       ? 2 * HTTP_MAX_BODY
		       : 1;
}

static void the_owner_may_allow_another_length(void **state)
{
	struct fixture *fixture = *state;

	http_server_limit_bodies(fixture->server, limit_bodies);
	expect_post(fixture, 2 * HTTP_MAX_BODY, false, 200);
	expect_post(fixture, 2 * HTTP_MAX_BODY, true, 200);
	expect_post(fixture, 2 * HTTP_MAX_BODY + 1, false, 413);
	expect_reply(
		fixture,
		&(struct client_request){ .url = "http://leat/other", .body = "12", .body_len = 2 },
		413, NULL);
	assert_int_equal(fixture->handled, 2);
}

static void endless_body_is_cut_off(void **state)
{
	struct fixture *fixture = *state;
	int fd = raw_connect(fixture);
	char data[4096];

	memset(data, 'x', sizeof(data));
	raw_send(fd, "POST / HTTP/1.1\r\nHost: leat\r\nTransfer-Encoding: chunked\r\n\r\n");
	raw_send(fd, "10000000\r\n");
	client_wait_for(fixture->event,
			send(fd, data, sizeof(data), MSG_NOSIGNAL) < 0 && errno == EPIPE);
	close(fd);
	assert_int_equal(fixture->handled, 0);
	expect_reply(fixture, &(struct client_request){ .url = "http://leat/" }, 200, NULL);
}

static void malformed_request_is_not_handled_and_the_next_one_is(void **state)
{
	static const char *const requests[] = {
		"\r\n\r\nnonsense\r\n\r\n",
		"GET\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: leat\r\nContent-Length: -1\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: leat\r\nContent-Length: 99999999999999999999\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: leat\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		int fd = raw_connect(fixture);

		raw_send(fd, requests[i]);
		expect_reply(fixture, &(struct client_request){ .url = "http://leat/" }, 200, NULL);
		assert_int_equal(fixture->handled, i + 1);
		close(fd);
	}
}

static void endless_headers_are_refused(void **state)
{
	static const char line[] = "X-Long: 0123456789012345678901234567890123456789\r\n";
	struct fixture *fixture = *state;
	int fd = raw_connect(fixture);

	raw_send(fd, "GET / HTTP/1.1\r\nHost: leat\r\n");
	client_wait_for(fixture->event,
			send(fd, line, strlen(line), MSG_NOSIGNAL) < 0 && errno == EPIPE);
	raw_expect(fixture, fd, "HTTP/1.1 4");
	raw_expect_end(fixture, fd);
	close(fd);
	assert_int_equal(fixture->handled, 0);
}

static void slow_clients_hold_up_nobody(void **state)
{
	struct fixture *fixture = *state;
	int half = raw_connect(fixture), silent = raw_connect(fixture);

	raw_send(half, "POST /slow HTTP/1.1\r\nHost: leat\r\nContent-Length: 10\r\n\r\n01234");
	expect_reply(fixture, &(struct client_request){ .url = "http://leat/" }, 200, NULL);
	assert_int_equal(fixture->handled, 1);
	raw_send(half, "56789");
	raw_expect(fixture, half, "POST /slow name=- body=10");
	close(half);
	close(silent);
}

static void slow_reader_gets_all_and_holds_up_nobody(void **state)
{
	struct fixture *fixture = *state;
	int fd = raw_connect(fixture);
	size_t received = 0;
	char data[65536];
	ssize_t n = -1;

	raw_send(fd, "GET /large HTTP/1.1\r\nHost: leat\r\nConnection: close\r\n\r\n");
	client_wait_for(fixture->event, fixture->handled == 1);
	expect_reply(fixture, &(struct client_request){ .url = "http://leat/" }, 200, NULL);
	while (n != 0) {
		client_wait_for(fixture->event, (n = raw_receive(fd, data, sizeof(data))) >= 0);
		received += (size_t)n;
	}
	close(fd);
	assert_in_range(received, LARGE_BODY, LARGE_BODY + 1024);
}

static long ask_status(struct fixture *fixture)
{
	struct client_request request = { .url = "http://leat/", .unix_socket = fixture->path };
	struct client_reply reply;
	long status;

	assert_int_equal(client_run(fixture->event, &request, &reply), CURLE_OK);
	status = reply.status;
	client_reply_deinit(&reply);
	return status;
}

static void unread_replies_are_bounded(void **state)
{
	struct fixture *fixture = *state;
	int fds[3];

	for (unsigned int i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = raw_connect(fixture);
		raw_send(fds[i], "GET /huge HTTP/1.1\r\nHost: leat\r\n\r\n");
		client_wait_for(fixture->event, fixture->handled == i + 1);
	}
	expect_reply(fixture, &(struct client_request){ .url = "http://leat/" }, 503, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	client_wait_for(fixture->event, ask_status(fixture) == 200);
}

static void one_connection_carries_many_requests(void **state)
{
	struct fixture *fixture = *state;
	int fd = raw_connect(fixture);

	for (int i = 0; i < 200; i++) {
		raw_send(fd, "GET /again HTTP/1.1\r\nHost: leat\r\n\r\n");
		raw_expect(fixture, fd, "GET /again name=-");
	}
	assert_int_equal(fixture->handled, 200);
	close(fd);
}

/* Takes HTTP_TIMEOUT_S: the time is what it is about. */
static void idle_connections_make_room_after_the_timeout(void **state)
{
	struct fixture *fixture = *state;
	int fds[HTTP_MAX_CONNECTIONS];

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = raw_connect(fixture);
		raw_send(fds[i], "GET / HT");
		client_turn(fixture->event);
	}
	expect_reply(fixture, &(struct client_request){ .url = "http://leat/" }, 200, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		raw_expect_end(fixture, fds[i]);
		close(fds[i]);
	}
}

static size_t count_descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	size_t count = 0;

	while (readdir(folder))
		count++;
	closedir(folder);
	return count;
}

static void free_ends_every_connection_and_leaves_nothing(void **state)
{
	struct fixture *fixture = *state;
	size_t before = count_descriptors();
	struct http_server *server;
	int fds[3], listener;
	char path[128];

	snprintf(path, sizeof(path), "%s/other.sock", fixture->folder);
	listener = http_listen_unix(path, "root");
	assert_int_equal(http_server_new(&server, fixture->event, listener, handle, fixture), 0);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = raw_connect_to(path);
	raw_send(fds[0], "POST / HTTP/1.1\r\nHost: leat\r\nContent-Length: 10\r\n\r\n01234");
	raw_send(fds[1], "GET /large HTTP/1.1\r\nHost: leat\r\n\r\n");
	client_wait_for(fixture->event, fixture->handled == 1);
	http_server_free(server);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		raw_expect_end(fixture, fds[i]);
		close(fds[i]);
	}
	unlink(path);
	assert_int_equal(count_descriptors(), before);
	assert_int_equal(sd_event_run(fixture->event, 0), 0);
}

static void unix_socket_has_its_rights_and_its_folder(void **state)
{
	struct fixture *fixture = *state;
	char folder[96], path[128];
	struct stat status;
	int fd;

	snprintf(folder, sizeof(folder), "%s/new", fixture->folder);
	snprintf(path, sizeof(path), "%s/s", folder);
	fd = http_listen_unix(path, "root");
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode, S_IFSOCK | 0660);
	assert_int_equal(status.st_gid, 0);
	close(fd);
	unlink(path);
	assert_int_equal(stat(folder, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0755);
	rmdir(folder);

	snprintf(path, sizeof(path), "%s/a/b/s", fixture->folder);
	assert_int_equal(http_listen_unix(path, "root"), -ENOENT);
}

static void unix_socket_belongs_to_the_named_group(void **state)
{
	struct fixture *fixture = *state;
	struct stat status;
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/g", fixture->folder);
	fd = http_listen_unix(path, "daemon");
	if (getuid() != 0) {
		assert_int_equal(fd, -EPERM);
		return;
	}
	assert_true(fd >= 0);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_gid, 1);
	close(fd);
	unlink(path);
	assert_int_equal(http_listen_unix(path, "no-such-group"), -ENOENT);
	assert_int_equal(access(path, F_OK), -1);
}

static void dead_socket_file_is_replaced_and_a_live_one_is_not(void **state)
{
	struct fixture *fixture = *state;
	char path[128];
	int first, second;

	snprintf(path, sizeof(path), "%s/s", fixture->folder);
	first = http_listen_unix(path, "root");
	assert_true(first >= 0);
	assert_int_equal(http_listen_unix(path, "root"), -EADDRINUSE);
	close(first);
	second = http_listen_unix(path, "root");
	assert_true(second >= 0);
	close(second);
	unlink(path);
}

static void file_that_is_no_socket_is_left_alone(void **state)
{
	struct fixture *fixture = *state;
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/file", fixture->folder);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(http_listen_unix(path, "root"), -EEXIST);
	assert_int_equal(unlink(path), 0);
}

static void addresses_that_make_no_sense_are_refused(void **state)
{
	char path[200];

	(void)state;
	memset(path, 'x', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(http_listen_unix(path, "root"), -ENAMETOOLONG);
	assert_int_equal(http_listen_unix("", "root"), -EINVAL);
	assert_int_equal(http_listen_tcp("127.0.0.1"), -EINVAL);
	assert_int_equal(http_listen_tcp("localhost:80"), -EINVAL);
	assert_int_equal(http_listen_tcp("192.0.2.1:9817"), -EADDRNOTAVAIL);
}

static void a_stream_says_what_there_is_when_it_is_woken(void **state)
{
	struct fixture *fixture = *state;
	int fd = raw_connect(fixture);

	raw_send(fd, "GET /stream HTTP/1.1\r\nHost: leat\r\n\r\n");
	fixture->words = 2;
	raw_expect(fixture, fd, "2 ");
	expect_reply(fixture, &(struct client_request){ .url = "http://leat/other" }, 200, NULL);
	fixture->words = 4;
	http_server_wake(fixture->server);
	raw_expect(fixture, fd, "4 ");
	raw_expect(fixture, fd, "pulse ");
	assert_int_equal(fixture->ended, 0);
	fixture->words = 9;
	http_server_wake(fixture->server);
	raw_expect(fixture, fd, "0\r\n\r\n");
	client_wait_for(fixture->event, fixture->ended == 1);
	assert_int_equal(fixture->cut_off, 0);
	close(fd);
}

static void a_stream_whose_client_is_gone_ends(void **state)
{
	struct fixture *fixture = *state;
	int fd = raw_connect(fixture);

	raw_send(fd, "GET /stream HTTP/1.1\r\nHost: leat\r\n\r\n");
	raw_expect(fixture, fd, "200 OK");
	close(fd);
	client_wait_for(fixture->event, fixture->ended == 1);
	assert_int_equal(fixture->cut_off, 0);
}

static void a_stream_that_nobody_reads_is_cut_off_and_holds_up_nobody(void **state)
{
	struct fixture *fixture = *state;
	int fd = raw_connect(fixture);

	raw_send(fd, "GET /stream/much HTTP/1.1\r\nHost: leat\r\n\r\n");
	expect_reply(fixture, &(struct client_request){ .url = "http://leat/other" }, 200, NULL);
	client_wait_for(fixture->event, fixture->ended == 1);
	assert_int_equal(fixture->cut_off, 1);
	close(fd);
}

static void head_of_a_stream_and_its_server_end_it(void **state)
{
	struct fixture *fixture = *state;
	int fd = raw_connect(fixture);

	expect_reply(fixture,
		     &(struct client_request){ .method = "HEAD", .url = "http://leat/stream" }, 200,
		     NULL);
	client_wait_for(fixture->event, fixture->ended == 1);
	raw_send(fd, "GET /stream HTTP/1.1\r\nHost: leat\r\n\r\n");
	raw_expect(fixture, fd, "200 OK");
	fixture->server = http_server_free(fixture->server);
	assert_int_equal(fixture->ended, 2);
	close(fd);
}

#define with_server(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_server(request_over_unix_socket_arrives_with_its_peers_uid),
		with_server(peers_uid_is_the_one_of_another_user),
		with_server(tcp_serves_both_families_and_knows_no_peer),
		with_server(query_is_decoded_and_left_out_of_the_path),
		with_server(nul_in_the_address_is_refused),
		with_server(head_is_a_get_without_the_body),
		with_server(refused_method_names_the_allowed_ones),
		with_server(body_up_to_the_limit_is_handled_whole),
		with_server(longer_body_is_refused_and_not_handled),
		with_server(the_owner_may_allow_another_length),
		with_server(endless_body_is_cut_off),
		with_server(malformed_request_is_not_handled_and_the_next_one_is),
		with_server(endless_headers_are_refused),
		with_server(slow_clients_hold_up_nobody),
		with_server(slow_reader_gets_all_and_holds_up_nobody),
		with_server(unread_replies_are_bounded),
		with_server(one_connection_carries_many_requests),
		with_server(idle_connections_make_room_after_the_timeout),
		with_server(free_ends_every_connection_and_leaves_nothing),
		with_server(a_stream_says_what_there_is_when_it_is_woken),
		with_server(a_stream_whose_client_is_gone_ends),
		with_server(a_stream_that_nobody_reads_is_cut_off_and_holds_up_nobody),
		with_server(head_of_a_stream_and_its_server_end_it),
		with_server(unix_socket_has_its_rights_and_its_folder),
		with_server(unix_socket_belongs_to_the_named_group),
		with_server(dead_socket_file_is_replaced_and_a_live_one_is_not),
		with_server(file_that_is_no_socket_is_left_alone),
		cmocka_unit_test(addresses_that_make_no_sense_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
