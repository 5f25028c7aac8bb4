"""`--select`: a ranker whose tests are planned for, drawn, cut to the plan, and paid out of the same limit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from ..budgets.costs import PlannedTests
from ..budgets.flops import prefill_flops
from ..budgets.notation import parse_arm, parse_single, without_k
from ..budgets.plan import planned_model
from ..errors import UserError
from ..rankers import load_ranker, uses_of
from ..rankers.registry import parse_specs
from ..records import GeneratedTests, Usage
from ..settings import AUTO
from .own_tests import FROM, arms_with_tests, check_tests, given_tests, read_priced
from .planning import plan_on_each
from .samples import with_greedy
from .splits import texts_of_split

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from ..budgets.models import Model
    from ..records import Arm, Candidate, Plan
    from ..settings import Planning, Selecting
    from ..tasks import Benchmark
    from .planning import Planned


class Chosen(NamedTuple):
    """The ranker of `--select`, and the texts of tests it goes by, from the programs that a limit buys without any."""

    ranker: str
    texts: Callable[[int], int]


def chosen(selecting: Selecting, *, shown: bool) -> Chosen | None:
    """Read `--select`; None if it is not given.

    Args:
        selecting: The settings.
        shown: Whether the tasks show examples, which `auto` goes by.

    Raises:
        UserError: There is no such ranker, or it does not say how many texts of tests it may use.
    """
    select = selecting.select
    if select is None:
        return None
    if select == AUTO:
        return Chosen(selecting.decisive, lambda programs: texts_of_split(programs, shown=shown))
    ranker = load_ranker(select)
    counts = [int(link.parameters.get("tests", "0")) for link in parse_specs(select)]
    texts = max(counts)
    if "tests" in ranker.needs and not texts:
        raise UserError(
            f"`select` {select}: the limit is split into programs and tests, so say how many texts of tests, such as "
            f"{select},tests=8"
        )
    if texts and "tests" not in uses_of(ranker):
        raise UserError(f"`select` {select}: this ranker uses no tests")
    return Chosen(select, lambda _: texts)


def planned_tests(
    selecting: Selecting, arms: Sequence[str], benchmarks: Sequence[Benchmark] = ()
) -> PlannedTests | None:
    """Plan for the tests of `--select`; None without it.

    Args:
        selecting: The ranker, and the models that write tests for other arms (`ARM=from:OTHER`).
        arms: As typed.
        benchmarks: Whose tasks are asked; without any, they are taken to show no examples.

    Raises:
        UserError: As `chosen`, or `tests` cannot be read.
    """
    found = chosen(selecting, shown=shows_examples(benchmarks))
    if found is None:
        return None
    singles = [(parsed.stages or (parsed,))[0] for parsed in map(parse_arm, arms)]
    authors: dict[str, Arm] = {}
    for text in selecting.tests:
        name, _, what = text.partition("=")
        if not what.startswith(FROM):
            continue
        author = parse_single(what.removeprefix(FROM))
        for single in singles:
            if name in (single.spec, without_k(single), single.name) and author.name != single.name:
                authors[single.spec] = author
    return PlannedTests(found.texts, authors)


def with_tests_to_draw(selecting: Selecting, plans: Sequence[Plan]) -> Selecting:
    """Have the tests drawn that plans count on and nobody gives, each arm's by itself or by the model it is given.

    Raises:
        UserError: `tests` cannot be read.
    """
    named = arms_with_tests(plans)
    given = given_tests(selecting.tests, named)
    added, numbered = [], []
    for plan, arm in zip(plans, named, strict=True):
        spec = arm.arm.spec
        if not plan.tests:
            continue
        if not given.has(spec):
            added.append(f"{spec}={FROM}{without_k(arm.arm)}:{plan.tests}")
        elif spec in given.models and parse_single(given.models[spec]).k is None:
            numbered.append((spec, f"{spec}={FROM}{given.models[spec]}:{plan.tests}"))
    if not added and not numbered:
        return selecting
    replaced = {spec for spec, _ in numbered}
    kept = [text for text in selecting.tests if not _is_of(text, replaced, plans)]
    return selecting.model_copy(update={"tests": [*kept, *(text for _, text in numbered), *added]})


def _lengths_of_texts(selecting: Selecting, plans: Sequence[Plan], benchmarks: Sequence[Benchmark]) -> dict[str, int]:
    """Average the tokens of a text of tests over the tasks of which arms are given some in files, by their specs."""
    named = arms_with_tests(plans)
    given = given_tests(selecting.tests, named)
    found = {}
    for plan, arm in zip(plans, named, strict=True):
        spec = arm.arm.spec
        patterns = given.files.get(spec, () if spec in given.models else given.for_all)
        model = planned_model(plan.single[0])
        if not patterns or model is None:
            continue
        means = [
            tests.usage.output_tokens / len(tests.samples)
            for benchmark in benchmarks
            for tests in read_priced(patterns, benchmark, model.name, tell=lambda _: None).values()
            if tests.samples and tests.usage.output_tokens is not None
        ]
        if means:
            found[spec] = max(1, round(sum(means) / len(means)))
    return found


def _is_of(text: str, specs: set[str], plans: Sequence[Plan]) -> bool:
    name, _, what = text.partition("=")
    names = {
        way
        for arm in arms_with_tests(plans)
        if arm.arm.spec in specs
        for way in (arm.arm.spec, without_k(arm.arm), arm.arm.name)
    }
    return what.startswith(FROM) and name in names


def shows_examples(benchmarks: Sequence[Benchmark]) -> bool:
    """Whether most tasks of some benchmarks show examples."""
    tasks = [task for benchmark in benchmarks for task in benchmark.tasks]
    return 2 * sum(bool(task.examples or task.cases) for task in tasks) > len(tasks)


def cut_tests(
    tests: Mapping[str, GeneratedTests], texts: int, candidates: Sequence[Candidate], own: Model | None
) -> dict[str, GeneratedTests]:
    """Cut generated tests to the texts that are paid for, and their usage in proportion.

    Where the arm writes its own, the pass over what its programs' prompt and the tests' prompt share is not paid twice.

    Args:
        tests: By task id.
        texts: Their number.
        candidates: The arm's programs, whose prompts have the lengths that are shared.
        own: The arm's model if that wrote them.
    """
    shared: dict[str, float] = {}
    for one in candidates:
        if own is not None and one.prompt_tokens is not None and not one.stage:
            shared.setdefault(one.task_id, float(prefill_flops(own.architecture, one.prompt_tokens)))
    return {task_id: _cut(found, texts, shared.get(task_id, 0.0)) for task_id, found in tests.items()}


def _cut(tests: GeneratedTests, texts: int, shared_flops: float) -> GeneratedTests:
    usage, share = tests.usage, min(1.0, texts / max(1, len(tests.samples)))
    changed: dict[str, float | None] = {
        name: None if (amount := getattr(usage, name)) is None else share * amount
        for name in ("output_tokens", "decode_flops", "wall_s")
    }
    if usage.prefill_flops is not None:
        changed["prefill_flops"] = max(0.0, usage.prefill_flops - shared_flops)
    return GeneratedTests(samples=tests.samples[:texts], usage=usage.model_copy(update=changed))


def mean_usage(usages: Sequence[Usage]) -> Usage:
    """Average the usage of drawing tests over tasks; None where one is not known."""

    def mean(name: str) -> float | None:
        amounts = [getattr(usage, name) for usage in usages]
        return None if not amounts or None in amounts else sum(amounts) / len(amounts)

    return Usage(
        output_tokens=mean("output_tokens"),
        prefill_flops=mean("prefill_flops"),
        decode_flops=mean("decode_flops"),
        wall_s=mean("wall_s"),
        estimated=any(usage.estimated for usage in usages),
    )


def plan_comparison(
    benchmarks: Sequence[Benchmark],
    arms: Sequence[str],
    samples: Collection[str],
    settings: Planning,
    selecting: Selecting,
    family: str,
    *,
    draws: bool,
) -> list[Planned]:
    """Plan what is compared on each benchmark: the arms, the first one's greedy, and tests to pick by.

    The greedy arm stands beside a first arm that is sampled if samples of it are given, and with `--select` also if the
    first arm is drawn.

    Args:
        benchmarks: Those to compare on.
        arms: As typed.
        samples: The names that recorded samples are given for.
        settings: The budget, and which costs are counted.
        selecting: The rankers, and what they are offered.
        family: Where short names are looked up.
        draws: Whether an engine draws what no file has.

    Raises:
        UserError: As `plan_on_each`; or an arm lacks the tests that a ranker needs.
    """
    listed = with_greedy(arms, samples, draws=draws and selecting.select is not None)
    tests = planned_tests(selecting, listed, benchmarks)
    planned = plan_on_each(benchmarks, listed, settings, family, tests)
    if tests is not None:
        lengths = _lengths_of_texts(selecting, planned[0].plans, benchmarks)
        if lengths:
            tests = replace(tests, output_tokens=lengths)
            planned = plan_on_each(benchmarks, listed, settings, family, tests)
    plans = planned[0].plans
    # A single sample is never ranked.
    unranked = [] if selecting.select is None else [plan.single[0].arm.spec for plan in plans if not plan.tests]
    check_tests(with_tests_to_draw(selecting, plans), arms_with_tests(plans), unranked)
    return planned
