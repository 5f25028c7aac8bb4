"""Means over benchmarks: from records worked out by hand, and from real programs through Python."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from codebudget import Grading, Running, Selecting, UserError, compare, load_benchmark
from codebudget.budgets.notation import parse_arm
from codebudget.budgets.plan import plan_arms
from codebudget.estimators import macro_interval, mean_interval, paired_difference
from codebudget.experiment.macro import macro_comparison
from codebudget.records import (
    ArmResult,
    Comparison,
    PairedResult,
    RankerScore,
    Realised,
    VerdictSentences,
    Workload,
)
from codebudget.report.macro import print_macro

from support.rows import bodies, humaneval_row, jsonl

Scores = Sequence[float]


def comparison(name: str, arms: dict[str, Scores], *, output_tokens: int = 100, doubts: Sequence[str] = ()):
    """One benchmark's comparison, whose ranker always picks as the tests do."""
    workload = Workload(convention="tokens", prompt_tokens=100, output_tokens=output_tokens, source="this test")
    plans = plan_arms([parse_arm(spec) for spec in arms], family="codellama", workload=workload)
    values = {spec: np.array(listed, float) for spec, listed in arms.items()}
    results = [
        ArmResult(
            plan=plan,
            n=plan.k,
            samples=plan.k,
            pass_at_k=mean_interval(values[spec]),
            rankers={
                "examples": RankerScore(
                    **dict(mean_interval(values[spec])), cost_flops=0.0, total_flops=plan.cost.flops, total_ratio=1.0
                )
            },
            realised=Realised(),
            statuses={},
            per_task={metric: tuple(values[spec].tolist()) for metric in ("pass_at_k", "examples")},
        )
        for spec, plan in zip(arms, plans, strict=True)
    ]
    pairs = [
        PairedResult(a=a, b=b, metric=metric, **paired_difference(values[a], values[b])._asdict())
        for metric in ("pass_at_k", "examples")
        for place, a in enumerate(arms)
        for b in list(arms)[place + 1 :]
    ]
    return Comparison(
        benchmark=name,
        workload=workload,
        sandbox="process",
        tasks=len(values[next(iter(arms))]),
        left_out={},
        arms=tuple(results),
        paired=tuple(pairs),
        decisive_ranker="examples",
        verdict=VerdictSentences(with_tests="", without_tests=""),
        warnings=tuple(doubts),
        sandbox_errors=1,
        doubts=tuple(doubts),
    )


def share(passes: int, tasks: int) -> list[float]:
    return [1.0] * passes + [0.0] * (tasks - passes)


def test_scores_and_costs_are_means_over_benchmarks_of_any_size() -> None:
    large = comparison("large", {"13b:1": share(20, 100), "7b:1": share(10, 100)})
    small = comparison("small", {"13b:1": share(8, 10), "7b:1": share(8, 10)}, output_tokens=1000)
    got = macro_comparison([large, small])
    assert [arm.pass_at_k.value for arm in got.arms] == pytest.approx([0.5, 0.45])
    for place, arm in enumerate(got.arms):
        costs = [one.arms[place].plan.cost for one in (large, small)]
        assert arm.cost.flops == pytest.approx(np.mean([cost.flops for cost in costs]))
        assert arm.cost.memory_bytes == max(cost.memory_bytes for cost in costs)
        assert arm.cost.runtime_s is None
    assert got.sandbox_errors == 2
    wanted = macro_interval([np.array(share(20, 100)), np.array(share(8, 10))])
    assert got.arms[0].pass_at_k == wanted


def test_a_benchmark_that_contradicts_the_advice_is_named_with_what_it_says() -> None:
    wide = comparison("wide", {"13b:1": share(10, 100), "7b:1": share(90, 100)})
    narrow = comparison("narrow", {"13b:1": share(60, 60), "7b:1": share(40, 60)})
    said = macro_comparison([wide, narrow]).verdict.with_tests
    assert said.startswith(
        "By the mean over 2 benchmarks, with unit tests to select by, draw 7b once: 0.783, 23.3 points above one 13b ["
    )
    assert "narrow contradicts this: there 13b x1 is 33.3 points above it [" in said
    assert "wide contradicts" not in said


def test_a_benchmark_that_only_leans_the_other_way_is_named_as_such() -> None:
    wide = comparison("wide", {"13b:1": share(10, 100), "7b:1": share(90, 100)})
    even = comparison("even", {"13b:1": share(7, 12), "7b:1": [0.0, *share(6, 11)]})
    said = macro_comparison([wide, even]).verdict
    for sentence in (said.with_tests, said.without_tests):
        assert "On even 13b x1 is 8.3 points above it [" in sentence
        assert "though its tasks do not separate the two" in sentence
        assert "contradicts" not in sentence
    agreeing = comparison("even", {"13b:1": share(5, 12), "7b:1": share(7, 12)})
    assert "above it" not in macro_comparison([wide, agreeing]).verdict.with_tests


def test_the_advice_is_by_mean_costs_and_names_each_benchmarks_k() -> None:
    short = comparison("short", {"34b:1": share(10, 100), "7b": share(60, 100)}, output_tokens=10)
    long = comparison("long", {"34b:1": share(10, 100), "7b": share(60, 100)}, output_tokens=1000)
    ks = [one.arms[1].plan.k for one in (short, long)]
    assert ks[0] != ks[1]
    got = macro_comparison([short, long])
    ratio = got.arms[1].cost.flops / got.arms[0].cost.flops  # type: ignore[operator]
    times = f"{min(ks)} to {max(ks)} times"
    assert f"draw 7b {times} and keep what passes: 0.600, 50.0 points above one 34b" in got.verdict.with_tests
    assert f"for {ratio:.2f} of its FLOPs" in got.verdict.with_tests


def test_doubts_on_one_benchmark_rule_out_advice_and_few_tasks_are_said() -> None:
    arms = {"13b:1": share(5, 10), "7b:1": share(2, 10)}
    got = macro_comparison([comparison("one", arms), comparison("two", arms, doubts=["7b:1 passes nothing"])])
    assert got.doubts == got.warnings == ("two: 7b:1 passes nothing",)
    assert "no advice, because two: 7b:1 passes nothing." in got.verdict.with_tests
    few = macro_comparison([comparison("one", arms), comparison("two", {"13b:1": [1, 0], "7b:1": [0, 0]})])
    assert "On as few tasks as those of two (2) a 95 % interval covers less" in few.verdict.without_tests


def test_one_arm_is_shown_alone() -> None:
    got = macro_comparison([comparison("one", {"13b:1": share(5, 10)}), comparison("two", {"13b:1": share(2, 10)})])
    assert got.paired == ()
    assert "draw 13b once: 0.350 [" in got.verdict.with_tests


def test_a_ranker_that_failed_on_one_benchmark_has_no_mean(capsys: pytest.CaptureFixture[str]) -> None:
    one, two = (comparison(name, {"13b:1": share(5, 10), "7b:1": share(2, 10)}) for name in ("one", "two"))
    more = [
        arm.model_copy(
            update={
                "rankers": {**arm.rankers, "mine": arm.rankers["examples"]},
                "per_task": {**arm.per_task, "mine": arm.per_task["examples"]},
            }
        )
        for arm in one.arms
    ]
    got = macro_comparison([one.model_copy(update={"arms": tuple(more)}), two])
    assert [list(arm.rankers) for arm in got.arms] == [["examples"]] * 2
    assert {row.metric for row in got.paired} == {"pass_at_k", "examples"}
    print_macro(got)
    lines = capsys.readouterr().out.splitlines()
    place = next(place for place, line in enumerate(lines) if line.split()[:2] == ["mine", "one"])
    assert lines[place + 1].split() == ["two", "-", "-"]
    assert lines[place + 2].split() == ["mean", "of", "2", "-", "-"]


def test_editions_of_a_benchmark_share_the_samples_of_an_id(tmp_path: Path) -> None:
    base = humaneval_row("twice", "return 2 * x", ["candidate(1) == 2"], (2, 4))
    plus = humaneval_row("twice", "return 2 * x", ["candidate(1) == 2", "candidate(5) == 10"], (3, 6))
    other = humaneval_row("same", "return x", ["candidate(1) == 1"], (2, 2))
    for name, rows in (("base", [base]), ("plus", [plus, other])):
        (tmp_path / f"{name}.jsonl").write_text(jsonl(rows))
    (tmp_path / "samples.jsonl").write_text(bodies([("twice", "return x + 1"), ("same", "return x")]))
    record = compare(
        ["7b:1"],
        [str(tmp_path / "base.jsonl"), str(tmp_path / "plus.jsonl")],
        {"7b": str(tmp_path / "samples.jsonl")},
        grading=Grading(launcher="process", workers=1, check=False),
        selecting=Selecting(rankers=["first"]),
        running=Running(store=str(tmp_path / "store.sqlite")),
    ).record
    # It passes the tests of one edition, and fails those of the other.
    assert [one.arms[0].per_task["pass_at_k"] for one in record.benchmarks] == [(1.0,), (0.0, 1.0)]
    assert record.arms[0].pass_at_k.value == pytest.approx(0.75)


def test_real_programs_of_two_benchmarks_in_python(tmp_path: Path, shared_data: Path) -> None:
    chosen = [load_benchmark("humaneval").first(5), load_benchmark("nano").first(4)]
    bodies = ["", "    return None\n"]
    nano = [
        {"task_id": task.id, "solution": (body and task.prompt + body) or task.reference}
        for task in chosen[1].tasks
        for body in bodies
    ]
    samples = {}
    for size, kept in (("30b", nano[::2]), ("7b", nano[1::2])):
        real = next((shared_data / "humaneval_wizardlm" / size).glob("medium*.jsonl"))
        rows = [json.loads(line) for line in real.read_text().splitlines()]
        path = tmp_path / f"{size}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in [*rows, *kept]))
        samples[size] = str(path)
    result = compare(
        ["30b:1", "7b:1"],
        chosen,
        samples,
        grading=Grading(launcher="process", workers=1, check=False),
        selecting=Selecting(rankers=["first"]),
        running=Running(family="wizardlm", store=str(tmp_path / "store.sqlite")),
    )
    record = result.record
    assert [one.benchmark for one in record.benchmarks] == ["humaneval", "nano"]
    assert [one.tasks for one in record.benchmarks] == [5, 4]
    assert [arm.pass_at_k.value for arm in record.benchmarks[1].arms] == [1.0, 0.0]
    for place, arm in enumerate(record.arms):
        each = [one.arms[place].pass_at_k.value for one in record.benchmarks]
        assert arm.pass_at_k.value == pytest.approx(np.mean(each))
    assert set(result.to_dict()["arms"][0]["benchmarks"]) == {"humaneval", "nano"}
    assert "Mean over 2 benchmarks (humaneval, 5 tasks; nano, 4 tasks)" in " ".join(str(result).split())
    with pytest.raises(UserError, match="the benchmark nano is listed twice; remove one"):
        compare(["30b:1"], ["nano", "nano"])
    with pytest.raises(UserError, match="`benchmark` is an empty list"):
        compare(["30b:1"], [])
