"""Benchmarks from data sets of HumanEval's, MBPP's or EvalPlus' shape, on the hub or in a local file."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._util.bounded import encodable
from .._util.printable import listed, quoted
from ..errors import UserError
from ..records import HiddenTests, Task
from .benchmark import STOP, Benchmark
from .evalplus import has_inputs, input_tests, written_tests
from .examples import visible_examples
from .prose import called_function, completed, defines, stub_prompt, unquoted
from .rows import Located, read_file, read_hub
from .source import forgotten_modules

if TYPE_CHECKING:
    from collections.abc import Mapping

FIELDS: Mapping[str, tuple[str, ...]] = {
    "task_id": ("task_id", "id", "name"),
    "prompt": ("prompt", "text"),
    "entry_point": ("entry_point",),
    "test": ("test", "test_list", "tests"),
    "reference": ("canonical_solution", "reference", "code", "solution"),
    "setup": ("test_imports", "test_setup_code"),
}
"""Parts of a task, and data sets' names for them; the first one present is used."""

MAX_CHARACTERS: Mapping[str, int] = {
    "task_id": 500,
    "prompt": 1 << 18,
    "entry_point": 200,
    "test": 1 << 26,
    "reference": 1 << 20,
    "setup": 1 << 20,
}
"""Limit of a task's part."""

ALIASES = {"test_list": "test", "canonical_solution": "reference", "code": "reference", "test_imports": "setup"}


def load_dataset_benchmark(
    spec: str,
    fields: Mapping[str, str] | None = None,
    *,
    name: str | None = None,
    split: str | None = None,
    id_prefix: str | None = None,
) -> Benchmark:
    """Load a data set of HumanEval's, MBPP's or EvalPlus' shape; the last has a field `base_input`.

    A prompt that is Python source with the entry point's header is used as is, and a reference that does not define the
    entry point continues it. A prompt in prose becomes the reference's header with the prose as its docstring.

    Args:
        spec: A local `.json`, `.jsonl` (either also `.gz`) or `.parquet` file, or a hub id, `OWNER/NAME[:CONFIG]`.
        fields: The row field for each part of a task, as in `{"prompt": "text"}`; keys are those of `FIELDS`.
        name: The benchmark's name; the file's stem or the id where None.
        split: The hub's split; see `rows.read_hub`.
        id_prefix: The part before the slash where a row's id is a number; the name where None.

    Raises:
        UserError: If the file, a row or the mapping is wrong; the message names file and line.
        MachineError: If the hub does not answer.
    """
    path = Path(spec).expanduser()
    if path.is_file() or not re.fullmatch(r"[\w.-]+/[\w.-]+(:[\w.-]+)?", spec):
        rows = list(read_file(path))
        name = name or path.name.split(".")[0]
    else:
        hub_id, _, config = spec.partition(":")
        rows = read_hub(hub_id, config or None, split)
        name = name or spec
    mapping = _mapping(fields or {})
    tasks: dict[str, Task] = {}
    for row in rows:
        task = _task(row, mapping, name, id_prefix or name)
        if task.id in tasks:
            raise UserError(f"{row[0]}: task {quoted(task.id)} occurs twice; make the ids unique")
        tasks[task.id] = task
    if not tasks:
        raise UserError(f"{spec}: contains no tasks; give a file with at least one row")
    return Benchmark(name, tuple(tasks.values()))


def _mapping(fields: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """List the row fields to look in for each part."""
    mapping = dict(FIELDS)
    for part, field in fields.items():
        part = ALIASES.get(part, part)
        if part not in FIELDS:
            near = difflib.get_close_matches(part, FIELDS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"the parts are {', '.join(FIELDS)}"
            raise UserError(f"`fields` {part}={field}: a task has no {part!r}; {hint}")
        mapping[part] = (field,)
    return mapping


def _task(located: Located, mapping: Mapping[str, tuple[str, ...]], benchmark: str, id_prefix: str) -> Task:
    place = located[0]
    # Whoever names a field for the tests wants that one.
    by_inputs = has_inputs(located[1]) and mapping["test"] == FIELDS["test"]
    raw_id = _value(located, mapping, "task_id")
    # EvalPlus' rules for single tasks use the whole id.
    is_number = isinstance(raw_id, int) and not by_inputs
    task_id = _text(place, "task_id", f"{id_prefix}/{raw_id}" if is_number else raw_id)
    prompt = _text(place, "prompt", _value(located, mapping, "prompt"))
    test = None if by_inputs else _optional(located, mapping, "test")
    reference = _optional(located, mapping, "reference")
    setup = _optional(located, mapping, "setup")
    entry_point = _optional(located, mapping, "entry_point")
    if entry_point is None:
        entry_point = called_function(test, reference) if test is not None and reference is not None else None
        if entry_point is None:
            raise UserError(
                f"{place}: no entry point: no field {mapping['entry_point'][0]!r}, and the tests call no function "
                "that the reference defines; map one with `fields` entry_point=NAME"
            )
    entry_point = entry_point.strip()
    if not entry_point.isidentifier():
        raise UserError(f"{place}: the entry point {quoted(entry_point)} is not a Python name; fix the row")
    if not defines(prompt, entry_point, is_open=True):
        if reference is None or not defines(reference, entry_point):
            raise UserError(
                f"{place}: neither the prompt nor the reference defines {entry_point!r}; map the right fields with "
                "`fields` prompt=NAME or `fields` reference=NAME"
            )
        try:
            prompt = stub_prompt(unquoted(prompt), reference, entry_point)
        except ValueError as error:
            raise UserError(f"{place}: no prompt can be made from the reference: {error}; fix the row") from None
    elif reference is not None and not defines(reference, entry_point):
        reference = completed(prompt, reference, entry_point)
    tests = None
    if not by_inputs:
        # A row without tests is a task whose candidates can be ranked but not scored.
        if test is not None:
            tests = written_tests(test, task_id, entry_point, reference) or _tests(setup, test, prompt, reference)
    elif reference is not None:
        tests = input_tests(place, located[1], task_id, entry_point, reference)
    else:
        raise UserError(
            f"{place}: inputs without a reference to compute the expected results; map one with `fields` reference=NAME"
        )
    return Task(
        id=task_id,
        benchmark=benchmark,
        prompt=prompt,
        entry_point=entry_point,
        examples=visible_examples(prompt, entry_point),
        tests=tests,
        reference=reference,
        stop=STOP,
    )


def _tests(setup: str | None, test: str, prompt: str, reference: str | None) -> HiddenTests:
    code = f"{setup}\n{test}" if setup else test
    forgotten = forgotten_modules(code, reference or prompt)
    if forgotten:
        code = "".join(f"import {name}\n" for name in forgotten) + code
    is_check = re.search(r"^def check\(", test, re.MULTILINE) is not None
    return HiddenTests(style="check" if is_check else "asserts", code=code)


def _value(located: Located, mapping: Mapping[str, tuple[str, ...]], part: str) -> Any:
    place, row = located
    for field in mapping[part]:
        if row.get(field) is not None:
            return row[field]
    wanted = " or ".join(repr(field) for field in mapping[part])
    raise UserError(f"{place}: no field {wanted}; map it with `fields` {part}=NAME (the row has {listed(row)})")


def _optional(located: Located, mapping: Mapping[str, tuple[str, ...]], part: str) -> str | None:
    place, row = located
    for field in mapping[part]:
        if row.get(field) is not None:
            return _lines(place, part, row[field])
    if mapping[part] != FIELDS[part]:
        raise UserError(
            f"{place}: no field {mapping[part][0]!r}, which `fields` {part}=... names; the row has {listed(row)}"
        )
    return None


def _text(place: str, part: str, value: object) -> str:
    if not isinstance(value, str):
        raise UserError(
            f"{place}: {part} is {type(value).__name__}, not text; map the right field with `fields` {part}=NAME"
        )
    if len(value) > MAX_CHARACTERS[part]:
        raise UserError(f"{place}: {part} is longer than {MAX_CHARACTERS[part]} characters; shorten it, or remove it")
    if encodable(value) != value:
        raise UserError(f"{place}: {part} has half of a surrogate pair, which UTF-8 cannot encode; fix it")
    return value


def _lines(place: str, part: str, value: object) -> str:
    """Return a text; join a list as lines."""
    if isinstance(value, list | tuple):
        value = "\n".join(_text(place, part, item) for item in value)
    return _text(place, part, value)
