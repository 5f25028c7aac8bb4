"""The step from stored texts to programs: taken on request, and again where the extractor has changed."""

from __future__ import annotations

import functools
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .._util.hashing import key_of
from .._util.redaction import redactor
from .files import program_in, programs_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..records import Candidate
    from .files import Texts
    from .prompting import Settings
    from .series import TaskKeys
    from .store import Store

_BATCH = 1000
_TASKS = 10
"""Tasks whose programs are written at once."""

_PROGRAMS: Final = "programs"


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


def keeping_programs(store: Store, *, fresh: bool = False) -> Callable[[Sequence[Texts]], list[list[str]]]:
    """Make an extractor of programs for `files.read_samples` that keeps what it found; `fresh` takes nothing kept."""

    def extract(texts: Sequence[Texts]) -> list[list[str]]:
        keys = [_key_of_texts(of_task) for of_task in texts]
        kept = {} if fresh else store.records(_PROGRAMS, keys)
        redact = redactor().text
        for start in range(0, len(texts), _TASKS):
            some = zip(keys[start : start + _TASKS], texts[start : start + _TASKS], strict=True)
            missing = {key: of_task for key, of_task in some if key not in kept}
            found = dict(zip(missing, programs_of(list(missing.values())), strict=True))
            # A secret is not kept, and its mark would be another program.
            plain = {key: programs for key, programs in found.items() if programs == list(map(redact, programs))}
            store.put_records(_PROGRAMS, plain)
            kept |= found
        return [kept[key] for key in keys]

    return extract


def _key_of_texts(of_task: Texts) -> str:
    task, texts = of_task
    return key_of(_extractor(), task.prompt, task.entry_point, task.is_script, *task.stop, *chain.from_iterable(texts))


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
