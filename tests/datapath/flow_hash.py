# SPDX-License-Identifier: GPL-2.0-only
"""maps/hash.h written a second time, from its description: a flow's slot, and what spreads it."""

import ipaddress
import struct
import sys

DEFAULT_SEED = 0x8f2c51d09b7e4a36
MASK = (1 << 64) - 1
NATIVE = "<" if sys.byteorder == "little" else ">"
PROTOCOL = {"tcp": 6, "udp": 17}


def mix(x):
    for factor in (0xff51afd7ed558ccd, 0xc4ceb9fe1a85ec53):
        x ^= x >> 33
        x = x * factor & MASK
    return x ^ x >> 33


def mapped(text):
    """Sixteen bytes; an IPv4 address is in ::ffff:0:0/96."""
    packed = ipaddress.ip_address(text).packed
    return packed if len(packed) == 16 else bytes(10) + b"\xff\xff" + packed


def service_entry(address, port, protocol="tcp"):
    """Where the search for a service begins in its table, of 8192 entries."""
    halves = struct.unpack(NATIVE + "QQ", mapped(address))
    transport = struct.unpack(NATIVE + "Q", struct.pack("!HB5x", port, PROTOCOL[protocol]))[0]
    start = (halves[0] ^ halves[1]) * 0x9e3779b97f4a7c15 + transport * 0xd1b54a32d192ed03
    return (start & MASK) >> 64 - 13


def service_key(service, seed=DEFAULT_SEED):
    """port: a number, or "any"."""
    halves = struct.unpack(NATIVE + "QQ", mapped(service["address"]))
    port = 0 if service["port"] == "any" else service["port"]
    port = struct.unpack(NATIVE + "H", struct.pack("!H", port))[0]
    key = mix(mix(seed ^ halves[0]) ^ halves[1])
    return mix(key ^ (port << 8 | PROTOCOL[service["protocol"]]))


def flow_hash(key, flow, with_ports=True):
    source, sport, dport = flow
    halves = struct.unpack(NATIVE + "QQ", mapped(source))
    words = struct.unpack(NATIVE + "IIII", mapped(source))
    ports = struct.unpack(NATIVE + "I", struct.pack("!HH", sport, dport))[0] if with_ports else 0
    if ipaddress.ip_address(source).version == 6:
        key = mix(mix(key ^ halves[0]) ^ words[2])
    return mix(key ^ (words[3] << 32 | ports))


def slot(value, table_size):
    return (value >> 32) * table_size >> 32


def spread(value):
    return value & 0xffffffff


def outer_source(value, prefix):
    """The address in a prefix whose host bits, as far as the last word has them, are the flow's."""
    network = ipaddress.ip_network(prefix)
    bits = int.from_bytes(struct.pack(NATIVE + "I", spread(value)), "big")
    return str(network.network_address + (bits & int(network.hostmask) & 0xffffffff))


def flow_label(value):
    return spread(value) >> 12
