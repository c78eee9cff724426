#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Thousands of connections, a flood, and one random change after the other; no connection breaks.

    churn.py [--size small|full] [--events N] [--kinds KIND,...] [--report FILE]

Real connections across namespaces, through leatd, to servers that name themselves in every answer.
A flow is broken when another backend answers it, when it is reset, or when it is not answered;
it is excused when its own backend did not serve at the time. Prints what happened and a report, and
exits with 1 when a flow broke that nothing excuses, or when a daemon did not find what the one
before it had left. LEAT_TEST_SEED repeats the events of a run.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import random
import secrets
import shutil
import signal
import sys
import tempfile
import time

if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "lib"))

# pylint: disable=wrong-import-position
from events import KINDS
from leatd import LEAT, Leatd
from namespace import PREFIX, stop
from network import SERVICE4, SERVICE6, Network
from outcome import make_report, print_report
from programs import PORT, Client, Flood, Server, ignore_flood
from verdict import Outage

FLOOD_PHASES = (("nothing", 0.1), ("syn", 0.6), ("ack", 1.0))  # up to which part of all events


@dataclasses.dataclass(frozen=True)
class Size:
    flows: int  # over IPv4
    flows6: int  # over IPv6
    short: int  # flows that are closed after each exchange
    datagram: int  # flows over UDP
    interval_s: float  # within which each flow exchanges once
    timeout_s: int  # after which a silent flow is broken
    events: int
    flood: int  # packets a second
    turnover: int = 5  # of 1000 exchanges of a long flow, how many are its last
    seconds: int = 1200  # no client and no flood runs for longer


HOSTS = 7
BACKENDS_AT_START = 5
# Patient, because a machine that is busy with a flood is not a backend that is down.
PROBE = {"type": "tcp", "port": PORT, "interval": "500ms", "timeout": "500ms", "rise": 1, "fall": 5}
SIZES = {
    "small": Size(flows=240, flows6=60, short=20, datagram=30, interval_s=0.5, timeout_s=8,
                  events=12, flood=2000),
    "full": Size(flows=7500, flows6=2500, short=500, datagram=500, interval_s=3, timeout_s=12,
                 events=100, flood=100000),
}


class Churn:
    def __init__(self, directory, size, seed, forward="l2"):
        self.directory = directory
        self.size = size
        self.seed = seed
        self.forward = forward
        self.random = random.Random(seed)
        self.network = Network(HOSTS)
        self.servers, self.clients = {}, []
        self.leatd = self.flood = None
        # What the file says, and what was done besides; events change these.
        self.weights = {f"web{i}": 100 for i in range(1, BACKENDS_AT_START + 1)}
        self.service_keys = {"scheduler": "hash", "hash": "flow", "table": "rendezvous",
                             "table_size": 65537, **self._idle_time()}
        self.top_keys = {}
        self.has_any_port = False
        self.drained, self.out, self.outages = set(), {}, []
        self.history, self.floods, self.problems = [], [], []
        try:
            self._build()
        except BaseException:
            self.close()
            raise

    def _idle_time(self):
        """Some exchanges long, so that slots close while the test runs."""
        idle = f"{max(5, round(4 * self.size.interval_s))}s"
        return {"idle": {"tcp": idle, "udp": idle}}

    def _build(self):
        ignore_flood(self.network)
        for host in self.network.backends:
            self.servers[host.name] = Server(host)
            host.namespace.run(LEAT, "decap", "attach", "eth0", "for", SERVICE4, SERVICE6)
        self.leatd = Leatd(self.network.edge, self.directory)
        self.write_config()
        self.start_leatd()
        self.wait_for_states(**{name: "up" for name in self.weights})

    # The configuration and the daemon

    def _service(self, name, protocol, **keys):
        addresses = {host.name: host.ipv4 for host in self.network.backends}
        backends = [{"name": backend, "address": addresses[backend], "weight": weight}
                    for backend, weight in self.weights.items()]
        service = {"name": name, "address": SERVICE4, "port": PORT, "protocol": protocol,
                   "forward": self.forward, "probe": PROBE, "backends": backends,
                   **self.service_keys, **keys}
        return {key: value for key, value in service.items() if value is not None}

    def write_config(self):
        services = [self._service("web", "tcp"), self._service("echo", "udp"),
                    self._service("web6", "tcp", address=SERVICE6, forward="ipip")]
        if self.has_any_port:
            services.append(self._service("rest", "udp", port="any", probe=None))
        self.leatd.write_config(services, **self.top_keys)

    def reload(self):
        self.write_config()
        self.leatd.leat("config", "reload")

    def start_leatd(self):
        """With --keep, so that ending it is a restart; close() ends it for good."""
        self.leatd.start("--keep")

    def restart_leatd(self):
        """After it has ended, in whatever way. What it left has to be found again."""
        self.start_leatd()
        if not self.leatd.show("node", "show")["reused"]["maps"]:
            self.problems.append(f"{self.history[-1]['kind']}: the maps were not taken over")

    def wait_for_states(self, deadline_s=10, **states):
        for service in ("web", "web6"):
            self.leatd.wait_for_states(service, deadline_s, **states)

    # Time and traffic

    def let_traffic_pass(self, rounds):
        """Until the flows have exchanged so many times on average."""
        tcp = self.clients[0]
        tcp.wait_for_exchanges(round(tcp.flows * rounds))

    @contextlib.contextmanager
    def outage(self, name, cause, state):
        outage = Outage(name, cause, time.monotonic())
        self.outages.append(outage)
        self.out[name] = outage
        yield
        self.wait_for_states(deadline_s=30, **{name: state})
        outage.noticed = time.monotonic()

    @contextlib.contextmanager
    def recovery(self, name):
        self.out.pop(name).ended = time.monotonic()
        yield
        self.wait_for_states(deadline_s=30, **{name: "up"})

    def start_clients(self):
        size = self.size
        options = {"interval": f"{round(size.interval_s * 1000)}ms", "seconds": size.seconds,
                   "timeout": f"{size.timeout_s}s", "turnover": size.turnover,
                   "seed": self.seed % 65536}
        self.clients = [
            Client(self.network.client, self.directory / "tcp.jsonl", size.flows,
                   short=size.short, **options),
            Client(self.network.client, self.directory / "tcp6.jsonl", size.flows6,
                   service=SERVICE6, **options),
            Client(self.network.client, self.directory / "udp.jsonl", size.datagram, udp=True,
                   **options)]
        for client in self.clients:
            client.wait_for_open(client.flows * 0.98)
        self.let_traffic_pass(1)

    # Events

    def run(self, count, kinds):
        self.start_clients()
        for index in range(count):
            self._flood_as_due(index / count)
            self._run_event(index, kinds)
            self.let_traffic_pass(self.random.uniform(0.5, 1.5))
        self._end_flood()
        for client in self.clients:
            client.finish()

    def _run_event(self, index, kinds):
        possible = [(kind, candidates) for kind in kinds
                    if (candidates := KINDS[kind].candidates(self))]
        assert possible, f"none of {kinds} can happen now"
        kind, candidates = self.random.choice(possible)
        candidate = self.random.choice(candidates)
        self.history.append({"time": time.monotonic(), "kind": kind, "what": candidate})
        print(f"  {index + 1:3}  {kind} {candidate}", flush=True)
        KINDS[kind].act(self, candidate)

    def _flood_as_due(self, part):
        kind = next(kind for kind, until in FLOOD_PHASES if part < until)
        if self.flood and self.flood.kind == kind:
            return
        self._end_flood()
        if kind != "nothing" and self.size.flood:
            print(f"       flood of {kind.upper()}", flush=True)
            self.flood = Flood(self.network, kind, self.size.flood, self.size.seconds, self.seed)

    def _end_flood(self):
        if self.flood:
            self.floods.append({"kind": self.flood.kind, **self.flood.end()})
            self.flood = None

    def close(self):
        try:
            for client in self.clients:
                client.close()
            if self.leatd and self.leatd.process:
                self._end_leatd()
            for host in self.network.backends:
                host.namespace.run(LEAT, "decap", "detach", "eth0", check=False)
        finally:
            self.network.close()

    def _end_leatd(self):
        """One that ends without --keep takes the program along; no services can be no error."""
        if self.leatd.process.poll() is None:
            stop(self.leatd.process)
        self.leatd.write_config([])
        self.leatd.start()
        self.leatd.close()


def run(directory, size, seed, events=None, kinds=None, forward="l2"):
    """Returns the report. kinds: names of events, all that are softened unless given."""
    churn = Churn(directory, size, seed, forward)
    try:
        churn.run(events or size.events, kinds or list(KINDS))
        return make_report(churn)
    except AssertionError:
        print(churn.leatd.log(), file=sys.stderr)
        raise
    finally:
        churn.close()


def parse_kinds(text):
    kinds = text.split(",")
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise argparse.ArgumentTypeError(f"no such kinds of events: {', '.join(unknown)}")
    return kinds


def parse_arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", choices=SIZES, default="full")
    parser.add_argument("--events", type=int)
    parser.add_argument("--flood", type=int, help="packets a second")
    parser.add_argument("--kinds", type=parse_kinds, help=", ".join(KINDS))
    parser.add_argument("--forward", choices=("l2", "ipip"), default="l2")
    parser.add_argument("--report", type=pathlib.Path, help="where to write it as JSON")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    for end in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(end, signal.default_int_handler)
    seed = int(os.environ.get("LEAT_TEST_SEED") or secrets.randbits(32))
    size = SIZES[arguments.size]
    if arguments.flood is not None:
        size = dataclasses.replace(size, flood=arguments.flood)
    print(f"LEAT_TEST_SEED={seed}", flush=True)
    directory = pathlib.Path(tempfile.mkdtemp(prefix=PREFIX))
    try:
        report = run(directory, size, seed, arguments.events, arguments.kinds, arguments.forward)
    finally:
        shutil.rmtree(directory)
    print_report(report)
    if arguments.report:
        arguments.report.write_text(json.dumps(report, indent=2) + "\n")
    return 1 if report["broken"] or report["problems"] else 0


if __name__ == "__main__":
    sys.exit(main())
