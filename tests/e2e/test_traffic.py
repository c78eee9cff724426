# SPDX-License-Identifier: GPL-2.0-only
"""Real clients and servers through the edge node: every family and every way to forward."""

import json
import sys

import pytest
from deployment import service
from network import SERVICE4, SERVICE6, sources
from servers import LIBRARY, UDP_PORT
from wait import wait_until

WAYS = {
    "l2-ipv4": {"forward": "l2", "address": SERVICE4},
    "l2-ipv6": {"forward": "l2", "address": SERVICE6},
    "ipip-4in4": {"forward": "ipip", "address": SERVICE4, "outer": 4},
    "ipip-6in6": {"forward": "ipip", "address": SERVICE6, "outer": 6},
    "ipip-4in6": {"forward": "ipip", "address": SERVICE4, "outer": 6},
    "ipip-6in4": {"forward": "ipip", "address": SERVICE6, "outer": 4},
    "gue-4in4": {"forward": "gue", "address": SERVICE4, "outer": 4},
    "gue-6in6": {"forward": "gue", "address": SERVICE6, "outer": 6},
    "nat-ipv4": {"forward": "nat", "address": SERVICE4},
    "nat-ipv6": {"forward": "nat", "address": SERVICE6},
}
every_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())


def url(address, port=80):
    return f"http://[{address}]:{port}/" if ":" in address else f"http://{address}:{port}/"


@every_way
def test_requests_are_spread_over_all_backends(deploy, way):
    deployment = deploy([service(**way)])

    result = deployment.send(300, way["address"])

    result.assert_no_failure(at_least=300)
    assert set(result.answers) == {"web1", "web2", "web3"}
    counted = deployment.leatd.backends()
    assert all(backend["packets"] >= 4 * result.answers[name] for name, backend in counted.items())


@every_way
def test_a_large_upload_arrives_whole(deploy, directory, way):
    deployment = deploy([service(**way)])
    upload = directory / "upload"
    upload.write_bytes(bytes(range(256)) * 4096)

    answer = deployment.curl("--data-binary", f"@{upload}", url(way["address"]) + "upload")

    assert answer.stdout.strip() in deployment.servers


@every_way
def test_datagrams_are_echoed_by_the_backend_that_the_flow_is_on(deploy, way):
    deployment = deploy([service(**way, protocol="udp", port=UDP_PORT)])
    client_sources = sources(8, ipv6=":" in way["address"])

    done = deployment.client.run(sys.executable, "-B", LIBRARY / "udp_client.py", way["address"],
                                 UDP_PORT, 3, *client_sources)
    echoes = json.loads(done.stdout)

    assert set(echoes) == set(client_sources)
    for names in echoes.values():
        assert len(names) == 3 and len(set(names)) == 1, echoes
    assert len({names[0] for names in echoes.values()}) > 1, echoes


def test_both_families_and_protocols_work_side_by_side(deploy):
    deployment = deploy([service(), service(name="web6", address=SERVICE6, forward="ipip", outer=4),
                         service(name="echo", protocol="udp", port=UDP_PORT)])

    for address in (SERVICE4, SERVICE6):
        deployment.send(60, address).assert_no_failure(at_least=60)
    deployment.client.run(sys.executable, "-B", LIBRARY / "udp_client.py", SERVICE4, UDP_PORT, 1,
                          *sources(4))


def test_what_is_for_no_service_reaches_the_edge_nodes_own_kernel(deploy):
    deployment = deploy([service()])
    passed_before = deployment.leatd.reason_packets("not_tcp_udp")

    for address in (deployment.edge.ipv4, deployment.edge.ipv6):
        deployment.client.run("ping", "-c", "2", "-i", "0.2", "-W", "2", address)

    assert deployment.leatd.reason_packets("not_tcp_udp") >= passed_before + 4


def test_any_port_of_a_service_without_a_port_is_balanced(deploy):
    deployment = deploy([service(port="any")])

    for port in (80, 8081):
        result = deployment.send(60, port=port)
        result.assert_no_failure(at_least=60)
        assert len(result.answers) > 1


def test_a_service_with_the_port_goes_before_the_one_with_any(deploy):
    deployment = deploy([service(port="any"), service(name="only-web1", port=80, weights=[100])])

    assert set(deployment.send(60, port=80).answers) == {"web1"}
    assert len(deployment.send(60, port=8081).answers) > 1


def test_traffic_follows_a_backend_whose_mac_changes(deploy):
    deployment = deploy([service(weights=[100])])
    deployment.send(20).assert_no_failure()
    old_mac = deployment.leatd.backends()["web1"]["next_hop"]["mac"]

    deployment.network.backends[0].namespace.run(
        "ip", "link", "set", "eth0", "address", "02:00:00:00:00:99")

    wait_until(lambda: deployment.leatd.backends()["web1"]["next_hop"]["mac"]
               == "02:00:00:00:00:99", what=f"a MAC other than {old_mac}")
    deployment.leatd.wait_for_states(web1="up")
    deployment.send(20).assert_no_failure(at_least=20)


def test_a_static_next_hop_is_used_as_it_stands(deploy):
    deployment = deploy([service(weights=[100])], next_hop="02:00:00:00:00:0c")

    assert deployment.leatd.backends()["web1"]["next_hop"]["state"] == "static"
    assert set(deployment.send(20).answers) == {"web2"}
