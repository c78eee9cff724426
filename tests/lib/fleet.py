# SPDX-License-Identifier: GPL-2.0-only
"""Several nodes with the same configuration behind one router, which spreads flows over them."""

from leatd import Leatd
from network import Network


class Node:
    """An edge node's leatd, with a directory of its own."""

    def __init__(self, network, host, directory):
        self.network = network
        self.host = host
        directory = directory / host.name
        directory.mkdir()
        self.leatd = Leatd(host, directory)

    def start(self, services, **config):
        """Backends count as up until a probe says otherwise; so this opens no slot."""
        self.leatd.write_config(services, **config)
        self.leatd.start()
        self.leatd.wait_until_all_up()

    def packets(self):
        return self.leatd.reason_packets("forwarded")

    def die(self):
        """All at once: no daemon, no program, no link."""
        self.leatd.kill()
        self.network.fabric.run("ip", "link", "set", f"to-{self.host.name}", "nomaster")

    def revive(self):
        """The link is back, and what was attached and pinned is gone, as after a reboot."""
        self.leatd.close()
        self.host.namespace.run("ip", "link", "set", "eth0", "xdpdrv", "off", check=False)
        self.network.fabric.run("ip", "link", "set", f"to-{self.host.name}", "master", "br0")

    def close(self):
        self.leatd.close()


class Fleet:
    def __init__(self, directory, nodes=2, backends=3):
        self.network = Network(backends, edges=nodes)
        self.nodes = []
        try:
            for host in self.network.edges:
                self.nodes.append(Node(self.network, host, directory))
        except BaseException:
            self.close()
            raise

    def spread_over(self, *nodes):
        """The router's next hops from now on; nothing else moves a flow."""
        self.network.spread_over([node.host for node in nodes])

    def close(self):
        try:
            for node in self.nodes:
                node.close()
        finally:
            self.network.close()
