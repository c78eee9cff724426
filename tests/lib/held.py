# SPDX-License-Identifier: GPL-2.0-only
"""A leatd before three servers, and a client that holds flows to them while something changes."""

from leatd import Leatd
from network import SERVICE4, Network
from programs import PORT, Client, Server

FLOWS = 90
IDLE = "3s"
PROBE = {"type": "tcp", "interval": "200ms", "timeout": "200ms", "rise": 1, "fall": 3}


class Node:
    """The servers are of the network's backends, and called like these."""

    def __init__(self, directory):
        self.directory = directory
        self.network = Network(3)
        self.leatd = Leatd(self.network.edge, directory)
        self.servers = {}
        self.client = None
        self.keys = {}  # of the configuration, outside of its service

    def start(self, **service):
        self.servers = {host.name: Server(host) for host in self.network.backends}
        self.configure(self.servers, **service)
        self.leatd.start()
        self.leatd.wait_until_all_up()

    def configure(self, names, **service):
        hosts = {host.name: host for host in self.network.backends}
        self.leatd.write_config([{
            "name": "web", "address": SERVICE4, "port": PORT, "protocol": "tcp", "forward": "l2",
            "probe": PROBE, "idle": {"tcp": IDLE}, **service,
            "backends": [{"name": name, "address": hosts[name].ipv4} for name in names]}],
            **self.keys)

    def hold_flows(self):
        self.client = Client(self.network.client, self.directory / "client.jsonl", FLOWS,
                             interval="300ms", timeout="6s")
        self.client.wait_for_open(FLOWS)
        self.client.wait_for_exchanges(FLOWS)

    def held_by(self, name):
        return self.client.poll()["backends"][name]

    def backend(self, name):
        return self.leatd.backends().get(name)

    def end_flows(self):
        end = self.client.finish()
        self.client.close()
        return end

    def close(self):
        if self.client:
            self.client.close()
        self.leatd.close()
        self.network.close()
