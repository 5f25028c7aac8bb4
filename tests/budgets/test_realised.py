import pytest
from codebudget.budgets.costs import Conditions
from codebudget.budgets.dollars import Prices, parse_token_price
from codebudget.budgets.flops import PAPER_WORKLOAD
from codebudget.budgets.hardware import find_machine
from codebudget.budgets.notation import parse_arm
from codebudget.budgets.plan import plan_arms
from codebudget.budgets.realised import realised_costs
from codebudget.records import Budget, BudgetKind, Candidate, Plan, Usage, Workload

WORKLOAD = Workload(convention="tokens", prompt_tokens=100, output_tokens=50, source="this test")


def plans(*specs: str, budget: Budget | None = None, match: BudgetKind | None = None) -> tuple[Plan, ...]:
    arms = [parse_arm(spec) for spec in specs]
    return plan_arms(arms, family="codellama", workload=WORKLOAD, budget=budget, match=match)


def drawn(*counts: tuple[int | None, int | None]) -> list[Candidate]:
    return [
        Candidate(task_id="t", arm="a", index=index, raw="", program="", prompt_tokens=prompt, output_tokens=output)
        for index, (prompt, output) in enumerate(counts)
    ]


def linear_and_head_7b() -> tuple[int, int]:
    """Code Llama 7B by hand: weights of its 32 layers (4 projections, 3 matrices of the FFN), and of its head."""
    return 32 * (4 * 4096 * 4096 + 3 * 4096 * 11008), 4096 * 32016


def test_cost_is_one_prefill_and_k_mean_decodes_by_hand() -> None:
    (plan,) = plans("7b:3")
    linear, head = linear_and_head_7b()
    pair = 32 * 2 * (4096 + 4096)  # all layers, per query and key position
    prefill = 2 * 10 * linear + pair * 10 * 10 + 2 * head
    # Two tokens out: one decode step, which attends to 11 positions. One token out: none.
    one_step = 2 * (linear + head) + pair * 11
    (got,) = realised_costs([plan], [[drawn((10, 2), (10, 1))]], 0.05)
    assert got.cost.flops == pytest.approx(prefill + 3 * one_step / 2)
    assert got.cost.runtime_s is None
    assert got.budget_ratio.flops == 1
    assert got.matched is True
    assert got.equal is True


def test_tasks_count_alike_however_many_samples_they_have() -> None:
    (plan,) = plans("7b:1")
    (short,) = realised_costs([plan], [[drawn((10, 5))]], 0.05)
    (long,) = realised_costs([plan], [[drawn((200, 90))]], 0.05)
    (both,) = realised_costs([plan], [[drawn((10, 5)), drawn(*[(200, 90)] * 7)]], 0.05)
    assert both.cost.flops == pytest.approx((short.cost.flops + long.cost.flops) / 2)  # type: ignore[operator]


def test_samples_as_long_as_planned_cost_what_was_planned() -> None:
    planned = plans("70b:1", "13b", "7b")
    as_planned = [[drawn(*[(100, 50)] * plan.k)] for plan in planned]
    for plan, got in zip(planned, realised_costs(planned, as_planned, 0.05), strict=True):
        assert got.cost.flops == pytest.approx(plan.cost.flops)
        assert got.budget_ratio.flops == pytest.approx(plan.budget_ratio.flops)
        assert (got.matched, got.equal) == (plan.matched, plan.equal)


def test_longer_samples_break_a_match() -> None:
    planned = plans("70b:1", "7b")
    first, second = realised_costs(planned, [[drawn((100, 50))], [drawn((100, 90))]], 0.05)
    assert planned[1].matched
    assert first.matched
    assert second.matched is False
    assert second.equal is False


def test_a_missing_count_makes_it_unknown_and_never_zero() -> None:
    planned = plans("70b:1", "7b")
    first, second = realised_costs(planned, [[drawn((100, 50))], [drawn((100, 50), (100, None))]], 0.05)
    assert first.cost.flops is not None
    assert second.cost.flops is None
    assert second.matched is None
    first, second = realised_costs(planned, [[drawn((None, 50))], [drawn((100, 50))]], 0.05)
    assert first.cost.flops is None
    assert second.cost.flops is not None
    assert second.budget_ratio.flops is None
    assert second.matched is None


def test_a_budget_takes_the_first_arms_place() -> None:
    budget = Budget(flops=1e14)
    planned = plans("70b", "7b", budget=budget)
    samples = [[drawn((100, 50))], [drawn((100, 50))]]
    for plan, got in zip(planned, realised_costs(planned, samples, 0.05, budget=budget), strict=True):
        assert got.budget_ratio.flops == pytest.approx(plan.cost.flops / 1e14)  # type: ignore[operator]
        assert got.matched is plan.matched is True


def test_flops_say_nothing_of_a_match_by_something_else() -> None:
    planned = plans("70b:1", "7b", match="memory")
    samples = [[drawn((100, 50))], [drawn((100, 50))]]
    for got in realised_costs(planned, samples, 0.05, match="memory"):
        assert got.budget_ratio.flops is not None
        assert got.matched is None
        assert got.equal is None
    budget = Budget(flops=1e15, memory_bytes=200 << 30)
    planned = plans("70b", "7b", budget=budget)
    assert {got.matched for got in realised_costs(planned, samples, 0.05, budget=budget)} == {None}
    budget = Budget(memory_bytes=200 << 30)
    planned = plans("70b:1", "7b:1", budget=budget)
    assert {got.budget_ratio.flops for got in realised_costs(planned, samples, 0.05, budget=budget)} == {None}


def test_no_tokens_at_all_is_a_cost_without_a_ratio() -> None:
    planned = plans("70b:1", "7b:1")
    for got in realised_costs(planned, [[drawn((0, 0))], [drawn((0, 0))]], 0.05):
        assert got.cost.flops == 0
        assert got.budget_ratio.flops is None
        assert got.matched is None


def test_what_was_measured_stands_beside_the_plan() -> None:
    planned = plans("70b:1", "7b", match="flops")
    as_planned = [[drawn(*[(100, 50)] * plan.k)] for plan in planned]
    took = [
        Usage(busy_s=8.0, wall_s=9.0, peak_memory_bytes=1 << 37, usd=0.5),
        Usage(busy_s=2.0, wall_s=3.0, peak_memory_bytes=1 << 34, usd=0.1),
    ]
    big, small = realised_costs(planned, as_planned, 0.05, measured=took, workload=WORKLOAD)
    assert (big.cost.runtime_s, big.cost.memory_bytes, big.cost.usd) == (8.0, 1 << 37, 0.5)
    assert (small.budget_ratio.runtime_s, small.budget_ratio.memory_bytes) == (0.25, 0.125)
    assert small.usage.wall_s == 3.0
    assert small.usage.prompt_tokens == 100
    assert small.usage.output_tokens == 50 * planned[1].k
    assert small.cost.flops == pytest.approx((small.usage.prefill_flops or 0) + (small.usage.decode_flops or 0))
    # Matched by FLOPs, as planned; the seconds are only told.
    assert (small.matched, small.equal) == (True, planned[1].equal)


@pytest.mark.parametrize(
    ("seconds", "matched", "equal"), [(8.0, True, True), (8.3, True, True), (6.0, False, False), (9.0, False, False)]
)
def test_seconds_decide_where_seconds_limit(seconds: float, matched: bool, equal: bool) -> None:
    planned = plans("70b:1", "7b:10")
    samples = [[drawn((100, 50))]] * 2
    took = [Usage(busy_s=8.0), Usage(busy_s=seconds)]
    _, small = realised_costs(planned, samples, 0.05, match="runtime", measured=took)
    assert (small.matched, small.equal) == (matched, equal)
    _, unknown = realised_costs(planned, samples, 0.05, match="runtime", measured=[Usage(busy_s=8.0), None])
    assert (unknown.matched, unknown.equal) == (None, None)


def test_dollars_that_nobody_measured_follow_from_the_tokens_of_every_request() -> None:
    prices = Prices(tokens=(parse_token_price("closed=2,10,0.5"), parse_token_price("7b=0.2,0.2")))
    planned = plan_arms(
        [parse_arm("closed:1"), parse_arm("7b:5"), parse_arm("13b:1")],
        family="codellama",
        workload=WORKLOAD,
        match="usd",
        conditions=Conditions(prices=prices.model_copy(update={"tokens": (*prices.tokens, parse_token_price("1,1"))})),
    )
    samples = [[drawn((100, 60)), drawn((300, 80))], [drawn((100, 50))], [drawn((100, 50))]]
    took = [None, Usage(usd=0.5), None]
    closed, known, unpriced = realised_costs(
        planned, samples, 0.05, match="usd", measured=took, prices=prices, workload=WORKLOAD
    )
    assert closed.cost.usd == pytest.approx((200 * 2 + 70 * 10) / 1e6)
    assert (closed.cost.flops, closed.usage.prompt_tokens, closed.usage.output_tokens) == (None, 200, 70)
    assert closed.usage.prefill_flops is closed.usage.decode_flops is None
    assert closed.deviations == (
        "dollars were 1.57 times the plan: a prompt had 200 tokens and an output 70, planned 100 and 50",
    )
    assert known.cost.usd == 0.5
    assert known.matched is False
    assert (unpriced.cost.usd, unpriced.matched) == (None, None)


def test_a_deviation_names_the_part_that_is_off() -> None:
    planned = plans("7b:4")
    (longer,) = realised_costs(planned, [[drawn((100, 100))]], 0.05, workload=WORKLOAD)
    (line,) = longer.deviations
    assert "outputs had 100 tokens, not 50" in line
    assert "prompts" not in line
    (both,) = realised_costs(planned, [[drawn((300, 20))]], 0.05, workload=WORKLOAD)
    (line,) = both.deviations
    assert "prompts had 300 tokens, not 100 (+" in line
    assert "outputs had 20 tokens, not 50 (-" in line
    (near,) = realised_costs(planned, [[drawn((100, 53))]], 0.05, workload=WORKLOAD)
    assert near.deviations == ()


def test_seconds_and_memory_that_are_off_are_explained() -> None:
    machine = Conditions(machine=find_machine("h100"))
    planned = plan_arms([parse_arm("7b:4")], family="codellama", workload=WORKLOAD, conditions=machine)
    cost = planned[0].cost
    assert cost.runtime_s is not None
    assert cost.memory_bytes is not None
    took = Usage(busy_s=4 * cost.runtime_s, peak_memory_bytes=round(2 * cost.memory_bytes))
    (got,) = realised_costs(planned, [[drawn((100, 100))]], 0.05, workload=WORKLOAD, measured=[took])
    flops, seconds, memory = got.deviations
    assert flops.startswith("FLOPs were 1.")
    assert seconds.startswith("seconds were 4.00 times the plan")
    assert "from the speed of machine and engine" in seconds
    assert memory.startswith("memory was 2.00 times the plan")
    assert "weights 12.55 GiB" in memory


def test_a_plan_by_the_papers_convention_is_said_to_be_one() -> None:
    planned = plan_arms([parse_arm("7b:4")], family="codellama", workload=PAPER_WORKLOAD)
    (got,) = realised_costs(planned, [[drawn((100, 300))]], 0.05, workload=PAPER_WORKLOAD)
    (line,) = got.deviations
    assert "counts one pass over 128 tokens per sample" in line
    assert "a sample 300" in line
