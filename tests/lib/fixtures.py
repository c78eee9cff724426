# SPDX-License-Identifier: GPL-2.0-only
"""What an end-to-end test declares and what is removed after it, also when it fails."""

import os
import pathlib
import shutil
import signal
import tempfile

import pytest
from deployment import Deployment
from namespace import PREFIX


def pytest_configure():
    """Debian keeps ip, nginx and ethtool in sbin; a test that is told to end still cleans up."""
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(name="directory")
def make_directory():
    """Short, because a unix socket's path is; and open, because a test connects as nobody."""
    path = pathlib.Path(tempfile.mkdtemp(prefix=PREFIX))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture(name="deploy")
def make_deploy(directory, request):
    """deploy(services, backends=3, **config) makes a Deployment that goes away with the test."""
    deployments = []

    def deploy(*arguments, **keywords):
        deployment = Deployment(directory, *arguments, **keywords)
        deployments.append(deployment)
        request.node.deployment = deployment
        return deployment

    yield deploy
    for deployment in deployments:
        deployment.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """A failed test shows what leatd had to say."""
    outcome = yield
    report = outcome.get_result()
    deployment = getattr(item, "deployment", None)
    if report.failed and deployment and deployment.leatd:
        report.sections.append(("leatd", deployment.leatd.log()))
