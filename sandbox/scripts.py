"""Scripts run on inputs: one process per input, and its output as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .guest import wire
from .guest.canonical import canonical
from .program import read_claim

if TYPE_CHECKING:
    from ..records import IoCase, Limits
    from .box import Box, Done, ScriptEnd
    from .guest.script import Script

_MAX_REASON_CHARACTERS = 300
LONGEST_INPUT = wire.MAX_MESSAGE_BYTES
"""Bytes of one input that a box takes."""


class Ended(NamedTuple):
    """How a script ended, with an empty status where it ended by itself without an exception, and its output."""

    status: str
    detail: str
    output: str
    cost: Done


def encode_input(text: str) -> bytes:
    """Encode an input as UTF-8."""
    return text.encode("utf-8", "surrogatepass")


def run_script(box: Box, script: Script, text: str, limits: Limits) -> Ended:
    """Run a script on an input.

    Raises:
        RequestTooLongError: both fit no frame.
        SandboxError: the box failed.
    """
    end = box.run_script(limits, script.pack(), encode_input(text))
    status, detail = _judge(end)
    # Bytes that are no UTF-8 become what no right output holds.
    return Ended(status, detail, end.output.decode("utf-8", "surrogateescape"), end.done)


def _judge(end: ScriptEnd) -> tuple[str, str]:
    status, detail = end.done.status, end.done.detail
    if end.claim:
        # It comes before any of the program has run.
        claim = read_claim(end.claim[1:], ("invalid",))
        return claim.status, claim.detail
    said = end.errors.decode("utf-8", "replace").rstrip().rpartition("\n")[2][:_MAX_REASON_CHARACTERS]
    if status == "crashed" and said:
        if said.startswith("MemoryError"):
            return "memory", said
        return status, f"{said} ({detail})"
    return status, detail


def output_value(text: str) -> str:
    """Return a canonical text of an output: the same for outputs with the same words on the same lines.

    White space within lines and empty lines do not count.
    """
    lines = (" ".join(line.split()) for line in text.split("\n"))
    return canonical("\n".join(filter(None, lines)))


def output_limit(cases: tuple[IoCase, ...], limits: Limits) -> int:
    """Return the bytes that a script may print: `output_bytes` beyond twice the longest right output."""
    return limits.output_bytes + 2 * max(len(case.output.encode("utf-8", "surrogatepass")) for case in cases)
