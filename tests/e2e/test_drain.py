# SPDX-License-Identifier: GPL-2.0-only
"""Backends that drain, leave and start slowly, under connections that are held all the while."""

import json
import time

import pytest
from held import FLOWS, Node
from wait import wait_until

@pytest.fixture(name="node")
def make_node(directory):
    node = Node(directory)
    yield node
    node.close()


@pytest.mark.parametrize("scheduler", ["hash", "round-robin", "least-connections"])
def test_drain_waits_for_the_flows_that_are_left_and_knows_how_many(node, scheduler):
    node.start(scheduler=scheduler)
    node.hold_flows()

    late = node.leatd.leat("-j", "backend", "drain", "web2", "--wait", "--deadline", "3s",
                           check=False)

    assert late.returncode == 1, late.stdout + late.stderr
    assert "is not drained after 3s" in late.stdout
    (left,) = json.loads(late.stdout)["backends"]
    assert left["flows"] == node.held_by("web2") > FLOWS / 6
    assert not left["is_drained"]
    metric = f'leat_backend_flows{{service="web",backend="web2"}} {left["flows"]}'
    assert metric in node.leatd.metrics()

    end = node.end_flows()
    assert node.client.broken == [] and end["open"] == FLOWS
    done = node.leatd.leat("backend", "drain", "web2", "--wait", "--deadline", "90s", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert node.backend("web2")["flows"] == 0
    assert "web/web2 is drained: no flow is left" in node.leatd.log()


def test_a_backend_that_leaves_the_file_drains_first(node):
    node.start()
    node.hold_flows()
    held = node.held_by("web1")

    node.configure(["web2", "web3"])
    node.leatd.leat("config", "reload")
    node.client.wait_for_exchanges(10 * FLOWS)

    assert node.backend("web1")["leaving"] and node.backend("web1")["state"] == "draining"
    # Also for a daemon that never knew it to be in the file.
    node.leatd.kill()
    node.leatd.start()
    node.client.wait_for_exchanges(10 * FLOWS)
    wait_until(lambda: node.backend("web1")["flows"] == held, what="the count of flows")
    assert node.client.broken == []

    assert node.end_flows()["open"] == FLOWS
    wait_until(lambda: node.backend("web1") is None, 90, "web1's leaving")
    assert "web/web1 has left" in node.leatd.log()


def test_a_backend_that_comes_back_into_the_file_stays(node):
    node.start()
    node.hold_flows()

    node.configure(["web2", "web3"])
    node.leatd.leat("config", "reload")
    node.configure(["web1", "web2", "web3"])
    node.leatd.leat("config", "reload")

    node.leatd.wait_for_states(web1="up")
    assert not node.backend("web1")["leaving"]
    assert node.end_flows()["open"] == FLOWS
    assert node.client.broken == []


def test_reload_now_takes_a_backend_out_at_once(node):
    node.start()
    node.hold_flows()
    held = node.held_by("web1")

    node.configure(["web2", "web3"])
    node.leatd.leat("config", "reload", "--now")

    assert node.backend("web1") is None
    wait_until(lambda: node.client.poll() and len(node.client.broken) >= held,
               what="its flows' end")
    assert {broken["backend"] for broken in node.client.broken} == {"web1"}


def test_a_backend_that_comes_up_starts_slowly(node):
    node.start(slow_start="2s")
    wait_until(lambda: all(one["ramp_percent"] == 100 for one in node.leatd.backends().values()),
               what="the whole weight of all")
    node.hold_flows()
    # Nobody has been up for long enough at the start; from now on, web1 and web3 have.
    node.servers["web2"].kill()
    node.leatd.wait_for_states(web2="down")

    wait_until(lambda: _seconds_up(node) > 2, what="two others that are up for long")
    node.servers["web2"].start()
    node.leatd.wait_for_states(web2="up")

    ramp = node.backend("web2")["ramp_percent"]
    assert 10 <= ramp < 100
    wait_until(lambda: node.backend("web2")["ramp_percent"] > ramp, what="a step")
    wait_until(lambda: node.backend("web2")["ramp_percent"] == 100, what="the last step")
    assert {broken["backend"] for broken in node.client.broken} <= {"web2"}


def _seconds_up(node):
    """Of the backend among the others that has been up for the shortest time."""
    return min(time.time() - one["changed"] for name, one in node.leatd.backends().items()
               if name != "web2")
