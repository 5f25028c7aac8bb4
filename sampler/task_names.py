"""Tasks by the names that files use for them: `HumanEval/17`, `humaneval_17`, `17`."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final

from .._util.printable import listed, nearest, quoted
from ..errors import UserError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from typing import Any

    from ..records import Task

_MAX_CHARACTERS: Final = 500
_MAX_DIGITS: Final = 18
_DRESS: Final = " \t\r\n\"',;"
"""Characters around a name that are left over from tables."""


_FAMILIES: Final = ("humaneval", "mbpp")
"""Benchmarks whose names are written in many ways, with the edition or the publisher: `sanitized-mbpp`."""

Spelling = tuple[str, int | None]
"""A name reduced to its letters and digits in lower case, and the number at its end."""


class TaskNames:
    """The tasks of a benchmark by their names in files.

    An exact id is that task. Any other name is the one task whose id has the same number and the same benchmark's
    name, or only the same number if the file gives nothing else.

    Attributes:
        tasks: The selected ones, by their ids.
        beyond: Ids of the benchmark's other tasks.
        elsewhere: Ids of tasks of other benchmarks whose rows are in the same files.
    """

    def __init__(
        self, tasks: Mapping[str, Task], beyond: Collection[str] = (), elsewhere: Collection[str] = ()
    ) -> None:
        self.tasks = tasks
        self.beyond = frozenset(beyond)
        self.elsewhere = frozenset(elsewhere) - self.beyond - tasks.keys()

    def find(self, name: object) -> str | None:
        """Find the id of one of all these; None if it is none of them, or could be several."""
        if isinstance(name, str) and (name in self.tasks or name in self.beyond):
            return name
        spelling = _spelling(name)
        own = self._spelt_here.get(spelling, []) if spelling is not None and spelling[0] else []
        # Two editions of a benchmark spell one id in two ways; a number alone is nobody's.
        if len(own) == 1:
            return own[0]
        if isinstance(name, str) and name in self.elsewhere:
            return name
        found = self._spelt.get(spelling, []) if spelling is not None else []
        return found[0] if len(found) == 1 else None

    def is_name(self, key: str) -> bool:
        """Whether an object's key is a task's name, or one that another benchmark may have."""
        spelling = _spelling(key)
        is_like = spelling is not None and spelling[1] is not None and spelling[0] in ("", *_FAMILIES)
        return is_like or self.find(key) is not None

    def of_row(self, row: Mapping[str, Any], where: str) -> str:
        """Find the task id of a row.

        Raises:
            UserError: It has none, or one that the benchmark lacks; the message starts with `where`.
        """
        name = row.get("task_id")
        task_id = None if name is None else self.find(name)
        if task_id is not None:
            return task_id
        first = quoted(next(iter(self.tasks), "HumanEval/0"))
        if name is None:
            raise UserError(f"{where}: no task_id; every row needs one, such as {first} (the row has {listed(row)})")
        if isinstance(name, bool) or not isinstance(name, str | int | float):
            # A table written by columns has all ids in one value.
            raise UserError(f"{where}: task_id is {quoted(name)}; write one row per sample, with an id such as {first}")
        raise UserError(f"{where}: unknown task {quoted(name)}; {self._hint(name)}")

    def _hint(self, name: str | float) -> str:
        spelling = _spelling(name)
        found = self._spelt.get(spelling, []) if spelling is not None else []
        if len(found) > 1:
            return f"it could be {quoted(found[0])} or {quoted(found[1])}; write the full id"
        if spelling is None or spelling[1] is None:
            near = nearest(str(name), self.tasks)
            return f"did you mean {near!r}?" if near else "choose its benchmark with `benchmark`"
        ids = list(self.tasks)
        return (
            f"this benchmark has {len(ids)} tasks, {quoted(ids[0])} to {quoted(ids[-1])}; choose the right one with "
            "`benchmark`"
        )

    @cached_property
    def _spelt_here(self) -> dict[Spelling, list[str]]:
        """The benchmark's own ids by their spelling."""
        return _by_spelling([*self.tasks, *self.beyond])

    @cached_property
    def _spelt(self) -> dict[Spelling, list[str]]:
        """All ids by their spelling."""
        return _by_spelling([*self.tasks, *self.beyond, *self.elsewhere]) if self.elsewhere else self._spelt_here


def _by_spelling(ids: Iterable[str]) -> dict[Spelling, list[str]]:
    """Group ids by their spelling, and those with a number by it alone."""
    found: dict[Spelling, list[str]] = {}
    for task_id in ids:
        spelling = _spelling(task_id)
        if spelling is None:
            continue
        found.setdefault(spelling, []).append(task_id)
        if spelling[1] is not None and spelling[0]:
            found.setdefault(("", spelling[1]), []).append(task_id)
    return found


def _spelling(name: object) -> Spelling | None:
    if isinstance(name, bool) or not isinstance(name, str | int | float):
        return None
    if isinstance(name, float):
        # A table's numbers come out as floats where one is missing.
        return ("", int(name)) if name.is_integer() and abs(name) < 1 << 53 else None
    if isinstance(name, int):
        return ("", name) if 0 <= name < 1 << 63 else None
    if len(name) > _MAX_CHARACTERS:
        return None
    text = name.strip(_DRESS).casefold()
    head = text.rstrip("0123456789")
    digits = text[len(head) :]
    if not 0 < len(digits) <= _MAX_DIGITS:
        letters = "".join(filter(str.isalnum, text))
        return (letters, None) if letters else None
    letters = "".join(filter(str.isalnum, head))
    if not any(map(str.isdigit, letters)):
        # A digit before the number may be the task's, and the number the sample's.
        letters = next((family for family in _FAMILIES if family in letters), letters)
    return letters, int(digits)
