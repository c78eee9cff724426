# SPDX-License-Identifier: GPL-2.0-only
"""Sends HTTP requests, each over a connection of its own, and prints what became of them.

It ends after --requests, after --seconds, or, with --stream, when its standard input is closed,
whichever is first. It prints a line with the number of requests so far every now and then, and
JSON as the last line. Times are seconds of CLOCK_MONOTONIC, which all processes share.
"""

import argparse
import json
import socket
import sys
import threading
import time

PROGRESS_EVERY = 20


class Tally:
    """What the workers found; one lock, taken once a request."""

    def __init__(self):
        self.lock = threading.Lock()
        self.count = 0
        self.answers = {}
        self.by_source = {}
        self.failures = []
        self.slowest_s = 0.0

    def _count_one(self):
        self.count += 1
        if self.count % PROGRESS_EVERY == 0:
            print(self.count, flush=True)

    def add_answer(self, source, name, duration_s):
        with self.lock:
            self._count_one()
            self.answers[name] = self.answers.get(name, 0) + 1
            self.by_source.setdefault(source, {}).setdefault(name, 0)
            self.by_source[source][name] += 1
            self.slowest_s = max(self.slowest_s, duration_s)

    def add_failure(self, source, started, error):
        with self.lock:
            self._count_one()
            self.failures.append({"source": source, "started": started, "ended": time.monotonic(),
                                  "error": f"{type(error).__name__}: {error}"})


def request(arguments, source):
    """The body of one answer; raises OSError or ValueError when there is none."""
    family = socket.AF_INET6 if ":" in arguments.address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as connection:
        connection.settimeout(arguments.timeout)
        connection.bind((source, 0))
        connection.connect((arguments.address, arguments.port))
        connection.sendall(b"GET / HTTP/1.0\r\nHost: example\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200 ") or not body:
        raise ValueError(f"not a complete answer: {answer[:80]!r}")
    return body.decode().strip()


def work(arguments, tickets, is_over, tally):
    for ticket in tickets:
        if is_over.is_set():
            return
        source = arguments.source[ticket % len(arguments.source)]
        started = time.monotonic()
        try:
            name = request(arguments, source)
            tally.add_answer(source, name, time.monotonic() - started)
        except (OSError, ValueError) as error:
            tally.add_failure(source, started, error)
            is_over.wait(0.01)  # a server that is gone is not asked as fast as it can refuse
        is_over.wait(arguments.pause)


def watch_stdin(is_over):
    sys.stdin.read()
    is_over.set()


def parse_arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--address", required=True)
    parser.add_argument("--port", type=int, default=80)
    parser.add_argument("--source", action="append", required=True)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--requests", type=int, default=100000)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--timeout", type=float, default=5)
    parser.add_argument("--stream", action="store_true")
    parser.add_argument("--pause", type=float, default=0, help="between a client's requests")
    return parser.parse_args()


def tickets_for(requests):
    """Hands out 0 to requests - 1, each once, to whichever thread asks."""
    numbers, lock = iter(range(requests)), threading.Lock()

    def take():
        with lock:
            return next(numbers, None)

    return iter(take, None)


def end_early(arguments, is_over):
    timer = threading.Timer(arguments.seconds, is_over.set)
    timer.daemon = True
    timer.start()
    if arguments.stream:
        threading.Thread(target=watch_stdin, args=(is_over,), daemon=True).start()


def main():
    arguments = parse_arguments()
    tally, is_over = Tally(), threading.Event()
    tickets = tickets_for(arguments.requests)
    workers = [threading.Thread(target=work, args=(arguments, tickets, is_over, tally))
               for _ in range(arguments.clients)]
    end_early(arguments, is_over)
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    print(json.dumps({"answers": tally.answers, "by_source": tally.by_source,
                      "failures": tally.failures, "slowest_s": tally.slowest_s}))


main()
