/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The child process: made by a plain fork, stripped of files and privileges, running a worker.
 */
#ifndef LEAT_PROBE_PROBER_PROCESS_H
#define LEAT_PROBE_PROBER_PROCESS_H

#include <sys/types.h>

struct prober_process {
	pid_t pid; /* 0: none runs */
	int fd;	   /* the daemon's end */
};

#define PROBER_PROCESS_NULL                                                                        \
	(struct prober_process)                                                                    \
	{                                                                                          \
		.fd = -1                                                                           \
	}

/* 0 or -errno. */
int prober_process_init(struct prober_process *process);
/* Ends it and waits for that. Returns its wait status, 0 when there was none. */
int prober_process_deinit(struct prober_process *process);

#endif
