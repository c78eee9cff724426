# SPDX-License-Identifier: GPL-2.0-only
"""Opens many connections at once while one that is open goes on; prints what that one answered."""

import http.client
import socket
import sys


def answer(connection):
    connection.request("GET", "/")
    return connection.getresponse().read().decode().strip()


def main(address, count):
    goes_on = http.client.HTTPConnection(address, 80, timeout=20)
    before = answer(goes_on)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    others = [socket.socket(family) for _ in range(int(count))]
    for other in others:
        other.setblocking(False)
        other.connect_ex((address, 80))
    for _ in range(20):
        assert answer(goes_on) == before
    print(before)


main(*sys.argv[1:])
