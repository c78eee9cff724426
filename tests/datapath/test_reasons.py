# SPDX-License-Identifier: GPL-2.0-only
"""Every reason of maps/reasons.h is reached by a packet, or it is said why none can."""

import reasons
from actors import ethernet, packet, service
from scapy.all import ARP, ICMP, IP

EMPTY = 81  # the port of a service without backends

REACHED_BY = {
    "forwarded": packet(),
    "not_ours": packet(dport=82),
    "not_ip": ethernet() / ARP(),
    "not_tcp_udp": ethernet() / IP() / ICMP(),
    "fragment": packet(flags="MF"),
    "runt": bytes(packet())[:20],
    "bad_header": packet(ihl=4),
    "bad_length": packet(len=2000),
    "no_backend": packet(dport=EMPTY),
}

UNREACHABLE = {
    "no_next_hop": "packet run gives every backend a next hop",
    "too_big": "packet run's next hop is no interface and has no MTU",
    "no_room": "a test run has 256 bytes in front of each packet, and an outer header 40 at most",
    "internal": "it takes maps that contradict each other",
}

VERDICTS = {"FORWARD": ("tx", "redirect"), "PASS": ("pass",), "DROP": ("drop",)}


def test_each_reason_is_reached_or_explained():
    assert not REACHED_BY.keys() & UNREACHABLE.keys()
    assert REACHED_BY.keys() | UNREACHABLE.keys() == reasons.read("LEAT_REASONS").keys()


def test_each_reason_has_the_verdict_of_the_list(rehearse):
    services = [service(), service(name="empty", port=EMPTY, backends=[])]
    verdicts = reasons.read("LEAT_REASONS")
    outcomes = rehearse(services, REACHED_BY.values())
    for label, outcome in zip(REACHED_BY, outcomes, strict=True):
        assert outcome.reason == label
        assert outcome.verdict in VERDICTS[verdicts[label]]
