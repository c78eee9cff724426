# SPDX-License-Identifier: GPL-2.0-only
"""What a node says of itself: metrics, the control API, and who may change what."""

import json
import os
import re
import subprocess

import pytest
from deployment import FAST_PROBE, Deployment, service

NOBODY = 65534
MEMBER_GID = 65533


def samples(text, name):
    """{labels: value} of one metric."""
    found = {}
    for labels, value in re.findall(rf"^{name}(\{{.*\}})? (\S+)$", text, re.MULTILINE):
        pairs = tuple(re.findall(r'(\w+)="([^"]*)"', labels))
        assert pairs not in found, f"{name}{labels} is there twice"
        found[pairs] = float(value)
    return found


def by(label, found):
    return {dict(labels)[label]: value for labels, value in found.items()}


def test_metrics_pass_promtool_and_count_what_was_sent(deploy):
    deployment = deploy([service()])
    result = deployment.send(200)

    text = deployment.leatd.metrics()
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, text=True,
                             capture_output=True, check=False)

    assert checked.returncode == 0 and not checked.stderr, checked.stderr
    packets = by("backend", samples(text, "leat_backend_packets_total"))
    assert all(packets[name] >= 4 * count for name, count in result.answers.items())
    forwarded = by("reason", samples(text, "leat_packets_total"))["forwarded"]
    assert forwarded == sum(packets.values()) \
        == sum(samples(text, "leat_service_packets_total").values())
    assert "203.0.113." not in text


@pytest.fixture(name="metrics_text", scope="module")
def make_metrics_text(tmp_path_factory):
    deployment = Deployment(tmp_path_factory.mktemp("metrics"), [service()])
    try:
        return deployment.leatd.metrics()
    finally:
        deployment.close()


@pytest.mark.parametrize("metric", [
    "leat_service_bytes_total", "leat_backend_bytes_total", "leat_backend_up", "leat_backend_state",
    "leat_backend_weight", "leat_backend_ramp_ratio", "leat_backend_drained",
    "leat_backend_leaving", "leat_service_open_slots", "leat_flows_remembered",
    "leat_flows_capacity", "leat_flows_old", "leat_flows_half_open",
    "leat_flows_half_open_capacity", "leat_sticky_clients", "leat_sticky_clients_capacity",
    "leat_flow_events_total", "leat_probe_duration_seconds_bucket",
    "leat_probe_duration_seconds_sum", "leat_probe_duration_seconds_count",
    "leat_probe_failures_total", "leat_map_entries", "leat_map_capacity",
    "leat_config_last_reload_success", "leat_config_version",
    "leat_config_last_change_timestamp_seconds", "leat_config_trial",
    "leat_config_last_reload_success_timestamp_seconds", "leat_build_info"])
def test_every_promised_metric_is_there(metrics_text, metric):
    assert samples(metrics_text, metric)


def test_metrics_show_a_dead_backend_and_why(deploy):
    deployment = deploy([service(probe=FAST_PROBE)])
    deployment.servers["web2"].kill()
    deployment.leatd.wait_for_states(web2="down")

    text = deployment.leatd.metrics()

    assert by("backend", samples(text, "leat_backend_up")) == {"web1": 1, "web2": 0, "web3": 1}
    assert sum(value for labels, value in samples(text, "leat_probe_failures_total").items()
               if ("layer", "l4") in ((key, word.lower()) for key, word in labels)) >= 3


def test_healthz_says_that_the_daemon_lives(deploy):
    assert deploy([service()]).leatd.metrics("/healthz")


def test_reasons_account_for_every_packet_of_the_traffic(deploy):
    deployment = deploy([service()])
    result = deployment.send(100)

    stats = deployment.leatd.show("stats", "show")
    totals = {reason["reason"]: reason["packets"] for reason in stats["reasons"]}

    assert totals["forwarded"] >= 4 * result.total
    assert stats["totals"]["forwarded"]["packets"] == totals["forwarded"]
    assert sum(total["packets"] for total in stats["totals"].values()) == sum(totals.values())


def test_the_control_api_speaks_to_curl(deploy):
    leatd = deploy([service()]).leatd

    assert leatd.request("/v1/services")[1][0]["name"] == "web"
    assert len(leatd.request("/v1/backends?service=web")[1]) == 3
    assert leatd.request("/v1/backends?service=nosuch")[0] == 404
    assert leatd.request("/v1/node")[1]["version"]
    assert leatd.request("/v1/config")[1]["services"][0]["port"] == 80
    assert leatd.request("/v2/services")[0] == 404
    assert leatd.request("/v1/services", "-X", "DELETE")[0] == 405
    assert leatd.request("/v1/backends/web1", "-d", "{")[0] == 400


def test_the_control_api_changes_a_backend(deploy):
    leatd = deploy([service()]).leatd

    status, changed = leatd.request("/v1/backends/web1", "-d", json.dumps({"action": "drain"}))

    assert (status, changed[0]["state"]) == (200, "draining")
    assert leatd.states()["web1"] == "draining"
    assert leatd.request("/v1/backends/nosuch", "-d", json.dumps({"action": "drain"}))[0] == 404
    assert leatd.request("/v1/backends/web1", "-d", json.dumps({"action": "paint"}))[0] == 400


def as_user(*options):
    return ["setpriv", f"--reuid={NOBODY}", "--clear-groups", *options]


def test_the_sockets_group_reads_and_only_root_changes(deploy):
    leatd = deploy([service()]).leatd
    os.chown(leatd.socket, 0, MEMBER_GID)
    member = as_user(f"--regid={MEMBER_GID}")

    assert leatd.request("/v1/services", prefix=member)[0] == 200
    status, answer = leatd.request("/v1/backends/web1", "-d", json.dumps({"action": "drain"}),
                                   prefix=member)

    assert status == 403 and answer["error"]
    assert leatd.request("/v1/config/reload", "-X", "POST", prefix=member)[0] == 403
    assert leatd.states()["web1"] == "up"


def test_others_cannot_open_the_socket(deploy):
    leatd = deploy([service()]).leatd

    assert leatd.socket.stat().st_mode & 0o777 == 0o660
    assert leatd.request("/v1/services", prefix=as_user(f"--regid={NOBODY}"))[0] == 0
