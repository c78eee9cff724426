# SPDX-License-Identifier: GPL-2.0-only
"""What leat does without a daemon, and with something on the socket that no daemon would send.

LEAT names the binary; build/leat unless told otherwise.
"""

import contextlib
import json
import os
import pathlib
import pty
import select
import socket
import subprocess
import threading
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
LEAT = os.environ.get("LEAT", str(ROOT / "build" / "leat"))
COMPLETION = ROOT / "tools" / "completion" / "leat.bash"
DEADLINE_S = 20
MAX_REPLY = 64 * 1024 * 1024

OBJECTS = ["service", "backend", "stats", "config", "node", "packet", "decap"]
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
    ("config", "show"),
    ("config", "reload"),
    ("node", "show"),
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
    kwargs.setdefault("stdout", subprocess.PIPE)
    return subprocess.run(
        [LEAT, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
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
    """Answers every connection on a unix socket with the same bytes, whatever was asked."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen(8)
    stop_read, stop_write = os.pipe()

    def answer(connection):
        data = b""
        while b"\r\n\r\n" not in data:
            more = connection.recv(65536)
            if not more:
                return
            data += more
        if requests is not None:
            requests.append(data.decode())
        for part in [reply] if isinstance(reply, bytes) else reply:
            connection.sendall(part)

    def serve():
        while server in select.select([server, stop_read], [], [])[0]:
            connection = server.accept()[0]
            connection.settimeout(DEADLINE_S)
            with connection, contextlib.suppress(OSError):
                answer(connection)

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
        ["backend", "drain", "web1", "service", "a", "service", "b"],
        ["backend", "set", "web1"],
        ["backend", "set", "weight", "5"],
        ["backend", "set", "web1", "weight"],
        ["backend", "set", "web1", "weight", "65536"],
        ["backend", "set", "web1", "weight", "five"],
        ["backend", "set", "web1", "weight", "-5"],
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
        for parent in [tmp_path, *tmp_path.parents][:3]:
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
    keys |= {"reused": 0, "reload": 0, "probe": 0, "services": 0}
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
        "metrics": {"listen": "[::1]:9817"},
        "control": {"socket": "/run/leat/leat.sock", "group": "root"},
        "services": [
            {
                "name": "web",
                "address": "2001:db8::",
                "port": "any",
                "protocol": "tcp",
                "forward": "ipip",
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


def test_completion_offers_the_running_names(tmp_path):
    with responder(tmp_path / "s", http([service(name="dns"), service(name="web")])) as path:
        assert complete("service", "show", "", socket_path=path) == ["dns", "web"]
        assert complete("backend", "drain", "web1", "service", "d", socket_path=path) == ["dns"]
    with responder(tmp_path / "s", http([backend(), backend(service="b")])) as path:
        assert complete("backend", "set", "w", socket_path=path) == ["web1", "weight"]
        assert complete("backend", "set", "web1", "", socket_path=path) == ["service", "weight"]
        assert complete("-s", path, "backend", "drain", "w") == ["web1"]


def test_completion_follows_the_syntax():
    assert complete("packet", "run", "") == ["config", "in", "out"]
    assert complete("packet", "run", "config", str(COMPLETION)[:-2]) == [str(COMPLETION)]
    assert complete("decap", "attach", "lo", "") == ["for", "from", "mode"]
    assert complete("decap", "attach", "lo", "mode", "") == ["auto", "native", "generic"]


def test_completion_without_a_daemon_is_quiet():
    assert complete("service", "show", "") == []
