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
from wait import SLOWNESS

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


def another_comes_and_goes(deployment, other, stream):
    other.attach(AFTER)
    stream.wait_for_more(50)
    assert list(other.programs()) == ["leat", "count"]
    before = other.packets()
    ping_edge(deployment)
    assert other.packets() >= before + 5
    ours_changes(deployment, stream)
    assert list(other.programs()) == ["leat", "count"]
    other.detach()
    stream.wait_for_more(50)
    assert list(other.programs()) == ["leat"]


def ours_changes(deployment, stream):
    """A reload that needs another program swaps it."""
    program = deployment.leatd.show("node", "show")["interfaces"][0]["program_id"]
    echo = service(name="echo", port="any", protocol="udp", probe=None)
    deployment.configure([service(), echo])
    deployment.leatd.leat("config", "reload")
    stream.wait_for_more(50)
    assert deployment.leatd.show("node", "show")["interfaces"][0]["program_id"] != program


def another_is_refused(deployment, other, stream):
    assert "no other XDP program can join it" in deployment.leatd.log()
    assert other.attach(AFTER, check=False).returncode != 0
    ours_changes(deployment, stream)


def ours_joins_and_leaves(deployment, other):
    deployment.leatd.start()
    assert list(other.programs()) == ["count", "leat"]
    before, forwarded = other.packets(), deployment.leatd.reason_packets("forwarded")
    deployment.send(40).assert_no_failure(at_least=40)
    assert deployment.leatd.reason_packets("forwarded") >= forwarded + 4 * 40
    assert other.packets() >= before + 4 * 40
    deployment.leatd.terminate()


def ours_is_refused(deployment):
    deployment.leatd.spawn()
    assert deployment.leatd.process.wait(20 * SLOWNESS) == 1
    assert "this kernel needs a newer libxdp" in deployment.leatd.log()


def test_ours_shares_an_interface_with_another_program_that_comes_after_or_before(deploy, count):
    deployment = deploy([service()])
    other = count(deployment.edge)
    interface = deployment.leatd.show("node", "show")["interfaces"][0]
    assert (interface["dispatcher"], interface["mode"]) == (JOINS, "native")

    with deployment.stream(clients=2) as stream:
        (another_comes_and_goes if JOINS else another_is_refused)(deployment, other, stream)
    stream.result.assert_no_failure(at_least=150)

    deployment.leatd.terminate()
    other.attach(BEFORE)
    if JOINS:
        ours_joins_and_leaves(deployment, other)
    else:
        ours_is_refused(deployment)
    before = other.packets()
    ping_edge(deployment)
    assert list(other.programs()) == ["count"]
    assert other.packets() >= before + 5
