# SPDX-License-Identifier: GPL-2.0-only
"""Every reason of maps/reasons.h is reached by a packet, or it is said why none can."""

import reasons
from actors import SERVICE, ethernet, internet, packet, service, transport
from scapy.all import ARP, ICMP, IP, IPv6ExtHdrDestOpt, Raw

EMPTY = 81  # the port of a service without backends
TRANSLATED = 84  # of one with forward: nat

MANY_HEADERS = IPv6ExtHdrDestOpt() / IPv6ExtHdrDestOpt() / IPv6ExtHdrDestOpt() \
    / IPv6ExtHdrDestOpt() / IPv6ExtHdrDestOpt() / IPv6ExtHdrDestOpt() / IPv6ExtHdrDestOpt()

REACHED_BY = {
    "forwarded": packet(),
    "not_ours": packet(dport=82),
    "not_ip": ethernet() / ARP(),
    "not_tcp_udp": ethernet() / IP() / ICMP(),
    "fragment": packet(dst="192.0.2.99", frag=1),
    "runt": bytes(packet())[:20],
    "bad_header": packet(ihl=4),
    "bad_length": packet(len=2000),
    "no_backend": packet(dport=EMPTY),
    "land": packet(src=SERVICE[4]),
    "echo": ethernet() / internet() / ICMP(),
    "fragment_lost": packet(frag=1),
    "fragment_short": ethernet() / internet(flags="MF", proto=6, len=28) / Raw(bytes(8)),
    "denied": packet(src="198.18.0.1"),
    "not_allowed": packet(dport=83),
    "nat_no_state": ethernet() / internet() / transport(dport=TRANSLATED, flags="A"),
    "nat_ttl": packet(dport=TRANSLATED, ttl=1),
    "nat_shape": packet(dport=TRANSLATED, flags="MF"),
    "extensions": ethernet() / internet(6) / MANY_HEADERS / transport(),
}

UNREACHABLE = {
    "no_next_hop": "packet run gives every backend a next hop",
    "too_big": "these packets are put through without an MTU (test_answer.py has one)",
    "no_room": "a test run has 256 bytes in front of each packet, and outer headers 52 at most",
    "internal": "it takes maps that contradict each other",
    "rate_limited": "it takes more than one packet (test_rate.py)",
    "nat_reply": "it takes more than one packet (test_nat.py)",
    "nat_exhausted": "it takes more than one packet (test_nat.py)",
    "nat_full": "it takes a quarter of a million flows",
}

VERDICTS = {"FORWARD": ("tx", "redirect"), "PASS": ("pass",), "DROP": ("drop",), "ANSWER": ("tx",)}


def test_each_reason_is_reached_or_explained():
    assert not REACHED_BY.keys() & UNREACHABLE.keys()
    assert REACHED_BY.keys() | UNREACHABLE.keys() == reasons.read("LEAT_REASONS").keys()


def test_each_reason_has_the_verdict_of_the_list(rehearse):
    services = [service(), service(name="empty", port=EMPTY, backends=[]),
                service(name="closed", port=83, allow=["192.0.2.0/24"]),
                {**service(name="nat", port=TRANSLATED), "forward": "nat"}]
    verdicts = reasons.read("LEAT_REASONS")
    outcomes = rehearse(services, REACHED_BY.values(), deny=["198.18.0.0/15"],
                        nat={"addresses": ["198.51.100.2"]})
    for label, outcome in zip(REACHED_BY, outcomes, strict=True):
        assert outcome.reason == label
        assert outcome.verdict in VERDICTS[verdicts[label]]
