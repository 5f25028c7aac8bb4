"""The step from stored texts to programs: made when it is asked for, and made again where the extractor has changed."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

from ..hashing import key_of
from .recorded import program_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..records import Candidate
    from .origins import TaskKeys
    from .prompting import Settings
    from .store import Store

_BATCH = 1000


def taken(store: Store, listed: Sequence[TaskKeys], k: int, settings: Settings) -> tuple[Candidate, ...]:
    """The first k samples of some tasks that the store has; tasks in order, then indices. Tests have no programs."""
    if not settings.writes_tests:
        return extracted(store, listed, k)
    wanted = [keys.key(index) for keys in listed for index in range(k)]
    found = store.candidates(wanted)
    return tuple(found[key] for key in wanted if key in found)


def extracted(store: Store, listed: Sequence[TaskKeys], k: int) -> tuple[Candidate, ...]:
    """The first k samples of some tasks that the store has, with their programs; tasks in order, then indices."""
    wanted = [(keys, keys.key(index)) for keys in listed for index in range(k)]
    found = store.extracted(key for _, key in wanted)
    tags = {keys.prefix: _tag(keys) for keys in listed}
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
    """What a task's programs depend on besides their texts."""
    return key_of(_extractor(), keys.task.prompt, keys.task.entry_point, *keys.task.stop)


@functools.cache
def _extractor() -> str:
    """The extractor's own source."""
    folder = Path(__file__).parent
    return key_of(*((folder / name).read_bytes() for name in ("extract.py", "syntax.py", "recorded.py")))
