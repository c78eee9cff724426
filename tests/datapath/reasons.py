# SPDX-License-Identifier: GPL-2.0-only
"""The lists of maps/reasons.h, as the compiler reads them."""

import pathlib
import re

HEADER = pathlib.Path(__file__).parents[2] / "maps" / "reasons.h"


def read(macro):
    """{label: verdict} of LEAT_REASONS or LEAT_DECAP_REASONS, in their order."""
    text = HEADER.read_text(encoding="utf-8").replace("\\\n", " ")
    body = re.search(rf"#define {macro}\(X\)(.*)", text).group(1)
    found = re.findall(r'X\((\w+),\s*(\w+),\s*"(\w+)"', body)
    assert len(found) == body.count("X("), "each entry of the list is understood"
    return {label: verdict for _, verdict, label in found}
