"""Verdicts recorded in files of samples, compared with the sandbox's."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .pools import Pool


class Agreement:
    """Counter of samples with both a recorded verdict and one of ours.

    Attributes:
        samples: Those with both.
        passed: Those that pass according to the file.
        passed_here: Those that pass here.
        agreeing: Those with the same verdict.
    """

    def __init__(self) -> None:
        self.samples = 0
        self.passed = 0
        self.passed_here = 0
        self.agreeing = 0
        self._first = ""

    def add(self, recorded: bool, here: bool, name: str) -> None:
        """Count a sample; `name` is for the message if it is the first on which the verdicts differ."""
        self.samples += 1
        self.passed += recorded
        self.passed_here += here
        self.agreeing += recorded == here
        if recorded != here and not self._first:
            self._first = f"{name} {_word(recorded)} there and {_word(here)} here"

    @property
    def line(self) -> str:
        """Both verdicts in one line; empty if there are none."""
        if not self.samples:
            return ""
        differing = self.samples - self.agreeing
        same = "all agree" if not differing else f"{differing} differ, the first: {self._first}"
        return (
            f"of {self.samples} samples with a verdict in the files, {self.passed} pass there and {self.passed_here} "
            f"here; {same}"
        )

    def as_json(self) -> dict[str, int]:
        """Build the object for `--json`."""
        return {
            "samples": self.samples,
            "passed": self.passed,
            "passed_here": self.passed_here,
            "agreeing": self.agreeing,
        }


def agreement(verdicts: Mapping[tuple[str, int], bool], pool: Pool) -> Agreement:
    """Compare a file's verdicts, by task id and index, with those of graded candidates."""
    found = Agreement()
    for task_id, graded in pool.items() if verdicts else ():
        for candidate, verdict in zip(graded.candidates, graded.verdicts, strict=True):
            recorded = verdicts.get((task_id, candidate.index))
            if recorded is not None and verdict.status != "sandbox_error":
                found.add(recorded, verdict.status == "passed", f"sample {candidate.index} of {task_id}")
    return found


def _word(passed: bool) -> str:
    return "passes" if passed else "fails"
