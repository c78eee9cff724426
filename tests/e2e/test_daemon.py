# SPDX-License-Identifier: GPL-2.0-only
"""The daemon's own life: start, death, restart, what it keeps and what it takes away."""

import os
import signal
import socket

import pytest
from deployment import FAST_PROBE, service
from network import attached_program
from wait import wait_until


def test_no_request_fails_while_the_daemon_is_killed_and_started_again(deploy):
    deployment = deploy([service()])
    program = attached_program(deployment.edge)

    with deployment.stream() as stream:
        deployment.leatd.kill()
        stream.wait_for_more(500)
        assert attached_program(deployment.edge) == program
        deployment.leatd.start()
        stream.wait_for_more(500)

    stream.result.assert_no_failure(at_least=1000)
    assert attached_program(deployment.edge) == program


def test_a_restart_picks_up_maps_program_and_health(deploy):
    deployment = deploy([service(probe=FAST_PROBE)])
    deployment.servers["web3"].kill()
    deployment.leatd.wait_for_states(web3="down")
    packets = deployment.send(100).total
    before = deployment.leatd.backends()

    deployment.leatd.kill()
    deployment.leatd.start()

    node = deployment.leatd.show("node", "show")
    assert node["reused"] == {"maps": True, "program": True, "backends": 3}
    assert node["interfaces"][0]["reused"]
    after = deployment.leatd.backends()
    assert {name: one["state"] for name, one in after.items()} == \
        {"web1": "up", "web2": "up", "web3": "down"}
    assert after["web3"]["reason"] == before["web3"]["reason"]
    assert sum(one["packets"] for one in after.values()) >= 4 * packets


def test_the_operators_changes_survive_a_restart(deploy):
    deployment = deploy([service()])
    deployment.leatd.leat("backend", "drain", "web1")
    deployment.leatd.leat("backend", "disable", "web2")
    deployment.leatd.leat("backend", "set", "web3", "weight", "7")

    deployment.leatd.terminate()
    deployment.leatd.start()

    backends = deployment.leatd.backends()
    assert (backends["web1"]["operator"], backends["web1"]["state"]) == ("drain", "draining")
    assert (backends["web2"]["operator"], backends["web2"]["state"]) == ("disable", "disabled")
    assert (backends["web3"]["operator_weight"], backends["web3"]["weight"]) == (7, 7)


def test_a_restart_applies_what_changed_in_the_file_meanwhile(deploy):
    deployment = deploy([service(weights=[100, 100])])
    assert set(deployment.send(60).answers) == {"web1", "web2"}
    deployment.leatd.kill()

    deployment.configure([service(weights=[100])])
    deployment.leatd.start()

    # It may still have flows, and leaves when those have ended; without traffic it would at once.
    assert deployment.leatd.states() == {"web1": "up", "web2": "draining"}
    assert deployment.leatd.backends()["web2"]["leaving"]
    assert set(deployment.send(60).answers) == {"web1"}


def test_sigterm_detaches_and_leaves_no_pin(deploy):
    deployment = deploy([service()])
    assert attached_program(deployment.edge)

    assert deployment.leatd.terminate() == 0

    assert attached_program(deployment.edge) is None
    assert not deployment.leatd.pins.exists() or not any(deployment.leatd.pins.iterdir())
    assert not deployment.leatd.socket.exists()


def test_sigterm_with_keep_leaves_forwarding_running(deploy):
    deployment = deploy([service()])
    deployment.leatd.terminate()
    deployment.leatd.start("--keep")
    deployment.leatd.wait_until_all_up()

    with deployment.stream() as stream:
        assert deployment.leatd.terminate() == 0
        stream.wait_for_more(300)
        deployment.leatd.start()
        stream.wait_for_more(300)

    stream.result.assert_no_failure()
    assert deployment.leatd.show("node", "show")["reused"]["program"]


def test_a_start_says_which_mode_it_got(deploy):
    deployment = deploy([service()])

    interface = deployment.leatd.show("node", "show")["interfaces"][0]

    assert (interface["name"], interface["mode"], interface["attached"]) == ("eth0", "native", True)
    # Behind a dispatcher, the link shows the dispatcher's id.
    assert interface["dispatcher"] or interface["program_id"] == attached_program(deployment.edge)
    assert "native" in deployment.leatd.log()


def test_generic_mode_balances_too(deploy):
    deployment = deploy([service()], mode="generic")

    assert deployment.leatd.show("node", "show")["interfaces"][0]["mode"] == "generic"
    deployment.send(100).assert_no_failure(at_least=100)


def test_readiness_is_told_to_the_service_manager(deploy, directory):
    deployment = deploy([service()])
    deployment.leatd.terminate()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(10)
        manager.bind(str(directory / "notify"))
        environment = {**os.environ, "NOTIFY_SOCKET": str(directory / "notify")}

        deployment.leatd.spawn(env=environment)
        assert b"READY=1" in manager.recv(4096)
        assert attached_program(deployment.edge)
        deployment.leatd.process.send_signal(signal.SIGTERM)
        wait_until(lambda: b"STOPPING=1" in manager.recv(4096), what="STOPPING=1")


def test_a_second_daemon_on_the_same_socket_refuses_to_start(deploy):
    deployment = deploy([service()])
    first = deployment.leatd.process

    deployment.leatd.spawn()
    second = deployment.leatd.process
    status = second.wait(timeout=10)
    deployment.leatd.process = first

    assert status not in (0, None)
    assert first.poll() is None
    deployment.send(20).assert_no_failure()


BAD_FILES = {
    "an unknown key": ('"mode": "native"', '"mood": "native"', "mood"),
    "a bad address": ('"192.0.2.10"', '"192.0.2.300"', "192.0.2.300"),
    "a second service of that name": ('"name": "second"', '"name": "web"', "web"),
    "no YAML at all": ('"services": [', '"services": [[', ""),
}


@pytest.mark.parametrize("old, new, named", BAD_FILES.values(), ids=BAD_FILES.keys())
def test_a_bad_file_at_start_is_refused_with_its_position(deploy, old, new, named):
    deployment = deploy([service(), service(name="second", port=8081)])
    leatd = deployment.leatd
    leatd.terminate()
    leatd.log_path.write_text("")
    good = leatd.config_path.read_text(encoding="utf-8")
    assert old in good

    leatd.write_text(good.replace(old, new))
    leatd.spawn()

    assert leatd.process.wait(timeout=10) != 0
    assert attached_program(deployment.edge) is None
    position = leatd.log().partition(f"{leatd.config_path}:")[2].split(":")
    assert position[0].isdigit() and position[1].isdigit(), leatd.log()
    assert named in leatd.log()


def test_a_torn_state_file_is_set_aside_and_traffic_flows(deploy, directory):
    deployment = deploy([service()])
    deployment.leatd.leat("backend", "drain", "web1")
    deployment.leatd.terminate()
    state = directory / "state.json"
    state.write_text(state.read_text(encoding="utf-8")[:-20])

    deployment.leatd.start()
    deployment.leatd.wait_until_all_up()

    deployment.send(100).assert_no_failure(at_least=100)
    assert (directory / "state.json.bad").exists()
    assert "state.json.bad" in deployment.leatd.log()


def test_a_missing_interface_is_named(deploy):
    deployment = deploy([service()])
    deployment.leatd.terminate()
    deployment.configure([service()], interfaces=["nosuch0"])

    deployment.leatd.spawn()

    assert deployment.leatd.process.wait(timeout=10) != 0
    assert "nosuch0" in deployment.leatd.log()
