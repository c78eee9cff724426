# SPDX-License-Identifier: GPL-2.0-only
"""scapy's opinion of what must come out, byte for byte."""

import flow_hash
from actors import NEXT_HOP_MAC, NODE_MAC, OUTER_SOURCE, octets
from scapy.all import IP, UDP, Ether, IPv6, Raw

ETHERNET = 14
FIXED_HEADER = {4: 20, 6: 40}
PROTOCOL_OF_INNER = {4: 4, 6: 41}  # IPIP, and IPv6 in something


def link_length(frame):
    """Ethernet's header and its VLAN tags."""
    at = 12
    while frame[at:at + 2] in (b"\x81\x00", b"\x88\xa8"):
        at += 4
    return at + 2


def expected_outer(family, outer_family, inner, destination, value, prefix, gue_port=None):
    """inner: scapy's header of the IP packet, of which ip_len bytes are no padding."""
    tos = inner.tos if family == 4 else inner.tc
    ip_len = inner.len if family == 4 else 40 + inner.plen
    source = flow_hash.outer_source(value, prefix or OUTER_SOURCE[outer_family])
    protocol = PROTOCOL_OF_INNER[family]
    if gue_port:
        ip_len, protocol = ip_len + 12, 17
    if outer_family == 4:
        return IP(tos=tos, len=20 + ip_len, id=0, flags="DF", ttl=64, src=source, dst=destination,
                  proto=protocol)
    return IPv6(tc=tos, fl=flow_hash.flow_label(value), plen=ip_len, hlim=64, src=source,
                dst=destination, nh=protocol)


def expected_gue(family, value, port, ip_len, has_checksum):
    """Outer UDP and GUE, of version 0 and without options."""
    checksum = {} if has_checksum else {"chksum": 0}
    return (UDP(sport=0xc000 | value & 0x3fff, dport=port, len=12 + ip_len, **checksum)
            / Raw(bytes([0, PROTOCOL_OF_INNER[family], 0, 0])))


def expected_headers(packet, service, value, chosen, prefix, has_checksum):
    """What stands before an IP packet on its way to a backend."""
    family, outer_family = 6 if ":" in service["address"] else 4, 6 if ":" in chosen else 4
    inner = (IP if family == 4 else IPv6)(packet[:FIXED_HEADER[family]])
    gue_port = service.get("gue_port", 6080) if service["forward"] == "gue" else None
    outer = expected_outer(family, outer_family, inner, chosen, value, prefix, gue_port)
    if not gue_port:
        return bytes(outer)
    ip_len = inner.len if family == 4 else 40 + inner.plen
    gue = expected_gue(family, value, gue_port, ip_len, has_checksum and outer_family == 6)
    return bytes(outer / gue / Raw(packet[:ip_len]))[:len(outer) + 12]


def expected_frame(frame, service, flow, chosen, prefix=None, next_hop=NEXT_HOP_MAC,
                   seed=flow_hash.DEFAULT_SEED, tags=None, source=NODE_MAC, has_checksum=True):
    """What a frame to a service must look like on its way to the chosen backend's address. Its VLAN
    tags are its own unless said otherwise. has_checksum: the inner packet's, which GUE over IPv6
    takes its own from."""
    outer_family = 6 if ":" in chosen else 4
    link = link_length(frame)
    tags = frame[12:link - 2] if tags is None else tags
    packet = frame[link:]
    ethertype, headers = frame[link - 2:link], b""
    if service["forward"] != "l2":
        value = flow_hash.flow_hash(flow_hash.service_key(service, seed), flow,
                                    service.get("hash") != "source")
        headers = expected_headers(packet, service, value, chosen, prefix, has_checksum)
        ethertype = {4: b"\x08\x00", 6: b"\x86\xdd"}[outer_family]
    return octets(next_hop) + octets(source) + tags + ethertype + headers + packet


def assert_forwarded(outcome, frame, service, flow, **how):
    """Every byte of what came out, for the backend that the outcome names."""
    assert (outcome.verdict, outcome.reason, outcome.service) == \
        ("tx", "forwarded", service["name"]), outcome
    chosen = next(one["address"] for one in service["backends"] if one["name"] == outcome.backend)
    expected = expected_frame(bytes(frame), service, flow, chosen, **how)
    assert outcome.frame == expected, \
        f"got\n{Ether(outcome.frame).show2(dump=True)}\nnot\n{Ether(expected).show2(dump=True)}"
