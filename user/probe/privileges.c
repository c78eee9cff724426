/* SPDX-License-Identifier: GPL-2.0-only */
#include "probe/privileges.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/macros.h"

#define NOBODY	  65534
#define MAX_FILES 2048 /* more than a socket for each probe in flight */

static int errno_of(int returned)
{
	return returned < 0 ? -errno : 0;
}

int privileges_close_files(int kept)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int r = 0;

	if (null < 0)
		return -errno;
	if (dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
		return -errno;
	if (kept > STDERR_FILENO + 1)
		r = errno_of(close_range(STDERR_FILENO + 1, (unsigned int)kept - 1, 0));
	if (r < 0)
		return r;
	return errno_of(close_range((unsigned int)kept + 1, ~0U, 0));
}

int privileges_unmap_bpf(void)
{
	cleanup(fclosep) FILE *file = fopen("/proc/self/maps", "re");
	unsigned long start, end;
	char line[512];

	if (!file)
		return -errno;
	while (fgets(line, sizeof(line), file)) {
		if (!strstr(line, "anon_inode:bpf") || sscanf(line, "%lx-%lx", &start, &end) != 2)
			continue;
		if (munmap((void *)start, end - start) < 0)
			return -errno;
	}
	return 0;
}

static bool signal_is_for_everybody(int number)
{
	return number == SIGHUP || number == SIGINT || number == SIGQUIT || number == SIGTERM;
}

int privileges_reset_signals(void)
{
	sigset_t none;

	for (int number = 1; number < NSIG; number++) {
		/* Fails for SIGKILL, SIGSTOP and those that the C library keeps. */
		signal(number, signal_is_for_everybody(number) ? SIG_IGN : SIG_DFL);
	}
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&none);
	return errno_of(sigprocmask(SIG_SETMASK, &none, NULL));
}

/* Ends at the first number that is no capability of this kernel. */
static int drop_bounding_set(void)
{
	for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++) {
		if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0)
			return -errno;
	}
	return 0;
}

static int drop_user(void)
{
	if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
	    setresuid(NOBODY, NOBODY, NOBODY) < 0)
		return -errno;
	return 0;
}

static int drop_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

	return errno_of((int)syscall(SYS_capset, &header, none));
}

static int limit_resources(void)
{
	struct rlimit core = { 0 };
	struct rlimit files;

	if (setrlimit(RLIMIT_CORE, &core) < 0 || getrlimit(RLIMIT_NOFILE, &files) < 0)
		return -errno;
	files.rlim_max = MIN(files.rlim_max, MAX_FILES);
	files.rlim_cur = files.rlim_max;
	return errno_of(setrlimit(RLIMIT_NOFILE, &files));
}

int privileges_drop(pid_t parent)
{
	int r = limit_resources();

	if (r >= 0 && geteuid() == 0) {
		r = drop_bounding_set();
		if (r >= 0)
			r = drop_user();
	}
	if (r >= 0)
		r = drop_capabilities();
	if (r < 0)
		return r;
	/* A change of user clears the death signal, so it comes after; the parent may be gone. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -errno;
	return getppid() == parent ? 0 : -ESRCH;
}
