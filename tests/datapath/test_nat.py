# SPDX-License-Identifier: GPL-2.0-only
"""forward: nat, byte for byte as scapy builds it: packets to a backend, and its answers back.
All packets of a run meet the same memory of flows."""

import itertools

import pytest
from actors import (CLIENT, CLIENTS, NEXT_HOP_MAC, NODE_MAC, PROTOCOLS, ROUTER_MAC, SERVICE,
                    address, backend, backends, ethernet, internet, service, transport)
from scapy.all import (ICMP, IP, TCP, UDP, Dot1AD, Dot1Q, Ether, ICMPv6DestUnreach,
                       ICMPv6PacketTooBig, IPerror, IPOption_NOP, IPv6, IPv6ExtHdrDestOpt, Raw,
                       TCPerror, UDPerror)

POOL = {4: "198.51.100.2", 6: "2001:db8:2::2"}
NAT = {"addresses": list(POOL.values())}
BACKEND = {4: "198.51.100.11", 6: "2001:db8:2::b"}
BACKEND_MAC = "02:00:00:00:00:0b"
CLASS = {4: IP, 6: IPv6}
TRANSPORT = {"tcp": TCP, "udp": UDP}
EVERY_KIND = list(itertools.product((4, 6), PROTOCOLS))
every_kind = pytest.mark.parametrize("family, protocol", EVERY_KIND)
every_family = pytest.mark.parametrize("family", (4, 6))


def nat_service(family=4, protocol="tcp", port=8080, **keys):
    keys = {"backends": [backend(1, family, **({"port": port} if port else {}))], **keys}
    return service(family, protocol, "l2", **{"forward": "nat", **keys})


SIX = nat_service(6, name="six",
                  backends=[{"name": "six1", "address": BACKEND[6], "port": 8080}])


def one_port(port=7000):
    return {**NAT, "ports": f"{port}-{port}"}


def opening(family=4, protocol="tcp", sport=40000, payload=b"hello", link=None, flags="S",
            **fields):
    how = {"flags": flags} if protocol == "tcp" else {}
    return (link or ethernet()) / internet(family, **fields) \
        / transport(protocol, sport, 80, **how) / Raw(payload)


def reply(family=4, protocol="tcp", dport=7000, payload=b"world", link=None, flags="SA", sport=8080,
          **fields):
    """From the backend, to the pool's only port unless said otherwise."""
    how = {"flags": flags} if protocol == "tcp" else {}
    link = link or Ether(dst=NODE_MAC, src=BACKEND_MAC)
    return link / internet(family, **{"src": BACKEND[family], "dst": POOL[family], **fields}) \
        / transport(protocol, sport, dport, **how) / Raw(payload)


def translated(frame, source, sport, destination, dport):
    """What scapy makes of it, with checksums from nothing."""
    packet = Ether(bytes(frame))
    ip = packet[IP] if IP in packet else packet[IPv6]
    ip.src, ip.dst = source, destination
    if IP in packet:
        ip.ttl -= 1
        del ip.chksum
    else:
        ip.hlim -= 1
    l4 = packet[TCP] if TCP in packet else packet[UDP]
    l4.sport, l4.dport = sport, dport
    if TCP in packet or l4.chksum:
        del l4.chksum
    return packet


def ports_of(outcome):
    packet = Ether(outcome.frame)
    l4 = packet[TCP] if TCP in packet else packet[UDP]
    return l4.sport, l4.dport


def assert_sent(outcome, expected, dst, src, reason="forwarded"):
    assert (outcome.verdict, outcome.reason) == ("tx", reason), outcome
    expected = expected.copy()
    expected.dst, expected.src = dst, src
    assert outcome.frame == bytes(expected), \
        f"got\n{Ether(outcome.frame).show2(dump=True)}\nnot\n{expected.show2(dump=True)}"


def assert_to_backend(outcome, frame, family, sport=7000, dport=8080):
    assert_sent(outcome, translated(frame, POOL[family], sport, BACKEND[family], dport),
                NEXT_HOP_MAC, NODE_MAC)


def assert_to_client(outcome, frame, family, dport=40000):
    assert_sent(outcome, translated(frame, SERVICE[family], 80, CLIENT[family], dport),
                ROUTER_MAC, NODE_MAC, "nat_reply")


@every_kind
def test_a_flow_is_translated_both_ways(rehearse, family, protocol):
    frames = [opening(family, protocol), reply(family, protocol),
              opening(family, protocol, flags="A", payload=b"x" * 1001),
              reply(family, protocol, flags="A", payload=b"y" * 999)]
    outcomes = rehearse([nat_service(family, protocol)], frames, nat=one_port())
    for frame, outcome in zip(frames[::2], outcomes[::2]):
        assert (outcome.service, outcome.backend) == ("web", "web1")
        assert_to_backend(outcome, frame, family)
    for frame, outcome in zip(frames[1::2], outcomes[1::2]):
        assert (outcome.service, outcome.backend) == ("web", "web1")
        assert_to_client(outcome, frame, family)


@every_kind
def test_without_a_port_of_its_own_a_backend_gets_the_services(rehearse, family, protocol):
    frame = opening(family, protocol)
    outcome = rehearse.one([nat_service(family, protocol, port=None)], frame, nat=one_port())
    assert_to_backend(outcome, frame, family, dport=80)


def test_a_service_of_any_port_keeps_the_port_that_a_packet_is_for(rehearse):
    one = nat_service(protocol="udp", port="any", backends=[backend(1)])
    one["port"] = "any"
    frame = ethernet() / internet() / UDP(sport=40000, dport=4711) / Raw(b"x")
    back = reply(protocol="udp", sport=4711)
    there, again = rehearse([one], [frame, back], nat=one_port())
    assert_to_backend(there, frame, 4, dport=4711)
    assert_sent(again, translated(back, SERVICE[4], 4711, CLIENT[4], 40000), ROUTER_MAC, NODE_MAC,
                "nat_reply")


@every_kind
def test_random_packets_have_exact_checksums(rehearse, rng, family, protocol):
    """Each of a flow of its own: what came out says which port it got."""
    frames = []
    for _ in range(150):
        payload = rng.randbytes(rng.choice((0, 1, 2, 3, 100, 101, 1400)))
        fields = {"tos": rng.randrange(256), "id": rng.randrange(65536)} if family == 4 else \
            {"tc": rng.randrange(256), "fl": rng.randrange(1 << 20)}
        frames.append(opening(family, protocol, rng.randrange(1024, 65536), payload,
                              src=address(CLIENTS[family], rng.randrange(1, 250)), **fields))
    for frame, outcome in zip(frames, rehearse([nat_service(family, protocol)], frames, nat=NAT)):
        assert_to_backend(outcome, frame, family, *ports_of(outcome))


@every_family
def test_udp_without_a_checksum_stays_without(rehearse, family):
    frames = [opening(family, "udp"), reply(family, "udp")]
    for frame in frames:
        frame[UDP].chksum = 0
    there, back = rehearse([nat_service(family, "udp")], frames, nat=one_port())
    assert_to_backend(there, frames[0], family)
    assert_to_client(back, frames[1], family)
    assert Ether(there.frame)[UDP].chksum == Ether(back.frame)[UDP].chksum == 0


@every_family
def test_a_udp_checksum_that_comes_out_as_0_is_written_as_ffff(rehearse, family):
    """The payload makes up for all the rest, once the packet is translated."""
    blank = translated(opening(family, "udp", payload=bytes(2)), POOL[family], 7000,
                       BACKEND[family], 8080)
    rest = Ether(bytes(blank))[UDP].chksum
    frame = opening(family, "udp", payload=rest.to_bytes(2, "big"))
    outcome = rehearse.one([nat_service(family, "udp")], frame, nat=one_port())
    assert_to_backend(outcome, frame, family)
    assert Ether(outcome.frame)[UDP].chksum == 0xffff


def test_what_was_wrong_stays_wrong(rehearse):
    frame = opening()
    frame[TCP].chksum = 0x1234
    outcome = rehearse.one([nat_service()], frame, nat=one_port())
    packet = Ether(outcome.frame)
    del packet[TCP].chksum
    assert bytes(packet) != outcome.frame


@every_kind
def test_no_two_flows_have_one_port_of_a_backend(rehearse, family, protocol):
    frames = [opening(family, protocol, 1024 + number) for number in range(500)]
    pool = {"addresses": [POOL[family], address(POOL[family], 1)], "ports": "2000-2999"}
    outcomes = rehearse([nat_service(family, protocol)], frames, nat=pool)
    taken = set()
    for outcome in outcomes:
        assert outcome.reason == "forwarded"
        packet = Ether(outcome.frame)
        source = packet[CLASS[family]].src
        assert source in pool["addresses"]
        assert 2000 <= ports_of(outcome)[0] <= 2999
        taken.add((source, ports_of(outcome)[0]))
    assert len(taken) == len(frames)
    assert {source for source, _ in taken} == set(pool["addresses"])


@every_kind
def test_a_pool_without_a_free_port_refuses_the_flow_and_keeps_the_others(rehearse, family,
                                                                          protocol):
    pool = {**NAT, "ports": "7000-7001"}
    frames = [opening(family, protocol, sport) for sport in range(40000, 40010)]
    outcomes = rehearse([nat_service(family, protocol)], frames + frames, nat=pool)
    first, again = outcomes[:10], outcomes[10:]
    assert [out.reason for out in first] == ["forwarded"] * 2 + ["nat_exhausted"] * 8
    assert {out.verdict for out in first[2:]} == {"drop"}
    assert [out.reason for out in again] == [out.reason for out in first]
    assert [out.frame for out in again[:2]] == [out.frame for out in first[:2]]


def test_a_port_is_taken_for_one_backend_and_protocol(rehearse):
    services = [nat_service(backends=backends(2)), SIX,
                nat_service(protocol="udp", name="dns", backends=backends(2))]
    frames = [opening(protocol=protocol, sport=sport) for protocol in PROTOCOLS
              for sport in range(40000, 40040)] + [opening(6)]
    outcomes = rehearse(services, frames, nat=one_port())
    forwarded = [out for out in outcomes if out.reason == "forwarded"]
    assert sorted((out.service, out.backend) for out in forwarded) == [
        ("dns", "web1"), ("dns", "web2"), ("six", "six1"), ("web", "web1"), ("web", "web2")]
    assert {ports_of(out)[0] for out in forwarded} == {7000}


def test_a_flow_stays_on_its_backend(rehearse):
    one = nat_service(backends=backends(8), scheduler="round-robin")
    frames = [opening(sport=sport, flags=flags) for flags in ("S", "S", "A", "PA", "FA", "A")
              for sport in range(40000, 40050)]
    outcomes = rehearse([one], frames, nat=NAT)
    for number in range(50):
        assert len({(out.backend, ports_of(out)) for out in outcomes[number::50]}) == 1
    assert len({out.backend for out in outcomes}) == 8


def test_a_flow_that_is_over_and_opens_again_is_a_new_one(rehearse):
    """Its port is free then: there is but one."""
    frames = [opening(), reply(), opening(flags="FA"), reply(flags="FA"), opening(), reply(),
              opening(flags="R"), opening(sport=40001), opening()]
    outcomes = rehearse([nat_service()], frames, nat=one_port())
    assert [out.reason for out in outcomes] == [
        "forwarded", "nat_reply", "forwarded", "nat_reply", "forwarded", "nat_reply", "forwarded",
        "nat_exhausted", "forwarded"]


@every_family
def test_a_segment_of_an_unknown_flow_is_answered_with_a_reset(rehearse, family):
    frame = opening(family, flags="PA")
    frame[TCP].seq, frame[TCP].ack = 1000, 2000
    outcome = rehearse.one([nat_service(family)], frame, nat=NAT)
    expected = Ether(dst=ROUTER_MAC, src=NODE_MAC) \
        / internet(family, src=SERVICE[family], dst=CLIENT[family]) \
        / TCP(sport=80, dport=40000, seq=2000, flags="R", window=0)
    assert (outcome.verdict, outcome.reason) == ("tx", "nat_no_state")
    assert outcome.frame == bytes(expected)


@every_family
@pytest.mark.parametrize("flags", ("R", "RA", "F", ""))
def test_what_must_not_be_reset_is_dropped(rehearse, family, flags):
    outcome = rehearse.one([nat_service(family)], opening(family, flags=flags), nat=NAT)
    assert outcome.reason == "nat_no_state"
    assert outcome.frame is None


@every_kind
def test_what_is_no_flows_reply_passes(rehearse, family, protocol):
    """The pool's address may be the node's own."""
    frames = [opening(family, protocol), reply(family, protocol, dport=7001),
              reply(family, protocol, sport=8081), reply(family, protocol, src=CLIENT[family]),
              reply(family, {"tcp": "udp", "udp": "tcp"}[protocol])]
    outcomes = rehearse([nat_service(family, protocol)], frames, nat=one_port())
    assert [(out.verdict, out.reason) for out in outcomes[1:]] == [("pass", "not_ours")] * 4


def test_replies_to_a_client_leave_as_its_last_packet_came(rehearse):
    other = "02:00:00:00:00:a1"
    moved = opening(flags="A", link=Ether(dst=NODE_MAC, src=other) / Dot1Q(vlan=5))
    frames = [opening(), reply(), moved, reply(), reply(link=Ether(dst=NODE_MAC, src=BACKEND_MAC)
                                                        / Dot1Q(vlan=9))]
    outcomes = rehearse([nat_service()], frames, nat=one_port())
    assert_to_client(outcomes[1], frames[1], 4)
    for outcome in outcomes[3:]:
        packet = Ether(outcome.frame)
        assert (packet.dst, packet.src, packet[Dot1Q].vlan) == (other, NODE_MAC, 5)
        assert bytes(packet[IP]) == bytes(translated(frames[1], SERVICE[4], 80, CLIENT[4],
                                                     40000)[IP])


def test_extension_headers_and_options_stay(rehearse):
    six = ethernet() / internet(6) / IPv6ExtHdrDestOpt() / TCP(sport=40000, dport=80, flags="S")
    four = opening(options=[IPOption_NOP()] * 4)
    outcomes = rehearse([nat_service(), SIX], [four, six], nat=one_port())
    assert_to_backend(outcomes[0], four, 4)
    assert_to_backend(outcomes[1], six, 6)


@every_kind
def test_the_last_hop_is_here(rehearse, family, protocol):
    ttl = {4: "ttl", 6: "hlim"}[family]
    frames = [opening(family, protocol, **{ttl: 2}), reply(family, protocol, **{ttl: 1}),
              opening(family, protocol, **{ttl: 1}), opening(family, protocol, **{ttl: 0})]
    outcomes = rehearse([nat_service(family, protocol)], frames, nat=one_port())
    assert_to_backend(outcomes[0], frames[0], family)
    assert [(out.verdict, out.reason) for out in outcomes[1:]] == [("drop", "nat_ttl")] * 3


def test_fragments_and_two_tags_are_not_translated(rehearse):
    frames = [opening(), opening(payload=bytes(24), flags="A"), opening(link=ethernet()
                                                                        / Dot1AD(vlan=1)
                                                                        / Dot1Q(vlan=2)),
              opening(link=ethernet(type=0x88a8) / Dot1AD(vlan=1)), reply(payload=bytes(24))]
    frames[1][IP].flags = frames[4][IP].flags = "MF"
    outcomes = rehearse([nat_service()], frames, nat=one_port())
    assert [(out.verdict, out.reason) for out in outcomes[1:]] == [("drop", "nat_shape")] * 4


def error_of(family):
    return {4: (ICMP(type=3, code=4, nexthopmtu=1400), ICMP(type=11)),
            6: (ICMPv6PacketTooBig(mtu=1400), ICMPv6DestUnreach(code=4))}[family]


def quoted(family, protocol, source, sport, destination, dport):
    return internet(family, src=source, dst=destination) \
        / transport(protocol, sport, dport) / Raw(b"quoted bytes")


ROUTER = {4: "203.0.113.1", 6: "2001:db8:3::1"}


@every_kind
def test_a_routers_error_about_an_answer_reaches_the_backend(rehearse, family, protocol):
    about = quoted(family, protocol, SERVICE[family], 80, CLIENT[family], 40000)
    inside = quoted(family, protocol, BACKEND[family], 8080, POOL[family], 7000)
    frames = [opening(family, protocol)]
    frames += [ethernet() / internet(family, src=ROUTER[family]) / error / about
               for error in error_of(family)]
    outcomes = rehearse([nat_service(family, protocol)], frames, nat=one_port())
    for error, outcome in zip(error_of(family), outcomes[1:]):
        ttl = {4: {"ttl": 63}, 6: {"hlim": 63}}[family]
        expected = Ether() / internet(family, src=POOL[family], dst=BACKEND[family], **ttl) \
            / error / inside
        assert_sent(outcome, expected, NEXT_HOP_MAC, NODE_MAC)


@every_kind
def test_a_routers_error_about_a_packet_to_the_backend_reaches_the_client(rehearse, family,
                                                                          protocol):
    about = quoted(family, protocol, POOL[family], 7000, BACKEND[family], 8080)
    inside = quoted(family, protocol, CLIENT[family], 40000, SERVICE[family], 80)
    frames = [opening(family, protocol)]
    frames += [ethernet() / internet(family, src=BACKEND[family], dst=POOL[family]) / error / about
               for error in error_of(family)]
    outcomes = rehearse([nat_service(family, protocol)], frames, nat=one_port())
    for error, outcome in zip(error_of(family), outcomes[1:]):
        ttl = {4: {"ttl": 63}, 6: {"hlim": 63}}[family]
        expected = Ether() / internet(family, src=SERVICE[family], dst=CLIENT[family], **ttl) \
            / error / inside
        assert_sent(outcome, expected, ROUTER_MAC, NODE_MAC, "nat_reply")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_eight_quoted_bytes_are_enough(rehearse, protocol):
    """RFC 792 promises no more; a TCP checksum is not in there, a UDP one is."""
    about = bytes(quoted(4, protocol, SERVICE[4], 80, CLIENT[4], 40000))[:28]
    inside = bytes(quoted(4, protocol, BACKEND[4], 8080, POOL[4], 7000))[:28]
    frames = [opening(4, protocol), ethernet() / internet(src=ROUTER[4]) / ICMP(type=3, code=1)
              / Raw(about)]
    outcome = rehearse([nat_service(4, protocol)], frames, nat=one_port())[1]
    expected = Ether() / internet(src=POOL[4], dst=BACKEND[4], ttl=63) / ICMP(type=3, code=1) \
        / Raw(inside)
    assert_sent(outcome, expected, NEXT_HOP_MAC, NODE_MAC)


@every_family
def test_errors_about_unknown_flows_change_nothing(rehearse, family):
    about = quoted(family, "tcp", SERVICE[family], 80, CLIENT[family], 41000)
    strange = quoted(family, "tcp", POOL[family], 7001, BACKEND[family], 8080)
    error = error_of(family)[0]
    frames = [opening(family), ethernet() / internet(family, src=ROUTER[family]) / error / about,
              ethernet() / internet(family, src=ROUTER[family], dst=POOL[family]) / error / strange]
    outcomes = rehearse([nat_service(family)], frames, nat=one_port())
    assert [(out.verdict, out.reason) for out in outcomes[1:]] == [
        ("drop", "nat_no_state"), ("pass", "not_ours")]


@every_family
def test_a_packet_that_does_not_fit_is_told_so(rehearse, family):
    frame = opening(family, payload=bytes(1400))
    outcome = rehearse([nat_service(family)], [frame], path=("mtu", 1300), nat=one_port())[0]
    assert (outcome.verdict, outcome.reason) == ("tx", "too_big")
    packet = Ether(outcome.frame)
    told = packet[ICMP].nexthopmtu if family == 4 else packet[ICMPv6PacketTooBig].mtu
    assert told == 1300
    assert (IPerror if family == 4 else TCPerror) in packet and UDPerror not in packet


def test_a_rate_holds_for_flows_that_open(rehearse):
    one = nat_service(rate={"new": "1/s", "burst": 3})
    outcomes = rehearse([one], [opening(sport=sport) for sport in range(40000, 40020)], nat=NAT)
    assert [out.reason for out in outcomes[:3]] == ["forwarded"] * 3
    assert "rate_limited" in {out.reason for out in outcomes}
