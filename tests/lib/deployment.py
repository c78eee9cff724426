# SPDX-License-Identifier: GPL-2.0-only
"""All of it together: a network, servers on its backends, and leatd balancing over them.

    deployment = Deployment(directory, [service("l2")], backends=3)
    send_requests(deployment.client, 300).assert_no_failure()
"""

from leatd import LEAT, Leatd
from load import Stream, send_requests
from network import SERVICE4, SERVICE6, Network
from servers import PROBE_PORT, Nginx, UdpEcho
from wait import SLOWNESS

PROBE = {"type": "http", "port": PROBE_PORT, "path": "/healthz",
         "interval": f"{250 * SLOWNESS}ms", "timeout": f"{200 * SLOWNESS}ms", "rise": 1, "fall": 3}
# Where a killed process answers at once, three failures are 0.2 to 0.4 s.
FAST_PROBE = {**PROBE, "interval": f"{100 * SLOWNESS}ms", "timeout": f"{100 * SLOWNESS}ms"}


def service(forward="l2", address=SERVICE4, outer=None, weights=None, suffix="", **keys):
    """
    A service over the first len(weights) backends of the network, or all of them. outer: 4 or 6,
    the family of the backends' addresses; the service's own unless given. suffix: of the backends'
    names, where another service has them by their other addresses. _server_ids: for QUIC, by the
    backends' names.
    """
    return {"name": "web", "address": address, "port": 80, "protocol": "tcp", "forward": forward,
            "probe": PROBE, **keys, "_outer": outer, "_weights": weights, "_suffix": suffix}


def attach_decap(host):
    host.namespace.run(LEAT, "decap", "attach", "eth0", "for", SERVICE4, SERVICE6)


class Deployment:
    def __init__(self, directory, services, backends=3, wait=True, unwrap=attach_decap, **config):
        """wait: until all backends are up. unwrap(host): makes one take packets out of tunnels."""
        self.directory = directory
        self.unwrap = unwrap
        self.network = Network(backends)
        self.leatd = None
        self.is_unwrapping = False
        try:
            self._build(services, config)
            if wait:
                self.leatd.wait_until_all_up()
        except BaseException:
            self.close()
            raise

    def _build(self, services, config):
        self.client, self.edge = self.network.client, self.network.edge
        self.servers = {host.name: Nginx(host, self.directory) for host in self.network.backends}
        if any(one["protocol"] == "udp" for one in services):
            for host in self.network.backends:
                UdpEcho(host)
        self.leatd = Leatd(self.edge, self.directory)
        self._unwrap_where_needed(services)
        self._send_whole_checksums(services)
        self.configure(services, **config)
        self.leatd.start()

    def configure(self, services, **config):
        if any(one["forward"] == "nat" for one in services):
            config = {"nat": {"addresses": [self.edge.ipv4, self.edge.ipv6]}, **config}
        self.leatd.write_config([self._filled_in(one) for one in services], **config)

    def _filled_in(self, one):
        """The service with its backends, in the form that leat.yaml has."""
        outer = one["_outer"] or (6 if ":" in one["address"] else 4)
        weights = one["_weights"] or [100] * len(self.network.backends)
        port = {"port": one["_port"]} if one.get("_port") else {}
        backends = [{"name": host.name + one["_suffix"], "weight": weight,
                     "address": host.ipv6 if outer == 6 else host.ipv4, **port}
                    for host, weight in zip(self.network.backends, weights)]
        for backend in backends if one.get("_server_ids") else ():
            backend["server_id"] = one["_server_ids"][backend["name"]]
        return {**{key: value for key, value in one.items() if key[0] != "_" and value is not None},
                "backends": backends}

    def _unwrap_where_needed(self, services):
        self.is_unwrapping = any(one["forward"] in ("ipip", "gue") for one in services)
        if self.is_unwrapping:
            for host in self.network.backends:
                self.unwrap(host)

    def _send_whole_checksums(self, services):
        """Of what XDP changes, which the kernel then does not complete."""
        if any(one["forward"] == "nat" for one in services):
            for host in self.network.backends:
                host.namespace.run("ethtool", "-K", "eth0", "tx", "off")

    def send(self, requests, address=SERVICE4, **options):
        return send_requests(self.client, requests, address, **options)

    def stream(self, address=SERVICE4, **options):
        return Stream(self.client, address, **options)

    def curl(self, *arguments, check=True):
        return self.client.run("curl", "-sS", "-m", "10", *arguments, check=check)

    def close(self):
        if self.leatd:
            self.leatd.close()
        # Behind a dispatcher, a program that goes with its namespace leaves pins.
        for host in self.network.backends if self.is_unwrapping else ():
            host.namespace.run(LEAT, "decap", "detach", "eth0", check=False)
        self.network.close()
