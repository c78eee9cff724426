# SPDX-License-Identifier: GPL-2.0-only
"""The datapath's C on the host, under changes of every kind: it breaks nobody on the same node."""

import json
import os
import pathlib
import subprocess

SIM = pathlib.Path(os.environ.get("LEAT_SIM", pathlib.Path(__file__).parents[2] / "build/leat-sim"))


def simulate(*arguments):
    done = subprocess.run([SIM, "-j", *arguments], capture_output=True, text=True, check=True,
                          timeout=300)
    return json.loads(done.stdout)


def test_leat_breaks_no_flow_on_the_same_node_and_a_plain_hash_does():
    result = simulate("--quick", "--nodes", "1", "--seed", "3")

    broken = {subject["name"]: subject["broken"] for subject in result["subjects"]}
    assert broken["leat"] == 0
    assert broken["hash modulo n"] > 1000
