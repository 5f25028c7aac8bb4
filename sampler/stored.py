"""The step from stored texts to programs: taken on request, and again where the extractor has changed."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

from .._util.hashing import key_of
from .files import program_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..records import Candidate
    from .prompting import Settings
    from .series import TaskKeys
    from .store import Store

_BATCH = 1000


def taken(store: Store, samples: Sequence[tuple[TaskKeys, int]], settings: Settings) -> tuple[Candidate, ...]:
    """Read the stored ones of some samples, given by task and index, in that order. Tests have no programs."""
    if not settings.writes_tests:
        return extracted(store, samples)
    wanted = [keys.key(index) for keys, index in samples]
    found = store.candidates(wanted)
    return tuple(found[key] for key in wanted if key in found)


def extracted(store: Store, samples: Sequence[tuple[TaskKeys, int]]) -> tuple[Candidate, ...]:
    """Read the stored ones of some samples, given by task and index, with their programs, in that order."""
    wanted = [(keys, keys.key(index)) for keys, index in samples]
    found = store.extracted(key for _, key in wanted)
    tags = {prefix: _tag(keys) for prefix, keys in {keys.prefix: keys for keys, _ in samples}.items()}
    stale = [(keys, key) for keys, key in wanted if key in found and found[key].extractor != tags[keys.prefix]]
    for start in range(0, len(stale), _BATCH):
        some = stale[start : start + _BATCH]
        for keys, key in some:
            candidate = found[key].candidate
            program = program_in(candidate.raw, keys.task, candidate.prompt)
            candidate = candidate.model_copy(update={"program": program})
            found[key] = found[key]._replace(candidate=candidate, extractor=tags[keys.prefix])
        store.put_programs({key: found[key] for _, key in some})
    return tuple(found[key].candidate for _, key in wanted if key in found)


def _tag(keys: TaskKeys) -> str:
    """Key what a task's programs need besides texts."""
    return key_of(_extractor(), keys.task.prompt, keys.task.entry_point, *keys.task.stop)


@functools.cache
def _extractor() -> str:
    """Hash the extractor."""
    folder = Path(__file__).parent
    names = (
        "marks.py",
        "dress.py",
        "blocks.py",
        "extract.py",
        "parser.py",
        "syntax.py",
        "scripts.py",
        "files.py",
        "../_util/parsing.py",
    )
    return key_of(*((folder / name).read_bytes() for name in names))
