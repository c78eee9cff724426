# SPDX-License-Identifier: GPL-2.0-only
"""Requests from the client: a given number of them, or a stream that runs while a test acts."""

import json
import pathlib
import subprocess
import sys

from network import SERVICE4, sources

SCRIPT = pathlib.Path(__file__).parent / "http_load.py"


class Result:
    """What became of the requests. answers: how many each backend gave."""

    def __init__(self, text):
        report = json.loads(text.splitlines()[-1])
        self.answers = report["answers"]
        self.by_source = report["by_source"]
        self.failures = report["failures"]
        self.slowest_s = report["slowest_s"]
        self.total = sum(self.answers.values()) + len(self.failures)

    def share(self, name):
        return self.answers.get(name, 0) / max(1, sum(self.answers.values()))

    def assert_no_failure(self, at_least=1):
        assert not self.failures, \
            f"{len(self.failures)} of {self.total} requests failed: {self.failures[:5]}"
        assert self.total >= at_least, f"only {self.total} requests were sent"


def _command(address, source_count, **options):
    arguments = [sys.executable, "-B", SCRIPT, "--address", address]
    for source in sources(source_count, ipv6=":" in address):
        arguments += ["--source", source]
    for name, value in options.items():
        arguments += [f"--{name}", value]
    return arguments


def send_requests(client, requests, address=SERVICE4, source_count=8, **options):
    done = client.run(*_command(address, source_count, requests=requests, **options),
                      timeout=60)
    return Result(done.stdout)


class Stream:
    """`with Stream(client) as stream: ...` runs requests all through the block; then .result."""

    def __init__(self, client, address=SERVICE4, source_count=8, **options):
        self.client = client
        self.command = _command(address, source_count, **options) + ["--stream"]
        self.process = None
        self.count = 0
        self.result = None

    def __enter__(self):
        self.process = self.client.start(*self.command, stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, text=True)
        self.wait_for_more(100)
        return self

    def wait_for_more(self, requests):
        """Until so many more have ended, well or not; it is bounded, because the script is."""
        goal = self.count + requests
        while self.count < goal:
            line = self.process.stdout.readline()
            assert line.strip().isdigit(), f"the load ended after {self.count} requests"
            self.count = int(line)

    def __exit__(self, kind, error, trace):
        self.process.stdin.close()
        output = self.process.stdout.read()
        self.process.wait()
        if kind is None:
            self.result = Result(output)
