# SPDX-License-Identifier: GPL-2.0-only
"""Debian's kernels take both programs with every set of options. Each boots in a guest."""

import subprocess

import pytest
from kernels import BUILD, HERE, KERNELS, fetch

GUEST_SECONDS = "1500"


@pytest.mark.parametrize("release, package", KERNELS)
def test_the_verifier_takes_every_configuration(release, package, tmp_path):
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
    assert len(sets) == len(set(sets)) >= 2 ** 6, done.stdout
    assert [line.split()[0] for line in programs] == ["leat"] * len(sets) + ["decap"] * 2
    assert all(int(line.split()[2]) > 0 for line in programs), done.stdout
    (BUILD / "vm" / f"verified-{release}").write_text("\n".join([booted, *programs]) + "\n")
