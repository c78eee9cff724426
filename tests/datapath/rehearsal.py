# SPDX-License-Identifier: GPL-2.0-only
"""leat packet run: packets in, and what the loaded program made of each of them."""

import collections
import json
import os
import pathlib
import struct
import subprocess

LEAT = os.environ.get("LEAT", str(pathlib.Path(__file__).parents[2] / "build" / "leat"))
TIMEOUT_S = 120

PCAP_HEADER = struct.pack("<IHHIIII", 0xa1b2c3d4, 2, 4, 0, 0, 262144, 1)
PCAP_NANOSECONDS = 0xa1b23c4d
COMES_OUT = ("tx", "redirect", "pass")

Outcome = collections.namedtuple("Outcome", "verdict reason service backend frame")


def write_pcap(path, frames):
    with open(path, "wb") as file:
        file.write(PCAP_HEADER)
        for frame in frames:
            file.write(struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame)


def read_pcap(path):
    data = path.read_bytes()
    assert struct.unpack_from("<I", data)[0] == PCAP_NANOSECONDS
    frames, at = [], len(PCAP_HEADER)
    while at < len(data):
        captured, size = struct.unpack_from("<II", data, at + 8)
        assert captured == size
        frames.append(data[at + 16:at + 16 + size])
        at += 16 + size
    return frames


def leat(*arguments):
    return subprocess.run([LEAT, *map(str, arguments)], capture_output=True, text=True,
                          timeout=TIMEOUT_S, check=False)


class Rehearsal:
    def __init__(self, directory):
        self.directory = directory

    def __call__(self, services, packets, path=(), **config):
        """path: more words for packet run, such as ("mtu", 1500)."""
        frames = [bytes(packet) for packet in packets]
        story, out = self._run({"interfaces": ["lo"], "services": services, **config}, frames,
                               path)
        came_out = iter(out)
        outcomes = [self._outcome(one, came_out) for one in story]
        assert next(came_out, None) is None, "a packet came out that no verdict lets out"
        self._check_story(story, frames, outcomes)
        return outcomes

    def one(self, services, packet, **config):
        return self(services, [packet], **config)[0]

    def _run(self, config, frames, path):
        paths = [self.directory / name for name in ("leat.yaml", "in.pcap", "out.pcap")]
        paths[0].write_text(json.dumps(config), encoding="utf-8")
        write_pcap(paths[1], frames)
        done = leat("-j", "packet", "run", "config", paths[0], "in", paths[1], "out", paths[2],
                    *path)
        assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout}{done.stderr}"
        return json.loads(done.stdout), read_pcap(paths[2])

    @staticmethod
    def _outcome(story, came_out):
        frame = next(came_out) if story["verdict"] in COMES_OUT else None
        return Outcome(story["verdict"], story["reason"], story["service"], story["backend"], frame)

    @staticmethod
    def _check_story(story, frames, outcomes):
        """What holds for every packet of every test."""
        assert [one["index"] for one in story] == list(range(1, len(frames) + 1))
        assert [one["size_in"] for one in story] == [len(frame) for frame in frames]
        for one, frame, outcome in zip(story, frames, outcomes):
            if outcome.frame is not None:
                assert one["size_out"] == len(outcome.frame)
            if outcome.verdict == "pass":
                assert outcome.frame == frame, "a packet that passes is untouched"
                assert outcome.backend is None
