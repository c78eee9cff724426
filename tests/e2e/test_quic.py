# SPDX-License-Identifier: GPL-2.0-only
"""QUIC connections of a real library, whose clients change their address in the middle of them."""

import json
import time

import pytest
from deployment import service
from fleet import Fleet
from network import SERVICE4, SERVICE6, sources
from quic import PORT, QuicClient, QuicServer
from wait import wait_until

CONNECTIONS = 60
IDS = {"web1": "0a0b0c01", "web2": "0a0b0c02", "web3": "0a0b0c03"}
QUIC = {"cid": "quic-lb", "server_id_length": 4}
IDLE_S = 3


def quic_service(forward="l2", address=SERVICE4, **keys):
    return service(forward, address, port=PORT, protocol="udp",
                   **{"quic": QUIC, "_server_ids": IDS, "idle": {"udp": f"{IDLE_S}s"}, **keys})


@pytest.fixture(name="start")
def make_start(deploy):
    """start(service) makes a deployment with a QUIC server on each backend, and a client."""
    def start(*services, **config):
        deployment = deploy(list(services), **config)
        deployment.quic = {host.name: QuicServer(host, IDS[host.name])
                           for host in deployment.network.backends}
        return deployment, QuicClient(deployment.client, services[0]["address"])
    return start


def open_connections(client, source):
    before = client.open(CONNECTIONS, source)
    assert set(before) == set(IDS), "each server has some of them"
    return before


def unknown_ids(deployment):
    return next(one["count"] for one in deployment.leatd.show("stats", "show")["flow_events"]
                if one["event"] == "unknown_quic_id")


def reload(deployment, *services, now=False):
    deployment.configure(services)
    deployment.leatd.leat("config", "reload", *["--now"] * now)


@pytest.mark.parametrize("forward, address", (("l2", SERVICE4), ("ipip", SERVICE4),
                                              ("l2", SERVICE6), ("gue", SERVICE6)))
def test_connections_survive_changes_of_their_clients_address(start, forward, address):
    deployment, client = start(quic_service(forward, address))
    first, second, third, fourth = sources(4, ipv6=address == SERVICE6)
    before = open_connections(client, first)
    assert client.migrate(second) == before
    assert client.exchange() == before
    assert client.migrate(third) == before
    assert client.rebind(fourth) == before
    assert client.exchange() == before
    assert unknown_ids(deployment) == 0


@pytest.mark.parametrize("move", (QuicClient.migrate, QuicClient.rebind))
def test_without_ids_a_change_of_address_breaks_connections(start, move):
    """What shows that the others are not there by chance."""
    _, client = start(quic_service(quic=None, _server_ids=None))
    first, second = sources(2)
    before = open_connections(client, first)
    after = move(client, second)
    assert after.count(None) > CONNECTIONS / 3
    assert all(now in (was, None) for was, now in zip(before, after))


def test_a_round_robin_has_connections_that_survive_it_too(start):
    _, client = start(quic_service(scheduler="round-robin"))
    first, second = sources(2)
    before = open_connections(client, first)
    assert client.migrate(second) == before


def test_configurations_rotate_under_connections(start):
    """The new one comes to the nodes first; old ids are known until nobody has any."""
    deployment, client = start(quic_service())
    first, second, third, fourth = sources(4)
    old = open_connections(client, first)
    new_ids = {name: f"{number:016x}" for number, name in enumerate(IDS)}
    both = {name: {"0": IDS[name], "5": new_ids[name]} for name in IDS}
    reload(deployment, quic_service(
        quic={**QUIC, "server_id_length": {"0": 4, "5": 8}}, _server_ids=both))
    for name, server in deployment.quic.items():
        server.use(new_ids[name], 5)
    # Ids that were issued before are of configuration 0, those of new connections are not.
    both_kinds = old + client.open(CONNECTIONS, first)[CONNECTIONS:]
    assert client.migrate(second) == both_kinds
    assert client.migrate(third) == both_kinds
    client.close()
    new = open_connections(client, first)
    reload(deployment, quic_service(quic={**QUIC, "server_id_length": {"5": 8}},
                                    _server_ids={name: {"5": new_ids[name]} for name in IDS}))
    assert unknown_ids(deployment) == 0
    assert client.migrate(second) == new
    assert client.rebind(fourth) == new
    assert unknown_ids(deployment) == 0


def test_changes_of_the_node_move_no_connection(start):
    """Drains, weights, another table, and a daemon that is killed and starts anew."""
    deployment, client = start(quic_service())
    first, second, third, fourth = sources(4)
    before = open_connections(client, first)
    leatd = deployment.leatd
    leatd.leat("backend", "drain", "web1")
    assert client.migrate(second) == before
    reload(deployment, quic_service(table_size=8192, _weights=[1, 100, 700]))
    leatd.kill()
    assert client.migrate(third) == before
    leatd.start()
    assert client.exchange() == before
    leatd.leat("backend", "undrain", "web1")
    assert client.rebind(fourth) == before


def test_a_backend_that_leaves_stays_for_its_connections(start):
    """And goes when they have ended, over a daemon that dies meanwhile."""
    deployment, client = start(quic_service())
    first, second, third = sources(3)
    before = open_connections(client, first)
    leatd = deployment.leatd
    two = quic_service()
    two["_weights"] = [100, 100]
    reload(deployment, two)
    assert client.migrate(second) == before
    leatd.kill()
    leatd.start()
    # For longer than the idle time: most of these clients are in slots that web3 never had.
    end = time.monotonic() + 3 * IDLE_S
    while time.monotonic() < end:
        assert client.exchange() == before
        assert leatd.states()["web3"] == "draining"
    wait_until(lambda: leatd.backends()["web3"]["flows"] == before.count("web3"),
               what="each of web3's connections is counted")
    assert client.migrate(third) == before
    client.close()
    wait_until(lambda: "web3" not in leatd.backends(), 30, "web3 goes")
    assert unknown_ids(deployment) == 0


def test_quic_comes_and_goes_with_a_reload(start):
    """Which loads another program; servers issue such ids before the node knows of them."""
    deployment, client = start(quic_service(quic=None, _server_ids=None))
    first, second = sources(2)
    before = open_connections(client, first)
    reload(deployment, quic_service())
    assert client.exchange() == before
    assert client.migrate(second) == before
    assert client.migrate(first) == before
    reload(deployment, quic_service(quic=None, _server_ids=None))
    assert client.migrate(second).count(None) > CONNECTIONS / 3


def test_a_client_may_come_by_another_node(directory):
    """A router spreads by addresses and ports, so that half of the clients that move do."""
    fleet = Fleet(directory)
    try:
        for host in fleet.network.backends:
            QuicServer(host, IDS[host.name])
        for node in fleet.nodes:
            node.start([{"name": "web", "address": SERVICE4, "port": PORT, "protocol": "udp",
                         "forward": "l2", "quic": QUIC, "backends": [
                             {"name": host.name, "address": host.ipv4,
                              "server_id": IDS[host.name]} for host in fleet.network.backends]}])
        client = QuicClient(fleet.network.client)
        before = open_connections(client, sources(1)[0])
        for source in sources(4)[1:]:
            assert client.migrate(source) == before
        assert all(node.packets() > 3 * CONNECTIONS for node in fleet.nodes)
        client.close()
    finally:
        fleet.close()


def test_ids_of_a_backend_that_is_gone_are_counted(start):
    deployment, client = start(quic_service())
    first, second = sources(2)
    before = open_connections(client, first)
    two = quic_service()
    two["_weights"] = [100, 100]
    reload(deployment, two, now=True)
    after = client.migrate(second)
    assert unknown_ids(deployment) > 0
    assert after == [None if name == "web3" else name for name in before]


def test_the_running_configuration_has_server_ids(start):
    deployment, _ = start(quic_service())
    shown = deployment.leatd.show("config", "show")["services"][0]
    assert shown["quic"] == QUIC
    assert {one["name"]: one["server_id"] for one in shown["backends"]} == IDS
    path = deployment.directory / "shown.yaml"
    path.write_text(json.dumps(deployment.leatd.show("config", "show")))
    deployment.leatd.leat("config", "check", path)
