# SPDX-License-Identifier: GPL-2.0-only
"""Who takes part: clients, services, backends, and the packets that clients send.

Words: form is how a service's packets go to its backends: l2, or ipip or gue with the family of the
outer header.
"""

import ipaddress
import itertools
import socket
import struct

from scapy.all import IP, TCP, UDP, Ether, IPv6, Raw

SERVICE = {4: "192.0.2.10", 6: "2001:db8:1::10"}
OTHER_SERVICE = {4: "192.0.2.11", 6: "2001:db8:1::11"}
BACKENDS = {4: "198.51.100.0", 6: "2001:db8:2::"}
CLIENTS = {4: "203.0.113.0", 6: "2001:db8:3::"}
CLIENT = {4: "203.0.113.77", 6: "2001:db8:3::77"}
OUTER_SOURCE = {4: "172.16.0.0/16", 6: "100::/64"}

NODE_MAC = "02:00:00:00:00:e0"
ROUTER_MAC = "02:00:00:00:00:a0"
NEXT_HOP_MAC = "02:00:00:00:00:01"  # packet run's own, when the configuration has none

PROTOCOLS = ("tcp", "udp")
FORMS = ("l2", "ipip4", "ipip6")
ALL_FORMS = list(itertools.product((4, 6), PROTOCOLS, FORMS))
GUE_FORMS = list(itertools.product((4, 6), PROTOCOLS, ("gue4", "gue6")))


def address(base, number):
    return str(ipaddress.ip_address(base) + number)


def backend(number, family=4, **keys):
    return {"name": f"web{number}", "address": address(BACKENDS[family], 10 + number), **keys}


def backends(count, family=4):
    return [backend(number, family) for number in range(1, count + 1)]


def service(family=4, protocol="tcp", form="ipip4", **keys):
    outer = family if form == "l2" else int(form[-1])
    return {"name": "web", "address": SERVICE[family], "port": 80, "protocol": protocol,
            "forward": form.rstrip("46") if form != "l2" else "l2", "table_size": 4096,
            "backends": backends(1, outer), **keys}


def ethernet(**fields):
    return Ether(dst=NODE_MAC, src=ROUTER_MAC, **fields)


def internet(family=4, **fields):
    """An IP header from the client to the service, unless fields say otherwise."""
    fields = {"src": CLIENT[family], "dst": SERVICE[family], **fields}
    return IP(**fields) if family == 4 else IPv6(**fields)


def transport(protocol="tcp", sport=40000, dport=80, **fields):
    return {"tcp": TCP, "udp": UDP}[protocol](sport=sport, dport=dport, **fields)


def packet(family=4, protocol="tcp", payload=b"GET / HTTP/1.1\r\n\r\n", sport=40000, dport=80,
           **ip_fields):
    return (ethernet() / internet(family, **ip_fields) / transport(protocol, sport, dport)
            / Raw(payload))


def octets(text):
    """An address, or the one that a MAC spells, as it stands in a packet."""
    if text.count(":") == 5 and len(text) == 17:
        return bytes.fromhex(text.replace(":", ""))
    return ipaddress.ip_address(text).packed


def quick_packet(flow, protocol=socket.IPPROTO_TCP, to=None):
    """A packet without checksums; 20000 of them by scapy take a minute."""
    source, sport, dport = flow
    source = ipaddress.ip_address(source)
    destination = octets(to or SERVICE[source.version])
    size = 20 if protocol == socket.IPPROTO_TCP else 8
    l4 = struct.pack("!HH", sport, dport) + bytes(size - 4)
    if source.version == 4:
        header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + size, 0, 0, 64, protocol, 0)
    else:
        header = struct.pack("!IHBB", 6 << 28, size, protocol, 64)
    ethertype = b"\x08\x00" if source.version == 4 else b"\x86\xdd"
    return (octets(NODE_MAC) + octets(ROUTER_MAC) + ethertype + header + source.packed
            + destination + l4)


def random_flows(rng, count, family=4):
    """Distinct (source, source port, destination port) of many clients."""
    flows = set()
    bits = 17 if family == 4 else 64
    base = "198.18.0.0" if family == 4 else CLIENTS[6]
    while len(flows) < count:
        flows.add((address(base, rng.getrandbits(bits)), rng.randrange(1024, 65536), 80))
    return sorted(flows)
