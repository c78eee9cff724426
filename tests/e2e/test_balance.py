# SPDX-License-Identifier: GPL-2.0-only
"""Who gets how much: weights, stickiness, both kinds of table, and nobody."""

import pytest
from deployment import service

every_table = pytest.mark.parametrize("table", ["rendezvous", "maglev"])


@every_table
def test_connections_are_spread_by_weight(deploy, table):
    deployment = deploy([service(weights=[100, 200, 300], table=table, table_size=4096)])

    result = deployment.send(3000, source_count=100)

    result.assert_no_failure(at_least=3000)
    # Five standard deviations of 3000 draws are 0.05.
    assert result.share("web1") == pytest.approx(1 / 6, abs=0.05)
    assert result.share("web2") == pytest.approx(2 / 6, abs=0.05)
    assert result.share("web3") == pytest.approx(3 / 6, abs=0.05)


@every_table
def test_a_backends_share_of_the_table_is_its_weights(deploy, table):
    deployment = deploy([service(weights=[100, 300], table=table)], backends=2)

    backends = deployment.leatd.backends()

    assert backends["web1"]["share"] == pytest.approx(0.25, abs=0.02)
    assert backends["web2"]["share"] == pytest.approx(0.75, abs=0.02)
    assert backends["web1"]["slots"] + backends["web2"]["slots"] >= 65536


def test_a_source_stays_on_its_backend_whatever_its_port(deploy):
    deployment = deploy([service(hash="source")])

    result = deployment.send(400, source_count=20)

    result.assert_no_failure(at_least=400)
    assert len(result.by_source) == 20
    assert all(len(names) == 1 for names in result.by_source.values()), result.by_source
    assert len(result.answers) > 1, "twenty sources on one backend of three"


def test_a_source_is_spread_over_all_when_the_flow_is_hashed(deploy):
    deployment = deploy([service(hash="flow")])

    result = deployment.send(300, source_count=1)

    assert len(result.answers) == 3, result.answers


def test_weight_zero_in_the_file_gets_nothing(deploy):
    deployment = deploy([service(weights=[100, 0, 100])])

    result = deployment.send(200)

    result.assert_no_failure(at_least=200)
    assert set(result.answers) == {"web1", "web3"}
    assert deployment.leatd.states()["web2"] == "draining"


def test_a_service_without_a_usable_backend_drops_and_counts(deploy):
    deployment = deploy([service()])
    for name in ("web1", "web2", "web3"):
        deployment.leatd.leat("backend", "disable", name)
    before = deployment.leatd.reason_packets("no_backend")

    refused = deployment.curl("--connect-timeout", "1", "http://192.0.2.10/", check=False)

    assert refused.returncode == 28, refused
    assert deployment.leatd.reason_packets("no_backend") > before


def test_a_backend_takes_no_traffic_before_its_first_success(deploy):
    deployment = deploy([service(weights=[100, 100])])
    deployment.servers["web3"].set_sick(True)
    deployment.configure([service()])

    deployment.leatd.leat("config", "reload")
    during = deployment.send(200)
    deployment.servers["web3"].set_sick(False)
    deployment.leatd.wait_for_states(web3="up")
    after = deployment.send(200)

    during.assert_no_failure(at_least=200)
    assert "web3" not in during.answers
    assert "web3" in after.answers
