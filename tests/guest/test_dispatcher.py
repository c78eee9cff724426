# SPDX-License-Identifier: GPL-2.0-only
"""Somebody else's XDP program on the same interface, before ours and after it."""

import json
import os
import pathlib
import re

import pytest
from deployment import service
from namespace import PREFIX
from network import compiled_program

BEFORE, AFTER = 10, 90  # libxdp runs programs in this order; ours has its default, 50
PIN = pathlib.Path("/sys/fs/bpf") / f"{PREFIX}count"


class Count:
    """count.bpf.c, loaded by xdp-loader as others would."""

    def __init__(self, host):
        self.host = host

    def attach(self, priority):
        self.host.namespace.run("xdp-loader", "load", "--mode", "native", "--prio", priority,
                                "--pin-path", PIN, "eth0", compiled_program("count"))

    def programs(self):
        """The programs behind the dispatcher, in their order: {name: id}."""
        status = self.host.namespace.run("xdp-loader", "status", "eth0").stdout
        return {name: int(number) for name, number
                in re.findall(r"^ => +\d+ +(\w+) +(\d+)", status, re.MULTILINE)}

    def detach(self):
        self.host.namespace.run("xdp-loader", "unload", "eth0", "--id", self.programs()["count"])

    def packets(self):
        dump = self.host.namespace.run("bpftool", "-j", "map", "dump", "pinned", PIN / "counted")
        return json.loads(dump.stdout)[0]["formatted"]["value"]


@pytest.fixture(name="count")
def make_count():
    """count(host): goes away with its namespace, but for the pinned map."""
    yield Count
    if PIN.exists():
        os.unlink(PIN / "counted")
        PIN.rmdir()


def ping_edge(deployment):
    """Packets that ours passes on."""
    deployment.client.run("ping", "-n", "-c", "5", "-i", "0.2", "-W", "5", deployment.edge.ipv4)


def test_ours_joins_a_program_that_runs_before_it_and_leaves_it(deploy, count):
    deployment = deploy([service()])
    deployment.leatd.terminate()
    other = count(deployment.edge)
    other.attach(BEFORE)

    deployment.leatd.start()
    assert list(other.programs()) == ["count", "leat"]
    before, forwarded = other.packets(), deployment.leatd.reason_packets("forwarded")
    deployment.send(60).assert_no_failure(at_least=60)
    assert deployment.leatd.reason_packets("forwarded") >= forwarded + 4 * 60
    assert other.packets() >= before + 4 * 60

    deployment.leatd.terminate()
    before = other.packets()
    ping_edge(deployment)
    assert list(other.programs()) == ["count"]
    assert other.packets() >= before + 5


def test_a_program_behind_ours_comes_and_goes_under_load(deploy, count):
    deployment = deploy([service()])
    other = count(deployment.edge)

    with deployment.stream(clients=2) as stream:
        other.attach(AFTER)
        stream.wait_for_more(100)
        assert list(other.programs()) == ["leat", "count"]
        before = other.packets()
        ping_edge(deployment)
        assert other.packets() >= before + 5
        other.detach()
        stream.wait_for_more(100)

    stream.result.assert_no_failure(at_least=200)
    assert list(other.programs()) == ["leat"]
