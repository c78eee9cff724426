# SPDX-License-Identifier: GPL-2.0-only
"""How many connections a source may open, by packets of every shape. The clock is the kernel's, so
the rate is one a second: within a test's time that is next to nothing."""

import time

import pytest
from actors import CLIENTS, address, ethernet, internet, packet, service, transport
from judge import assert_forwarded
from scapy.all import ICMP, IP, TCP, Dot1Q, IPv6ExtHdrDestOpt, Raw

BURST = 5
MANY = 60
RATE = {"new": "1/s", "burst": BURST}


def limited(family=4, **keys):
    return service(family, "tcp", f"ipip{family}", rate=RATE, **keys)


def syn(family=4, number=0, link=None, **fields):
    return bytes((link or ethernet()) / internet(family, **fields)
                 / TCP(sport=1024 + number, dport=80, flags="S"))


def assert_a_burst(rehearse, one, frames):
    began = time.monotonic()
    outcomes = rehearse([one], frames)
    most = BURST + time.monotonic() - began + 1
    forwarded = [out for out in outcomes if out.reason == "forwarded"]
    assert {out.reason for out in outcomes} == {"forwarded", "rate_limited"}
    assert {out.verdict for out in outcomes if out.reason == "rate_limited"} == {"drop"}
    assert {out.service for out in outcomes} == {"web"}
    assert BURST <= len(forwarded) <= most
    assert [out.reason for out in outcomes[:BURST]] == ["forwarded"] * BURST
    return outcomes


@pytest.mark.parametrize("family", (4, 6))
def test_what_is_let_in_is_forwarded_as_ever(rehearse, family):
    one = limited(family)
    frames = [syn(family, number) for number in range(MANY)]
    for number, outcome in enumerate(assert_a_burst(rehearse, one, frames)[:BURST]):
        flow = (address(CLIENTS[family], 0x77 if family == 6 else 77), 1024 + number, 80)
        assert_forwarded(outcome, frames[number], one, flow)


def test_vlan_tags_and_extension_headers_are_no_way_around(rehearse):
    assert_a_burst(rehearse, limited(), [syn(4, number, ethernet() / Dot1Q(vlan=5))
                                         for number in range(MANY)])
    headers = [bytes(ethernet() / internet(6) / IPv6ExtHdrDestOpt()
                     / TCP(sport=1024 + number, dport=80, flags="S")) for number in range(MANY)]
    assert_a_burst(rehearse, limited(6), headers)


def test_first_fragments_are_no_way_around(rehearse):
    frames = [bytes(ethernet() / internet(4, id=number, flags="MF")
                    / TCP(sport=1024 + number, dport=80, flags="S") / Raw(bytes(4)))
              for number in range(MANY)]
    assert_a_burst(rehearse, limited(), frames)


def test_a_site_has_one_limit_and_another_site_its_own(rehearse):
    site = [syn(6, src=f"2001:db8:3:1::{number:x}") for number in range(1, MANY)]
    assert_a_burst(rehearse, limited(6), site)
    sites = [syn(6, src=f"2001:db8:3:{number:x}::1") for number in range(1, MANY)]
    assert {out.reason for out in rehearse([limited(6)], sites)} == {"forwarded"}
    hosts = [syn(4, src=f"203.0.113.{number}") for number in range(1, MANY)]
    assert {out.reason for out in rehearse([limited()], hosts)} == {"forwarded"}


def test_services_count_by_themselves(rehearse):
    services = [limited(), limited(name="other", port=81), service(name="free", port=82)]
    frames = [syn()] * MANY + [bytes(packet(dport=port)) for port in (81, 82)]
    frames += [bytes(ethernet() / internet() / TCP(sport=9, dport=port, flags="S"))
               for port in [81] * (BURST - 1) + [82] * MANY]
    outcomes = rehearse(services, frames)
    assert {out.reason for out in outcomes[MANY:]} == {"forwarded"}


@pytest.mark.parametrize("flags", ("A", "SA", "PA", "FA", "R", ""))
def test_what_opens_nothing_is_not_limited(rehearse, flags):
    frames = [syn(4, number) for number in range(MANY)]
    frames += [bytes(ethernet() / internet() / TCP(sport=1024, dport=80, flags=flags))] * MANY
    outcomes = rehearse([limited()], frames)
    assert {out.reason for out in outcomes[MANY:]} == {"forwarded"}


def test_errors_that_quote_an_opening_packet_are_not_limited(rehearse):
    quoted = IP(src="192.0.2.10", dst="203.0.113.77") / TCP(sport=80, dport=1024, flags="S")
    error = bytes(ethernet() / internet(src="203.0.113.1") / ICMP(type=3, code=1) / quoted)
    outcomes = rehearse([limited()], [syn(4, number) for number in range(MANY)] + [error] * MANY)
    assert {out.reason for out in outcomes[MANY:]} == {"forwarded"}


def test_a_service_over_udp_beside_it_is_not_limited(rehearse):
    frame = bytes(ethernet() / internet() / transport("udp", 40001, 80))
    outcomes = rehearse([limited(), service(protocol="udp", name="dns")], [frame] * MANY)
    assert {(out.service, out.reason) for out in outcomes} == {("dns", "forwarded")}
