"""Generated tests by arm: from files, or drawn by a model, with the cost of drawing them."""

from __future__ import annotations

import glob
from contextlib import nullcontext
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from .._util.progress import Progress, notice, silent
from ..budgets.costs import Conditions
from ..budgets.flops import decode_flops, prefill_flops
from ..budgets.models import UnknownModelError, catalogue_model, find_model
from ..budgets.notation import parse_single
from ..errors import UserError
from ..rankers import load_ranker
from ..sampler.generated_tests import read_test_rows, tests_by_task, tests_of_rows
from ..sampler.prompting import continued_by_tests
from ..sampler.rows import Remarks
from ..settings import RECORDED
from .drawing import draw_arms, session_of
from .lengths import counter_of
from .samples import NamedArm, arms_called
from .selected import FROM
from .targets import target_of_arm
from .workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from ..budgets.architecture import Architecture
    from ..records import GeneratedTests, Plan, Task
    from ..sampler.generated_tests import RowOfTests
    from ..sampler.store import Store
    from ..settings import Drawing, Running, Selecting
    from ..tasks import Benchmark
    from .lengths import TokenCounter


class GivenTests(NamedTuple):
    """The parts of `--tests`: files for all arms, files by arm, and models by arm."""

    for_all: tuple[str, ...]
    files: Mapping[str, tuple[str, ...]]
    models: Mapping[str, str]

    def has(self, spec: str) -> bool:
        """Whether an arm has tests."""
        return bool(self.for_all) or spec in self.files or spec in self.models


def arms_with_tests(plans: Sequence[Plan]) -> list[NamedArm]:
    """Name the arms that tests belong to: single ones, and of a cascade its first stage."""
    return [NamedArm(plan.single[0].arm, plan.single[0].precision) for plan in plans]


def given_tests(tests: Sequence[str], arms: Sequence[NamedArm]) -> GivenTests:
    """Read `FILES`, `ARM=FILES` and `ARM=from:OTHER`.

    Raises:
        UserError: A name means no arm or several, or an arm has both files and a model.
    """
    for_all: list[str] = []
    files: dict[str, tuple[str, ...]] = {}
    models: dict[str, str] = {}
    for text in tests:
        name, equals, what = text.partition("=")
        if not equals or _is_file(text):
            for_all.append(text)
            continue
        if not name or not what.removeprefix(FROM):
            raise UserError(f"`tests` {text}: write FILES, ARM=FILES or ARM={FROM}OTHER")
        for spec in arms_called(name, arms, f"`tests` {text}"):
            if not what.startswith(FROM):
                files[spec] = (*files.get(spec, ()), what)
            elif spec in models:
                raise UserError(f"`tests` {text}: {spec} already has tests from {models[spec]}; keep one")
            else:
                models[spec] = what.removeprefix(FROM)
    both = next((spec for spec in models if spec in files), None)
    if both is not None:
        raise UserError(f"`tests`: {both} has both files and {FROM}{models[both]}; keep one")
    return GivenTests(tuple(for_all), files, models)


def check_tests(selecting: Selecting, arms: Sequence[NamedArm], unranked: Collection[str] = ()) -> None:
    """Find an arm that lacks the tests a ranker needs, before anything is drawn.

    Args:
        selecting: The rankers and the tests.
        arms: All of them.
        unranked: Those that need none, by their specs.

    Raises:
        UserError: There is one, or `tests` cannot be read.
    """
    given = given_tests(selecting.tests, arms)
    for ranker in selecting.named:
        needs = load_ranker(ranker).needs if isinstance(ranker, str) else ranker.needs
        specs = [named.arm.spec for named in arms if named.arm.spec not in unranked]
        lacking = [spec for spec in specs if not given.has(spec)]
        if "tests" in needs and lacking:
            name = ranker if isinstance(ranker, str) else ranker.name
            raise UserError(
                f"{name} needs model-written tests, but {lacking[0]} has none: give some with `tests` "
                f"{lacking[0]}=FILES or `tests` {lacking[0]}={FROM}OTHER; `codebudget sample --tests` draws some"
            )


def generated_by_arm(
    tests: Sequence[str],
    arms: Sequence[NamedArm],
    benchmark: Benchmark,
    drawing: Drawing,
    running: Running,
    progress: Progress = silent,
    store: Store | None = None,
) -> dict[str, dict[str, GeneratedTests]]:
    """Get each arm's generated tests by task id, for the arms that have any.

    Their cost is in their rows, or else counted from the shape of their author: the model that a row names if that is
    known, or the arm's, or the one given after `from:`. Token counts that rows lack are estimated from their texts, and
    marked.

    Args:
        tests: See `given_tests`.
        arms: All of them.
        benchmark: Where the tasks come from.
        drawing: How missing tests are drawn.
        running: The family, the seed and the store.
        progress: Told how far drawing is.
        store: Where drawn texts are kept, if it is open; else the one that `running` names.

    Raises:
        UserError: A name, a file or a row is wrong.
        MachineError: Nothing can draw here, or the store has no tests of the model.
    """
    given = given_tests(tests, arms)
    models = {named.arm.spec: _known_name(named.arm.name, running.family) for named in arms}
    found: dict[str, dict[str, GeneratedTests]] = {}
    # Arms that take the tests of one model share them.
    others: dict[str, dict[str, GeneratedTests]] = {}
    # Files for all arms are priced for each, whose authors may differ.
    once = cache(notice)
    read = cache(partial(_read, benchmark=benchmark))
    for spec, model in models.items():
        whose = f"{spec}: " if spec in given.models or spec in given.files else ""
        if spec in given.models:
            other = given.models[spec]
            if other not in others:
                others[other] = _from(other, given, arms, benchmark, drawing, running, progress, store)
            found[spec] = others[other]
        elif given.has(spec):
            rows, remarks = read(given.files.get(spec, given.for_all))
            for line in remarks:
                once(f"{whose}tests: {line}")
            found[spec] = _priced(rows, benchmark, model)
        else:
            continue
        _tell_missing(whose, found[spec], benchmark.by_id, once)
    return found


def read_priced(
    patterns: Sequence[str],
    benchmark: Benchmark,
    model: str | None,
    whose: str = "",
    tell: Callable[[str], None] = notice,
) -> dict[str, GeneratedTests]:
    """Read generated tests by task id, and count their cost if their rows do not give it.

    What is left out is told as notices.

    Args:
        patterns: Files, folders and globs.
        benchmark: Where the tasks come from.
        model: The author of tests whose rows name no known model; None leaves their cost unknown.
        whose: The start of notices.
        tell: Takes a notice.

    Raises:
        UserError: A file or a row is wrong.
    """
    rows, remarks = _read(patterns, benchmark)
    for line in remarks:
        tell(f"{whose}tests: {line}")
    return _priced(rows, benchmark, model)


def _read(patterns: Sequence[str], benchmark: Benchmark) -> tuple[list[RowOfTests], tuple[str, ...]]:
    """Read rows of tests, and what is left out."""
    remarks = Remarks()
    rows = read_test_rows(patterns, benchmark.by_id, benchmark.beyond, remarks, elsewhere=benchmark.elsewhere)
    return rows, remarks.lines


def _priced(rows: Sequence[RowOfTests], benchmark: Benchmark, model: str | None) -> dict[str, GeneratedTests]:
    pricer = _Pricer(benchmark.by_id, model)
    return tests_by_task(list(map(pricer.complete, rows)))


def plain_tests(patterns: Sequence[str], benchmark: Benchmark) -> dict[str, GeneratedTests] | None:
    """Read the tests of candidates of an unknown model, by task id; None if no file is named.

    Raises:
        UserError: A file or a row is wrong, or one is given for an arm.
    """
    if not patterns:
        return None
    of_arm = next((text for text in patterns if "=" in text and not _is_file(text)), None)
    if of_arm is not None:
        raise UserError(f"`tests` {of_arm}: rank has no arms; give only FILES")
    found = read_priced(patterns, benchmark, None)
    _tell_missing("", found, benchmark.by_id)
    return found


def _tell_missing(
    whose: str, found: Mapping[str, GeneratedTests], tasks: Mapping[str, Task], tell: Callable[[str], None] = notice
) -> None:
    if len(found) < len(tasks):
        tell(f"{whose}{len(tasks) - len(found)} of {len(tasks)} tasks have no model-written tests in these files")


def arm_with_files(other: str, given: GivenTests, arms: Sequence[NamedArm]) -> NamedArm | None:
    """Find the arm that a name after `from:` means, if that arm has files of tests."""
    for named in arms:
        spec = named.arm.spec
        names = (spec, named.arm.name, f"{named.arm.name}@{named.precision}", spec.rpartition(":")[0])
        if spec in given.files and other in names:
            return named
    return None


def _from(
    other: str,
    given: GivenTests,
    arms: Sequence[NamedArm],
    benchmark: Benchmark,
    drawing: Drawing,
    running: Running,
    progress: Progress,
    store: Store | None,
) -> dict[str, GeneratedTests]:
    """Get the tests of another model: its files, what the store has, or as many as the arm says."""
    named = arm_with_files(other, given, arms)
    if named is not None:
        spec = named.arm.spec
        return read_priced(given.files[spec], benchmark, _known_name(named.arm.name, running.family), f"{spec}: ")
    arm = parse_single(other)
    target = target_of_arm(arm, running.family, served=drawing.engine == "openai")
    # Without a number of texts, those in the store.
    how = drawing if arm.k is not None else drawing.model_copy(update={"engine": RECORDED})
    with nullcontext(store) if store is not None else open_workspace(running.store) as opened:
        session = replace(
            session_of(how, running, opened, tests=True), fresh=running.fresh and arm.k is not None, stop_after=None
        )
        (drawn,) = draw_arms([target], benchmark.tasks, session, Conditions(), progress).arms
    return tests_of_rows(benchmark.tasks, drawn.series, drawn.candidates, target.architecture)


def _known_name(name: str, family: str) -> str | None:
    """Find a model's full name; None if only its price is known."""
    try:
        return find_model(name, family).name
    except UnknownModelError:
        return None


class _Author(NamedTuple):
    """A model that wrote tests: its shape, its tokenizer, and its FLOPs of decoding."""

    architecture: Architecture
    counter: TokenCounter
    decode: Callable[[int, int], int]


class _Pricer:
    """Counts the cost of rows of tests, a task's prompt once."""

    def __init__(self, tasks: Mapping[str, Task], model: str | None) -> None:
        self._tasks = tasks
        self._model = model
        self._prompts: dict[str, int] = {}
        self._known: dict[str, _Author] = {}

    def complete(self, row: RowOfTests) -> RowOfTests:
        """Fill in the tokens and FLOPs that a row lacks."""
        author = self._author(row.model)
        if author is None or (row.costs["prefill_flops"] is not None and row.costs["decode_flops"] is not None):
            return row
        architecture, counter, decode = author
        costs, estimated = dict(row.costs), False
        first = row.task_id not in self._prompts
        prompt_tokens = costs["prompt_tokens"]
        if prompt_tokens is None:
            estimated = True
            if first:
                prompt = row.prompt or continued_by_tests(self._tasks[row.task_id])
                self._prompts[row.task_id] = max(1, counter.tokens([prompt])[0])
            prompt_tokens = costs["prompt_tokens"] = float(self._prompts[row.task_id] if first else 0)
        read = round(prompt_tokens)
        context = self._prompts[row.task_id] = max(read, self._prompts.get(row.task_id, 0))
        if costs["output_tokens"] is None:
            estimated = True
            lengths = [max(1, tokens) for tokens in counter.tokens(list(row.texts))]
            costs["output_tokens"] = float(sum(lengths))
        else:
            lengths = [round(costs["output_tokens"] / max(1, len(row.texts)))] * len(row.texts)
        costs["prefill_flops"] = float(prefill_flops(architecture, read))
        costs["decode_flops"] = float(sum(decode(context, tokens) for tokens in lengths))
        return row._replace(costs=costs, estimated=estimated)

    def _author(self, named: str | None) -> _Author | None:
        """Find a row's model: the one it names if that is in the catalogue, else the one given."""
        known = None if named is None else catalogue_model(named)
        # A short name such as 7b may be any family's.
        name = self._model if known is None or named in (None, known.alias) else known.name
        if name is None:
            return None
        if name not in self._known:
            architecture = find_model(name).architecture
            # Texts share lengths.
            self._known[name] = _Author(architecture, counter_of(name), cache(partial(decode_flops, architecture)))
        return self._known[name]


def _is_file(text: str) -> bool:
    return Path(text).expanduser().exists() or bool(glob.glob(text))
