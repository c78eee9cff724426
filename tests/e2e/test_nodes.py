# SPDX-License-Identifier: GPL-2.0-only
"""Two nodes behind a router with ECMP: flows that were opened while no slot was open survive on
whichever node they come to. The nodes share nothing but their configuration."""

import pytest
from fleet import Fleet
from network import SERVICE4
from programs import PORT, Client, Server

FLOWS = 300
PROBE = {"type": "tcp", "interval": "500ms", "timeout": "500ms", "rise": 1, "fall": 5}


@pytest.fixture(name="fleet")
def make_fleet(directory):
    fleet = Fleet(directory)
    try:
        for host in fleet.network.backends:
            Server(host)
        yield fleet
    finally:
        fleet.close()


@pytest.fixture(name="services")
def make_services(fleet):
    return [{"name": "web", "address": SERVICE4, "port": PORT, "protocol": "tcp", "forward": "l2",
             "probe": PROBE, "backends": [{"name": host.name, "address": host.ipv4}
                                          for host in fleet.network.backends]}]


@pytest.fixture(name="nodes")
def make_nodes(fleet, services):
    """Both of them, started, with nothing under way."""
    for node in fleet.nodes:
        node.start(services)
    return fleet.nodes


@pytest.fixture(name="client")
def make_client(fleet, directory):
    """client() opens the flows, all of which stay open."""
    clients = []

    def client():
        clients.append(Client(fleet.network.client, directory / "client.jsonl", FLOWS,
                              interval="500ms", timeout="8s"))
        clients[0].wait_for_open(FLOWS)
        return clients[0]

    yield client
    for one in clients:
        one.close()


def finish(client):
    """The end of a test: every flow exchanges once more, on the backend that it has always had."""
    end = client.finish()
    assert client.broken == []
    assert end["open"] == end["opened"] == FLOWS
    assert len(end["backends"]) == 3


def test_flows_survive_a_node_that_dies(fleet, nodes, client):
    staying, dying = nodes
    flows = client()
    flows.wait_for_exchanges(FLOWS)
    assert staying.packets() > FLOWS / 4 and dying.packets() > FLOWS / 4

    dying.die()
    flows.wait_for_exchanges(FLOWS / 4)
    fleet.spread_over(staying)
    flows.wait_for_exchanges(2 * FLOWS)

    finish(flows)


def test_flows_survive_a_node_that_joins(fleet, nodes, client):
    first, joining = nodes
    fleet.spread_over(first)
    flows = client()
    flows.wait_for_exchanges(FLOWS)
    assert joining.packets() == 0

    fleet.spread_over(first, joining)
    flows.wait_for_exchanges(2 * FLOWS)

    # No flow was opened since, so all of these packets are of flows that the other node had.
    assert joining.packets() > FLOWS / 4
    finish(flows)


def test_flows_survive_nodes_that_are_started_anew_one_after_the_other(
        fleet, nodes, services, client):
    flows = client()

    for node, other in (nodes, reversed(nodes)):
        fleet.spread_over(other)
        flows.wait_for_exchanges(FLOWS)
        assert node.leatd.terminate() == 0
        node.start(services)
        assert node.packets() == 0
        fleet.spread_over(*nodes)
        flows.wait_for_exchanges(2 * FLOWS)
        assert node.packets() > FLOWS / 4

    finish(flows)


def test_nodes_with_different_seeds_break_flows_that_move(fleet, services, client):
    """What leat.yaml(5) says of the seed; and this is what it looks like when flows do break."""
    first, stranger = fleet.nodes
    first.start(services)
    stranger.start(services, seed="0123456789abcdef")
    fleet.spread_over(first)
    flows = client()

    fleet.spread_over(stranger)
    flows.wait_for_exchanges(FLOWS)
    flows.finish()

    # Two in three, give or take.
    assert len(flows.broken) > FLOWS / 2
    assert {broken["reason"] for broken in flows.broken} == {"ECONNRESET"}


def test_a_node_that_starts_amid_a_change_learns_its_history(fleet, nodes, services, client):
    """Its own slots would all be closed, and send older flows to their current backends."""
    first, starting = nodes
    flows = client()
    starting.die()
    fleet.spread_over(first)
    first.leatd.leat("backend", "drain", "web1")
    flows.wait_for_exchanges(FLOWS)

    history = first.leatd.directory / "history.json"
    history.write_text(first.leatd.leat("-j", "node", "export-history").stdout)
    starting.revive()
    starting.start(services)
    starting.leatd.leat("backend", "drain", "web1")
    starting.leatd.leat("node", "import-history", history)
    fleet.spread_over(starting)
    flows.wait_for_exchanges(2 * FLOWS)

    assert starting.packets() > FLOWS
    finish(flows)


def test_without_the_history_such_a_node_breaks_flows(fleet, nodes, services, client):
    first, starting = nodes
    flows = client()
    starting.die()
    fleet.spread_over(first)
    first.leatd.leat("backend", "drain", "web1")
    flows.wait_for_exchanges(FLOWS)

    starting.revive()
    starting.start(services)
    starting.leatd.leat("backend", "drain", "web1")
    fleet.spread_over(starting)
    flows.wait_for_exchanges(FLOWS)
    flows.finish()

    assert {broken["backend"] for broken in flows.broken} == {"web1"}
