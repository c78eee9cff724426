# SPDX-License-Identifier: GPL-2.0-only
"""A network namespace and the processes that a test runs in it.

Programs enter by nsenter --net and not by `ip netns exec`, which would give each of them a /sys of
its own without the bpffs that they share.
"""

import os
import signal
import subprocess

PREFIX = f"leat-t-{os.getpid()}-"
TIMEOUT_S = 30


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

    def _command(self, arguments):
        return ["nsenter", f"--net=/run/netns/{self.name}", "--", *map(str, arguments)]

    def run(self, *arguments, check=True, timeout=TIMEOUT_S, **options):
        """Runs a program to its end and returns its CompletedProcess, output as text."""
        done = subprocess.run(self._command(arguments), capture_output=True, text=True,
                              timeout=timeout, check=False, **options)
        assert not check or done.returncode == 0, \
            f"{' '.join(map(str, arguments))}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def start(self, *arguments, **options):
        """Starts a program that close() ends at the latest."""
        options.setdefault("stdin", subprocess.DEVNULL)
        process = subprocess.Popen(self._command(arguments), **options)
        self.processes.append(process)
        return process

    def ip_batch(self, commands):
        """Runs many ip commands, one a line, in one process."""
        self.run("ip", "-batch", "-", input="\n".join(commands) + "\n")

    def sysctl(self, **settings):
        """sysctl(net__ipv4__ip_forward=1): two underscores stand for a dot."""
        self.run("sysctl", "-qw", *(f"{key.replace('__', '.')}={value}"
                                    for key, value in settings.items()))

    def close(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
        ip("netns", "delete", self.name)
