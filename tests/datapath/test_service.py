# SPDX-License-Identifier: GPL-2.0-only
"""Which service a packet belongs to, and what becomes of packets that belong to none."""

import pytest
from actors import (ALL_FORMS, CLIENT, OTHER_SERVICE, PROTOCOLS, SERVICE, backend, ethernet,
                    packet, service, transport)
from flow_hash import service_entry
from judge import assert_forwarded
from scapy.all import IPv6, Raw

OTHER = {"tcp": "udp", "udp": "tcp"}


def named(name, family, protocol, **keys):
    return service(family, protocol, f"ipip{family}", name=name, **keys)


def reasons(outcomes):
    return [(outcome.verdict, outcome.reason, outcome.service) for outcome in outcomes]


FORWARDED = ("tx", "forwarded", "web")
NOT_OURS = ("pass", "not_ours", None)


@pytest.mark.parametrize("family", (4, 6))
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("order", (1, -1))
def test_an_exact_port_comes_before_any_port(rehearse, family, protocol, order):
    services = [named("exact", family, protocol),
                named("rest", family, protocol, port="any")][::order]
    ports = [80, 1, 79, 81, 8080, 20480, 65535, 0, 80]
    outcomes = rehearse(services, [packet(family, protocol, dport=port) for port in ports])
    assert [outcome.service for outcome in outcomes] == ["exact", *["rest"] * 7, "exact"]
    assert {outcome.reason for outcome in outcomes} == {"forwarded"}


@pytest.mark.parametrize("family", (4, 6))
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_any_port_is_one_address_and_one_protocol(rehearse, family, protocol):
    services = [named("web", family, protocol, port="any")]
    outcomes = rehearse(services, [packet(family, protocol, dport=12345),
                                   packet(family, OTHER[protocol], dport=12345),
                                   packet(family, protocol, dport=12345,
                                          dst=OTHER_SERVICE[family])])
    assert reasons(outcomes) == [FORWARDED, NOT_OURS, NOT_OURS]


@pytest.mark.parametrize("family, protocol, form", ALL_FORMS)
def test_any_port_forwards_exactly(rehearse, family, protocol, form):
    one = service(family, protocol, form, port="any")
    frame = bytes(packet(family, protocol, dport=4711))
    assert_forwarded(rehearse.one([one], frame), frame, one, (CLIENT[family], 40000, 4711))


@pytest.mark.parametrize("family", (4, 6))
def test_the_protocol_distinguishes_services(rehearse, family):
    services = [named("by-tcp", family, "tcp"), named("by-udp", family, "udp")]
    outcomes = rehearse(services, [packet(family, "tcp"), packet(family, "udp")])
    assert [outcome.service for outcome in outcomes] == ["by-tcp", "by-udp"]


@pytest.mark.parametrize("family", (4, 6))
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_is_no_services_passes(rehearse, family, protocol):
    """Rehearsal compares every byte of what passes."""
    outcomes = rehearse([named("web", family, protocol)], [
        packet(family, protocol, dport=81), packet(family, protocol, dport=0),
        packet(family, protocol, dport=0x5000),  # 80 in the wrong byte order
        packet(family, protocol, sport=80, dport=40000), packet(family, OTHER[protocol]),
        packet(family, protocol, dst=OTHER_SERVICE[family]),
        packet(family, protocol, src=SERVICE[family], dst=CLIENT[family]),
        packet(10 - family, protocol), packet(family, protocol)])
    assert reasons(outcomes) == [NOT_OURS] * 8 + [FORWARDED]


def test_addresses_are_compared_to_their_last_bit(rehearse):
    near = {4: ["192.0.2.11", "192.0.2.8", "192.0.3.10", "64.0.2.10"],
            6: ["2001:db8:1::11", "2001:db8:1::1:10", "2001:db8:1:1::10", "3001:db8:1::10",
                "2001:db8:1:0:8000::10"]}
    services = [named("of4", 4, "tcp"), named("of6", 6, "tcp", backends=[backend(6, 6)])]
    frames = [packet(family, dst=address) for family, ones in near.items() for address in ones]
    assert reasons(rehearse(services, frames)) == [NOT_OURS] * len(frames)


def test_the_mapped_form_of_an_ipv4_service_is_no_service(rehearse):
    """IPv6 to ::ffff:192.0.2.10 is no IPv4, and an outer header must not say that it is."""
    frame = (ethernet() / IPv6(src=CLIENT[6], dst="::ffff:192.0.2.10") / transport()
             / Raw(b"data"))
    for port in (80, "any"):
        assert rehearse.one([named("web", 4, "tcp", port=port)], frame).verdict == "pass"


@pytest.mark.parametrize("family, protocol, form", ALL_FORMS)
def test_service_without_backends_drops(rehearse, family, protocol, form):
    services = [service(family, protocol, form, backends=[]),
                service(family, protocol, form, name="other", port="any")]
    outcomes = rehearse(services, [packet(family, protocol), packet(family, protocol, dport=81)])
    assert reasons(outcomes) == [("drop", "no_backend", "web"), ("tx", "forwarded", "other")]
    assert outcomes[0].backend is None


@pytest.mark.parametrize("table", ("rendezvous", "maglev"))
def test_service_whose_backends_weigh_nothing_drops(rehearse, table):
    members = [backend(1, weight=0), backend(2, weight=0)]
    outcome = rehearse.one([service(table=table, backends=members)], packet())
    assert reasons([outcome]) == [("drop", "no_backend", "web")]


def test_no_services_at_all_pass_everything(rehearse):
    frames = [packet(family, protocol) for family, protocol, _ in ALL_FORMS]
    assert reasons(rehearse([], frames)) == [NOT_OURS] * len(frames)


def test_every_one_of_many_services_is_found(rehearse):
    services = [service(name=f"web{port}", port=port, table_size=64) for port in range(1, 101)]
    outcomes = rehearse(services, [packet(dport=port) for port in range(1, 101)])
    assert [outcome.service for outcome in outcomes] == [one["name"] for one in services]


@pytest.mark.parametrize("entry", (0, 8190))
def test_services_whose_search_begins_at_one_entry_are_all_found(rehearse, entry):
    """Also around the end of the table of services; the one behind them is not there."""
    ports = [port for port in range(1, 65536) if service_entry(SERVICE[4], port) == entry][:9]
    *ports, absent = ports
    services = [service(name=f"web{port}", port=port, table_size=64) for port in ports]
    outcomes = rehearse(services, [packet(dport=port) for port in [*ports, absent]])
    assert [outcome.service for outcome in outcomes] == [one["name"] for one in services] + [None]


def test_two_services_share_a_backend(rehearse):
    services = [service(), service(name="tls", port=443)]
    frames = [bytes(packet()), bytes(packet(dport=443))]
    for one, frame, outcome in zip(services, frames, rehearse(services, frames), strict=True):
        assert_forwarded(outcome, frame, one, (CLIENT[4], 40000, one["port"]))
