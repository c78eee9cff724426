# SPDX-License-Identifier: GPL-2.0-only
"""The network that end-to-end tests run in: one client, one router, one edge node, some backends.

    client -- router --+-- edge       The edge node and the backends share a link, a bridge in a
                       |              namespace of its own, so that l2 and ipip both work. Answers
                       +-- web1..N    go from a backend through the router, not the edge node.

There may be several edge nodes (edge, edge2, ...), over which the router spreads flows by ECMP.

    client   203.0.113.0/25 and 2001:db8:3::/64, every address of it (see source_addresses())
    link     203.0.113.128/25 and 2001:db8:4::/64 between client and router
    fabric   198.51.100.0/24 and 2001:db8:2::/64: router .1, edge nodes from .2, backends from .11
    services 192.0.2.0/24 and 2001:db8:1::/64, which the router sends to the edge nodes
"""

import functools
import os
import pathlib
import platform
import subprocess

from namespace import PREFIX, Namespace, shared_directory

SERVICE4 = "192.0.2.10"
SERVICE6 = "2001:db8:1::10"
SERVICES4, SERVICES6 = "192.0.2.0/24", "2001:db8:1::/64"
BUILD = pathlib.Path(__file__).parents[2] / "build"
FABRIC_MTU = 1600  # room for an outer header around a client's 1500 bytes


@functools.cache
def compiled_program(name):
    """The path of a compiled NAME.bpf.c, which is there until this process ends at least."""
    source = pathlib.Path(__file__).parent / f"{name}.bpf.c"
    built = BUILD / "bpf" / f"{name}.bpf.o"
    if built.exists() and built.stat().st_mtime > source.stat().st_mtime:
        return built
    program = shared_directory() / f"{name}.o"
    subprocess.run([os.environ.get("CLANG", "clang"), "-O2", "-g", "-target", "bpf", "-idirafter",
                    f"/usr/include/{platform.machine()}-linux-gnu", "-c",
                    source, "-o", program], check=True)
    return program


def attach_passing_program(namespace, interface):
    """ip(8) could load it too, but leaves directories in the bpffs."""
    pin = f"/sys/fs/bpf/{PREFIX}pass"
    namespace.run("bpftool", "prog", "load", compiled_program("pass"), pin)
    try:
        namespace.run("bpftool", "net", "attach", "xdpdrv", "pinned", pin, "dev", interface)
    finally:
        os.unlink(pin)


def detach_program(namespace, interface):
    namespace.run("ip", "link", "set", interface, "xdpdrv", "off")


def mac_of(number):
    return f"02:00:00:00:00:{number:02x}"


def sources(count, ipv6=False):
    """Addresses that the client may send from."""
    return [f"2001:db8:3::{i:x}" if ipv6 else f"203.0.113.{i}" for i in range(1, count + 1)]


class Host:
    """A namespace on the fabric with one interface, eth0."""

    def __init__(self, role, number):
        self.namespace = Namespace(role)
        self.name = role
        self.ipv4 = f"198.51.100.{number}"
        self.ipv6 = f"2001:db8:2::{number}"
        self.mac = mac_of(number)
        self.namespace.sysctl(net__ipv6__conf__default__accept_dad=0,
                              net__ipv4__conf__all__rp_filter=0,
                              net__ipv4__conf__default__rp_filter=0)
        self.namespace.ip_batch(["link set lo up"])

    def plug_into(self, fabric):
        port = f"to-{self.name}"
        fabric.ip_batch([
            f"link add {port} mtu {FABRIC_MTU} type veth"
            f" peer name eth0 mtu {FABRIC_MTU} address {self.mac} netns {self.namespace.name}",
            f"link set {port} master br0 up"])
        self.namespace.ip_batch([
            "link set eth0 up",
            f"addr add {self.ipv4}/24 dev eth0",
            f"addr add {self.ipv6}/64 dev eth0 nodad"])

    def use_router(self, router):
        self.namespace.ip_batch([f"route replace default via {router.ipv4}",
                                 f"route replace ::/0 via {router.ipv6}"])

    def close(self):
        self.namespace.close()


class Network:
    def __init__(self, backends=3, edges=1):
        self.parts = []
        try:
            self._build(backends, edges)
        except BaseException:
            self.close()
            raise

    def _add(self, part):
        self.parts.append(part)
        return part

    def _build(self, backends, edges):
        self.fabric = self._add(Namespace("fabric"))
        self.fabric.sysctl(net__ipv6__conf__default__disable_ipv6=1)
        # Not every kernel has it; where it is on, every frame of the bridge visits the firewall.
        self.fabric.run("sysctl", "-qew", "net.bridge.bridge-nf-call-iptables=0",
                        "net.bridge.bridge-nf-call-ip6tables=0")
        self.fabric.ip_batch([f"link add br0 mtu {FABRIC_MTU} type bridge mcast_snooping 0",
                              "link set br0 up"])
        self.router = self._add(Host("router", 1))
        self.edges = [self._add(Host(f"edge{i}" if i > 1 else "edge", 1 + i))
                      for i in range(1, edges + 1)]
        self.edge = self.edges[0]
        self.client = self._add(Namespace("client"))
        self.backends = [self._add_backend(i) for i in range(1, backends + 1)]
        self.router.plug_into(self.fabric)
        for edge in self.edges:
            edge.plug_into(self.fabric)
            self.take_frames_from_edge(True, edge)
        self._connect_client()
        self.spread_over(self.edges)
        for host in (*self.edges, *self.backends):
            host.use_router(self.router)

    def take_frames_from_edge(self, is_wanted, edge=None):
        """Frames that XDP sends. A balancer without XDP is spared the program that this takes."""
        port = f"to-{(edge or self.edge).name}"
        if is_wanted:
            attach_passing_program(self.fabric, port)
        else:
            detach_program(self.fabric, port)

    def _add_backend(self, index):
        host = self._add(Host(f"web{index}", 10 + index))
        host.plug_into(self.fabric)
        # The service's addresses are everywhere; nobody but the router's route may say where.
        host.namespace.sysctl(net__ipv4__conf__all__arp_ignore=1,
                              net__ipv4__conf__all__arp_announce=2,
                              net__ipv4__conf__all__arp_notify=1,
                              net__ipv6__conf__all__ndisc_notify=1)
        host.namespace.ip_batch([f"addr add {SERVICE4}/32 dev lo",
                                 f"addr add {SERVICE6}/128 dev lo nodad"])
        return host

    def _connect_client(self):
        client, router = self.client, self.router.namespace
        client.sysctl(net__ipv6__conf__default__accept_dad=0, net__ipv6__ip_nonlocal_bind=1,
                      net__ipv4__conf__default__rp_filter=0)
        client.ip_batch([f"link add eth0 type veth peer name client netns {router.name}",
                         "link set lo up",
                         "link set eth0 up",
                         "addr add 203.0.113.130/25 dev eth0",
                         "addr add 2001:db8:4::2/64 dev eth0 nodad",
                         "route add local 203.0.113.0/25 dev lo",
                         "route add local 2001:db8:3::/64 dev lo",
                         "route add default via 203.0.113.129 src 203.0.113.1"])
        router.sysctl(net__ipv4__ip_forward=1, net__ipv6__conf__all__forwarding=1,
                      net__ipv4__fib_multipath_hash_policy=1,
                      net__ipv6__fib_multipath_hash_policy=1)
        router.ip_batch(["link set client up",
                         "addr add 203.0.113.129/25 dev client",
                         "addr add 2001:db8:4::1/64 dev client nodad",
                         "route add 203.0.113.0/25 via 203.0.113.130",
                         "route add 2001:db8:3::/64 via 2001:db8:4::2"])
        client.ip_batch(["addr add 2001:db8:3::1/128 dev lo nodad",
                         "route add ::/0 via 2001:db8:4::1 src 2001:db8:3::1"])
        # XDP forwards a frame as it is, so its checksum has to be whole when the client sends it.
        client.run("ethtool", "-K", "eth0", "tx", "off")

    def spread_over(self, edges):
        """The router sends what is for the services to these edge nodes, by 5-tuple, at once."""
        hops4 = " ".join(f"nexthop via {edge.ipv4}" for edge in edges)
        hops6 = " ".join(f"nexthop via {edge.ipv6}" for edge in edges)
        self.router.namespace.ip_batch([f"route replace {SERVICES4} {hops4}",
                                        f"route replace {SERVICES6} {hops6}"])

    def close(self):
        for part in reversed(self.parts):
            part.close()
        self.parts.clear()


def attached_program(host):
    """The id of the XDP program on a host's eth0, or None."""
    link = host.namespace.run("ip", "-d", "link", "show", "eth0").stdout
    words = link.replace("\n", " ").split()
    return int(words[words.index("prog/xdp") + 2]) if "prog/xdp" in words else None

