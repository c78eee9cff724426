# SPDX-License-Identifier: GPL-2.0-only
"""The kernels that guests boot."""

import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
BUILD = HERE.parents[1] / "build"

# What uname says it is, and Debian's package.
KERNELS = [("6.1", "linux-image-cloud-amd64"), ("6.12", "linux-image-6.12-cloud-amd64")]


def fetch(package):
    """Without the package there is nothing to boot; with CI=true tests/run makes that a failure."""
    done = subprocess.run([HERE / "kernel", package], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no {package}: {done.stderr.strip()}")
