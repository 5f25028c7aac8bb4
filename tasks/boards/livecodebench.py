"""LiveCodeBench's code generation (Jain et al. 2024): problems of contests, with their dates.

A row has `question_title`, `question_content`, `platform`, `question_id`, `contest_date`, `starter_code`, `difficulty`,
`metadata` (a JSON object, with `func_name` where a method is called), `public_test_cases` (a JSON list) and
`private_test_cases` (that, or it packed). A test has `input`, `output` and `testtype`, `stdin` or `functional`.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from ...errors import UserError
from ...records import IoCase, IoTests, Task
from ..benchmark import STOP
from ..rows import fetch_hub_file, read_file
from .headers import RUNNER_IMPORTS, headed
from .packed import unpacked
from .reading import MAX_TESTS, Fields, Identity, UnfitError, cases_of, decoded
from .scripts import SCRIPT_STOP, script_prompt

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..rows import Located

HUB_ID: Final = "livecodebench/code_generation_lite"

RELEASES: Final = 6
"""Files of the data set: test.jsonl, test2.jsonl, ..., test6.jsonl, each with the problems new in its release."""

CASE_S: Final = 6.0
"""Seconds per input; `--timeout` of lcb_runner."""

_RELEASE: Final = re.compile(r"release_v(?P<last>\d+)|v(?P<first>\d+)(?:_v(?P<end>\d+))?")

_SEVERAL: Final = "known to be bad: several outputs are right, and its tests take one (LiveCodeBench's ERRATA.md)"
_INTERACTIVE: Final = "known to be bad: an interactive problem (LiveCodeBench's ERRATA.md)"
_WRONG: Final = "known to be bad: wrong tests (LiveCodeBench's ERRATA.md)"

BAD: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        (
            "abc311_c",
            "abc326_d",
            "abc327_b",
            "abc333_e",
            "abc343_e",
            "abc362_c",
            "find-words-containing-character",
            "find-the-peaks",
            "generate-binary-strings-without-adjacent-zeros",
        ),
        _SEVERAL,
    ),
    **dict.fromkeys(("abc337_e", "abc355_e"), _INTERACTIVE),
    **dict.fromkeys(("abc350_c", "apply-operations-to-make-string-empty", "most-frequent-ids"), _WRONG),
}
"""Why tasks are bad, by id or title; github.com/LiveCodeBench/LiveCodeBench, ERRATA.md."""


def release_files(release: str) -> list[str]:
    """List the data set's files of a release: `release_v6`, or only what is new in `v6` or in `v5_v6`.

    Raises:
        UserError: There is no such release.
    """
    match = _RELEASE.fullmatch(release)
    if match is not None:
        first = int(match["first"] or 1)
        last = int(match["last"] or match["end"] or first)
        if 1 <= first <= last <= RELEASES:
            return ["test.jsonl" if number == 1 else f"test{number}.jsonl" for number in range(first, last + 1)]
    raise UserError(
        f"`release` {release}: LiveCodeBench has release_v1 to release_v{RELEASES}, and what is new in one or some, "
        f"such as v{RELEASES} or v{RELEASES - 1}_v{RELEASES}"
    )


def rows(release: str) -> Iterator[Located]:
    """Yield a release's rows, from its raw files: the data set's script no longer runs."""
    for file in release_files(release):
        yield from read_file(fetch_hub_file(HUB_ID, file))


def identify(fields: Fields) -> Identity:
    """Tell which task a row is, and its day; sites name some problems by their title."""
    return Identity(fields.id("question_id"), fields.optional("question_title"), fields.day("contest_date"))


def task_of(fields: Fields, task_id: str, benchmark: str) -> Task:
    """Make a task.

    Raises:
        UnfitError: Its tests cannot grade.
    """
    question, starter = fields.text("question_content"), fields.optional("starter_code")
    public = _tests(fields, "public_test_cases")
    tests = [*public, *_tests(fields, "private_test_cases")]
    kinds = {kind for _, kind in tests}
    if len(kinds) > 1:
        raise UnfitError("its tests are of two kinds, stdin and functional")
    if not tests:
        raise UnfitError("it has no tests")
    if kinds == {"stdin"}:
        return Task(
            id=task_id,
            benchmark=benchmark,
            prompt=script_prompt(question, starter),
            entry_point="",
            tests=IoTests(style="stdio", cases=_cases(tests), rule="livecodebench", case_s=CASE_S),
            stop=SCRIPT_STOP,
            cases=_cases(public) if public else (),
        )
    name = _method(fields)
    found = headed(question, starter, name)
    if found is None:
        raise UnfitError(f"its starter code does not end with the method {name!r}")
    return Task(
        id=task_id,
        benchmark=benchmark,
        prompt=found.prompt,
        entry_point=found.entry_point,
        tests=IoTests(style="call", cases=_calls(tests), rule="equal", case_s=CASE_S, preamble=RUNNER_IMPORTS),
        stop=STOP,
        cases=_calls(public) if public else (),
    )


Test = tuple[dict[str, Any], str]


def _tests(fields: Fields, name: str) -> list[Test]:
    value = fields.get(name)
    if isinstance(value, str):
        text = fields.optional(name, MAX_TESTS).strip()
        if not text:
            return []
        # Packed tests are in base64, which has no brackets.
        value = decoded(text if text.startswith(("[", "{", '"')) else unpacked(text), name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise UnfitError(f"its {name} cannot be decoded: not a list")
    found: list[Test] = []
    for test in value:
        kind = test.get("testtype") if isinstance(test, dict) else None
        if kind not in ("stdin", "functional"):
            raise UnfitError(f"its {name} hold something else than tests of standard input or of a function")
        if not isinstance(test.get("input"), str) or not isinstance(test.get("output"), str):
            raise UnfitError(f"its {name} hold a test whose input and output are not texts")
        found.append((test, kind))
    return found


def _cases(tests: list[Test]) -> tuple[IoCase, ...]:
    return cases_of([test["input"] for test, _ in tests], [test["output"] for test, _ in tests])


def _calls(tests: list[Test]) -> tuple[IoCase, ...]:
    """Cases of a function: an input has one argument a line, in JSON."""
    inputs = []
    for test, _ in tests:
        lines = [decoded(line, "arguments") for line in test["input"].strip().split("\n") if test["input"].strip()]
        inputs.append(json.dumps(lines, separators=(",", ":")))
    outputs = [json.dumps(decoded(test["output"], "results"), separators=(",", ":")) for test, _ in tests]
    return cases_of(inputs, outputs)


def _method(fields: Fields) -> str:
    metadata = fields.get("metadata")
    if isinstance(metadata, str):
        metadata = decoded(metadata, "metadata")
    name = metadata.get("func_name") if isinstance(metadata, dict) else None
    if not isinstance(name, str) or not name.isidentifier():
        raise UnfitError("its tests call a function, and its metadata name none")
    return name
