# SPDX-License-Identifier: GPL-2.0-only
"""What contrib/ has for Prometheus and Grafana, against the metrics of a daemon that runs."""

import json
import pathlib
import re
import subprocess

import pytest
from deployment import Deployment, service

CONTRIB = pathlib.Path(__file__).parents[2] / "contrib"
RULES = CONTRIB / "prometheus/leat-rules.yml"
DASHBOARD = CONTRIB / "grafana/leat.json"
# Samples of a histogram are those of its family.
SUFFIX = re.compile("_(bucket|sum|count)$")
# By whom they are added.
SCRAPED = {"instance", "job"}


@pytest.fixture(name="labels", scope="module")
def make_labels(tmp_path_factory):
    """{metric: its labels} of a node under every kind of which there is a metric."""
    deployment = Deployment(tmp_path_factory.mktemp("contrib"),
                            [service(scheduler="round-robin", deny=["198.18.0.0/15"])])
    try:
        deployment.send(20)
        deployment.client.ip_batch(["address add 198.18.0.1/32 dev lo"])
        deployment.client.run("curl", "-s", "-m", "1", "--interface", "198.18.0.1",
                              "http://192.0.2.10/", check=False)
        text = deployment.leatd.metrics()
    finally:
        deployment.close()
    found = {}
    for name, labels in re.findall(r"^([a-z_]+)(?:\{(.*)\})? ", text, re.MULTILINE):
        found.setdefault(name, set()).update(re.findall(r'(\w+)="', labels))
    return found


def expressions(node):
    """Each PromQL expression of the dashboard."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("expr", "definition"):
                yield value
            else:
                yield from expressions(value)
    elif isinstance(node, list):
        for value in node:
            yield from expressions(value)


def named(text):
    """(metric, labels of its selector) for each metric of ours that the text names."""
    for name, selector in re.findall(r"\b(leat_\w+)(?:\{([^}]*)\})?", text):
        yield name, set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector)) - SCRAPED


@pytest.mark.parametrize("path", [RULES, DASHBOARD], ids=lambda path: path.name)
def test_the_daemon_has_every_metric_and_label_that_is_named(labels, path):
    text = path.read_text(encoding="utf-8")
    if path == DASHBOARD:
        text = "\n".join(expressions(json.loads(text)))
    wanted = list(named(text))

    assert len({name for name, _ in wanted}) >= 10
    for name, selector in wanted:
        assert name in labels, f"{path.name} names {name}, which leatd has not"
        assert selector <= labels[name], f"{path.name}: {name} has no {selector - labels[name]}"


def test_every_family_is_on_the_dashboard_or_in_a_rule(labels):
    text = RULES.read_text(encoding="utf-8") + DASHBOARD.read_text(encoding="utf-8")
    families = {SUFFIX.sub("", name) for name in labels}

    forgotten = {name for name in families if name not in text}
    assert forgotten <= {"leat_backend_bytes_total", "leat_backend_closing_flows",
                         "leat_backend_leaving", "leat_backend_ramp_ratio", "leat_backend_weight",
                         "leat_flows_old"}


def test_the_rules_do_what_their_tests_say():
    for arguments in (["check", "rules", RULES], ["test", "rules", RULES.parent /
                                                  "leat-rules-test.yml"]):
        done = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True,
                              check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_test_in_which_it_fires():
    alerts = set(re.findall(r"alert: (\w+)", RULES.read_text(encoding="utf-8")))
    tests = (RULES.parent / "leat-rules-test.yml").read_text(encoding="utf-8")

    fired = re.findall(r"- alertname: (\w+)\n\s+eval_time: \w+\n\s+exp_alerts:\n", tests)
    assert alerts == set(fired)


def test_every_panel_says_where_it_is_and_what_it_shows():
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    covered = set()

    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}
        assert place["x"] + place["w"] <= 24 and not cells & covered, panel["title"]
        covered |= cells
        assert panel["type"] == "row" or panel["targets"]
