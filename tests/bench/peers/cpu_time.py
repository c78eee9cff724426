# SPDX-License-Identifier: GPL-2.0-only
"""CPU time: of all that this process started, of single processes, and of the whole machine.

What a cgroup is charged with is exact, whereas /proc/stat and a process's own times are sampled at
clock ticks, and it leaves out what else the machine does. Packets are handled by softirqs, nearly
all of which run in the process that sent, and so are charged to it; those that the kernel defers to
ksoftirqd are added.
"""

import contextlib
import pathlib

from namespace import PREFIX

PROC = pathlib.Path("/proc")
TICKS_PER_S = 100  # USER_HZ, which the kernel never changes


def _cgroup_root():
    mounts = (line.split() for line in (PROC / "self/mounts").read_text().splitlines())
    root = next((mount[1] for mount in mounts if mount[2] == "cgroup2"), None)
    assert root, "no cgroup2 is mounted"
    return pathlib.Path(root)


def _own_cgroup(root):
    lines = (PROC / "self/cgroup").read_text().splitlines()
    path = next(line.removeprefix("0::") for line in lines if line.startswith("0::"))
    return root / path.lstrip("/")


@contextlib.contextmanager
def own_cgroup():
    """This process and what it starts are in a cgroup of their own while the block lasts."""
    root = _cgroup_root()
    before, cgroup = _own_cgroup(root), root / f"{PREFIX}peers"
    cgroup.mkdir()
    try:
        (cgroup / "cgroup.procs").write_text("0")
        yield cgroup
    finally:
        (before / "cgroup.procs").write_text("0")
        cgroup.rmdir()


def of_cgroup(cgroup):
    usage = (cgroup / "cpu.stat").read_text().split()
    return int(usage[usage.index("usage_usec") + 1]) / 1e6


def _read(path):
    """The words in a process's file; none when the process has ended."""
    try:
        return path.read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _of_thread(path):
    return sum(map(int, _read(path / "schedstat")[:1])) / 1e9


def of_process(pid):
    """With its children that live, such as leatd's prober."""
    threads = list((PROC / str(pid) / "task").iterdir())
    children = [child for thread in threads for child in _read(thread / "children")]
    return sum(map(_of_thread, threads)) + sum(map(of_process, children))


def of_softirq_threads():
    return sum(_of_thread(process) for process in PROC.glob("[0-9]*")
               if "".join(_read(process / "comm")).startswith("ksoftirqd/"))


def of_machine():
    """All that is neither idle nor another guest's."""
    user, nice, system, _idle, _iowait, irq, softirq = map(
        int, (PROC / "stat").read_text().split()[1:8])
    return (user + nice + system + irq + softirq) / TICKS_PER_S
