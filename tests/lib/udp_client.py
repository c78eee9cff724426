# SPDX-License-Identifier: GPL-2.0-only
"""Sends datagrams from one port of each source and prints, as JSON, who echoed them.

    udp_client.py [--size BYTES] ADDRESS PORT COUNT SOURCE...

One whose size makes it come in fragments is sent again until it is echoed: what fits is learnt
from datagrams that were too big.
"""

import argparse
import json
import socket
import sys

TIMEOUT_S = 5
RETRY_S = 0.5
TRIES = 20


def echo(flow, payload, is_retried):
    """The name in the answer to a datagram."""
    for _ in range(TRIES if is_retried else 1):
        try:
            flow.send(payload)
            name, _, echoed = flow.recv(65536).partition(b" ")
        except (socket.timeout, OSError):
            if not is_retried:
                raise
            continue
        assert echoed == payload, echoed
        return name.decode()
    raise TimeoutError(f"{len(payload)} bytes were not echoed")


def echoes(address, port, count, source, size):
    """The names in the answers to `count` datagrams of one flow."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as flow:
        flow.settimeout(RETRY_S if size else TIMEOUT_S)
        flow.bind((source, 20000))
        flow.connect((address, port))
        return [echo(flow, (b"ping %d" % number).ljust(size, b"."), size > 0)
                for number in range(count)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, default=0)
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    parser.add_argument("count", type=int)
    parser.add_argument("sources", nargs="+")
    args = parser.parse_args()
    print(json.dumps({source: echoes(args.address, args.port, args.count, source, args.size)
                      for source in args.sources}))


main()
