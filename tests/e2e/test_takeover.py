# SPDX-License-Identifier: GPL-2.0-only
"""One program takes over from another, and traffic from one interface to the next."""

import json
import os
import pathlib

from deployment import FAST_PROBE, PROBE, service
from network import FABRIC_MTU, attach_passing_program, attached_program
from wait import wait_until


def test_another_layouts_program_forwards_until_this_ones_takes_over(deploy):
    deployment = deploy([service(probe=FAST_PROBE)], backends=3)
    deployment.leatd.terminate()
    deployment.leatd.start("--keep")
    deployment.leatd.wait_until_all_up()
    program = attached_program(deployment.edge)

    with deployment.stream() as stream:
        deployment.leatd.terminate()
        (pins,) = deployment.leatd.pins.iterdir()
        pins.rename(deployment.leatd.pins / "layout-0")
        deployment.leatd.start()
        wait_until(lambda: attached_program(deployment.edge) not in (program, None),
                   what="the new program")
        stream.wait_for_more(500)

    stream.result.assert_no_failure(at_least=500)
    assert [pin.name for pin in deployment.leatd.pins.iterdir()] == [pins.name]
    assert deployment.leatd.show("node", "show")["reused"]["maps"] is False


def test_maps_that_cannot_be_read_back_are_replaced_without_a_gap(deploy):
    deployment = deploy([service(probe=FAST_PROBE)])
    program = attached_program(deployment.edge)

    with deployment.stream() as stream:
        deployment.leatd.kill()
        (pins,) = deployment.leatd.pins.iterdir()
        deployment.edge.namespace.run(
            "bpftool", "map", "delete", "pinned", pins / "tables", "key", "0", "0", "0", "0")
        os.unlink(pins / "tables")
        deployment.leatd.start()
        wait_until(lambda: attached_program(deployment.edge) not in (program, None),
                   what="the new program")
        stream.wait_for_more(500)
    stream.result.assert_no_failure(at_least=500)


def test_a_reload_that_needs_another_program_swaps_it_under_load(deploy):
    echo = service(name="echo", port="any", protocol="udp", probe=None)
    deployment = deploy([service()])
    program = attached_program(deployment.edge)

    with deployment.stream() as stream:
        deployment.configure([service(), echo])
        deployment.leatd.leat("config", "reload")
        with_any_port = attached_program(deployment.edge)
        stream.wait_for_more(300)
        deployment.configure([service()])
        deployment.leatd.leat("config", "reload")
        stream.wait_for_more(300)

    stream.result.assert_no_failure(at_least=600)
    assert len({program, with_any_port, attached_program(deployment.edge)}) == 3


def add_second_link(deployment):
    """eth1 of the edge node, on the same fabric; backends are reached over it alone."""
    fabric, edge = deployment.network.fabric, deployment.edge.namespace
    fabric.ip_batch([f"link add to-edge-1 mtu {FABRIC_MTU} type veth peer name eth1"
                     f" mtu {FABRIC_MTU} address 02:00:00:00:00:99 netns {edge.name}",
                     "link set to-edge-1 master br0 up"])
    attach_passing_program(fabric, "to-edge-1")
    # The router must go on finding eth0's address on eth0.
    edge.sysctl(net__ipv4__conf__all__arp_ignore=1)
    edge.ip_batch(["link set eth1 up", "addr add 198.51.100.99/32 dev eth1"])
    edge.ip_batch([f"route add {host.ipv4}/32 dev eth1 src 198.51.100.99"
                   for host in deployment.network.backends])


def received(namespace, interface):
    (link,) = json.loads(namespace.run("ip", "-j", "-s", "link", "show", interface).stdout)
    return link["stats64"]["rx"]["packets"]


def test_backends_behind_another_interface_get_their_packets_there(deploy):
    deployment = deploy([service("ipip")])
    add_second_link(deployment)

    def over_second_link():
        hops = [one["next_hop"] for one in deployment.leatd.backends().values()]
        return all(hop["interface"] == "eth1" and hop["state"] == "resolved" for hop in hops)

    wait_until(over_second_link, what="the next hops on eth1")
    before = received(deployment.network.fabric, "to-edge-1")
    result = deployment.send(300)
    after = received(deployment.network.fabric, "to-edge-1")

    result.assert_no_failure(at_least=300)
    assert after - before >= 3 * 300


def test_an_interface_that_came_while_the_daemon_was_away_is_let_go_with_the_rest(deploy):
    deployment = deploy([service()])
    add_second_link(deployment)
    deployment.leatd.kill()
    deployment.configure([service()], interfaces=["eth0", "eth1"])
    deployment.leatd.start()

    deployment.leatd.terminate()

    assert attached_program(deployment.edge) is None
    assert "prog/xdp" not in deployment.edge.namespace.run("ip", "link", "show", "eth1").stdout


def open_programs(process):
    links = [os.readlink(one) for one in pathlib.Path(f"/proc/{process.pid}/fd").iterdir()]
    return links.count("anon_inode:bpf-prog")


def test_reloads_do_not_pile_up_open_programs(deploy):
    deployment = deploy([service()])

    for _ in range(3):
        deployment.leatd.leat("config", "reload")

    assert open_programs(deployment.leatd.process) <= 2, "libbpf's and libxdp's own"


def test_auto_falls_back_to_generic_and_native_does_not(deploy):
    deployment = deploy([service(probe=PROBE)])
    deployment.leatd.terminate()

    deployment.configure([service(probe=PROBE)], interfaces=["lo"], mode="auto")
    deployment.leatd.start()
    (interface,) = deployment.leatd.show("node", "show")["interfaces"]
    assert interface["mode"] == "generic"
    assert "generic" in deployment.leatd.log()
    deployment.leatd.terminate()

    deployment.configure([service(probe=PROBE)], interfaces=["lo"], mode="native")
    deployment.leatd.spawn()
    assert deployment.leatd.process.wait(10) == 1
    assert "mode: auto falls back to generic" in deployment.leatd.log()
