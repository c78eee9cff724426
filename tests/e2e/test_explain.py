# SPDX-License-Identifier: GPL-2.0-only
"""leat explain: what it says is what traffic then meets, and asking changes nothing.

One deployment answers all questions but those that change it.
"""

import contextlib
import http.client
import itertools
import json
import pathlib
import shutil
import socket
import struct
import tempfile

import maps
import pytest
from deployment import Deployment, service
from leatd import LEAT
from namespace import PREFIX
from network import SERVICE4, SERVICE6
from scapy.all import ICMP, IP, TCP, UDP, Ether, Raw, fragment
from servers import UDP_PORT
from wait import wait_until

CLIENT4, CLIENT6 = "203.0.113.9", "2001:db8:3::9"
STRANGER = "203.0.113.66"
fresh_port = itertools.count(41000).__next__  # one that has a connection in TIME_WAIT is taken
SERVICES = [
    service("ipip"),
    service("l2", SERVICE6, suffix="-6", name="six"),
    service("gue", SERVICE6, suffix="-6", name="gue", port=443),
    service("nat", name="nat", port=8081),
    service("ipip", name="turns", port=8082, scheduler="round-robin"),
    service("ipip", name="echo", port=UDP_PORT, protocol="udp"),
    service("ipip", name="limited", port=443, rate={"new": "1/s", "burst": 2}),
    service("ipip", SERVICE6, suffix="-6", name="members", port=8082,
            allow=["2001:db8:3::1/128"]),
]


@pytest.fixture(name="edge", scope="module")
def make_edge():
    directory = pathlib.Path(tempfile.mkdtemp(prefix=PREFIX))
    directory.chmod(0o755)
    deployment = Deployment(directory, SERVICES, deny=[f"{STRANGER}/32"])
    yield deployment
    deployment.close()
    shutil.rmtree(directory)


def leat(deployment, *words, check=True):
    return deployment.edge.namespace.run(LEAT, "-s", deployment.leatd.socket, *words, "pins",
                                         deployment.leatd.pins, check=check)


def explain(deployment, *words):
    return json.loads(leat(deployment, "-j", "explain", *words).stdout)


def endpoint(address, port):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def ask(deployment, port, service_port=80, address=SERVICE4, *words, protocol="tcp"):
    """The story of a packet from this port of the client's address."""
    client = CLIENT6 if ":" in address else CLIENT4
    return explain(deployment, protocol, endpoint(client, port), endpoint(address, service_port),
                   *words)


def request(deployment, port, service_port=80, address=SERVICE4):
    """Who answers a connection from there."""
    scheme = "https" if service_port == 443 else "http"
    done = deployment.curl("-k", "--local-port", str(port), "--interface",
                           CLIENT6 if ":" in address else CLIENT4,
                           f"{scheme}://{endpoint(address, service_port)}/")
    return done.stdout.strip()


@pytest.mark.parametrize("address, port", ((SERVICE4, 80), (SERVICE6, 80), (SERVICE6, 443)))
def test_the_backend_that_is_named_is_the_one_that_answers(edge, address, port):
    for source in (fresh_port() for _ in range(3)):
        story = ask(edge, source, port, address)
        assert (story["verdict"], story["reason"]) == ("tx", "forwarded")
        answered = request(edge, source, port, address)
        assert story["backend"]["name"].removesuffix("-6") == answered
        assert story["choice"]["choice"] == "slot" and not story["slot"]["open"]


@contextlib.contextmanager
def connection(deployment, port, service_port):
    """A connection that is held, and who answers it."""
    held = http.client.HTTPConnection(SERVICE4, service_port, timeout=10,
                                      source_address=(CLIENT4, port))
    with deployment.client.inside():
        held.connect()
    held.request("GET", "/")
    yield held.getresponse().read().decode().strip()
    held.close()


def explain_frames(deployment, frames, *words):
    """Of a capture, the packet that the words name."""
    path = deployment.directory / "frames.pcap"
    path.write_bytes(struct.pack("<IHHIIII", 0xa1b2c3d4, 2, 4, 0, 0, 262144, 1) + b"".join(
        struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame
        for frame in map(bytes, frames)))
    return explain(deployment, "pcap", path, *words)


def frame(deployment, packet):
    return Ether(src="02:00:00:00:00:01", dst=deployment.edge.mac) / packet


def test_the_bytes_that_leave_are_those_that_left(edge):
    """Of a packet that was seen on the wire, before the datapath and behind it."""
    with edge.network.fabric.inside():
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    with wire:
        wire.bind(("to-edge", 0))
        wire.settimeout(10)
        port = fresh_port()
        request(edge, port)
        came = left = None
        while not came or not left:
            packet = Ether(wire.recv(65535))
            if not packet.haslayer(TCP) or packet[TCP].sport != port:
                continue
            if packet.dst == edge.edge.mac:
                came = came or packet
            else:
                left = left or packet

    story = explain_frames(edge, [came])

    assert story["out"]["bytes"] == bytes(left).hex()
    assert story["backend"]["address"] == left[IP].dst
    assert [layer["layer"] for layer in story["out"]["layers"]] == \
        ["ethernet", "ipv4", "ipv4", "tcp"]


def test_lists_of_sources_are_named_by_the_prefix_that_decides(edge):
    stranger = explain(edge, "tcp", f"{STRANGER}:1024", f"{SERVICE4}:80")
    assert stranger["reason"] == "denied" and stranger["verdict"] == "drop"
    assert stranger["access"] == {"decision": "denied", "list": "node", "prefix": f"{STRANGER}/32"}
    assert "leat deny show" in stranger["advice"]

    other = ask(edge, 1024, 8082, SERVICE6)
    assert other["reason"] == "not_allowed"
    assert other["access"] == {"decision": "not_allowed", "list": "service", "prefix": None}

    member = explain(edge, "tcp", "[2001:db8:3::1]:1024", f"[{SERVICE6}]:8082")
    assert member["reason"] == "forwarded"
    assert member["access"] == {"decision": "allowed", "list": "service",
                                "prefix": "2001:db8:3::1/128"}


def test_a_source_that_opens_too_many_flows_is_told_so(edge):
    edge.client.start("hping3", "-q", "-S", "-p", "443", "-i", "u5000", "-a", CLIENT4, SERVICE4)
    flood = edge.client.processes[-1]

    wait_until(lambda: ask(edge, 1024, 443)["reason"] == "rate_limited", 30, "a refusal")
    flood.kill()

    story = ask(edge, 1024, 443)
    assert (story["rate"]["new"], story["rate"]["burst"]) == (1, 2)


def test_a_flow_that_is_remembered_stays_where_it_is(edge):
    port = fresh_port()
    with connection(edge, port, 8082) as answered:
        known = ask(edge, port, 8082, SERVICE4, "--flags", "A")
    assert known["choice"]["choice"] == "remembered" and known["noted"] == []
    assert known["backend"]["name"] == answered

    opening = ask(edge, fresh_port(), 8082)
    assert opening["choice"]["choice"] == "opens" and opening["noted"] == ["half_open"]


def test_a_flow_that_is_translated_shows_both_its_ends(edge):
    port = fresh_port()
    with connection(edge, port, 8081) as answered:
        known = ask(edge, port, 8081, SERVICE4, "flags", "A")
    assert known["choice"]["choice"] == "nat" and known["noted"] == []
    assert known["backend"]["name"] == answered
    outer = known["out"]["layers"][1]
    assert (outer["source"], outer["destination"]) == \
        (edge.edge.ipv4, known["backend"]["address"])

    opening = ask(edge, fresh_port(), 8081)
    assert opening["reason"] == "forwarded" and "nat_flows" in opening["noted"]
    unknown = ask(edge, fresh_port(), 8081, SERVICE4, "flags", "A")
    assert unknown["reason"] == "nat_no_state" and unknown["advice"]


@pytest.mark.parametrize("protocol, address, port, nearest, differs", (
    ("tcp", SERVICE4, 8083, 8082, "port"),
    ("udp", SERVICE4, 8082, 8082, "protocol"),
    ("tcp", "192.0.2.11", 80, 80, "address"),
))
def test_a_packet_for_no_service_is_told_which_one_is_near(edge, protocol, address, port, nearest,
                                                           differs):
    story = ask(edge, 1024, port, address, protocol=protocol)

    assert (story["verdict"], story["reason"], story["service"]) == ("pass", "not_ours", None)
    assert (story["nearest"]["port"], story["nearest"]["differs"]) == (nearest, differs)
    assert story["out"]["size"] == story["packet"]["size"]


def test_packets_that_are_more_than_plain(edge):
    datagram = IP(src=CLIENT4, dst=SERVICE4, id=77) / UDP(sport=1024, dport=UDP_PORT) \
        / Raw(bytes(2000))
    parts = [frame(edge, part) for part in fragment(datagram, 1400)]
    error = frame(edge, IP(src="203.0.113.129", dst=SERVICE4) / ICMP(type=3, code=4)
                  / IP(src=SERVICE4, dst=CLIENT4) / TCP(sport=80, dport=1024))
    frames = [*parts, error, frame(edge, IP(src=CLIENT4, dst=SERVICE4) / ICMP())]

    first, later, quoted, ping = (explain_frames(edge, frames, "packet", i) for i in range(1, 5))

    assert (first["flow"]["shape"], first["noted"]) == ("first_fragment", ["fragments"])
    assert (later["flow"]["shape"], later["reason"]) == ("later_fragment", "fragment_lost")
    assert (quoted["flow"]["shape"], quoted["flow"]["source"]) == ("icmp_error", CLIENT4)
    assert quoted["backend"] == ask(edge, 1024)["backend"]
    assert (ping["flow"]["shape"], ping["reason"]) == ("ping", "echo")


def test_one_that_does_not_fit_is_told_what_to_do(edge):
    story = ask(edge, 1024, 80, SERVICE4, "size", 1590)

    assert (story["verdict"], story["reason"]) == ("tx", "too_big")
    assert story["next_hop"]["mtu"] == 1600 and "MTU" in story["advice"]


def test_questions_that_make_no_sense_are_refused(edge):
    pins = ("pins", edge.leatd.pins)
    flow = ("tcp", "203.0.113.9:1", f"{SERVICE4}:80")
    for words, text in (((*flow, "--dev", "lo", *pins), "does not run on lo"),
                        ((*flow, "--dev", "eth9", *pins), "no interface is called eth9"),
                        ((*flow, "pins", "/sys/fs/bpf/none"), "is pinned below"),
                        ((*flow, "flags", "X"), "letters of FSRPAUEC"),
                        ((*flow, "size", "39"), "40 to 65535"),
                        (("tcp", "203.0.113.9:1", f"[{SERVICE6}]:80"), "not of one family"),
                        (("tcp", "203.0.113.9", SERVICE4), "no address with a port"),
                        (("tcp",), "from where, and to where"),
                        (("udp", *flow[1:], "flags", "S"), "unexpected argument"),
                        (("pcap", "/dev/null", *pins), "too short"),
                        (("pcap",), "which capture")):
        done = edge.edge.namespace.run(LEAT, "explain", *words, check=False)
        assert done.returncode in (1, 2) and text in done.stderr, done.stderr


def test_the_story_is_told_in_words(edge):
    words = leat(edge, "explain", "tcp", f"{CLIENT4}:1024", f"{SERVICE4}:80").stdout

    titles = [line.split()[0] for line in words.splitlines() if not line.startswith(" ")]
    assert titles == ["packet", "service", "access", "slot", "choice", "notes", "backend", "next",
                      "forward", "leaves", "verdict"]
    assert f"tcp {CLIENT4}:1024 > {SERVICE4}:80 [S]" in words
    assert f"web, {SERVICE4}:80/tcp, hash" in words


def test_while_a_backend_drains_its_old_flows_stay_and_new_ones_do_not(edge):
    """The slots that this opens are there for the last test, too."""
    port = fresh_port()
    with connection(edge, port, 80) as answered:
        edge.leatd.leat("backend", "drain", answered, "service", "web")
        old = ask(edge, port, 80, SERVICE4, "flags", "A")
        opening = ask(edge, port, 80, SERVICE4, "flags", "S")
    edge.leatd.leat("backend", "undrain", answered, "service", "web")

    assert old["slot"]["open"] and old["slot"]["previous"] == answered
    assert old["choice"]["choice"] == "previous" and old["noted"] == ["flows"]
    assert (old["backend"]["name"], old["backend"]["state"]) == (answered, "draining")
    assert opening["choice"]["choice"] == "opens" and opening["noted"] == ["half_open"]
    assert opening["backend"]["name"] == opening["slot"]["current"] != answered


def test_no_question_changes_any_map(edge):
    """With open slots, flows that are remembered and translated, and no packet on its way."""
    leatd = edge.leatd
    known = [fresh_port() for _ in range(3)]
    for source, port in zip(known, (80, 8081, 8082)):
        request(edge, source, port)
    leatd.kill()
    edge.network.fabric.run("ip", "link", "set", "to-edge", "down")
    try:
        before = maps.read(leatd.pins)
        stories = [ask(edge, source, port, SERVICE4, "flags", flags) for source, port, flags in
                   zip(known, (80, 8081, 8082), ("A", "FA", "S"))]
        stories += [ask(edge, fresh_port(), port) for port in (443, 8081, 8082)]
        stories += [ask(edge, fresh_port(), port, SERVICE6) for port in (80, 443)]
        stories.append(ask(edge, fresh_port(), UDP_PORT, protocol="udp"))
        after = maps.read(leatd.pins)
    finally:
        edge.network.fabric.run("ip", "link", "set", "to-edge", "up")
        leatd.start()
        leatd.wait_until_all_up()
    assert after.keys() == before.keys()
    assert [name for name in after if after[name] != before[name]] == []
    assert all(name in before for name in ("flows", "nat_flows", "half_open", "sources", "clocks"))
    assert any(story["noted"] for story in stories)
    assert not any(story["daemon"] for story in stories)
