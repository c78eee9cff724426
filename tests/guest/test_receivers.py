# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's own tunnel devices take packets out that leat has put in, instead of leat-decap."""

import json

from deployment import service
from network import SERVICE4, SERVICE6

GUE_PORT = 6080
REQUESTS = 8

# Every family around every family: a service, the outer header's family, and the device of the
# backends that takes it off, behind the kernel's fou for GUE.
TUNNELS = [
    ("ipip", SERVICE4, 80, 4, "ipip"),
    ("ipip", SERVICE6, 80, 4, "sit"),
    ("ipip", SERVICE4, 8081, 6, "ip6tnl"),
    ("ipip", SERVICE6, 8081, 6, "ip6tnl"),
    ("gue", SERVICE4, 8080, 4, "ipip"),
    ("gue", SERVICE6, 8080, 4, "sit"),
    ("gue", SERVICE4, 8082, 6, "ip6tnl"),
    ("gue", SERVICE6, 8082, 6, "ip6tnl"),
]


def add_devices(host):
    """leat's outer source address is the flow's, so a tunnel's other end is anybody."""
    host.namespace.ip_batch([
        f"link add ipip type ipip local {host.ipv4}",
        f"link add sit type sit local {host.ipv4}",
        f"link add ip6tnl type ip6tnl mode any local {host.ipv6}",
        "link set ipip up", "link set sit up", "link set ip6tnl up"])
    host.namespace.run("modprobe", "-a", "fou", "fou6")
    host.namespace.run("ip", "fou", "add", "port", GUE_PORT, "gue")
    host.namespace.run("ip", "-6", "fou", "add", "port", GUE_PORT, "gue")


def received(deployment, device):
    """By the devices of this name on all backends."""
    total = 0
    for host in deployment.network.backends:
        (link,) = json.loads(host.namespace.run("ip", "-j", "-s", "link", "show", device).stdout)
        total += link["stats64"]["rx"]["packets"]
    return total


def services():
    for forward, address, port, outer, _ in TUNNELS:
        inner = 6 if ":" in address else 4
        yield service(forward, address, name=f"{forward}-{inner}in{outer}", port=port, outer=outer,
                      suffix=f"-ipv{outer}")


def test_the_kernels_tunnel_devices_take_every_packet_out(deploy):
    deployment = deploy(list(services()), backends=2, unwrap=add_devices)

    for forward, address, port, outer, device in TUNNELS:
        url = f"http://[{address}]:{port}/" if ":" in address else f"http://{address}:{port}/"
        before = received(deployment, device)
        answers = deployment.curl("-H", "Connection: close", *[url] * REQUESTS).stdout.split()
        tunnel = f"{url} by {forward} over IPv{outer}"
        assert len(answers) == REQUESTS and set(answers) <= {"web1", "web2"}, tunnel
        assert received(deployment, device) >= before + 4 * REQUESTS, tunnel
