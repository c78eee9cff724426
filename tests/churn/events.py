# SPDX-License-Identifier: GPL-2.0-only
"""What can happen to a node under traffic, as data: to whom each kind of event can happen, and how.

A kind's candidates(churn) lists what it could be done to at the moment (none: not now), and
act(churn, candidate) does it. What it needs of the Churn is in churn.py.
"""

import dataclasses
import signal
import time
from typing import Callable

from network import attached_program

WEIGHTS = (25, 50, 100, 200, 400)
# Primes, so that a change of the kind of table is not one of its size too.
TABLE_SIZES = (16381, 65537, 131071)
SCHEDULERS = ("hash", "round-robin", "least-connections")
LEAST_SERVING = 3


@dataclasses.dataclass(frozen=True)
class Kind:
    candidates: Callable
    act: Callable


def serving(churn):
    return [name for name in churn.weights if name not in churn.drained
            and name not in churn.out]


def spare(churn):
    """Backends that serve and that the others can do without."""
    names = serving(churn)
    return names if len(names) > LEAST_SERVING else []


def others(values, current):
    return [value for value in values if value != current]


# Backends


def drain(churn, name):
    churn.drained.add(name)
    churn.leatd.leat("backend", "drain", name)


def undrain(churn, name):
    churn.drained.remove(name)
    churn.leatd.leat("backend", "undrain", name)


def weights_of(parity):
    """An operator's weight goes before the file's, so half of the backends have the one kind."""
    return lambda churn: [(name, weight) for name in serving(churn) if int(name[3:]) % 2 == parity
                          for weight in others(WEIGHTS, churn.weights[name])]


def set_weight(churn, candidate):
    name, weight = candidate
    churn.weights[name] = weight
    churn.leatd.leat("backend", "set", name, "weight", weight)


def write_weight(churn, candidate):
    name, weight = candidate
    churn.weights[name] = weight
    churn.write_config()


def reload_weight(churn, candidate):
    write_weight(churn, candidate)
    churn.reload()


def remove(churn, name):
    del churn.weights[name]
    churn.reload()


def absent(churn):
    return [name for name in churn.servers if name not in churn.weights]


def add(churn, name):
    churn.weights[name] = 100
    churn.reload()
    churn.wait_for_states(**{name: "up"})


def die(churn, name):
    with churn.outage(name, "dead", "down"):
        churn.servers[name].kill()


def unplug(churn, name):
    with churn.outage(name, "unplugged", "down"):
        churn.network.fabric.run("ip", "link", "set", f"to-{name}", "nomaster")


def disable(churn, name):
    with churn.outage(name, "disabled", "disabled"):
        churn.leatd.leat("backend", "disable", name)


def out_by(cause):
    return lambda churn: [name for name, outage in churn.out.items() if outage.cause == cause]


def revive(churn, name):
    with churn.recovery(name):
        churn.servers[name].start()


def plug(churn, name):
    with churn.recovery(name):
        churn.network.fabric.run("ip", "link", "set", f"to-{name}", "master", "br0")


def enable(churn, name):
    with churn.recovery(name):
        churn.leatd.leat("backend", "enable", name)


# The daemon


def always(_):
    return [""]


def kill_and_start(churn, _):
    churn.leatd.kill()
    churn.let_traffic_pass(0.2)
    churn.restart_leatd()


def end_and_start(churn, _):
    assert churn.leatd.terminate() == 0
    churn.let_traffic_pass(0.2)
    churn.restart_leatd()


def kill_and_start_with_weight(churn, candidate):
    churn.leatd.kill()
    write_weight(churn, candidate)
    churn.let_traffic_pass(0.2)
    churn.restart_leatd()


def kill_amid_change(churn, candidate):
    """Whatever the daemon had written of the change by then, the next one goes on from there."""
    write_weight(churn, candidate)
    churn.leatd.process.send_signal(signal.SIGHUP)
    time.sleep(churn.random.uniform(0, 0.03))  # waits for nothing: any moment will do
    churn.leatd.kill()
    churn.restart_leatd()


# The program and the service


def swap_program(churn, has_any_port):
    before = attached_program(churn.network.edge)
    churn.has_any_port = has_any_port
    churn.reload()
    after = attached_program(churn.network.edge)
    assert None not in (before, after) and before != after, "the program was not swapped"


def values_of(key, values):
    return lambda churn: others(values, churn.service_keys.get(key))


def set_key(key):
    def act(churn, value):
        churn.service_keys[key] = value
        churn.reload()
    return act


def set_scheduler(churn, scheduler):
    if scheduler == "hash":
        churn.service_keys.pop("sticky", None)
    set_key("scheduler")(churn, scheduler)


def set_seed(churn, seed):
    churn.top_keys["seed"] = seed
    churn.reload()


def stickies(churn):
    scheduler = churn.service_keys.get("scheduler", "hash")
    return [] if scheduler == "hash" else values_of("sticky", ("30m", None))(churn)


KINDS = {
    "drain": Kind(spare, drain),
    "undrain": Kind(lambda churn: sorted(churn.drained), undrain),
    "weight": Kind(weights_of(0), set_weight),
    "weight-in-file": Kind(weights_of(1), reload_weight),
    "add": Kind(absent, add),
    "remove": Kind(spare, remove),
    "die": Kind(spare, die),
    "revive": Kind(out_by("dead"), revive),
    "unplug": Kind(spare, unplug),
    "plug": Kind(out_by("unplugged"), plug),
    "disable": Kind(spare, disable),
    "enable": Kind(out_by("disabled"), enable),
    "kill": Kind(always, kill_and_start),
    "restart": Kind(always, end_and_start),
    "kill-and-weight": Kind(weights_of(1), kill_and_start_with_weight),
    "kill-amid-change": Kind(weights_of(1), kill_amid_change),
    "swap-program": Kind(lambda churn: [not churn.has_any_port], swap_program),
    "table": Kind(values_of("table", ("rendezvous", "maglev")), set_key("table")),
    "table-size": Kind(values_of("table_size", TABLE_SIZES), set_key("table_size")),
    "hash": Kind(values_of("hash", ("flow", "source")), set_key("hash")),
    "seed": Kind(lambda churn: [f"{churn.random.getrandbits(64):016x}"], set_seed),
    "scheduler": Kind(values_of("scheduler", SCHEDULERS), set_scheduler),
    "sticky": Kind(stickies, set_key("sticky")),
    "slow-start": Kind(values_of("slow_start", ("10s", None)), set_key("slow_start")),
}
