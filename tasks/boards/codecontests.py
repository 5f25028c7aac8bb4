"""CodeContests (Li et al. 2022): problems of contests with public, private and generated tests.

A row has `name`, `description`, `public_tests`, `private_tests` and `generated_tests` (each an object of the lists
`input` and `output`), `solutions` (an object of the lists `language` and `solution`), `time_limit` (an object of
`seconds` and `nanos`), `memory_limit_bytes`, `input_file` and `output_file`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..._util.bounded import is_number, is_whole
from ...errors import UserError
from ...records import IoTests, Task
from ..rows import read_hub_split
from ..source import module
from .reading import MAX_PROGRAM, Fields, Identity, UnfitError, cases_of
from .scripts import SCRIPT_STOP, script_prompt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..rows import Located

HUB_ID: Final = "deepmind/code_contests"

PYTHON3: Final = 3
"""The language's number in the data set's card."""

_MOST_S: Final = 600.0


def rows(revision: str | None) -> Iterator[Located]:
    """Yield the test split's rows."""
    return read_hub_split(HUB_ID, "test", revision)


def identify(fields: Fields) -> Identity:
    """Tell which task a row is."""
    return Identity(fields.id("name"))


def task_of(fields: Fields, task_id: str, benchmark: str) -> Task:
    """Make a task.

    Raises:
        UnfitError: It reads or writes files, or its tests cannot grade.
    """
    question = fields.text("description")
    if fields.optional("input_file") or fields.optional("output_file"):
        raise UnfitError("its programs read or write files, not standard input and output")
    public = _listed(fields, "public_tests")
    groups = [public, _listed(fields, "private_tests"), _listed(fields, "generated_tests")]
    # Each group by itself, so that a missing output of one does not shift the next.
    for inputs, outputs in groups:
        if len(inputs) != len(outputs):
            raise UnfitError(f"it has {len(inputs)} inputs and {len(outputs)} outputs")
    cases = cases_of([one for inputs, _ in groups for one in inputs], [one for _, outputs in groups for one in outputs])
    memory = fields.get("memory_limit_bytes")
    if memory is not None and not is_whole(memory):
        raise UserError(f"{fields.place}: memory_limit_bytes is not a whole number; give the board's own file")
    return Task(
        id=task_id,
        benchmark=benchmark,
        prompt=script_prompt(question),
        entry_point="",
        tests=IoTests(style="stdio", cases=cases, rule="tokens", case_s=_seconds(fields), memory_bytes=memory or None),
        reference=_reference(fields),
        stop=SCRIPT_STOP,
        cases=cases[: len(public[0])],
    )


def _object(fields: Fields, name: str) -> dict[str, Any]:
    value = fields.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise UserError(f"{fields.place}: {name} is {type(value).__name__}, not an object; give the board's own file")
    return value


def _listed(fields: Fields, name: str) -> tuple[list[str], list[str]]:
    tests = _object(fields, name)
    lists = [tests.get("input") or [], tests.get("output") or []]
    if not all(isinstance(texts, list) and all(isinstance(text, str) for text in texts) for texts in lists):
        raise UnfitError(f"its {name} cannot be decoded: not lists of texts")
    return lists[0], lists[1]


def _seconds(fields: Fields) -> float | None:
    value = fields.get("time_limit")
    if is_number(value):
        seconds = float(value)
    else:
        limit = _object(fields, "time_limit")
        parts = limit.get("seconds") or 0, limit.get("nanos") or 0
        if not all(map(is_number, parts)):
            raise UserError(f"{fields.place}: time_limit does not hold numbers; give the board's own file")
        seconds = parts[0] + parts[1] / 1e9
    if not 0 <= seconds <= _MOST_S:
        raise UserError(f"{fields.place}: time_limit is not between 0 and {_MOST_S:g} seconds; fix the row")
    return seconds or None


def _reference(fields: Fields) -> str | None:
    """The first solution in Python 3 that parses."""
    solutions = _object(fields, "solutions")
    languages, programs = solutions.get("language") or [], solutions.get("solution") or []
    if not isinstance(languages, list) or not isinstance(programs, list) or len(languages) != len(programs):
        raise UserError(f"{fields.place}: solutions are not lists of languages and programs; give the board's own file")
    for language, program in zip(languages, programs, strict=True):
        is_python = language in (PYTHON3, "PYTHON3")
        if is_python and isinstance(program, str) and len(program) <= MAX_PROGRAM and module(program) is not None:
            return program
    return None
