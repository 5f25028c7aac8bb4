from pathlib import Path

import pytest
from codebudget.budgets.costs import Conditions, sample_cost
from codebudget.budgets.dollars import Prices, TokenPrice, load_prices, parse_token_price, tokens_usd
from codebudget.budgets.flops import PAPER_WORKLOAD
from codebudget.budgets.hardware import find_machine
from codebudget.budgets.models import find_model
from codebudget.budgets.notation import parse_arm
from codebudget.budgets.plan import plan_arms
from codebudget.errors import UserError
from codebudget.records import Budget, BudgetKind, Cost, Plan, Workload

TOKENS = Workload(convention="tokens", prompt_tokens=1000, output_tokens=200, source="test")


def planned(*arms: str, conditions: Conditions) -> tuple[Plan, ...]:
    parsed = [parse_arm(arm) for arm in arms]
    return plan_arms(parsed, family="codellama", workload=TOKENS, match="usd", conditions=conditions)


@pytest.mark.parametrize(
    ("text", "price"),
    [
        ("0.9,1.2", TokenPrice(usd_per_mtok_in=0.9, usd_per_mtok_out=1.2)),
        ("$0.9, $1.2", TokenPrice(usd_per_mtok_in=0.9, usd_per_mtok_out=1.2)),
        ("70b=0,3", TokenPrice(usd_per_mtok_in=0, usd_per_mtok_out=3, arm="70b")),
        ("1,2,0.1", TokenPrice(usd_per_mtok_in=1, usd_per_mtok_out=2, usd_per_mtok_cached=0.1)),
        (
            "vendor/model:free=0,0,0",
            TokenPrice(usd_per_mtok_in=0, usd_per_mtok_out=0, usd_per_mtok_cached=0, arm="vendor/model:free"),
        ),
        ("70b@int4=1,2", TokenPrice(usd_per_mtok_in=1, usd_per_mtok_out=2, arm="70b@int4")),
    ],
)
def test_prices_as_typed(text: str, price: TokenPrice) -> None:
    assert parse_token_price(text) == price


@pytest.mark.parametrize(
    "text", ["", "1", "1,2,3,4", "1,2,-3", "1,2,", "a,b", "=1,2", "-1,2", "inf,1", "70b=", "70b:1,2"]
)
def test_prices_that_cannot_be_read(text: str) -> None:
    with pytest.raises(UserError, match="IN,OUT"):
        parse_token_price(text)


def test_a_served_model_charges_the_prompt_of_every_request() -> None:
    price = TokenPrice(usd_per_mtok_in=3, usd_per_mtok_out=15)
    assert tokens_usd(price, TOKENS, 5) == pytest.approx(5 * (1000 * 3 + 200 * 15) / 1e6)
    assert tokens_usd(price, PAPER_WORKLOAD, 5) == pytest.approx(5 * 128 * 3 / 1e6)


def test_hours_of_all_devices_are_paid() -> None:
    conditions = Conditions(machine=find_machine("h100x4"), prices=Prices(usd_per_hour=2.5))
    cost = sample_cost(find_model("7b"), TOKENS, 3, conditions=conditions)
    assert cost.runtime_s is not None
    assert cost.usd == pytest.approx(cost.runtime_s * 4 * 2.5 / 3600)


def test_a_price_of_its_own_goes_before_the_price_of_all() -> None:
    prices = Prices(tokens=(parse_token_price("0.2,0.2"), parse_token_price("70b=0.9,0.9")))
    large, small = planned("70b:1", "7b", conditions=Conditions(prices=prices))
    assert large.cost.usd == pytest.approx(1200 * 0.9 / 1e6)
    assert small.cost.usd is not None
    assert small.k == 4
    assert small.cost.usd == pytest.approx(4 * 1200 * 0.2 / 1e6)
    assert small.binding == "usd"
    for key in ("70b:1", "70b@bf16"):
        named = Prices(tokens=(parse_token_price(f"{key}=1,1"), parse_token_price("0,0")))
        price = named.of_arm(parse_arm(key if ":" in key else f"{key}:3"))
        assert price is not None
        assert price.arm == key


def test_one_arm_may_be_served_and_another_run_on_hardware_of_ones_own() -> None:
    prices = Prices(usd_per_hour=1.0, tokens=(parse_token_price("70b=0.9,0.9"),))
    large, small = planned("70b:1", "7b", conditions=Conditions(machine=find_machine("l4"), prices=prices))
    assert large.cost.runtime_s is None
    assert small.cost.runtime_s is not None
    assert small.cost.usd == pytest.approx(small.cost.runtime_s / 3600)


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        (Conditions(), "`usd_per_mtok` IN,OUT.*`usd_per_hour`"),
        (Conditions(machine=find_machine("h100x8")), "need a price"),
        (Conditions(prices=Prices(usd_per_hour=1)), "needs a runtime: add `hardware`"),
        (Conditions(prices=Prices(tokens=(parse_token_price("13b=1,1"),))), "prices '13b', which is not an arm"),
        (Conditions(prices=Prices(usd_per_hour=1, tokens=(parse_token_price("1,1"),))), "not both"),
    ],
)
def test_dollars_need_a_price(conditions: Conditions, message: str) -> None:
    with pytest.raises(UserError, match=message):
        planned("70b:1", "7b", conditions=conditions)


def test_nothing_is_matched_to_an_arm_that_costs_nothing() -> None:
    conditions = Conditions(prices=Prices(tokens=(parse_token_price("0,0"),)))
    with pytest.raises(UserError, match="70b:1 has no usd cost to match"):
        planned("70b:1", "7b", conditions=conditions)


def test_cached_and_reasoning_tokens_are_parts_with_prices_of_their_own() -> None:
    price = TokenPrice(usd_per_mtok_in=2, usd_per_mtok_out=10, usd_per_mtok_cached=0.5, usd_per_mtok_reasoning=20)
    assert price.usd(1000, 100, cached=600, reasoning=40) == pytest.approx(
        (400 * 2 + 600 * 0.5 + 60 * 10 + 40 * 20) / 1e6
    )
    plain = TokenPrice(usd_per_mtok_in=2, usd_per_mtok_out=10)
    assert plain.usd(1000, 100, cached=600, reasoning=40) == plain.usd(1000, 100)


PRICE_FILE = """
[[prices]]
model = "vendor/model:free"
input = 2
output = 10.0
cached_input = 0.5
reasoning = 12.0
batch_input = 1.0
batch_output = 5.0
source = "https://example.org/pricing"
date = 2026-11-20

[[prices]]
model = "7b"
input = 0.2
output = 0.2
source = "an invoice"
date = 2026-11-01
"""


def test_a_price_file_has_prices_by_model_with_source_and_date(tmp_path: Path) -> None:
    (tmp_path / "prices.toml").write_text(PRICE_FILE)
    prices = Prices(listed=load_prices(tmp_path / "prices.toml"), tokens=(parse_token_price("7b=9,9"),))
    found = prices.of_arm(parse_arm("vendor/model:free:3"))
    assert found == TokenPrice(
        usd_per_mtok_in=2,
        usd_per_mtok_out=10,
        usd_per_mtok_cached=0.5,
        usd_per_mtok_reasoning=12,
        arm="vendor/model:free",
        origin="https://example.org/pricing, 2026-11-20",
    )
    typed = prices.of_arm(parse_arm("7b@int4:3"))
    assert typed is not None
    assert typed.usd_per_mtok_in == 9
    assert prices.of_arm(parse_arm("13b")) is None
    batch = prices.model_copy(update={"batch": True, "tokens": ()})
    found = batch.of_arm(parse_arm("vendor/model:free"))
    assert found is not None
    assert (found.usd_per_mtok_in, found.usd_per_mtok_out, found.usd_per_mtok_cached) == (1, 5, None)
    with pytest.raises(UserError, match="no batch prices for 7b"):
        batch.of_arm(parse_arm("7b"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prices = 3", r"\[\[prices\]\]"),
        ("", r"\[\[prices\]\]"),
        ("[[price]]", r"\[\[prices\]\]"),
        ("[[prices]\n", "not valid TOML"),
        ('[[prices]]\nmodel = "m"\ninput = 1\noutput = 1\ndate = 2026-01-01', "table 1: source"),
        ('[[prices]]\nmodel = "m"\ninput = -1\noutput = 1\nsource = "s"\ndate = 2026-01-01', "table 1: input"),
        ('[[prices]]\nmodel = "m"\ninput = inf\noutput = 1\nsource = "s"\ndate = 2026-01-01', "must be finite"),
        ('[[prices]]\nmodel = "m"\ninput = 1\noutput = 1\nsource = "s"\ndate = "soon"', "table 1: date"),
        ('[[prices]]\nmodel = "m"\ninput = 1\noutput = 1\nimput = 1\nsource = "s"\ndate = 2026-01-01', "imput"),
        (PRICE_FILE.replace("7b", "vendor/model:free"), "table 2: vendor/model:free is listed twice"),
    ],
)
def test_a_price_file_that_is_none_is_the_users_mistake(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "prices.toml").write_text(text)
    with pytest.raises(UserError, match=message):
        load_prices(tmp_path / "prices.toml")


def test_a_model_known_by_its_price_alone_is_planned_in_dollars() -> None:
    prices = Prices(tokens=(parse_token_price("vendor/model:free=2,10"), parse_token_price("model@2024-08-06=0.2,1")))
    large, small = planned("vendor/model:free:1", "model@2024-08-06", conditions=Conditions(prices=prices))
    assert (large.model, large.precision, large.k) == ("vendor/model:free", "unknown", 1)
    assert (small.model, small.k) == ("model@2024-08-06", 10)
    assert large.cost == Cost(usd=0.004)
    assert small.cost.flops is small.cost.memory_bytes is small.cost.runtime_s is None
    assert (small.budget_ratio.usd, small.matched, small.equal) == (pytest.approx(1), True, True)
    by_budget = plan_arms(
        [parse_arm("vendor/model:free")],
        family="codellama",
        workload=TOKENS,
        budget=Budget(usd=0.01),
        conditions=Conditions(prices=prices.model_copy(update={"tokens": prices.tokens[:1]})),
    )
    assert by_budget[0].k == 2


@pytest.mark.parametrize("match", ["flops", "memory", "runtime"])
def test_what_is_not_known_of_such_a_model_is_said(match: BudgetKind) -> None:
    prices = Prices(tokens=(parse_token_price("closed=2,10"),))
    arms = [parse_arm("closed:1"), parse_arm("7b")]
    with pytest.raises(UserError, match=r"closed:1: only the price of this model is known.*`match` usd"):
        plan_arms(arms, family="codellama", workload=TOKENS, match=match, conditions=Conditions(prices=prices))


def test_a_price_for_all_makes_no_model_of_an_unknown_name() -> None:
    with pytest.raises(UserError, match=r"unknown model '77b'.*`usd_per_mtok` 77b=IN,OUT"):
        planned("77b:1", conditions=Conditions(prices=Prices(tokens=(parse_token_price("1,1"),))))
    with pytest.raises(UserError, match="`family` llama1"):
        planned("65b:1", conditions=Conditions(prices=Prices(tokens=(parse_token_price("65b=1,1"),))))
