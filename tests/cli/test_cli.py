# SPDX-License-Identifier: GPL-2.0-only
"""What leat does without a daemon, and with something on the socket that no daemon would send.

LEAT names the binary; build/leat unless told otherwise.
"""

import contextlib
import json
import os
import pathlib
import pty
import re
import select
import signal
import socket
import subprocess
import threading
import time

import pytest
from wait import wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
LEAT = os.environ.get("LEAT", str(ROOT / "build" / "leat"))
COMPLETION = ROOT / "tools" / "completion" / "leat.bash"
EXAMPLE = str(ROOT / "examples" / "leat.yaml")
DEADLINE_S = 20
MAX_REPLY = 64 * 1024 * 1024

OBJECTS = ["service", "backend", "stats", "deny", "config", "node", "packet", "explain", "decap"]
ASKING_THE_DAEMON = [
    ("service", "show"),
    ("service", "list"),
    ("backend", "show"),
    ("backend", "list"),
    ("backend", "drain", "web1"),
    ("backend", "undrain", "web1"),
    ("backend", "disable", "web1"),
    ("backend", "enable", "web1"),
    ("backend", "set", "web1", "weight", "5"),
    ("stats", "show"),
    ("top", "show", "count", "1"),
    ("event", "show"),
    ("event", "watch", "count", "1"),
    ("deny", "show"),
    ("deny", "add", "10.0.0.0/8", "2001:db8::1", "for", "5m"),
    ("deny", "del", "10.0.0.0/8"),
    ("config", "show"),
    ("config", "reload"),
    ("config", "reload", "--now"),
    ("config", "plan", EXAMPLE),
    ("config", "apply", EXAMPLE, "if-version", "1", "--rollback-after=5s"),
    ("config", "confirm"),
    ("config", "history"),
    ("config", "rollback"),
    ("backend", "disable", "web1", "--plan"),
    ("node", "show"),
    ("node", "export-history"),
]

GOOD_CONFIG = """\
interfaces: [eth0]
services:
- name: web
  address: 192.0.2.10
  port: 80
  protocol: tcp
  forward: ipip
  probe: { type: tcp, port: 80 }
  backends:
  - { name: web1, address: 198.51.100.11 }
  - { name: web2, address: 198.51.100.12, weight: 0 }
"""


def leat(*arguments, **kwargs):
    environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **kwargs.pop("env", {})}
    kwargs.setdefault("stdin", subprocess.DEVNULL)
    kwargs.setdefault("stdout", subprocess.PIPE)
    return subprocess.run(
        [LEAT, *map(str, arguments)],
        stderr=subprocess.PIPE,
        text=True,
        timeout=DEADLINE_S,
        env=environment,
        **kwargs,
    )


def error_of(result):
    """The error of a run under -j, which is all that it printed."""
    assert result.stderr == ""
    assert result.returncode != 0
    return json.loads(result.stdout)["error"]


@contextlib.contextmanager
def responder(path, reply, requests=None):
    """Answers every connection on a unix socket: with the same bytes, whatever was asked, or with
    what `reply` makes of the request."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen(8)
    stop_read, stop_write = os.pipe()

    def serve_one(connection):
        data = b""
        while b"\r\n\r\n" not in data:
            more = connection.recv(65536)
            if not more:
                return
            data += more
        length = re.search(rb"\r\nContent-Length: (\d+)\r\n", data)
        while length and len(data.partition(b"\r\n\r\n")[2]) < int(length[1]):
            data += connection.recv(65536)
        if requests is not None:
            requests.append(data.decode())
        answer = reply(data.decode()) if callable(reply) else reply
        for part in [answer] if isinstance(answer, bytes) else answer:
            connection.sendall(part)

    def serve():
        while server in select.select([server, stop_read], [], [])[0]:
            connection = server.accept()[0]
            connection.settimeout(DEADLINE_S)
            with connection, contextlib.suppress(OSError):
                serve_one(connection)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield str(path)
    finally:
        os.write(stop_write, b"x")
        thread.join(DEADLINE_S)
        for fd in (stop_read, stop_write):
            os.close(fd)
        server.close()
        os.unlink(path)


def http(body, status="200 OK", length=None):
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    length = len(body) if length is None else length
    head = f"HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    return head.encode() + body


def in_turn(*replies):
    """For responder(): one reply after the other, and the last one from then on."""
    left = list(replies)

    def reply(request):
        assert request
        return left.pop(0) if len(left) > 1 else left[0]

    return reply


def on_terminal(arguments, env=None, columns=100):
    """Standard output as a terminal of so many columns gets it."""
    master, slave = pty.openpty()
    try:
        subprocess.run(["stty", "cols", str(columns)], stdin=slave, check=True)
        process = subprocess.Popen(
            [LEAT, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=slave,
            stderr=subprocess.PIPE,
            env={"PATH": os.environ["PATH"], "TERM": "xterm", **(env or {})},
        )
        os.close(slave)
        slave = -1
        output = read_until_closed(master)
        process.communicate(timeout=DEADLINE_S)
        assert process.returncode == 0
        return output
    finally:
        os.close(master)
        if slave >= 0:
            os.close(slave)


def read_until_closed(fd):
    output = b""
    deadline = time.monotonic() + DEADLINE_S
    while select.select([fd], [], [], max(0, deadline - time.monotonic()))[0]:
        try:
            data = os.read(fd, 65536)
        except OSError:  # what a terminal says when nobody holds its other end
            return output
        if not data:
            return output
        output += data
    raise AssertionError("the terminal was not closed in time")


def backend(**members):
    return {
        "service": "web",
        "name": "web1",
        "address": "198.51.100.11",
        "weight": 100,
        "configured_weight": 100,
        "state": "up",
        "operator": None,
        "operator_weight": None,
        "reason": "L4OK",
        "changed": 1,
        "packets": 1,
        "bytes": 1,
        "packets_per_second": 0,
        "bytes_per_second": 0,
        "flows": 0,
        "flows_counted": False,
        "closing_flows": 0,
        "previous_slots": 0,
        "silent_s": 0,
        "is_drained": False,
        "leaving": False,
        "ramp_percent": 100,
        "share": 1,
        "slots": 64,
        "next_hop": {"state": "pending", "interface": None, "mac": None, "gateway": False},
        **members,
    }


def service(**members):
    return {
        "name": "web",
        "address": "192.0.2.10",
        "port": 80,
        "protocol": "tcp",
        "scheduler": "hash",
        "hash": "flow",
        "table": "rendezvous",
        "table_size": 65536,
        "idle_ms": 900000,
        "slow_start_ms": 0,
        "sticky_ms": 0,
        "open_slots": 0,
        "backends": [backend()],
        **members,
    }


# Help and version


def test_no_argument_prints_help():
    assert leat().returncode == 0
    assert leat().stdout == leat("help").stdout == leat("--help").stdout
    for name in OBJECTS:
        assert f"\n  {name} " in leat().stdout


@pytest.mark.parametrize("name", OBJECTS)
def test_every_object_has_help_in_text_and_json(name):
    result = leat(name, "help")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith(f"Usage: leat [OPTIONS] {name} ")

    commands = json.loads(leat("-j", name, "help").stdout)["commands"]
    assert commands[-1]["name"] == "help"
    for command in commands:
        assert f"\n  {command['name']} " in result.stdout


def test_version_is_one_line_and_json():
    assert leat("version").stdout == leat("-V").stdout
    assert leat("version").stdout.startswith("leat ")
    assert set(json.loads(leat("-j", "version").stdout)) == {"version", "layout"}


def test_pretty_is_indented_json():
    compact, pretty = leat("-j", "version"), leat("-p", "version")
    assert compact.stdout.count("\n") == 1
    assert pretty.stdout.count("\n") > 1
    assert json.loads(compact.stdout) == json.loads(pretty.stdout)


# Choosing a command


def test_a_prefix_that_only_one_name_has_stands_for_it():
    assert leat("v").stdout == leat("version").stdout
    assert leat("back", "h").stdout == leat("backend", "help").stdout


@pytest.mark.parametrize(
    "words, candidates",
    [(["s"], "service, stats"), (["backend", "d"], "drain, disable")],
)
def test_an_ambiguous_prefix_lists_the_candidates(words, candidates):
    result = leat(*words)
    assert (result.returncode, result.stdout) == (2, "")
    assert f"'{words[-1]}' is ambiguous: {candidates}" in result.stderr
    assert f"is ambiguous: {candidates}" in error_of(leat("-j", *words))


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["service", "nonsense"],
        ["service", "show", "web", "web"],
        ["version", "extra"],
        ["help", "extra"],
        ["backend", "drain"],
        ["backend", "drain", "web1", "service"],
        ["backend", "drain", "--wait"],
        ["backend", "drain", "web1", "--deadline", "10m"],
        ["backend", "drain", "web1", "--wait", "--deadline"],
        ["backend", "drain", "web1", "--wait", "--deadline", "ten"],
        ["backend", "drain", "web1", "--wait", "--deadline", "0s"],
        ["backend", "drain", "web1", "--wait", "deadline", "169h"],
        ["backend", "drain", "web1", "--wait", "--wait"],
        ["backend", "drain", "web1", "--now"],
        ["backend", "undrain", "web1", "--wait"],
        ["backend", "show", "--wait"],
        ["backend", "--wait"],
        ["config", "reload", "--wait"],
        ["node", "import-history"],
        ["--now"],
        ["backend", "drain", "web1", "service", "a", "service", "b"],
        ["backend", "set", "web1"],
        ["backend", "set", "weight", "5"],
        ["backend", "set", "web1", "weight"],
        ["backend", "set", "web1", "weight", "65536"],
        ["backend", "set", "web1", "weight", "five"],
        ["backend", "set", "web1", "weight", "-5"],
        ["deny", "add"],
        ["deny", "add", "for", "5m"],
        ["deny", "add", "10.0.0.0/8", "for"],
        ["deny", "del"],
        ["deny", "show", "10.0.0.0/8"],
        ["config", "check"],
        ["stats", "show", "web"],
        ["--nonsense"],
        ["--socket"],
        ["-x", "version"],
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_2_and_points_at_help(arguments):
    result = leat(*arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("Error: ")
    assert "(see: leat " in result.stderr

    result = leat("-j", *arguments)
    assert result.returncode == 2
    assert "(see: leat " in error_of(result)


def test_options_are_taken_before_and_after_the_object():
    assert leat("-j", "version").stdout == leat("version", "-j").stdout


def test_an_option_of_another_command_is_no_name(tmp_path):
    result = leat("-s", tmp_path / "none", "backend", "show", "--wait")
    assert "unknown option, or one used wrongly: --wait" in result.stderr


def test_words_behind_two_dashes_are_no_options(tmp_path):
    requests = []
    with responder(tmp_path / "s", http([]), requests) as path:
        leat("-s", path, "backend", "drain", "--", "--name")
        leat("-s", path, "backend", "drain", "--", "-j")
    assert [request.split()[1] for request in requests] == [
        "/v1/backends/--name",
        "/v1/backends/-j",
    ]


# The daemon's socket


@pytest.mark.parametrize("arguments", ASKING_THE_DAEMON, ids=" ".join)
def test_a_daemon_that_is_not_there_is_named_in_text_and_json(tmp_path, arguments):
    path = tmp_path / "none.sock"
    result = leat("-s", path, *arguments)
    assert (result.returncode, result.stdout) == (1, "")
    assert f"cannot reach leatd at {path}: No such file or directory" in result.stderr

    result = leat("-j", *arguments, env={"LEAT_SOCKET": str(path)})
    assert result.returncode == 1
    assert f"cannot reach leatd at {path}: No such file or directory" in error_of(result)


def test_a_socket_nobody_listens_on_is_refused(tmp_path):
    path = tmp_path / "dead.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert "Connection refused; is leatd running?" in leat("-s", path, "node").stderr


def test_a_path_too_long_for_a_socket_is_said_so():
    assert "too long" in leat("-s", "/" + "x" * 200, "node").stderr


def test_the_option_goes_before_the_environment(tmp_path):
    result = leat("-s", tmp_path / "a", "node", env={"LEAT_SOCKET": str(tmp_path / "b")})
    assert f"at {tmp_path}/a:" in result.stderr


def test_proxies_of_the_environment_are_not_asked(tmp_path):
    proxy = {"http_proxy": "http://127.0.0.1:9", "ALL_PROXY": "http://127.0.0.1:9"}
    with responder(tmp_path / "s", http([])) as path:
        assert leat("-j", "-s", path, "service", env=proxy).stdout == "[]\n"


def test_a_socket_of_another_group_names_the_group(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs root, to become somebody else")
    with responder(tmp_path / "s", http([])) as path:
        os.chmod(path, 0o660)
        for parent in [tmp_path, *tmp_path.parents]:
            if not parent.stat().st_mode & 0o001:
                os.chmod(parent, 0o755)
        result = leat("-s", path, "service", user=65534, group=65534, extra_groups=[])
    assert result.returncode == 1
    assert "open to root and to members of the group root" in result.stderr


# Requests


def test_names_are_escaped_in_requests(tmp_path):
    requests = []
    with responder(tmp_path / "s", http([]), requests) as path:
        leat("-s", path, "service", "show", "a b&c=d")
        leat("-s", path, "backend", "drain", "../config", "service", "a/b")
        leat("-s", path, "backend", "drain", "..")
    assert requests[0].startswith("GET /v1/services?name=a%20b%26c%3Dd HTTP/1.1\r\n")
    assert requests[1].startswith("POST /v1/backends/..%2Fconfig HTTP/1.1\r\n")
    assert requests[2].startswith("POST /v1/backends/.. HTTP/1.1\r\n")


def test_a_refusal_is_printed_as_the_daemon_words_it(tmp_path):
    reply = http({"error": "no service is named 'x'"}, "404 Not Found")
    with responder(tmp_path / "s", reply) as path:
        result = leat("-s", path, "service", "show", "x")
        assert (result.returncode, result.stdout) == (1, "")
        assert result.stderr == "Error: no service is named 'x'\n"
        assert error_of(leat("-j", "-s", path, "service", "show", "x")) == "no service is named 'x'"


# Replies that leatd never sends

HOSTILE = {
    "truncated": http([], length=100),
    "silent": b"",
    "not http": b"220 mail.example ESMTP\r\n",
    "not json": http(b"<html>"),
    "half json": http(b'[{"name": "web", "back'),
    "empty": http(b""),
    "nul": http(b"[]\0"),
    "not utf-8": http(b'["\xff"]'),
    "other type": http(b"3"),
    "deep": http(b"[" * 100000),
    "status without text": http(b"", "500 Internal Server Error"),
    "status of another kind": http({"error": ["x"]}, "500 Internal Server Error"),
    "redirect": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("arguments", ASKING_THE_DAEMON, ids=" ".join)
def test_a_broken_reply_is_an_error_and_nothing_else(tmp_path, arguments, name):
    with responder(tmp_path / "s", HOSTILE[name]) as path:
        result = leat("-s", path, *arguments)
        assert (result.returncode, result.stdout) == (1, "")
        assert result.stderr.startswith("Error: ")
        assert result.stderr.count("\n") == 1
        assert error_of(leat("-j", "-s", path, *arguments))


@pytest.mark.parametrize("is_announced", [True, False])
def test_a_huge_reply_is_not_read_to_its_end(tmp_path, is_announced):
    def endless():
        if is_announced:
            yield b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n"
        else:
            yield b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
        for _ in range(2 * MAX_REPLY // 65536):
            sent.append(65536)
            yield b" " * 65536

    sent = []
    with responder(tmp_path / "s", endless()) as path:
        result = leat("-s", path, "service")
    assert (result.returncode, result.stdout) == (1, "")
    assert "larger than 64 MiB" in result.stderr
    assert sum(sent) < MAX_REPLY + 16 * 1024 * 1024


@pytest.mark.parametrize("arguments", ASKING_THE_DAEMON, ids=" ".join)
@pytest.mark.parametrize("value", [None, 7, "x", [], {}, [1], ["x"], [{}], [[]]], ids=str)
def test_members_of_the_wrong_type_do_no_harm(tmp_path, arguments, value):
    keys = {**service(), **backend(), "reasons": 0, "totals": 0, "maps": 0, "interfaces": 0}
    keys |= {"reused": 0, "reload": 0, "probe": 0, "services": 0, "events": 0, "flow_memory": 0}
    strange = dict.fromkeys(keys, value)
    for reply in [strange], strange:
        with responder(tmp_path / "s", http(reply)) as path:
            assert leat("-s", path, *arguments).returncode in (0, 1)


CONTROL = "a\x1b[31mb\x07c\x9bd\x7fe\rf\ng\u0085h"


@pytest.mark.parametrize("arguments", [["service"], ["backend"], ["service", "list"]], ids=" ".join)
def test_control_characters_of_a_reply_do_not_reach_a_terminal(tmp_path, arguments):
    strange = {"name": CONTROL, "address": CONTROL, "state": CONTROL, "reason": CONTROL}
    reply = [service(backends=[backend(**strange)], **strange)]
    if arguments[0] == "backend":
        reply = [backend(**strange)]
    with responder(tmp_path / "s", http(reply)) as path:
        for options in [], ["-j"], ["-p"]:
            result = leat("-s", path, *options, *arguments)
            assert result.returncode == 0
            assert not set(result.stdout) & set(CONTROL) - set("abcdefgh[31m\n")


def test_control_characters_of_a_configuration_do_not_reach_a_terminal(tmp_path):
    with responder(tmp_path / "s", http({CONTROL: CONTROL, "a": [CONTROL]})) as path:
        for options in [], ["-j"]:
            result = leat("-s", path, *options, "config")
            assert result.returncode == 0
            assert not set(result.stdout) & set(CONTROL) - set("abcdefgh[31m\n")


def test_control_characters_of_an_error_do_not_reach_a_terminal(tmp_path):
    with responder(tmp_path / "s", http({"error": CONTROL}, "400 Bad Request")) as path:
        result = leat("-s", path, "service")
        assert not set(result.stderr) & set("\x1b\x07\x9b\x7f\r\u0085")
        assert error_of(leat("-j", "-s", path, "service")) == CONTROL


# Output


def test_what_the_operator_changed_is_visible(tmp_path):
    changed = backend(weight=50, operator_weight=50, state="draining", operator="drain")
    for arguments, reply in (["service"], [service(backends=[changed])]), (["backend"], [changed]):
        with responder(tmp_path / "s", http(reply)) as path:
            text = leat("-s", path, *arguments).stdout
        assert "50 (file: 100)" in text
        assert "draining (operator)" in text


def show(tmp_path, reply, *arguments):
    with responder(tmp_path / "s", http(reply)) as path:
        result = leat("-s", path, *arguments)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def test_a_service_shows_how_it_schedules_and_remembers(tmp_path):
    text = show(tmp_path, [service()], "service")
    assert "  hash over flow, rendezvous of 65536 slots, " in text
    assert "\n    idle 15m; slow start none; sticky no; open slots: 0\n" in text
    members = {"scheduler": "round-robin", "idle_ms": 90000, "slow_start_ms": 30000}
    text = show(tmp_path, [service(sticky_ms=1800000, open_slots=512, **members)], "service")
    assert "  round-robin, rendezvous of 65536 slots, " in text
    assert "\n    idle 90s; slow start 30s; sticky 30m; open slots: 512\n" in text


def test_a_service_shows_what_was_not_forwarded_and_why(tmp_path):
    text = show(tmp_path, [service(refused={"no_backend": 9, "denied": 12345})], "service")
    assert "\n    not forwarded: 9 no_backend, 12.3k denied\n" in text
    assert "not forwarded" not in show(tmp_path, [service(refused={})], "service")


def test_flows_are_shown_where_all_of_them_are_counted(tmp_path):
    some = [backend(flows=7, closing_flows=2, flows_counted=True), backend(name="web2", flows=9)]
    rows = show(tmp_path, [service(backends=some)], "service").splitlines()
    place = next(row for row in rows if "FLOWS" in row).split().index("FLOWS")
    flows = {row.split()[0]: row.split()[place] for row in rows if row.lstrip().startswith("web")}
    assert (flows["web1"], flows["web2"]) == ("7", "-")

    text = show(tmp_path, some, "backend")
    assert "    flows: 7 live, 2 closing\n" in text
    assert "    flows: -\n" in text


def test_a_drain_shows_what_is_left(tmp_path):
    text = show(tmp_path, [draining(7, 2, silent_s=870, previous_slots=512)], "backend")
    assert (
        "    flows: 7 live, 2 closing; older ones in 512 open slots; silent ones count as ended in "
        "14m\n" in text
    )
    assert "    flows: 0 live, 0 closing; none is left\n" in show(
        tmp_path, [draining(is_drained=True)], "backend"
    )


def test_a_backend_that_leaves_is_marked_and_counts_as_none(tmp_path):
    some = [backend(), backend(name="web2", state="draining", leaving=True)]
    text = show(tmp_path, [service(backends=some)], "service")
    assert "1 of 1 up" in text
    assert "draining (leaving)" in text
    assert "1/1 up" in show(tmp_path, [service(backends=some)], "service", "list")
    some[1]["operator"] = "drain"
    assert "draining (operator, leaving)" in show(tmp_path, some, "backend")
    assert "draining (operator, leaving)" in show(tmp_path, some, "backend", "list")


def test_a_slow_start_shows_beside_the_weight(tmp_path):
    some = [
        backend(ramp_percent=40),
        backend(name="web2", weight=50, operator_weight=50, ramp_percent=5),
    ]
    for reply, arguments in ([service(backends=some)], ["service"]), (some, ["backend", "list"]):
        text = show(tmp_path, reply, *arguments)
        assert "100 (at 40%)" in text
        assert "50 (file: 100, at 5%)" in text


def test_the_memory_of_flows_is_shown_with_its_events(tmp_path):
    memory = {"remembered": 22, "capacity": 262144, "old": 5, "half_open": 4}
    memory |= {"half_open_capacity": 65536, "clients": 2, "client_capacity": 32768}
    rows = [row.split() for row in show(tmp_path, {"flow_memory": memory}, "node").splitlines()]
    assert ["flows", "22", "262144", "live", "flows"] in rows
    assert ["half-open", "4", "65536", "flows", "of", "one", "packet"] in rows
    assert ["clients", "2", "32768", "of", "services", "with", "sticky"] in rows
    assert ["5", "of", "these", "flows", "are"] in [row[:5] for row in rows]

    events = [{"event": "evicted", "text": "why", "count": 12345678}]
    reply = {"reasons": [], "totals": {}, "flow_events": events}
    assert ["evicted", "12.3M", "why"] in [
        row.split() for row in show(tmp_path, reply, "stats").splitlines()
    ]


def test_json_is_what_the_daemon_sent(tmp_path):
    reply = [service(port="any", name="sch\u00f6n")]
    with responder(tmp_path / "s", http(reply)) as path:
        for command in "show", "list":
            assert json.loads(leat("-j", "-s", path, "service", command).stdout) == reply


def test_list_begins_each_line_with_the_name(tmp_path):
    reply = [service(name="a"), service(name="b", address="2001:db8::1", backends=[])]
    with responder(tmp_path / "s", http(reply)) as path:
        lines = leat("-s", path, "service", "list").stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["a", "192.0.2.10:80/tcp"],
        ["b", "[2001:db8::1]:80/tcp"],
    ]


def test_reasons_at_zero_are_counted_instead_of_shown(tmp_path):
    reasons = [
        {"reason": name, "verdict": "drop", "text": "why", "packets": packets}
        for name, packets in (("one", 12345678), ("two", 0), ("three", 0))
    ]
    reply = {"reasons": reasons, "totals": {}}
    with responder(tmp_path / "s", http(reply)) as path:
        text = leat("-s", path, "stats").stdout
    assert "12.3M" in text
    assert "two" not in text
    assert "Reasons at zero: 2" in text


def test_colour_is_for_terminals_that_want_it(tmp_path):
    with responder(tmp_path / "s", http([service()])) as path:
        arguments = ["-s", path, "service"]
        assert b"\x1b[32m" in on_terminal(arguments)
        assert b"\x1b" not in on_terminal(arguments, {"NO_COLOR": "1"})
        assert b"\x1b" not in on_terminal(arguments, {"TERM": "dumb"})
        assert b"\x1b" not in on_terminal(["-j", *arguments])
        assert "\x1b" not in leat(*arguments).stdout


def test_rows_fit_the_terminal_and_are_whole_elsewhere(tmp_path):
    reason = "L7STS: the status code was not as expected, " + "x" * 60
    with responder(tmp_path / "s", http([service(backends=[backend(reason=reason)])])) as path:
        arguments = ["-s", path, "service"]
        text = on_terminal(arguments, {"NO_COLOR": "1"}, columns=100).decode()
        assert max(map(len, text.splitlines())) <= 100
        assert "..." in text
        assert reason in leat(*arguments).stdout


@pytest.mark.parametrize(
    "arguments", [["version"], ["help"], ["-j", "version"], ["-j", "x"]], ids=" ".join
)
def test_output_that_cannot_be_written_is_an_error(arguments):
    with open("/dev/full", "w") as full:
        result = leat(*arguments, stdout=full)
    assert result.returncode != 0
    assert "No space left on device" in result.stderr


def test_a_closed_standard_output_is_an_error():
    result = subprocess.run(
        ["sh", "-c", 'exec "$0" version >&-', LEAT],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )
    assert result.returncode == 1
    assert "cannot write the output" in result.stderr


# Waiting for a drain


def draining(flows=0, closing=0, **members):
    return backend(
        **{
            "state": "draining",
            "operator": "drain",
            "flows_counted": True,
            "flows": flows,
            "closing_flows": closing,
            **members,
        }
    )


DRAINED = http([draining(is_drained=True)])
LEFT = http([draining(3, 1, silent_s=870)])


def test_drain_without_wait_asks_once(tmp_path):
    requests = []
    with responder(tmp_path / "s", LEFT, requests) as path:
        result = leat("-s", path, "backend", "drain", "web1")
    assert (result.returncode, len(requests)) == (0, 1)
    assert result.stdout == "web1  web  198.51.100.11  100  draining (operator)\n"


@pytest.mark.parametrize("wait", ["--wait", "wait"])
def test_drain_waits_until_no_flow_is_left_and_tells_each_change(tmp_path, wait):
    requests = []
    replies = in_turn(LEFT, http([draining(3, 1, silent_s=869)]), http([draining(1)]), DRAINED)
    with responder(tmp_path / "s", replies, requests) as path:
        result = leat("-s", path, "backend", "drain", "web1", wait, "service", "web")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "web1  web  198.51.100.11  100  draining (operator)",
        "web1: 3 live flows, 1 closing; silent ones count as ended in 14m",
        "web1: 1 live flow, 0 closing",
        "web1 is drained: no flow is left",
    ]
    assert requests[0].startswith("POST /v1/backends/web1 ")
    assert json.loads(requests[0].partition("\r\n\r\n")[2]) == {"action": "drain", "service": "web"}
    assert [request.split(" HTTP")[0] for request in requests[1:]] == [
        "GET /v1/backends?name=web1&service=web"
    ] * 3


def test_drain_of_a_backend_without_flows_ends_at_once(tmp_path):
    requests = []
    with responder(tmp_path / "s", DRAINED, requests) as path:
        result = leat("-s", path, "backend", "drain", "web1", "--wait")
    assert (result.returncode, len(requests)) == (0, 1)
    assert result.stdout.splitlines()[-1] == "web1 is drained: no flow is left"


def test_drain_waits_for_the_backend_in_every_service(tmp_path):
    first = http([draining(2, is_drained=True), draining(5, 1, service="dns", silent_s=59)])
    last = http([draining(is_drained=True), draining(service="dns", is_drained=True)])
    with responder(tmp_path / "s", in_turn(first, last)) as path:
        result = leat("-s", path, "backend", "drain", "web1", "--wait")
    assert result.returncode == 0
    assert "web1: 5 live flows, 1 closing; silent ones count as ended in 59s\n" in result.stdout


@pytest.mark.parametrize(
    "deadline", [["--deadline", "1s"], ["--deadline=1000ms"], ["deadline", "1s"]], ids=" ".join
)
def test_drain_gives_up_at_its_deadline(tmp_path, deadline):
    with responder(tmp_path / "s", LEFT) as path:
        result = leat("-s", path, "backend", "drain", "web1", "--wait", *deadline)
        assert result.returncode == 1
        assert result.stderr == (
            "Error: web1 is not drained after 1s and goes on draining: 3 live flows, 1 closing; "
            "silent ones count as ended in 14m\n"
        )


def test_waiting_under_json_ends_in_one_document(tmp_path):
    wait = ["backend", "drain", "web1", "--wait", "--deadline", "1s"]
    with responder(tmp_path / "s", in_turn(LEFT, DRAINED)) as path:
        result = leat("-j", "-s", path, *wait)
        assert (result.returncode, result.stderr) == (0, "")
        assert json.loads(result.stdout) == [draining(is_drained=True)]
    with responder(tmp_path / "s", LEFT) as path:
        result = leat("-j", "-s", path, *wait)
        assert "web1 is not drained after 1s" in error_of(result)
        assert json.loads(result.stdout)["backends"] == [draining(3, 1, silent_s=870)]


@contextlib.contextmanager
def waiting(path, *options):
    """leat while it waits for web1 to drain, with a pipe for its output."""
    # What a shell starts in the background ignores it, and so do its children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        [LEAT, *options, "-s", str(path), "backend", "drain", "web1", "--wait"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_daemon_that_is_restarted_is_waited_for(tmp_path):
    path = tmp_path / "s"
    with contextlib.ExitStack() as first:
        first.enter_context(responder(path, LEFT))
        with waiting(path) as process:
            lines = [process.stdout.readline() for _ in range(2)]
            first.close()
            lines.append(process.stdout.readline())
            with responder(path, DRAINED):
                rest, errors = process.communicate(timeout=DEADLINE_S)
    assert lines[1].startswith("web1: 3 live flows")
    assert lines[2] == "web1: leatd does not answer, asking again\n"
    assert rest.splitlines()[-1] == "web1 is drained: no flow is left"
    assert (process.returncode, errors) == (0, "")


def test_a_daemon_that_does_not_come_back_is_an_error(tmp_path):
    path = tmp_path / "s"
    requests = []
    with contextlib.ExitStack() as daemon:
        daemon.enter_context(responder(path, LEFT, requests))
        with waiting(path, "-j") as process:
            wait_until(lambda: any(one.startswith("GET") for one in requests), what="its wait")
            with contextlib.ExitStack() as other:
                text = other.enter_context(waiting(path))
                for _ in range(2):
                    text.stdout.readline()
                daemon.close()
                output, errors = text.communicate(timeout=DEADLINE_S)
                report = process.communicate(timeout=DEADLINE_S)[0]
    assert output == "web1: leatd does not answer, asking again\n"
    assert "leatd has not answered for 10s, so nothing is known of web1" in errors
    assert f"cannot reach leatd at {path}" in errors
    assert (text.returncode, process.returncode) == (1, 1)
    assert "leatd has not answered for 10s" in json.loads(report)["error"]
    assert json.loads(report)["backends"] == [draining(3, 1, silent_s=870)]


def test_a_backend_that_is_undrained_meanwhile_is_an_error(tmp_path):
    with responder(tmp_path / "s", in_turn(LEFT, http([backend(flows=4)]))) as path:
        result = leat("-s", path, "backend", "drain", "web1", "--wait")
    assert result.returncode == 1
    assert result.stderr == "Error: web1 of web is no longer drained: it is up\n"


def test_a_backend_that_left_has_no_flows(tmp_path):
    gone = http({"error": "there is no such backend"}, "404 Not Found")
    leaving = http([draining(3, leaving=True)])
    with responder(tmp_path / "s", in_turn(leaving, gone)) as path:
        result = leat("-s", path, "backend", "drain", "web1", "--wait")
    assert result.returncode == 0
    assert result.stdout.splitlines()[-1] == "web1 is gone: leatd has neither it nor a flow of it"
    with responder(tmp_path / "s", in_turn(leaving, gone)) as path:
        assert leat("-j", "-s", path, "backend", "drain", "web1", "--wait").stdout == "[]\n"


def test_interrupting_the_wait_leaves_the_drain(tmp_path):
    requests = []
    with responder(tmp_path / "s", LEFT, requests) as path, waiting(path) as process:
        for _ in range(2):
            process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=DEADLINE_S)
    assert process.returncode == -signal.SIGINT
    assert [request.split()[0] for request in requests].count("POST") == 1


def test_a_refused_drain_is_not_waited_for(tmp_path):
    requests = []
    refusal = http({"error": "no service has a backend web1"}, "404 Not Found")
    with responder(tmp_path / "s", refusal, requests) as path:
        result = leat("-s", path, "backend", "drain", "web1", "--wait")
    assert (result.returncode, result.stdout, len(requests)) == (1, "", 1)
    assert result.stderr == "Error: no service has a backend web1\n"


def test_a_terminal_has_one_line_of_the_wait_that_changes(tmp_path):
    replies = LEFT, http([draining(2, silent_s=860)]), DRAINED
    for columns in 100, 40:
        with responder(tmp_path / "s", in_turn(*replies)) as path:
            text = on_terminal(["-s", path, "backend", "drain", "web1", "--wait"],
                               {"NO_COLOR": "1"}, columns).decode()
        lines = [line.rstrip("\r") for line in text.splitlines() if line]
        assert text.count("\n") == 3
        rewritten = text.split("\n")[1].split("\r\x1b[K")[1:]
        assert rewritten[0].startswith("web1: 3 live flows, 1 closing")
        assert rewritten[1].startswith("web1: 2 live flows, 0 closing")
        assert all(len(line.rstrip("\r")) < columns for line in rewritten)
        assert lines[-1] == "web1 is drained: no flow is left"


def test_a_terminal_that_cannot_rewrite_gets_lines(tmp_path):
    with responder(tmp_path / "s", in_turn(LEFT, DRAINED)) as path:
        text = on_terminal(["-s", path, "backend", "drain", "web1", "--wait"], {"TERM": "dumb"})
    assert b"\x1b" not in text


@pytest.mark.parametrize("name", HOSTILE)
def test_a_broken_reply_to_the_wait_is_no_end_of_it(tmp_path, name):
    with responder(tmp_path / "s", in_turn(LEFT, HOSTILE[name])) as path:
        result = leat("-s", path, "backend", "drain", "web1", "--wait", "--deadline", "1ms")
        assert result.returncode == 1
        assert "web1 is not drained after 1ms" in result.stderr
        assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("value", [None, 7, "x", [], {}, [1], ["x"], [{}], [[]]], ids=str)
def test_members_of_the_wrong_type_do_not_end_the_wait(tmp_path, value):
    strange = http([dict.fromkeys(backend(), value)])
    for replies in (strange,), (LEFT, strange), (LEFT, http([value])):
        with responder(tmp_path / "s", in_turn(*replies)) as path:
            result = leat("-s", path, "backend", "drain", "web1", "--wait", "--deadline", "1ms")
            assert (result.returncode, "web1 is not drained" in result.stderr) == (1, True)


# Reload and history


def test_reload_asks_for_what_is_gone_to_end_now(tmp_path):
    requests = []
    with responder(tmp_path / "s", http({"reloaded": True}), requests) as path:
        for words in ["reload"], ["reload", "--now"], ["reload", "now"]:
            result = leat("-s", path, "config", *words)
            assert (result.returncode, result.stdout) == (0, "configuration reloaded\n")
        assert json.loads(leat("-j", "-s", path, "config", "reload", "--now").stdout)["reloaded"]
    assert [request.split()[1] for request in requests] == [
        "/v1/config/reload",
        "/v1/config/reload?now=1",
        "/v1/config/reload?now=1",
        "/v1/config/reload?now=1",
    ]


HISTORY = {"version": 1, "changes": [{"service": "192.0.2.10", "slots": [1, 2]}]}


def test_history_is_exported_as_json_with_or_without_being_asked_for(tmp_path):
    requests = []
    with responder(tmp_path / "s", http(HISTORY), requests) as path:
        for options in [], ["-j"], ["-p"]:
            result = leat(*options, "-s", path, "node", "export-history")
            assert result.returncode == 0
            assert json.loads(result.stdout) == HISTORY
    assert requests[0].startswith("GET /v1/node/history ")


def test_history_is_imported_from_a_file_and_from_standard_input(tmp_path):
    requests = []
    file = tmp_path / "history.json"
    file.write_text(json.dumps(HISTORY, indent=4))
    with responder(tmp_path / "s", http({"imported": True}), requests) as path:
        result = leat("-s", path, "node", "import-history", file)
        assert (result.returncode, result.stdout) == (0, "history imported\n")
        result = leat("-j", "-s", path, "node", "import-history", file)
        assert json.loads(result.stdout) == {"imported": True}
        with open(file, encoding="utf-8") as text:
            assert leat("-s", path, "node", "import-history", "-", stdin=text).returncode == 0
    assert len(requests) == 3
    for request in requests:
        assert request.startswith("POST /v1/node/history ")
        assert json.loads(request.partition("\r\n\r\n")[2]) == HISTORY


def test_what_was_exported_can_be_imported(tmp_path):
    requests = []
    replies = in_turn(http(HISTORY), http({"imported": True}))
    with responder(tmp_path / "s", replies, requests) as path:
        with open(tmp_path / "exported", "w", encoding="utf-8") as out:
            assert leat("-s", path, "node", "export-history", stdout=out).returncode == 0
        assert leat("-s", path, "node", "import-history", tmp_path / "exported").returncode == 0
    assert json.loads(requests[1].partition("\r\n\r\n")[2]) == HISTORY


@pytest.mark.parametrize(
    "text, error",
    [
        (b"", ":1:0: not valid JSON"),
        (b'{"changes": [', ":1:13: not valid JSON"),
        (b'{\n"a": 1, "a": 2}', ":2:11: not valid JSON"),
        (b"7", ":1:1: not valid JSON"),
        (b"\xff", ":1:0: not valid JSON"),
        (b" " * (16 * 1024 * 1024 + 1), " is larger than 16 MiB"),
        (None, " cannot be read: No such file or directory"),
    ],
    ids=["empty", "cut", "key twice", "number", "not utf-8", "too large", "none"],
)
def test_a_history_that_is_none_is_not_sent(tmp_path, text, error):
    file = tmp_path / "history.json"
    if text is not None:
        file.write_bytes(text)
    requests = []
    with responder(tmp_path / "s", http({"imported": True}), requests) as path:
        result = leat("-s", path, "node", "import-history", file)
        assert (result.returncode, result.stdout) == (1, "")
        assert f"Error: {file}{error}" in result.stderr
        assert f"{file}{error}" in error_of(leat("-j", "-s", path, "node", "import-history", file))
    assert not requests


def test_a_history_that_the_daemon_refuses_is_an_error(tmp_path):
    file = tmp_path / "history.json"
    file.write_text("{}")
    with responder(tmp_path / "s", http({"error": "another seed"}, "400 Bad Request")) as path:
        result = leat("-s", path, "node", "import-history", file)
        assert (result.returncode, result.stderr) == (1, "Error: another seed\n")


# config check


def test_a_good_file_is_summed_up(tmp_path):
    file = tmp_path / "good.yaml"
    file.write_text(GOOD_CONFIG)
    result = leat("config", "check", file)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == f"{file} is valid; interfaces: 1, services: 1, backends: 2\n"
    assert json.loads(leat("-j", "config", "check", file).stdout) == {
        "file": str(file),
        "valid": True,
        "interfaces": 1,
        "services": 1,
        "backends": 2,
    }


def test_every_error_of_a_bad_file_has_its_position(tmp_path):
    file = tmp_path / "bad.yaml"
    file.write_text(GOOD_CONFIG.replace("port: 80\n", "port: 99999\n").replace("tcp\n", "sctp\n"))
    result = leat("config", "check", file)
    assert (result.returncode, result.stdout) == (1, "")
    lines = result.stderr.splitlines()
    assert [line.split(": ")[0] for line in lines] == [f"{file}:5:9", f"{file}:6:13"]

    report = leat("-j", "config", "check", file)
    errors = json.loads(report.stdout)["errors"]
    assert error_of(report)
    assert [(e["file"], e["line"], e["column"]) for e in errors] == [
        (str(file), 5, 9),
        (str(file), 6, 13),
    ]
    for line, error in zip(lines, errors):
        assert line.endswith(error["text"])


def test_a_file_that_is_not_there_is_an_error(tmp_path):
    result = leat("config", "check", tmp_path / "none.yaml")
    assert (result.returncode, result.stdout) == (1, "")
    assert f"{tmp_path}/none.yaml" in result.stderr
    assert "No such file or directory" in result.stderr


def test_a_name_that_is_not_utf8_does_not_break_json(tmp_path):
    result = subprocess.run(
        [LEAT, "-j", "config", "check", os.fsencode(tmp_path) + b"/\xff"],
        capture_output=True,
        timeout=DEADLINE_S,
    )
    assert result.returncode == 1
    assert json.loads(result.stdout)["error"]


def test_a_configuration_shown_can_be_checked(tmp_path):
    config = {
        "interfaces": ["eth0"],
        "outer_source": ["172.16.0.0/16", "100::/64"],
        "next_hop": "02:00:00:00:00:01",
        "seed": "0123456789012345",
        "flows": 65536,
        "metrics": {"listen": "[::1]:9817"},
        "control": {"socket": "/run/leat/leat.sock", "group": "root"},
        "services": [
            {
                "name": "web",
                "address": "2001:db8::",
                "port": "any",
                "protocol": "tcp",
                "scheduler": "least-connections",
                "sticky": "30m",
                "forward": "ipip",
                "idle": {"tcp": "15m", "udp": "1m"},
                "slow_start": "30s",
                "probe": {"type": "tcp", "port": 80, "send": 'a"\\ #: b\n'},
                "backends": [{"name": "on", "address": "2001:db8::1", "weight": 3}],
            }
        ],
    }
    with responder(tmp_path / "s", http(config)) as path:
        (tmp_path / "shown.yaml").write_text(leat("-s", path, "config", "show").stdout)
    result = leat("config", "check", tmp_path / "shown.yaml")
    assert (result.returncode, result.stderr) == (0, "")


# Completion


def complete(*words, socket_path="/nonexistent"):
    script = f"""
        . {COMPLETION}
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
        _leat
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    result = subprocess.run(
        ["bash", "-c", script, "bash", "leat", *words],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        env={
            "PATH": f"{pathlib.Path(LEAT).resolve().parent}:{os.environ['PATH']}",
            "LEAT_SOCKET": socket_path,
        },
    )
    assert result.stderr == ""
    return result.stdout.split()


def test_completion_knows_what_help_knows():
    commands = json.loads(leat("-j", "help").stdout)["commands"]
    assert complete("") == [command["name"] for command in commands]
    for name in OBJECTS:
        commands = json.loads(leat("-j", name, "help").stdout)["commands"]
        assert complete(name, "") == [command["name"] for command in commands]
    assert complete("backend", "d") == ["drain", "disable"]
    assert complete("--s") == ["--socket"]
    assert complete("node", "i") == ["import-history"]


def test_completion_offers_the_running_names(tmp_path):
    with responder(tmp_path / "s", http([service(name="dns"), service(name="web")])) as path:
        assert complete("service", "show", "", socket_path=path) == ["dns", "web"]
        assert complete("backend", "drain", "web1", "service", "d", socket_path=path) == ["dns"]
    with responder(tmp_path / "s", http([backend(), backend(service="b")])) as path:
        assert complete("backend", "set", "w", socket_path=path) == ["web1", "weight"]
        assert complete("backend", "set", "web1", "", socket_path=path) == [
            "service",
            "weight",
            "--plan",
        ]
        assert complete("-s", path, "backend", "drain", "w") == ["web1"]


def test_completion_offers_the_versions_of_the_configuration(tmp_path):
    versions = [{"version": name, "timestamp": 1, "by": "start", "note": "1-x"}
                for name in ("12-3fa9c2d1", "2-00000000")]
    with responder(tmp_path / "s", http({"versions": versions, "trial": None})) as path:
        assert complete("config", "rollback", "1", socket_path=path) == ["12-3fa9c2d1"]
        assert complete("config", "apply", EXAMPLE, "--if-version", "", socket_path=path) == [
            "12-3fa9c2d1",
            "2-00000000",
        ]


def test_completion_follows_the_syntax():
    assert complete("packet", "run", "") == ["config", "in", "out", "mtu", "vlan"]
    assert complete("packet", "run", "config", str(COMPLETION)[:-2]) == [str(COMPLETION)]
    assert complete("decap", "attach", "lo", "") == ["for", "from", "gue", "mode"]
    assert complete("decap", "attach", "lo", "mode", "") == ["auto", "native", "generic"]
    assert complete("config", "reload", "") == ["--now"]
    assert complete("explain", "tcp", "") == ["--flags", "size", "--dev", "pins"]
    assert complete("explain", "tcp", "--dev", "l") == ["lo"]
    assert complete("explain", "pcap", str(COMPLETION)[:-2]) == [str(COMPLETION)]
    assert complete("backend", "drain", "web1", "") == [
        "service",
        "--plan",
        "--wait",
        "--deadline",
    ]
    assert complete("backend", "drain", "web1", "--wait", "-j", "") == [
        "service",
        "--plan",
        "--deadline",
    ]
    assert complete("backend", "drain", "web1", "--w") == ["--wait"]
    assert complete("backend", "drain", "web1", "--s") == ["--socket"]
    assert complete("backend", "drain", "web1", "--wait", "--deadline", "") == []
    assert complete("node", "import-history", str(COMPLETION)[:-2]) == [str(COMPLETION)]


def test_completion_without_a_daemon_is_quiet():
    assert complete("service", "show", "") == []
