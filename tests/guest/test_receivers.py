# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's own tunnel devices take packets out that leat has put in, instead of leat-decap."""

import json

import pytest
from deployment import service
from network import SERVICE4, SERVICE6

# Of every family of the outer header, around every family: service, its port, the outer header's
# family, and the device that takes it off.
TUNNELS = {
    "4in4": (SERVICE4, 80, 4, "ipip"),
    "6in4": (SERVICE6, 8081, 4, "sit"),
    "4in6": (SERVICE4, 8081, 6, "ip6tnl"),
    "6in6": (SERVICE6, 80, 6, "ip6tnl"),
}


def add_devices(host):
    """leat's outer source address is the flow's, so a tunnel's other end is anybody."""
    host.namespace.ip_batch([
        f"link add ipip type ipip local {host.ipv4}",
        f"link add sit type sit local {host.ipv4}",
        f"link add ip6tnl type ip6tnl mode any local {host.ipv6}",
        "link set ipip up", "link set sit up", "link set ip6tnl up"])


def add_devices_behind_gue(host):
    add_devices(host)
    host.namespace.run("modprobe", "-a", "fou", "fou6")
    host.namespace.run("ip", "fou", "add", "port", 6080, "gue")
    host.namespace.run("ip", "-6", "fou", "add", "port", 6080, "gue")


def received(host, device):
    (link,) = json.loads(host.namespace.run("ip", "-j", "-s", "link", "show", device).stdout)
    return link["stats64"]["rx"]["packets"]


@pytest.mark.parametrize("forward, unwrap",
                         [("ipip", add_devices), ("gue", add_devices_behind_gue)],
                         ids=("ipip", "gue"))
def test_the_kernels_tunnel_devices_take_every_packet_out(deploy, forward, unwrap):
    deployment = deploy([service(forward, address, name=name, port=port, outer=outer,
                                 suffix=f"-ipv{outer}")
                         for name, (address, port, outer, _) in TUNNELS.items()],
                        backends=2, unwrap=unwrap)

    for address, port, _, device in TUNNELS.values():
        before = [received(host, device) for host in deployment.network.backends]
        result = deployment.send(20, address, port=port)
        result.assert_no_failure(at_least=20)
        assert len(result.answers) == 2
        for host, packets in zip(deployment.network.backends, before):
            assert received(host, device) >= packets + 4 * result.answers[host.name]
