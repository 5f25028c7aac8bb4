"""`--select`: a ranker whose tests are planned for, drawn, cut to the plan, and paid out of the same limit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .._util.progress import silent
from ..budgets.flops import prefill_flops
from ..budgets.notation import parse_single, without_k
from ..budgets.plan import planned_model
from ..records import GeneratedTests, Usage
from .lengths import counted, counter_of
from .own_tests import arm_with_files, arms_with_tests, check_tests, generated_by_arm, given_tests, read_priced
from .planning import plan_on_each
from .samples import with_greedy
from .selected import FROM, planned_tests

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from .._util.progress import Progress
    from ..budgets.dollars import Prices, TokenPrice
    from ..budgets.models import Model
    from ..records import Candidate, Plan
    from ..sampler.store import Store
    from ..settings import Drawing, Planning, Running, Selecting
    from ..tasks import Benchmark
    from .planning import Planned
    from .samples import ArmSamples, NamedArm


def with_tests_to_draw(selecting: Selecting, plans: Sequence[Plan]) -> Selecting:
    """Have the tests drawn that plans count on and nobody gives, each arm's by itself or by the model it is given.

    Raises:
        UserError: `tests` cannot be read.
    """
    named = arms_with_tests(plans)
    given = given_tests(selecting.tests, named)
    lacking: dict[str, int] = {}
    numbered: dict[str, int] = {}
    spared: set[str] = set()
    for plan, arm in zip(plans, named, strict=True):
        spec = arm.arm.spec
        if not plan.tests and selecting.select is None:
            continue
        if not given.has(spec):
            if plan.tests:
                lacking[spec] = max(plan.tests, lacking.get(spec, 0))
        elif (
            spec in given.models
            and parse_single(given.models[spec]).k is None
            and arm_with_files(given.models[spec], given, named) is None
        ):
            if plan.tests:
                numbered[spec] = max(plan.tests, numbered.get(spec, 0))
            else:
                spared.add(spec)
    added = [f"{spec}={FROM}{_without_k(spec, named)}:{texts}" for spec, texts in _by_name(lacking, named).items()]
    added += [f"{spec}={FROM}{given.models[spec]}:{texts}" for spec, texts in _by_name(numbered, named).items()]
    replaced = numbered.keys() | spared
    if not added and not replaced:
        return selecting
    kept = [text for text in selecting.tests if not _is_of(text, replaced, plans)]
    return selecting.model_copy(update={"tests": [*kept, *added]})


def _by_name(lacking: Mapping[str, int], named: Sequence[NamedArm]) -> dict[str, int]:
    """Leave out arms that another one's name means too: an open k means every arm that has its samples."""
    sources = {one.arm.spec: one.source for one in named}
    every = {one.source for one in named if one.arm.k is None and one.arm.spec in lacking}
    found: dict[str, int] = {}
    for one in named:
        spec = one.arm.spec
        if spec in lacking and (one.arm.k is None or one.source not in every):
            mine = [texts for other, texts in lacking.items() if sources[other] == one.source]
            found[spec] = max(mine) if one.arm.k is None else lacking[spec]
    return found


def _without_k(spec: str, named: Sequence[NamedArm]) -> str:
    return next(without_k(one.arm) for one in named if one.arm.spec == spec)


def offered_tests(
    arms: Sequence[ArmSamples],
    benchmark: Benchmark,
    drawing: Drawing,
    selecting: Selecting,
    running: Running,
    progress: Progress = silent,
    *,
    prices: Prices,
    store: Store | None = None,
) -> list[Mapping[str, GeneratedTests] | None]:
    """Get the tests that each arm is picked by: given, or drawn as its plan says, and cut to what that pays for.

    Args:
        arms: With their final plans and their programs.
        benchmark: Where the tasks come from.
        drawing: How missing tests are drawn.
        selecting: The rankers, and the tests that they are offered.
        running: The family, the seed and the store.
        progress: Told how far drawing is.
        prices: Of tokens drawn elsewhere.
        store: Where drawn texts are kept, if it is open; else the one that `running` names.

    Returns:
        By task id, for each arm; None for an arm without any. With `select`, an arm of a single sample has an empty
        mapping, since it is not ranked.

    Raises:
        UserError: A name, a file or a row is wrong.
        MachineError: Nothing can draw here.
    """
    plans = [arm.plan for arm in arms]
    named = arms_with_tests(plans)
    selecting = with_tests_to_draw(selecting, plans)
    found = generated_by_arm(selecting.tests, named, benchmark, drawing, running, progress, store)
    given = given_tests(selecting.tests, named)
    tests: list[Mapping[str, GeneratedTests] | None] = []
    for arm, one in zip(arms, named, strict=True):
        spec = one.arm.spec
        if not arm.plan.tests or spec not in found:
            tests.append({} if selecting.select is not None and not arm.plan.tests else found.get(spec))
            continue
        author = parse_single(given.models.get(spec, spec))
        is_own = author.name == one.arm.name
        programs = counted(arm.candidates, benchmark.by_id, counter_of(arm.plan.single[0].model)).candidates
        model, price = planned_model(arm.plan.single[0]), prices.of_arm(one.arm if is_own else author)
        tests.append(cut_tests(found[spec], arm.plan.tests, programs, model if is_own else None, price))
    return tests


def _lengths_of_texts(selecting: Selecting, plans: Sequence[Plan], benchmarks: Sequence[Benchmark]) -> dict[str, int]:
    """Average the tokens of a text of tests over the tasks of which arms are given some in files, by their specs."""
    named = arms_with_tests(plans)
    given = given_tests(selecting.tests, named)
    found = {}
    for plan, arm in zip(plans, named, strict=True):
        spec = arm.arm.spec
        patterns = given.files.get(spec, () if spec in given.models else given.for_all)
        model = planned_model(plan.single[0])
        name = None if model is None else model.name
        author = arm_with_files(given.models[spec], given, named) if spec in given.models else None
        if author is not None:
            patterns = given.files[author.arm.spec]
        if not patterns:
            continue
        means = [
            tests.usage.output_tokens / len(tests.samples)
            for benchmark in benchmarks
            for tests in read_priced(patterns, benchmark, name, tell=lambda _: None).values()
            if tests.samples and tests.usage.output_tokens is not None
        ]
        if means:
            found[spec] = max(1, round(sum(means) / len(means)))
    return found


def _is_of(text: str, specs: Collection[str], plans: Sequence[Plan]) -> bool:
    name, _, what = text.partition("=")
    names = {
        way
        for arm in arms_with_tests(plans)
        if arm.arm.spec in specs
        for way in (arm.arm.spec, without_k(arm.arm), arm.arm.name)
    }
    return what.startswith(FROM) and name in names


def cut_tests(
    tests: Mapping[str, GeneratedTests],
    texts: int,
    candidates: Sequence[Candidate],
    own: Model | None,
    price: TokenPrice | None = None,
) -> dict[str, GeneratedTests]:
    """Cut generated tests to the texts that are paid for, and their usage in proportion.

    Where the arm writes its own, the pass over what its programs' prompt and the tests' prompt share is not paid twice.

    Args:
        tests: By task id.
        texts: Their number.
        candidates: The arm's programs, whose prompts have the lengths that are shared.
        own: The arm's model if that wrote them.
        price: Of the tokens of the model that wrote them, each text being a request.
    """
    shared: dict[str, float] = {}
    for one in candidates:
        if own is not None and one.prompt_tokens is not None and not one.stage:
            shared.setdefault(one.task_id, float(prefill_flops(own.architecture, one.prompt_tokens)))
    return {task_id: _cut(found, texts, shared.get(task_id, 0.0), price) for task_id, found in tests.items()}


def _cut(tests: GeneratedTests, texts: int, shared_flops: float, price: TokenPrice | None) -> GeneratedTests:
    usage, share = tests.usage, min(1.0, texts / max(1, len(tests.samples)))
    changed: dict[str, float | None] = {
        name: None if (amount := getattr(usage, name)) is None else share * amount
        for name in ("output_tokens", "decode_flops", "wall_s")
    }
    if usage.prefill_flops is not None:
        changed["prefill_flops"] = max(0.0, usage.prefill_flops - shared_flops)
    output_tokens, prompt_tokens = changed["output_tokens"], tests.prompt_tokens
    if price is not None and output_tokens is not None and prompt_tokens is not None:
        changed["usd"] = price.usd(min(texts, len(tests.samples)) * prompt_tokens, output_tokens)
    return tests.model_copy(update={"samples": tests.samples[:texts], "usage": usage.model_copy(update=changed)})


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
        usd=mean("usd"),
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
