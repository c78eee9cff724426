# SPDX-License-Identifier: GPL-2.0-only
"""Sources that are kept out: by the operator for a while, and by files that are read again."""

import pytest
from deployment import service
from network import SERVICE4, SERVICE6
from wait import wait_until

ADDRESSES = {4: SERVICE4, 6: SERVICE6}
ALL = {4: "203.0.113.0/25", 6: "2001:db8:3::/64"}
SOURCES = {4: ("203.0.113.1", "203.0.113.2"), 6: ("2001:db8:3::1", "2001:db8:3::2")}
every_family = pytest.mark.parametrize("family", (4, 6))


def reaches(deployment, family, source):
    """Whether a request from there is answered."""
    url = f"http://[{SERVICE6}]/" if family == 6 else f"http://{SERVICE4}/"
    done = deployment.client.run("curl", "-sS", "-m", "0.5", "--interface", source, url,
                                 check=False)
    return done.stdout.strip() in deployment.servers


@every_family
def test_an_operator_denies_a_source_and_takes_that_back(deploy, family):
    deployment = deploy([service("ipip", ADDRESSES[family])])
    leatd, (one, other) = deployment.leatd, SOURCES[family]
    assert reaches(deployment, family, one)

    leatd.leat("deny", "add", one)
    assert not reaches(deployment, family, one)
    assert reaches(deployment, family, other)
    assert leatd.show("service", "show")[0]["refused"]["denied"] > 0

    leatd.leat("deny", "add", ALL[family], "192.0.2.200", "for", "1h")
    assert not reaches(deployment, family, other)
    assert len(leatd.show("deny", "show")["denied"]) == 3

    leatd.leat("deny", "del", one, ALL[family], "192.0.2.200")
    assert reaches(deployment, family, one) and reaches(deployment, family, other)
    assert leatd.show("deny", "show")["denied"] == []


def test_what_is_denied_ends_by_itself(deploy):
    deployment = deploy([service("ipip")])
    source = SOURCES[4][0]

    deployment.leatd.leat("deny", "add", source, "for", "3s")
    assert not reaches(deployment, 4, source)

    wait_until(lambda: reaches(deployment, 4, source), 15, "the end of it")
    assert deployment.leatd.show("deny", "show")["denied"] == []


def test_what_is_denied_outlives_the_daemon(deploy):
    deployment = deploy([service("ipip")])
    leatd, (one, other) = deployment.leatd, SOURCES[4]
    leatd.leat("deny", "add", one)

    leatd.kill()
    assert not reaches(deployment, 4, one) and reaches(deployment, 4, other)
    leatd.start()
    leatd.wait_until_all_up()

    assert not reaches(deployment, 4, one) and reaches(deployment, 4, other)
    leatd.leat("deny", "del", one)
    assert reaches(deployment, 4, one)


def test_a_connection_of_another_source_goes_on_while_lists_change(deploy):
    """Each change of the first and the last prefix swaps the program, too."""
    deployment = deploy([service("ipip")])

    with deployment.stream() as stream:
        for _ in range(5):
            deployment.leatd.leat("deny", "add", "198.18.0.0/15")
            deployment.leatd.leat("deny", "add", "2001:db8:bad::/48")
            deployment.leatd.leat("deny", "del", "198.18.0.0/15", "2001:db8:bad::/48")

    stream.result.assert_no_failure(at_least=50)


def test_files_are_read_again_with_a_reload(deploy, directory):
    path = directory / "strangers"
    path.write_text("198.18.0.0/15\n")
    one, other = SOURCES[4]
    deployment = deploy([service("ipip", deny={"file": str(path)})])
    assert reaches(deployment, 4, one)

    path.write_text(f"198.18.0.0/15\n{one}  # seen scanning\n")
    deployment.leatd.leat("config", "reload")
    assert not reaches(deployment, 4, one) and reaches(deployment, 4, other)

    path.write_text(f"198.18.0.0/15\n{other}/99\n")
    failed = deployment.leatd.leat("config", "reload", check=False)
    assert failed.returncode == 1 and f"{path}, line 2" in failed.stderr
    assert not reaches(deployment, 4, one) and reaches(deployment, 4, other)


def test_only_those_are_served_that_an_allow_list_has(deploy):
    one, other = SOURCES[4]
    deployment = deploy([service("ipip", allow=[f"{one}/32"])])

    assert reaches(deployment, 4, one) and not reaches(deployment, 4, other)
    assert deployment.leatd.reason_packets("not_allowed") > 0
    shown = deployment.leatd.show("config", "show")["services"][0]
    assert shown["allow"] == [f"{one}/32"]


def test_denials_that_make_no_sense_are_refused_and_change_nothing(deploy):
    leatd = deploy([service("ipip")], wait=False).leatd
    leatd.leat("deny", "add", "10.0.0.0/8")
    for words, text in ((("del", "10.0.0.0/9"), "10.0.0.0/9 was not denied"),
                        (("del", "10.0.0.0/8", "10.0.0.0/9"), "10.0.0.0/9 was not denied"),
                        (("add", "10.0.0.0/33"), "10.0.0.0/33 is no prefix"),
                        (("add", "192.0.2.1", "for", "soon"), "must be a duration"),
                        (("add",), "which sources?")):
        failed = leatd.leat("deny", *words, check=False)
        assert failed.returncode != 0 and text in failed.stderr
    assert leatd.show("deny", "show") == {"denied": [{"prefix": "10.0.0.0/8"}], "configured": 0}
