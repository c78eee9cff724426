# SPDX-License-Identifier: GPL-2.0-only
"""What happens to a node is told: in the log, in the list that is kept, and to whoever watches."""

import json
import signal
import socket
import subprocess

import pytest
from deployment import FAST_PROBE, Deployment, service
from leatd import LEAT
from wait import wait_until

MAX_WATCHERS = 16
MAX_EVENTS = 1024
# Two for each between two looks do not push out what nobody has seen yet.
SOURCES = [f"203.0.{i // 250}.{1 + i % 250}" for i in range(400)]


class Watch:
    """`leat event watch` as it runs, and what it has printed so far."""

    def __init__(self, leatd, *words, options=("-j",)):
        self.process = leatd.host.namespace.start(
            LEAT, "-s", leatd.socket, *options, "event", "watch", *words,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def read(self):
        """The next event; waits for it."""
        line = json.loads(self.process.stdout.readline())
        assert "error" not in line, line
        return line

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


class Stream:
    """A stream of events of which nothing has been read yet."""

    def __init__(self, leatd):
        with leatd.host.namespace.inside():
            self.socket = socket.socket(socket.AF_UNIX)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.connect(str(leatd.socket))
        self.socket.sendall(b"GET /v1/events?follow=1 HTTP/1.1\r\nHost: leatd\r\n\r\n")

    def status(self):
        return int(self.socket.recv(4096, socket.MSG_PEEK).split()[1])

    def close(self):
        self.socket.close()


def kinds_of(leatd, *words):
    return [event["kind"] for event in leatd.show("event", "show", *words)["events"]]


def wait_for_place(leatd):
    """Until one more may watch: that clients are gone is seen when something is sent to them."""
    wait_until(lambda: leatd.leat("event", "watch", "after", "0", "count", "1",
                                  check=False).returncode == 0, what="a place for a watcher")


def test_a_watcher_sees_a_backend_die_and_come_back_with_the_reasons(deployment):
    started = deployment.leatd.show("event", "show", "kind", "daemon_started")["events"]
    watch = Watch(deployment.leatd, "after", str(started[0]["number"]))

    deployment.servers["web2"].kill()
    down = watch.wait_for("backend_down")
    deployment.servers["web2"].start()
    up = watch.wait_for("backend_up")

    assert watch.interrupt() == 0
    assert (down["service"], down["backend"], down["level"]) == ("web", "web2", "warning")
    assert down["text"].startswith("web/web2 is down: L")
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


def test_events_can_be_asked_for_by_kind_backend_and_number(deployment):
    leatd = deployment.leatd
    leatd.leat("backend", "drain", "web1")
    leatd.leat("backend", "undrain", "web1")

    drained = leatd.show("event", "show", "kind", "backend_draining", "count", "1")["events"]
    of_backend = leatd.show("event", "show", "backend", "web1", "service", "web")["events"]
    after = leatd.show("event", "show", "after", str(drained[0]["number"]))["events"]

    assert drained[0]["text"] == "web/web1 is draining: drained by the operator"
    assert {event["backend"] for event in of_backend} == {"web1"}
    assert after and after[0]["number"] == drained[0]["number"] + 1
    assert leatd.show("event", "show", "backend", "nosuch")["events"] == []
    assert "no such kind" in leatd.leat("event", "show", "kind", "x", check=False).stderr
    plain = leatd.leat("event", "show", "count", "1", "kind", "backend_draining").stdout
    assert plain.split()[3] == "backend_draining" and plain.count("\n") == 1


def test_a_reload_and_one_that_is_refused_are_told_apart(deployment):
    leatd = deployment.leatd
    last = leatd.show("event", "show")["last"]
    watch = Watch(leatd, "after", str(last))

    leatd.leat("config", "reload")
    assert watch.wait_for("config_reloaded")["text"].startswith("reloaded ")
    good = leatd.config_path.read_text(encoding="utf-8")
    leatd.write_text(good.replace('"native"', '"sideways"'))
    leatd.leat("config", "reload", check=False)
    leatd.write_text(good)

    refused = watch.wait_for("config_refused")
    assert watch.interrupt() == 0
    assert "what ran goes on" in refused["text"] and "sideways" in refused["text"]


def test_an_interface_that_loses_its_link_is_told(deployment):
    leatd = deployment.leatd
    watch = Watch(leatd, "after", str(leatd.show("event", "show")["last"]))

    deployment.edge.namespace.run("ip", "link", "set", "eth0", "down")
    assert watch.wait_for("interface_down")["text"] == "eth0: its link is down"
    deployment.edge.namespace.run("ip", "link", "set", "eth0", "up")
    assert watch.wait_for("interface_up")["level"] == "notice"
    assert watch.interrupt() == 0


def test_a_watcher_ends_by_itself_after_a_count(deployment):
    watch = Watch(deployment.leatd, "after", "0", "count", "2", options=())

    assert watch.process.wait(timeout=10) == 0
    assert [line.split()[0] for line in watch.process.stdout] == ["1", "2"]


def test_a_watcher_hears_that_the_daemon_is_gone(deployment):
    watch = Watch(deployment.leatd, "after", "0", options=())
    assert watch.process.stdout.readline()

    deployment.leatd.kill()
    assert watch.process.wait(timeout=10) == 1
    assert "ended" in watch.process.stderr.read()
    deployment.leatd.start()
    deployment.leatd.wait_until_all_up()


def test_so_many_may_watch_and_places_are_free_again(deployment):
    leatd = deployment.leatd
    streams = [Stream(leatd) for _ in range(MAX_WATCHERS)]
    assert {stream.status() for stream in streams} == {200}

    refused = leatd.leat("event", "watch", check=False)
    assert refused.returncode == 1 and "too many" in refused.stderr
    assert "warning" in kinds_of(leatd, "kind", "warning")

    for stream in streams:
        stream.close()
    wait_for_place(leatd)


def test_one_that_reads_nothing_is_cut_off_and_keeps_nobody_waiting(deployment):
    leatd = deployment.leatd
    wait_for_place(leatd)
    stream = Stream(leatd)
    assert stream.status() == 200
    last = leatd.show("event", "show")["last"]
    watch = Watch(leatd, "kind", "source_denied", "count", str(2 * len(SOURCES)),
                  "after", str(last))

    for _ in range(2):
        for action in "add", "delete":
            assert leatd.request("/v1/denied", "-d", json.dumps(
                {"action": action, "prefixes": SOURCES}))[0] == 200
        assert [watch.read()["text"].split(":")[0] for _ in SOURCES] == \
            [f"{source}/32" for source in SOURCES]

    assert watch.process.wait(timeout=10) == 0
    wait_until(lambda: "cut off" in leatd.log(), deadline_s=30, what="the end of who reads nothing")
    assert leatd.states()["web1"] == "up"
    stream.close()


def test_the_latest_events_are_kept_and_what_was_lost_is_said(deployment):
    leatd = deployment.leatd
    for action in 2 * ("add", "delete"):
        leatd.request("/v1/denied", "-d", json.dumps({"action": action, "prefixes": SOURCES}))

    kept = leatd.show("event", "show")
    assert len(kept["events"]) == MAX_EVENTS and kept["lost"] == kept["last"] - MAX_EVENTS > 0
    assert leatd.leat("event", "show").stdout.startswith(f"{kept['lost']} events before")
    late = Watch(leatd, "after", "0")
    assert late.read() == {"lost": kept["lost"]}
    assert late.read()["number"] == kept["lost"] + 1
    assert late.interrupt() == 0
