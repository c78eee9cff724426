# SPDX-License-Identifier: GPL-2.0-only
"""QUIC servers whose connection ids say who issued them, and a client that changes its address: the
programs of tests/quic, over libngtcp2."""

import json
import subprocess

from leatd import BUILD
from network import SERVICE4, SERVICE6
from servers import certificate

PORT = 4433


def built(name):
    """Sanitized binaries are beside the others; there is one of these."""
    return next(path for path in (BUILD / name, BUILD.parent / name) if path.exists())


class QuicServer:
    def __init__(self, host, server_id, config=0):
        self.name = host.name
        self.process = host.namespace.start(
            built("quic-server"), host.name, *certificate(), config, server_id, PORT, SERVICE4,
            SERVICE6, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline(), f"no QUIC server on {host.name}"

    def use(self, server_id, config):
        """What new connection ids are made of."""
        print(config, server_id, file=self.process.stdin, flush=True)
        assert self.process.stdout.readline() == "done\n"


class QuicClient:
    """Each method returns, for each connection, the name of the server that answered, or None."""

    def __init__(self, namespace, address=SERVICE4):
        self.process = namespace.start(built("quic-client"), address, PORT, text=True,
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def _do(self, *command):
        print(*command, file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        assert line, f"the client ended: {self.process.wait()}"
        return json.loads(line)

    def open(self, count, source):
        return self._do("open", count, source)

    def exchange(self):
        return self._do("exchange")

    def migrate(self, source):
        """Over to another address; the former one is lost."""
        return self._do("migrate", source)

    def rebind(self, source):
        """The same, of which the client knows nothing."""
        return self._do("rebind", source)

    def close(self):
        return self._do("close")
