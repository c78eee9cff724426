/* SPDX-License-Identifier: GPL-2.0-only */
#include "datapath/bpffs.h"

#include <dirent.h>
#include <errno.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/log.h"
#include "datapath/datapath.h"

#define BPFFS "/sys/fs/bpf"

DEFINE_CLEANUP(DIR *, closedir)

static bool is_bpffs(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && fs.f_type == BPF_FS_MAGIC;
}

int datapath_mount_bpffs(void)
{
	if (is_bpffs(BPFFS))
		return 0;
	if (mount("bpf", BPFFS, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") < 0) {
		int r = -errno;

		log_error("no BPF filesystem at " BPFFS " and mounting one failed: %s; "
			  "as root, type: mount -t bpf bpf " BPFFS,
			  strerror(-r));
		return r;
	}
	log_notice("mounted the BPF filesystem at " BPFFS);
	return 0;
}

static int make_parents(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(path, 0700) < 0 && errno != EEXIST)
			return -errno;
		*slash = '/';
	}
	return mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

int bpffs_make_directory(const char *path)
{
	cleanup(freep) char *copy = strdup(path);
	int r;

	if (!copy)
		return -ENOMEM;
	if (strncmp(path, BPFFS "/", strlen(BPFFS "/")) == 0) {
		r = datapath_mount_bpffs();
		if (r < 0)
			return r;
	}
	r = make_parents(copy);
	if (r < 0) {
		log_error("cannot make the directory %s: %s", path, strerror(-r));
		return r;
	}
	if (!is_bpffs(path)) {
		log_error("%s is not on a BPF filesystem; use a path below " BPFFS, path);
		return -EINVAL;
	}
	return 0;
}

void bpffs_remove_directory(const char *path)
{
	cleanup(closedirp) DIR *directory = opendir(path);
	const struct dirent *entry;

	if (!directory)
		return;
	while ((entry = readdir(directory))) {
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(directory), entry->d_name, 0);
	}
	if (rmdir(path) < 0)
		log_warning("cannot remove %s: %s", path, strerror(errno));
}
