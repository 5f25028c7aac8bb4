"""APPS (Hendrycks et al. 2021): problems of three difficulties, tested on standard input or by calls.

A row has `problem_id`, `question`, `solutions` (a JSON list of programs), `input_output` (a JSON object of `inputs`,
`outputs` and, for calls, `fn_name`), `starter_code` and `difficulty`.
"""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from ...records import IoCase, IoTests, Task
from ..benchmark import STOP
from ..rows import fetch_hub_file, read_file
from ..source import module
from .headers import RUNNER_IMPORTS, headed, header_of
from .reading import MAX_PROGRAM, MAX_TESTS, Fields, Identity, UnfitError, cases_of, decoded
from .scripts import SCRIPT_STOP, script_prompt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..rows import Located

HUB_ID: Final = "codeparrot/apps"

CASE_S: Final = 4.0
"""Seconds per input; `timeout` in testing_util.py of APPS' repository, github.com/hendrycks/apps."""

DIFFICULTIES: Final = ("introductory", "interview", "competition")

_MOST_SOLUTIONS: Final = 1 << 26
_SECTION: Final = re.compile(r"^-{3,}\s*(?:Examples?|Sample Input.*?)\s*-{3,}[ \t]*$", re.MULTILINE)
_NEXT_SECTION: Final = re.compile(r"^-{3,}\s*[A-Z]", re.MULTILINE)
_EXAMPLE: Final = re.compile(r"\s*^Input\n(.*?)\n\s*^Output\n(.*?)(?=\n\s*^Input\n|\s*\Z)", re.MULTILINE | re.DOTALL)


def rows(revision: str | None) -> Iterator[Located]:
    """Yield the test split's rows: its raw file, since the script beside it no longer runs."""
    return read_file(fetch_hub_file(HUB_ID, "test.jsonl", revision))


def identify(fields: Fields, difficulty: str) -> Identity:
    """Tell which task a row is, and whether it has the difficulty."""
    return Identity(fields.id("problem_id"), belongs=fields.text("difficulty") == difficulty)


def task_of(fields: Fields, task_id: str, benchmark: str) -> Task:
    """Make a task.

    Raises:
        UnfitError: Its tests cannot grade.
    """
    question, starter = fields.text("question"), fields.optional("starter_code")
    reference = _reference(fields.optional("solutions", _MOST_SOLUTIONS))
    tests = _tests(fields)
    name = tests.get("fn_name")
    if name is None:
        listed = [_lines(tests.get("inputs"), "inputs"), _lines(tests.get("outputs"), "outputs")]
        return Task(
            id=task_id,
            benchmark=benchmark,
            prompt=script_prompt(question, starter),
            entry_point="",
            tests=IoTests(style="stdio", cases=cases_of(*listed), rule="apps", case_s=CASE_S, every=True),
            reference=reference,
            stop=SCRIPT_STOP,
            cases=examples_in(question),
        )
    if not isinstance(name, str) or not name.isidentifier():
        raise UnfitError("its tests call a function without a Python name")
    inputs, outputs = (_listed(tests.get(part), part) for part in ("inputs", "outputs"))
    if any(not isinstance(arguments, list) for arguments in inputs):
        raise UnfitError("its inputs are not lists of arguments")
    cases = cases_of([_json(arguments) for arguments in inputs], [_json(output) for output in outputs])
    found = headed(question, starter, name) if starter.strip() else None
    if found is None and reference is not None and (header := header_of(reference, name)) is not None:
        found = headed(question, header, name)
    prompt, entry_point = found or (f"{question.strip()}\n\nWrite a Python function `{name}`.\n", name)
    return Task(
        id=task_id,
        benchmark=benchmark,
        prompt=prompt,
        entry_point=entry_point,
        tests=IoTests(style="call", cases=cases, rule="apps", case_s=CASE_S, every=True, preamble=RUNNER_IMPORTS),
        reference=reference,
        stop=STOP if found else SCRIPT_STOP,
    )


def examples_in(question: str) -> tuple[IoCase, ...]:
    """Find the examples of a question, where all of its section of examples reads as inputs and outputs in turn."""
    section = _SECTION.search(question)
    if section is None:
        return ()
    rest = question[section.end() :]
    end = _NEXT_SECTION.search(rest)
    text = (rest[: end.start()] if end else rest).replace("\r\n", "\n")
    found = list(_EXAMPLE.finditer(text))
    if not found or text[: found[0].start()].strip() or text[found[-1].end() :].strip():
        return ()
    if any(later.start() != earlier.end() for earlier, later in pairwise(found)):
        return ()
    return tuple(IoCase(input=f"{match[1].strip(chr(10))}\n", output=f"{match[2].strip(chr(10))}\n") for match in found)


def _tests(fields: Fields) -> dict[str, Any]:
    text = fields.optional("input_output", MAX_TESTS)
    if not text.strip():
        raise UnfitError("it has no tests")
    tests = decoded(text, "tests")
    if not isinstance(tests, dict):
        raise UnfitError("its tests cannot be decoded: not a JSON object of inputs and outputs")
    return tests


def _listed(value: Any, part: str) -> list[Any]:
    if not isinstance(value, list):
        raise UnfitError(f"its tests cannot be decoded: {part} are not a list")
    return value


def _lines(value: Any, part: str) -> list[str]:
    """Texts of standard input or output; some rows have lists of lines."""
    texts = []
    for item in _listed(value, part):
        text = "\n".join(item) if isinstance(item, list) and all(isinstance(line, str) for line in item) else item
        if not isinstance(text, str):
            raise UnfitError(f"its tests cannot be decoded: {part} hold {type(item).__name__}, not text")
        texts.append(text)
    return texts


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _reference(text: str) -> str | None:
    """The first solution that parses; many are of Python 2."""
    try:
        solutions = decoded(text, "solutions") if text.strip() else []
    except UnfitError:
        return None
    if not isinstance(solutions, list):
        return None
    programs = (one for one in solutions if isinstance(one, str) and len(one) <= MAX_PROGRAM)
    return next((program for program in programs if program.strip() and module(program) is not None), None)
