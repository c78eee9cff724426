# SPDX-License-Identifier: GPL-2.0-only
"""QUIC connections of a real library, whose clients change their address in the middle of them."""

import pytest
from deployment import service
from network import SERVICE4, SERVICE6, sources
from quic import PORT, QuicClient, QuicServer
from wait import wait_until

CONNECTIONS = 60
IDS = {"web1": "0a0b0c01", "web2": "0a0b0c02", "web3": "0a0b0c03"}
QUIC = {"cid": "quic-lb", "server_id_length": 4}


def quic_service(forward="l2", address=SERVICE4, **keys):
    return service(forward, address, port=PORT, protocol="udp",
                   **{"quic": QUIC, "_server_ids": IDS, "idle": {"udp": "5s"}, **keys})


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
    events = deployment.leatd.show("stats", "show")["events"]
    return next(one["count"] for one in events if one["event"] == "unknown_quic_id")


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


def test_without_ids_a_change_of_address_breaks_connections(start):
    """What shows that the others are not there by chance."""
    _, client = start(quic_service(quic=None, _server_ids=None))
    first, second = sources(2)
    before = open_connections(client, first)
    after = client.migrate(second)
    assert after.count(None) > CONNECTIONS / 3
    assert all(now in (was, None) for was, now in zip(before, after))
