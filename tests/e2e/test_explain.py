# SPDX-License-Identifier: GPL-2.0-only
"""leat explain: what it says is what traffic then meets, and asking changes nothing.

One deployment answers all questions but those that change it.
"""

import itertools
import json
import pathlib
import shutil
import tempfile

import maps
import pytest
from deployment import Deployment, service
from leatd import LEAT
from namespace import PREFIX
from network import SERVICE4, SERVICE6
from servers import UDP_PORT

CLIENT4, CLIENT6 = "203.0.113.9", "2001:db8:3::9"
STRANGER = "203.0.113.66"
fresh_port = itertools.count(41000).__next__  # one that has a connection in TIME_WAIT is taken
SERVICES = [
    service("ipip"),
    service("l2", SERVICE6, suffix="-6", name="six"),
    service("gue", name="gue", port=443),
    service("nat", name="nat", port=8081),
    service("ipip", name="turns", port=8082, scheduler="round-robin"),
    service("ipip", name="echo", port=UDP_PORT, protocol="udp"),
    service("ipip", SERVICE6, suffix="-6", name="limited", port=8081,
            rate={"new": "1/s", "burst": 1}),
    service("ipip", SERVICE6, suffix="-6", name="members", port=8082,
            allow=["2001:db8:3::1/128"]),
]


@pytest.fixture(name="edge", scope="module")
def make_edge():
    directory = pathlib.Path(tempfile.mkdtemp(prefix=PREFIX))
    directory.chmod(0o755)
    deployment = Deployment(directory, SERVICES, deny=[f"{STRANGER}/32"])
    yield deployment
    deployment.close()
    shutil.rmtree(directory)


def leat(deployment, *words, check=True):
    return deployment.edge.namespace.run(LEAT, "-s", deployment.leatd.socket, *words, "pins",
                                         deployment.leatd.pins, check=check)


def explain(deployment, *words):
    return json.loads(leat(deployment, "-j", "explain", *words).stdout)


def endpoint(address, port):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def ask(deployment, port, service_port=80, address=SERVICE4, *words, protocol="tcp"):
    """The story of a packet from this port of the client's address."""
    client = CLIENT6 if ":" in address else CLIENT4
    return explain(deployment, protocol, endpoint(client, port), endpoint(address, service_port),
                   *words)


def request(deployment, port, service_port=80, address=SERVICE4):
    """Who answers a connection from there."""
    scheme = "https" if service_port == 443 else "http"
    done = deployment.curl("-k", "--local-port", str(port), "--interface",
                           CLIENT6 if ":" in address else CLIENT4,
                           f"{scheme}://{endpoint(address, service_port)}/")
    return done.stdout.strip()


@pytest.mark.parametrize("address, port", ((SERVICE4, 80), (SERVICE6, 80), (SERVICE4, 443)))
def test_the_backend_that_is_named_is_the_one_that_answers(edge, address, port):
    for source in (fresh_port() for _ in range(3)):
        story = ask(edge, source, port, address)
        assert (story["verdict"], story["reason"]) == ("tx", "forwarded")
        answered = request(edge, source, port, address)
        assert story["backend"]["name"].removesuffix("-6") == answered
        assert story["choice"]["choice"] == "slot" and not story["slot"]["open"]


def test_no_question_changes_any_map(edge):
    """With no packet on its way, so that nothing else does."""
    leatd = edge.leatd
    known = [fresh_port() for _ in range(3)]
    for source, port in zip(known, (80, 8081, 8082)):
        request(edge, source, port)
    leatd.kill()
    edge.network.fabric.run("ip", "link", "set", "to-edge", "down")
    try:
        before = maps.read(leatd.pins)
        stories = [ask(edge, source, port, SERVICE4, "flags", flags) for source, port, flags in
                   zip(known, (80, 8081, 8082), ("A", "FA", "S"))]
        stories += [ask(edge, fresh_port(), port) for port in (443, 8081, 8082)]
        stories += [ask(edge, fresh_port(), port, SERVICE6) for port in (80, 8081)]
        stories.append(ask(edge, fresh_port(), UDP_PORT, protocol="udp"))
        after = maps.read(leatd.pins)
    finally:
        edge.network.fabric.run("ip", "link", "set", "to-edge", "up")
        leatd.start()
        leatd.wait_until_all_up()
    assert after.keys() == before.keys()
    assert [name for name in after if after[name] != before[name]] == []
    assert all(name in before for name in ("flows", "nat_flows", "half_open", "sources", "clients"))
    assert any(story["noted"] for story in stories)
    assert not any(story["daemon"] for story in stories)
