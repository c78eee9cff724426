# SPDX-License-Identifier: GPL-2.0-only
"""Real traffic that is more than plain TCP: pings, paths that are too narrow, fragments, and a scan
with malformed packets beside it."""

import sys

import pytest
from deployment import service
from network import SERVICE4, SERVICE6
from servers import LIBRARY, UDP_PORT
from wait import wait_until

ADDRESSES = {4: SERVICE4, 6: SERVICE6}
every_family = pytest.mark.parametrize("family", (4, 6))


def ping(deployment, address, check=True):
    return deployment.client.run("ping", "-n", "-c", "5", "-i", "0.2", "-W", "2", address,
                                 check=check)


@every_family
def test_a_services_address_answers_pings_without_anybody_having_it(deploy, family):
    deployment = deploy([service("ipip", ADDRESSES[family])])

    done = ping(deployment, ADDRESSES[family])

    assert "5 received" in done.stdout
    assert deployment.leatd.reason_packets("echo") >= 5


def test_an_address_that_shall_not_answer_pings_does_not(deploy):
    deployment = deploy([service("ipip", ping="no")])

    assert "0 received" in ping(deployment, SERVICE4, check=False).stdout
    assert deployment.leatd.reason_packets("echo") == 0


def narrow(deployment, mtu=1500):
    """Between edge node and backends; the client's packets then do not fit with an outer header."""
    deployment.edge.namespace.run("ip", "link", "set", "eth0", "mtu", str(mtu))


@every_family
@pytest.mark.parametrize("forward", ("ipip", "gue"))
def test_a_narrow_path_is_no_black_hole(deploy, directory, family, forward):
    """The client learns from Leat what fits, and its upload arrives."""
    address = ADDRESSES[family]
    deployment = deploy([service(forward, address)])
    narrow(deployment)
    upload = directory / "upload"
    upload.write_bytes(bytes(range(256)) * 4096)
    url = f"http://[{address}]/upload" if family == 6 else f"http://{address}/upload"

    wait_until(lambda: deployment.curl("--data-binary", f"@{upload}", url, check=False)
               .stdout.strip() in deployment.servers, 30, "an upload that arrives")

    assert deployment.leatd.reason_packets("too_big") > 0
    route = deployment.client.run("ip", "route", "get", address).stdout
    overhead = {"ipip": 20, "gue": 32}[forward] + (20 if family == 6 else 0)
    assert f"mtu {1500 - overhead}" in route


@every_family
@pytest.mark.parametrize("forward", ("l2", "ipip"))
def test_a_datagram_in_fragments_is_echoed(deploy, family, forward):
    address = ADDRESSES[family]
    deployment = deploy([service(forward, address, protocol="udp", port=UDP_PORT)])

    done = deployment.client.run(sys.executable, "-B", LIBRARY / "udp_client.py", "--size", "4000",
                                 address, str(UDP_PORT), "20",
                                 "2001:db8:3::1" if family == 6 else "203.0.113.1")

    assert "web" in done.stdout
    assert deployment.leatd.reason_packets("fragment_lost") == 0


SCAN = """
import random, sys
from scapy.all import *
rng = random.Random(int(sys.argv[1]))
way = {"src": "203.0.113.50", "dst": "192.0.2.10"}
base = [bytes(IP(**way) / TCP(sport=1234, dport=80)),
        bytes(IP(**way) / ICMP(type=3, code=4)
              / IP(src="192.0.2.10", dst="203.0.113.50") / TCP(sport=80, dport=1234)),
        bytes(IP(**way, flags="MF") / UDP(dport=80) / Raw(bytes(64))),
        bytes(IP(**way, frag=9) / Raw(bytes(64)))]
mac = getmacbyip("203.0.113.129")
socket = conf.L2socket(iface="eth0")
for i in range(3000):
    packet = bytearray(base[i % len(base)])
    for _ in range(rng.randrange(1, 5)):
        at = rng.randrange(len(packet))
        if not 12 <= at < 20:
            packet[at] = rng.randrange(256)
    packet = bytes(packet[:rng.choice([len(packet), rng.randrange(20, len(packet) + 1)])])
    socket.send(Ether(dst=mac) / Raw(packet) if mac else Ether() / Raw(packet))
"""


def test_a_scan_with_malformed_packets_harms_nobody(deploy):
    deployment = deploy([service("ipip"), service("ipip", name="dns", protocol="udp")])
    rounds = ("-X", "-Y", "-fS", "-FPU", "-A")

    with deployment.stream() as stream:
        for seed, flags in enumerate(rounds):
            deployment.client.run("/usr/bin/python3", "-c", SCAN, str(seed))
            deployment.client.run("hping3", "-q", "-c", "200", "-i", "u500", flags, "-p", "80",
                                  SERVICE4, check=False)

    stream.result.assert_no_failure(at_least=50)


@every_family
def test_a_source_that_opens_too_many_connections_keeps_those_it_has(deploy, family):
    address = ADDRESSES[family]
    deployment = deploy([service("ipip", address, rate={"new": "1/s", "burst": 5})])

    done = deployment.client.run(sys.executable, "-B", LIBRARY / "burst.py", address, "40")

    assert done.stdout.strip() in deployment.servers
    assert deployment.leatd.reason_packets("rate_limited") >= 25
