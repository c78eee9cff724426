# SPDX-License-Identifier: GPL-2.0-only
"""Answers every datagram with "NAME PAYLOAD", from the address that it was sent to. Prints a line
when it listens.

    udp_echo.py NAME PORT ADDRESS...
"""

import selectors
import socket
import sys


def listen(address, port):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_DGRAM)
    listener.bind((address, port))
    return listener


def main(name, port, *addresses):
    selector = selectors.DefaultSelector()
    for address in addresses:
        selector.register(listen(address, int(port)), selectors.EVENT_READ)
    print("listening", flush=True)
    while True:
        for key, _ in selector.select():
            payload, sender = key.fileobj.recvfrom(65536)
            key.fileobj.sendto(name.encode() + b" " + payload, sender)


main(*sys.argv[1:])
