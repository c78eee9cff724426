# SPDX-License-Identifier: GPL-2.0-only
"""leat top on a terminal and off it, over a node with traffic."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import termios

import pytest
from deployment import FAST_PROBE, Deployment, service
from leatd import LEAT
from network import SERVICE6
from wait import wait_until

FAST = ("every", "200ms")


class Terminal:
    """leat on a terminal of so many columns and rows, and the last whole screen that it drew."""

    def __init__(self, leatd, *arguments, columns=80, rows=24):
        self.ours, theirs = pty.openpty()
        self.resize(columns, rows)
        self.process = leatd.host.namespace.start(
            LEAT, "-s", leatd.socket, *arguments, stdin=theirs, stdout=theirs, stderr=theirs,
            env={**os.environ, "TERM": "xterm"}, start_new_session=True)
        os.close(theirs)
        self.output = ""

    def resize(self, columns, rows):
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self):
        while select.select([self.ours], [], [], 0)[0]:
            try:
                self.output += os.read(self.ours, 65536).decode()
            except OSError:  # its end
                return

    def lines(self):
        """Of the latest screen that is whole, without colours."""
        self.read()
        screens = self.output.split("\x1b[H")[1:]
        whole = [screen for screen in screens if "\x1b[J" in screen]
        if not whole:
            return []
        text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", whole[-1].split("\x1b[J")[0])
        return text.replace("\r", "").split("\n")

    def names(self):
        """The first words of the rows below the titles and above the last line."""
        lines = self.lines()
        begin = next((i for i, line in enumerate(lines) if line.startswith("NAME")), len(lines))
        return [line.split()[0] for line in lines[begin + 1:-1] if line.strip()]

    def type(self, keys):
        os.write(self.ours, keys.encode())

    def wait_for(self, names):
        wait_until(lambda: self.names() == names, what=f"{names}, not {self.names()}")

    def end(self):
        status = self.process.wait(timeout=10)
        self.read()
        os.close(self.ours)
        return status


@pytest.fixture(name="deployment", scope="module")
def make_deployment(tmp_path_factory):
    deployment = Deployment(tmp_path_factory.mktemp("top"), [
        service(probe=FAST_PROBE),
        service("ipip", name="six", address=SERVICE6, suffix="-6", scheduler="round-robin")])
    yield deployment
    deployment.close()


ALL = ["web", "web1", "web2", "web3", "six", "web1-6", "web2-6", "web3-6"]


def test_keys_sort_filter_and_end_it(deployment):
    top = Terminal(deployment.leatd, "top", "show", *FAST)
    top.wait_for(ALL)

    top.type("n")
    top.wait_for(ALL[4:] + ALL[:4])
    top.type("cs")
    top.wait_for(["web", "six"])
    top.type("s/web2")
    top.wait_for(["web", "web2", "six", "web2-6"])
    top.type("\x1b")
    top.wait_for(ALL)
    deployment.leatd.leat("backend", "drain", "web3")
    top.type("t")
    top.wait_for(["web", "web3"])
    deployment.leatd.leat("backend", "undrain", "web3")
    top.type("t")
    top.wait_for(ALL)

    top.type("q")
    assert top.end() == 0
    assert "\x1b[?1049l" in top.output, "the terminal has its own screen back"


@pytest.mark.parametrize("columns", [30, 40, 80, 132])
def test_no_line_is_wider_than_the_terminal(deployment, columns):
    top = Terminal(deployment.leatd, "top", "show", *FAST, columns=columns, rows=8)
    wait_until(top.names, what="rows")

    lines = top.lines()
    assert max(map(len, lines)) <= columns and len(lines) <= 8
    assert top.names() == ALL[:4], "as many as there is room for"
    top.type("jjj")
    top.wait_for(ALL[3:7])
    top.process.send_signal(signal.SIGINT)
    assert top.end() == 0


def test_another_size_of_the_terminal_shows_at_once(deployment):
    top = Terminal(deployment.leatd, "top", "show", "every", "1h", columns=80, rows=8)
    top.wait_for(ALL[:4])
    top.resize(80, 24)
    top.process.send_signal(signal.SIGWINCH)
    top.wait_for(ALL)
    top.type("q")
    assert top.end() == 0


def test_traffic_and_drops_are_rates(deployment):
    leatd = deployment.leatd
    process = leatd.host.namespace.start(
        LEAT, "-j", "-s", leatd.socket, "top", "show", "count", "2", "every", "4s",
        stdout=-1, text=True)
    first = json.loads(process.stdout.readline())
    sent = deployment.send(100)
    leatd.leat("deny", "add", "203.0.113.0/24")
    deployment.client.run("curl", "-s", "-m", "1", "http://192.0.2.10/", check=False)
    leatd.leat("deny", "del", "203.0.113.0/24")
    second = json.loads(process.stdout.readline())

    assert [one["name"] for one in first["services"]] == ["web", "six"]
    web = second["services"][0]
    backends = [one for one in second["backends"] if one["service"] == "web"]
    assert web["packets_per_second"] * 4.5 >= 4 * sent.total
    assert web["bits_per_second"] > 8 * 40 * web["packets_per_second"]
    assert sum(one["share"] for one in backends) == pytest.approx(1)
    assert second["drops"]["denied"] > 0 and web["drops_per_second"] > 0
    assert process.wait(timeout=10) == 0


def test_off_a_terminal_it_is_a_table(deployment):
    shown = deployment.leatd.leat("top", "show", "count", "1", "service", "web").stdout

    assert "\x1b" not in shown
    assert [line.split()[0] for line in shown.splitlines()] == \
        ["dropped:", "NAME", "web", "web1", "web2", "web3"]
    wrong = deployment.leatd.leat("top", "show", "sort", "size", check=False)
    assert wrong.returncode == 2 and "nothing to sort by" in wrong.stderr


def test_a_daemon_that_is_gone_leaves_the_screen_as_it_was(deployment):
    top = Terminal(deployment.leatd, "top", "show", *FAST)
    top.wait_for(ALL)
    deployment.leatd.kill()
    wait_until(lambda: top.lines()[-1].startswith("as it was: cannot reach leatd"),
               what="the reason in the last line")
    assert top.names() == ALL
    deployment.leatd.start()
    wait_until(lambda: top.lines()[-1].startswith("q quit"), what="its return")
    top.type("q")
    assert top.end() == 0
