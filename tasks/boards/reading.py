"""Rows of a board, one by one: identified, chosen or passed over, and made into tasks or left out with a reason."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..._util.bounded import ANY_JSON, check_values, encodable, is_whole, why_broken
from ..._util.printable import listed, one_line, quoted
from ..._util.progress import notice
from ...errors import UserError
from ...records import IoCase
from ..benchmark import Benchmark

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ...records import Task
    from ..rows import Located

MAX_ID: Final = 500
MAX_PROMPT: Final = 1 << 18
MAX_PROGRAM: Final = 1 << 20
"""Characters of an id, of a question or code prompt, of a program."""

MAX_TESTS: Final = 1 << 30
"""Characters of a task's inputs and outputs together."""

_MOST_NAMED: Final = 5


class UnfitError(Exception):
    """A task that cannot tell a right program from a wrong one; says why."""


class Choice(NamedTuple):
    """Which of a board's tasks are wanted, and in which form.

    Attributes:
        release: The data set's release; None for the board's default.
        since: The first contest day; None for all.
        until: The last.
        variant: The form of prompts, where the board has several; None for its default.
        clean: Leave out the tasks known to be bad.
    """

    release: str | None = None
    since: date | None = None
    until: date | None = None
    variant: str | None = None
    clean: bool = False


class Identity(NamedTuple):
    """Which task a row is.

    Attributes:
        id: The task's id.
        alias: Another name that lists of bad tasks may use.
        day: The day of its contest.
        belongs: Whether it is this board's.
    """

    id: str
    alias: str = ""
    day: date | None = None
    belongs: bool = True


class Fields:
    """A row's fields, read with their types; the row is another's making.

    Every method raises UserError, naming the place, where a field is of another type or too long.

    Attributes:
        place: Where the row is, for messages.
    """

    def __init__(self, located: Located) -> None:
        self.place, self._row = located

    def get(self, name: str) -> Any:
        """Take a field as it is; None where it is missing."""
        return self._row.get(name)

    def text(self, name: str, most: int = MAX_PROMPT) -> str:
        """Take a text that must be there."""
        if self._row.get(name) is None:
            raise UserError(f"{self.place}: no field {name!r} (the row has {listed(self._row)}); give the board's file")
        return self.optional(name, most)

    def optional(self, name: str, most: int = MAX_PROMPT) -> str:
        """Take a text; an empty one where it is missing."""
        value = self._row.get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise UserError(f"{self.place}: {name} is {type(value).__name__}, not text; give the board's own file")
        if len(value) > most:
            raise UserError(f"{self.place}: {name} is longer than {most} characters, the limit; shorten the row")
        if encodable(value) != value:
            raise UserError(f"{self.place}: {name} has half of a surrogate pair, which UTF-8 cannot encode; fix it")
        return value

    def id(self, name: str) -> str:
        """Take a task's id, a text or a whole number, as text."""
        value = self._row.get(name)
        if is_whole(value):
            return str(value)
        text = self.text(name, MAX_ID)
        if not text.strip():
            raise UserError(f"{self.place}: {name} is empty; each row needs an id of its own")
        return text

    def day(self, name: str) -> date | None:
        """Take a day, of an ISO date or time; None where it is missing."""
        value = self._row.get(name)
        if isinstance(value, datetime):
            return value.date()
        if isinstance(value, date) or value is None:
            return value
        try:
            return date.fromisoformat(self.text(name, MAX_ID)[:10])
        except ValueError:
            raise UserError(f"{self.place}: {name} is {quoted(value)}, not an ISO date such as 2024-08-31") from None


def collect(
    name: str,
    rows: Iterable[Located],
    identify: Callable[[Fields], Identity],
    make: Callable[[Fields, str], Task],
    choice: Choice,
    bad: Mapping[str, str],
) -> Benchmark:
    """Make a benchmark of a board's rows.

    Args:
        name: The board's name.
        rows: Its rows; each is let go once it is read.
        identify: Tells which task a row is.
        make: Makes the task; raises UnfitError for one that cannot grade.
        choice: Which tasks are wanted.
        bad: Why tasks are known to be bad, by id or other name.

    Raises:
        UserError: A row is not in the board's form, an id occurs twice, or nothing is left.
        MachineError: The hub does not answer.
    """
    tasks: list[Task] = []
    left_out: dict[str, str] = {}
    passed_over: set[str] = set()
    seen: set[str] = set()
    for located in rows:
        fields = Fields(located)
        identity = identify(fields)
        if identity.id in seen:
            raise UserError(f"{fields.place}: task {quoted(identity.id)} occurs twice; remove one of the rows")
        seen.add(identity.id)
        if not identity.belongs or not _is_within(fields, identity, choice):
            passed_over.add(identity.id)
            continue
        known = (bad.get(identity.id) or bad.get(identity.alias)) if choice.clean else None
        if known is not None:
            left_out[identity.id] = known
            continue
        try:
            tasks.append(make(fields, identity.id))
        except UnfitError as error:
            left_out[identity.id] = one_line(str(error))
    if not tasks and not left_out:
        raise UserError(f"{name}: {_why_empty(seen, choice)}")
    benchmark = Benchmark(name, tuple(tasks), beyond=frozenset(passed_over | left_out.keys()), left_out=left_out)
    _tell(name, left_out)
    return benchmark


def _is_within(fields: Fields, identity: Identity, choice: Choice) -> bool:
    if choice.since is None and choice.until is None:
        return True
    if identity.day is None:
        raise UserError(f"{fields.place}: no contest date to compare with `since` and `until`; leave them out")
    return (choice.since or date.min) <= identity.day <= (choice.until or date.max)


def _why_empty(seen: set[str], choice: Choice) -> str:
    if not seen:
        return "contains no tasks; give a file with at least one row"
    if choice.since is not None or choice.until is not None:
        return f"none of its {len(seen)} tasks is from these dates; widen `since` and `until`"
    return f"none of the {len(seen)} rows is one of its tasks; give a file of this board"


def _tell(name: str, left_out: Mapping[str, str]) -> None:
    """Say which tasks are left out and why, a line per reason."""
    for why in dict.fromkeys(left_out.values()):
        ids = [task_id for task_id, reason in left_out.items() if reason == why]
        more = f" and {len(ids) - _MOST_NAMED} more" if len(ids) > _MOST_NAMED else ""
        shown = ", ".join(one_line(task_id, 80) for task_id in ids[:_MOST_NAMED])
        notice(f"{name}: {len(ids)} {'task is' if len(ids) == 1 else 'tasks are'} left out ({shown}{more}): {why}")


def decoded(text: str | bytes, what: str) -> Any:
    """Decode JSON that tests are written in.

    Raises:
        UnfitError: It is not JSON, or has more values than the limit.
    """
    try:
        check_values(text, what)
        return ANY_JSON.decode(text.decode("utf-8") if isinstance(text, bytes) else text)
    except UserError:
        raise UnfitError(f"its {what} have more values than the limit") from None
    except UnicodeDecodeError:
        raise UnfitError(f"its {what} are not UTF-8") from None
    except (RecursionError, ValueError) as error:
        why = str(error) if hasattr(error, "lineno") else why_broken(error)
        raise UnfitError(f"its {what} cannot be decoded: broken JSON ({why})") from None


def cases_of(inputs: Sequence[str], outputs: Sequence[str]) -> tuple[IoCase, ...]:
    """Pair inputs with outputs.

    Raises:
        UnfitError: There are none, not as many of both, or they are too long or no text that UTF-8 can encode.
    """
    if len(inputs) != len(outputs):
        raise UnfitError(f"it has {len(inputs)} inputs and {len(outputs)} outputs")
    if not inputs:
        raise UnfitError("it has no tests")
    if sum(map(len, inputs)) + sum(map(len, outputs)) > MAX_TESTS:
        raise UnfitError(f"its tests are longer than {MAX_TESTS} characters, the limit")
    if any(encodable(text) != text for texts in (inputs, outputs) for text in texts):
        raise UnfitError("its tests have half of a surrogate pair, which UTF-8 cannot encode")
    return tuple(IoCase(input=given, output=right) for given, right in zip(inputs, outputs, strict=True))
