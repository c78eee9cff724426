# SPDX-License-Identifier: GPL-2.0-only
"""Sends datagrams from one port of each source and prints, as JSON, who echoed them.

    udp_client.py ADDRESS PORT COUNT SOURCE...
"""

import json
import socket
import sys

TIMEOUT_S = 5


def echoes(address, port, count, source):
    """The names in the answers to `count` datagrams of one flow."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    names = []
    with socket.socket(family, socket.SOCK_DGRAM) as flow:
        flow.settimeout(TIMEOUT_S)
        flow.bind((source, 20000))
        flow.connect((address, port))
        for number in range(count):
            flow.send(b"ping %d" % number)
            name, _, payload = flow.recv(2048).partition(b" ")
            assert payload == b"ping %d" % number, payload
            names.append(name.decode())
    return names


def main(address, port, count, *sources):
    print(json.dumps({source: echoes(address, int(port), int(count), source)
                      for source in sources}))


main(*sys.argv[1:])
