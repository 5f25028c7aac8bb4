"""A benchmark: an ordered set of tasks, and what planning needs to know."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

from .._util.hashing import key_of, record_text
from .._util.printable import nearest, quoted
from ..errors import UserError
from ..records import Task, Workload

if TYPE_CHECKING:
    from collections.abc import Mapping

STOP = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")
"""Ends of a completion: the stop sequences of Chen et al. 2021, section 2.1."""
BYTES_PER_TOKEN = 3.2
"""UTF-8 bytes of Python source per token of a LLaMA tokenizer, for planning without one.

English prose takes about 4 bytes per token, and code less, because names, brackets and operators split into short
pieces. LLaMA's and Code Llama's 32,000 pieces are near 3, Llama 3's 128,000 pieces nearer 4. All arms of a comparison
share the figure, so an error in it shifts their costs together and hardly their ratios.
"""


@dataclass(frozen=True)
class Benchmark:
    """Tasks in their order, under one name.

    Attributes:
        name: The benchmark's name in reports.
        tasks: Its tasks, ids unique.
        beyond: Ids of tasks that were left out of it; files of samples may still have rows of them.
        left_out: Why tasks cannot grade a program, by the ids of those; they are among `beyond`.
        version: The release of its data set; empty where it has none.
        elsewhere: Ids of tasks of other benchmarks in use at the same time, whose rows may be in the same files.
    """

    name: str
    tasks: tuple[Task, ...]
    beyond: frozenset[str] = frozenset()
    left_out: Mapping[str, str] = field(default_factory=dict, hash=False)
    version: str = ""
    elsewhere: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if not self.tasks and self.left_out:
            why = next(iter(self.left_out.values()))
            raise UserError(f"{self.name}: none of its {len(self.left_out)} tasks can be graded: {why}")
        if not self.tasks:
            raise UserError(f"{self.name}: contains no tasks; choose a benchmark with at least one")
        seen: set[str] = set()
        for task in self.tasks:
            if task.id in seen:
                raise UserError(f"{self.name}: task {quoted(task.id)} occurs twice; make the ids unique")
            seen.add(task.id)

    @cached_property
    def by_id(self) -> Mapping[str, Task]:
        """Index the tasks by id, in order."""
        return MappingProxyType({task.id: task for task in self.tasks})

    def first(self, count: int) -> Benchmark:
        """Keep only the first tasks."""
        later = frozenset(task.id for task in self.tasks[count:])
        return replace(self, tasks=self.tasks[:count], beyond=self.beyond | later)

    @property
    def is_tested(self) -> bool:
        """Whether some task has hidden tests."""
        return any(task.tests is not None for task in self.tasks)

    def task(self, task_id: str) -> Task:
        """Find a task by id.

        Raises:
            UserError: If there is none; the message names the nearest id.
        """
        try:
            return self.by_id[task_id]
        except KeyError:
            near = nearest(task_id, self.by_id)
            hint = f"did you mean {near!r}?" if near else f"ids look like {quoted(self.tasks[0].id)}"
            raise UserError(f"{self.name} has no task {quoted(task_id)}; {hint}") from None

    @cached_property
    def content_hash(self) -> str:
        """Hash every field of every task, in order, and the version if there is one, by SHA-256, without the name."""
        texts = (record_text(task, Task.model_fields.keys() - {"benchmark"}) for task in self.tasks)
        return key_of(*texts, *([self.version] if self.version else []))

    def workload(self, output_tokens: int | None = None) -> Workload:
        """Estimate mean tokens per prompt and reference completion, from bytes at `BYTES_PER_TOKEN`.

        A reference completion is the reference program without the prompt, or the whole of it where it does not start
        with the prompt.

        Args:
            output_tokens: Taken where no task has a reference.

        Raises:
            UserError: If no task has a reference, and nothing is given instead.
        """
        completions = [task.reference.removeprefix(task.prompt) for task in self.tasks if task.reference is not None]
        if not completions and output_tokens is None:
            raise UserError(
                f"{self.name} has no reference solutions to estimate lengths from; give `output_tokens`, or each arm "
                "its k"
            )
        what = "prompts and reference completions" if completions else "prompts"
        return Workload(
            convention="tokens",
            prompt_tokens=_mean_tokens([task.prompt for task in self.tasks]),
            output_tokens=_mean_tokens(completions) if completions else output_tokens or 1,
            source=f"estimate: mean UTF-8 bytes of {self.name}'s {what} at {BYTES_PER_TOKEN} bytes per token",
            estimated=True,
        )


def _mean_tokens(texts: list[str]) -> int:
    """Mean length in estimated tokens, at least 1."""
    total_bytes = sum(len(text.encode("utf-8", "replace")) for text in texts)
    return max(1, round(total_bytes / len(texts) / BYTES_PER_TOKEN))
