# SPDX-License-Identifier: GPL-2.0-only
"""A network namespace and the processes that a test runs in it.

A thread of the test enters it for as long as it takes to start a program, and the program stays.
`ip netns exec` would give each of them a /sys of its own without the bpffs that they share, and
nsenter is one more program to load, a hundred times in a test.
"""

import atexit
import contextlib
import ctypes
import functools
import os
import pathlib
import signal
import subprocess
import tempfile

from wait import SLOWNESS

PREFIX = f"leat-t-{os.getpid()}-"
TIMEOUT_S = 30 * SLOWNESS
CLONE_NEWNET = 0x40000000


@functools.cache
def shared_directory():
    """For files that all tests of this process use; it is there until the process ends."""
    directory = tempfile.TemporaryDirectory(prefix=PREFIX)
    atexit.register(directory.cleanup)
    return pathlib.Path(directory.name)


def _enter(descriptor):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, timeout=TIMEOUT_S)


def stop(process, how=signal.SIGTERM):
    """Ends a process that this test started; one that ignores the signal is killed."""
    if process.poll() is None:
        process.send_signal(how)
    try:
        return process.wait(timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise


class Namespace:
    def __init__(self, role):
        self.name = PREFIX + role
        self.processes = []
        ip("netns", "add", self.name)

    @contextlib.contextmanager
    def inside(self):
        """What this thread starts or opens here, sockets too, is the namespace's for good."""
        with open("/proc/thread-self/ns/net", "rb") as home, \
                open(f"/run/netns/{self.name}", "rb") as there:
            _enter(there.fileno())
            try:
                yield
            finally:
                _enter(home.fileno())

    def run(self, *arguments, check=True, timeout=TIMEOUT_S, **options):
        """Runs a program to its end and returns its CompletedProcess, output as text."""
        with self.inside():
            done = subprocess.run(list(map(str, arguments)), capture_output=True, text=True,
                                  timeout=timeout, check=False, **options)
        assert not check or done.returncode == 0, \
            f"{' '.join(map(str, arguments))}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def start(self, *arguments, **options):
        """Starts a program that close() ends at the latest."""
        options.setdefault("stdin", subprocess.DEVNULL)
        with self.inside():
            process = subprocess.Popen(list(map(str, arguments)), **options)
        self.processes.append(process)
        return process

    def ip_batch(self, commands):
        """Runs many ip commands, one a line, in one process."""
        self.run("ip", "-batch", "-", input="\n".join(commands) + "\n")

    def sysctl(self, **settings):
        """sysctl(net__ipv4__ip_forward=1): two underscores stand for a dot."""
        with self.inside():
            for key, value in settings.items():
                pathlib.Path("/proc/sys", *key.split("__")).write_text(f"{value}\n")

    def close(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
        ip("netns", "delete", self.name)
