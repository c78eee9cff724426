# SPDX-License-Identifier: GPL-2.0-only
"""A leatd in the edge node's namespace, with files and pins of its own, and leat to talk to it."""

import json
import os
import pathlib
import shutil
import signal

from namespace import PREFIX, stop
from wait import wait_until

BUILD = pathlib.Path(os.environ.get("LEAT_BUILD", pathlib.Path(__file__).parents[2] / "build"))
LEATD = BUILD / "leatd"
LEAT = BUILD / "leat"
METRICS = "127.0.0.1:9817"


class Leatd:
    def __init__(self, host, directory):
        self.host = host
        self.directory = directory
        self.config_path = directory / "leat.yaml"
        self.socket = directory / "leat.sock"
        self.log_path = directory / "leatd.log"
        self.pins = pathlib.Path("/sys/fs/bpf") / f"{PREFIX}{host.name}"
        self.process = None
        self.config = {}

    def write_config(self, services, **keys):
        """JSON is YAML, and needs no library to write."""
        self.config = {"interfaces": ["eth0"], "mode": "native",
                       "control": {"socket": str(self.socket), "group": "root"},
                       "metrics": {"listen": METRICS},
                       "state": str(self.directory / "state.json"),
                       "services": services, **keys}
        self.write_text(json.dumps(self.config, indent=2) + "\n")

    def write_text(self, text):
        self.config_path.write_text(text)

    def spawn(self, *options, **keywords):
        with open(self.log_path, "a", encoding="utf-8") as log:
            self.process = self.host.namespace.start(
                LEATD, "-c", self.config_path, "--pin-path", self.pins, *options,
                stdout=log, stderr=log, **keywords)

    def start(self, *options):
        self.spawn(*options)
        wait_until(self._answers, what="leatd's control socket")

    def _answers(self):
        assert self.process.poll() is None, f"leatd ended:\n{self.log()}"
        return self.leat("node", "show", check=False).returncode == 0

    def log(self):
        return self.log_path.read_text(encoding="utf-8")

    def leat(self, *arguments, check=True):
        return self.host.namespace.run(LEAT, "-s", self.socket, *arguments, check=check)

    def show(self, *arguments):
        """The JSON that leat prints."""
        return json.loads(self.leat("-j", *arguments).stdout)

    def backends(self, service="web"):
        return {backend["name"]: backend
                for backend in self.show("backend", "show", "service", service)}

    def states(self, service="web"):
        return {name: backend["state"] for name, backend in self.backends(service).items()}

    def wait_for_states(self, service="web", deadline_s=10.0, **states):
        """wait_for_states(web1="up", web2="down"): until these backends are in these states."""
        def reached():
            now = self.states(service)
            return all(now.get(name) == state for name, state in states.items())
        try:
            wait_until(reached, deadline_s, f"{states}")
        except AssertionError as late:
            raise AssertionError(f"{late}; it is {self.states(service)}\n{self.log()}") from None

    def wait_until_all_up(self):
        for service in self.show("service", "show"):
            self.wait_for_states(service["name"], **{
                backend["name"]: "up" for backend in service["backends"] if backend["weight"]})

    def reason_packets(self, label):
        """How many packets the datapath has counted for a reason."""
        return next(reason["packets"] for reason in self.show("stats", "show")["reasons"]
                    if reason["reason"] == label)

    def request(self, path, *options, prefix=()):
        """curl against the control API; returns the status and the body's JSON."""
        done = self.host.namespace.run(
            *prefix, "curl", "-sS", "-m", "10", "-w", "\n%{http_code}", "--unix-socket",
            self.socket, *options, f"http://leat{path}", check=False)
        body, _, status = done.stdout.rpartition("\n")
        return int(status), json.loads(body) if body.strip() else None

    def metrics(self, path="/metrics"):
        return self.host.namespace.run("curl", "-sSf", "-m", "10", f"http://{METRICS}{path}").stdout

    def kill(self):
        self.process.kill()
        self.process.wait()

    def terminate(self):
        return stop(self.process, signal.SIGTERM)

    def close(self):
        if self.process and self.process.poll() is None:
            self.terminate()
        shutil.rmtree(self.pins, ignore_errors=True)
