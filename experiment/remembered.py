"""Rankings kept in the store, under everything that made them: nothing is ranked twice under the same conditions."""

from __future__ import annotations

import functools
import json
import platform
from array import array
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from .._util.hashing import key_of, key_of_files, record_text
from ..rankers import identity_of, uses_of
from ..rankers.combine import copies
from ..records import Ranking, Task

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .._util.hashing import KeyPart
    from ..rankers import Offers, Ranker
    from ..records import Candidate
    from .grading import Grader
    from .pools import GradedTask

_RANKINGS: Final = "rankings"
_COPIES: Final = "copies"
_SHOWN: Final = frozenset(Task.model_fields) - {"tests"}
"""The fields of a task that what rankers see of it may follow from."""

_SOURCES: Final = ("rankers", "tasks", "_util", "experiment/pools.py", "estimators.py", "records.py")
"""The code that scores of rankers follow from, besides what the sandbox keys its outcomes by."""


class RankedOnce(NamedTuple):
    """A ranking, its rank-score@k for the k asked for, and for those that a budget leaves."""

    ranking: Ranking
    at_k: tuple[float, ...]
    at_left: dict[int, float]


class KeptRankings:
    """The kept rankings of one arm's candidates by some rankers at some k.

    A plug-in's ranking is never kept, since its code may read anything, nor one by a scorer or a reward model, whose
    scores are.
    """

    def __init__(self, grader: Grader, ks: Sequence[int], seed: int) -> None:
        self._grader = grader
        self._terms = (_code(), grader.conditions, seed, json.dumps(list(ks)))

    def keys(self, task: Task, graded: GradedTask, rankers: Mapping[str, Ranker], offers: Offers) -> dict[str, str]:
        """Key what each ranker makes of a task's candidates, by its name; those that are not kept have none."""
        named = {name: found for name, ranker in rankers.items() if (found := _identity(ranker, offers)) is not None}
        if not named:
            return {}
        tests = None if offers.tests is None else offers.tests.get(task.id)
        of_task = key_of(
            *self._terms,
            record_text(task, _SHOWN),
            None if offers.tests is None else "" if tests is None else record_text(tests),
            graded.passed.tobytes(),
            *chain.from_iterable((one.index, one.prompt, one.raw, one.program) for one in graded.candidates),
        )
        with_logprobs = functools.cache(lambda: key_of(of_task, *map(_logprobs, graded.candidates)))
        return {
            name: key_of(with_logprobs() if "logprobs" in uses_of(rankers[name]) else of_task, identity)
            for name, identity in named.items()
        }

    def read(self, keys: Sequence[str]) -> dict[str, RankedOnce]:
        """Read those that are kept."""
        return {key: _ranked(value) for key, value in self._grader.kept(_RANKINGS, keys).items()}

    def write(self, rankings: dict[str, RankedOnce]) -> None:
        """Keep some."""
        self._grader.keep(_RANKINGS, {key: _dumped(ranked) for key, ranked in rankings.items()})


def copies_of(grader: Grader, candidates: Mapping[str, tuple[Task, Sequence[Candidate]]]) -> dict[str, tuple[int, ...]]:
    """Count for each candidate how many of its task's share its program's form, by task id."""
    programs = {name: [one.program for one in listed] for name, (_, listed) in candidates.items()}
    keys = {name: key_of(_code(), task.entry_point, *programs[name]) for name, (task, _) in candidates.items()}
    kept = grader.kept(_COPIES, list(keys.values()))
    found = {
        name: tuple(kept[keys[name]]) if keys[name] in kept else copies(programs[name], task.entry_point)
        for name, (task, _) in candidates.items()
    }
    grader.keep(_COPIES, {key: found[name] for name, key in keys.items() if key not in kept})
    return found


def _identity(ranker: Ranker, offers: Offers) -> str | None:
    uses = uses_of(ranker)
    by_model = "reward" in uses or (offers.scorer is not None and "scorer" in uses)
    return None if by_model else identity_of(ranker)


def _logprobs(candidate: Candidate) -> KeyPart:
    return None if candidate.logprobs is None else array("d", candidate.logprobs).tobytes()


def _ranked(value: Any) -> RankedOnce:
    ranking, at_k, at_left = value
    return RankedOnce(Ranking.model_validate(ranking), tuple(at_k), {int(k): score for k, score in at_left.items()})


def _dumped(ranked: RankedOnce) -> list[Any]:
    return [ranked.ranking.model_dump(mode="json"), list(ranked.at_k), ranked.at_left]


@functools.cache
def _code() -> str:
    """Key the code that ranks, and what it runs on."""
    root = Path(__file__).parent.parent
    files = chain.from_iterable(
        [path] if path.is_file() else sorted(path.rglob("*.py")) for path in (root / name for name in _SOURCES)
    )
    return key_of(key_of_files(files), np.__version__, platform.python_version(), platform.machine())
