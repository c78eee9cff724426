# SPDX-License-Identifier: GPL-2.0-only
"""Debian's kernels take both programs with each option and without it. Each boots in a guest.

VERIFY=all has every set of options, which takes some minutes more.
"""

import os
import subprocess

import pytest
from kernels import BUILD, HERE, KERNELS, fetch

SETS = os.environ.get("VERIFY", "")
GUEST_SECONDS = "1500" if SETS else "300"


@pytest.mark.parametrize("release, package", KERNELS)
def test_the_verifier_takes_each_option(release, package, tmp_path):
    fetch(package)
    script = tmp_path / "script"
    script.write_text(f"uname -r\nverify {SETS}\n")
    done = subprocess.run(
        [HERE / "guest", "--kernel", package, "--memory", "1024", "--timeout", GUEST_SECONDS,
         "--program", BUILD / "verify", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    booted, *programs = done.stdout.replace("\r", "").splitlines()
    assert booted.startswith(release + "."), booted
    sets = [line.split()[1] for line in programs if line.startswith("leat ")]
    options = [one for one in sets if "," not in one and one != "none"]
    count = 2 ** len(options) if SETS == "all" else 2 * len(options) + 2
    assert len(options) >= 5 and len(sets) == count, done.stdout
    assert [line.split()[0] for line in programs] == ["leat"] * len(sets) + ["decap"] * 2
    assert all(int(line.split()[2]) > 0 for line in programs), done.stdout
    (BUILD / "vm" / f"verified-{release}").write_text("\n".join([booted, *programs]) + "\n")
