import pytest
from codebudget.budgets.costs import Conditions, sample_cost
from codebudget.budgets.dollars import Prices, TokenPrice, parse_token_price, tokens_usd
from codebudget.budgets.flops import PAPER_WORKLOAD
from codebudget.budgets.hardware import find_machine
from codebudget.budgets.models import find_model
from codebudget.budgets.notation import parse_arm
from codebudget.budgets.plan import plan_arms
from codebudget.errors import UserError
from codebudget.records import Plan, Workload

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
        ("70b@int4=1,2", TokenPrice(usd_per_mtok_in=1, usd_per_mtok_out=2, arm="70b@int4")),
    ],
)
def test_prices_as_typed(text: str, price: TokenPrice) -> None:
    assert parse_token_price(text) == price


@pytest.mark.parametrize("text", ["", "1", "1,2,3", "a,b", "=1,2", "-1,2", "inf,1", "70b=", "70b:1,2"])
def test_prices_that_cannot_be_read(text: str) -> None:
    with pytest.raises(UserError, match="IN,OUT"):
        parse_token_price(text)


def test_a_served_model_charges_the_prompt_once_and_every_output() -> None:
    price = TokenPrice(usd_per_mtok_in=3, usd_per_mtok_out=15)
    assert tokens_usd(price, TOKENS, 5) == pytest.approx((1000 * 3 + 5 * 200 * 15) / 1e6)
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
    assert small.cost.usd <= 1200 * 0.9 / 1e6 < small.cost.usd + 200 * 0.2 / 1e6
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
