# SPDX-License-Identifier: GPL-2.0-only
"""The churn test's programs, each started in its namespace: servers, clients and a flood.

All of them end when their standard input does, at the latest.
"""

import json
import pathlib
import subprocess

from namespace import TIMEOUT_S
from network import SERVICE4, SERVICE6, sources
from wait import wait_until

BUILD = pathlib.Path(__file__).parents[2] / "build"  # also when leatd is another build's
PORT = 7000
SOURCES = {SERVICE4: sources(60), SERVICE6: sources(60, ipv6=True)}
FLOOD_SOURCES = "203.0.113.64/26"  # none of the above


class Server:
    """On a backend: it names itself in every answer, over TCP and UDP."""

    def __init__(self, host):
        self.host = host
        self.process = None
        self.start()

    def start(self):
        self.process = self.host.namespace.start(
            BUILD / "churn-server", self.host.name, PORT, SERVICE4, SERVICE6,
            self.host.ipv4, self.host.ipv6, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdout.readline(), f"no server on {self.host.name}"

    def kill(self):
        self.process.kill()
        self.process.wait()


class Client:
    """Holds flows. What it reports is read whenever somebody asks for it."""

    def __init__(self, namespace, path, flows, service=SERVICE4, **options):
        """Options are those of churn-client; True stands for one that takes no value."""
        self.flows = flows
        self.broken = []
        self.status = {"open": 0, "exchanges": 0}
        self.arguments = ["--flows", flows]
        for name, value in options.items():
            self.arguments += [f"--{name}"] + ([] if value is True else [value])
        with open(path, "w", encoding="utf-8") as output:
            self.process = namespace.start(
                BUILD / "churn-client", *self.arguments, service, PORT, *SOURCES[service],
                stdin=subprocess.PIPE, stdout=output)
        # Ends with close(); a test's directory may go away before.
        self.reader = open(path, encoding="utf-8")  # pylint: disable=consider-using-with
        self.rest = ""

    def _take(self, report):
        if report["event"] == "broken":
            self.broken.append(report)
        else:
            self.status = report

    def poll(self):
        """Reads on, and returns the last status."""
        text = self.rest + self.reader.read()
        *lines, self.rest = text.split("\n")
        for line in lines:
            self._take(json.loads(line))
        return self.status

    def wait_for_open(self, count):
        wait_until(lambda: self.poll()["open"] >= count, 60, f"{count} open flows")

    def wait_for_exchanges(self, more, deadline_s=120):
        goal = self.poll()["exchanges"] + more

        def reached():
            assert self.process.poll() is None, "the client has ended"
            return self.poll()["exchanges"] >= goal

        wait_until(reached, deadline_s, f"{more} more exchanges")

    def finish(self):
        """Returns the last report, after one more exchange on each flow."""
        self.process.stdin.close()
        self.process.wait(timeout=2 * TIMEOUT_S)
        assert self.poll()["event"] == "end", "the client has not come to its end"
        return self.status

    def close(self):
        self.reader.close()


class Flood:
    """Packets from random sources; see ignore_flood()."""

    def __init__(self, network, kind, rate, seconds, seed):
        self.kind = kind
        self.process = network.client.start(
            BUILD / "churn-flood", kind, rate, seconds, seed, FLOOD_SOURCES, SERVICE4, PORT,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def end(self):
        """Returns how many packets were sent, and in how many seconds."""
        self.process.stdin.close()
        report = json.loads(self.process.stdout.read())
        self.process.wait()
        return report


def ignore_flood(network):
    """
    The backends have no way back to its sources, and so do not answer. An edge node would not see
    their answers anyway, and one machine can afford twice the flood.
    """
    for host in network.backends:
        host.namespace.ip_batch([f"route add blackhole {FLOOD_SOURCES}"])
