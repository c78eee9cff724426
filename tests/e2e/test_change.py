# SPDX-License-Identifier: GPL-2.0-only
"""Changes while requests run: drains, deaths, weights, reloads."""

import signal
import time

import pytest
from deployment import FAST_PROBE, service
from wait import wait_until


def test_no_request_fails_while_backends_drain(deploy):
    deployment = deploy([service()])

    with deployment.stream(clients=8) as stream:
        for name in ("web1", "web2", "web3") * 2:
            deployment.leatd.leat("backend", "drain", name)
            stream.wait_for_more(200)
            deployment.leatd.leat("backend", "undrain", name)
            stream.wait_for_more(200)

    stream.result.assert_no_failure()


def test_a_drained_backend_gets_no_new_connection(deploy):
    deployment = deploy([service()])

    deployment.leatd.leat("backend", "drain", "web2")
    result = deployment.send(200)

    result.assert_no_failure(at_least=200)
    assert set(result.answers) == {"web1", "web3"}
    assert deployment.leatd.states()["web2"] == "draining"


def test_an_undrained_backend_takes_traffic_again(deploy):
    deployment = deploy([service()])
    deployment.leatd.leat("backend", "drain", "web2")
    assert "web2" not in deployment.send(100).answers

    deployment.leatd.leat("backend", "undrain", "web2")

    assert deployment.leatd.states()["web2"] == "up"
    assert "web2" in deployment.send(100).answers


def test_a_killed_backend_is_out_within_four_intervals(deploy):
    deployment = deploy([service(probe=FAST_PROBE)])

    with deployment.stream() as stream:
        killed_at = time.monotonic()
        deployment.servers["web2"].kill()
        deployment.leatd.wait_for_states(web2="down")
        stream.wait_for_more(500)

    late = [failure for failure in stream.result.failures if failure["started"] > killed_at + 0.4]
    assert not late, f"killed at {killed_at}, and still {late[:3]}"
    assert "L4CON" in deployment.leatd.backends()["web2"]["reason"]


def test_a_killed_backend_comes_back_when_it_serves_again(deploy):
    deployment = deploy([service(probe=FAST_PROBE)])
    deployment.servers["web2"].kill()
    deployment.leatd.wait_for_states(web2="down")

    deployment.servers["web2"].start()
    deployment.leatd.wait_for_states(web2="up")

    result = deployment.send(200)
    result.assert_no_failure(at_least=200)
    assert "web2" in result.answers


@pytest.mark.parametrize("how", ["sick", "stopped", "unplugged"])
def test_a_backend_that_fails_its_probe_is_taken_out(deploy, how):
    deployment = deploy([service(probe=FAST_PROBE)])
    code = {"sick": "L7STS", "stopped": "L7TOUT", "unplugged": "L4TOUT"}[how]

    if how == "sick":
        deployment.servers["web2"].set_sick(True)
    elif how == "stopped":
        deployment.servers["web2"].pause(signal.SIGSTOP)
    else:
        deployment.network.fabric.run("ip", "link", "set", "to-web2", "nomaster")
    deployment.leatd.wait_for_states(web2="down", web1="up", web3="up")

    result = deployment.send(200)
    result.assert_no_failure(at_least=200)
    assert set(result.answers) == {"web1", "web3"}
    assert code in deployment.leatd.backends()["web2"]["reason"]


def test_the_operators_weight_moves_the_shares(deploy):
    deployment = deploy([service()], backends=2)

    deployment.leatd.leat("backend", "set", "web1", "weight", "300")

    backends = deployment.leatd.backends()
    assert backends["web1"]["weight"] == backends["web1"]["operator_weight"] == 300
    assert backends["web1"]["configured_weight"] == 100
    assert backends["web1"]["share"] == pytest.approx(0.75, abs=0.02)
    assert deployment.send(600).share("web1") == pytest.approx(0.75, abs=0.1)


def test_a_disabled_backend_gets_nothing_until_it_is_enabled(deploy):
    deployment = deploy([service()])

    deployment.leatd.leat("backend", "disable", "web1", "service", "web")
    disabled = deployment.send(100)
    deployment.leatd.leat("backend", "enable", "web1", "service", "web")
    enabled = deployment.send(100)

    assert "web1" not in disabled.answers
    assert "web1" in enabled.answers


@pytest.mark.parametrize("how", ["leat config reload", "SIGHUP"])
def test_a_reload_applies_the_difference_and_no_request_fails(deploy, how):
    deployment = deploy([service(weights=[100, 100])])
    reloaded_at = deployment.leatd.show("node", "show")["reload"]["timestamp"]

    with deployment.stream() as stream:
        deployment.configure([service(weights=[100, 100]), service(name="second", port=8081)])
        if how == "SIGHUP":
            deployment.leatd.process.send_signal(signal.SIGHUP)
        else:
            deployment.leatd.leat("config", "reload")
        wait_until(lambda: len(deployment.leatd.show("service", "show")) == 2, what="the reload")
        deployment.leatd.wait_until_all_up()
        stream.wait_for_more(300)

    stream.result.assert_no_failure()
    assert len(deployment.send(100, port=8081).answers) == 3
    assert deployment.leatd.show("node", "show")["reload"]["success"]
    assert deployment.leatd.show("node", "show")["reload"]["timestamp"] >= reloaded_at


def test_a_reload_keeps_counters_health_and_the_operators_changes(deploy):
    deployment = deploy([service(probe=FAST_PROBE)])
    deployment.send(100)
    deployment.servers["web3"].kill()
    deployment.leatd.wait_for_states(web3="down")
    deployment.leatd.leat("backend", "drain", "web2")
    before = deployment.leatd.backends()

    deployment.configure([service(probe=FAST_PROBE, table_size=1024)])
    deployment.leatd.leat("config", "reload")

    after = deployment.leatd.backends()
    assert {name: one["state"] for name, one in after.items()} == \
        {"web1": "up", "web2": "draining", "web3": "down"}
    assert after["web2"]["operator"] == "drain"
    assert all(after[name]["packets"] >= before[name]["packets"] for name in before)
    assert deployment.leatd.show("service", "show")[0]["table_size"] == 1024


def test_a_removed_service_goes_back_to_the_kernel(deploy):
    deployment = deploy([service(), service(name="second", port=8081)])
    deployment.send(20, port=8081).assert_no_failure()

    deployment.configure([service()])
    deployment.leatd.leat("config", "reload")

    assert [one["name"] for one in deployment.leatd.show("service", "show")] == ["web"]
    assert deployment.send(2, port=8081, timeout=1).answers == {}


@pytest.mark.parametrize("how", ["leat config reload", "SIGHUP"])
def test_a_bad_file_changes_nothing_that_runs(deploy, how):
    deployment = deploy([service()])
    leatd = deployment.leatd
    good = leatd.config_path.read_text(encoding="utf-8")

    with deployment.stream() as stream:
        leatd.write_text(good.replace('"port": 80,', '"port": 80000, "colour": "red",'))
        if how == "SIGHUP":
            leatd.process.send_signal(signal.SIGHUP)
        else:
            refused = leatd.leat("config", "reload", check=False)
            assert refused.returncode != 0
        wait_until(lambda: f"{leatd.config_path}:" in leatd.log() or "SIGHUP" != how,
                   what="the file's errors in the log")
        stream.wait_for_more(200)

    stream.result.assert_no_failure()
    errors = leatd.log() if how == "SIGHUP" else refused.stderr
    for word in ("80000", "colour", f"{leatd.config_path}:"):
        assert word in errors, errors
    assert not leatd.show("node", "show")["reload"]["success"]
    assert [one["port"] for one in leatd.show("service", "show")] == [80]
    assert deployment.send(100).total == 100
