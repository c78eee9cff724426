/* SPDX-License-Identifier: GPL-2.0-only */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/macros.h"

int file_read(const char *path, size_t most, char **ret_text, size_t *ret_size)
{
	cleanup(close_fdp) int fd = open(path, O_RDONLY | O_CLOEXEC);
	cleanup(freep) char *text = NULL;
	size_t size = 0;
	ssize_t n = 1;

	if (fd < 0)
		return -errno;
	text = malloc(most + 2);
	if (!text)
		return -ENOMEM;
	while (n > 0 && size < most + 1) {
		n = read(fd, text + size, most + 1 - size);
		if (n < 0)
			return -errno;
		size += (size_t)n;
	}
	text[size] = '\0';
	*ret_text = take_ptr(text);
	*ret_size = size;
	return 0;
}

static int make_parent(const char *path)
{
	cleanup(freep) char *copy = strdup(path);

	if (!copy)
		return -ENOMEM;
	return mkdir(dirname(copy), 0750) < 0 && errno != EEXIST ? -errno : 0;
}

static int write_whole(int fd, const char *text, size_t size)
{
	while (size > 0) {
		ssize_t written = write(fd, text, size);

		if (written < 0)
			return -errno;
		text += written;
		size -= (size_t)written;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

/* Until then the new name may be lost with the machine's power. */
static int sync_parent(const char *path)
{
	cleanup(freep) char *copy = strdup(path);
	cleanup(close_fdp) int fd = -1;

	if (!copy)
		return -ENOMEM;
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

/* Of the file that is about to be replaced, or `mode` when there is none. */
static int take_over_owner(const char *path, int fd, mode_t mode)
{
	struct stat status;

	if (stat(path, &status) < 0)
		return errno != ENOENT || fchmod(fd, mode) < 0 ? -errno : 0;
	if (fchown(fd, status.st_uid, status.st_gid) < 0 || fchmod(fd, status.st_mode & 07777) < 0)
		return -errno;
	return 0;
}

static int replace(const char *path, const char *text, size_t size, mode_t mode)
{
	cleanup(freep) char *temporary = NULL;
	cleanup(close_fdp) int fd = -1;
	int r;

	if (asprintf(&temporary, "%s.new", path) < 0) {
		temporary = NULL;
		return -ENOMEM;
	}
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = write_whole(fd, text, size);
	if (r == 0)
		r = take_over_owner(path, fd, mode);
	if (r == 0 && rename(temporary, path) < 0)
		r = -errno;
	if (r < 0)
		unlink(temporary);
	return r < 0 ? r : sync_parent(path);
}

int file_replace(const char *path, const char *text, size_t size, mode_t mode)
{
	char behind_links[PATH_MAX];
	int r;

	if (realpath(path, behind_links))
		return replace(behind_links, text, size, mode);
	r = make_parent(path);
	return r < 0 ? r : replace(path, text, size, mode);
}
