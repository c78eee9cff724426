# SPDX-License-Identifier: GPL-2.0-only
"""Which sources are let in, by packets of every shape."""

import pytest
from actors import SERVICE, address, ethernet, internet, packet, service, transport
from judge import assert_forwarded
from scapy.all import (ICMP, IP, TCP, UDP, Dot1Q, ICMPv6EchoRequest, IPv6ExtHdrDestOpt,
                       IPv6ExtHdrFragment, Raw)

FRIEND = {4: "203.0.113.7", 6: "2001:db8:3:1::7"}
STRANGER = {4: "198.18.0.9", 6: "2001:db8:bad::9"}
FRIENDS = ["203.0.113.0/24", "2001:db8:3::/48"]
STRANGERS = ["198.18.0.0/15", "2001:db8:bad::/48"]
every_family = pytest.mark.parametrize("family", (4, 6))


def reasons_of(outcomes):
    return [outcome.reason for outcome in outcomes]


@every_family
def test_who_is_let_in_is_forwarded_as_ever(rehearse, family):
    one = service(family, form=f"ipip{family}", allow=FRIENDS, deny=STRANGERS)
    frame = bytes(packet(family, src=FRIEND[family]))
    outcome = rehearse.one([one], frame, deny=["192.0.2.99", "2001:db8:99::/64"])
    assert_forwarded(outcome, frame, one, (FRIEND[family], 40000, 80))


@every_family
@pytest.mark.parametrize("lists", ({"deny": STRANGERS}, {"allow": FRIENDS}))
def test_a_service_s_lists_are_its_own(rehearse, family, lists):
    services = [service(family, form=f"ipip{family}", **lists),
                service(family, form=f"ipip{family}", name="open", port=81)]
    reason = "denied" if "deny" in lists else "not_allowed"
    outcomes = rehearse(services, [packet(family, src=source[family], dport=port)
                                   for source in (STRANGER, FRIEND) for port in (80, 81)])
    assert reasons_of(outcomes) == [reason, "forwarded", "forwarded", "forwarded"]
    assert (outcomes[0].verdict, outcomes[0].service) == ("drop", "web")


@every_family
def test_the_node_s_list_is_for_every_service(rehearse, family):
    services = [service(family, form=f"ipip{family}", name=f"web{port}", port=port,
                        allow=["0.0.0.0/0", "::/0"]) for port in (80, 81)]
    frames = [packet(family, src=STRANGER[family], dport=port) for port in (80, 81, 82)]
    outcomes = rehearse(services, frames + [packet(family, src=FRIEND[family])], deny=STRANGERS)
    assert reasons_of(outcomes) == ["denied", "denied", "not_ours", "forwarded"]


def test_the_longest_prefix_decides(rehearse):
    one = service(allow=["10.0.0.0/8", "10.1.2.0/24", "10.3.0.0/16"],
                  deny=["10.1.0.0/16", "10.1.2.3", "10.3.0.0/16"])
    expected = {"10.0.0.1": "forwarded", "10.1.0.1": "denied", "10.1.2.1": "forwarded",
                "10.1.2.3": "denied", "10.3.0.1": "denied", "11.0.0.1": "not_allowed"}
    outcomes = rehearse([one], [packet(src=source) for source in expected])
    assert reasons_of(outcomes) == list(expected.values())


@pytest.mark.parametrize("lists, four, six", (
    ({"deny": ["::/0"]}, "forwarded", "denied"),
    ({"deny": ["0.0.0.0/0"]}, "denied", "forwarded"),
    ({"deny": ["::/64"]}, "forwarded", "forwarded"),
    ({"allow": ["::/0"]}, "not_allowed", "forwarded"),
    ({"allow": ["0.0.0.0/0"]}, "forwarded", "not_allowed"),
))
def test_a_prefix_is_of_one_family(rehearse, lists, four, six):
    services = [service(4, **lists), service(6, form="ipip4", name="web6", **lists)]
    assert reasons_of(rehearse(services, [packet(4), packet(6)])) == [four, six]


@every_family
def test_no_shape_of_packet_is_a_way_around(rehearse, family):
    source = {"src": STRANGER[family]}
    tcp = transport()
    frames = [ethernet() / Dot1Q(vlan=5) / internet(family, **source) / tcp]
    if family == 4:
        frames += [ethernet() / internet(flags="MF", **source) / tcp / Raw(bytes(4)),
                   ethernet() / internet(**source) / ICMP() / Raw(b"ping")]
    else:
        frames += [ethernet() / internet(6, **source) / IPv6ExtHdrDestOpt() / tcp,
                   ethernet() / internet(6, **source) / IPv6ExtHdrFragment(m=1, id=3) / tcp
                   / Raw(bytes(4)),
                   ethernet() / internet(6, **source) / ICMPv6EchoRequest(data=b"ping")]
    outcomes = rehearse([service(family, form=f"ipip{family}")], frames, deny=STRANGERS)
    assert reasons_of(outcomes) == ["denied"] * len(frames)


def test_pings_know_only_the_node_s_list(rehearse):
    ping = ethernet() / internet(src=STRANGER[4]) / ICMP() / Raw(b"ping")
    assert rehearse.one([service(deny=STRANGERS)], ping).reason == "echo"
    assert rehearse.one([service()], ping, deny=STRANGERS).reason == "denied"


@pytest.mark.parametrize("lists, reason", (({"deny": STRANGERS}, "denied"),
                                           ({"allow": FRIENDS}, "not_allowed")))
def test_fragments_that_are_hashed_are_judged(rehearse, lists, reason):
    one = service(protocol="udp", fragments="hash", **lists)
    later = ethernet() / internet(src=STRANGER[4], id=7, frag=3, proto=17) / Raw(bytes(24))
    first = ethernet() / internet(src=STRANGER[4], id=8, flags="MF") / UDP(dport=80) \
        / Raw(bytes(16))
    rest = ethernet() / internet(src=STRANGER[4], id=8, frag=3, proto=17) / Raw(bytes(24))
    assert reasons_of(rehearse([one], [later, first, rest])) == [reason] * 3


def test_an_error_is_let_in_as_the_client_that_it_is_about(rehearse):
    """Routers on the way are on nobody's list, and path-MTU discovery needs them."""
    def error(client, router):
        quoted = IP(src=SERVICE[4], dst=client) / TCP(sport=80, dport=40000)
        return ethernet() / internet(src=router) / ICMP(type=3, code=4, nexthopmtu=1400) / quoted
    services = [service(allow=FRIENDS)]
    frames = [error(FRIEND[4], STRANGER[4]), error(STRANGER[4], FRIEND[4])]
    assert reasons_of(rehearse(services, frames)) == ["forwarded", "not_allowed"]


def test_a_list_comes_from_a_file(rehearse, tmp_path):
    path = tmp_path / "deny.txt"
    path.write_text("# strangers\n\n  198.18.0.0/15  # and why\r\n2001:db8:bad::/48\n")
    for lists in ({"services": {"deny": {"file": str(path)}}},
                  {"node": {"deny": {"file": str(path)}}}):
        one = service(**lists.get("services", {}))
        outcomes = rehearse([one], [packet(src=STRANGER[4]), packet(src=FRIEND[4])],
                            **lists.get("node", {}))
        assert reasons_of(outcomes) == ["denied", "forwarded"]


def test_a_hundred_thousand_prefixes(rehearse, tmp_path):
    path = tmp_path / "deny.txt"
    path.write_text("".join(f"{address('100.64.0.0', 2 * number)}/32\n"
                            for number in range(100000)))
    sources = [address("100.64.0.0", number) for number in (0, 1, 2, 99999, 199998, 199999)]
    outcomes = rehearse([service(deny={"file": str(path)})],
                        [packet(src=source) for source in sources])
    assert reasons_of(outcomes) == ["denied", "forwarded", "denied", "forwarded", "denied",
                                    "forwarded"]
