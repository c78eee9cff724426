# SPDX-License-Identifier: GPL-2.0-only
"""What leat puts around a packet, leat-decap takes off."""

import pytest
from actors import OUTER_SOURCE, PROTOCOLS, SERVICE, backend, packet, service
from judge import ETHERNET

IPIP = [(family, protocol, outer) for family in (4, 6) for protocol in PROTOCOLS
        for outer in (4, 6)]


@pytest.mark.parametrize("mode", ("native", "generic"))
@pytest.mark.parametrize("family, protocol, outer", IPIP)
def test_bytes_are_the_same_behind_the_tunnel(rehearse, tunnel, rng, family, protocol, outer, mode):
    """Of packets of many sizes and flows, some of them padded."""
    one = service(family, protocol, f"ipip{outer}", backends=[backend(1, outer)])
    tos = "tos" if family == 4 else "tc"
    frames = [bytes(packet(family, protocol, rng.randbytes(rng.randrange(1400)),
                           sport=rng.randrange(1, 65536), **{tos: rng.randrange(256)}))
              + bytes(rng.choice([0, 0, 1, 6])) for _ in range(200)]
    wrapped = [outcome.frame for outcome in rehearse([one], frames)]
    tunnel.attach("for", SERVICE[family], "from", OUTER_SOURCE[outer], "mode", mode)
    arrived = tunnel.exchange(wrapped)
    assert [frame[12:] for frame in arrived] == [frame[12:] for frame in frames]
    assert [frame[:ETHERNET - 2] for frame in arrived] == \
        [frame[:ETHERNET - 2] for frame in wrapped]
    assert tunnel.counters()["unwrapped"] == len(frames)


@pytest.mark.parametrize("outer", (4, 6))
def test_other_outer_sources_need_another_prefix(rehearse, tunnel, outer):
    one = service(4, "tcp", f"ipip{outer}", backends=[backend(1, outer)])
    prefix = {4: "192.0.2.64/26", 6: "2001:db8:5::/96"}[outer]
    wrapped = rehearse.one([one], packet(), outer_source=[prefix]).frame
    tunnel.attach("for", SERVICE[4], "from", OUTER_SOURCE[outer])
    assert tunnel.exchange([wrapped]) == [wrapped]
    tunnel.attach("for", SERVICE[4], "from", prefix)
    assert tunnel.exchange([wrapped])[0][ETHERNET:] == bytes(packet())[ETHERNET:]
