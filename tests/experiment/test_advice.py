from collections.abc import Sequence

import pytest
from codebudget.budgets.notation import parse_arm
from codebudget.budgets.plan import plan_arms
from codebudget.experiment.advice import advise
from codebudget.records import (
    ArmResult,
    Budget,
    Cost,
    Interval,
    PairedResult,
    Plan,
    RankerScore,
    Realised,
    Usage,
    Workload,
)

WORKLOAD = Workload(convention="tokens", prompt_tokens=100, output_tokens=100, source="this test")


def plans(*specs: str, budget: Budget | None = None) -> tuple[Plan, ...]:
    return plan_arms([parse_arm(spec) for spec in specs], family="codellama", workload=WORKLOAD, budget=budget)


def arm(plan: Plan, with_tests: float, without: float, *, realised: float | None = None, ranking: float = 0.0):
    """An arm that took `realised` times its planned FLOPs, and whose ranker took `ranking` times those."""
    flops = plan.cost.flops or 0.0
    drawing = flops if realised is None else realised * flops
    known = Realised()
    if realised is not None:
        known = Realised(cost=Cost(flops=drawing), budget_ratio=Cost(flops=realised), matched=realised <= 1.05)
    return ArmResult(
        plan=plan,
        n=plan.k,
        samples=plan.k,
        pass_at_k=interval(with_tests),
        rankers={
            "examples": RankerScore(
                **interval(without).model_dump(),
                cost_flops=ranking * flops,
                uses_tests=ranking > 0,
                total_flops=drawing + ranking * flops,
                total_ratio=None if plan.budget_ratio.flops is None else plan.budget_ratio.flops * (1 + ranking),
            )
        },
        realised=known,
        statuses={},
    )


def interval(value: float) -> Interval:
    return Interval(value=value, low=max(0.0, value - 0.05), high=min(1.0, value + 0.05))


def pairs(arms: Sequence[ArmResult], p_values: dict[tuple[int, int], float]) -> list[PairedResult]:
    found = []
    for (a, b), p_value in p_values.items():
        for metric in ("pass_at_k", "examples"):
            first, second = (score_of(arms[place], metric) for place in (a, b))
            found.append(
                PairedResult(
                    a=arms[a].plan.arm.spec,
                    b=arms[b].plan.arm.spec,
                    metric=metric,
                    difference=first - second,
                    low=first - second - 0.04,
                    high=first - second + 0.04,
                    p_value=p_value,
                )
            )
    return found


def score_of(one: ArmResult, metric: str) -> float:
    return (one.pass_at_k if metric == "pass_at_k" else one.rankers[metric]).value or 0.0


def test_a_clear_winner_is_what_to_do_what_it_gains_and_what_it_costs() -> None:
    first, second = plans("13b:1", "7b")
    arms = [arm(first, 0.4, 0.4), arm(second, 0.6, 0.3)]
    said = advise(arms, pairs(arms, {(0, 1): 0.01}), "examples")
    ratio = second.cost.flops / first.cost.flops  # type: ignore[operator]
    assert said.with_tests == (
        f"With unit tests to select by, {times('7b', second.k)}keep what passes: 0.600, 20.0 points above one 13b "
        f"[+16.0, +24.0], for {ratio:.2f} of its FLOPs."
    )
    assert said.without_tests == (
        f"Without tests, draw 13b once: 0.400, 10.0 points above {named('7b', second.k)}, for {1 / ratio:.2f} of its "
        "FLOPs."
    )


def times(model: str, k: int) -> str:
    return f"draw {model} {k} times and " if k > 1 else f"draw {model} once"


def named(model: str, k: int) -> str:
    return f"one {model} [+6.0, +14.0]" if k == 1 else f"{model} x{k} [+6.0, +14.0]"


def test_greedy_decoding_of_the_model_compared_with_is_named_first() -> None:
    planned = plans("34b:1", "34b:greedy", "13b:2")
    arms = [arm(planned[0], 0.4, 0.4), arm(planned[1], 0.45, 0.45), arm(planned[2], 0.6, 0.6)]
    said = advise(arms, pairs(arms, {(0, 1): 0.2, (0, 2): 0.01, (1, 2): 0.01}), "examples")
    assert "0.600, 15.0 points above 34b greedy [+11.0, +19.0] and 20.0 points above one 34b [+16.0, +24.0], for " in (
        said.without_tests
    )


def test_the_price_is_what_was_realised_with_the_ranking_and_its_tests() -> None:
    first, second = plans("70b:1", "13b:4")
    arms = [arm(first, 0.4, 0.4, realised=1.0), arm(second, 0.6, 0.6, realised=2.0, ranking=0.5)]
    said = advise(arms, pairs(arms, {(0, 1): 0.01}), "examples")
    share = second.cost.flops / first.cost.flops  # type: ignore[operator]
    assert f", for {2 * share:.2f} of its FLOPs. " in said.with_tests
    assert f", for {2.5 * share:.2f} of its FLOPs, tests included. " in said.without_tests
    assert said.with_tests.endswith("This is not at equal cost: 13b x4 is not matched.")


def test_a_win_at_more_than_the_limit_says_so() -> None:
    first, second = plans("13b:1", "7b:20")
    arms = [arm(first, 0.4, 0.4), arm(second, 0.6, 0.6)]
    assert not second.matched
    said = advise(arms, pairs(arms, {(0, 1): 0.01}), "examples")
    assert said.with_tests.endswith(" This is not at equal cost: 7b x20 is not matched.")


def test_ranking_that_takes_an_arm_over_the_limit_is_said() -> None:
    first, second = plans("70b:1", "7b")
    assert second.matched
    arms = [arm(first, 0.4, 0.4), arm(second, 0.6, 0.6, ranking=3.0)]
    said = advise(arms, pairs(arms, {(0, 1): 0.01}), "examples")
    ratio = 4 * (second.budget_ratio.flops or 0.0)
    assert f"not at equal cost: with its ranking 7b x{second.k} takes {ratio:.2f} of the limit." in said.without_tests
    assert "equal cost" not in said.with_tests


def test_token_counts_that_were_guessed_make_it_about() -> None:
    first, second = plans("70b:1", "7b:2")
    arms = [arm(first, 0.6, 0.6), arm(second, 0.9, 0.9, realised=1.0)]
    usage = Usage(estimated=True)
    arms[1] = arms[1].model_copy(update={"realised": arms[1].realised.model_copy(update={"usage": usage})})
    assert ", for about 0." in advise(arms, pairs(arms, {(0, 1): 0.01}), "examples").with_tests


def test_a_tie_takes_the_cheapest_and_comes_after() -> None:
    first, second = plans("70b:1", "7b:2")
    arms = [arm(first, 0.6, 0.5), arm(second, 0.55, 0.5)]
    said = advise(arms, pairs(arms, {(0, 1): 0.2}), "examples")
    assert said.with_tests.startswith(
        "With unit tests to select by, draw 7b 2 times and keep what passes: 0.550, 5.0 points below one 70b "
        "[-9.0, -1.0], for 0."
    )
    assert "do not separate it from 70b x1 (0.600): it is the cheapest of them" in said.with_tests
    assert ": 0.500, level with one 70b [-4.0, +4.0], for" in said.without_tests


def test_arms_that_are_clearly_behind_are_not_in_a_tie() -> None:
    planned = plans("70b:1", "13b:2", "7b:1")
    arms = [arm(planned[0], 0.6, 0.6), arm(planned[1], 0.59, 0.59), arm(planned[2], 0.1, 0.1)]
    said = advise(arms, pairs(arms, {(0, 1): 0.9, (0, 2): 0.001, (1, 2): 0.001}), "examples")
    assert "draw 13b 2 times" in said.with_tests
    assert "do not separate it from 70b x1 (0.600): it" in said.with_tests


def test_one_arm_wins_over_none() -> None:
    (plan,) = plans("13b:1")
    said = advise([arm(plan, 0.6, 0.5)], [], "examples")
    assert said.with_tests.startswith("With unit tests to select by, draw 13b once: 0.600 [0.550, 0.650];")
    assert "add an arm" in said.without_tests


def test_two_precisions_of_one_model_are_told_apart() -> None:
    first, second = plans("13b@bf16:1", "13b@int4:1")
    arms = [arm(first, 0.6, 0.6), arm(second, 0.6, 0.6)]
    said = advise(arms, pairs(arms, {(0, 1): 1.0}), "examples")
    assert "draw 13b@bf16 once: 0.600, level with one 13b@int4" in said.with_tests
    assert "separate it from 13b@int4 x1 (0.600)" in said.with_tests


def test_a_greedy_arm_is_drawn_greedily() -> None:
    first, second = plans("13b:greedy", "7b:2")
    arms = [arm(first, 0.9, 0.9), arm(second, 0.6, 0.6)]
    said = advise(arms, pairs(arms, {(0, 1): 0.0}), "examples")
    assert "draw 13b once, greedily: 0.900, 30.0 points above 7b x2" in said.with_tests


def test_the_price_is_against_the_first_arm_also_under_a_budget() -> None:
    first, second = plans("13b", "7b", budget=Budget(flops=2e13))
    assert first.budget_ratio.flops != 1
    arms = [arm(first, 0.4, 0.4), arm(second, 0.6, 0.6)]
    said = advise(arms, pairs(arms, {(0, 1): 0.01}), "examples")
    ratio = second.cost.flops / first.cost.flops  # type: ignore[operator]
    assert f"20.0 points above 13b x{first.k} [+16.0, +24.0], for {ratio:.2f} of its FLOPs" in said.with_tests


@pytest.mark.parametrize("p_value", [0.0499, 0.05])
def test_the_line_is_at_five_percent(p_value: float) -> None:
    first, second = plans("13b:1", "7b:2")
    arms = [arm(first, 0.9, 0.9), arm(second, 0.6, 0.6)]
    said = advise(arms, pairs(arms, {(0, 1): p_value}), "examples").with_tests
    assert ("do not separate" in said) == (p_value >= 0.05)


@pytest.mark.parametrize(("tasks", "warns"), [(1, True), (7, True), (8, False)])
def test_few_tasks_are_warned_of(tasks: int, warns: bool) -> None:
    first, second = plans("13b:1", "7b:2")
    arms = [arm(first, 0.9, 0.9), arm(second, 0.6, 0.6)]
    said = advise(arms, pairs(arms, {(0, 1): 0.01}), "examples", tasks=tasks)
    for sentence in (said.with_tests, said.without_tests):
        assert ("covers less than it claims (51 % at two, 75 % at three)" in sentence) == warns
