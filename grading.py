"""Grading through the store: what was run before under the same conditions is not run again."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from .hashing import key_of
from .records import Outcome, ReferenceCheck, Task, Verdict
from .sandbox import Job, Sandbox

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .records import PublicTask
    from .sampler.store import Store

_CHECKS = "reference_check"
_OUTCOMES = "outcomes"
_BATCH = 100


class Progress(Protocol):
    """Is told how far a long step is."""

    def __call__(self, step: str, done: int, total: int) -> None:
        """`done` of `total` parts of `step` are ready."""


def silent(step: str, done: int, total: int) -> None:
    """A Progress that shows nothing."""


class Program(NamedTuple):
    """A program and the task that it is to solve."""

    task: Task
    text: str


class Grader:
    """Checks references and grades programs in a sandbox, and keeps what it found in a store.

    With `fresh` it takes nothing from the store, and replaces what is there.
    """

    def __init__(self, sandbox: Sandbox, store: Store, progress: Progress = silent, *, fresh: bool = False) -> None:
        self.sandbox = sandbox
        self._fresh = fresh
        self._store = store
        self._progress = progress
        self._conditions = key_of(sandbox.environment(), sandbox.limits.model_dump_json())

    def check(self, tasks: Sequence[Task]) -> dict[str, ReferenceCheck]:
        """Run the reference solution of every task, by task id. Only checks that hold are kept.

        Raises:
            SandboxError: a box failed.
        """
        keys = {task.id: key_of("check", self._conditions, task.model_dump_json()) for task in tasks}
        kept = {} if self._fresh else self._store.records(_CHECKS, keys.values())
        checks = {
            task.id: ReferenceCheck.model_validate(kept[keys[task.id]]) for task in tasks if keys[task.id] in kept
        }
        missing = [task for task in tasks if task.id not in checks]
        fresh: dict[str, ReferenceCheck] = {}
        for check in self.sandbox.check(missing):
            fresh[check.task_id] = check
            self._progress("checking references", len(fresh), len(missing))
        held = {keys[name]: check.model_dump(mode="json") for name, check in fresh.items() if check.ok}
        self._store.put_records(_CHECKS, held)
        checks |= fresh
        return {task.id: checks[task.id] for task in tasks}

    def grade(self, programs: Sequence[Program], checks: dict[str, ReferenceCheck]) -> list[Verdict]:
        """The verdict on every program, in order. Each is stored soon after it is known.

        Raises:
            UserError: a program's task failed its reference check.
        """
        keys = [self._key(program, checks[program.task.id]) for program in programs]
        known = {} if self._fresh else self._store.verdicts(dict.fromkeys(keys))
        places = [place for place, key in enumerate(keys) if key not in known]
        jobs = [Job(programs[place].task, checks[programs[place].task.id], programs[place].text) for place in places]
        batch: dict[str, Verdict] = {}
        try:
            for done, (number, verdict) in enumerate(self.sandbox.grade(jobs), start=1):
                key = keys[places[number]]
                known[key] = batch[key] = verdict
                self._progress("grading", done, len(jobs))
                if len(batch) >= _BATCH:
                    self._store.put_verdicts(batch)
                    batch = {}
        finally:
            self._store.put_verdicts(batch)
        return [known[key] for key in keys]

    def evaluate(
        self, task: PublicTask, programs: Sequence[str], expressions: Sequence[str]
    ) -> list[list[Outcome]]:
        """What expressions give for programs, as `Sandbox.evaluate` does; rows that the store has are not run again."""
        keys = {
            program: key_of("outcomes", self._conditions, task.prompt, task.entry_point, program, *expressions)
            for program in programs
        }
        kept = {} if self._fresh else self._store.records(_OUTCOMES, keys.values())
        rows = {
            program: [Outcome.model_validate(outcome) for outcome in kept[key]]
            for program, key in keys.items()
            if key in kept
        }
        missing = [program for program in keys if program not in rows]
        if missing:
            fresh = dict(zip(missing, self.sandbox.evaluate(task, missing, expressions), strict=True))
            dumped = {
                keys[program]: [outcome.model_dump(mode="json", exclude_defaults=True) for outcome in row]
                for program, row in fresh.items()
            }
            self._store.put_records(_OUTCOMES, dumped)
            rows |= fresh
        return [rows[program] for program in programs]

    def _key(self, program: Program, check: ReferenceCheck) -> str:
        task = program.task
        tests = task.tests.model_dump_json() if task.tests else ""
        terms = check.model_dump_json(include={"integrity", "mutates_arguments", "sites"})
        return key_of("verdict", self._conditions, task.prompt, task.entry_point, tests, terms, program.text)
