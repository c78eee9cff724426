# SPDX-License-Identifier: GPL-2.0-only
"""Edge node, backends and router are in a VLAN: packets come tagged, and go on with the tag."""

import json

from deployment import service
from wait import wait_until

VLAN = 5
DEVICE = f"eth0.{VLAN}"


def move_into_vlan(host, fabric):
    """
    The tag is in the frame, where XDP sees it, and not beside it as between two interfaces that
    leave the work to hardware.
    """
    fabric.run("ethtool", "-K", f"to-{host.name}", "txvlan", "off")
    host.namespace.run("ethtool", "-K", "eth0", "txvlan", "off")
    host.namespace.ip_batch([
        f"addr del {host.ipv4}/24 dev eth0", f"addr del {host.ipv6}/64 dev eth0",
        f"link add link eth0 name {DEVICE} type vlan id {VLAN}", f"link set {DEVICE} up",
        f"addr add {host.ipv4}/24 dev {DEVICE}", f"addr add {host.ipv6}/64 dev {DEVICE} nodad"])


def move_all_into_vlan(network):
    for host in (network.router, network.edge, *network.backends):
        move_into_vlan(host, network.fabric)
    for host in (network.edge, *network.backends):
        host.use_router(network.router)
    network.spread_over(network.edges)


def received(host):
    """Packets with the tag, and without."""
    links = json.loads(host.namespace.run("ip", "-j", "-s", "link", "show").stdout)
    packets = {link["ifname"]: link["stats64"]["rx"]["packets"] for link in links}
    return packets[DEVICE], packets["eth0"] - packets[DEVICE]


def test_tagged_packets_are_forwarded_with_the_tag(deploy):
    deployment = deploy([service("l2")])
    deployment.leatd.terminate()
    move_all_into_vlan(deployment.network)
    deployment.leatd.start()
    deployment.leatd.wait_until_all_up()
    wait_until(lambda: {one["next_hop"]["state"] for one in deployment.leatd.backends().values()}
               == {"resolved"}, what="the next hops in the VLAN")

    before = [received(host) for host in deployment.network.backends]
    result = deployment.send(40)

    result.assert_no_failure(at_least=40)
    assert len(result.answers) == 3
    for host, (tagged, untagged) in zip(deployment.network.backends, before):
        assert received(host)[0] >= tagged + 4 * result.answers[host.name]
        assert received(host)[1] < untagged + result.answers[host.name]
