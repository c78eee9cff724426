# SPDX-License-Identifier: GPL-2.0-only
"""Checks that a folder includes only what its layer may: see the layers in docs/design.md.

    layers.py [ROOT]     prints every breach as file:line: text and exits 1 if there is one
"""

import pathlib
import re
import sys

MODULES = ("config", "datapath", "probe", "netlink", "control", "metrics")

# What each folder of user/ may include besides itself and maps/.
LAYERS = {
    "base": set(),
    "model": {"base"},
    **{module: {"base", "model"} for module in MODULES},
    "daemon": {"base", "model", *MODULES},
    "main": {"base", "model", *MODULES, "daemon"},
}
USER = set(LAYERS)

# The other folders: which first folders of an include they may name.
FOLDERS = {
    "maps": {"maps"},
    "bpf": {"maps", "bpf"},
    "tools": USER | {"maps", "tools"},
    # Compile the datapath for the host.
    "tools/host": USER | {"maps", "bpf", "tools"},
    "tools/sim": USER | {"maps", "bpf", "tools"},
    "tests/unit/datapath": USER | {"maps", "bpf", "tools", "tests"},
    "tests/judge": USER | {"maps", "bpf", "tools", "tests"},
    "tests": USER | {"maps", "bpf", "tests"},
}
# Skeletons are generated, and belong to the one who loads them.
SKELETON_OWNERS = {"user/datapath", "tests/unit/datapath", "tests/bench", "tests/bench/peers",
                   "tests/vm"}

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')


def breach(folder, include):
    """What is wrong with an include in a folder such as "user/model", or None."""
    first, slash, _ = include.partition("/")
    if include.endswith(".skel.h"):
        return None if folder in SKELETON_OWNERS else "only the datapath includes a skeleton"
    if not slash:
        return "an include names its layer"
    top, _, layer = folder.partition("/")
    if top == "user":
        layer = layer.partition("/")[0]
        allowed = LAYERS.get(layer, set()) | {layer, "maps"}
    else:
        allowed = FOLDERS.get(folder, FOLDERS.get(top, set()))
    return None if first in allowed else f"{folder} may not include {first}/"


def breaches(root):
    for top in ("bpf", "maps", "user", "tools", "tests"):
        for path in sorted((root / top).rglob("*.[ch]")):
            folder = path.parent.relative_to(root).as_posix()
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                match = INCLUDE.match(line)
                text = match and breach(folder, match[1])
                if text:
                    yield f"{path.relative_to(root)}:{number}: {match[1]}: {text}"


def main(root="."):
    found = list(breaches(pathlib.Path(root)))
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
