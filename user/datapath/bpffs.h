/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Directories of the BPF filesystem, where pins live.
 */
#ifndef LEAT_DATAPATH_BPFFS_H
#define LEAT_DATAPATH_BPFFS_H

/* Makes a directory and its parents, after mounting bpffs if the path lies in /sys/fs/bpf. 0 or -errno, logged. */
int bpffs_make_directory(const char *path);
/* Removes a directory and what is pinned in it. What is not there is no error. */
void bpffs_remove_directory(const char *path);

#endif
