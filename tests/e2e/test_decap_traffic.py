# SPDX-License-Identifier: GPL-2.0-only
"""leat decap on a backend: what it unwraps, what it leaves alone, and what it says about it."""

import json

from deployment import service
from leatd import LEAT
from network import SERVICE4, attached_program


def decap(host, *arguments, check=True):
    return host.namespace.run(LEAT, "-j", "decap", *arguments, check=check)


def packets(host):
    """{reason: packets} of a host's eth0."""
    status, = json.loads(decap(host, "show", "eth0").stdout)
    return {reason["reason"]: reason["packets"] for reason in status["reasons"]}


def reattach(host, *arguments):
    decap(host, "detach", "eth0")
    decap(host, "attach", "eth0", *arguments)


def get(deployment):
    return deployment.curl("--connect-timeout", "1", f"http://{SERVICE4}/", check=False).returncode


def deploy_one(deploy):
    deployment = deploy([service("ipip")], backends=1)
    return deployment, deployment.network.backends[0]


def test_show_counts_what_was_unwrapped_and_what_was_not(deploy):
    deployment, backend = deploy_one(deploy)

    deployment.send(50).assert_no_failure(at_least=50)

    counted = packets(backend)
    assert counted["unwrapped"] >= 4 * 50
    assert counted["not_tunnelled"] > 0, "the probes come without a tunnel"


def test_detach_takes_the_program_away_and_traffic_with_it(deploy):
    deployment, backend = deploy_one(deploy)
    assert attached_program(backend)

    decap(backend, "detach", "eth0")

    assert attached_program(backend) is None
    assert json.loads(decap(backend, "show").stdout) == []
    assert get(deployment) != 0


def test_an_inner_destination_that_was_not_named_is_not_unwrapped(deploy):
    deployment, backend = deploy_one(deploy)

    reattach(backend, "for", "192.0.2.99")

    assert get(deployment) != 0
    assert packets(backend)["inner_refused"] > 0
    assert packets(backend)["unwrapped"] == 0


def test_only_a_named_source_prefix_is_unwrapped(deploy):
    deployment, backend = deploy_one(deploy)

    reattach(backend, "for", SERVICE4, "from", "203.0.113.0/24")
    assert get(deployment) != 0
    assert packets(backend)["source_refused"] > 0
    reattach(backend, "for", SERVICE4, "from", "172.16.0.0/16")

    assert get(deployment) == 0
