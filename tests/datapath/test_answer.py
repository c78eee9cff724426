# SPDX-License-Identifier: GPL-2.0-only
"""What comes back from a service's address: answers to pings, and to what is too big. Every
checksum is scapy's."""

import os
import time

import pytest
from actors import (CLIENT, OTHER_SERVICE, PROTOCOLS, SERVICE, ethernet,
                    internet, packet, service, transport)
from judge import link_length
from scapy.all import ICMP, IP, Dot1Q, Ether, ICMPv6EchoRequest, IPOption_NOP, IPv6, Raw, fragment

QUOTE_LEAST = {4: 28, 6: 48}


def ping(family, data=b"", ident=1, sequence=1, link=ethernet, **fields):
    kind = ICMP(type=8, id=ident, seq=sequence) / Raw(data) if family == 4 \
        else ICMPv6EchoRequest(id=ident, seq=sequence, data=data)
    return bytes(link() / internet(family, **fields) / kind)


def expected_pong(frame):
    """By scapy, from the request's fields."""
    link = link_length(frame)
    asked = Ether(frame)
    if asked.haslayer(IPv6):
        ip = asked[IPv6].copy()
        ip.src, ip.dst, ip.hlim = ip.dst, ip.src, 64
        ip.payload.type = 129
        del ip.payload.cksum
    else:
        ip = asked[IP].copy()
        ip.src, ip.dst, ip.ttl = ip.dst, ip.src, 64
        ip[ICMP].type = 0
        del ip.chksum, ip[ICMP].chksum
    return frame[6:12] + frame[:6] + frame[12:link] + bytes(ip)


@pytest.mark.parametrize("family", (4, 6))
@pytest.mark.parametrize("link", (ethernet, lambda: ethernet() / Dot1Q(vlan=7)))
def test_a_ping_is_answered(rehearse, rng, family, link):
    hops = "ttl" if family == 4 else "hlim"
    frames = [ping(family, rng.randbytes(rng.randrange(1400)), rng.randrange(65536),
                   rng.randrange(65536), link, **{hops: rng.randrange(1, 256)})
              for _ in range(200)]
    for frame, outcome in zip(frames, rehearse([service(family)], frames), strict=True):
        assert (outcome.verdict, outcome.reason) == ("tx", "echo")
        assert outcome.frame == expected_pong(frame)


@pytest.mark.parametrize("family", (4, 6))
def test_the_answers_checksum_is_right_for_all_values(rehearse, family):
    """Each request has another checksum; RFC 1624's one's complement has corners."""
    base = bytearray(ping(family, bytes(2)))
    link, header = 14, {4: 20, 6: 40}[family]
    frames, seen = [], set()
    for sequence in range(65536):
        base[link + header + 6:link + header + 8] = sequence.to_bytes(2, "big")
        frames.append(bytes(base))
    # The sum is linear in the sequence number: correct one by hand, let scapy judge a sample.
    first = ping(family, bytes(2), sequence=0)
    total = int.from_bytes(first[link + header + 2:link + header + 4], "big") ^ 0xffff
    for sequence, frame in enumerate(frames):
        value = total + sequence
        value = (value & 0xffff) + (value >> 16)
        check = value ^ 0xffff
        seen.add(check)
        frames[sequence] = frame[:link + header + 2] + check.to_bytes(2, "big") \
            + frame[link + header + 4:]
    assert len(seen) >= 65535
    outcomes = rehearse([service(family)], frames)
    for sequence, (frame, outcome) in enumerate(zip(frames, outcomes, strict=True)):
        got = outcome.frame[link + header:]
        addresses = outcome.frame[link + 8:link + 40]
        pseudo = addresses + len(got).to_bytes(4, "big") + bytes([0, 0, 0, 58])
        words = pseudo + got if family == 6 else got
        folded = sum(int.from_bytes(words[i:i + 2], "big") for i in range(0, len(words), 2)) % 65535
        assert folded == 0, sequence
        if sequence % 97 == 0:
            assert outcome.frame == expected_pong(frame)


@pytest.mark.parametrize("family", (4, 6))
def test_only_services_addresses_answer_and_only_if_they_shall(rehearse, family):
    frames = [ping(family, dst=OTHER_SERVICE[family])]
    assert rehearse.one([service(family)], frames[0]).verdict == "pass"
    quiet = service(family, ping="no")
    assert rehearse.one([quiet], ping(family)).verdict == "pass"
    loud = service(family, name="loud", port=81, backends=quiet["backends"])
    assert rehearse.one([quiet, loud], ping(family)).reason == "echo"


def test_pings_with_options_are_answered_and_fragments_of_pings_pass(rehearse):
    frame = ping(4, b"data", options=[IPOption_NOP()] * 8)
    outcome = rehearse.one([service()], frame)
    assert outcome.frame == expected_pong(frame)
    pieces = fragment(internet(id=9) / ICMP(type=8) / Raw(bytes(2000)), 1000)
    outcomes = rehearse([service()], [ethernet() / piece for piece in pieces])
    assert {(outcome.verdict, outcome.reason) for outcome in outcomes} == {("pass", "fragment")}


def assert_told(outcome, frame, family, mtu):
    assert (outcome.verdict, outcome.reason) == ("tx", "too_big")
    told = Ether(outcome.frame)
    link = link_length(frame)
    assert outcome.frame[:link] == frame[6:12] + frame[:6] + frame[12:link]
    ip = told[IP] if family == 4 else told[IPv6]
    assert (ip.src, ip.dst) == (SERVICE[family], CLIENT[family])
    rebuilt = ip.copy()
    if family == 4:
        assert (ip[ICMP].type, ip[ICMP].code, ip[ICMP].nexthopmtu) == (3, 4, mtu)
        del rebuilt.chksum, rebuilt[ICMP].chksum, rebuilt.len
        quote = bytes(ip[ICMP].payload)
    else:
        assert (ip.payload.type, ip.payload.mtu) == (2, mtu)
        del rebuilt.payload.cksum, rebuilt.plen
        quote = bytes(ip.payload)[8:]
    assert bytes(rebuilt) == outcome.frame[link:]
    assert len(quote) >= QUOTE_LEAST[family] and frame[link:].startswith(quote)


@pytest.mark.parametrize("family", (4, 6))
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("form, overhead", (("ipip4", 20), ("ipip6", 40), ("gue4", 32),
                                            ("gue6", 52)))
def test_who_sends_too_much_is_told_what_fits(rehearse, family, protocol, form, overhead):
    one = service(family, protocol, form)
    header = {4: 20, 6: 40}[family] + {"tcp": 20, "udp": 8}[protocol]
    fits = bytes(packet(family, protocol, bytes(1500 - overhead - header)))
    over = bytes(packet(family, protocol, bytes(1500 - overhead - header + 1)))
    tag = over[:12] + b"\x81\x00\x00\x05" + over[12:]
    most = bytes(packet(family, protocol, bytes(8000)))
    outcomes = rehearse([one], [fits, over, tag, most], path=("mtu", 1500))
    assert outcomes[0].reason == "forwarded"
    for frame, outcome in zip((over, tag, most), outcomes[1:], strict=True):
        assert_told(outcome, frame, family, 1500 - overhead)


def test_what_a_service_with_l2_gets_fits_as_it_is(rehearse):
    outcomes = rehearse([service(form="l2")], [packet(payload=bytes(1460)),
                                               packet(payload=bytes(1461))], path=("mtu", 1500))
    assert [outcome.reason for outcome in outcomes] == ["forwarded", "too_big"]


def test_nobody_is_told_of_errors_and_later_fragments(rehearse):
    pieces = [bytes(ethernet() / piece) for piece in
              fragment(internet(id=3) / transport("udp") / Raw(bytes(4000)), 1496)]
    outcomes = rehearse([service(protocol="udp")], pieces[:2], path=("mtu", 1500))
    assert [(outcome.verdict, outcome.reason) for outcome in outcomes] == \
        [("tx", "too_big"), ("drop", "too_big")]


@pytest.fixture
def one_cpu():
    """Each CPU counts its own answers."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    yield
    os.sched_setaffinity(0, before)


@pytest.mark.usefixtures("one_cpu")
def test_a_second_has_an_end_of_answers(rehearse):
    """At most a thousand in a tick, which is somewhat longer."""
    frames = [bytes(packet(payload=bytes(1461)))] * 6000
    began = time.monotonic()
    verdicts = [outcome.verdict for outcome in rehearse([service()], frames, path=("mtu", 1500))]
    ticks = int(time.monotonic() - began) + 2
    assert {outcome for outcome in verdicts} == {"tx", "drop"}
    assert 1000 <= verdicts.count("tx") <= 1000 * ticks
    assert verdicts[0] == "tx"
