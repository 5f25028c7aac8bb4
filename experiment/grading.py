"""Grading through the store: nothing is run twice under the same conditions."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Self, TypeVar

from pydantic import TypeAdapter

from .._util.hashing import KeysAround, key_of, record_text
from .._util.progress import Progress, notice, silent
from ..records import Limits, Outcome, ReferenceCheck, Task, Verdict
from ..sandbox import Job, Sandbox, choose_launcher
from ..sandbox.launchers import at_full_path
from .workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import TracebackType

    from ..records import IoCase, PublicTask
    from ..sampler.store import Store
    from ..sandbox.box import Launcher
    from ..settings import Grading, Running

Value = TypeVar("Value")

_CHECKS = "reference_check"
_OUTCOMES = "outcomes"
_ROW = TypeAdapter(list[Outcome])
_BATCH = 100
_BATCH_S = 1.0


class Submission(NamedTuple):
    """A program and the task it is to solve."""

    task: Task
    text: str


class _Batches(Generic[Value]):
    """Writes what is added soon after, in batches; at its end, however it comes, the rest."""

    def __init__(self, write: Callable[[dict[str, Value]], None]) -> None:
        self._write = write
        self._batch: dict[str, Value] = {}
        self._since = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._flush()

    def add(self, key: str, value: Value) -> None:
        self._batch[key] = value
        if len(self._batch) >= _BATCH or time.monotonic() - self._since >= _BATCH_S:
            self._flush()

    def _flush(self) -> None:
        self._write(self._batch)
        self._batch = {}
        self._since = time.monotonic()


class Grader:
    """Checks references and grades programs in a sandbox, and keeps the results in a store.

    With `fresh` it takes nothing from the store, and replaces what is there.
    """

    def __init__(self, sandbox: Sandbox, store: Store, progress: Progress = silent, *, fresh: bool = False) -> None:
        self.sandbox = sandbox
        self._fresh = fresh
        self._store = store
        self._progress = progress
        self.conditions = key_of(sandbox.environment(), record_text(sandbox.limits))
        """Key of what all results depend on besides the program and its task."""

    def check(self, tasks: Sequence[Task]) -> dict[str, ReferenceCheck]:
        """Run the reference solution of every task, by task id. Only checks that hold are kept.

        Raises:
            SandboxError: a box failed.
        """
        keys = {task.id: key_of("check", self.conditions, record_text(task)) for task in tasks}
        kept = {} if self._fresh else self._store.records(_CHECKS, keys.values())
        checks = {
            task.id: ReferenceCheck.model_validate(kept[keys[task.id]]) for task in tasks if keys[task.id] in kept
        }
        missing = [task for task in tasks if task.id not in checks]
        batches = _Batches[object](lambda batch: self._store.put_records(_CHECKS, batch))
        with batches:
            for done, check in enumerate(self.sandbox.check(missing), start=1):
                checks[check.task_id] = check
                if check.ok:
                    batches.add(keys[check.task_id], check.model_dump(mode="json"))
                self._progress("checking references", done, len(missing))
        return {task.id: checks[task.id] for task in tasks}

    def grade(self, programs: Sequence[Submission], checks: dict[str, ReferenceCheck]) -> list[Verdict]:
        """Grade every program, in order. Each verdict is stored soon after it is known.

        Raises:
            UserError: a program's task failed its reference check.
        """
        tasks = {program.task.id: program.task for program in programs}
        conditions = {task_id: self._task_key(task, checks[task_id]) for task_id, task in tasks.items()}
        of_task = {task_id: KeysAround(("verdict", condition)) for task_id, condition in conditions.items()}
        keys = [of_task[program.task.id].key(program.text) for program in programs]
        known = {} if self._fresh else self._store.verdicts(dict.fromkeys(keys))
        # A cascade's stage and an arm of its own may have the same programs.
        first: dict[str, int] = {}
        for place, key in enumerate(keys):
            if key not in known:
                first.setdefault(key, place)
        places = list(first.values())
        jobs = [Job(programs[place].task, checks[programs[place].task.id], programs[place].text) for place in places]
        with _Batches(self._store.put_verdicts) as batches:
            for done, (number, verdict) in enumerate(self.sandbox.grade(jobs), start=1):
                known[keys[places[number]]] = verdict
                batches.add(keys[places[number]], verdict)
                self._progress("grading", done, len(jobs))
        return [known[key] for key in keys]

    def evaluate(self, task: PublicTask, programs: Sequence[str], expressions: Sequence[str]) -> list[list[Outcome]]:
        """Evaluate expressions for programs, as `Sandbox.evaluate`; rows in the store are not run again."""
        return self._outcomes(
            task, programs, expressions, lambda missing: self.sandbox.evaluate(task, missing, expressions)
        )

    def judge(self, task: PublicTask, programs: Sequence[str], cases: Sequence[IoCase]) -> list[list[Outcome]]:
        """Run scripts on cases, as `Sandbox.judge`; rows in the store are not run again."""
        asked = ["cases", *(text for case in cases for text in (case.input, case.output))]
        return self._outcomes(task, programs, asked, lambda missing: self.sandbox.judge(task, missing, cases))

    @property
    def store(self) -> Store:
        """The store."""
        return self._store

    def kept(self, kind: str, keys: Sequence[str]) -> dict[str, Any]:
        """Read what was kept of some results that follow from outcomes."""
        return {} if self._fresh else self._store.records(kind, keys)

    def keep(self, kind: str, results: Mapping[str, Any]) -> None:
        """Keep some of them, as JSON values by key."""
        self._store.put_records(kind, results)

    def _outcomes(
        self,
        task: PublicTask,
        programs: Sequence[str],
        asked: Sequence[str],
        run: Callable[[Sequence[str]], list[list[Outcome]]],
    ) -> list[list[Outcome]]:
        kind = _OUTCOMES if task.rule is None else f"{_OUTCOMES} by {task.rule}"
        around = KeysAround((kind, self.conditions, task.prompt, task.entry_point), asked)
        keys = {program: around.key(task.preamble + program) for program in programs}
        kept = {} if self._fresh else self._store.records(_OUTCOMES, keys.values())
        rows = {program: _ROW.validate_python(kept[key]) for program, key in keys.items() if key in kept}
        missing = [program for program in keys if program not in rows]
        if missing:
            fresh = dict(zip(missing, run(missing), strict=True))
            dumped = {
                keys[program]: [outcome.model_dump(mode="json", exclude_defaults=True) for outcome in row]
                for program, row in fresh.items()
            }
            self._store.put_records(_OUTCOMES, dumped)
            rows |= fresh
        return [rows[program] for program in programs]

    def _task_key(self, task: Task, check: ReferenceCheck) -> str:
        """Key what a task's verdicts depend on besides the program."""
        tests = record_text(task.tests) if task.tests else ""
        terms = record_text(check, {"integrity", "mutates_arguments", "sites", "calls"})
        limits = record_text(self.sandbox.limits.resolve(check.cpu_s))
        return key_of(self.conditions, limits, task.prompt, task.entry_point, tests, terms)


def why_unfit(task: Task, check: ReferenceCheck) -> str:
    """Say why a task whose check failed is left out."""
    if task.reference is None or task.tests is None:
        return f"it cannot be graded ({check.detail})"
    return f"its own reference solution fails here ({check.detail})"


def chosen_launcher(name: str) -> Launcher:
    """Get the launcher of that name, or the strongest that works; one weaker than wanted is told as a notice.

    Raises:
        UserError: There is none of that name.
        MachineError: None works here.
    """
    choice = choose_launcher(name)
    _tell(*choice)
    return choice.launcher


def _tell(launcher: Launcher, passed_over: Sequence[str]) -> None:
    """Tell what weakens a sandbox."""
    for reason in passed_over:
        notice(f"{reason}; using the {launcher.name} sandbox instead")
    if launcher.name == "process":
        notice(f"the process sandbox is {launcher.promise}")


@contextmanager
def open_grader(grading: Grading, running: Running, progress: Progress = silent) -> Iterator[Grader]:
    """Open a grader by the settings; its boxes and store are closed at the end.

    Raises:
        UserError: A setting is wrong.
        MachineError: No sandbox of that kind works here, or the store cannot be used.
    """
    with (
        open_workspace(running.store) as store,
        sandbox_of(grading.launcher, grading.limits.limits(), grading.workers, running.ray) as sandbox,
    ):
        yield Grader(sandbox, store, progress, fresh=running.fresh)


def sandbox_of(launcher: str, limits: Limits, workers: int | None, ray: str | None = None) -> Sandbox:
    """Make a sandbox here, or one of those on a Ray cluster's nodes; what weakens it is told as a notice.

    Args:
        launcher: As typed. A file is found under the same path on every node.
        limits: Of one program.
        workers: Programs at once, on every node.
        ray: The cluster's address; None for this machine.

    Raises:
        UserError: There is no launcher of that name.
        MachineError: It does not work here, or on a node, or there is no such cluster.
    """
    if ray is None:
        return Sandbox(chosen_launcher(launcher), limits=limits, workers=workers)
    from ..sandbox.ray_sandbox import RaySandbox, Wanted

    made = RaySandbox(ray, Wanted(at_full_path(launcher), limits, workers))
    _tell(made.launcher, made.passed_over)
    return made
