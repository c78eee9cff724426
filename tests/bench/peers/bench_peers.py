# SPDX-License-Identifier: GPL-2.0-only
"""Leat beside what one would use instead; docs/performance.md says what is measured, and how.

    PYTHONPATH=tests/lib bench_peers.py OUTPUT [http|packets|guest]...   all when none is named
"""

import json
import os
import pathlib
import shutil
import signal
import sys
import tempfile

import http_rounds
import packet_rounds
from namespace import PREFIX

# (heading, key, format) of a column.
HTTP_COLUMNS = [("LOAD", "load", "{}"), ("BALANCER", "balancer", "{}"),
                ("REQUESTS/S", "requests_per_s", "{:.0f}"),
                ("TO DIRECT", "requests_ratio", "{:.2f}"),
                ("CPU S", "cpu_s", "{:.2f}"), ("TO DIRECT", "cpu_ratio", "{:.2f}"),
                ("OWN CPU S", "own_cpu_s", "{:.2f}")]
PACKET_COLUMNS = [("LOAD", "load", "{}"), ("BALANCER", "balancer", "{}"),
                  ("PACKETS/CPU S", "packets_per_cpu_s", "{:.0f}"), ("NS", "ns", "{:.0f}"),
                  ("OWN NS", "own_ns", "{:.0f}"), ("TIMES LEAT", "times_leat", "{:.1f}")]


def run_http():
    directory = pathlib.Path(tempfile.mkdtemp(prefix=PREFIX))
    directory.chmod(0o755)  # the prober reads as nobody
    try:
        return http_rounds.run(directory)
    finally:
        shutil.rmtree(directory)


PARTS = {
    "http": ("HTTP requests over nginx; CPU seconds for 100 000 of them", run_http, HTTP_COLUMNS),
    "packets": ("Packets on this kernel", packet_rounds.run, PACKET_COLUMNS),
    "guest": ("Packets in a guest, whose nanosecond is one instruction",
              packet_rounds.run_in_guest, PACKET_COLUMNS),
}


def print_table(title, columns, rows):
    table = [[heading for heading, _, _ in columns]]
    table += [["-" if row[key] is None else form.format(row[key]) for _, key, form in columns]
              for row in rows]
    widths = [max(map(len, column)) for column in zip(*table)]
    print(f"\n{title}\n")
    for line in table:
        left = [cell.ljust(width) for cell, width in zip(line[:2], widths)]
        right = [cell.rjust(width) for cell, width in zip(line[2:], widths[2:])]
        print("    " + "  ".join(left + right), flush=True)


def check_machine():
    if os.geteuid() != 0:
        sys.exit("bench-peers: needs root")
    enabled = pathlib.Path("/proc/sys/kernel/bpf_stats_enabled")
    if enabled.read_text(encoding="utf-8").strip() != "0":
        sys.exit(f"bench-peers: {enabled} makes every packet dearer; write 0 to it")


def main(output, *names):
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    check_machine()
    results = {}
    if unknown := set(names) - set(PARTS):
        sys.exit(f"bench-peers: no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    for name in names or PARTS:
        title, run, columns = PARTS[name]
        results[name] = run()
        print_table(title, columns, results[name])
    pathlib.Path(output).write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
