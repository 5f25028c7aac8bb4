"""Findings of a launcher's examination."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ..._util.hashing import key_of
from ...errors import CodebudgetError
from ...records import NonNegative, Record
from ..launchers.ownership import owner_mark
from ..launchers.plugins import not_promised
from .corpus import Attack, corpus, corpus_digest
from .examiner import AttackResult, Examiner, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..._util.progress import Progress
    from ..box import Launcher


class Conformance(Record):
    """Every result on one launcher, in `environment` (see `Sandbox.environment`), with the corpus of that digest."""

    launcher: str
    environment: str
    corpus: str
    results: tuple[AttackResult, ...]
    wall_s: NonNegative

    def count(self, outcome: Outcome) -> int:
        """Count results of this kind."""
        return sum(result.outcome == outcome for result in self.results)

    @property
    def holds(self) -> bool:
        """Whether nothing failed."""
        return self.count("FAILED") == 0

    @property
    def result_hash(self) -> str:
        """SHA-256 over what is the same in all runs with the same findings: outcomes, corpus and environment.

        Timings stay out, as does which of several allowed statuses a program got.
        """
        rows = sorted((result.name, *sorted(result.expected), result.outcome) for result in self.results)
        return key_of(self.launcher, self.environment, self.corpus, *(key_of(*row) for row in rows))


_END_S = 5.0
_HELD = "holds"


def conformance(launcher: Launcher, progress: Progress, attacks: Sequence[Attack] | None = None) -> Conformance:
    """Examine a launcher: first what every launcher must do, and if that holds, every attack of the corpus.

    Args:
        launcher: a prepared one.
        progress: is told after each attack.
        attacks: those to run; by default, all of them.

    Raises:
        SandboxError: its boxes fail before an attack is run.
    """
    start = time.monotonic()
    before = _Traces()
    results = [_contract(name, does, launcher, test) for name, (does, test) in _CONTRACT.items()]
    chosen = corpus() if attacks is None else attacks
    with Examiner(launcher) as examiner:
        environment = examiner.sandbox.environment()
        if all(result.outcome == "ok" for result in results):
            for number, attack in enumerate(chosen, 1):
                results.append(examiner.examine(attack))
                progress("attacks", number, len(chosen))
    results.append(_contract("leaves_nothing", "Leaves no process and no folder.", launcher, before.compare))
    return Conformance(
        launcher=launcher.name,
        environment=environment,
        corpus=corpus_digest(),
        results=tuple(results),
        wall_s=time.monotonic() - start,
    )


def _contract(name: str, does: str, launcher: Launcher, test: Callable[[Launcher], str]) -> AttackResult:
    try:
        problem = test(launcher)
    except CodebudgetError as error:
        problem = str(error)
    return AttackResult(
        name=f"launcher/{name}",
        does=does,
        expected=(_HELD,),
        got=("fails" if problem else _HELD,),
        outcome="FAILED" if problem else "ok",
        detail=problem,
    )


class _Traces:
    """Traces of a grader on its host: processes below it, and folders."""

    def __init__(self) -> None:
        self._processes, self._folders = _descendants(os.getpid()), _folders()

    def compare(self, _: Launcher) -> str:
        """Describe what is new; empty if nothing is. Gives dying processes a moment."""
        deadline = time.monotonic() + _END_S
        while (found := self._left()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return found

    def _left(self) -> str:
        processes = _descendants(os.getpid()) - self._processes
        folders = _folders() - self._folders
        return f"{len(processes)} processes and {len(folders)} folders are left over" if processes or folders else ""


def _folders() -> set[Path]:
    return set(Path("/tmp").glob(f"codebudget-{owner_mark()}-*"))


def _descendants(pid: int) -> set[int]:
    found: set[int] = set()
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = {int(child) for child in listing.read_text(encoding="ascii").split()}
        except OSError:
            continue
        found |= children.union(*map(_descendants, children))
    return found


def _is_described(launcher: Launcher) -> str:
    not_promised(launcher)
    texts = (launcher.name, launcher.promise, launcher.environment())
    return (
        ""
        if all(text and text.isprintable() for text in texts)
        else "name, promise or environment is not a single line"
    )


def _has_one_environment(launcher: Launcher) -> str:
    first = launcher.environment()
    launcher.prepare()
    return "" if launcher.environment() == first else "its environment changes from one call to the next"


def _starts_boxes_side_by_side(launcher: Launcher) -> str:
    first = launcher.launch()
    try:
        second = launcher.launch()
        second.close()
    finally:
        # It must still work once its neighbour is gone.
        first.try_out()
        first.close()
    return ""


def _closes_twice(launcher: Launcher) -> str:
    box = launcher.launch()
    box.close()
    box.close()
    return ""


_CONTRACT: dict[str, tuple[str, Callable[[Launcher], str]]] = {
    "is_described": ("Says in one line each what it is, promises and runs.", _is_described),
    "has_one_environment": ("Is prepared again, and names the same environment.", _has_one_environment),
    "starts_boxes_side_by_side": ("Starts two boxes; one outlives the other.", _starts_boxes_side_by_side),
    "closes_twice": ("Closes a box twice.", _closes_twice),
}
