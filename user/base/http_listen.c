/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/address.h"
#include "base/http.h"

#define LISTEN_BACKLOG	  HTTP_MAX_CONNECTIONS
#define GROUP_BUFFER_SIZE 65536

int http_listen_tcp(const char *address_and_port)
{
	cleanup(close_fdp) int fd = -1;
	struct sockaddr_storage sockaddr;
	struct leat_addr address;
	socklen_t size;
	uint16_t port;
	int r, one = 1;

	r = address_parse_with_port(address_and_port, &address, &port);
	if (r < 0)
		return r;
	size = address_to_sockaddr(&address, port, &sockaddr);
	fd = socket(sockaddr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* A restart must not wait for the connections of the last run to leave TIME_WAIT. */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&sockaddr, size) < 0 || listen(fd, LISTEN_BACKLOG) < 0)
		return -errno;
	return take_fd(fd);
}

static int unix_address(const char *path, struct sockaddr_un *ret_address)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t length = strlen(path);

	if (length == 0)
		return -EINVAL;
	if (length >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, length);
	*ret_address = address;
	return 0;
}

/* Only the last folder: a path with more missing is more likely a mistake than a wish. */
static int parent_create(const char *path)
{
	cleanup(freep) char *parent = NULL;
	const char *slash = strrchr(path, '/');

	if (!slash || slash == path)
		return 0;
	parent = strndup(path, (size_t)(slash - path));
	if (!parent)
		return -ENOMEM;
	return mkdir(parent, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

static int group_find(const char *name, gid_t *ret_gid)
{
	cleanup(freep) char *buffer = NULL;
	struct group group, *found;
	int r;

	buffer = malloc(GROUP_BUFFER_SIZE);
	if (!buffer)
		return -ENOMEM;
	r = getgrnam_r(name, &group, buffer, GROUP_BUFFER_SIZE, &found);
	if (r != 0)
		return -r;
	if (!found)
		return -ENOENT;
	*ret_gid = found->gr_gid;
	return 0;
}

/* Removes a socket file that a dead process left. Anything else with that name is not ours. */
static int stale_remove(const struct sockaddr_un *address)
{
	cleanup(close_fdp) int fd = -1;
	struct stat status;

	if (lstat(address->sun_path, &status) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(status.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* EAGAIN: somebody listens and has too much to do. */
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN)
		return -EADDRINUSE;
	if (errno != ECONNREFUSED)
		return -errno;
	return unlink(address->sun_path) < 0 && errno != ENOENT ? -errno : 0;
}

/* Between bind() and listen() connecting is refused, so nobody comes in before the rights are set. */
static int unix_listen(int fd, const char *path, gid_t gid)
{
	if (chown(path, (uid_t)-1, gid) < 0 || chmod(path, 0660) < 0 ||
	    listen(fd, LISTEN_BACKLOG) < 0)
		return -errno;
	return 0;
}

int http_listen_unix(const char *path, const char *group)
{
	cleanup(close_fdp) int fd = -1;
	struct sockaddr_un address;
	gid_t gid = (gid_t)-1;
	int r;

	r = unix_address(path, &address);
	if (r < 0)
		return r;
	r = group_find(group, &gid);
	if (r < 0)
		return r;
	r = parent_create(path);
	if (r < 0)
		return r;
	r = stale_remove(&address);
	if (r < 0)
		return r;

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	r = unix_listen(fd, path, gid);
	if (r < 0) {
		unlink(path);
		return r;
	}
	return take_fd(fd);
}
