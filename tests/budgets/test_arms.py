from typing import get_args

import pytest
from codebudget.budgets.models import find_model
from codebudget.budgets.notation import format_amount, parse_amount, parse_arm, parse_budget
from codebudget.budgets.precision import NAMED_PRECISIONS, parse_precision
from codebudget.errors import UserError
from codebudget.records import Budget, BudgetKind
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "name", "precision", "k", "greedy"),
    [
        ("70b:1", "70b", None, 1, False),
        ("13b@int4:5", "13b", "int4", 5, False),
        ("13b", "13b", None, None, False),
        ("70b:greedy", "70b", None, 1, True),
        ("13b@BF16", "13b", "bf16", None, False),
        ("codellama/CodeLlama-7b-hf@w4a16-g128-sym:10", "codellama/CodeLlama-7b-hf", "w4a16-g128", 10, False),
        ("4m@W3A16-g64-asym-RTN-lorc8:2", "4m", "w3a16-g64-asym-lorc8", 2, False),
        ("7b@fp8-lorc4", "7b", "fp8-lorc4", None, False),
        ("model@w4a16-turbo", "model@w4a16-turbo", None, None, False),
        ("./my.model/v1.2:3", "./my.model/v1.2", None, 3, False),
        ("/a:b/c@d/e", "/a:b/c@d/e", None, None, False),
        ("/a:b/c@d/e@fp8:7", "/a:b/c@d/e", "fp8", 7, False),
        ("qwen2.5-coder:7b", "qwen2.5-coder:7b", None, None, False),
        ("qwen2.5-coder:7b:5", "qwen2.5-coder:7b", None, 5, False),
        ("qwen2.5-coder:7b@Q", "qwen2.5-coder:7b@Q", None, None, False),
        ("qwen2.5-coder:7b@int4:Greedy", "qwen2.5-coder:7b", "int4", 1, True),
        ("vendor/model:free", "vendor/model:free", None, None, False),
        ("vendor/model:free:3", "vendor/model:free", None, 3, False),
        ("model@2024-08-06", "model@2024-08-06", None, None, False),
        ("model@2024-08-06:2", "model@2024-08-06", None, 2, False),
        ("model@2024-08-06@bf16:2", "model@2024-08-06", "bf16", 2, False),
        ("llama3.1:8b-instruct-q4_K_M:4", "llama3.1:8b-instruct-q4_K_M", None, 4, False),
        ("13b:²", "13b:²", None, None, False),
    ],
)
def test_arms_as_typed(text: str, name: str, precision: str | None, k: int | None, greedy: bool) -> None:
    arm = parse_arm(text)
    assert (arm.spec, arm.name, arm.precision, arm.k, arm.greedy) == (text, name, precision, k, greedy)


@given(
    st.from_regex(r"[a-z0-9._/-]*[a-z0-9]", fullmatch=True),
    st.none() | st.sampled_from([*NAMED_PRECISIONS, "w8a8", "w4a16-g64-asym-awq-lorc8"]),
    st.none() | st.just("greedy") | st.integers(1, 10**9 - 1),
)
def test_any_arm_is_read_back(name: str, precision: str | None, count: int | str | None) -> None:
    text = name + (f"@{precision}" if precision else "") + (f":{count}" if count else "")
    arm = parse_arm(text)
    assert (arm.name, arm.precision, arm.greedy) == (name, precision, count == "greedy")
    assert arm.k == (1 if count == "greedy" else count)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no model"),
        (":5", "has no model"),
        ("@int4:5", "has no model"),
        ("13b:0", "at least 1"),
        ("13b:-1", "at least 1"),
        ("13b:", "at least 1"),
        ("13b:1.5", "at least 1"),
        ("13b:" + "9" * 5000, "at least 1"),
        ("13b:5@int4", r"MODEL\[@PRECISION\]\[\+think\|\+nothink\]\[:K\]"),
        ("13b:+5", "at least 1"),
        ("13b:1e3", "at least 1"),
        ("13b:greedy@int4", r"K comes last; write MODEL\[@PRECISION\]\[\+think\|\+nothink\]\[:K\]"),
        ("qwen2.5-coder:7b:0", "at least 1"),
        ("13b@", "unknown precision"),
        ("@int4", "has no model"),
    ],
)
def test_a_wrong_arm_is_the_users_mistake(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_arm(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("13b@int5", "unknown precision 'int5': .*int4"),
        ("13b@w0a16:2", "unknown precision 'w0a16'"),
        ("codellama-13b@w4a16-g0", "unknown precision 'w4a16-g0': cannot read '-g0'"),
        ("13b@w4a16-g128-gtpq", "unknown precision .*: cannot read '-gtpq'"),
        ("13b:five", "'five' is not a valid sample count: write 13b:K"),
        ("13b@int4:five", "'five' is not a valid sample count: write 13b@int4:K"),
    ],
)
def test_a_mistyped_part_of_a_known_models_arm_is_named(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        find_model(parse_arm(text).name)


def test_precisions_are_read_in_any_case() -> None:
    assert parse_precision("W4A16-G128-Asym") == "w4a16-g128-asym"


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("flops", "2e13", 2e13),
        ("flops", "20TFLOP", 2e13),
        ("flops", "20 tflops", 2e13),
        ("flops", "1.5PFLOP", 1.5e15),
        ("flops", "5FLOP", 5),
        ("runtime", "30s", 30),
        ("runtime", "5min", 300),
        ("runtime", "250 ms", 0.25),
        ("runtime", "1.5h", 5400),
        ("memory", "80GiB", 80 * 2**30),
        ("memory", "24GB", 24e9),
        ("memory", "24 gb", 24e9),
        ("memory", "512MiB", 2**29),
        ("usd", "$0.02", 0.02),
        ("usd", "0.02", 0.02),
        ("usd", ".02USD", 0.02),
    ],
)
def test_amounts_as_people_write_them(kind: BudgetKind, text: str, value: float) -> None:
    assert parse_amount(kind, text) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("flops", ""),
        ("flops", "many"),
        ("flops", "20T"),
        ("flops", "nan"),
        ("flops", "inf"),
        ("flops", "1e999"),
        ("flops", "0"),
        ("flops", "-2e13"),
        ("flops", "$5"),
        ("runtime", "30"),
        ("runtime", "30GiB"),
        ("memory", "80"),
        ("memory", "80G"),
        ("usd", "$"),
        ("usd", "$-1"),
    ],
)
def test_an_unreadable_amount_is_the_users_mistake(kind: BudgetKind, text: str) -> None:
    with pytest.raises(UserError, match=kind):
        parse_amount(kind, text)


@given(st.sampled_from(get_args(BudgetKind)), st.floats(1e-6, 1e24))
def test_a_written_amount_is_read_back(kind: BudgetKind, value: float) -> None:
    assert parse_amount(kind, format_amount(kind, value)) == pytest.approx(value, rel=5.1e-4)


def test_the_unit_follows_the_rounded_value() -> None:
    assert format_amount("flops", 999.99e12) == "1 PFLOP"
    assert format_amount("flops", 0) == "0 FLOP"
    assert format_amount("memory", 80 * 2**30) == "80 GiB"


def test_a_budget_of_all_kinds() -> None:
    budget = parse_budget("flops=2e13, runtime=30s,memory=80GiB,usd=$0.02")
    assert budget == Budget(flops=2e13, runtime_s=30, memory_bytes=80 * 2**30, usd=0.02)


@pytest.mark.parametrize("text", ["", "flops", "2e13", "flops=", "time=30s", "flops=1,flops=2", "flops=1,,usd=1"])
def test_a_wrong_budget_is_the_users_mistake(text: str) -> None:
    with pytest.raises(UserError):
        parse_budget(text)
