# SPDX-License-Identifier: GPL-2.0-only
"""
Somebody else's XDP program on the same interface, before ours and after it.

Newer kernels do not let programs that move a packet's start into the dispatcher of Debian 12's
libxdp. There ours is alone, says so, and does no harm to others.
"""

import json
import os
import pathlib
import platform
import re

import pytest
from deployment import service
from namespace import PREFIX
from network import compiled_program

BEFORE, AFTER = 10, 90  # libxdp runs programs in this order; ours has its default, 50
RELEASE = tuple(int(number) for number in platform.release().split(".")[:2])
JOINS = RELEASE < (6, 12)
PIN = pathlib.Path("/sys/fs/bpf") / f"{PREFIX}count"


class Count:
    """count.bpf.c, loaded by xdp-loader as others would."""

    def __init__(self, host):
        self.host = host

    def attach(self, priority, check=True):
        return self.host.namespace.run(
            "xdp-loader", "load", "--mode", "native", "--prio", priority, "--pin-path", PIN,
            "eth0", compiled_program("count"), check=check)

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


def joined_program_that_was_first(deployment, other):
    assert list(other.programs()) == ["count", "leat"]
    before, forwarded = other.packets(), deployment.leatd.reason_packets("forwarded")
    deployment.send(60).assert_no_failure(at_least=60)
    assert deployment.leatd.reason_packets("forwarded") >= forwarded + 4 * 60
    assert other.packets() >= before + 4 * 60
    deployment.leatd.terminate()


def refused_to_join(deployment):
    assert deployment.leatd.process.wait(20) == 1
    assert "this kernel needs a newer libxdp" in deployment.leatd.log()


def test_a_program_that_was_there_first_is_joined_and_stays(deploy, count):
    deployment = deploy([service()])
    deployment.leatd.terminate()
    other = count(deployment.edge)
    other.attach(BEFORE)

    if JOINS:
        deployment.leatd.start()
        joined_program_that_was_first(deployment, other)
    else:
        deployment.leatd.spawn()
        refused_to_join(deployment)

    before = other.packets()
    ping_edge(deployment)
    assert list(other.programs()) == ["count"]
    assert other.packets() >= before + 5


def test_another_program_comes_and_goes_under_load(deploy, count):
    deployment = deploy([service()])
    other = count(deployment.edge)
    interface = deployment.leatd.show("node", "show")["interfaces"][0]
    assert (interface["dispatcher"], interface["mode"]) == (JOINS, "native")

    with deployment.stream(clients=2) as stream:
        came = other.attach(AFTER, check=False).returncode == 0
        stream.wait_for_more(100)
        if came:
            assert list(other.programs()) == ["leat", "count"]
            before = other.packets()
            ping_edge(deployment)
            assert other.packets() >= before + 5
            other.detach()
            stream.wait_for_more(100)

    stream.result.assert_no_failure(at_least=100)
    assert came == JOINS
    assert JOINS or "no other XDP program can join it" in deployment.leatd.log()
