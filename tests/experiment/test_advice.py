from collections.abc import Sequence

import pytest
from codebudget.budgets.notation import parse_arm
from codebudget.budgets.plan import plan_arms
from codebudget.experiment.advice import advise
from codebudget.records import ArmResult, Budget, Interval, PairedResult, Plan, RankerScore, Realised, Workload

WORKLOAD = Workload(convention="tokens", prompt_tokens=100, output_tokens=100, source="this test")


def plans(*specs: str, budget: Budget | None = None) -> tuple[Plan, ...]:
    return plan_arms([parse_arm(spec) for spec in specs], family="codellama", workload=WORKLOAD, budget=budget)


def arm(plan: Plan, with_tests: float, without: float) -> ArmResult:
    scores = {
        "pass": Interval(value=with_tests, low=max(0.0, with_tests - 0.05), high=min(1.0, with_tests + 0.05)),
        "examples": RankerScore(value=without, low=max(0.0, without - 0.05), high=min(1.0, without + 0.05)),
    }
    return ArmResult(
        plan=plan,
        n=plan.k,
        samples=plan.k,
        pass_at_k=scores["pass"],
        rankers={"examples": scores["examples"]},
        realised=Realised(),
        statuses={},
    )


def pairs(arms: Sequence[ArmResult], p_values: dict[tuple[int, int], float]) -> list[PairedResult]:
    return [
        PairedResult(
            a=arms[a].plan.arm.spec,
            b=arms[b].plan.arm.spec,
            metric=metric,
            difference=0.0,
            low=-1.0,
            high=1.0,
            p_value=p_value,
        )
        for (a, b), p_value in p_values.items()
        for metric in ("pass_at_k", "examples")
    ]


def test_a_clear_winner_is_named_with_its_price() -> None:
    first, second = plans("13b:1", "7b")
    arms = [arm(first, 0.4, 0.4), arm(second, 0.6, 0.3)]
    said = advise(arms, pairs(arms, {(0, 1): 0.01}), "examples")
    ratio = second.cost.flops / first.cost.flops  # type: ignore[operator]
    assert said.with_tests == (
        f"With unit tests to select by, run 7b x{second.k}: it solves 0.600 [0.550, 0.650] of tasks, 13b x1 0.400 "
        f"[0.350, 0.450], at {ratio:.2f} times the FLOPs of 13b x1."
    )
    assert said.without_tests == (
        "Without tests, picking by examples, run 13b x1: it solves 0.400 [0.350, 0.450] of tasks, "
        f"7b x{second.k} 0.300 [0.250, 0.350]."
    )


def test_a_win_that_is_not_at_equal_cost_says_so() -> None:
    first, second = plans("13b:1", "7b:20")
    arms = [arm(first, 0.4, 0.4), arm(second, 0.6, 0.6)]
    assert not second.matched
    said = advise(arms, pairs(arms, {(0, 1): 0.01}), "examples")
    assert said.with_tests.endswith("of 13b x1. This is not at equal cost: 7b x20 is not matched.")


def test_a_tie_takes_the_cheapest_whoever_scores_higher() -> None:
    first, second = plans("70b:1", "7b:2")
    arms = [arm(first, 0.6, 0.5), arm(second, 0.55, 0.5)]
    said = advise(arms, pairs(arms, {(0, 1): 0.2}), "examples")
    assert "do not separate 70b x1 (0.600) and 7b x2 (0.550): take the cheapest, 7b x2, at 0." in said.with_tests
    assert said.with_tests.endswith("or measure on more tasks.")


def test_arms_that_are_clearly_behind_are_not_in_a_tie() -> None:
    planned = plans("70b:1", "13b:2", "7b:1")
    arms = [arm(planned[0], 0.6, 0.6), arm(planned[1], 0.59, 0.59), arm(planned[2], 0.1, 0.1)]
    said = advise(arms, pairs(arms, {(0, 1): 0.9, (0, 2): 0.001, (1, 2): 0.001}), "examples")
    assert "do not separate 70b x1 (0.600) and 13b x2 (0.590) (behind 70b x1: 7b x1): take" in said.with_tests
    assert "take the cheapest, 13b x2" in said.with_tests


def test_one_arm_wins_over_none() -> None:
    (plan,) = plans("13b:1")
    said = advise([arm(plan, 0.6, 0.5)], [], "examples")
    assert said.with_tests.startswith("With unit tests to select by, 13b x1 solves 0.600 [0.550, 0.650] of tasks;")
    assert "add an arm" in said.without_tests
    assert "run" not in said.with_tests


def test_two_precisions_of_one_model_are_told_apart() -> None:
    first, second = plans("13b@bf16:1", "13b@int4:1")
    arms = [arm(first, 0.6, 0.6), arm(second, 0.6, 0.6)]
    said = advise(arms, pairs(arms, {(0, 1): 1.0}), "examples")
    assert "13b@bf16 x1 (0.600) and 13b@int4 x1 (0.600)" in said.with_tests


def test_a_greedy_arm_is_called_greedy() -> None:
    first, second = plans("13b:greedy", "7b:2")
    arms = [arm(first, 0.9, 0.9), arm(second, 0.6, 0.6)]
    assert "run 13b greedy: it solves" in advise(arms, pairs(arms, {(0, 1): 0.0}), "examples").with_tests


def test_the_price_is_against_the_first_arm_also_under_a_budget() -> None:
    first, second = plans("13b", "7b", budget=Budget(flops=2e13))
    assert first.budget_ratio.flops != 1
    arms = [arm(first, 0.4, 0.4), arm(second, 0.6, 0.6)]
    said = advise(arms, pairs(arms, {(0, 1): 0.01}), "examples")
    ratio = second.cost.flops / first.cost.flops  # type: ignore[operator]
    assert f"at {ratio:.2f} times the FLOPs of 13b x{first.k}" in said.with_tests


@pytest.mark.parametrize("p_value", [0.0499, 0.05])
def test_the_line_is_at_five_percent(p_value: float) -> None:
    first, second = plans("13b:1", "7b:2")
    arms = [arm(first, 0.9, 0.9), arm(second, 0.6, 0.6)]
    said = advise(arms, pairs(arms, {(0, 1): p_value}), "examples").with_tests
    assert ("do not separate" in said) == (p_value >= 0.05)
