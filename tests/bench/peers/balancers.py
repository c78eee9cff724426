# SPDX-License-Identifier: GPL-2.0-only
"""One balancer after the other on the same edge node, in front of the same nginx.

`with leat(site) as own_cpu_s:` sets one up, and takes it down again without a trace; own_cpu_s() is
what its own processes have used, in seconds of CPU, or None where the kernel does all the work.
"""

import contextlib

import cpu_time
from deployment import service
from leatd import LEAT, Leatd
from load import send_requests
from namespace import stop
from network import SERVICE4, Network, attach_passing_program, detach_program
from servers import PROBE_PORT, Nginx
from wait import wait_until

BACKENDS = 4
PROBE = {"type": "http", "port": PROBE_PORT, "path": "/healthz", "interval": "1s"}

# The kernel does not forward what belongs to a socket of its own, and HAProxy's closed connections
# are remembered for a minute; so a node that forwards does not look for sockets first.
FORWARDING = {"net__ipv4__ip_forward": 1, "net__ipv4__ip_early_demux": 0}
NOT_FORWARDING = {"net__ipv4__ip_forward": 0, "net__ipv4__ip_early_demux": 1}

NFT_RULES = r"""
table ip balance {{
    chain prerouting {{
        type nat hook prerouting priority dstnat;
        ip daddr {service} tcp dport 80 \
            dnat to jhash ip saddr . tcp sport mod {count} map {{ {map} }}
    }}
}}
"""

HAPROXY_CONFIG = """
global
    maxconn 4096
defaults
    mode tcp
    timeout connect 5s
    timeout client 30s
    timeout server 30s
listen web
    bind {service}:80
    balance roundrobin
    option httpchk GET /healthz
{servers}
"""
HAPROXY_SERVER = "    server {name} {address}:80 check port {probe_port} inter 1s"


def spread(namespace, hosts):
    """Adds a route for the service that spreads flows over hosts."""
    next_hops = [word for host in hosts for word in ("nexthop", "via", host.ipv4)]
    namespace.run("ip", "route", "add", SERVICE4, *next_hops)


class Site:
    """A network with nginx on its backends, and nothing on the edge node yet."""

    def __init__(self, directory):
        self.directory = directory
        self.network = Network(BACKENDS)
        self.edge, self.backends = self.network.edge, self.network.backends
        try:
            self.network.take_frames_from_edge(False)
            for host in (self.network.router, self.edge):
                host.namespace.sysctl(net__ipv4__fib_multipath_hash_policy=1,
                                      net__ipv4__conf__all__send_redirects=0,
                                      net__ipv4__conf__eth0__send_redirects=0)
            for host in self.backends:
                Nginx(host, directory)
        except BaseException:
            self.network.close()
            raise

    def answering(self):
        """The names of those that answer a handful of requests, none of which may fail."""
        result = send_requests(self.network.client, 64)
        result.assert_no_failure(at_least=64)
        return set(result.answers)

    def close(self):
        self.network.close()


@contextlib.contextmanager
def direct(site):
    """Nothing in between: the router spreads flows over the backends."""
    router = site.network.router.namespace
    spread(router, site.backends)
    try:
        yield lambda: None
    finally:
        router.run("ip", "route", "del", SERVICE4)


@contextlib.contextmanager
def route(site):
    """The way past the edge node, and nothing else: its kernel spreads flows over the backends."""
    edge = site.edge.namespace
    edge.sysctl(**FORWARDING)
    spread(edge, site.backends)
    try:
        yield lambda: None
    finally:
        edge.run("ip", "route", "del", SERVICE4)
        edge.sysctl(**NOT_FORWARDING)


@contextlib.contextmanager
def route_xdp(site):
    """As route, and XDP programs that pass everything in the places where Leat has its own."""
    hosts = [site.edge, *site.backends]
    with route(site) as own_cpu_s:
        site.network.take_frames_from_edge(True)
        for host in hosts:
            attach_passing_program(host.namespace, "eth0")
        try:
            yield own_cpu_s
        finally:
            for host in hosts:
                detach_program(host.namespace, "eth0")
            site.network.take_frames_from_edge(False)


@contextlib.contextmanager
def leat(site):
    """Over ipip, with leat decap on the backends, which answer clients directly."""
    backends = [{"name": host.name, "address": host.ipv4} for host in site.backends]
    leatd = Leatd(site.edge, site.directory)
    leatd.write_config([{"name": "web", "address": SERVICE4, "port": 80, "protocol": "tcp",
                         "forward": "ipip", "probe": PROBE, "backends": backends}])
    site.network.take_frames_from_edge(True)
    try:
        for host in site.backends:
            host.namespace.run(LEAT, "decap", "attach", "eth0", "for", SERVICE4)
        leatd.start()
        leatd.wait_until_all_up()
        yield lambda: cpu_time.of_process(leatd.process.pid)
    finally:
        leatd.close()
        for host in site.backends:
            host.namespace.run(LEAT, "decap", "detach", "eth0", check=False)
        site.network.take_frames_from_edge(False)


@contextlib.contextmanager
def nft(site):
    """DNAT by a hash of the flow. Answers return through the edge node, which has to undo it."""
    rules = NFT_RULES.format(service=SERVICE4, count=BACKENDS, map=", ".join(
        f"{i} : {host.ipv4}" for i, host in enumerate(site.backends)))
    edge = site.edge.namespace
    edge.sysctl(**FORWARDING)
    edge.run("nft", "-f", "-", input=rules)
    for host in site.backends:
        host.namespace.run("ip", "route", "add", "203.0.113.0/25", "via", site.edge.ipv4)
    try:
        yield lambda: None
    finally:
        for host in site.backends:
            host.namespace.run("ip", "route", "del", "203.0.113.0/25")
        edge.run("nft", "flush", "ruleset")
        edge.sysctl(**NOT_FORWARDING)


@contextlib.contextmanager
def haproxy(site):
    """In TCP mode: each connection ends there, and another one goes to a backend."""
    config = site.directory / "haproxy.cfg"
    config.write_text(HAPROXY_CONFIG.format(service=SERVICE4, servers="\n".join(
        HAPROXY_SERVER.format(name=host.name, address=host.ipv4, probe_port=PROBE_PORT)
        for host in site.backends)))
    edge = site.edge.namespace
    edge.run("ip", "address", "add", f"{SERVICE4}/32", "dev", "lo")
    with open(site.directory / "haproxy.log", "a", encoding="utf-8") as log:
        process = edge.start("haproxy", "-db", "-f", config, stdout=log, stderr=log)
    try:
        wait_until(lambda: edge.run("curl", "-sf", "-m", "1", f"http://{SERVICE4}/",
                                    check=False).returncode == 0, what="HAProxy")
        yield lambda: cpu_time.of_process(process.pid)
    finally:
        stop(process)
        edge.run("ip", "address", "del", f"{SERVICE4}/32", "dev", "lo")


BALANCERS = {"leat": leat, "nft": nft, "haproxy": haproxy, "route": route, "route-xdp": route_xdp,
             "direct": direct}
