# SPDX-License-Identifier: GPL-2.0-only
"""The layer lint finds what it is for."""

import pytest
from layers import breach


@pytest.mark.parametrize("folder, include", [
    ("user/base", "model/config.h"),
    ("user/model", "datapath/datapath.h"),
    ("user/probe", "netlink/resolver.h"),
    ("user/control", "daemon/daemon.h"),
    ("user/daemon", "main/leatd.h"),
    ("bpf", "base/macros.h"),
    ("maps", "bpf/packet.h"),
    ("tools/leat", "bpf/packet.h"),
    ("user/model", "config.h"),
    ("user/daemon", "leat.skel.h"),
    ("user/elsewhere", "base/macros.h"),
])
def test_an_include_against_the_layers_is_a_breach(folder, include):
    assert breach(folder, include)


@pytest.mark.parametrize("folder, include", [
    ("user/base", "base/macros.h"),
    ("user/base", "maps/layout.h"),
    ("user/model", "base/address.h"),
    ("user/probe", "model/config.h"),
    ("user/daemon", "probe/prober.h"),
    ("user/main", "daemon/daemon.h"),
    ("user/datapath", "leat.skel.h"),
    ("bpf", "maps/hash.h"),
    ("tools/sim", "bpf/service.h"),
    ("tools/leat", "datapath/datapath.h"),
    ("tests/unit/model", "model/table.h"),
])
def test_an_include_with_the_layers_is_none(folder, include):
    assert breach(folder, include) is None
