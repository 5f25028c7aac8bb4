"""Curves and crossings worked out by hand, graded for real in the process sandbox, and the rules that they follow."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from codebudget.budgets.costs import Conditions
from codebudget.budgets.flops import task_flops
from codebudget.budgets.models import find_model
from codebudget.budgets.notation import parse_arm
from codebudget.errors import UserError
from codebudget.estimators import (
    mean_interval,
    mean_intervals,
    pass_at_k,
    rank_score_at_k,
    rank_score_at_ks,
)
from codebudget.experiment.crossings import Steps, find_crossing, format_budget
from codebudget.experiment.curves import Curve, Priced, PricedArm, Range, curve_of, price_arms, price_by_samples
from codebudget.experiment.grading import Grader
from codebudget.experiment.ranking import Judging
from codebudget.rankers import load_ranker
from codebudget.records import Arm, Candidate, Cost, Example, HiddenTests, Task, Workload
from codebudget.sampler.store import open_store
from codebudget.sandbox import Sandbox
from codebudget.sandbox.launchers.process import ProcessLauncher
from codebudget.tasks import Benchmark
from hypothesis import given, settings
from hypothesis import strategies as st

WORKLOAD = Workload(convention="tokens", prompt_tokens=20, output_tokens=10, source="this test")
RIGHT, WRONG, WRONG_LONG = "return 2 * x", "return x", "return x + x * 0 + 0"


def task(name: str) -> Task:
    prompt = f"def {name}(x):\n"
    return Task(
        id=name,
        benchmark="hand",
        prompt=prompt,
        entry_point=name,
        examples=(Example(call=f"{name}(2)", expected="4"),),
        tests=HiddenTests(style="check", code="def check(candidate):\n    assert candidate(5) == 10\n"),
        reference=prompt + "    return 2 * x\n",
    )


TASKS = tuple(task(name) for name in ("first", "second", "third", "fourth"))
BENCHMARK = Benchmark("hand", TASKS)
# One costly sample solves half of the tasks; four cheap ones solve all, of which one in four does.
BIG = {"first": [RIGHT] * 2, "second": [RIGHT] * 2, "third": [WRONG] * 2, "fourth": [WRONG] * 2}
SMALL = {name: [WRONG_LONG, RIGHT, WRONG_LONG, WRONG_LONG] for name in BIG}


def priced(spec: str, first: float, each: float) -> PricedArm:
    """An arm of which k samples cost `first` + k * `each`."""
    return PricedArm(Arm(spec=spec, name=spec), spec, "bf16", lambda k: Cost(flops=first + k * each))


def samples(spec: str, bodies: Mapping[str, Sequence[str]]) -> list[Candidate]:
    return [
        Candidate(task_id=name, arm=spec, index=index, raw=body, program=f"def {name}(x):\n    {body}\n")
        for name, listed in bodies.items()
        for index, body in enumerate(listed)
    ]


@pytest.fixture(scope="module")
def grader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grader]:
    folder = tmp_path_factory.mktemp("curve")
    with open_store(folder / "store.sqlite") as store, Sandbox(ProcessLauncher(), workers=2) as sandbox:
        yield Grader(sandbox, store)


BIG_ARM, SMALL_ARM = priced("big", 100.0, 400.0), priced("small", 0.0, 150.0)


def run(grader: Grader, *, within: Range | None = None, points: int = 100, rankers: Sequence[str] = ()) -> Curve:
    return curve_of(
        BENCHMARK,
        [BIG_ARM, SMALL_ARM],
        [samples("big", BIG), samples("small", SMALL)],
        Judging(grader, {name: load_ranker(name) for name in rankers}),
        workload=WORKLOAD,
        within=within,
        points=points,
    )


def test_every_k_and_score_is_the_one_worked_out_by_hand(grader: Grader) -> None:
    result = run(grader, rankers=("shortest", "random"))
    # small costs 150 300 450 600 (750 for a fifth), big 500 900 (1300 for a third).
    assert result.budgets == (150, 300, 450, 500, 600, 750, 900)
    assert result.every_step
    big, small = result.arms
    assert (big.n, small.n) == (2, 4)
    assert (big.cost_of_one, big.cost_of_all, small.cost_of_one, small.cost_of_all) == (500, 900, 150, 600)
    assert [point.k for point in small.metrics["pass_at_k"]] == [1, 2, 3, 3, 4, None, None]
    assert [point.k for point in big.metrics["pass_at_k"]] == [None, None, None, 1, 1, 1, 2]
    assert [point.undefined for point in small.metrics["pass_at_k"]] == [None] * 5 + ["above"] * 2
    assert [point.undefined for point in big.metrics["pass_at_k"]] == ["below"] * 3 + [None] * 4

    def values(arm: int, metric: str) -> list[float]:
        return [point.value for point in result.arms[arm].metrics[metric] if point.value is not None]

    assert values(1, "pass_at_k") == pytest.approx([0.25, 0.5, 0.75, 0.75, 1])
    assert values(0, "pass_at_k") == pytest.approx([0.5] * 4)
    # The right program is the shortest by far, and blind picking does not gain by more samples.
    assert values(1, "shortest") == pytest.approx([0.25, 0.5, 0.75, 0.75, 1])
    assert values(1, "random") == pytest.approx([0.25] * 5)
    for arm in result.arms:
        for points in arm.metrics.values():
            for point in points:
                assert point.k is None or 0 <= point.low <= point.value <= point.high <= 1
                assert (point.k is None) == (point.value is None) == (point.undefined is not None)


def test_intervals_are_those_of_a_comparison_at_that_k(grader: Grader) -> None:
    point = run(grader).arms[0].metrics["pass_at_k"][-1]
    assert point.k == 2
    expected = mean_interval(np.array([1.0, 1.0, 0.0, 0.0]))
    assert (point.value, point.low, point.high) == pytest.approx((expected.value, expected.low, expected.high))


def test_crossings_are_found_where_both_have_samples(grader: Grader) -> None:
    result = run(grader, rankers=("random",))
    by_tests, blind = result.crossings
    # At 500 and 600 both have samples, and there small leads from the start.
    assert (by_tests.outcome, by_tests.leader, by_tests.budget) == ("ahead", "small", None)
    assert (by_tests.common_low, by_tests.common_high) == (500, 600)
    assert "no crossing found between big and small from 5e2 FLOPs to 6e2 FLOPs" in by_tests.sentence
    assert (blind.metric, blind.outcome, blind.leader) == ("random", "ahead", "big")


def test_a_range_cuts_the_curve_and_bounds_where_crossings_are_looked_for(grader: Grader) -> None:
    result = run(grader, within=Range(200, 550))
    assert result.budgets == (200, 300, 450, 500, 550)
    assert [point.k for point in result.arms[1].metrics["pass_at_k"]] == [1, 2, 3, 3, 3]
    apart = run(grader, within=Range(160, 400))
    assert apart.crossings[0].outcome == "apart"
    assert "at no budget" in apart.crossings[0].sentence
    assert any("big has no k in the range: one sample costs 5e2 FLOPs" in line for line in apart.warnings)
    with pytest.raises(UserError, match=r"big has no k.*small has no k"):
        run(grader, within=Range(1, 2))


def test_too_many_budgets_are_thinned_and_it_is_said(grader: Grader) -> None:
    result = run(grader, points=2)
    assert not result.every_step
    assert set(result.budgets) < {150, 300, 450, 500, 600, 750, 900}
    # Where an arm begins and ends is kept.
    assert {150, 500, 600, 900} <= set(result.budgets)


def test_tasks_with_fewer_samples_end_the_curve_and_are_named(grader: Grader) -> None:
    short = SMALL | {"third": SMALL["third"][:2]}
    result = curve_of(BENCHMARK, [SMALL_ARM], [samples("small", short)], Judging(grader, {}), workload=WORKLOAD)
    assert result.arms[0].n == 2
    assert result.budgets == (150, 300)
    assert result.warnings[0].startswith("small: its curve ends at k = 2, the number of samples of third; 1 of 4 tasks")
    assert result.crossings == ()


def test_samples_that_cost_nothing_more_are_undefined_not_extrapolated(grader: Grader) -> None:
    flat = priced("flat", 100.0, 0.0)
    with pytest.raises(UserError, match="5 samples cost no more than one, but there are only 4"):
        curve_of(BENCHMARK, [flat], [samples("flat", SMALL)], Judging(grader, {}), workload=WORKLOAD)


def test_the_record_survives_a_file(grader: Grader, tmp_path: Path) -> None:
    result = run(grader, rankers=("shortest",))
    (tmp_path / "curve.json").write_text(result.model_dump_json())
    assert Curve.model_validate_json((tmp_path / "curve.json").read_text()) == result
    assert json.loads((tmp_path / "curve.json").read_text())["schema_version"] == 1


def test_a_pool_dependent_ranker_is_scored_too(grader: Grader) -> None:
    points = run(grader, rankers=("majority",)).arms[1].metrics["majority"]
    # Three of four agree on what is wrong.
    assert points[0].value == pytest.approx(0.25)
    assert points[4].value == pytest.approx(0.0)


def test_arms_are_priced_by_the_catalogue_and_a_k_is_refused() -> None:
    arms = price_arms(
        [parse_arm("7b"), parse_arm("13b@int4")],
        family="codellama",
        workload=WORKLOAD,
        conditions=Conditions(),
        by="flops",
    )
    assert [arm.model for arm in arms] == ["codellama-7b", "codellama-13b"]
    costs = [arms[0].cost(k).flops or 0.0 for k in (1, 2, 3)]
    assert 0 < costs[1] - costs[0] == pytest.approx(costs[2] - costs[1])
    for spec in ("7b:4", "7b:greedy"):
        with pytest.raises(UserError, match=f"{spec}: a curve covers every k up to .* write 7b"):
            price_arms([parse_arm(spec)], family="codellama", workload=WORKLOAD, conditions=Conditions(), by="flops")
    with pytest.raises(UserError, match="`hardware`"):
        price_arms([parse_arm("7b")], family="codellama", workload=WORKLOAD, conditions=Conditions(), by="runtime")


def test_costs_are_those_of_the_samples_own_tokens() -> None:
    workload = Workload(convention="tokens", prompt_tokens=1, output_tokens=1, source="an estimate")
    arms = price_arms([parse_arm("7b")], family="codellama", workload=workload, conditions=Conditions(), by="flops")
    counted = [one.model_copy(update={"prompt_tokens": 100, "output_tokens": 200}) for one in samples("7b", SMALL)]
    (arm,) = price_by_samples(Priced(arms, workload, Conditions(), measures=True), BENCHMARK, [counted])
    assert arm.workload is not None
    assert (arm.workload.prompt_tokens, arm.workload.output_tokens) == (100, 200)
    as_long = Workload(convention="tokens", prompt_tokens=100, output_tokens=200, source="this test")
    for k in (1, 3):
        assert arm.cost(k).flops == pytest.approx(task_flops(find_model("7b").architecture, as_long, k))


@settings(max_examples=25, deadline=None)
@given(
    each=st.floats(1.0, 500.0),
    first=st.floats(0.0, 500.0),
    passing=st.lists(st.integers(0, 6), min_size=4, max_size=4),
    points=st.integers(2, 20),
)
def test_it_is_pass_at_k_of_the_largest_k_that_fits_and_never_falls(
    grader: Grader, each: float, first: float, passing: list[int], points: int
) -> None:
    bodies = {one.id: [RIGHT] * c + [WRONG] * (6 - c) for one, c in zip(TASKS, passing, strict=True)}
    arm = priced("any", first, each)
    result = curve_of(
        BENCHMARK,
        [arm, SMALL_ARM],
        [samples("any", bodies), samples("small", SMALL)],
        Judging(grader, {}),
        workload=WORKLOAD,
        points=points,
    )
    before = 0.0
    for point in result.arms[0].metrics["pass_at_k"]:
        fitting = sum((arm.cost(k).flops or 0.0) <= point.budget for k in range(1, 8))
        if not 1 <= fitting <= 6:
            assert point.value is None
            assert point.undefined == ("below" if fitting < 1 else "above")
            continue
        assert point.k == fitting
        expected = pass_at_k(np.full(4, 6), np.array(passing), fitting).mean()
        assert point.value == pytest.approx(expected)
        assert point.value >= before - 1e-12
        before = point.value


def steps(spec: str, scores: np.ndarray) -> Steps:
    return Steps(spec, np.arange(1, scores.shape[1] + 1), scores)


def bernoulli(rates: Sequence[float], tasks: int, seed: int) -> np.ndarray:
    """Scores [tasks, budgets] around rates, apart by task."""
    generator = np.random.default_rng(seed)
    return np.clip(np.array(rates)[None, :] + generator.normal(0, 0.1, (tasks, 1)), 0, 1)


BUDGETS = np.array([1e12, 2e12, 4e12, 8e12, 1.6e13])


def test_a_known_crossing_is_found_with_its_interval() -> None:
    noise = np.random.default_rng(1).normal(0, 0.3, (200, 5))
    slow = np.clip(0.5 + noise, 0, 1)
    fast = np.clip(np.array([0.2, 0.3, 0.49, 0.7, 0.8]) + noise[::-1], 0, 1)
    for a, b in ((steps("7b", fast), steps("30b", slow)), (steps("30b", slow), steps("7b", fast))):
        found = find_crossing("pass_at_k", a, b, BUDGETS, by="flops", every_step=True)
        assert (found.outcome, found.leader, found.lead_changes) == ("overtakes", "7b", 1)
        assert found.budget in (4e12, 8e12)
        assert found.previous == found.budget / 2
        assert (found.low, found.high) == (4e12, 8e12)
        assert found.share == 1
        assert found.sentence.startswith("pass_flops@f: 7b (x")
        assert "overtakes 30b (x" in found.sentence
        assert "95 % interval 4e12 FLOPs to 8e12 FLOPs" in found.sentence
        assert found.sentence.endswith("in 100 % of resamples of the tasks.")


def test_a_shaky_crossing_has_an_open_interval_and_a_share_below_one() -> None:
    generator = np.random.default_rng(2)
    level = generator.random((30, 5))
    other = np.clip(level + np.array([-0.1, -0.05, 0.0, 0.02, 0.03]) + generator.normal(0, 0.2, (30, 1)), 0, 1)
    other -= (other - level).mean(axis=0) - np.array([-0.02, -0.02, -0.01, 0.01, 0.02])
    found = find_crossing("examples", steps("a", other), steps("b", level), BUDGETS, by="runtime", every_step=False)
    assert (found.outcome, found.leader, found.budget) == ("overtakes", "a", 8e12)
    assert found.share is not None
    assert found.share < 1
    assert found.low is None
    assert found.high is None
    assert found.sentence.startswith("rank-score_time@t by examples: a (x4) overtakes b (x4) from 8000000000000 s")
    assert "(not yet from 4000000000000 s)" in found.sentence
    assert "open on both sides: these tasks cannot settle it" in found.sentence


@pytest.mark.parametrize(
    ("a", "b", "outcome", "leader", "changes"),
    [
        ([0.1, 0.2, 0.3, 0.4, 0.5], [0.0, 0.1, 0.2, 0.3, 0.4], "ahead", "a", 0),
        ([0.1, 0.1, 0.1, 0.1, 0.1], [0.1, 0.1, 0.1, 0.1, 0.1], "level", None, 0),
        ([0.1, 0.1, 0.1, 0.3, 0.4], [0.1, 0.1, 0.1, 0.1, 0.1], "ahead", "a", 0),
        ([0.1, 0.3, 0.1, 0.3, 0.3], [0.2, 0.2, 0.2, 0.2, 0.2], "overtakes", "a", 3),
        ([0.3, 0.1, 0.1, 0.2, 0.2], [0.2, 0.2, 0.2, 0.2, 0.2], "level", None, 1),
    ],
)
def test_what_is_no_clean_crossing_is_said(
    a: list[float], b: list[float], outcome: str, leader: str | None, changes: int
) -> None:
    first, second = (np.tile(np.array(row), (8, 1)) for row in (a, b))
    found = find_crossing("pass_at_k", steps("a", first), steps("b", second), BUDGETS, by="flops", every_step=True)
    assert (found.outcome, found.leader, found.lead_changes) == (outcome, leader, changes)
    assert ("no crossing found between a and b" in found.sentence) == (outcome != "overtakes")
    if outcome == "overtakes":
        assert found.budget == 8e12
        assert "(the lead changes 3 times)" in found.sentence


def test_one_task_leaves_no_interval() -> None:
    rising = np.array([[0.0, 0.2, 0.4, 0.6, 0.8]])
    found = find_crossing(
        "pass_at_k", steps("a", rising), steps("b", rising * 0 + 0.5), BUDGETS, by="flops", every_step=True
    )
    assert (found.outcome, found.low, found.high, found.share) == ("overtakes", None, None, None)
    assert "single task" in found.sentence


def test_the_interval_of_a_crossing_covers_it() -> None:
    """At a true crossing between the third and fourth budget, in most of many draws."""
    covered = 0
    budgets = np.geomspace(1, 100, 30)
    truth = np.linspace(-0.3, 0.3, 30)
    for seed in range(60):
        generator = np.random.default_rng(seed)
        apart = truth[None, :] + generator.normal(0, 0.5, (60, 1))
        found = find_crossing(
            "pass_at_k",
            steps("a", np.clip(0.5 + apart / 4, 0, 1)),
            steps("b", np.full((60, 30), 0.5)),
            budgets,
            by="flops",
            every_step=True,
        )
        low = -np.inf if found.low is None else found.low
        high = np.inf if found.high is None else found.high
        covered += low <= budgets[15] <= high
    assert covered >= 50


def test_budgets_are_written_with_their_unit() -> None:
    assert [format_budget("flops", value) for value in (3.1e13, 1e12, 2.347e12)] == [
        "3.1e13 FLOPs",
        "1e12 FLOPs",
        "2.35e12 FLOPs",
    ]
    assert [format_budget("runtime", value) for value in (0.0312, 12.5, 5605.4)] == ["0.0312 s", "12.5 s", "5605 s"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=12))
def test_rank_scores_at_several_k_are_those_at_each(rows: list[tuple[int, bool]]) -> None:
    scores = np.array([row[0] for row in rows], float)
    passed = np.array([row[1] for row in rows])
    ks = list(range(1, len(rows) + 1))
    got = rank_score_at_ks(scores, passed, ks)
    assert got == pytest.approx([rank_score_at_k([scores], [passed], k)[0] for k in ks])
    assert bool(np.all((got >= 0) & (got <= 1)))


def test_intervals_of_columns_are_those_of_each() -> None:
    values = np.random.default_rng(0).random((25, 6))
    values[:, 2] = 0.5
    for column, got in enumerate(mean_intervals(values, seed=3)):
        wanted = mean_interval(values[:, column], seed=3)
        assert (got.value, got.low, got.high) == pytest.approx((wanted.value, wanted.low, wanted.high))
    assert mean_intervals(np.empty((0, 2)))[1].value is None
