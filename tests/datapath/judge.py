# SPDX-License-Identifier: GPL-2.0-only
"""scapy's opinion of what must come out, byte for byte."""

import flow_hash
from actors import NEXT_HOP_MAC, NODE_MAC, OUTER_SOURCE
from scapy.all import IP, Ether, IPv6, Raw

ETHERNET = 14
FIXED_HEADER = {4: 20, 6: 40}
PROTOCOL_OF_INNER = {4: 4, 6: 41}  # IPIP, and IPv6 in something


def expected_outer(family, outer_family, inner, destination, value, prefix):
    """inner: scapy's header of the IP packet, of which ip_len bytes are no padding."""
    tos = inner.tos if family == 4 else inner.tc
    ip_len = inner.len if family == 4 else 40 + inner.plen
    source = flow_hash.outer_source(value, prefix or OUTER_SOURCE[outer_family])
    if outer_family == 4:
        return IP(tos=tos, len=20 + ip_len, id=0, flags="DF", ttl=64, src=source, dst=destination,
                  proto=PROTOCOL_OF_INNER[family])
    return IPv6(tc=tos, fl=flow_hash.flow_label(value), plen=ip_len, hlim=64, src=source,
                dst=destination, nh=PROTOCOL_OF_INNER[family])


def expected_frame(frame, service, flow, chosen, prefix=None, next_hop=NEXT_HOP_MAC,
                   seed=flow_hash.DEFAULT_SEED):
    """What a frame to a service must look like on its way to the chosen backend's address."""
    family = 6 if ":" in service["address"] else 4
    outer_family = 6 if ":" in chosen else 4
    if service["forward"] == "l2":
        outer, ethertype = None, {4: 0x0800, 6: 0x86dd}[family]
    else:
        value = flow_hash.flow_hash(flow_hash.service_key(service, seed), flow,
                                    service.get("hash") != "source")
        inner = (IP if family == 4 else IPv6)(frame[ETHERNET:ETHERNET + FIXED_HEADER[family]])
        outer = expected_outer(family, outer_family, inner, chosen, value, prefix)
        ethertype = {4: 0x0800, 6: 0x86dd}[outer_family]
    ethernet = Ether(dst=next_hop, src=NODE_MAC, type=ethertype)
    payload = Raw(frame[ETHERNET:])
    return bytes(ethernet / outer / payload if outer else ethernet / payload)


def assert_forwarded(outcome, frame, service, flow, **how):
    """Every byte of what came out, for the backend that the outcome names."""
    assert (outcome.verdict, outcome.reason, outcome.service) == \
        ("tx", "forwarded", service["name"]), outcome
    chosen = next(one["address"] for one in service["backends"] if one["name"] == outcome.backend)
    expected = expected_frame(bytes(frame), service, flow, chosen, **how)
    assert outcome.frame == expected, \
        f"got\n{Ether(outcome.frame).show2(dump=True)}\nnot\n{Ether(expected).show2(dump=True)}"
