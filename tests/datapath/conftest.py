# SPDX-License-Identifier: GPL-2.0-only
"""What the datapath's tests share: leat packet run, random numbers with a known seed, a veth."""

import os
import random
import secrets

import pytest
from rehearsal import Rehearsal
from tunnel import Tunnel


def pytest_configure():
    """Debian keeps ip in sbin."""
    os.environ["PATH"] += ":/usr/sbin:/sbin"


def pytest_collection_modifyitems(config, items):
    """With LEAT_TEST_ONE_OF_EACH=N only one of the sets of parameters of each test: the Nth or, of
    fewer, the one that counting round them comes to. For kernels that run under emulation."""
    chosen = os.environ.get("LEAT_TEST_ONE_OF_EACH")
    if not chosen:
        return
    sets = {}
    for item in items:
        sets.setdefault(item.nodeid.split("[")[0], []).append(item)
    kept = {id(one[int(chosen) % len(one)]) for one in sets.values()}
    config.hook.pytest_deselected(items=[item for item in items if id(item) not in kept])
    items[:] = [item for item in items if id(item) in kept]


@pytest.fixture(name="rehearse")
def make_rehearse(tmp_path):
    """rehearse(services, packets, **config): one Outcome a packet."""
    return Rehearsal(tmp_path)


@pytest.fixture(name="rng")
def make_rng():
    """Prints its seed, which pytest shows with a failure; LEAT_TEST_SEED repeats it."""
    seed = int(os.environ.get("LEAT_TEST_SEED") or secrets.randbits(32))
    print(f"LEAT_TEST_SEED={seed}")
    return random.Random(seed)


@pytest.fixture(name="tunnel")
def make_tunnel():
    """A veth pair whose far end is free for leat-decap."""
    tunnel = Tunnel()
    yield tunnel
    tunnel.close()
