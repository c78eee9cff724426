/* SPDX-License-Identifier: GPL-2.0-only */
#include "probe/prober_process.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/log.h"
#include "base/macros.h"
#include "probe/privileges.h"
#include "probe/worker.h"

#define PROCESS_NAME "leatd-prober"

static int child_work(int fd, const struct icmp_sockets *icmp_sockets)
{
	cleanup(sd_event_unrefp) sd_event *event = NULL;
	cleanup(worker_freep) struct worker *worker = NULL;
	int r = sd_event_new(&event);

	if (r >= 0)
		r = worker_new(&worker, event, fd, icmp_sockets);
	return r < 0 ? r : sd_event_loop(event);
}

/* Raw sockets need privilege, which goes before the first byte is read. */
static int child_main(int fd, pid_t parent)
{
	cleanup(icmp_sockets_close) struct icmp_sockets icmp_sockets = ICMP_SOCKETS_NULL;
	int r = privileges_close_files(fd);

	prctl(PR_SET_NAME, PROCESS_NAME);
	if (r >= 0)
		r = privileges_unmap_bpf();
	if (r >= 0)
		r = privileges_reset_signals();
	if (r < 0)
		return r;
	icmp_sockets = icmp_sockets_open();
	r = privileges_drop(parent);
	if (r < 0) {
		log_error("prober: cannot give up privileges: %s", strerror(-r));
		return r;
	}
	return child_work(fd, &icmp_sockets);
}

int prober_process_init(struct prober_process *process)
{
	cleanup(close_fdp) int child_fd = -1;
	cleanup(close_fdp) int fd = -1;
	pid_t parent = getpid();
	int fds[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	fd = fds[0];
	child_fd = fds[1];
	pid = fork();
	if (pid < 0)
		return -errno;
	/* Not exit(): what the daemon registered for its own end is not the child's to run. */
	if (pid == 0)
		_exit(child_main(child_fd, parent) < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
	process->pid = pid;
	process->fd = take_fd(fd);
	return 0;
}

int prober_process_deinit(struct prober_process *process)
{
	int status = 0;

	close_fdp(&process->fd);
	if (process->pid) {
		kill(process->pid, SIGKILL);
		while (waitpid(process->pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	*process = PROBER_PROCESS_NULL;
	return status;
}
