# SPDX-License-Identifier: GPL-2.0-only
"""leat-decap on a veth: frames in at one end, what the kernel gets at the other."""

import itertools
import json
import struct

import pytest
import reasons
from actors import (CLIENT, NEXT_HOP_MAC, OTHER_SERVICE, PROTOCOLS, ROUTER_MAC, SERVICE, internet,
                    transport)
from network import attach_passing_program
from rehearsal import LEAT
from scapy.all import (ARP, ICMP, IP, UDP, Ether, IPOption_NOP, IPv6, IPv6ExtHdrDestOpt,
                       IPv6ExtHdrFragment, Raw, fragment)
from scapy.utils import checksum
from tunnel import FAR, OWN

NODE = {4: "172.16.3.4", 6: "100::304"}  # the outer source
FORMS = list(itertools.product((4, 6), (4, 6)))  # inner, outer
CE = 3
ETHERTYPE = {4: 0x0800, 6: 0x86dd}
PROTOCOL = {4: 4, 6: 41}
HEADER = bytes(IP(src=CLIENT[4], dst=SERVICE[4], len=56, proto=6, chksum=0))


def ethernet(family):
    return Ether(dst=NEXT_HOP_MAC, src=ROUTER_MAC, type=ETHERTYPE[family])


def outer(family, inner_family, **fields):
    if family == 4:
        return IP(**{"src": NODE[4], "dst": OWN[4], "proto": PROTOCOL[inner_family], **fields})
    return IPv6(**{"src": NODE[6], "dst": OWN[6], "nh": PROTOCOL[inner_family], **fields})


def inner(family, protocol="tcp", **fields):
    return internet(family, **fields) / transport(protocol) / Raw(b"sixteen bytes ok")


def wrap(packet, outer_family, **fields):
    """An inner packet of scapy's in an outer header, as a frame."""
    header = outer(outer_family, packet.version, **fields)
    return bytes(ethernet(outer_family) / header / Raw(bytes(packet)))


def bare(packet):
    """What must be left of it."""
    return bytes(ethernet(packet.version) / Raw(bytes(packet)))


@pytest.fixture(name="decap")
def attach_decap(tunnel):
    tunnel.attach("for", SERVICE[4], SERVICE[6])
    return tunnel


def assert_arrive(tunnel, frames, expected):
    for arrived, one in zip(tunnel.exchange(frames), expected, strict=True):
        assert arrived == one, \
            f"got\n{Ether(arrived).show2(dump=True)}\nnot\n{Ether(one).show2(dump=True)}"


def assert_untouched(tunnel, frames, reason):
    """All of them arrive as they were sent, for this reason."""
    frames = [bytes(frame) for frame in frames]
    before = tunnel.counters()
    assert_arrive(tunnel, frames, frames)
    after = tunnel.counters()
    more = {label: after[label] - before[label] for label in after}
    # Markers, and what the namespace says by itself, are not tunnelled either.
    unexpected = more.pop("not_tunnelled")
    if reason == "not_tunnelled":
        assert unexpected >= len(frames) and not any(more.values()), more
    else:
        assert {label: number for label, number in more.items() if number} == \
            {reason: len(frames)}


@pytest.mark.parametrize("mode", ("native", "generic"))
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_all_four_forms_are_unwrapped(tunnel, mode, protocol):
    tunnel.attach("for", SERVICE[4], SERVICE[6], "mode", mode)
    assert tunnel.show()["mode"] == mode
    packets = [inner(family, protocol) for family, _ in FORMS]
    frames = [wrap(packet, form[1]) for packet, form in zip(packets, FORMS)]
    assert_arrive(tunnel, frames, [bare(packet) for packet in packets])
    status = tunnel.show()
    unwrapped = next(one for one in status["reasons"] if one["reason"] == "unwrapped")
    assert (unwrapped["packets"], unwrapped["bytes"]) == (4, sum(map(len, frames)))


def test_what_is_inside_is_not_looked_at(decap):
    """Any size, any protocol, options, fragments, a wrong checksum, padding behind the packet."""
    sizes = (0, 1, 2, 3, 500, 1432, 1433, 1900)
    packets = [internet(4) / UDP() / Raw(bytes(size)) for size in sizes]
    packets += [internet(4) / ICMP(), internet(4, options=[IPOption_NOP()] * 40) / transport(),
                internet(4, chksum=0) / UDP(), internet(4, proto=255),
                *fragment(internet(4) / UDP() / Raw(bytes(2500)), 800),
                internet(6, nh=59), internet(6) / IPv6ExtHdrFragment(m=1) / Raw(bytes(100)),
                internet(6, fl=0xfffff, hlim=0) / UDP()]
    for family in (4, 6):
        assert_arrive(decap, [wrap(packet, family) for packet in packets],
                      [bare(packet) for packet in packets])
        padded = inner(4)
        assert_arrive(decap, [wrap(padded, family) + bytes(40)], [bare(padded) + bytes(40)])


def wrap_gue(packet, outer_family, first=0, protocol=None, flags=0, port=6080, **udp):
    """Behind UDP and GUE (draft-ietf-intarea-gue); first: version, control bit, header length."""
    header = bytes([first, PROTOCOL[packet.version] if protocol is None else protocol]) \
        + flags.to_bytes(2, "big")
    udp = UDP(sport=50000, dport=port, **udp) / Raw(header + bytes(packet))
    protocol_field = {4: "proto", 6: "nh"}[outer_family]
    outer_header = outer(outer_family, packet.version, **{protocol_field: 17})
    return bytes(ethernet(outer_family) / outer_header / udp)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_gue_is_unwrapped_in_all_four_forms(decap, protocol):
    packets = [inner(family, protocol) for family, _ in FORMS]
    frames = [wrap_gue(packet, form[1]) for packet, form in zip(packets, FORMS)]
    frames += [wrap_gue(packets[0], family, chksum=0) for family in (4, 6)]
    assert_arrive(decap, frames, [bare(packet) for packet in [*packets, packets[0], packets[0]]])


def test_gue_that_is_not_plain_is_left_alone(decap):
    """Another version, a control message, options, flags, another protocol or port, a length that
    is not the outer header's."""
    packet = inner(4)
    assert_untouched(decap, [
        wrap_gue(packet, 4, first=0x40), wrap_gue(packet, 4, first=0x20),
        wrap_gue(packet, 4, first=0x01), wrap_gue(packet, 4, flags=1),
        wrap_gue(packet, 4, protocol=17), wrap_gue(packet, 4, port=6081),
        wrap_gue(packet, 4, len=20), wrap_gue(packet, 6, len=2000)], "not_tunnelled")


def test_gue_is_received_on_the_port_that_was_named(tunnel):
    tunnel.attach("for", SERVICE[4], "gue", "5555")
    packet = inner(4)
    other = wrap_gue(packet, 4)
    assert_arrive(tunnel, [wrap_gue(packet, 4, port=5555), other], [bare(packet), other])


@pytest.mark.parametrize("family", (4, 6))
def test_options_of_the_outer_header_come_off_with_it(decap, family):
    packets = [inner(family) for _ in range(10)]
    frames = [wrap(packet, 4, options=[IPOption_NOP()] * 4 * words)
              for words, packet in enumerate(packets, 1)]
    assert_arrive(decap, frames, [bare(packet) for packet in packets])


@pytest.mark.parametrize("inner_family, outer_family", FORMS)
def test_only_named_inner_destinations_are_unwrapped(decap, inner_family, outer_family):
    others = [OTHER_SERVICE[inner_family], OWN[inner_family], CLIENT[inner_family]]
    assert_untouched(decap, [wrap(inner(inner_family, dst=other), outer_family)
                             for other in others], "inner_refused")


@pytest.mark.parametrize("outer_family", (4, 6))
def test_the_mapped_form_of_a_named_destination_is_not_named(decap, outer_family):
    packet = internet(6, dst=f"::ffff:{SERVICE[4]}") / transport()
    frames = [wrap(packet, outer_family)]
    assert_arrive(decap, frames, frames)


def test_the_mapped_form_of_an_own_address_is_not_own(decap):
    frames = [wrap(inner(4), 6, dst=f"::ffff:{OWN[4]}")]
    assert_arrive(decap, frames, frames)


def test_the_mapped_form_of_a_named_source_is_not_named(tunnel):
    tunnel.attach("for", SERVICE[4], "from", "172.16.0.0/16")
    frames = [wrap(inner(4), 6, src=f"::ffff:{NODE[4]}")]
    assert_arrive(tunnel, frames, frames)


@pytest.mark.parametrize("inner_family, outer_family", FORMS)
def test_only_packets_to_us_are_unwrapped(decap, inner_family, outer_family):
    others = {4: ["198.51.100.12", "198.51.100.10", SERVICE[4], "127.0.0.1", "255.255.255.255"],
              6: ["2001:db8:2::c", "2001:db8:2:1::b", SERVICE[6], "::", "ff02::1"]}
    assert_untouched(decap, [wrap(inner(inner_family), outer_family, dst=other)
                             for other in others[outer_family]], "not_to_us")


@pytest.mark.parametrize("inner_family", (4, 6))
def test_only_named_sources_are_unwrapped(tunnel, inner_family):
    tunnel.attach("for", SERVICE[4], SERVICE[6],
                  "from", "172.16.0.0/16", "192.0.2.128/25", "203.0.113.9/32", "100::/64",
                  "2001:db8:7::1/128")
    packet = inner(inner_family)
    good = {4: ["172.16.0.0", "172.16.255.255", "192.0.2.128", "192.0.2.255", "203.0.113.9"],
            6: ["100::", "100::ffff:ffff:ffff:ffff", "2001:db8:7::1"]}
    bad = {4: ["172.15.255.255", "172.17.0.0", "192.0.2.127", "203.0.113.8", "203.0.113.10",
               "10.0.0.1"],
           6: ["100:0:0:1::", "ff::", "2001:db8:7::2", "2001:db8:7::", "::", "::ac10:1"]}
    for family in (4, 6):
        assert_arrive(tunnel, [wrap(packet, family, src=source) for source in good[family]],
                      [bare(packet)] * len(good[family]))
        assert_untouched(tunnel, [wrap(packet, family, src=source) for source in bad[family]],
                         "source_refused")


@pytest.mark.parametrize("prefix, allowed", [("0.0.0.0/0", 4), ("::/0", 6)])
def test_a_prefix_of_all_sources_is_one_of_its_family(tunnel, prefix, allowed):
    tunnel.attach("for", SERVICE[4], "from", prefix)
    packet, other = inner(4), 10 - allowed
    assert_arrive(tunnel, [wrap(packet, allowed)], [bare(packet)])
    assert_untouched(tunnel, [wrap(packet, other)], "source_refused")
    assert tunnel.show()["from"] == [prefix]


def test_without_named_sources_any_will_do(decap):
    packet = inner(4)
    frames = [wrap(packet, 4, src=source) for source in ("203.0.113.200", "10.1.2.3", OWN[4])]
    assert_arrive(decap, frames, [bare(packet)] * 3)


def test_plain_traffic_passes_untouched(decap):
    assert_untouched(decap, [
        bare(inner(family, protocol)) for family in (4, 6) for protocol in PROTOCOLS
    ] + [ethernet(4) / internet(4, dst=OWN[4]) / ICMP(), Ether(
        dst=NEXT_HOP_MAC, src=ROUTER_MAC) / ARP(pdst=OWN[4]),
         ethernet(4) / IP(dst=OWN[4], proto=47) / Raw(bytes(inner(4))),
         ethernet(6) / IPv6(dst=OWN[6]) / IPv6ExtHdrDestOpt(nh=4) / Raw(bytes(inner(4))),
         Ether(dst=NEXT_HOP_MAC, src=ROUTER_MAC, type=0x1234) / Raw(wrap(inner(4), 4)[14:]),
    ], "not_tunnelled")


def test_outer_fragments_pass(decap):
    header = outer(4, 4, id=9)
    pieces = [ethernet(4) / piece for piece in fragment(header / Raw(bytes(inner(4)) * 20), 400)]
    assert len(pieces) > 2
    odd = [wrap(inner(4), 4, **fields) for fields in ({"flags": "MF"}, {"frag": 1},
                                                     {"frag": 8191})]
    odd += [bytes(ethernet(6) / outer(6, 4, nh=44) / IPv6ExtHdrFragment(nh=4, m=1)
                  / Raw(bytes(inner(4))))]
    assert_untouched(decap, pieces + odd, "not_tunnelled")


def test_only_one_header_comes_off(decap):
    """What is inside of what is inside stays there, and must itself be named."""
    nested = IP(src=NODE[4], dst=SERVICE[4]) / Raw(bytes(inner(4)))
    nested.proto = 4
    assert_arrive(decap, [wrap(nested, 4)], [bare(nested)])
    refused = IP(src=NODE[4], dst=OWN[4], proto=4) / Raw(bytes(inner(4)))
    assert_untouched(decap, [wrap(refused, 4)], "inner_refused")


def set_length(frame, at, family, length):
    frame = bytearray(frame)
    struct.pack_into("!H", frame, at + {4: 2, 6: 4}[family], length)
    return bytes(frame)


@pytest.mark.parametrize("inner_family, outer_family", FORMS)
@pytest.mark.parametrize("fix_length", (False, True))
def test_a_packet_cut_anywhere_passes(decap, inner_family, outer_family, fix_length):
    """Also when the outer header tells the truth and only the inner one does not."""
    whole = wrap(inner(inner_family), outer_family)
    frames = [whole[:length] for length in range(14, len(whole))]
    header = {4: 20, 6: 40}[outer_family]
    if fix_length:
        frames = [set_length(frame, 14, outer_family,
                             len(frame) - 14 - (header if outer_family == 6 else 0))
                  for frame in frames if len(frame) >= 14 + header]
    assert_untouched(decap, frames, "malformed")


@pytest.mark.parametrize("inner_family, outer_family", FORMS)
def test_lying_lengths_pass(decap, inner_family, outer_family):
    whole = wrap(inner(inner_family), outer_family)
    inner_at = 14 + {4: 20, 6: 40}[outer_family]
    outer_room, inner_room = len(whole) - 14, len(whole) - inner_at
    frames = [set_length(whole, 14, outer_family, length) for length in
              (outer_room + 1, 32768, 65535, *([0, 19, 20, 39] if outer_family == 4 else [0, 39]))]
    frames += [set_length(whole, inner_at, inner_family, length) for length in
               (inner_room + 1, 32768, 65535, *([0, 19] if inner_family == 4 else []))]
    # The inner packet fits into the frame, but not into the outer one; the rest is padding.
    frames.append(set_length(whole, 14, outer_family,
                             outer_room - 1 - (40 if outer_family == 6 else 0)))
    assert_untouched(decap, frames, "malformed")


@pytest.mark.parametrize("inner_family, outer_family", FORMS)
def test_wrong_versions_and_header_lengths_pass(decap, inner_family, outer_family):
    whole = bytearray(wrap(inner(inner_family), outer_family))
    inner_at = 14 + {4: 20, 6: 40}[outer_family]
    frames = []
    for at, family in ((14, outer_family), (inner_at, inner_family)):
        wrong = [version << 4 | 5 for version in range(16) if version != family]
        wrong += [0x40 | ihl for ihl in range(5)] if family == 4 else []
        for value in wrong:
            frame = bytearray(whole)
            frame[at] = value
            frames.append(bytes(frame))
    assert_untouched(decap, frames, "malformed")


def test_a_protocol_that_lies_about_what_is_inside_passes(decap):
    frames = [wrap(inner(4), 4, proto=41), wrap(inner(6), 4, proto=4), wrap(inner(4), 6, nh=41),
              wrap(inner(6), 6, nh=4)]
    assert_untouched(decap, frames, "malformed")


def with_tos(family, tos, **fields):
    return inner(family, **{"tos" if family == 4 else "tc": tos}, **fields)


@pytest.mark.parametrize("inner_family, outer_family", FORMS)
def test_congestion_of_the_way_is_told_to_those_who_listen(decap, inner_family, outer_family):
    """Every inner TOS, behind an outer header that met congestion; scapy makes checksums anew."""
    field = "tos" if outer_family == 4 else "tc"
    frames = [wrap(with_tos(inner_family, tos), outer_family, **{field: 0xb8 | CE})
              for tos in range(256)]
    expected = [bare(with_tos(inner_family, tos | CE if tos & CE else tos)) for tos in range(256)]
    assert_arrive(decap, frames, expected)


@pytest.mark.parametrize("inner_family, outer_family", FORMS)
def test_nothing_but_congestion_is_carried_inside(decap, inner_family, outer_family):
    field = "tos" if outer_family == 4 else "tc"
    packets = [with_tos(inner_family, tos) for tos in (0, 1, 2, 3, 0xb8, 0xfd, 0xff)]
    frames = [wrap(packet, outer_family, **{field: tos})
              for packet in packets for tos in (0, 1, 2, 0xb8, 0xfc, 0xfe)]
    assert_arrive(decap, frames, [bare(packet) for packet in packets for _ in range(6)])


def header_checksum(number, tos):
    """Of inner(4) with this id; scapy's checksum over scapy's header, without its slow building."""
    header = bytearray(HEADER)
    header[1] = tos
    struct.pack_into("!H", header, 4, number)
    return checksum(bytes(header))


def test_the_mended_checksum_is_right_at_the_ends_of_its_range(decap):
    edges = {*range(4), *range(0xfffc, 0x10000)}
    numbers = [number for number in range(65536)
               if {header_checksum(number, 1), header_checksum(number, 3)} & edges]
    assert len(numbers) >= 8
    packets = [with_tos(4, 1, id=number) for number in numbers]
    frames = [wrap(packet, 4, tos=CE) for packet in packets]
    assert_arrive(decap, frames, [bare(with_tos(4, CE, id=number)) for number in numbers])


def test_random_packets_keep_a_right_checksum(decap, rng):
    packets, expected = [], []
    for _ in range(500):
        fields = {"id": rng.randrange(65536), "ttl": rng.randrange(256),
                  "src": f"203.0.113.{rng.randrange(256)}"}
        tos = rng.randrange(256) | rng.choice([1, 2, 3])
        packets.append(wrap(with_tos(4, tos, **fields), 4, tos=CE))
        expected.append(bare(with_tos(4, tos | CE, **fields)))
    assert_arrive(decap, packets, expected)


def test_each_reason_of_the_list_is_shown(decap):
    status = decap.show()
    assert [one["reason"] for one in status["reasons"]] == list(reasons.read("LEAT_DECAP_REASONS"))
    assert status["interface"] == FAR
    assert sorted(status["for"]) == sorted([SERVICE[4], SERVICE[6]])
    assert status["from"] == []
    assert set(OWN.values()) <= set(status["own"])


def test_each_reason_of_the_list_is_reached(tunnel):
    tunnel.attach("for", SERVICE[4], "from", "172.16.0.0/16")
    by_reason = {
        "unwrapped": wrap(inner(4), 4),
        "not_tunnelled": bare(inner(4)),
        "not_to_us": wrap(inner(4), 4, dst="198.51.100.99"),
        "inner_refused": wrap(inner(4, dst=OTHER_SERVICE[4]), 4),
        "source_refused": wrap(inner(4), 4, src="10.0.0.1"),
        "malformed": wrap(inner(4), 4)[:40],
    }
    assert list(by_reason) == list(reasons.read("LEAT_DECAP_REASONS"))
    tunnel.exchange(by_reason.values())
    counters = tunnel.counters()
    assert counters.pop("not_tunnelled") >= 1
    assert set(counters.values()) == {1}


def test_attaching_again_replaces(decap):
    old, new = inner(4), inner(4, dst=OTHER_SERVICE[4])
    assert_arrive(decap, [wrap(old, 4)], [bare(old)])
    decap.attach("for", OTHER_SERVICE[4], "from", "172.16.0.0/16")
    status = decap.show()
    assert (status["for"], status["from"]) == ([OTHER_SERVICE[4]], ["172.16.0.0/16"])
    assert decap.counters()["unwrapped"] == 0
    assert_arrive(decap, [wrap(new, 4)], [bare(new)])
    assert_untouched(decap, [wrap(old, 4)], "inner_refused")


@pytest.mark.parametrize("first, second", [("native", "generic"), ("generic", "native")])
def test_attaching_again_may_change_the_mode(tunnel, first, second):
    packet = inner(4)
    for mode in (first, second):
        tunnel.attach("for", SERVICE[4], "mode", mode)
        assert tunnel.show()["mode"] == mode
        assert_arrive(tunnel, [wrap(packet, 4)], [bare(packet)])


def test_attaching_again_lets_nothing_through_wrapped(decap):
    """One program takes the other's place; there is no moment without."""
    frames, expected = [wrap(inner(4), 4)] * 32, [bare(inner(4))] * 32
    for _ in range(5):
        again = decap.namespace.start(LEAT, "decap", "attach", FAR, "for", SERVICE[4])
        while again.poll() is None:
            assert_arrive(decap, frames, expected)
        assert again.returncode == 0
    assert_arrive(decap, frames, expected)


def test_what_was_attached_stays_when_attaching_again_fails(decap):
    decap.leat("decap", "attach", FAR, "for", "nonsense", check=False)
    packet = inner(4)
    assert_arrive(decap, [wrap(packet, 4)], [bare(packet)])


def test_detaching_stops_it(decap):
    frame = wrap(inner(4), 4)
    decap.leat("decap", "detach", FAR)
    assert_arrive(decap, [frame], [frame])
    assert_error(decap, 1, "decap", "show", FAR)
    assert json.loads(decap.leat("-j", "decap", "show").stdout) == []
    assert "prog" not in decap.namespace.run("ip", "link", "show", "dev", FAR).stdout
    decap.attach("for", SERVICE[4])
    assert_arrive(decap, [frame], [bare(inner(4))])


def assert_error(tunnel, status, *arguments):
    """On stderr for people; under -j one object, and nothing else, on stdout."""
    plain = tunnel.leat(*arguments, check=False)
    assert (plain.returncode, plain.stdout) == (status, ""), plain
    assert plain.stderr.strip()
    done = tunnel.leat("-j", *arguments, check=False)
    assert done.returncode == status, done
    error = json.loads(done.stdout)["error"]
    assert error
    return error


def test_detaching_what_is_not_attached_fails(tunnel):
    assert FAR in assert_error(tunnel, 1, "decap", "detach", FAR)


@pytest.mark.parametrize("command", [("attach", "none0", "for", SERVICE[4]), ("detach", "none0"),
                                     ("show", "none0")])
def test_an_interface_that_is_not_there_fails(tunnel, command):
    assert "none0" in assert_error(tunnel, 1, "decap", *command)


@pytest.mark.parametrize("arguments", [
    (), (FAR,), (FAR, "for"), (FAR, "from", "172.16.0.0/16"), (FAR, SERVICE[4]),
    (FAR, "for", "192.0.2"), (FAR, "for", "192.0.2.256"), (FAR, "for", "192.0.2.0/24"),
    (FAR, "for", "2001:db8::g"), (FAR, "for", "www.example.com"), (FAR, "for", ""),
    (FAR, "for", SERVICE[4], "from", "172.16.0.0/33"),
    (FAR, "for", SERVICE[4], "from", "100::/129"),
    (FAR, "for", SERVICE[4], "from", "172.16.0.0/"), (FAR, "for", SERVICE[4], "from", "x/8"),
    (FAR, "for", SERVICE[4], "from", "172.16.0.0/-1"), (FAR, "for", SERVICE[4], "mode", "fast")])
def test_wrong_words_are_a_usage_error(tunnel, arguments):
    assert_error(tunnel, 2, "decap", "attach", *arguments)
    assert json.loads(tunnel.leat("-j", "decap", "show").stdout) == []


@pytest.mark.parametrize("arguments", [("detach",), ("detach", FAR, FAR), ("show", FAR, FAR)])
def test_a_wrong_number_of_words_is_a_usage_error(tunnel, arguments):
    assert_error(tunnel, 2, "decap", *arguments)


def test_more_addresses_than_there_is_room_for_are_refused(tunnel):
    addresses = [f"2001:db8:9::{i:x}" for i in range(1, 1026)]
    assert "1024" in assert_error(tunnel, 1, "decap", "attach", FAR, "for", *addresses)
    tunnel.attach("for", *addresses[:1024])
    assert len(tunnel.show()["for"]) == 1024


def test_somebody_elses_program_is_left_alone(tunnel):
    attach_passing_program(tunnel.namespace, FAR)
    before = tunnel.namespace.run("ip", "link", "show", "dev", FAR).stdout
    assert "xdp" in before
    assert_error(tunnel, 1, "decap", "attach", FAR, "for", SERVICE[4])
    assert_error(tunnel, 1, "decap", "detach", FAR)
    assert_error(tunnel, 1, "decap", "show", FAR)
    after = tunnel.namespace.run("ip", "link", "show", "dev", FAR).stdout
    assert after == before
