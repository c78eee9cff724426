# SPDX-License-Identifier: GPL-2.0-only
"""What goes to a backend: every byte of it against scapy's opinion."""

import collections
import ipaddress

import flow_hash
import pytest
from actors import (ALL_FORMS, CLIENT, GUE_FORMS, NODE_MAC, OUTER_SOURCE, SERVICE, backend,
                    backends, ethernet, internet, octets, packet, quick_packet, random_flows,
                    service, transport)
from judge import ETHERNET, assert_forwarded
from scapy.all import IP, UDP, Ether, IPOption_NOP, IPv6, Raw
from scapy.utils import checksum

OUTER_HEADER = bytes(IP(len=60, id=0, flags="DF", proto=4, dst=backend(1)["address"], chksum=0,
                        src="0.0.0.0"))
FLOW = {family: (CLIENT[family], 40000, 80) for family in (4, 6)}
IPIP_FORMS = [form for form in ALL_FORMS if form[2] != "l2"]


def assert_all_forwarded(rehearse, one, frames, **how):
    family = 6 if ":" in one["address"] else 4
    for frame, outcome in zip(frames, rehearse([one], frames), strict=True):
        assert_forwarded(outcome, frame, one, FLOW[family], **how)


@pytest.mark.parametrize("family, protocol, form", ALL_FORMS + GUE_FORMS)
def test_packets_of_every_size_are_forwarded_exactly(rehearse, family, protocol, form):
    sizes = [*range(0, 70), *range(70, 1460, 13), 1440, 1459, 1460, 2000, 3000]
    frames = [bytes(packet(family, protocol, bytes(i & 255 for i in range(size))))
              for size in sizes]
    assert_all_forwarded(rehearse, service(family, protocol, form), frames)


@pytest.mark.parametrize("family, protocol, form", ALL_FORMS + GUE_FORMS)
def test_tos_and_traffic_class_are_copied(rehearse, family, protocol, form):
    field = "tos" if family == 4 else "tc"
    frames = [bytes(packet(family, protocol, **{field: value})) for value in range(256)]
    one = service(family, protocol, form)
    outcomes = rehearse([one], frames)
    for value, frame, outcome in zip(range(256), frames, outcomes, strict=True):
        assert_forwarded(outcome, frame, one, FLOW[family])
        outer = Ether(outcome.frame).payload
        assert (outer.tos if outer.version == 4 else outer.tc) == value


@pytest.mark.parametrize("family, protocol, form", ALL_FORMS)
def test_what_the_inner_header_says_is_the_clients_business(rehearse, family, protocol, form):
    """ttl, id, flags, a wrong checksum, a flow label: none of it is touched or copied outside."""
    if family == 4:
        fields = [{"ttl": 1}, {"ttl": 255}, {"id": 0xffff}, {"flags": "DF"}, {"flags": "evil"},
                  {"chksum": 0}, {"chksum": 0xffff}]
    else:
        fields = [{"hlim": 1}, {"hlim": 255}, {"fl": 0xfffff}, {"fl": 1}]
    frames = [bytes(packet(family, protocol, **one)) for one in fields]
    assert_all_forwarded(rehearse, service(family, protocol, form), frames)


@pytest.mark.parametrize("family, protocol, form", ALL_FORMS + GUE_FORMS)
def test_ethernet_padding_is_kept_and_not_counted(rehearse, family, protocol, form):
    frames = [bytes(packet(family, protocol, payload)) + bytes([0xee]) * padding
              for payload in (b"", b"x") for padding in (1, 2, 6, 18, 100)]
    assert_all_forwarded(rehearse, service(family, protocol, form), frames)


@pytest.mark.parametrize("form", ("l2", "ipip4", "ipip6"))
@pytest.mark.parametrize("protocol", ("tcp", "udp"))
def test_ports_are_found_behind_ipv4_options(rehearse, form, protocol):
    frames = [bytes(ethernet() / internet(options=[IPOption_NOP()] * 4 * words)
                    / transport(protocol) / Raw(b"data")) for words in range(1, 11)]
    assert [IP(frame[ETHERNET:]).ihl for frame in frames] == list(range(6, 16))
    assert_all_forwarded(rehearse, service(4, protocol, form), frames)


@pytest.mark.parametrize("family, protocol, form", ALL_FORMS)
def test_the_configured_next_hop_is_the_destination(rehearse, family, protocol, form):
    one, frame = service(family, protocol, form), bytes(packet(family, protocol))
    outcome = rehearse.one([one], frame, next_hop="02:00:00:00:5a:a5")
    assert_forwarded(outcome, frame, one, FLOW[family], next_hop="02:00:00:00:5a:a5")
    assert Ether(outcome.frame).src == NODE_MAC


def random_inner(rng, family):
    """A TCP or UDP packet of which everything but the destination is random; its flow too."""
    source = random_flows(rng, 1, family)[0][0]
    sport, size = rng.randrange(65536), rng.randrange(1400)
    if family == 4:
        header = IP(src=source, dst=SERVICE[4], tos=rng.randrange(256), id=rng.randrange(65536),
                    ttl=rng.randrange(256), flags=rng.choice(["", "DF"]),
                    options=[IPOption_NOP()] * 4 * rng.choice([0, 0, 0, 1, 5, 10]))
    else:
        header = IPv6(src=source, dst=SERVICE[6], tc=rng.randrange(256), fl=rng.getrandbits(20),
                      hlim=rng.randrange(256))
    l4 = UDP(sport=sport, dport=53, chksum=rng.randrange(1, 65536))
    return bytes(ethernet() / header / l4 / Raw(rng.randbytes(size))), (source, sport, 53)


@pytest.mark.parametrize("family, outer_family, count",
                         [(4, 4, 3000), (6, 4, 1000), (4, 6, 1000), (6, 6, 1000)])
def test_random_packets_are_wrapped_exactly(rehearse, rng, family, outer_family, count):
    """The checksum of each outer header is scapy's, whatever its length, TOS and source."""
    one = service(family, "udp", f"ipip{outer_family}", port=53,
                  backends=backends(7, outer_family))
    frames, flows = zip(*(random_inner(rng, family) for _ in range(count)))
    for outcome, frame, flow in zip(rehearse([one], frames), frames, flows, strict=True):
        assert_forwarded(outcome, frame, one, flow)
        if outer_family == 4:
            assert checksum(outcome.frame[ETHERNET:ETHERNET + 20]) == 0


def outer_sum(flow):
    """The sum, by scapy, that the outer header's checksum is of, with a TOS of 0."""
    value = flow_hash.flow_hash(flow_hash.service_key(service()), flow)
    header = bytearray(OUTER_HEADER)
    header[12:16] = octets(flow_hash.outer_source(value, OUTER_SOURCE[4]))
    return 0xffff - checksum(bytes(header))


def test_the_outer_checksum_is_right_at_the_ends_of_its_range(rehearse):
    """Where a carry out of a carry is easily lost, whichever end a machine begins to read at;
    random packets seldom come there."""
    edges = {*range(8), *range(0xfff8, 0x10000)}
    edges |= {edge << 8 & 0xff00 | edge >> 8 for edge in edges}
    chosen = [(flow, tos) for port in range(1024, 9024) for flow in [(CLIENT[4], port, 80)]
              for total in [outer_sum(flow)] for tos in range(256)
              if (total + tos) % 0xffff in edges][:3000]
    assert len(chosen) > 500
    frames = [with_tos(quick_packet(flow), tos) for flow, tos in chosen]
    for outcome, frame, (flow, _) in zip(rehearse([service()], frames), frames, chosen,
                                         strict=True):
        assert_forwarded(outcome, frame, service(), flow)


def with_tos(frame, tos):
    return frame[:ETHERNET + 1] + bytes([tos]) + frame[ETHERNET + 2:]


def outer_sources(outcomes):
    return [Ether(outcome.frame).payload.src for outcome in outcomes]


@pytest.mark.parametrize("family, protocol, form", IPIP_FORMS)
@pytest.mark.parametrize("prefixes", [
    {}, {4: "10.0.0.0/8", 6: "2001:db8:5::/96"}, {4: "198.51.100.0/24", 6: "2001:db8:5::/64"},
    {4: "198.51.100.128/25", 6: "2001:db8:5::5:0/112"},
    {4: "198.51.100.6/31", 6: "2001:db8::6/127"},
    {4: "198.51.100.9/32", 6: "2001:db8:5::9/128"}, {6: "2001:db8::/32"}])
def test_outer_sources_spread_within_the_prefix(rehearse, rng, family, protocol, form, prefixes):
    one = service(family, protocol, form)
    prefix = {**OUTER_SOURCE, **prefixes}[int(form[-1])]
    flows = random_flows(rng, 300, family)
    number = {"tcp": 6, "udp": 17}[protocol]
    frames = [quick_packet(flow, number) for flow in flows for _ in range(2)]
    config = {"outer_source": list(prefixes.values())} if prefixes else {}
    outcomes = rehearse([one], frames, **config)
    seen = outer_sources(outcomes)
    network = ipaddress.ip_network(prefix)
    assert all(ipaddress.ip_address(source) in network for source in seen)
    assert seen[::2] == seen[1::2], "a flow has one outer source"
    # 300 draws of 2^16 leave about 299 different ones, of 2^8 about 177, of 2^7 about 116.
    expected = {0: 1, 1: 2, 7: 90, 8: 140}.get(network.max_prefixlen - network.prefixlen, 290)
    assert len(set(seen)) >= expected
    for outcome, frame, flow in zip(outcomes[::2], frames[::2], flows, strict=True):
        assert_forwarded(outcome, frame, one, flow, prefix=prefix)


def test_source_hash_gives_a_client_one_outer_source(rehearse):
    one = service(hash="source")
    flows = [(f"203.0.113.{client}", port, 80) for client in range(1, 21)
             for port in range(1024, 1074)]
    frames = [quick_packet(flow) for flow in flows]
    sources = collections.defaultdict(set)
    outcomes = rehearse([one], frames)
    for flow, frame, outcome in zip(flows, frames, outcomes, strict=True):
        sources[flow[0]].add(Ether(outcome.frame).payload.src)
        assert_forwarded(outcome, frame, one, flow)
    assert all(len(one_client) == 1 for one_client in sources.values())
    assert len(set.union(*sources.values())) >= 18


def test_one_service_has_backends_of_both_families(rehearse, rng):
    one = service(backends=[backend(1, 4), backend(2, 6)])
    flows = random_flows(rng, 200)
    frames = [quick_packet(flow) for flow in flows]
    outcomes = rehearse([one], frames)
    for outcome, frame, flow in zip(outcomes, frames, flows, strict=True):
        assert_forwarded(outcome, frame, one, flow)
    assert {outcome.backend for outcome in outcomes} == {"web1", "web2"}
