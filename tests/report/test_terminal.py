"""The tables of a comparison, from records."""

import pytest
from codebudget.budgets.flops import PAPER_WORKLOAD
from codebudget.budgets.notation import parse_arm
from codebudget.budgets.plan import plan_arms
from codebudget.records import (
    ArmResult,
    BudgetKind,
    Comparison,
    Cost,
    Interval,
    PairedResult,
    RankerScore,
    Realised,
    StratumScore,
    VerdictSentences,
)
from codebudget.report.terminal import print_comparison

SCORE = Interval(value=0.5, low=0.25, high=0.75)


def comparison(*specs: str, realised: float | None = None, match: BudgetKind = "flops") -> Comparison:
    plans = plan_arms([parse_arm(spec) for spec in specs], family="codellama", workload=PAPER_WORKLOAD, match=match)
    ratio = Realised(cost=Cost(flops=realised), budget_ratio=Cost(flops=realised))
    rankers = {
        name: RankerScore(value=0.5, low=0.25, high=0.75, cost_s=0.125) for name in ("examples", "./a[b].py:Mine")
    }
    arms = tuple(
        ArmResult(
            plan=plan,
            n=plan.k,
            samples=plan.k * 9,
            pass_at_k=SCORE,
            rankers=rankers,
            realised=ratio,
            statuses={"passed": 1},
            strata=(StratumScore(name="long", n=1, pass_at_1=SCORE),) if place == 0 else (),
        )
        for place, plan in enumerate(plans)
    )
    row = PairedResult(a=specs[0], b=specs[-1], metric="pass_at_k", difference=-0.5, low=-1, high=0, p_value=1e-5)
    other = row.model_copy(update={"metric": "./a[b].py:Mine", "p_value": 0.5})
    return Comparison(
        benchmark="mine",
        workload=PAPER_WORKLOAD,
        sandbox="bubblewrap",
        tasks=9,
        left_out={f"t{number}": "why [not]" for number in range(7)},
        arms=arms,
        paired=(row, other),
        decisive_ranker="examples",
        verdict=VerdictSentences(with_tests="Run A.", without_tests="Run B."),
        warnings=(),
        sandbox_errors=0,
    )


def shown(capsys: pytest.CaptureFixture[str], result: Comparison) -> str:
    print_comparison(result)
    return capsys.readouterr().out


def test_it_says_where_figures_come_from(capsys: pytest.CaptureFixture[str]) -> None:
    text = " ".join(shown(capsys, comparison("70b:1", "13b:5")).split())
    assert "mine, 9 tasks, graded in the bubblewrap sandbox" in text
    assert "0.500 [0.250, 0.750]" in text
    assert "0.935" in text
    assert "Run A. Run B." in text


def test_what_arms_were_matched_by_is_shown_beside_flops(capsys: pytest.CaptureFixture[str]) -> None:
    assert "memory ratio" in shown(capsys, comparison("70b@int4:1", "13b@bf16:5", match="memory"))
    assert "memory" not in shown(capsys, comparison("70b@int4:1", "13b@bf16:5"))


def test_what_was_left_out_is_grouped_by_reason(capsys: pytest.CaptureFixture[str]) -> None:
    assert "Left out, why [not]: 7 (t0, t1, t2, t3, t4, ...)" in shown(capsys, comparison("70b:1", "13b:5"))


def test_names_are_not_read_as_markup(capsys: pytest.CaptureFixture[str]) -> None:
    assert "./a[b].py:Mine" in shown(capsys, comparison("70b:1", "13b:5"))


def test_pairs_on_what_decides_are_shown_and_the_others_counted(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, comparison("70b:1", "13b:5"))
    assert "Holm over 2" in text
    assert "<0.001" in text
    assert text.count("70b:1 - 13b:5") == 1


def test_realised_costs_are_shown_where_there_are_any(capsys: pytest.CaptureFixture[str]) -> None:
    assert "realised" not in shown(capsys, comparison("70b:1", "13b:5"))
    text = shown(capsys, comparison("70b:1", "13b:5", realised=1.25))
    assert "realised" in text
    assert "1.250" in text
    assert "128 tokens per sample" in " ".join(text.split())


def test_an_arm_without_a_setting_shows_a_dash(capsys: pytest.CaptureFixture[str]) -> None:
    line = next(line for line in shown(capsys, comparison("70b:1", "13b:5")).splitlines() if "long" in line)
    assert line.split() == ["long", "0.500", "[0.250,", "0.750]", "-"]


@pytest.mark.parametrize("columns", ["", "1", "80", "100", "300", "x"])
@pytest.mark.parametrize("count", [1, 3, 4, 7])
def test_it_fits(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: str, count: int) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    is_narrow = columns in ("1", "80")
    specs = [f"codellama-70b@bf16:{k + 1}" for k in range(count)]
    text = shown(capsys, comparison(*specs, realised=1.25))
    assert max(map(len, text.splitlines())) <= (80 if is_narrow else 100)
    assert "…" not in text
    assert is_narrow or all(text.split().count(spec) >= 2 for spec in specs)
    assert "Run A." in text
