import json
from dataclasses import replace
from pathlib import Path

import pytest
from codebudget.budgets.calibration import load_calibration
from codebudget.budgets.costs import Conditions, cost_of_samples, sample_cost
from codebudget.budgets.dollars import Prices
from codebudget.budgets.flops import PAPER_WORKLOAD, decode_flops, prefill_flops
from codebudget.budgets.hardware import find_machine
from codebudget.budgets.models import families, find_model
from codebudget.budgets.notation import COST_FIELDS, parse_arm
from codebudget.budgets.plan import plan_arms, realised_flops, solve
from codebudget.budgets.runtime import Regime
from codebudget.errors import UserError
from codebudget.records import Budget, BudgetKind, Cost, Plan, Workload
from hypothesis import example, given, settings
from hypothesis import strategies as st

MODELS = [model.name for family in families() for model in family.models]
TOKENS = Workload(convention="tokens", prompt_tokens=150, output_tokens=200, source="test")

untimed = settings(deadline=None)

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
    assert first.cost.runtime_s is first.cost.usd is None
    assert first.cost.memory_bytes is not None


@untimed
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


@untimed
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


@untimed
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
    with pytest.raises(UserError, match="70b:1, or give `limit`"):
        planned("70b", "7b:1")
    assert [plan.k for plan in planned("70b", "7b", budget=Budget(flops=2e13))] == [1, 11]


@pytest.mark.parametrize("kind", ["runtime", "usd"])
def test_a_cost_that_cannot_be_known_names_the_way_to_know_it(kind: BudgetKind) -> None:
    with pytest.raises(UserError, match=r"70b:1: .*(depends on the machine|need a price).*`hardware`"):
        plan_arms([parse_arm("70b:1")], family="codellama", workload=PAPER_WORKLOAD, match=kind)
    with pytest.raises(UserError, match=r"70b: .*(depends on the machine|need a price)"):
        planned("70b", budget=Budget.model_validate({COST_FIELDS[kind]: 1.0}))


KINDS: tuple[BudgetKind, ...] = ("flops", "runtime", "memory", "usd")
PRECISIONS = ("fp32", "bf16", "fp8", "int4", "nf4", "w8a8", "w4a16-g32-asym")
ON_EIGHT = Conditions(machine=find_machine("b200x8"), prices=Prices(usd_per_hour=3.0))


def amount(cost: Cost, kind: BudgetKind) -> float:
    value: float | None = getattr(cost, COST_FIELDS[kind])
    assert value is not None
    return value


def on_eight(regime: Regime, concurrency: int | None = None) -> Conditions:
    return replace(ON_EIGHT, regime=regime, concurrency=concurrency)


small_workloads = st.just(PAPER_WORKLOAD) | st.builds(
    Workload,
    convention=st.just("tokens"),
    prompt_tokens=st.integers(1, 2000),
    output_tokens=st.integers(2, 2000),
    source=st.just("test"),
)
regimes: st.SearchStrategy[Regime] = st.sampled_from(("latency", "throughput"))
# What eight B200 hold at any precision.
FITTING = [name for name in MODELS if find_model(name).architecture.parameter_count() < 2e11]


@untimed
@given(st.sampled_from(FITTING), st.sampled_from(PRECISIONS), small_workloads, st.integers(1, 5000), regimes, st.data())
def test_the_largest_k_fits_every_limit_and_one_more_does_not(
    name: str, precision: str, workload: Workload, k: int, regime: Regime, data: st.DataObject
) -> None:
    cost = cost_of_samples(find_model(name), workload, precision=precision, conditions=on_eight(regime))
    kinds = data.draw(st.lists(st.sampled_from(KINDS), min_size=1, unique=True))
    limits = {kind: amount(cost(k), kind) * data.draw(st.floats(1, 1.5)) for kind in kinds}
    budget = Budget.model_validate({COST_FIELDS[kind]: limit for kind, limit in limits.items()})
    arm = parse_arm(f"{name}@{precision}")
    (plan,) = solve(budget, [arm], workload=workload, conditions=on_eight(regime))
    fits, beyond = cost(plan.k), cost(plan.k + 1)
    assert plan.k >= k
    assert plan.cost == fits
    assert all(amount(fits, kind) <= limit for kind, limit in limits.items())
    assert plan.binding in limits
    assert amount(beyond, plan.binding) > limits[plan.binding]
    assert plan.matched
    for kind, limit in limits.items():
        assert amount(plan.leftover, kind) == pytest.approx(limit - amount(fits, kind))


@untimed
@given(
    st.sampled_from(FITTING),
    st.sampled_from(PRECISIONS),
    small_workloads,
    st.integers(1, 2000),
    regimes,
    st.none() | st.integers(1, 64),
    st.integers(0, 500),
)
# A longer text lowers how many samples fit at once, and two waves of other sizes may be the faster ones.
@example(
    "llama-33b",
    "fp32",
    Workload(convention="tokens", prompt_tokens=1, output_tokens=269, source="test"),
    257,
    "latency",
    None,
    446,
)
def test_no_cost_falls_when_k_or_tokens_grow(
    name: str, precision: str, workload: Workload, k: int, regime: Regime, concurrency: int | None, more: int
) -> None:
    conditions, model = on_eight(regime, concurrency), find_model(name)
    here = sample_cost(model, workload, k, precision=precision, conditions=conditions)
    grown = [sample_cost(model, workload, k + more, precision=precision, conditions=conditions)]
    if workload.convention == "tokens":
        for field in ("prompt_tokens", "output_tokens"):
            longer = workload.model_copy(update={field: getattr(workload, field) + more})
            grown.append(sample_cost(model, longer, k, precision=precision, conditions=conditions))
    for cost in grown:
        for kind in KINDS:
            assert amount(cost, kind) >= amount(here, kind) * (1 - 1e-12)


@untimed
@given(
    st.sampled_from(PRECISIONS),
    small_workloads,
    st.integers(1, 500),
    regimes,
    st.sampled_from(["layers", "ffn_size", "vocab_size", "kv_heads"]),
    st.integers(2, 3),
)
def test_no_cost_falls_when_parameters_grow(
    precision: str, workload: Workload, k: int, regime: Regime, field: str, factor: int
) -> None:
    model = find_model("llama-3-8b")
    larger = model.architecture.model_copy(update={field: getattr(model.architecture, field) * factor})
    if field == "kv_heads":
        larger = model.architecture.model_copy(update={"kv_heads": model.architecture.heads})
    here, there = (
        sample_cost(
            model.model_copy(update={"architecture": shape}),
            workload,
            k,
            precision=precision,
            conditions=on_eight(regime),
        )
        for shape in (model.architecture, larger)
    )
    for kind in KINDS:
        assert amount(there, kind) >= amount(here, kind) * (1 - 1e-12)


@untimed
@given(st.sampled_from(FITTING), small_workloads, st.integers(1, 50), regimes)
def test_an_impossible_limit_says_which_and_by_how_much(
    name: str, workload: Workload, share: int, regime: Regime
) -> None:
    one = sample_cost(find_model(name), workload, 1, precision="bf16", conditions=on_eight(regime))
    for kind in KINDS:
        budget = Budget.model_validate({COST_FIELDS[kind]: amount(one, kind) * share / 51})
        with pytest.raises(UserError, match=rf"one sample takes .* more than the budget allows \({kind} "):
            solve(budget, [parse_arm(f"{name}@bf16")], workload=workload, conditions=on_eight(regime))


def test_the_question_of_precision() -> None:
    arms = [parse_arm(arm) for arm in ("70b@int4:1", "13b@bf16", "7b@bf16")]
    plans = plan_arms(arms, family="codellama", workload=TOKENS, match="memory")
    assert [plan.precision for plan in plans] == ["int4", "bf16", "bf16"]
    assert plans[0].k == 1 < plans[1].k < plans[2].k
    assert all(plan.matched and plan.equal and plan.binding == "memory" for plan in plans)
    assert amount(plans[0].cost, "memory") == pytest.approx(38e9, rel=0.15)


def test_at_a_fixed_concurrency_memory_bounds_no_k() -> None:
    held = Conditions(concurrency=4)
    with pytest.raises(UserError, match=r"13b: with `concurrency` 4 memory does not limit.*13b:K"):
        plan_arms(
            [parse_arm("70b:1"), parse_arm("13b")],
            family="codellama",
            workload=TOKENS,
            match="memory",
            conditions=held,
        )
    budget = Budget(flops=1e15, memory_bytes=2**35)
    (plan,) = solve(budget, [parse_arm("13b")], workload=TOKENS, conditions=held)
    assert (plan.binding, plan.matched) == ("flops", True)
    assert plan.k > 100
    first, fits, over = plan_arms(
        [parse_arm(arm) for arm in ("13b:9", "7b:50", "70b:1")],
        family="codellama",
        workload=TOKENS,
        match="memory",
        conditions=held,
    )
    assert (first.matched, fits.matched, over.matched) == (True, True, False)
    assert first.cost.memory_bytes == sample_cost(find_model("13b"), TOKENS, 4).memory_bytes


def test_several_limits_are_bound_by_the_first_that_is_exceeded() -> None:
    roomy = Budget(flops=1e30, memory_bytes=2**35, runtime_s=1e9)
    (plan,) = solve(roomy, [parse_arm("13b")], workload=TOKENS, conditions=on_eight("throughput"))
    assert plan.binding == "memory"
    assert plan.leftover.flops is not None
    assert plan.leftover.usd is None


def test_contradictions_and_empty_input() -> None:
    arm = [parse_arm("70b:1")]
    with pytest.raises(UserError, match="not both"):
        plan_arms(arm, family="codellama", workload=PAPER_WORKLOAD, match="flops", budget=Budget(flops=1e15))
    with pytest.raises(UserError, match="the budget is empty"):
        planned("70b", budget=Budget())
    with pytest.raises(UserError, match="at least one arm"):
        planned()
    both = Conditions(machine=find_machine("h100x8"), calibration=load_calibration("paper"))
    with pytest.raises(UserError, match="`hardware` or `calibration`, not both"):
        plan_arms(arm, family="codellama", workload=PAPER_WORKLOAD, conditions=both)
    with pytest.raises(UserError, match="at least 1"):
        sample_cost(find_model("7b"), PAPER_WORKLOAD, 0)
    for tolerance in (-0.1, float("nan"), float("inf")):
        with pytest.raises(UserError, match="tolerance"):
            plan_arms(arm, family="codellama", workload=PAPER_WORKLOAD, tolerance=tolerance)


def test_a_limit_that_bounds_nothing_is_said() -> None:
    one_token = Workload(convention="tokens", prompt_tokens=10, output_tokens=1, source="test")
    with pytest.raises(UserError, match="2 output tokens"):
        planned("7b:1", "7b", workload=one_token)
