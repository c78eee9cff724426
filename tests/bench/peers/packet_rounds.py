# SPDX-License-Identifier: GPL-2.0-only
"""Packets through each balancer in turn, on this kernel and, where it lacks IPVS, in a guest."""

import os
import pathlib
import statistics
import subprocess

from leatd import BUILD, LEATD
from namespace import stop

HERE = pathlib.Path(__file__).parent
GUEST = HERE.parents[1] / "vm" / "guest"
FLOOD = BUILD / "flood"
FLOOR = "floor"
# Who does the like of it: what leaves as it came, or in another IP packet.
LIKE = {"route": "leat-l2", "nft": "leat-l2", "ipvs-dr": "leat-l2", "ipvs-tunnel": "leat-ipip"}

ROUNDS, PACKETS = 7, 200_000
CONTENDERS = ["floor", "route", "nft", "leat-l2", "leat-ipip"]

# Emulation is slow, and one instruction more or less is all that one run differs from the next.
GUEST_ROUNDS, GUEST_PACKETS = 2, 20_000
GUEST_CONTENDERS = ["floor", "route", "nft", "ipvs-dr", "ipvs-tunnel", "leat-l2", "leat-ipip"]
GUEST_TIMEOUT_S = 900
GUEST_MODULES = ["veth", "sch_ingress", "cls_bpf", "nft_chain_nat", "nft_nat", "nft_hash", "ip_vs",
                 "ip_vs_mh"]
GUEST_PROGRAMS = ["ip", "tc", "ethtool", "nft", "ipvsadm", FLOOD, LEATD, BUILD / "leat"]
# An emulated instruction that fills memory counts once for each byte, or word; a page that is wiped
# before it becomes a packet would cost more than all else.
GUEST_CPU = "max,-erms,-fsrm"
GUEST_APPEND = "init_on_alloc=0 mitigations=off"


def run_script(command, timeout_s):
    """Its standard output. One that is interrupted is told so, and takes down what it made."""
    environment = {**os.environ, "PATH": f"{BUILD}:{os.environ['PATH']}"}
    process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, text=True, env=environment)
    try:
        output, _ = process.communicate(timeout=timeout_s)
    finally:
        stop(process)
    assert process.returncode == 0, f"{command[0]}: exit {process.returncode}\n{output}"
    return output


def parse(output):
    """{(contender, load): [nanoseconds of CPU a packet, ...]}, one for each round."""
    rounds = {}
    for line in output.splitlines():
        contender, load, sent, delivered, ns = line.split()
        assert int(delivered) == int(sent), f"not all packets came through: {line}"
        rounds.setdefault((contender, load), []).append(int(ns) / int(sent))
    return rounds


def own_ns(rounds, contender, load):
    """Each round's cost, less the generator's."""
    return [ns - floor for ns, floor in zip(rounds[contender, load], rounds[FLOOR, load])]


def times_like(rounds, contender, load):
    """How many times what Leat needs for the like of it; None for Leat and the floor."""
    if contender not in LIKE:
        return None
    return statistics.median(own / leat for own, leat in zip(
        own_ns(rounds, contender, load), own_ns(rounds, LIKE[contender], load)))


def summarize(rounds):
    """A row for each load and contender."""
    rows = []
    for (contender, load), ns in rounds.items():
        median = statistics.median(ns)
        rows.append({
            "load": load, "balancer": contender, "ns": median,
            "packets_per_cpu_s": 1e9 / median,
            "own_ns": statistics.median(own_ns(rounds, contender, load)),
            "times_leat": times_like(rounds, contender, load),
        })
    loads = list(dict.fromkeys(row["load"] for row in rows))
    return sorted(rows, key=lambda row: loads.index(row["load"]))


def run():
    return summarize(parse(run_script([HERE / "packets", ROUNDS, PACKETS, *CONTENDERS], 180)))


def dispatcher():
    """libxdp's, which it loads from where its package put it."""
    return next(pathlib.Path("/usr/lib").glob("*/bpf/xdp-dispatcher.o"))


def run_in_guest():
    options = ["--icount", 0, "--cpu", GUEST_CPU, "--append", GUEST_APPEND, "--timeout",
               GUEST_TIMEOUT_S, "--file", HERE / "packets", "--file", dispatcher()]
    for module in GUEST_MODULES:
        options += ["--module", module]
    for program in GUEST_PROGRAMS:
        options += ["--program", program]
    command = [GUEST, *options, HERE / "in_guest", HERE / "packets", GUEST_ROUNDS, GUEST_PACKETS,
               *GUEST_CONTENDERS]
    return summarize(parse(run_script(command, GUEST_TIMEOUT_S + 60)))
