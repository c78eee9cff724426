# SPDX-License-Identifier: GPL-2.0-only
"""Every kind of probe against a real server that is well, then not, then well again."""

import signal

import pytest
from deployment import PROBE, service
from network import SERVICE6
from servers import PROBE_PORT, TLS_PORT, UDP_PORT

TIMES = {key: PROBE[key] for key in ("interval", "timeout", "rise", "fall")}
HTTP = {**TIMES, "type": "http", "port": PROBE_PORT, "path": "/healthz"}
HTTPS = {**HTTP, "type": "https", "port": TLS_PORT, "host": "example", "verify": False}


def make_sick(deployment, is_sick):
    deployment.servers["web2"].set_sick(is_sick)


def stop_nginx(deployment, is_sick):
    if is_sick:
        deployment.servers["web2"].kill()
    else:
        deployment.servers["web2"].start()


def pause_nginx(deployment, is_sick):
    deployment.servers["web2"].pause(signal.SIGSTOP if is_sick else signal.SIGCONT)


def unplug(deployment, is_sick):
    deployment.network.fabric.run("ip", "link", "set", "to-web2",
                                  *(["nomaster"] if is_sick else ["master", "br0"]))


CASES = {
    "tcp refused": ({**TIMES, "type": "tcp", "port": PROBE_PORT}, stop_nginx, "L4CON"),
    "tcp unplugged": ({**TIMES, "type": "tcp", "port": PROBE_PORT}, unplug, "L4"),
    "http status": ({**HTTP, "status": "200"}, make_sick, "L7STS"),
    "http body": ({**HTTP, "status": "200-599", "body": "healthy"}, make_sick, "L7RSP"),
    "http silent": (HTTP, pause_nginx, "L7TOUT"),
    "https status": (HTTPS, make_sick, "L7STS"),
    "https refused": (HTTPS, stop_nginx, "L4CON"),
    "icmp unplugged": ({**TIMES, "type": "icmp"}, unplug, "L3"),
}


@pytest.mark.parametrize("ipv6", [False, True], ids=["ipv4", "ipv6"])
@pytest.mark.parametrize("probe, set_sick, code", CASES.values(), ids=CASES.keys())
def test_a_probe_tells_a_sick_backend_from_a_well_one(deploy, probe, set_sick, code, ipv6):
    where = {"address": SERVICE6} if ipv6 else {}
    deployment = deploy([service(probe=probe, **where)], backends=2)

    set_sick(deployment, True)
    deployment.leatd.wait_for_states(web1="up", web2="down")
    reason = deployment.leatd.backends()["web2"]["reason"]
    set_sick(deployment, False)
    deployment.leatd.wait_for_states(web1="up", web2="up")

    assert code in reason


def test_a_udp_probe_expects_the_reply(deploy):
    probe = {**TIMES, "type": "udp", "port": UDP_PORT, "send": "hello", "expect": "web1 hello"}
    deployment = deploy([service(protocol="udp", port=UDP_PORT, probe=probe)], backends=2,
                        wait=False)

    deployment.leatd.wait_for_states(web1="up", web2="down")

    assert "L7RSP" in deployment.leatd.backends()["web2"]["reason"]


def test_a_certificate_that_nobody_trusts_fails_a_probe_that_verifies(deploy):
    deployment = deploy([service(probe={**HTTPS, "verify": True})], backends=1, wait=False)

    deployment.leatd.wait_for_states(web1="down")

    assert "L6RSP" in deployment.leatd.backends()["web1"]["reason"]


def test_a_service_without_a_probe_takes_its_backends_as_up(deploy):
    deployment = deploy([service(probe=None)])
    deployment.servers["web1"].kill()

    assert deployment.leatd.states() == {"web1": "up", "web2": "up", "web3": "up"}
