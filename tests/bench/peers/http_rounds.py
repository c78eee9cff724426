# SPDX-License-Identifier: GPL-2.0-only
"""HTTP requests through each balancer in turn, round after round, and what they cost."""

import re
import statistics

import cpu_time
from balancers import BACKENDS, BALANCERS, Site
from network import SERVICE4

ROUNDS = 7
LOAD_S = 1
CONNECTIONS = 32
LOADS = {"close": ["-H", "Connection: close"], "keepalive": []}
FLOOR = "direct"
PER = 100_000  # requests that CPU time is told for


def send(site, options):
    """As many requests as CONNECTIONS can in LOAD_S; returns how many that were, and the time."""
    text = site.network.client.run("wrk", "-t", 1, "-c", CONNECTIONS, "-d", f"{LOAD_S}s", *options,
                                   f"http://{SERVICE4}/").stdout
    assert "Socket errors" not in text and "Non-2xx" not in text, text
    requests, seconds = re.search(r"(\d+) requests in ([0-9.]+)s", text).groups()
    return int(requests), float(seconds)


class Meter:
    """What has been used since it was made, in CPU seconds for so many requests."""

    def __init__(self, cgroup, own_cpu_s):
        self.sources = {
            "cpu_s": lambda: cpu_time.of_cgroup(cgroup) + cpu_time.of_softirq_threads(),
            "machine_cpu_s": cpu_time.of_machine,
            "own_cpu_s": own_cpu_s,
        }
        self.before = {name: source() for name, source in self.sources.items()}

    def read(self, requests):
        return {name: None if self.before[name] is None
                else (source() - self.before[name]) * PER / requests
                for name, source in self.sources.items()}


def measure(site, cgroup, own_cpu_s, options):
    meter = Meter(cgroup, own_cpu_s)
    requests, seconds = send(site, options)
    return {"requests_per_s": requests / seconds, **meter.read(requests)}


def run_round(site, cgroup):
    """{(load, balancer): measurement}"""
    measured = {}
    for name, balancer in BALANCERS.items():
        with balancer(site) as own_cpu_s:
            assert len(site.answering()) == BACKENDS, f"{name} does not balance"
            for load, options in LOADS.items():
                measured[load, name] = measure(site, cgroup, own_cpu_s, options)
    return measured


def median_of(rounds, key, name):
    values = [one[key][name] for one in rounds]
    return None if None in values else statistics.median(values)


def median_ratio(rounds, key, name):
    """Of the rounds' own ratios to the direct way, so that a slow round counts for both."""
    return statistics.median(one[key][name] / one[key[0], FLOOR][name] for one in rounds)


def summarize(rounds):
    """A row for each load and balancer."""
    rows = []
    for load, balancer in rounds[0]:
        key = load, balancer
        rows.append({
            "load": load, "balancer": balancer,
            **{name: median_of(rounds, key, name) for name in rounds[0][key]},
            "requests_ratio": median_ratio(rounds, key, "requests_per_s"),
            "cpu_ratio": median_ratio(rounds, key, "cpu_s"),
        })
    return sorted(rows, key=lambda row: list(LOADS).index(row["load"]))


def run(directory):
    with cpu_time.own_cgroup() as cgroup:
        site = Site(directory)
        try:
            return summarize([run_round(site, cgroup) for _ in range(ROUNDS)])
        finally:
            site.close()
