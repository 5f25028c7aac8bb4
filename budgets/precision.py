"""The names of numeric precisions."""

from __future__ import annotations

import re

from ..errors import UserError

NAMED_PRECISIONS = ("fp32", "bf16", "fp16", "fp8", "int8", "int4", "nf4")
_WEIGHT_ACTIVATION = re.compile(r"w(?:[1-9]|1[0-6])a(?:[1-9]|1[0-6])(?:-g[1-9]\d{0,5})?(?:-sym|-asym)?")


def parse_precision(text: str) -> str:
    """The canonical (lower-case) name of a precision.

    Args:
        text: One of `NAMED_PRECISIONS`, or `w<bits>a<bits>[-g<group>][-sym|-asym]` with 1 to 16 bits.

    Raises:
        UserError: It is neither.
    """
    name = text.lower()
    if name in NAMED_PRECISIONS or _WEIGHT_ACTIVATION.fullmatch(name):
        return name
    raise UserError(
        f"unknown precision {text!r}; known: {' '.join(NAMED_PRECISIONS)}, or w<bits>a<bits>[-g<group>][-sym|-asym] "
        "such as w4a16-g128"
    )
