# SPDX-License-Identifier: GPL-2.0-only
"""Packets off the fast path that are forwarded: VLAN tags, extension headers, jumbo frames, ICMP
errors and fragments. Every byte is scapy's."""

import pytest
from actors import (ALL_FORMS, CLIENT, FORMS, GUE_FORMS, NEXT_HOP_MAC, PROTOCOLS, SERVICE, backend,
                    backends, ethernet, internet, packet, quick_packet, random_flows, service,
                    transport)
from judge import assert_forwarded, expected_frame
from scapy.all import (ICMP, IP, TCP, UDP, Dot1AD, Dot1Q, Ether, ICMPv6DestUnreach,
                       ICMPv6PacketTooBig, ICMPv6ParamProblem, ICMPv6TimeExceeded, IPv6,
                       IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop,
                       IPv6ExtHdrRouting, Raw, fragment, fragment6)

FLOW = {family: (CLIENT[family], 40000, 80) for family in (4, 6)}
PAYLOAD = Raw(b"sixteen bytes ok")

TAGS = {
    "802.1Q": lambda: ethernet() / Dot1Q(vlan=5, prio=3),
    "QinQ": lambda: ethernet(type=0x88a8) / Dot1AD(vlan=4094) / Dot1Q(vlan=6),
    "two of 802.1Q": lambda: ethernet() / Dot1Q(vlan=1) / Dot1Q(vlan=2),
}


def tagged(kind, family, protocol):
    return bytes(TAGS[kind]() / internet(family) / transport(protocol) / PAYLOAD)


@pytest.mark.parametrize("kind", TAGS)
@pytest.mark.parametrize("family, protocol, form", ALL_FORMS + GUE_FORMS)
def test_vlan_tags_are_kept_where_a_packet_leaves_as_it_came(rehearse, kind, family, protocol,
                                                             form):
    one, frame = service(family, protocol, form), tagged(kind, family, protocol)
    assert_forwarded(rehearse.one([one], frame), frame, one, FLOW[family])


@pytest.mark.parametrize("family, protocol, form", ALL_FORMS + GUE_FORMS)
def test_the_egress_says_which_tag_a_packet_leaves_with(rehearse, family, protocol, form):
    one = service(family, protocol, form)
    frames = [bytes(packet(family, protocol)), *(tagged(kind, family, protocol) for kind in TAGS)]
    for path, tags in ((("mtu", 9000), b""), (("vlan", 100), b"\x81\x00\x00\x64"),
                       (("vlan", 4094), b"\x81\x00\x0f\xfe")):
        for frame, outcome in zip(frames, rehearse([one], frames, path=path), strict=True):
            assert_forwarded(outcome, frame, one, FLOW[family], tags=tags, source=NEXT_HOP_MAC)


def test_three_tags_are_more_than_are_looked_at(rehearse):
    frame = ethernet() / Dot1Q(vlan=1) / Dot1Q(vlan=2) / Dot1Q(vlan=3) / internet() / transport()
    outcome = rehearse.one([service()], frame)
    assert (outcome.verdict, outcome.reason) == ("pass", "not_ip")


def test_a_tag_without_its_packet_is_a_runt(rehearse):
    frames = [bytes(TAGS[kind]())[:-cut] for kind in TAGS for cut in (1, 2)]
    outcomes = rehearse([service()], frames)
    assert {(outcome.verdict, outcome.reason) for outcome in outcomes} == {("pass", "runt")}


def test_gue_has_the_port_that_its_receivers_listen_on(rehearse):
    one, frame = service(form="gue4", gue_port=5555), bytes(packet())
    outcome = rehearse.one([one], frame)
    assert_forwarded(outcome, frame, one, FLOW[4])
    assert Ether(outcome.frame)[UDP].dport == 5555


def test_gues_source_ports_spread(rehearse, rng):
    flows = random_flows(rng, 300)
    outcomes = rehearse([service(form="gue4")], [quick_packet(flow) for flow in flows])
    ports = {Ether(outcome.frame)[UDP].sport for outcome in outcomes}
    assert len(ports) > 280 and min(ports) >= 0xc000


@pytest.mark.parametrize("family", (4, 6))
def test_gue_over_ipv6_has_a_checksum_whatever_is_inside(rehearse, rng, family):
    """Taken from the inner headers; scapy reads all of the packet."""
    one = service(family, "udp", "gue6")
    frames = [bytes(ethernet() / internet(family, **{"tos" if family == 4 else "tc":
                                                      rng.randrange(256)})
                    / UDP(sport=40000, dport=80) / Raw(rng.randbytes(rng.randrange(1400))))
              for _ in range(500)]
    for frame, outcome in zip(frames, rehearse([one], frames), strict=True):
        assert_forwarded(outcome, frame, one, FLOW[family])


def test_gue_leaves_its_checksum_out_where_the_inner_packet_does(rehearse):
    one = service(4, "udp", "gue6")
    frame = bytes(ethernet() / internet() / UDP(sport=40000, dport=80, chksum=0) / PAYLOAD)
    assert_forwarded(rehearse.one([one], frame), frame, one, FLOW[4], has_checksum=False)


HEADERS = {
    "hop by hop": IPv6ExtHdrHopByHop(),
    "destination options": IPv6ExtHdrDestOpt(),
    "a routing header that is done": IPv6ExtHdrRouting(segleft=0),
    "an atomic fragment": IPv6ExtHdrFragment(id=7),
    "three": IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt() / IPv6ExtHdrFragment(),
    "five": IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt() / IPv6ExtHdrDestOpt()
            / IPv6ExtHdrDestOpt() / IPv6ExtHdrDestOpt(),
}


@pytest.mark.parametrize("form", (*FORMS, "gue4", "gue6"))
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_ports_are_found_behind_ipv6_extension_headers(rehearse, form, protocol):
    one = service(6, protocol, form)
    frames = [bytes(ethernet() / internet(6) / header / transport(protocol) / PAYLOAD)
              for header in HEADERS.values()]
    for frame, outcome in zip(frames, rehearse([one], frames), strict=True):
        assert_forwarded(outcome, frame, one, FLOW[6], has_checksum=False)


def test_extension_headers_that_are_not_followed_pass(rehearse):
    many = IPv6ExtHdrHopByHop()
    for _ in range(6):
        many = many / IPv6ExtHdrDestOpt()
    frames = [ethernet() / internet(6) / many / transport(),
              ethernet() / internet(6) / IPv6ExtHdrRouting(addresses=[SERVICE[6]], segleft=1)
              / transport(),
              bytes(ethernet() / internet(6) / IPv6ExtHdrDestOpt())[:-1]]
    outcomes = rehearse([service(6)], frames)
    assert [(outcome.verdict, outcome.reason) for outcome in outcomes] == \
        [("pass", "extensions"), ("pass", "not_tcp_udp"), ("pass", "runt")]


@pytest.mark.parametrize("family, protocol, form", ALL_FORMS + GUE_FORMS)
def test_jumbo_frames_are_forwarded_exactly(rehearse, family, protocol, form):
    one = service(family, protocol, form)
    frames = [bytes(packet(family, protocol, bytes(i * 7 & 255 for i in range(size))))
              for size in (3400, 3800, 4096, 8900, 20000)]
    for frame, outcome in zip(frames, rehearse([one], frames), strict=True):
        assert_forwarded(outcome, frame, one, FLOW[family])


def test_a_jumbo_frame_that_lies_about_its_length_is_dropped(rehearse):
    frame = bytearray(bytes(packet(payload=bytes(8000))))
    frame[16:18] = (len(frame) - 14 + 1).to_bytes(2, "big")
    outcome = rehearse.one([service()], frame)
    assert (outcome.verdict, outcome.reason, outcome.service) == ("drop", "bad_length", "web")


@pytest.mark.parametrize("family", (4, 6))
@pytest.mark.parametrize("link", (ethernet, TAGS["802.1Q"]))
def test_land_packets_are_dropped_for_services_alone(rehearse, family, link):
    land = link() / internet(family, src=SERVICE[family]) / transport()
    other = link() / internet(family, src=SERVICE[family]) / transport(dport=81)
    outcomes = rehearse([service(family)], [land, other])
    assert [(outcome.verdict, outcome.reason) for outcome in outcomes] == \
        [("drop", "land"), ("pass", "not_ours")]


def quoted(family, protocol, sport, length=None):
    """What the service sent to the client; of its IP packet, the first `length` bytes."""
    sent = internet(family, src=SERVICE[family], dst=CLIENT[family]) \
        / transport(protocol, sport=80, dport=sport) / Raw(bytes(64))
    return Raw(bytes(sent)[:length])


ERRORS = {
    4: [ICMP(type=3, code=4), ICMP(type=3, code=1), ICMP(type=11), ICMP(type=12)],
    6: [ICMPv6PacketTooBig(), ICMPv6DestUnreach(), ICMPv6TimeExceeded(), ICMPv6ParamProblem()],
}
ROUTER = {4: "198.18.0.1", 6: "2001:db8:ffff::1"}


def error(family, protocol, sport, kind, length=None):
    # ICMPv6's classes take the next header for IPv6; bytes are bytes.
    header = bytes(internet(family, src=ROUTER[family]) / kind)
    payload = bytes(quoted(family, protocol, sport, length))
    if family == 4:
        return bytes(ethernet() / internet(4, src=ROUTER[4]) / kind / Raw(payload))
    return bytes(ethernet() / internet(6, src=ROUTER[6], nh=58) / Raw(header[40:48] + payload))


@pytest.mark.parametrize("family, protocol, form", ALL_FORMS + GUE_FORMS)
def test_icmp_errors_go_to_the_backend_of_the_flow_that_they_quote(rehearse, family, protocol,
                                                                   form):
    """Found from the first eight bytes of what was sent: RFC 792 promises no more."""
    outer = family if form == "l2" else int(form[-1])
    one = service(family, protocol, form, backends=backends(9, outer))
    least = {4: 28, 6: 48}[family]
    groups = {sport: [bytes(packet(family, protocol, sport=sport)),
                      *(error(family, protocol, sport, kind, length)
                        for kind in ERRORS[family] for length in (None, least))]
              for sport in range(40000, 40012)}
    outcomes = iter(rehearse([one], sum(groups.values(), [])))
    for sport, (_, *errors) in groups.items():
        own = next(outcomes).backend
        chosen = next(each["address"] for each in one["backends"] if each["name"] == own)
        for frame, outcome in zip(errors, outcomes):
            assert outcome.backend == own
            assert outcome.frame == expected_frame(frame, one, (CLIENT[family], sport, 80), chosen,
                                                   has_checksum=False)


@pytest.mark.parametrize("family", (4, 6))
def test_other_icmp_passes(rehearse, family):
    one, least = service(family), {4: 27, 6: 47}[family]
    short = error(family, "tcp", 40000, ERRORS[family][0], least)
    redirect = ICMP(type=5) if family == 4 else Raw(bytes([137] + [0] * 7))
    strange = error(family, "tcp", 40000, redirect)
    moved = bytearray(error(family, "tcp", 40000, ERRORS[family][0]))
    at = 14 + {4: 20 + 8 + 12, 6: 40 + 8 + 8}[family]
    moved[at] ^= 1  # it quotes a packet that somebody else sent
    outcomes = rehearse([one], [short, strange, moved])
    assert [(outcome.verdict, outcome.reason) for outcome in outcomes] == \
        [("pass", "not_tcp_udp")] * 3


def test_an_icmp_error_for_no_service_passes(rehearse):
    outcome = rehearse.one([service(port=81)], error(4, "tcp", 40000, ERRORS[4][0]))
    assert (outcome.verdict, outcome.reason) == ("pass", "not_ours")


def pieces_of(family, ident, sport=40000):
    """An UDP datagram in four fragments."""
    if family == 4:
        whole = internet(id=ident) / transport("udp", sport=sport) / Raw(bytes(3000))
        return [bytes(ethernet() / piece) for piece in fragment(whole, 1000)]
    whole = internet(6) / IPv6ExtHdrFragment(id=ident) / transport("udp", sport=sport) \
        / Raw(bytes(3000))
    return [bytes(ethernet() / IPv6(bytes(piece))) for piece in fragment6(whole, 1000)]


@pytest.mark.parametrize("family", (4, 6))
@pytest.mark.parametrize("form", (*FORMS, "gue4", "gue6"))
def test_fragments_follow_their_first_one(rehearse, family, form):
    outer = family if form == "l2" else int(form[-1])
    one = service(family, "udp", form, backends=backends(9, outer))
    datagrams = [pieces_of(family, 100 + i, 40000 + i) for i in range(12)]
    frames = [piece for pieces in datagrams for piece in pieces]
    frames += [bytes(packet(family, "udp", sport=40000 + i)) for i in range(12)]
    outcomes = rehearse([one], frames)
    count = len(datagrams[0])
    assert count >= 3
    for i in range(12):
        own = outcomes[-12 + i].backend
        of_datagram = outcomes[count * i:count * (i + 1)]
        assert {outcome.backend for outcome in of_datagram} == {own}
        assert {outcome.reason for outcome in of_datagram} == {"forwarded"}
        for piece, outcome in zip(datagrams[i], of_datagram):
            assert outcome.frame.endswith(piece[14:])


@pytest.mark.parametrize("family", (4, 6))
def test_fragments_without_a_first_one_are_dropped_or_hashed(rehearse, family):
    first, *later = pieces_of(family, 9)
    lost = rehearse([service(family, "udp")], [*later, first])
    assert [(outcome.verdict, outcome.reason) for outcome in lost] == \
        [("drop", "fragment_lost")] * len(later) + [("tx", "forwarded")]
    one = service(family, "udp", fragments="hash", backends=backends(9))
    for _ in range(3):
        hashed = rehearse([one], [*later, first])
        assert {outcome.reason for outcome in hashed} == {"forwarded"}
        assert len({outcome.backend for outcome in hashed}) == 1


def test_fragments_of_others_pass(rehearse):
    first, *later = pieces_of(4, 9)
    outcomes = rehearse([service(protocol="udp", address="192.0.2.99")], [first, *later])
    assert [(outcome.verdict, outcome.reason) for outcome in outcomes] == \
        [("pass", "not_ours")] + [("pass", "fragment")] * len(later)


def test_a_first_fragment_that_hides_the_tcp_header_is_dropped(rehearse):
    """RFC 1858's tiny fragment."""
    tiny = bytes(ethernet() / internet(flags="MF", id=3) / transport())[:14 + 20 + 8]
    tiny = tiny[:16] + (28).to_bytes(2, "big") + tiny[18:]
    outcomes = rehearse([service()], [tiny])
    assert [(outcome.verdict, outcome.reason) for outcome in outcomes] == \
        [("drop", "fragment_short")]
    outcomes = rehearse([service(address="192.0.2.99")], [tiny])
    assert [(outcome.verdict, outcome.reason) for outcome in outcomes] == [("pass", "fragment")]


def test_fragments_of_two_clients_with_one_id_do_not_mix(rehearse):
    one = service(protocol="udp", backends=backends(9))
    frames = []
    for i in range(20):
        source = f"203.0.113.{i + 1}"
        whole = internet(src=source, id=77) / transport("udp", sport=50000 + i) / Raw(bytes(1800))
        frames.append([bytes(ethernet() / piece) for piece in fragment(whole, 1000)])
    flat = [pieces[0] for pieces in frames] + [pieces[1] for pieces in frames]
    outcomes = rehearse([one], flat)
    owners = [outcome.backend for outcome in outcomes]
    assert owners[:20] == owners[20:] and len(set(owners)) > 3


def test_a_service_has_tcp_fragments_too(rehearse):
    whole = internet(id=5) / TCP(sport=40000, dport=80) / Raw(bytes(2000))
    frames = [bytes(ethernet() / piece) for piece in fragment(whole, 1000)]
    outcomes = rehearse([service(backends=[backend(1)])], frames)
    assert [outcome.reason for outcome in outcomes] == ["forwarded"] * len(frames)
    assert IP(outcomes[1].frame[34:]).frag > 0
