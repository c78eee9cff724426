# SPDX-License-Identifier: GPL-2.0-only
"""A veth pair in a namespace: crafted frames go in at one end, and are seen at the other as the
kernel gets them, behind whatever XDP program is there."""

import json
import socket
import struct
import time

from actors import NEXT_HOP_MAC, NODE_MAC, ROUTER_MAC, backend, octets
from namespace import Namespace
from rehearsal import LEAT

NEAR, FAR = "near", "far"
DEADLINE_S = 10
CHUNK = 64  # fewer than the frames that a veth's ring holds
ETH_P_ALL = 3
ETH_P_LOCAL_EXPERIMENT = 0x88b5  # IEEE 802

# The namespace speaks too, but not in their names.
SENDERS = (octets(ROUTER_MAC), octets(NODE_MAC))

OWN = {4: backend(1, 4)["address"], 6: backend(1, 6)["address"]}


def packet_socket(interface):
    end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    end.bind((interface, ETH_P_ALL))
    end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    return end


class Tunnel:
    def __init__(self):
        self.namespace = Namespace("tunnel")
        self.sockets = []
        self.sent = 0
        try:
            self._build()
        except BaseException:
            self.close()
            raise

    def _build(self):
        self.namespace.sysctl(net__ipv6__conf__default__accept_dad=0,
                              net__ipv6__conf__default__router_solicitations=0)
        self.namespace.ip_batch([
            f"link add {NEAR} mtu 2000 type veth peer name {FAR} mtu 2000 address {NEXT_HOP_MAC}",
            f"link set {NEAR} up", f"link set {FAR} up",
            f"addr add {OWN[4]}/24 dev {FAR}", f"addr add {OWN[6]}/64 dev {FAR} nodad"])
        with self.namespace.inside():
            self.sockets = [packet_socket(NEAR), packet_socket(FAR)]

    def leat(self, *arguments, check=True):
        return self.namespace.run(LEAT, *arguments, check=check)

    def attach(self, *arguments):
        return self.leat("decap", "attach", FAR, *arguments)

    def show(self):
        return json.loads(self.leat("-j", "decap", "show", FAR).stdout)[0]

    def counters(self):
        return {one["reason"]: one["packets"] for one in self.show()["reasons"]}

    def exchange(self, frames):
        """What became of each frame; XDP_PASS keeps their number and order."""
        frames = [bytes(frame) for frame in frames]
        arrived = []
        for first in range(0, len(frames), CHUNK):
            arrived += self._exchange_chunk(frames[first:first + CHUNK])
        return arrived

    def _exchange_chunk(self, frames):
        self.sent += 1
        marker = octets(NEXT_HOP_MAC) + octets(ROUTER_MAC) + \
            struct.pack("!HQ", ETH_P_LOCAL_EXPERIMENT, self.sent)
        for frame in [*frames, marker]:
            self.sockets[0].send(frame)
        arrived = []
        end = time.monotonic() + DEADLINE_S
        while not arrived or arrived[-1] != marker:
            self.sockets[1].settimeout(max(0.001, end - time.monotonic()))
            frame, (_, _, kind, _, _) = self.sockets[1].recvfrom(65536)
            if kind != socket.PACKET_OUTGOING and frame[6:12] in SENDERS:
                arrived.append(frame)
        assert len(arrived) == len(frames) + 1
        return arrived[:-1]

    def close(self):
        for end in self.sockets:
            end.close()
        self.namespace.close()
