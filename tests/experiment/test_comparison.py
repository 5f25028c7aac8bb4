"""A comparison of three tasks that is worked out by hand, graded for real in the process sandbox."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from codebudget.budgets.notation import parse_arm
from codebudget.budgets.plan import plan_arms
from codebudget.errors import SandboxError, UserError
from codebudget.estimators import holm, paired_difference
from codebudget.experiment.comparison import Terms, compare_arms
from codebudget.experiment.grading import Grader
from codebudget.experiment.pools import public_task
from codebudget.experiment.ranking import Judging
from codebudget.experiment.samples import ArmSamples
from codebudget.rankers import load_ranker
from codebudget.records import (
    Budget,
    BudgetKind,
    Candidate,
    Comparison,
    Example,
    HiddenTests,
    Plan,
    PublicTask,
    Ranking,
    Task,
    Usage,
    Workload,
)
from codebudget.sampler.store import open_store
from codebudget.sandbox import Sandbox
from codebudget.sandbox.box import Box
from codebudget.sandbox.launchers.process import ProcessLauncher
from codebudget.tasks import Benchmark

WORKLOAD = Workload(convention="tokens", prompt_tokens=20, output_tokens=10, source="this test")
ALL = ("random", "first", "shortest", "examples", "majority")


def task(name: str, tests: str, reference: str, example: Example | None) -> Task:
    prompt = f"def {name}(x):\n"
    return Task(
        id=name,
        benchmark="hand",
        prompt=prompt,
        entry_point=name,
        examples=(example,) if example else (),
        tests=HiddenTests(style="check", code=f"def check(candidate):\n{tests}"),
        reference=prompt + reference,
    )


TASKS = (
    task(
        "double",
        "    assert candidate(2) == 4\n    assert candidate(5) == 10\n",
        "    return 2 * x\n",
        Example(call="double(2)", expected="4"),
    ),
    task(
        "square",
        "    assert candidate(2) == 4\n    assert candidate(3) == 9\n",
        "    return x ** 2\n",
        Example(call="square(2)", expected="4"),
    ),
    task("negate", "    assert candidate(1) == -1\n    assert candidate(0) == 0\n", "    return -x\n", None),
)
BENCHMARK = Benchmark("hand", TASKS)
BIG = {"double": ["return x + x"], "square": ["return x * x"], "negate": ["return 0"]}
# In double and square the two longer programs both give 4 for the example's 2, and one of them is right.
SMALL = {
    "double": ["return x + x", "return x + 2", "return 0"],
    "square": ["return x + x", "return x * x", "return 0"],
    "negate": ["return 0", "return 1", "return -x"],
}


class WatchedLauncher(ProcessLauncher):
    """Counts boxes, and starts no more than it may."""

    def __init__(self, most: int = 1 << 30) -> None:
        self.most = most
        self.boxes = 0

    def launch(self) -> Box:
        if self.boxes >= self.most:
            raise SandboxError("no more boxes")
        self.boxes += 1
        return super().launch()


@contextmanager
def grading(folder: Path, launcher: ProcessLauncher | None = None, *, fresh: bool = False) -> Iterator[Grader]:
    with (
        open_store(folder / "store.sqlite") as store,
        Sandbox(launcher or ProcessLauncher(), workers=2) as sandbox,
    ):
        yield Grader(sandbox, store, fresh=fresh)


def plans(*specs: str, match: BudgetKind | None = None, budget: Budget | None = None) -> tuple[Plan, ...]:
    arms = [parse_arm(spec) for spec in specs]
    return plan_arms(arms, family="codellama", workload=WORKLOAD, match=match, budget=budget)


def samples(plan: Plan, bodies: Mapping[str, Sequence[str]], tokens: tuple[int, int] | None = None) -> ArmSamples:
    prompt_tokens, output_tokens = tokens or (None, None)
    return ArmSamples(
        plan,
        [
            Candidate(
                task_id=task_id,
                arm=plan.arm.spec,
                index=index,
                raw=body,
                program=f"def {task_id}(x):\n    {body}\n",
                prompt_tokens=prompt_tokens,
                output_tokens=output_tokens,
            )
            for task_id, listed in bodies.items()
            for index, body in enumerate(listed)
        ],
    )


def run(grader: Grader, *arms: ArmSamples, rankers: Sequence[str] = ALL, decisive: str = "examples") -> Comparison:
    return compare_arms(
        BENCHMARK,
        arms,
        Terms(WORKLOAD),
        Judging(grader, {name: load_ranker(name) for name in rankers}),
        decisive_ranker=decisive,
    )


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    big, small = plans("13b:1", "7b:2")
    with grading(tmp_path_factory.mktemp("compare")) as grader:
        return run(grader, samples(big, BIG), samples(small, SMALL))


def test_scores_are_those_worked_out_by_hand(result: Comparison) -> None:
    big, small = result.arms
    assert (result.tasks, big.n, small.n, big.samples, small.samples) == (3, 1, 3, 3, 9)
    assert big.statuses == {"passed": 2, "wrong": 1}
    assert small.statuses == {"passed": 3, "wrong": 6}
    for name in (*ALL, "oracle"):
        assert big.rankers[name].value == pytest.approx(2 / 3), name
    # One of three passes, so that a pair holds it in two of three subsets.
    assert small.pass_at_k.value == pytest.approx(2 / 3)
    assert small.rankers["oracle"].value == pytest.approx(2 / 3)
    assert small.rankers["random"].value == pytest.approx(1 / 3)
    assert small.rankers["first"].value == pytest.approx((2 / 3 + 1 / 3 + 0) / 3)
    assert small.rankers["shortest"].value == pytest.approx((1 / 6 + 1 / 6 + 0) / 3)
    assert small.rankers["examples"].value == pytest.approx((1 / 2 + 1 / 2 + 1 / 3) / 3)
    assert small.rankers["majority"].value == pytest.approx((1 / 3 + 1 / 3 + 1 / 3) / 3)


def test_intervals_hold_their_values(result: Comparison) -> None:
    for arm in result.arms:
        for interval in (arm.pass_at_k, *arm.rankers.values()):
            assert interval.value is not None
            assert interval.low is not None
            assert interval.high is not None
            assert 0 <= interval.low <= interval.value <= interval.high <= 1


def test_running_programs_is_charged_and_reading_them_is_not_free_of_time(result: Comparison) -> None:
    small = result.arms[1]
    assert small.rankers["examples"].cost_s > small.rankers["random"].cost_s >= 0
    assert {score.cost_flops for score in small.rankers.values()} == {0.0}
    assert small.rankers["oracle"].cost_s == 0


def test_pairs_are_over_the_same_tasks_and_adjusted_together(result: Comparison) -> None:
    by_hand = {
        "pass_at_k": ([1, 1, 0], [2 / 3, 2 / 3, 2 / 3]),
        "first": ([1, 1, 0], [2 / 3, 1 / 3, 0]),
        "shortest": ([1, 1, 0], [1 / 6, 1 / 6, 0]),
        "examples": ([1, 1, 0], [1 / 2, 1 / 2, 1 / 3]),
        "majority": ([1, 1, 0], [1 / 3, 1 / 3, 1 / 3]),
    }
    rows = [paired_difference(np.array(a, float), np.array(b, float)) for a, b in by_hand.values()]
    adjusted = holm(np.array([row.p_value for row in rows]))
    assert [row.metric for row in result.paired] == list(by_hand)
    for got, wanted, p_value in zip(result.paired, rows, adjusted, strict=True):
        assert (got.a, got.b) == ("13b:1", "7b:2")
        assert got.difference == pytest.approx(wanted.difference)
        assert (got.low, got.high) == (pytest.approx(wanted.low), pytest.approx(wanted.high))
        assert got.p_value == pytest.approx(p_value)


def test_a_bound_is_tested_only_where_it_decides(tmp_path: Path) -> None:
    big, small = plans("13b:1", "7b:2")
    with grading(tmp_path) as grader:
        got = run(grader, samples(big, BIG), samples(small, SMALL), rankers=("random", "first"), decisive="random")
    assert {row.metric for row in got.paired} == {"pass_at_k", "random", "first"}


def test_without_token_counts_they_are_estimated_from_text_and_it_is_said(result: Comparison) -> None:
    for arm in result.arms:
        assert arm.realised.cost.flops is not None
        assert arm.realised.usage.estimated
        # "def double(x):" and the like are of 4 or 5 tokens, at 3.2 bytes each.
        assert 4 <= (arm.realised.usage.prompt_tokens or 0) <= 5.5
    assert any("some samples of 13b:1, 7b:2 have no token counts" in warning for warning in result.warnings)


def test_output_counts_without_prompt_counts_are_used(tmp_path: Path) -> None:
    big, small = plans("13b:1", "7b:2")
    found = samples(small, SMALL, (0, 400))
    without = [one.model_copy(update={"prompt_tokens": None}) for one in found.candidates]
    with grading(tmp_path) as grader:
        got = run(grader, samples(big, BIG), ArmSamples(small, without))
    usage = got.arms[1].realised.usage
    assert usage.output_tokens == 800
    assert usage.prompt_tokens == pytest.approx((15 / 3.2 + 15 / 3.2 + 15 / 3.2) / 3, abs=0.5)
    assert usage.estimated


def test_what_ranking_costs_is_in_the_total(tmp_path: Path) -> None:
    (small,) = plans("7b:2")
    with grading(tmp_path) as grader:
        got = compare_arms(
            BENCHMARK,
            [samples(small, SMALL, (20, 10))],
            Terms(WORKLOAD),
            Judging(grader, {"charging": Charging()}),  # type: ignore[dict-item]
            decisive_ranker="charging",
        )
    score, drawing = got.arms[0].rankers["charging"], got.arms[0].realised.cost.flops
    assert drawing is not None
    assert score.total_flops == pytest.approx(drawing + 30 * 2 / 3)
    assert score.total_ratio == pytest.approx(1 + 20 / drawing)


def test_an_arm_that_took_more_than_was_planned_is_named(tmp_path: Path) -> None:
    big, small = plans("13b:1", "7b", budget=Budget(flops=7e11))
    with grading(tmp_path) as grader:
        got = compare_arms(
            BENCHMARK,
            [samples(big, BIG, (20, 10)), samples(small, {t: b * 3 for t, b in SMALL.items()}, (20, 400))],
            Terms(WORKLOAD, budget=Budget(flops=7e11)),
            Judging(grader, {"first": load_ranker("first")}),
            decisive_ranker="first",
        )
    assert small.matched
    assert got.arms[1].realised.matched is False
    assert any(warning.startswith("7b was planned to match") for warning in got.warnings)


def test_tasks_that_no_program_could_be_graded_on_are_left_out_with_the_reason(tmp_path: Path) -> None:
    benchmark = Benchmark("hand", TASKS, beyond=frozenset({"gone"}), left_out={"gone": "it has no tests"})
    (plan,) = plans("13b:1")
    with grading(tmp_path) as grader:
        judging = Judging(grader, {"first": load_ranker("first"), "random": load_ranker("random")})
        found = compare_arms(benchmark, [samples(plan, BIG)], Terms(WORKLOAD), judging, decisive_ranker="first")
    assert found.tasks == 3
    assert found.left_out == {"gone": "it has no tests"}


def test_a_second_run_starts_no_box(tmp_path: Path) -> None:
    big, small = plans("13b:1", "7b:2")
    watched = WatchedLauncher()
    with grading(tmp_path, watched) as grader:
        first = run(grader, samples(big, BIG), samples(small, SMALL))
    assert watched.boxes > 0
    with grading(tmp_path, WatchedLauncher(most=0)) as grader:
        second = run(grader, samples(big, BIG), samples(small, SMALL))
    assert [arm.pass_at_k for arm in first.arms] == [arm.pass_at_k for arm in second.arms]
    assert first.paired == second.paired
    assert first.verdict == second.verdict
    again = WatchedLauncher()
    with grading(tmp_path, again, fresh=True) as grader:
        assert run(grader, samples(big, BIG), samples(small, SMALL)).paired == first.paired
    assert again.boxes > 0


def test_a_machine_that_fails_is_no_score(tmp_path: Path) -> None:
    big, small = plans("13b:1", "7b:2")
    known = ("double", "square")
    with grading(tmp_path) as grader:
        grader.check(TASKS)
        run(
            grader,
            samples(big, {name: BIG[name] for name in known}),
            samples(small, {name: SMALL[name] for name in known}),
        )
    with grading(tmp_path, WatchedLauncher(most=0)) as grader:
        got = run(grader, samples(big, BIG), samples(small, SMALL), rankers=("first",), decisive="first")
    assert got.sandbox_errors == 4
    assert got.tasks == 2
    assert "sandbox failed" in got.left_out["negate"]
    assert "sandbox_error" not in got.arms[0].statuses
    assert got.arms[0].pass_at_k.value == 1


def test_where_the_machine_fails_on_all_tasks_it_is_its_fault(tmp_path: Path) -> None:
    (big,) = plans("13b:1")
    with grading(tmp_path) as grader:
        grader.check(TASKS)
    with grading(tmp_path, WatchedLauncher(most=0)) as grader, pytest.raises(SandboxError, match="run the command"):
        run(grader, samples(big, BIG), rankers=("first",), decisive="first")


def test_tasks_without_enough_samples_of_all_arms_are_left_out_with_their_reason(tmp_path: Path) -> None:
    big, small = plans("13b:1", "7b:2")
    with grading(tmp_path) as grader:
        got = run(
            grader,
            samples(big, {name: BIG[name] for name in ("double", "square")}),
            samples(small, SMALL | {"double": ["return x + x"]}),
        )
    assert got.left_out == {"double": "only 1 of 2 samples of 7b:2", "negate": "no sample of 13b:1"}
    assert got.tasks == 1


@pytest.mark.parametrize(
    ("bodies", "message"),
    [
        (BIG, r"7b:2: pass@2 needs 2 samples per task, and no task has more than 1"),
        ({"negate": ["return 0", "return 1"]}, "no task has the samples that every arm needs"),
    ],
)
def test_with_no_task_in_common_it_says_what_to_give(
    tmp_path: Path, bodies: dict[str, list[str]], message: str
) -> None:
    big, small = plans("13b:1", "7b:2")
    with grading(tmp_path) as grader, pytest.raises(UserError, match=message):
        run(grader, samples(big, {"double": BIG["double"]}), samples(small, bodies))


def test_a_task_whose_reference_fails_is_left_out_and_never_scored(tmp_path: Path) -> None:
    (big,) = plans("13b:1")
    broken = TASKS[2].model_copy(update={"reference": "def negate(x):\n    return x\n"})
    with grading(tmp_path) as grader:
        got = compare_arms(
            Benchmark("hand", (*TASKS[:2], broken)),
            [samples(big, BIG)],
            Terms(WORKLOAD),
            Judging(grader, {"first": load_ranker("first")}),
            decisive_ranker="first",
        )
    assert got.tasks == 2
    assert "reference solution fails" in got.left_out["negate"]
    assert sum(got.arms[0].statuses.values()) == 2


def test_strata_are_scored_apart(tmp_path: Path) -> None:
    (big,) = plans("13b:2")
    listed = [
        candidate.model_copy(update={"stratum": "ab"[candidate.index]})
        for candidate in samples(big, {name: bodies[:2] for name, bodies in SMALL.items()}).candidates
    ]
    with grading(tmp_path) as grader:
        got = run(grader, ArmSamples(big, listed), rankers=("first",), decisive="first")
    assert {row.name: row.pass_at_1.value for row in got.arms[0].strata} == {
        "a": pytest.approx(1 / 3),
        "b": pytest.approx(1 / 3),
    }


class Charging:
    """Reports what a model would have cost it."""

    name, version, needs, pointwise = "charging", "1", frozenset[str](), True

    def rank(self, task: PublicTask, candidates: Sequence[Candidate], context: object) -> Ranking:
        usage = Usage(prefill_flops=10.0, decode_flops=20.0)
        return Ranking(scores=(0.0,) * len(candidates), usage=usage)


def test_what_a_ranker_reports_is_charged_for_k_of_its_candidates(tmp_path: Path) -> None:
    _, small = plans("13b:1", "7b:2")
    with grading(tmp_path) as grader:
        got = compare_arms(
            BENCHMARK,
            [samples(small, SMALL)],
            Terms(WORKLOAD),
            Judging(grader, {"charging": Charging()}),  # type: ignore[dict-item]
            decisive_ranker="charging",
        )
    assert got.arms[0].rankers["charging"].cost_flops == pytest.approx(30 * 2 / 3)


def candidate_of(prompt: str | None) -> Candidate:
    return Candidate(task_id="double", arm="a", index=0, raw="", program="", prompt=prompt)


@pytest.mark.parametrize(
    ("prompts", "calls"),
    [
        ([None], ["double(2)"]),
        (["def double(x):\n    '''Twice.'''\n"], []),
        (["def double(x):\n    '''Twice.\n    >>> double(3)\n    6\n    '''\n"], ["double(3)"]),
        ([None, "def double(x):\n    '''Twice.'''\n"], []),
    ],
)
def test_only_what_a_candidates_own_prompt_shows_is_visible(prompts: list[str | None], calls: list[str]) -> None:
    shown = TASKS[0].model_copy(update={"prompt": "def double(x):\n    '''Twice.\n    >>> double(2)\n    4\n    '''\n"})
    public = public_task(shown, [candidate_of(prompt) for prompt in prompts])
    assert [example.call for example in public.examples] == calls
    assert not hasattr(public, "tests")


def test_progress_is_told_every_step(tmp_path: Path) -> None:
    (big,) = plans("13b:1")
    told: list[tuple[str, int, int]] = []
    note: Callable[[str, int, int], None] = lambda step, done, total: told.append((step, done, total))  # noqa: E731
    with open_store(tmp_path / "s") as store, Sandbox(ProcessLauncher(), workers=2) as sandbox:
        compare_arms(
            BENCHMARK,
            [samples(big, BIG)],
            Terms(WORKLOAD),
            Judging(Grader(sandbox, store, note), {"first": load_ranker("first")}, progress=note),
            decisive_ranker="first",
        )
    assert {step for step, done, total in told if done == total == 3} == {
        "checking references",
        "grading",
        "ranking 13b:1",
    }
