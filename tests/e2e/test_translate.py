# SPDX-License-Identifier: GPL-2.0-only
"""forward: nat with real clients and servers: the edge node's own addresses are the pool."""

import contextlib
import http.client
import json

import pytest
from deployment import service
from network import SERVICE4, SERVICE6, attach_passing_program, detach_program
from servers import HTTP_PORTS, UDP_PORT
from wait import wait_until

ADDRESSES = {4: SERVICE4, 6: SERVICE6}
every_family = pytest.mark.parametrize("family", (4, 6))
OTHER_PORT = HTTP_PORTS[1]

# A closed port's error comes with the first send, and is seen by the second one.
REFUSED = """
import socket, sys, time
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
flow = socket.socket(family, socket.SOCK_DGRAM)
flow.connect((sys.argv[1], int(sys.argv[2])))
flow.settimeout(5)
flow.send(b"x")
try:
    flow.recv(100)
except ConnectionRefusedError:
    print("refused")
"""


def url(address, path="/"):
    return f"http://[{address}]{path}" if ":" in address else f"http://{address}{path}"


@contextlib.contextmanager
def connection(deployment, address=SERVICE4):
    """One that is held; ask() returns who answers over it."""
    held = http.client.HTTPConnection(address, 80, timeout=10)
    with deployment.client.inside():
        held.connect()

    def ask():
        held.request("GET", "/")
        return held.getresponse().read().decode().strip()

    yield ask
    held.close()


@every_family
def test_a_backend_sees_the_pools_address_and_its_own_port(deploy, family):
    deployment = deploy([service("nat", ADDRESSES[family], _port=OTHER_PORT,
                                 probe={"type": "tcp", "interval": "250ms", "rise": 1})])

    seen, port = deployment.curl(url(ADDRESSES[family], "/from")).stdout.split()

    assert seen == (deployment.edge.ipv6 if family == 6 else deployment.edge.ipv4)
    assert int(port) == OTHER_PORT
    assert deployment.leatd.reason_packets("nat_reply") >= 4


@every_family
def test_a_closed_port_behind_nat_is_told_of(deploy, family):
    deployment = deploy([service("nat", ADDRESSES[family], protocol="udp", port=UDP_PORT + 1,
                                 probe=None)])

    done = deployment.client.run("python3", "-c", REFUSED, ADDRESSES[family], UDP_PORT + 1)

    assert done.stdout.strip() == "refused"


@every_family
def test_a_backend_learns_of_a_narrow_way_to_the_client(deploy, family):
    """The router's error is for the service's address, and goes to whom it is about."""
    deployment = deploy([service("nat", ADDRESSES[family])])
    for server in deployment.servers.values():
        (server.directory / "large").write_bytes(bytes(1 << 20))
    deployment.network.router.namespace.run("ip", "link", "set", "client", "mtu", "1300")

    size = deployment.curl("-o", "/dev/null", "-w", "%{size_download}",
                           url(ADDRESSES[family], "/large")).stdout

    assert int(size) == 1 << 20
    routes = "".join(host.namespace.run("ip", "-6" if family == 6 else "-4", "route", "show",
                                        "cache").stdout for host in deployment.network.backends)
    pool = deployment.edge.ipv6 if family == 6 else deployment.edge.ipv4
    assert pool in routes and "mtu 1300" in routes


@every_family
def test_connections_outlive_a_kill_and_a_restart_of_the_daemon(deploy, family):
    deployment = deploy([service("nat", ADDRESSES[family])])

    with connection(deployment, ADDRESSES[family]) as ask:
        name = ask()
        deployment.leatd.kill()
        assert ask() == name
        deployment.leatd.start()
        deployment.leatd.wait_until_all_up()
        assert ask() == name


def test_a_drained_backend_keeps_its_connections_until_they_end(deploy):
    deployment = deploy([service("nat")])

    with connection(deployment) as ask:
        name = ask()
        deployment.leatd.leat("backend", "drain", name)
        wait_until(lambda: deployment.leatd.states()[name] == "draining", what="a drain")
        assert name not in deployment.send(60).answers
        assert ask() == name
        wait_until(lambda: deployment.leatd.backends()[name]["flows"] > 0, what="counted flows")
        assert not deployment.leatd.backends()[name]["is_drained"]
        assert ask() == name


def test_a_connection_whose_backend_dies_is_reset_and_the_next_one_works(deploy):
    deployment = deploy([service("nat")])

    with connection(deployment) as ask:
        name = ask()
        deployment.servers[name].kill()
        deployment.leatd.wait_for_states(**{name: "down"})
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            ask()
    deployment.send(60).assert_no_failure(at_least=60)


@every_family
def test_weights_change_under_traffic_and_no_request_fails(deploy, family):
    address = ADDRESSES[family]
    deployment = deploy([service("nat", address, scheduler="round-robin" if family == 6
                                 else "hash")])

    with deployment.stream(address) as stream:
        for weight in (300, 10, 0, 100):
            deployment.leatd.leat("backend", "set", "web1", "weight", weight)
            stream.wait_for_more(100)
    stream.result.assert_no_failure(at_least=400)


def test_a_service_goes_over_to_nat_and_back(deploy):
    deployment = deploy([service("l2")])
    for forward in ("nat", "l2"):
        deployment.configure([service(forward)])
        deployment._send_whole_checksums([service(forward)])  # pylint: disable=protected-access
        deployment.leatd.leat("config", "reload")
        deployment.send(60).assert_no_failure(at_least=60)
        sources = {deployment.curl(url(SERVICE4, "/from")).stdout.split()[0] for _ in range(5)}
        assert (sources == {deployment.edge.ipv4}) == (forward == "nat")


def test_how_many_flows_there_are_is_shown(deploy):
    deployment = deploy([service("nat")])

    with connection(deployment) as ask:
        name = ask()
        wait_until(lambda: deployment.leatd.backends()[name]["flows"] > 0, what="counted flows")
        metrics = deployment.leatd.metrics()
        entries = next(float(line.split()[1]) for line in metrics.splitlines()
                       if line.startswith('leat_map_entries{map="nat_flows"}'))
    assert entries >= 2 and entries % 2 == 0
    assert 'leat_packets_total{reason="nat_reply"}' in metrics
    assert "nat" in deployment.leatd.leat("service", "show").stdout


def test_the_edge_nodes_own_connections_work_beside_it(deploy):
    """Over the address that is the pool's, to the very backends."""
    deployment = deploy([service("nat")])
    host = deployment.network.backends[0]

    for _ in range(20):
        done = deployment.edge.namespace.run("curl", "-sS", "-m", "5", f"http://{host.ipv4}/")
        assert done.stdout.strip() == host.name
    deployment.send(60).assert_no_failure(at_least=60)


# Between the router and the edge node's second interface.
LINK = {4: ("192.0.2.249/30", "192.0.2.250/30"), 6: ("2001:db8:5::1/64", "2001:db8:5::2/64")}


@pytest.fixture(name="two_arms")
def make_two_arms():
    """two_arms(deployment): clients' packets come in by eth1, and backends are behind eth0."""
    routers = []

    def add(deployment):
        router, edge = deployment.network.router.namespace, deployment.edge.namespace
        router.ip_batch([f"link add arm type veth peer name eth1 netns {edge.name}",
                         "link set arm up"])
        edge.ip_batch(["link set eth1 up"])
        for near, far in LINK.values():
            nodad = "nodad" if ":" in near else ""
            router.ip_batch([f"addr add {near} dev arm {nodad}"])
            edge.ip_batch([f"addr add {far} dev eth1 {nodad}"])
        router.ip_batch([f"route add {SERVICE4}/32 via {LINK[4][1].split('/')[0]}",
                         f"route add {SERVICE6}/128 via {LINK[6][1].split('/')[0]}"])
        router.run("ethtool", "-K", "arm", "tx", "off")
        attach_passing_program(router, "arm")
        routers.append(router)

    yield add
    for router in routers:
        detach_program(router, "arm")


@every_family
def test_answers_leave_by_the_interface_that_the_client_came_by(deploy, two_arms, family):
    address = ADDRESSES[family]
    deployment = deploy([service("nat", address)])
    two_arms(deployment)
    deployment.configure([service("nat", address)], interfaces=["eth0", "eth1"])
    deployment.leatd.leat("config", "reload")

    deployment.send(100, address).assert_no_failure(at_least=100)

    link = deployment.edge.namespace.run("ip", "-s", "-j", "link", "show", "eth1").stdout
    assert json.loads(link)[0]["stats64"]["rx"]["packets"] >= 300
    assert deployment.curl(url(address, "/from")).stdout.split()[0] == \
        (deployment.edge.ipv6 if family == 6 else deployment.edge.ipv4)


@every_family
def test_an_answer_too_large_for_the_clients_side_is_told_of(deploy, two_arms, family):
    address = ADDRESSES[family]
    deployment = deploy([service("nat", address)])
    two_arms(deployment)
    for namespace, link in ((deployment.network.router.namespace, "arm"),
                            (deployment.edge.namespace, "eth1")):
        namespace.run("ip", "link", "set", link, "mtu", "1400")
    deployment.configure([service("nat", address)], interfaces=["eth0", "eth1"])
    deployment.leatd.leat("config", "reload")
    for server in deployment.servers.values():
        (server.directory / "large").write_bytes(bytes(1 << 20))

    size = deployment.curl("-o", "/dev/null", "-w", "%{size_download}",
                           url(address, "/large")).stdout

    assert int(size) == 1 << 20
    assert deployment.leatd.reason_packets("too_big") > 0
