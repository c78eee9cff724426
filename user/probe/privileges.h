/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Gives up, for good, everything that a process which reads strangers' bytes should not have.
 */
#ifndef LEAT_PROBE_PRIVILEGES_H
#define LEAT_PROBE_PRIVILEGES_H

#include <sys/types.h>

/* Closes every descriptor but standard error and `kept`; standard input and output become
 * /dev/null. 0 or -errno. */
int privileges_close_files(int kept);

/* Unmaps what is mapped of BPF maps: unlike a descriptor, a mapping stays writable after a fork.
 * 0 or -errno. */
int privileges_unmap_bpf(void);

/* Default dispositions and nothing blocked, but for those that a terminal or a service manager
 * sends to all processes: this one ends with its parent. */
int privileges_reset_signals(void);

/* Becomes `nobody` without capabilities and any way back to one, and bounds what it can use. A
 * process that is not root keeps its user. Dies with `parent`. 0 or -errno. */
int privileges_drop(pid_t parent);

#endif
