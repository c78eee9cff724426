# SPDX-License-Identifier: GPL-2.0-only
"""Writes tests/fuzz/corpus/packet: frames of every kind for the services of tests/judge/scene.c,
each built by scapy. Run again after a change, and commit what comes out.

    make_packets.py [DIRECTORY]
"""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "datapath"))

# pylint: disable=wrong-import-position
from actors import CLIENT, ethernet, internet, packet  # noqa: E402
from scapy.all import (ICMP, IP, TCP, UDP, Dot1AD, Dot1Q, ICMPv6DestUnreach,  # noqa: E402
                       ICMPv6EchoRequest, ICMPv6PacketTooBig, IPOption_NOP, IPv6,
                       IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop,
                       IPv6ExtHdrRouting, Raw)

V4, V6 = "192.0.2.", "2001:db8:1::"
NODE = {4: "198.51.100.11", 6: "2001:db8:2::11"}


def to(address, protocol="tcp", dport=80, payload=b"hello", **fields):
    family = 6 if ":" in address else 4
    return packet(family, protocol, payload, dport=dport, dst=address, **fields)


def flags(frame, which):
    frame[TCP].flags = which
    return frame


def services():
    """One packet to each service of the scene, and what opens and ends flows."""
    yield "web-syn", to(V4 + "10")
    yield "web-ack", flags(to(V4 + "10"), "A")
    yield "web-fin", flags(to(V4 + "10", sport=40001), "FA")
    yield "web-rst", flags(to(V4 + "10", sport=40002), "R")
    for host, protocol, port in (("10", "tcp", 443), ("10", "udp", 53), ("11", "tcp", 80),
                                 ("12", "udp", 9), ("13", "tcp", 80), ("13", "udp", 53),
                                 ("14", "tcp", 80), ("16", "tcp", 80), ("17", "tcp", 80)):
        yield f"v4-{host}-{protocol}-{port}", to(V4 + host, protocol, port)
    for host, protocol, port in (("10", "tcp", 80), ("10", "udp", 53), ("11", "tcp", 443),
                                 ("13", "tcp", 80), ("14", "udp", 53)):
        yield f"v6-{host}-{protocol}-{port}", to(V6 + host, protocol, port)
    yield "turns-ack", flags(to(V4 + "13"), "A")
    yield "least-ack", flags(to(V6 + "13"), "A")
    yield "no-checksum", ethernet() / internet(4) / UDP(dport=53, chksum=0) / Raw(b"x")
    yield "not-ours", to("192.0.2.99")
    yield "not-ours-6", to("2001:db8:1::99", "udp")
    yield "congested", to(V4 + "10", tos=3)
    yield "congested-6", to(V6 + "10", tc=3)


def sizes():
    """Too large for a path, for a page, and for what they say."""
    yield "too-big", to(V4 + "15", payload=bytes(700))
    yield "too-big-6", to(V6 + "15", payload=bytes(1300))
    yield "too-big-tagged", ethernet() / Dot1Q(vlan=5) / to(V4 + "15", payload=bytes(700))[IP]
    yield "fits-narrow", to(V4 + "15", payload=bytes(400))
    yield "jumbo", to(V4 + "10", payload=bytes(4000))
    yield "jumbo-too-big", to(V4 + "15", payload=bytes(4000))
    yield "padded", bytes(to(V4 + "10")) + bytes(20)
    yield "long-claim", to(V4 + "10", len=200)
    yield "short-claim", to(V4 + "10", len=30)
    yield "long-claim-6", to(V6 + "10", plen=200)
    whole = bytes(to(V4 + "10"))
    for size in (14, 20, 33, 34, 40, 53):
        yield f"cut-{size}", whole[:size]
    whole = bytes(to(V6 + "10"))
    for size in (30, 54, 60, 73):
        yield f"cut-6-{size}", whole[:size]


def shapes():
    """Headers that are seldom there."""
    yield "options", to(V4 + "10", options=[IPOption_NOP()] * 8)
    yield "bad-ihl", to(V4 + "10", ihl=4)
    yield "bad-version", to(V4 + "10", version=5)
    yield "land", to(V4 + "10", src=V4 + "10")
    yield "mapped", to("2001:db8:1::10", src="::ffff:192.0.2.1")
    yield "vlan", ethernet() / Dot1Q(vlan=5) / to(V4 + "10")[IP]
    yield "vlan-l2", ethernet() / Dot1Q(vlan=5) / to(V4 + "10", dport=443)[IP]
    yield "vlan-gue", ethernet() / Dot1Q(vlan=5) / to(V4 + "14")[IP]
    yield "qinq", ethernet() / Dot1AD(vlan=5) / Dot1Q(vlan=6) / to(V6 + "10")[IPv6]
    yield "three-tags", ethernet() / Dot1Q() / Dot1Q() / Dot1Q() / to(V4 + "10")[IP]
    yield "arp", ethernet(type=0x0806) / Raw(bytes(28))
    yield "sctp", ethernet() / internet(4, proto=132) / Raw(bytes(20))
    whole = internet(6)
    tcp = TCP(sport=40000, dport=80)
    for name, header in (("hop", IPv6ExtHdrHopByHop()), ("dest", IPv6ExtHdrDestOpt()),
                         ("route", IPv6ExtHdrRouting(segleft=0)),
                         ("route-left", IPv6ExtHdrRouting(segleft=1, addresses=[CLIENT[6]])),
                         ("atomic", IPv6ExtHdrFragment())):
        yield f"ext-{name}", ethernet() / whole / header / tcp / Raw(b"hello")
    many = whole
    for _ in range(8):
        many = many / IPv6ExtHdrDestOpt()
    yield "ext-many", ethernet() / many / tcp
    yield "ext-cut", bytes(ethernet() / whole / IPv6ExtHdrHopByHop() / tcp)[:58]


def strangers():
    """Sources that lists of the node and of services have."""
    stranger = {4: "198.18.0.9", 6: "2001:db8:bad::9"}
    yield "denied", to(V4 + "10", src=stranger[4])
    yield "denied-6", to(V6 + "10", src=stranger[6])
    yield "denied-vlan", ethernet() / Dot1Q(vlan=5) / to(V4 + "10", src=stranger[4])[IP]
    yield "denied-land", to(V4 + "10", src=V4 + "10")
    yield "denied-own", to(V4 + "11", src="203.0.113.85")
    yield "denied-longest", to(V4 + "11", src="203.0.113.76")
    yield "allowed", to(V4 + "11", src="203.0.113.100")
    yield "not-allowed", to(V4 + "11", src="203.0.113.200")
    yield "denied-ping", ethernet() / internet(4, src=stranger[4]) / ICMP() / Raw(b"ping")
    yield "denied-ping-6", ethernet() / internet(6, src=stranger[6]) / ICMPv6EchoRequest()
    yield "denied-fragment", to(V4 + "10", "udp", 53, bytes(24), id=70, frag=3, src="203.0.113.97")
    yield "denied-error", ethernet() / internet(4, src="203.0.113.1") / ICMP(type=3, code=1) \
        / IP(src=V4 + "10", dst=stranger[4]) / TCP(sport=80, dport=40000)


def fragments():
    for name, fields in (("first", {"flags": "MF"}), ("later", {"frag": 3}),
                         ("short", {"flags": "MF", "len": 28})):
        yield f"frag-{name}", to(V4 + "10", "udp", 53, bytes(24), id=7, **fields)
        yield f"frag-tcp-{name}", to(V4 + "10", "tcp", 80, bytes(24), id=8, **fields)
    yield "frag-not-ours", to("192.0.2.99", "udp", 53, bytes(24), id=7, frag=3)
    yield "frag-lost", to(V4 + "10", "tcp", 80, bytes(24), id=99, frag=3)
    yield "frag-13-first", to(V4 + "13", "udp", 53, bytes(24), id=9, flags="MF")
    for name, header in (("first", IPv6ExtHdrFragment(m=1, id=7)),
                         ("later", IPv6ExtHdrFragment(offset=4, id=7))):
        yield f"frag-6-{name}", ethernet() / internet(6) / header / UDP(dport=53) / Raw(bytes(24))


def quic():
    """The scene's service has server ids of two lengths."""
    def datagram(payload, **fields):
        return to(V4 + "18", "udp", 443, payload, **fields)

    short = bytes.fromhex("4a 1f 0101") + bytes(range(8))
    long = bytes.fromhex("4a 7f 000102030405060708090a0b0c0d02") + bytes(range(4))
    handshake = bytes.fromhex("e0 00000001 0b 00 0102") + bytes(range(8)) + bytes(20)
    yield "quic-short", datagram(short)
    yield "quic-short-15", datagram(long)
    yield "quic-drained", datagram(short.replace(b"\1\1", b"\1\3", 1))
    yield "quic-unknown", datagram(short.replace(b"\1\1", b"\1\7", 1))
    yield "quic-unroutable", datagram(b"\x4a\xff" + short[2:])
    yield "quic-other-config", datagram(b"\x4a\x3f" + short[2:])
    yield "quic-handshake", datagram(handshake)
    yield "quic-handshake-2", datagram(bytes.fromhex("f0 6b3343cf") + handshake[5:])
    yield "quic-initial", datagram(b"\xc0" + handshake[1:])
    yield "quic-vlan", ethernet() / Dot1Q(vlan=5) / datagram(short)[IP]
    yield "quic-options", datagram(short, options=[IPOption_NOP()] * 8)
    yield "quic-first", datagram(short + bytes(20), id=10, flags="MF")
    for size in range(5):
        yield f"quic-cut-{size}", datagram(short[:size])
    yield "quic-cut-15", datagram(long[:16])
    yield "quic-handshake-cut", datagram(handshake[:7])


def quoted(family):
    """What a service's backend sent, as an error quotes it."""
    service = {4: V4 + "10", 6: V6 + "10"}[family]
    return internet(family, src=service, dst=CLIENT[family]) / TCP(sport=80, dport=40000)


def icmp():
    router = {4: "203.0.113.1", 6: "2001:db8:3::1"}
    yield "ping", ethernet() / internet(4) / ICMP() / Raw(b"ping")
    yield "ping-zero", ethernet() / internet(4) / ICMP(id=0, seq=0) / Raw(bytes(8))
    yield "ping-odd", ethernet() / internet(4, options=[IPOption_NOP()] * 4) / ICMP() / Raw(b"p")
    yield "ping-vlan", ethernet() / Dot1Q(vlan=5) / internet(4) / ICMP() / Raw(b"ping")
    yield "ping-6", ethernet() / internet(6) / ICMPv6EchoRequest(data=b"ping")
    yield "ping-6-off", ethernet() / internet(6, dst=V6 + "13") / ICMPv6EchoRequest(data=b"ping")
    yield "ping-6-ext", ethernet() / internet(6) / IPv6ExtHdrDestOpt() / ICMPv6EchoRequest()
    yield "ping-cut", bytes(ethernet() / internet(4) / ICMP())[:40]
    yield "unreachable", ethernet() / internet(4, src=router[4]) / ICMP(type=3, code=4,
                                                                       nexthopmtu=1400) / quoted(4)
    yield "unreachable-8", bytes(ethernet() / internet(4, src=router[4], len=56)
                                 / ICMP(type=3, code=1) / quoted(4))[:14 + 56]
    yield "time-exceeded", ethernet() / internet(4, src=router[4]) / ICMP(type=11) / quoted(4)
    yield "other-error", ethernet() / internet(4, src=router[4]) / ICMP(type=3) \
        / IP(src="192.0.2.99", dst=CLIENT[4]) / TCP()
    yield "too-big-error-6", ethernet() / internet(6, src=router[6]) \
        / ICMPv6PacketTooBig(mtu=1280) / quoted(6)
    yield "unreachable-6", ethernet() / internet(6, src=router[6]) / ICMPv6DestUnreach() / quoted(6)


POOL = {4: "192.0.2.200", 6: "2001:db8:1::200"}
TRANSLATED = {4: "198.51.100.101", 6: "2001:db8:2::101"}


def reply(family, **fields):
    """What a backend answers to the flow that the scene has opened."""
    header = internet(family, src=TRANSLATED[family], dst=POOL[family], **fields)
    if family == 4:
        return header / TCP(sport=8080, dport=7000, flags="SA") / Raw(b"hello")
    return header / UDP(sport=53, dport=7000) / Raw(b"hello")


def towards(family):
    """What the node has sent to that backend, as a router quotes it."""
    header = internet(family, src=POOL[family], dst=TRANSLATED[family])
    if family == 4:
        return header / TCP(sport=7000, dport=8080)
    return header / UDP(sport=7000, dport=53) / Raw(b"hello")


def back(family):
    """What the node has sent to the client of that flow."""
    header = internet(family, src={4: V4, 6: V6}[family] + "20", dst=CLIENT[family])
    if family == 4:
        return header / TCP(sport=80, dport=40000)
    return header / UDP(sport=53, dport=40000) / Raw(b"hello")


def translated():
    nat = V4 + "20"
    yield "nat-known", flags(to(nat), "A")
    yield "nat-syn-again", to(nat)
    yield "nat-fin", flags(to(nat), "FA")
    yield "nat-rst", flags(to(nat), "R")
    yield "nat-exhausted", to(nat, sport=40001)
    yield "nat-unknown", flags(to(nat, sport=40001), "A")
    yield "nat-unknown-rst", flags(to(nat, sport=40001), "RA")
    yield "nat-unknown-tagged", ethernet() / Dot1Q(vlan=5) / flags(to(nat, sport=40001), "A")[IP]
    yield "nat-ttl", to(nat, ttl=1)
    yield "nat-first", to(nat, payload=bytes(24), id=8, flags="MF")
    yield "nat-later", to(nat, payload=bytes(24), id=8, frag=3)
    yield "nat-vlan", ethernet() / Dot1Q(vlan=5) / flags(to(nat), "A")[IP]
    yield "nat-qinq", ethernet() / Dot1AD(vlan=5) / Dot1Q(vlan=6) / to(nat)[IP]
    yield "nat-options", flags(to(nat, options=[IPOption_NOP()] * 8), "A")
    yield "nat-short", to(nat, len=30)
    for port in range(8):
        yield f"nat-udp-{port}", to(nat, "udp", 9, sport=40000 + port)
    yield "nat-udp-no-checksum", ethernet() / internet(4, dst=nat) \
        / UDP(sport=40008, dport=9, chksum=0) / Raw(b"x")
    yield "nat-too-big", to(nat, "udp", 9, bytes(1200), sport=40002)
    yield "nat-6", to(V6 + "20", "udp", 53)
    yield "nat-6-other", to(V6 + "20", "udp", 53, sport=40001)
    yield "nat-6-ttl", to(V6 + "20", "udp", 53, hlim=1)
    yield "nat-6-ext", ethernet() / internet(6, dst=V6 + "20") / IPv6ExtHdrDestOpt() \
        / UDP(sport=40000, dport=53) / Raw(b"hello")
    router = {4: "203.0.113.1", 6: "2001:db8:3::1"}
    error = {4: ICMP(type=3, code=4, nexthopmtu=1400), 6: ICMPv6PacketTooBig(mtu=1280)}
    for family in (4, 6):
        yield f"nat-reply-{family}", ethernet() / reply(family)
        yield f"nat-reply-vlan-{family}", ethernet() / Dot1Q(vlan=9) / reply(family)
        whole = bytes(ethernet() / internet(family, src=router[family],
                                            dst={4: V4, 6: V6}[family] + "20")
                      / error[family] / back(family))
        yield f"nat-error-{family}", whole
        yield f"nat-error-cut-{family}", whole[:-12]
        yield f"nat-error-back-{family}", ethernet() / internet(
            family, src=router[family], dst=POOL[family]) / error[family] / towards(family)
    yield "nat-reply-first", ethernet() / reply(4, flags="MF")
    yield "nat-reply-ttl", ethernet() / reply(4, ttl=1)
    yield "nat-error-8", bytes(ethernet() / internet(4, src=router[4], dst=nat, len=56)
                               / ICMP(type=3, code=1) / back(4))[:14 + 56]
    yield "pool-stranger", to(POOL[4], dport=7000)


def tunnelled():
    """What leat-decap gets."""
    inner = {4: to(V4 + "10")[IP], 6: to(V6 + "10")[IPv6]}
    source = {4: "172.16.1.2", 6: "100::1"}
    for outer in (4, 6):
        for family in (4, 6):
            header = internet(outer, src=source[outer], dst=NODE[outer])
            yield f"ipip-{family}in{outer}", ethernet() / header / inner[family]
            gue = Raw(b"\0" + bytes([4 if family == 4 else 41]) + bytes(2))
            yield f"gue-{family}in{outer}", ethernet() / header.copy() \
                / UDP(sport=50000, dport=6080, chksum=0) / gue / inner[family]
    yield "ipip-congested", ethernet() / internet(4, src=source[4], dst=NODE[4], tos=3) \
        / to(V4 + "10", tos=1)[IP]
    yield "ipip-congested-6", ethernet() / internet(4, src=source[4], dst=NODE[4], tos=3) \
        / to(V6 + "10", tc=2)[IPv6]
    yield "ipip-stranger", ethernet() / internet(4, src="203.0.113.9", dst=NODE[4]) / inner[4]
    yield "ipip-not-to-us", ethernet() / internet(4, src=source[4], dst="192.0.2.99") / inner[4]
    yield "ipip-malformed", ethernet() / internet(4, src=source[4], dst=NODE[4]) \
        / to(V4 + "10", ihl=4)[IP]
    yield "ipip-other", ethernet() / internet(4, src=source[4], dst=NODE[4]) \
        / to("192.0.2.99")[IP]


def main(directory=HERE / "corpus" / "packet"):
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    for old in directory.iterdir():
        old.unlink()
    for kind in (services, sizes, shapes, strangers, fragments, quic, icmp, translated, tunnelled):
        for name, frame in kind():
            (directory / name).write_bytes(bytes(frame))


if __name__ == "__main__":
    main(*sys.argv[1:])
