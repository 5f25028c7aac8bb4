"""Rows of samples in the forms that others write: the task, the texts, the fields of each, and what is left out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from .._util.bounded import SampleCount, encodable, is_number, is_whole
from .._util.elements import read_elements
from .._util.printable import listed, one_line, quoted
from ..errors import UserError
from .endings import read_finish_reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from ..records import Task
    from .task_names import TaskNames

TextField = Literal["completion", "solution", "samples", "generation", "messages"]

_SINGLE: Final[tuple[TextField, ...]] = ("completion", "solution", "generation")
_IN_SAMPLES: Final = ("generation", "completion", "solution")

SAMPLE_FORMS: Final = "a row needs the model's text as completion or solution, or a list of texts as samples"
TEST_FORMS: Final = (
    'a row of tests needs a text of asserts as completion ("assert f(1) == 2"), or a list of such texts as samples'
)


class Kind(NamedTuple):
    """A kind of remark: what is counted, and what the remark says about it."""

    noun: str
    text: str


NO_TEXT: Final = Kind("sample", "without a text (null), left out")
EMPTY: Final = Kind("row", "with an empty list of samples, left out")
BEYOND: Final = Kind("row", "of tasks that were not selected, left out")
RESPELT: Final = Kind("row", "with a task_id spelt differently from the benchmark's")
NO_LOGPROBS: Final = Kind("sample", "whose logprobs are not all finite numbers and are ignored")
NO_REASON: Final = Kind("sample", "whose finish_reason has no letters and is ignored")
NO_VERDICT: Final = Kind("sample", "whose verdict is neither passed nor failed and is ignored")
TWICE: Final = Kind("row", "with the same index and text as an earlier row of the task, counted anyway")

_MAX_DIGITS: Final = 20

_BOARD_FIELDS: Final = {
    "task_id": ("question_id", "problem_id"),
    "solution": ("code_list",),
    "passed": ("graded_list",),
}
"""What LiveCodeBench's and APPS' own files call our fields, its `custom_evaluator` and `eval_all` among them."""

_VERDICT_FIELDS: Final = ("pass_at_1", "passed")
_VERDICTS: Final[Mapping[object, bool]] = {0: False, 1: True, 100: True, "false": False, "true": True}
"""Booleans are 0 and 1; the seed study writes percentages, 0 and 100."""


class Remarks:
    """What users must know about the rows of their files: for each kind, how many, and the first one's place."""

    def __init__(self) -> None:
        self._found: dict[Kind, tuple[int, str]] = {}

    def add(self, kind: Kind, where: str, count: int = 1, detail: str = "") -> None:
        """Count rows or samples of a kind; only the first one's place and detail are kept."""
        known, first = self._found.get(kind, (0, f"{where}{detail}"))
        self._found[kind] = (known + count, first)

    @property
    def lines(self) -> tuple[str, ...]:
        """One line for each kind."""
        return tuple(
            f"{count} {kind.noun} {kind.text}: {first}"
            if count == 1
            else f"{count} {kind.noun}s {kind.text}; the first: {first}"
            for kind, (count, first) in self._found.items()
        )


class Sample(NamedTuple):
    """A sample of a row.

    Attributes:
        text: Unchanged; None if the model's text is missing.
        said: The fields about this sample.
    """

    text: str | None
    said: Mapping[str, Any]


class Row(NamedTuple):
    """A row of a selected task, with its place for messages."""

    where: str
    task: Task
    fields: Mapping[str, Any]


def read_rows(path: Path, names: TaskNames, remarks: Remarks) -> Iterator[Row]:
    """Yield the rows of the selected tasks in a file of JSON Lines or other JSON, plain or `.gz`.

    An object without a `task_id` whose keys are task ids is read as one row per key.

    Raises:
        UserError: The file cannot be read or exceeds a limit, or a row is not an object or has no known task; the
            message names file and place.
    """
    indexed: set[int] = set()
    for element in read_elements(path, names.is_name):
        for where, fields in _rows_of(element.where, element.value, element.key, names):
            row = row_of(where, fields, names, remarks)
            if row is None:
                continue
            if is_whole(fields.get("index")):
                mark = hash((row.task.id, fields["index"], *map(str, map(fields.get, ("raw", *_SINGLE)))))
                if mark in indexed:
                    remarks.add(TWICE, where)
                indexed.add(mark)
            yield row


def row_of(where: str, fields: Mapping[str, Any], names: TaskNames, remarks: Remarks) -> Row | None:
    """Find a row's task; None if that was not selected, or is another benchmark's.

    Raises:
        UserError: It has no known task.
    """
    task_id = names.of_row(fields, where)
    if task_id in names.beyond:
        remarks.add(BEYOND, where)
        return None
    if task_id in names.elsewhere:
        return None
    name = fields["task_id"]
    if name != task_id:
        remarks.add(RESPELT, where, detail=f", {quoted(name)} read as {quoted(task_id)}")
    return Row(where, names.tasks[task_id], fields)


def _rows_of(where: str, value: Any, key: str | None, names: TaskNames) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if key is not None:
        yield where, _under(key, value, where, names)
        return
    if isinstance(value, list):
        raise UserError(
            f"{where}: a list without a task; write rows with a task_id, or one object with lists by task id"
        )
    if not isinstance(value, dict):
        raise UserError(f"{where}: not a JSON object; a row must be one object with a task_id")
    value = _renamed(value)
    if "task_id" in value:
        yield where, value
    elif any(names.find(name) is not None for name in value):
        for name, member in value.items():
            place = f"{where}: {quoted(name)}"
            yield place, _under(name, member, place, names)
    else:
        inner = [name for name, member in value.items() if _holds_rows(member, names)]
        if inner:
            raise UserError(
                f"{where}: no task_id; the rows are under {one_line(inner[0])!r}; save that part as its own file"
            )
        yield where, value


def _renamed(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give a row of a board's own files our names; its other fields, and names that are ours already, stay."""
    theirs = {
        ours: name
        for ours, names in _BOARD_FIELDS.items()
        if ours not in row and (name := next((name for name in names if name in row), None)) is not None
    }
    if "task_id" not in theirs:
        return row
    kept = {field: value for field, value in row.items() if field not in theirs.values()}
    return {ours: row[name] for ours, name in theirs.items()} | kept


def _holds_rows(value: object, names: TaskNames) -> bool:
    if isinstance(value, dict):
        return any(names.find(name) is not None for name in value)
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict) and "task_id" in value[0]


def _under(key: str, value: Any, where: str, names: TaskNames) -> Mapping[str, Any]:
    """Turn the value under a task's id into a row."""
    if isinstance(value, dict):
        own = value.get("task_id")
        if own is not None and names.find(own) != names.find(key):
            raise UserError(f"{where}: its task_id is {quoted(own)}; fix one of the two")
        return {"task_id": key} | value | {"task_id": key}
    if isinstance(value, list) or value is None or isinstance(value, str):
        return {"task_id": key, "samples": value if isinstance(value, list) else [value]}
    raise UserError(f"{where}: {quoted(value)} is not a row; put a row or a list of texts under each task id")


def samples_of(
    row: Mapping[str, Any], where: str, remarks: Remarks, count: SampleCount, forms: str = SAMPLE_FORMS
) -> tuple[TextField, list[Sample]]:
    """Find the field with a row's samples, and the samples; missing texts get a remark.

    Args:
        row: The row.
        where: Its place, for messages.
        remarks: Receives missing texts.
        count: Counts the samples before they are looked at.
        forms: The accepted forms of rows, for messages.

    Raises:
        UserError: The row has no such field, a sample is not text, or there are too many samples.
    """
    name = next((name for name in ("samples", *_SINGLE, "messages") if not _is_missing(row.get(name))), None)
    values = None if name is None else row[name]
    count.add(len(values) if isinstance(values, list) and name != "messages" else 1, where)
    if name is None:
        # A field that is present but empty means that the model gave no text.
        name = next((name for name in ("samples", *_SINGLE, "messages") if name in row), None)
        if name is None:
            raise UserError(f"{where}: no completion, solution or samples; {forms} (the row has {listed(row)})")
        samples = [Sample(None, row)]
    elif name == "messages":
        samples = [Sample(_answer(values, where), {**row, "prompt": _asked(values)})]
    elif isinstance(values, list):
        samples = _listed_samples(values, row, where, forms)
    elif name == "samples":
        raise UserError(f"{where}: samples is not a list; {forms}")
    else:
        samples = [Sample(_text(values, where, forms), row)]
    if not samples:
        remarks.add(EMPTY, where)
    missing = sum(sample.text is None for sample in samples)
    if missing:
        remarks.add(NO_TEXT, where, missing)
    return name, samples


def _listed_samples(listed_ones: list[Any], row: Mapping[str, Any], where: str, forms: str) -> list[Sample]:
    # Fields of a whole row do not apply to each sample, except for the prompt, and verdicts in a list.
    shared = {"prompt": row.get("prompt")}
    verdicts = {name: row[name] for name in _VERDICT_FIELDS if isinstance(row.get(name), list)}
    if not verdicts:
        return [_listed_sample(one, shared, where, forms) for one in listed_ones]
    samples = []
    for place, one in enumerate(listed_ones):
        own = {name: found[place] if len(found) == len(listed_ones) else found for name, found in verdicts.items()}
        samples.append(_listed_sample(one, {**shared, **own}, where, forms))
    return samples


def _listed_sample(one: Any, shared: Mapping[str, Any], where: str, forms: str) -> Sample:
    if not isinstance(one, dict):
        return Sample(_text(one, where, forms), shared)
    name = next((name for name in _IN_SAMPLES if not _is_missing(one.get(name))), None)
    if name is None and not any(name in one for name in _IN_SAMPLES):
        raise UserError(f"{where}: a sample has no generation, completion or solution; {forms} (it has {listed(one)})")
    prompt = {"prompt": shared["prompt"]} if one.get("prompt") is None else {}
    return Sample(None if name is None else _text(one[name], where, forms), {**shared, **one, **prompt})


def _text(value: Any, where: str, forms: str) -> str | None:
    if _is_missing(value):
        return None
    if not isinstance(value, str):
        raise UserError(f"{where}: a sample is {type(value).__name__}, not text; {forms}")
    return value


def _is_missing(value: object) -> bool:
    """Whether a value means that there is none; tables write NaN."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def _answer(messages: Any, where: str) -> str | None:
    """Find the text of the last message of a chat, if the model wrote it."""
    last = messages[-1] if isinstance(messages, list) and messages else None
    if not isinstance(last, dict) or not isinstance(last.get("role"), str):
        raise UserError(f"{where}: messages is not a list of objects with role and content, ending with the answer")
    if last["role"] not in ("assistant", "model", "gpt"):
        return None
    return _content(last)


def _asked(messages: Any) -> str | None:
    """Join what a chat says before its last message."""
    contents = [_content(one) for one in messages[:-1] if isinstance(one, dict)]
    return "\n\n".join(text for text in contents if text) or None


def _content(message: Mapping[str, Any]) -> str | None:
    content = message.get("content")
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, dict)]
        content = "".join(text for text in texts if isinstance(text, str))
    return content if isinstance(content, str) else None


def prompt_of(said: Mapping[str, Any], field: TextField, task: Task, where: str) -> str | None:
    """Get the prompt that a sample was drawn from if it is not the benchmark's, else None.

    Raises:
        UserError: It is not text.
    """
    prompt = said.get("prompt")
    if isinstance(prompt, list):
        # A chat; its last message is part of the question too.
        prompt = _asked([*prompt, None])
    if _is_missing(prompt) or prompt in ("", task.prompt):
        return None
    if not isinstance(prompt, str):
        raise UserError(f"{where}: prompt is {type(prompt).__name__}, not text; fix it or remove it")
    if field == "messages" and task.prompt.strip() in prompt:
        # A chat about the task shows the benchmark's own prompt with its examples.
        return None
    return encodable(prompt)


def optional_fields(
    said: Mapping[str, Any], field: TextField, task: Task, where: str, remarks: Remarks
) -> dict[str, Any]:
    """Get the fields of a candidate that a sample has.

    Numbers may be written as texts; an empty text or NaN counts as missing.

    Raises:
        UserError: One has the wrong type or range.
    """
    fields: dict[str, Any] = {}
    for name in ("seed", "prompt_tokens", "output_tokens", "thinking_tokens"):
        value = _whole(said.get(name))
        if value is not None:
            if not is_whole(value, least=-(1 << 63) if name == "seed" else 0):
                raise UserError(
                    f"{where}: {name} is {quoted(said[name])}; write a whole number below 2^63 or remove it"
                )
            fields[name] = value
    reason = said.get("finish_reason")
    if not _is_missing(reason) and reason != "":
        if not isinstance(reason, str):
            raise UserError(f"{where}: finish_reason is {quoted(reason)}; write a word such as 'stop' or remove it")
        fields["finish_reason"] = read_finish_reason(reason)
        if fields["finish_reason"] is None:
            remarks.add(NO_REASON, where, detail=f", {quoted(reason)}")
    logprobs = _logprobs(said.get("logprobs"), where, remarks, is_ours=said.get("made_by") is not None)
    if logprobs is not None:
        fields["logprobs"] = logprobs
    prompt = prompt_of(said, field, task, where)
    if prompt is not None:
        fields["prompt"] = prompt
    return fields


def recorded_verdict(said: Mapping[str, Any], where: str, remarks: Remarks) -> bool | None:
    """Get a file's own verdict on a sample: `pass_at_1` (0 or 1, or a percentage), else `passed`; None without."""
    value = next((said[name] for name in _VERDICT_FIELDS if not _is_missing(said.get(name))), None)
    if _is_missing(value) or value == "":
        return None
    known = number_of(value.strip().casefold() if isinstance(value, str) else value)
    verdict = _VERDICTS.get(known) if isinstance(known, str | int | float) else None
    if verdict is None:
        remarks.add(NO_VERDICT, where, detail=f", {quoted(value)}")
    return verdict


def number_of(value: Any) -> Any:
    """Convert a text that is a number, and turn missing values into None; all else stays."""
    if _is_missing(value) or not isinstance(value, str):
        return None if _is_missing(value) else value
    try:
        return float(value) if value.strip() else None
    except ValueError:
        return value


def _whole(value: Any) -> Any:
    """Convert a text or float that is a whole number, and turn missing values into None; all else stays."""
    if _is_missing(value):
        return None
    if isinstance(value, str):
        text = value.strip()
        if not text:
            return None
        whole, _, zeros = text.partition(".")
        is_number_text = len(whole) <= _MAX_DIGITS and whole.removeprefix("-").isdecimal() and not zeros.strip("0")
        return int(whole) if is_number_text else value
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1 << 53 else value


def _logprobs(value: Any, where: str, remarks: Remarks, *, is_ours: bool) -> tuple[float, ...] | None:
    if _is_missing(value) or value == "":
        return None
    if isinstance(value, list):
        if all(map(is_number, value)):
            return tuple(value)
        if all(one is None or isinstance(one, float) or is_number(one) for one in value):
            if is_ours and not any(isinstance(one, float) and not math.isfinite(one) for one in value):
                # JSON has no infinity: null is what an export writes for a probability of 0.
                return tuple(-math.inf if one is None else float(one) for one in value)
            remarks.add(NO_LOGPROBS, where)
            return None
    raise UserError(f"{where}: logprobs is not a list of numbers, one per token; fix it or remove it")
