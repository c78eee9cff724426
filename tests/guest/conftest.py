# SPDX-License-Identifier: GPL-2.0-only
"""What an end-to-end test has, these have, too."""

from fixtures import (make_deploy, make_directory,  # noqa: F401
                      pytest_configure, pytest_runtest_makereport)
