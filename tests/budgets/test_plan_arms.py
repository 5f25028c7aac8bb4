import json
from pathlib import Path

import pytest
from codebudget.budgets.arms import parse_arm
from codebudget.budgets.flops import PAPER_WORKLOAD, decode_flops, prefill_flops
from codebudget.budgets.models import families, find_model
from codebudget.budgets.plan import plan_arms, realised_flops, sample_cost
from codebudget.errors import UserError
from codebudget.records import Budget, BudgetKind, Plan, Workload
from hypothesis import given
from hypothesis import strategies as st

MODELS = [model.name for family in families() for model in family.models]
TOKENS = Workload(convention="tokens", prompt_tokens=150, output_tokens=200, source="test")

workloads = st.just(PAPER_WORKLOAD) | st.builds(
    Workload,
    convention=st.just("tokens"),
    prompt_tokens=st.integers(1, 4000),
    output_tokens=st.integers(2, 4000),
    source=st.just("test"),
)


def planned(
    *arms: str, workload: Workload = PAPER_WORKLOAD, family: str = "codellama", budget: Budget | None = None
) -> tuple[Plan, ...]:
    return plan_arms([parse_arm(arm) for arm in arms], family=family, workload=workload, budget=budget)


def cost_of(name: str, workload: Workload, k: int) -> float:
    flops = sample_cost(find_model(name), workload, k).flops
    assert flops is not None
    return flops


def test_the_paper_buys_two_five_and_ten_samples() -> None:
    plans = planned("70b:1", "34b", "13b", "7b")
    assert [plan.k for plan in plans] == [1, 2, 5, 10]
    assert all(plan.matched and plan.binding == "flops" for plan in plans)
    first = plans[0]
    assert (first.model, first.precision, first.equal) == ("codellama-70b", "bf16", True)
    assert (first.budget_ratio.flops, first.leftover.flops) == (1, 0)
    assert first.cost.runtime_s is first.cost.memory_bytes is first.cost.usd is None


@given(st.sampled_from(MODELS), workloads, st.integers(1, 10**7), st.floats(0, 0.999))
def test_a_budget_buys_the_most_that_fits(name: str, workload: Workload, k: int, share: float) -> None:
    below, above = cost_of(name, workload, k), cost_of(name, workload, k + 1)
    limit = min(below + share * (above - below), above * (1 - 1e-12))
    (plan,) = planned(name, workload=workload, budget=Budget(flops=limit))
    assert plan.k == k
    assert plan.cost.flops == below <= limit < above
    assert plan.matched
    assert plan.binding == "flops"
    assert plan.leftover.flops == limit - below
    assert plan.budget_ratio.flops == below / limit


@given(st.sampled_from(MODELS), st.sampled_from(MODELS), st.integers(1, 10**6), workloads)
def test_an_open_arm_takes_the_most_that_the_first_arm_costs(one: str, other: str, k: int, workload: Workload) -> None:
    limit = cost_of(one, workload, k)
    if cost_of(other, workload, 1) > limit:
        with pytest.raises(UserError, match=f"more than the first arm .{one}:{k}"):
            planned(f"{one}:{k}", other, workload=workload)
        return
    plan = planned(f"{one}:{k}", other, workload=workload)[1]
    assert cost_of(other, workload, plan.k) <= limit < cost_of(other, workload, plan.k + 1)
    assert plan.matched


@given(st.sampled_from(MODELS), workloads, st.integers(1, 10**6))
def test_cost_never_falls_with_k(name: str, workload: Workload, k: int) -> None:
    assert cost_of(name, workload, k) < cost_of(name, workload, k + 1)


def test_a_typed_k_is_kept_and_judged() -> None:
    _, short, fair, over = planned("70b:1", "7b:9", "7b:10", "7b:11")
    assert (short.matched, short.equal, short.binding) == (False, False, None)
    assert (fair.matched, fair.equal) == (True, True)
    assert (over.matched, over.equal, over.binding) == (False, False, "flops")
    assert over.leftover.flops == 0
    assert over.budget_ratio.flops == pytest.approx(11 / 10.4, rel=1e-3)


def test_a_typed_k_may_exceed_by_the_tolerance() -> None:
    arms = [parse_arm("70b:1"), parse_arm("7b:11")]
    for tolerance, matched in ((0.05, False), (0.06, True)):
        plan = plan_arms(arms, family="codellama", workload=PAPER_WORKLOAD, tolerance=tolerance)[1]
        assert (plan.matched, plan.equal) == (matched, matched)


def test_greedy_counts_as_one_sample() -> None:
    first, open_arm = planned("70b:greedy", "7b")
    assert first.k == 1
    assert first.arm.greedy
    assert open_arm.k == 10


def test_precision_is_the_arms_or_the_familys() -> None:
    plans = planned("30b:1", "13b@bf16:2", "codellama-7b:4", family="wizardlm")
    assert [plan.precision for plan in plans] == ["int4", "bf16", "bf16"]


def test_prefill_is_shared_by_samples() -> None:
    shape = find_model("7b").architecture
    prefill, decode = prefill_flops(shape, 150), decode_flops(shape, 150, 200)
    assert cost_of("7b", TOKENS, 1) == prefill + decode
    assert cost_of("7b", TOKENS, 5) == prefill + 5 * decode


def test_realised_flops_follow_each_samples_length() -> None:
    model = find_model("7b")
    assert realised_flops(model, 150, [200] * 5) == cost_of("7b", TOKENS, 5)
    expected = prefill_flops(model.architecture, 150) + decode_flops(model.architecture, 150, 77)
    assert realised_flops(model, 150, [0, 1, 77]) == expected


def test_a_local_model_without_a_precision_needs_one(tmp_path: Path) -> None:
    config = {"model_type": "llama", "num_hidden_layers": 2, "hidden_size": 8, "num_attention_heads": 4}
    (tmp_path / "config.json").write_text(json.dumps({**config, "intermediate_size": 12, "vocab_size": 10}))
    with pytest.raises(UserError, match="@bf16"):
        planned(f"{tmp_path}:1")
    assert planned(f"{tmp_path}@fp32:1")[0].precision == "fp32"


def test_a_budget_too_small_says_which_and_by_how_much() -> None:
    with pytest.raises(UserError, match=r"70b: one sample takes 17.59 TFLOP, 7.591 TFLOP more .*flops 10 TFLOP"):
        planned("70b", budget=Budget(flops=1e13))


def test_the_first_arm_needs_a_k_or_a_budget() -> None:
    with pytest.raises(UserError, match="70b:1, or give --budget"):
        planned("70b", "7b:1")
    assert [plan.k for plan in planned("70b", "7b", budget=Budget(flops=2e13))] == [1, 11]


@pytest.mark.parametrize("kind", ["runtime", "memory", "usd"])
def test_only_flops_can_match(kind: BudgetKind) -> None:
    with pytest.raises(UserError, match=f"{kind}.*only FLOPs"):
        plan_arms([parse_arm("70b:1")], family="codellama", workload=PAPER_WORKLOAD, match=kind)


def test_only_flops_can_be_limited() -> None:
    with pytest.raises(UserError, match=r"runtime and memory.*only FLOPs"):
        planned("70b", budget=Budget(flops=1e15, runtime_s=1, memory_bytes=1))


def test_contradictions_and_empty_input() -> None:
    arm = [parse_arm("70b:1")]
    with pytest.raises(UserError, match="not both"):
        plan_arms(arm, family="codellama", workload=PAPER_WORKLOAD, match="flops", budget=Budget(flops=1e15))
    with pytest.raises(UserError, match="no limit"):
        planned("70b", budget=Budget())
    with pytest.raises(UserError, match="at least one arm"):
        planned()
    with pytest.raises(UserError, match="at least 1"):
        sample_cost(find_model("7b"), PAPER_WORKLOAD, 0)
    for tolerance in (-0.1, float("nan"), float("inf")):
        with pytest.raises(UserError, match="tolerance"):
            plan_arms(arm, family="codellama", workload=PAPER_WORKLOAD, tolerance=tolerance)


def test_a_limit_that_bounds_nothing_is_said() -> None:
    one_token = Workload(convention="tokens", prompt_tokens=10, output_tokens=1, source="test")
    with pytest.raises(UserError, match="2 output tokens"):
        planned("7b:1", "7b", workload=one_token)
