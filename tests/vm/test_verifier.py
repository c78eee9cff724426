# SPDX-License-Identifier: GPL-2.0-only
"""Debian's kernels take both programs with each option and without it. Each boots in a guest."""

import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
BUILD = HERE.parents[1] / "build"
GUEST_SECONDS = "300"


def fetch(package):
    """Without the package there is nothing to boot; with CI=true tests/run makes that a failure."""
    done = subprocess.run([HERE / "kernel", package], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no {package}: {done.stderr.strip()}")


@pytest.mark.parametrize("release, package", [
    ("6.1", "linux-image-cloud-amd64"),
    ("6.12", "linux-image-6.12-cloud-amd64"),
])
def test_the_verifier_takes_each_option(release, package, tmp_path):
    fetch(package)
    script = tmp_path / "script"
    script.write_text("uname -r\nverify\n")
    done = subprocess.run(
        [HERE / "guest", "--kernel", package, "--memory", "1024", "--timeout", GUEST_SECONDS,
         "--program", BUILD / "verify", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    booted, *programs = done.stdout.replace("\r", "").splitlines()
    assert booted.startswith(release + "."), booted
    sets = [line.split()[1] for line in programs if line.startswith("leat ")]
    options = [one for one in sets if "," not in one and one != "none"]
    assert len(options) >= 5 and len(sets) == 2 * len(options) + 2, done.stdout
    assert [line.split()[0] for line in programs] == ["leat"] * len(sets) + ["decap"] * 2
    assert all(int(line.split()[2]) > 0 for line in programs), done.stdout
    (BUILD / "vm" / f"verified-{release}").write_text("\n".join([booted, *programs]) + "\n")
