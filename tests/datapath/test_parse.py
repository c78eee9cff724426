# SPDX-License-Identifier: GPL-2.0-only
"""Packets that are not what a balancer expects: other protocols, fragments, runts and liars."""

import struct

import pytest
import reasons
from actors import (ALL_FORMS, CLIENT, OTHER_SERVICE, PROTOCOLS, SERVICE, backend, ethernet,
                    internet, packet, service, transport)
from judge import ETHERNET, assert_forwarded
from scapy.all import (ARP, GRE, ICMP, IP, SCTP, Dot1Q, Ether, ICMPv6ND_NS, Raw)

IP_HEADER = {4: 20, 6: 40}
L4_HEADER = {"tcp": 20, "udp": 8}

# Both services, with and without an exact port: what is not understood must not reach either.
SERVICES = [service(family, protocol, f"ipip{family}", name=f"{protocol}{family}{port}", port=port,
                    backends=[backend(family, family)])
            for family in (4, 6) for protocol in PROTOCOLS for port in (80, "any")]


def assert_pass(rehearse, frames, reason):
    for frame, outcome in zip(frames, rehearse(SERVICES, frames), strict=True):
        assert (outcome.verdict, outcome.reason, outcome.service) == ("pass", reason, None), \
            Ether(bytes(frame)).show2(dump=True)


def test_what_is_not_ip_passes(rehearse):
    ip = internet() / transport() / Raw(b"data")
    assert_pass(rehearse, [
        ethernet() / ARP(pdst=SERVICE[4]), ethernet() / Dot1Q(vlan=5) / ARP(pdst=SERVICE[4]),
        ethernet(type=0x9100) / ip, ethernet(type=0x88cc) / ip,
        ethernet(type=0x0600) / ip, ethernet(type=0x0008) / ip, ethernet(type=0xdd86) / ip,
        ethernet(type=0) / ip, ethernet(type=46) / ip, ethernet(type=0xffff) / Raw(bytes(46)),
    ], "not_ip")


def test_ip_that_is_neither_tcp_nor_udp_passes(rehearse):
    assert_pass(rehearse, [
        ethernet() / internet() / ICMP(type=13),
        ethernet() / internet() / ICMP(type=3, code=4) / IP(),
        ethernet() / internet() / GRE(), ethernet() / internet() / SCTP(sport=40000, dport=80),
        ethernet() / internet() / IP(dst=SERVICE[4]) / transport(),
        ethernet() / internet() / internet(6) / transport(),
        ethernet() / internet(6) / ICMPv6ND_NS(tgt=SERVICE[6]),
        ethernet() / internet(6) / internet(6) / transport(),
        ethernet() / internet(6) / internet() / transport(),
        ethernet() / internet(6, nh=59), ethernet() / internet(6, nh=255) / Raw(bytes(40)),
    ], "not_tcp_udp")


@pytest.mark.parametrize("family", (4, 6))
def test_every_protocol_number_but_two_passes(rehearse, family):
    field = {4: "proto", 6: "nh"}[family]
    extensions = () if family == 4 else (0, 43, 44, 60)
    others = [number for number in range(256) if number not in (6, 17, *extensions)]
    assert_pass(rehearse, [ethernet() / internet(family, **{field: number})
                           / Raw(struct.pack("!HH", 40000, 80) + bytes(36)) for number in others],
                "not_tcp_udp")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_flags_that_make_no_fragment_do_not_count_as_one(rehearse, protocol):
    frames = [packet(4, protocol, flags=flags) for flags in ("DF", "evil", "DF+evil")]
    outcomes = rehearse(SERVICES, frames)
    assert [outcome.reason for outcome in outcomes] == ["forwarded"] * 3


def cut(frame, length, family, fix_length):
    """The first bytes of a frame, its IP length as it was or as it now is."""
    frame = bytearray(frame[:length])
    if fix_length and family == 4 and length >= ETHERNET + 4:
        struct.pack_into("!H", frame, ETHERNET + 2, length - ETHERNET)
    if fix_length and family == 6 and length >= ETHERNET + 6:
        struct.pack_into("!H", frame, ETHERNET + 4, max(0, length - ETHERNET - 40))
    return bytes(frame)


def expected_of_cut(length, whole, headers, fix_length):
    if length < ETHERNET:
        return None, "not_run"  # less than Ethernet's header is nothing that a driver hands up
    if length < headers:
        return "pass", "runt"
    if length < whole and not fix_length:
        return "drop", "bad_length"
    return "tx", "forwarded"


@pytest.mark.parametrize("family, protocol, form", ALL_FORMS)
@pytest.mark.parametrize("fix_length", (False, True))
def test_a_packet_cut_anywhere_is_not_forwarded_cut(rehearse, family, protocol, form, fix_length):
    whole = bytes(packet(family, protocol, b"sixteen bytes ok"))
    headers = ETHERNET + IP_HEADER[family] + L4_HEADER[protocol]
    one = service(family, protocol, form)
    frames = [cut(whole, length, family, fix_length) for length in range(len(whole) + 1)]
    for length, outcome in enumerate(rehearse([one], frames)):
        assert (outcome.verdict, outcome.reason) == \
            expected_of_cut(length, len(whole), headers, fix_length), length
        if outcome.verdict == "tx":
            assert_forwarded(outcome, frames[length], one, (CLIENT[family], 40000, 80))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("words", (6, 10, 15))
def test_a_packet_with_options_cut_anywhere_is_not_forwarded_cut(rehearse, protocol, words):
    whole = ethernet() / internet(options=[], ihl=words) / Raw(bytes(4 * words - 20))
    whole = bytearray(bytes(whole / transport(protocol) / Raw(b"sixteen bytes ok")))
    whole[ETHERNET + 9] = {"tcp": 6, "udp": 17}[protocol]
    struct.pack_into("!H", whole, ETHERNET + 2, len(whole) - ETHERNET)
    headers = ETHERNET + 4 * words + L4_HEADER[protocol]
    frames = [bytes(whole[:length]) for length in range(len(whole) + 1)]
    outcomes = rehearse([service(4, protocol)], frames)
    assert [(outcome.verdict, outcome.reason) for outcome in outcomes] == \
        [expected_of_cut(length, len(whole), headers, False) for length in range(len(whole) + 1)]


def with_byte(frame, offset, value):
    return frame[:offset] + bytes([value]) + frame[offset + 1:]


def test_a_wrong_version_passes(rehearse):
    frames = [with_byte(bytes(packet(4)), ETHERNET, version << 4 | 5)
              for version in range(16) if version != 4]
    frames += [with_byte(bytes(packet(6)), ETHERNET, version << 4)
               for version in range(16) if version != 6]
    assert_pass(rehearse, frames, "bad_header")


def test_an_ipv4_header_shorter_than_it_can_be_passes(rehearse):
    frames = [with_byte(bytes(packet(4)), ETHERNET, 0x40 | ihl) for ihl in range(5)]
    assert_pass(rehearse, frames, "bad_header")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_ipv4_header_that_runs_past_the_packet_passes(rehearse, protocol):
    """Beyond the packet, or so far that no transport header follows."""
    frame = bytes(packet(4, protocol, b""))
    assert_pass(rehearse, [with_byte(frame, ETHERNET, 0x40 | ihl) for ihl in range(6, 16)], "runt")


def lie(family, protocol, length, **ip_fields):
    """A packet of 16 bytes of payload with `length` in its IP header."""
    frame = bytearray(bytes(packet(family, protocol, bytes(16), **ip_fields)))
    struct.pack_into("!H", frame, ETHERNET + {4: 2, 6: 4}[family], length)
    return bytes(frame)


def lies(family, protocol):
    """Lengths that run past the packet, and those that leave no room for the headers."""
    truth = L4_HEADER[protocol] + 16 + (20 if family == 4 else 0)
    least = L4_HEADER[protocol] + (20 if family == 4 else 0)
    past = [truth + 1, truth + 2, truth + 100, 32767, 32768, 65535 - 40, 65516, 65535]
    return [*range(least), *past]


@pytest.mark.parametrize("family, protocol, form", ALL_FORMS)
def test_a_lying_length_drops_for_a_service(rehearse, family, protocol, form):
    frames = [lie(family, protocol, length) for length in lies(family, protocol)]
    one = service(family, protocol, form)
    for outcome in rehearse([one], frames):
        assert (outcome.verdict, outcome.reason, outcome.service, outcome.backend) == \
            ("drop", "bad_length", "web", None)


@pytest.mark.parametrize("family", (4, 6))
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_lying_length_is_nobodys_business_elsewhere(rehearse, family, protocol):
    frames = [lie(family, protocol, length, dst=OTHER_SERVICE[family])
              for length in lies(family, protocol)]
    assert_pass(rehearse, frames, "not_ours")


@pytest.mark.parametrize("family, protocol, form", ALL_FORMS)
def test_a_length_below_the_packets_leaves_the_rest_as_padding(rehearse, family, protocol, form):
    least = L4_HEADER[protocol] + (20 if family == 4 else 0)
    frames = [lie(family, protocol, least + i) for i in range(17)]
    one = service(family, protocol, form)
    for frame, outcome in zip(frames, rehearse([one], frames), strict=True):
        assert_forwarded(outcome, frame, one, (CLIENT[family], 40000, 80))


def test_a_packet_that_no_test_run_takes_does_not_end_the_run(rehearse):
    outcomes = rehearse(SERVICES, [b"", packet()])
    assert [(outcome.verdict, outcome.reason) for outcome in outcomes] == \
        [(None, "not_run"), ("tx", "forwarded")]


def test_random_bytes_have_a_verdict(rehearse, rng):
    """Real packets with some bytes changed, so that they come far; what is forwarded still wraps
    exactly what came."""
    bases = [bytes(packet(family, protocol)) for family in (4, 6) for protocol in PROTOCOLS]
    frames = []
    for i in range(4000):
        frame = bytearray(bases[i % len(bases)])
        for _ in range(rng.randrange(1, 4)):
            frame[rng.randrange(12, min(len(frame), 60))] = rng.randrange(256)
        frames.append(bytes(frame[:rng.choice([len(frame), rng.randrange(14, len(frame) + 1)])]))
    outcomes = rehearse(SERVICES, frames)
    assert {outcome.reason for outcome in outcomes} <= set(reasons.read("LEAT_REASONS"))
    for frame, outcome in zip(frames, outcomes, strict=True):
        if outcome.verdict == "tx":
            assert outcome.reason == "echo" or outcome.frame.endswith(frame[ETHERNET:])
            assert outcome.reason == "echo" or len(outcome.frame) - len(frame) in (20, 40)
