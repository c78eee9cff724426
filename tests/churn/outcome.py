# SPDX-License-Identifier: GPL-2.0-only
"""What a run of the churn test came to: as a dictionary that is JSON, and as text for people."""

import collections
import dataclasses

from verdict import split

SHOWN = 20


def make_report(churn):
    tcp, tcp6, udp = churn.clients
    guilty, excused = split([flow for client in churn.clients for flow in client.broken],
                            churn.outages)
    for broken in guilty:
        broken["after"] = _last_event_before(churn.history, broken["time"])
    log = churn.leatd.log().splitlines()
    return {"seed": churn.seed, "events": churn.history,
            "outages": [dataclasses.asdict(outage) for outage in churn.outages],
            "flows": {"tcp": tcp.flows, "tcp6": tcp6.flows, "udp": udp.flows,
                      "short": churn.size.short, "opened": _sum_of(churn.clients, "opened")},
            "exchanges": _sum_of(churn.clients, "exchanges"),
            "slowest_s": max(tcp.status["slowest_s"], tcp6.status["slowest_s"]),
            "open": tcp.status["open"] + tcp6.status["open"], "backends": tcp.status["backends"],
            "packets": churn.leatd.reason_packets("forwarded"), "floods": churn.floods,
            "called_down": _called_down(log, churn.outages),
            "excused": len(excused), "broken": len(guilty), "broken_flows": guilty,
            "problems": churn.problems, "log": log}


def _sum_of(clients, what):
    return sum(client.status[what] for client in clients)


def _called_down(log, outages):
    """How often a probe called a backend down that was neither dead nor unplugged."""
    downs = sum(" is down" in line and ": web/" in line for line in log)
    return downs - sum(outage.cause in ("dead", "unplugged") for outage in outages)


def _last_event_before(history, when):
    before = [event for event in history if event["time"] <= when]
    return f"{before[-1]['kind']} {before[-1]['what']}" if before else "no event"


def print_report(report):
    flows = report["flows"]
    kinds = collections.Counter(event["kind"] for event in report["events"])
    events = ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items()))
    print(f"\nseed       LEAT_TEST_SEED={report['seed']}")
    print(f"events     {len(report['events'])}: {events}")
    print(f"flows      {flows['tcp']} connections over IPv4, {flows['tcp6']} over IPv6,"
          f" {flows['udp']} over UDP, {flows['short']} short ones at a time;"
          f" {flows['opened']} opened in all")
    print(f"exchanges  {report['exchanges']}, the slowest in {report['slowest_s']:.2f} s")
    print(f"packets    {report['packets']} forwarded")
    for flood in report["floods"]:
        print(f"flood      {flood['sent']} {flood['kind'].upper()} in {flood['seconds']:.0f} s,"
              f" {flood['sent'] / flood['seconds']:.0f}/s")
    if report["called_down"]:
        print(f"probes     called a backend that served down {report['called_down']} times")
    for problem in report["problems"]:
        print(f"problem    {problem}")
    print(f"excused    {report['excused']}, whose backend was dead, unplugged or disabled")
    print(f"broken     {report['broken']}")
    _print_broken(report)


def _print_broken(report):
    after = collections.Counter((broken["after"], broken["reason"])
                                for broken in report["broken_flows"])
    for (event, reason), count in after.most_common(SHOWN):
        print(f"           {count:6} after {event}: {reason}")
    errors = [line for line in report["log"] if line.startswith("error")]
    for line in errors[:SHOWN]:
        print(f"leatd      {line}")
