# SPDX-License-Identifier: GPL-2.0-only
"""QUIC by connection id: which backend a datagram goes to whose id was issued by a server, from
whatever address it comes, and what becomes of all others. Expectations are written from RFC 9000
and draft-ietf-quic-load-balancers."""

import secrets

import pytest
from actors import CLIENTS, address, backend, ethernet, internet, packet, service, transport
from judge import assert_forwarded
from scapy.all import IP, ICMP, UDP, Dot1Q, IPv6ExtHdrDestOpt, Raw, fragment

IDS = {"web1": "0a0b0c01", "web2": "0a0b0c02", "web3": "0a0b0c03"}
UNROUTABLE = 7
V1, V2 = 0x00000001, 0x6b3343cf
INITIAL, ZERO_RTT, HANDSHAKE, RETRY = range(4)
TYPES = {V1: (0, 1, 2, 3), V2: (1, 2, 3, 0)}
MANY = 40


def quic(family=4, lengths=4, ids=None, **keys):
    ids = ids or IDS
    outer = 4 if keys.get("form", "ipip4")[-1] == "4" else 6
    servers = [backend(number, outer, server_id=ids[f"web{number}"]) for number in (1, 2, 3)]
    return service(family, "udp", **{
        "form": f"ipip{outer}", "backends": servers,
        "quic": {"cid": "quic-lb", "server_id_length": lengths}, **keys})


def issued(server_id, config=0, nonce=6):
    """A connection id as a server issues it; five bits of its first byte are random."""
    return (bytes([config << 5 | secrets.randbits(5)]) + bytes.fromhex(server_id)
            + secrets.token_bytes(nonce))


def short(cid, rest=20):
    return bytes([0x40 | secrets.randbits(6)]) + cid + secrets.token_bytes(rest)


def long(kind, cid, version=V1, rest=40):
    return (bytes([0xc0 | TYPES[version][kind] << 4]) + version.to_bytes(4, "big")
            + bytes([len(cid)]) + cid + bytes([0]) + secrets.token_bytes(rest))


def from_client(number, payload, family=4, link=None, **fields):
    client = address(CLIENTS[family], number)
    return bytes((link or ethernet()) / internet(family, src=client, **fields)
                 / transport("udp", 1024 + number) / Raw(payload))


def chosen(rehearse, services, frames, **config):
    outcomes = rehearse(services, frames, **config)
    assert {out.reason for out in outcomes} == {"forwarded"}
    return [out.backend for out in outcomes]


def by_hash(rehearse, one, frames):
    """Where they go without a look at their ids."""
    plain = {key: value for key, value in one.items() if key != "quic"}
    plain["backends"] = [{key: value for key, value in server.items() if key != "server_id"}
                         for server in one["backends"]]
    backends = chosen(rehearse, [plain], frames)
    assert len(set(backends)) > 1
    return backends


@pytest.mark.parametrize("family, form", ((4, "ipip4"), (6, "ipip6"), (4, "ipip6"), (6, "l2"),
                                          (4, "gue4")))
def test_a_connection_stays_with_its_server_from_whatever_address(rehearse, family, form):
    if form == "l2":
        one = quic(family, form="l2", backends=[
            backend(number, 6, server_id=IDS[f"web{number}"]) for number in (1, 2, 3)])
    else:
        one = quic(family, form=form)
    for name, server_id in IDS.items():
        frames = [from_client(number, short(issued(server_id)), family)
                  for number in range(1, MANY)]
        outcomes = rehearse([one], frames)
        assert {out.backend for out in outcomes} == {name}
        flow = (address(CLIENTS[family], 1), 1025, 80)
        assert_forwarded(outcomes[0], frames[0], one, flow)


@pytest.mark.parametrize("length", (1, 2, 8, 15))
def test_server_ids_have_any_length_up_to_15(rehearse, length):
    ids = {name: secrets.token_hex(length - 1) + f"{number:02x}"
           for number, name in enumerate(IDS)}
    one = quic(lengths=length, ids=ids)
    for name, server_id in ids.items():
        frames = [from_client(number, short(issued(server_id, nonce=19 - length)))
                  for number in range(1, MANY)]
        assert set(chosen(rehearse, [one], frames)) == {name}


def test_configurations_rotate(rehearse):
    ids = {"web1": {"0": "01", "5": "aaaa"}, "web2": {"0": "02", "5": "bbbb"},
           "web3": {"0": "03", "5": "0102"}}
    one = quic(lengths={"0": 1, "5": 2}, ids=ids)
    for name, both in ids.items():
        for config, server_id in both.items():
            frames = [from_client(number, short(issued(server_id, int(config))))
                      for number in range(1, MANY)]
            assert set(chosen(rehearse, [one], frames)) == {name}


def test_one_server_id_serves_every_configuration(rehearse):
    one = quic(lengths={"0": 4, "1": 4})
    for config in (0, 1):
        frames = [from_client(number, short(issued(IDS["web2"], config)))
                  for number in range(1, MANY)]
        assert set(chosen(rehearse, [one], frames)) == {"web2"}


def test_ids_that_name_nobody_are_hashed(rehearse):
    one = quic()
    ids = [issued("0a0b0c04"), issued(IDS["web1"], 1), issued(IDS["web1"], UNROUTABLE),
           issued(IDS["web1"][2:], nonce=0)]
    frames = [from_client(number, short(cid, 0)) for cid in ids for number in range(1, MANY)]
    assert chosen(rehearse, [one], frames) == by_hash(rehearse, one, frames)


def test_datagrams_too_short_for_an_id_are_hashed(rehearse):
    one, whole = quic(), short(issued(IDS["web1"], nonce=0), 0)
    frames = [from_client(number, whole[:size])
              for size in range(len(whole)) for number in range(1, MANY)]
    assert chosen(rehearse, [one], frames) == by_hash(rehearse, one, frames)
    frames = [from_client(number, whole) for number in range(1, MANY)]
    assert set(chosen(rehearse, [one], frames)) == {"web1"}


def test_padding_behind_the_packet_is_no_id(rehearse):
    one, cid = quic(lengths=1, ids={"web1": "00", "web2": "01", "web3": "02"}), bytes(1)
    frames = [from_client(number, short(cid, 0)) + bytes(12) for number in range(1, MANY)]
    assert chosen(rehearse, [one], frames) == by_hash(rehearse, one, frames)


@pytest.mark.parametrize("version", (V1, V2))
@pytest.mark.parametrize("kind", (INITIAL, ZERO_RTT, RETRY))
def test_what_opens_a_connection_is_hashed(rehearse, kind, version):
    one = quic()
    frames = [from_client(number, long(kind, issued(IDS["web1"]), version))
              for number in range(1, MANY)]
    assert chosen(rehearse, [one], frames) == by_hash(rehearse, one, frames)


@pytest.mark.parametrize("version", (V1, V2))
def test_a_handshake_goes_on_with_its_server(rehearse, version):
    one = quic()
    for name, server_id in IDS.items():
        frames = [from_client(number, long(HANDSHAKE, issued(server_id), version))
                  for number in range(1, MANY)]
        assert set(chosen(rehearse, [one], frames)) == {name}
    cut = issued(IDS["web1"])[:4]
    frames = [from_client(number, long(HANDSHAKE, cut, version)) for number in range(1, MANY)]
    assert chosen(rehearse, [one], frames) == by_hash(rehearse, one, frames)


def test_other_versions_are_hashed(rehearse):
    one = quic()
    frames = [from_client(number, bytes([first]) + version.to_bytes(4, "big") + b"\x0b"
                          + issued(IDS["web1"]) + bytes(20))
              for version in (0, 2, 0xff00001d) for first in (0xc0, 0xd0, 0xe0, 0xf0)
              for number in range(1, MANY)]
    assert chosen(rehearse, [one], frames) == by_hash(rehearse, one, frames)


def test_vlan_tags_extension_headers_and_options_do_not_hide_an_id(rehearse):
    one = quic()
    frames = [from_client(number, short(issued(IDS["web3"])), link=ethernet() / Dot1Q(vlan=5))
              for number in range(1, MANY)]
    frames += [from_client(number, short(issued(IDS["web3"])), options=[b"\x01" * 8])
               for number in range(1, MANY)]
    assert set(chosen(rehearse, [one], frames)) == {"web3"}
    frames = [bytes(ethernet() / internet(6, src=address(CLIENTS[6], number))
                    / IPv6ExtHdrDestOpt() / UDP(sport=1024 + number, dport=80)
                    / Raw(short(issued(IDS["web3"])))) for number in range(1, MANY)]
    assert set(chosen(rehearse, [quic(6, form="ipip6")], frames)) == {"web3"}


def test_fragments_go_where_the_first_ones_id_says(rehearse):
    frames = []
    for number in range(1, MANY):
        whole = (internet(4, src=address(CLIENTS[4], number), id=number)
                 / transport("udp", 1024 + number) / Raw(short(issued(IDS["web2"]), 2000)))
        frames += [bytes(ethernet() / part) for part in fragment(whole, 800)]
    assert set(chosen(rehearse, [quic()], frames)) == {"web2"}


def test_an_error_goes_to_the_flow_that_it_quotes(rehearse):
    """What a server sends has its client's connection id, which says nothing here."""
    one, errors, frames = quic(), [], []
    for number in range(1, MANY):
        quoted = (IP(src="192.0.2.10", dst=address(CLIENTS[4], number))
                  / UDP(sport=80, dport=1024 + number) / Raw(short(issued(IDS["web1"]))))
        errors.append(bytes(ethernet() / internet(src="203.0.113.1") / ICMP(type=3, code=1)
                            / quoted))
        frames.append(from_client(number, b""))
    assert chosen(rehearse, [one], errors) == by_hash(rehearse, one, frames)


def test_services_have_their_own_server_ids(rehearse):
    other = {"web1": IDS["web3"], "web2": IDS["web1"], "web3": IDS["web2"]}
    services = [quic(), quic(name="other", port=81, ids=other), service(
        protocol="udp", name="plain", port=82, backends=[backend(9)])]
    frames = [bytes(packet(protocol="udp", payload=short(issued(IDS["web1"])), dport=port))
              for port in (80, 81, 82)]
    assert chosen(rehearse, services, frames) == ["web1", "web2", "web9"]


def test_a_round_robin_leaves_connections_where_they_are(rehearse):
    frames = [from_client(number, short(issued(IDS["web2"]))) for number in range(1, MANY)]
    one = quic(scheduler="round-robin")
    assert set(chosen(rehearse, [one], frames)) == {"web2"}
    frames = [from_client(number, long(INITIAL, issued(IDS["web2"]))) for number in range(1, MANY)]
    assert set(chosen(rehearse, [one], frames)) == set(IDS)


def test_any_port_has_ids_too(rehearse):
    frames = [bytes(packet(protocol="udp", payload=short(issued(IDS["web2"])), dport=port))
              for port in range(4000, 4000 + MANY)]
    assert set(chosen(rehearse, [quic(port="any")], frames)) == {"web2"}
