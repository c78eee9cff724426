# SPDX-License-Identifier: GPL-2.0-only
"""Configurations that are planned, applied, tried and rolled back, while connections are held."""

import json
import subprocess
import time

import pytest
from held import FLOWS, Node
from network import SERVICE4
from programs import PORT
from wait import SLOWNESS, wait_until

NEVER = {"type": "tcp", "port": 9, "interval": "200ms", "timeout": "200ms", "rise": 1, "fall": 2}


@pytest.fixture(name="node")
def make_node(directory):
    node = Node(directory)
    yield node
    node.close()


def write(node, name, text):
    path = node.directory / name
    path.write_text(text if isinstance(text, str) else json.dumps(text, indent=2) + "\n")
    return path


def changed(node, backends=None, **keys):
    """The configuration that runs, with other backends or keys of its service."""
    config = json.loads(node.leatd.config_path.read_text())
    service = config["services"][0]
    hosts = {host.name: host.ipv4 for host in node.network.backends}
    if backends:
        service["backends"] = [{"name": name, "address": hosts[name]} for name in backends]
    service.update(keys)
    return config


def version(node):
    return node.leatd.show("config", "history")["version"]


def of_service(reply):
    (service,) = reply["services"]
    return service, {backend["name"]: backend for backend in service["backends"]}


@pytest.mark.parametrize("scheduler", ["hash", "least-connections"])
def test_plan_announces_what_apply_does_and_nobody_breaks(node, scheduler):
    node.start(scheduler=scheduler)
    node.hold_flows()
    before = node.leatd.backends()
    path = write(node, "next.yaml", changed(node, ["web2", "web3"]))

    plan = node.leatd.show("config", "plan", path)
    assert node.leatd.backends().keys() == before.keys()
    assert version(node) == plan["version"]
    service, backends = of_service(plan)
    assert backends["web1"]["change"] == "leaving" and backends["web1"]["slots_after"] == 0
    assert backends["web1"]["breaks"] is None
    assert service["slots_moved"] == before["web1"]["slots"]
    assert service["flows"]["break"] == 0
    if scheduler != "hash":
        assert service["flows"] == {"counted": True, "stay": FLOWS, "break": 0}
    text = node.leatd.leat("config", "plan", path).stdout
    assert "web1" in text and "leaving" in text

    applied = node.leatd.show("config", "apply", path, "if-version", plan["version"])
    assert applied["services"] == plan["services"]
    assert version(node) == applied["version"] != plan["version"]
    after = node.leatd.backends()
    for name, backend in backends.items():
        assert after[name]["slots"] == backend["slots_after"], name
    assert json.loads(node.leatd.config_path.read_text()) == json.loads(path.read_text())

    node.client.wait_for_exchanges(3 * FLOWS)
    node.leatd.leat("config", "rollback")
    node.client.wait_for_exchanges(3 * FLOWS)
    assert node.leatd.backends()["web1"]["state"] == "up"
    assert node.end_flows()["open"] == FLOWS
    assert node.client.broken == []
    assert [one["by"] for one in node.leatd.show("config", "history")["versions"]] == [
        "rollback", "apply", "start"]


def test_plan_tells_the_flows_that_would_break_and_why(node):
    node.start(scheduler="round-robin")
    node.hold_flows()
    held = node.held_by("web1")
    path = write(node, "next.yaml", changed(node, ["web2", "web3"]))
    wait_until(lambda: node.backend("web1")["flows"] == held, what="the count of flows")

    service, backends = of_service(node.leatd.show("config", "plan", path, "--now"))
    assert service["flows"] == {"counted": True, "stay": FLOWS - held, "break": held}
    assert backends["web1"]["breaks"] == "the backend is removed at once"
    service, backends = of_service(node.leatd.show("backend", "disable", "web1", "--plan"))
    assert service["flows"]["break"] == held
    assert backends["web1"]["breaks"] == "the backend is disabled"
    drain, _ = of_service(node.leatd.show("backend", "drain", "web1", "--plan"))
    assert drain["flows"]["break"] == 0 and drain["slots_moved"] == service["slots_moved"]

    moved = node.backend("web1")["slots"]
    assert moved == drain["slots_moved"]
    node.leatd.leat("backend", "drain", "web1")
    assert node.backend("web1")["slots"] == 0
    assert node.end_flows()["open"] == FLOWS
    assert node.client.broken == []


def test_another_version_a_wrong_file_and_an_edited_one_are_refused(node):
    node.start()
    first = version(node)
    path = write(node, "next.yaml", changed(node, idle={"tcp": "4s"}))
    node.leatd.leat("config", "apply", path)
    second = version(node)
    ran = node.leatd.config_path.read_text()

    late = node.leatd.leat("config", "apply", path, "--if-version", first, check=False)
    assert late.returncode == 3
    assert f"version {second} runs, and not {first}" in late.stderr

    garbage = write(node, "garbage.yaml", "interfaces: [eth0]\nservices: [\x01\n")
    wrong = node.leatd.leat("config", "apply", garbage, check=False)
    assert wrong.returncode == 1 and "garbage.yaml:2:" in wrong.stderr

    node.leatd.write_text(ran + "# an edit\n")
    edited = node.leatd.leat("config", "apply", path, check=False)
    assert edited.returncode == 1 and "was changed since it was loaded" in edited.stderr
    node.leatd.write_text(ran)
    assert version(node) == second
    assert node.leatd.config_path.read_text() == ran


def test_a_configuration_that_is_not_confirmed_goes_back(node):
    node.start()
    node.hold_flows()
    before = node.leatd.config_path.read_text()
    first = version(node)
    path = write(node, "next.yaml", changed(node, ["web2", "web3"]))

    node.leatd.leat("config", "apply", path, "rollback-after", "1s")
    wait_until(lambda: node.leatd.show("config", "history")["versions"][0]["by"] == "rollback",
               what="going back")
    assert node.leatd.config_path.read_text() == before
    history = node.leatd.show("config", "history")
    assert f"back to {first}, it was not confirmed in time" in history["versions"][0]["note"]
    node.leatd.wait_for_states(web1="up")

    trial = node.leatd.show("config", "apply", path, "--rollback-after", "1h")["trial"]
    assert trial["needs_confirmation"] and trial["min_healthy"] == 50
    refused = node.leatd.leat("config", "apply", path, check=False)
    assert refused.returncode == 1 and "is on trial" in refused.stderr
    node.leatd.leat("config", "confirm")
    assert node.leatd.show("config", "history")["trial"] is None
    again = node.leatd.leat("config", "confirm", check=False)
    assert again.returncode == 1 and "no configuration is on trial" in again.stderr
    told = [event["kind"] for event in node.leatd.show("event", "show")["events"]
            if event["kind"].startswith("config_")]
    assert list(dict.fromkeys(told)) == ["config_applied", "config_withdrawn", "config_confirmed"]
    assert node.end_flows()["open"] == FLOWS
    assert node.client.broken == []


def test_a_configuration_whose_backends_fail_goes_back_and_nobody_breaks(node):
    node.start()
    node.hold_flows()
    first = version(node)
    config = changed(node)
    config["services"].append({
        "name": "other", "address": SERVICE4, "port": PORT + 1, "protocol": "tcp", "forward": "l2",
        "probe": NEVER, "backends": config["services"][0]["backends"]})
    path = write(node, "next.yaml", config)

    node.leatd.leat("config", "apply", path, "--rollback-after", "60s", "--if-unhealthy")
    wait_until(lambda: node.leatd.show("config", "history")["versions"][0]["by"] == "rollback",
               what="going back")
    note = node.leatd.show("config", "history")["versions"][0]["note"]
    assert f"back to {first}" in note and "0% of the backends of other are healthy" in note
    assert [one["name"] for one in node.leatd.show("service", "show")] == ["web"]

    # One that is not watched, or stays healthy, stays.
    node.leatd.leat("config", "apply", path, "--rollback-after", "1s", "--if-unhealthy",
                    "--min-healthy", "0")
    wait_until(lambda: node.leatd.show("config", "history")["trial"] is None, what="the end")
    assert len(node.leatd.show("service", "show")) == 2
    assert node.end_flows()["open"] == FLOWS
    assert node.client.broken == []


def test_a_trial_survives_the_daemon(node):
    node.start()
    node.hold_flows()
    before = node.leatd.config_path.read_text()
    path = write(node, "next.yaml", changed(node, ["web2", "web3"]))

    node.leatd.leat("config", "apply", path, "--rollback-after", f"{10 * SLOWNESS}s")
    node.leatd.kill()
    node.leatd.start()
    wait_until(lambda: node.leatd.config_path.read_text() == before, 60, "going back")
    assert "configuration 2 is still on trial" in node.leatd.log()
    node.leatd.wait_for_states(web1="up")

    # Its time passes while no daemon runs.
    until = node.leatd.show("config", "apply", path, "--rollback-after", "5s")["trial"]["until"]
    node.leatd.kill()
    wait_until(lambda: time.time() > until, what="the end of the trial")
    node.leatd.start()
    assert node.leatd.config_path.read_text() == before
    assert node.leatd.show("config", "history")["versions"][0]["by"] == "rollback"
    assert node.end_flows()["open"] == FLOWS
    assert node.client.broken == []


def test_a_reload_ends_a_trial_and_edits_are_not_lost_when_it_fails(node):
    node.start()
    before = node.leatd.config_path.read_text()
    path = write(node, "next.yaml", changed(node, ["web2", "web3"]))

    node.leatd.leat("config", "apply", path, "--rollback-after", "60s")
    node.leatd.leat("config", "reload")
    assert node.leatd.show("config", "history")["trial"], "the same text is no decision"
    node.leatd.write_text(before + "# another\n")
    node.leatd.leat("config", "reload")
    assert node.leatd.show("config", "history")["trial"] is None
    node.leatd.write_text(before)
    node.leatd.leat("config", "reload")

    node.leatd.leat("config", "apply", path, "--rollback-after", f"{6 * SLOWNESS}s")
    node.leatd.write_text("# half of an edit\n")
    wait_until(lambda: node.leatd.config_path.read_text() == before, 60, "going back")
    edited = node.leatd.config_path.with_name("leat.yaml.edited")
    assert edited.read_text() == "# half of an edit\n"
    assert "leat.yaml.edited" in node.leatd.log()


@pytest.fixture(name="small_disk")
def make_small_disk(node):
    """A file system of a few pages for what leatd keeps."""
    path = node.directory / "disk"
    path.mkdir()
    node.network.edge.namespace.run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", path)
    yield path
    node.network.edge.namespace.run("umount", "-l", path)


def test_a_full_disk_and_one_that_cannot_be_written_change_nothing(node, small_disk):
    node.keys = {"state": str(small_disk / "state.json")}
    node.start()
    node.hold_flows()
    before = node.leatd.config_path.read_text()
    first = version(node)
    path = write(node, "next.yaml", changed(node, ["web2", "web3"]))
    filler = node.network.edge.namespace

    filler.run("dd", "if=/dev/zero", f"of={small_disk}/filler", "bs=4k", check=False)
    full = node.leatd.leat("config", "apply", path, check=False)
    assert full.returncode == 1 and "No space left on device; nothing was changed" in full.stderr
    node.leatd.leat("config", "plan", path)
    # Reloading does not depend on it.
    node.leatd.write_text(before + "# another\n")
    node.leatd.leat("config", "reload")
    node.leatd.write_text(before)
    node.leatd.leat("config", "reload")
    assert "is no version to go back to" in node.leatd.log()
    filler.run("rm", f"{small_disk}/filler")

    filler.run("mount", "-o", "remount,ro", small_disk)
    read_only = node.leatd.leat("config", "apply", path, check=False)
    assert read_only.returncode == 1 and "Read-only file system" in read_only.stderr
    filler.run("mount", "-o", "remount,rw", small_disk)
    assert node.leatd.config_path.read_text() == before
    assert set(node.leatd.states()) == {"web1", "web2", "web3"}
    assert version(node) != first

    node.leatd.leat("config", "apply", path)
    node.leatd.leat("config", "rollback")
    assert node.leatd.config_path.read_text() == before
    assert node.end_flows()["open"] == FLOWS
    assert node.client.broken == []


def kill_at_rename(node, nth, *command):
    """Kills leatd as it is about to rename a file for the nth time in a command."""
    tracer = node.network.edge.namespace.start(
        "strace", "-p", node.leatd.process.pid, "-o", "/dev/null",
        "-e", f"inject=rename:signal=SIGKILL:when={nth}", stderr=subprocess.PIPE)
    assert b"attached" in tracer.stderr.readline()
    done = node.leatd.leat(*command, check=False)
    assert done.returncode == 1 and "no whole reply" in done.stderr, done
    node.leatd.process.wait()
    tracer.wait()


def test_a_daemon_that_is_killed_while_it_applies_leaves_one_or_the_other(node):
    node.start()
    node.hold_flows()
    before = node.leatd.config_path.read_text()
    path = write(node, "next.yaml", changed(node, ["web2", "web3"]))

    # The new text, the index with the trial, leatd's file; and when it runs, the index again.
    for nth in (1, 2, 3, 4):
        kill_at_rename(node, nth, "config", "apply", path, "--rollback-after", "3s")
        assert node.leatd.config_path.read_text() == (path.read_text() if nth == 4 else before)
        node.leatd.start()
        assert nth == 4 or node.leatd.show("config", "history")["trial"] is None
        wait_until(lambda: node.leatd.config_path.read_text() == before, what="going back")
        node.leatd.wait_for_states(web1="up", web2="up", web3="up")
        node.client.wait_for_exchanges(FLOWS)
    node.leatd.leat("config", "apply", path)
    node.leatd.leat("config", "rollback")
    assert node.end_flows()["open"] == FLOWS
    assert node.client.broken == []
