# SPDX-License-Identifier: GPL-2.0-only
"""Debian's kernels run the datapath and carry real traffic. Each boots in a guest with this
machine's files; tests/vm/chosen says what runs there."""

import subprocess

import pytest
from kernels import BUILD, HERE, KERNELS, fetch

TREE = HERE.parents[1]
GUEST_SECONDS = "2400"


@pytest.mark.parametrize("release, package", KERNELS)
def test_packets_and_connections_come_through(release, package):
    fetch(package)
    done = subprocess.run(
        [HERE / "guest", "--kernel", package, "--machine", "yes", "--memory", "1024",
         "--timeout", GUEST_SECONDS, HERE / "chosen"],
        cwd=TREE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    booted, *output = done.stdout.replace("\r", "").splitlines()
    assert booted.startswith(release + "."), booted
    ran = [line for line in output if line.startswith("RAN ")]
    assert ran, done.stdout
    (BUILD / "vm" / f"ran-{release}").write_text("\n".join([booted, *ran]) + "\n")
