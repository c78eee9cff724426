# SPDX-License-Identifier: GPL-2.0-only
"""What happens to a node is told: in the log, in the list that is kept, and to whoever watches."""

import json
import signal
import subprocess

import pytest
from deployment import FAST_PROBE, Deployment, service
from leatd import LEAT
from wait import wait_until

MAX_WATCHERS = 16


class Watch:
    """`leat event watch` as it runs, and what it has printed so far."""

    def __init__(self, leatd, *words, options=("-j",)):
        self.process = leatd.host.namespace.start(
            LEAT, "-s", leatd.socket, *options, "event", "watch", *words,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def read(self):
        """The next event; waits for it."""
        return json.loads(self.process.stdout.readline())

    def wait_for(self, kind):
        while True:
            event = self.read()
            if event["kind"] == kind:
                return event

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=10)


@pytest.fixture(name="deployment", scope="module")
def make_deployment(tmp_path_factory):
    deployment = Deployment(tmp_path_factory.mktemp("events"), [service(probe=FAST_PROBE)])
    yield deployment
    deployment.close()


def kinds_of(leatd, *words):
    return [event["kind"] for event in leatd.show("event", "show", *words)["events"]]


def watchers_are_there(leatd, count):
    """Whether so many streams are open, by how many more are let in."""
    with leatd.host.namespace.inside():
        found = subprocess.run(["ss", "-xH", "state", "connected"], capture_output=True, text=True,
                               check=True).stdout
    return sum(str(leatd.socket) in line for line in found.splitlines()) >= count


def test_a_watcher_sees_a_backend_die_and_come_back_with_the_reasons(deployment):
    watch = Watch(deployment.leatd, "after", "0")
    started = watch.read()

    deployment.servers["web2"].kill()
    down = watch.wait_for("backend_down")
    deployment.servers["web2"].start()
    up = watch.wait_for("backend_up")

    assert watch.interrupt() == 0
    assert started["number"] == 1
    assert (down["service"], down["backend"], down["level"]) == ("web", "web2", "warning")
    assert down["text"].startswith("web/web2 is down: L4CON")
    assert (up["backend"], up["level"]) == ("web2", "notice")
    assert down["time_ms"] <= up["time_ms"] and down["number"] < up["number"]


def test_what_is_told_is_in_the_log_too(deployment):
    leatd = deployment.leatd
    leatd.leat("backend", "set", "web1", "weight", "50")

    events = leatd.show("event", "show")["events"]

    assert "backend_weight" in [event["kind"] for event in events]
    assert [event["number"] for event in events] == list(range(1, len(events) + 1))
    for event in events:
        assert f"{event['level']}: {event['text']}\n" in leatd.log()
