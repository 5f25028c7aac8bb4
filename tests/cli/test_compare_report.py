"""`codebudget compare --report`: a page of its own, and Markdown for a pull request."""

import json
import re
from pathlib import Path

import pytest
from codebudget.budgets.flops import decode_flops, prefill_flops
from codebudget.budgets.models import find_model
from codebudget.experiment.crossings import format_budget

from support.rows import jsonl, read_rows

BOTH = ("--samples", "13b=big.jsonl", "--samples", "7b=small.jsonl")


def test_writes_a_page_and_markdown_beside_the_table(compare, visit, tiny: Path) -> None:
    result = compare("13b:1", "7b:2", *BOTH, "--report", "out.html", "--report", "out.md")
    assert result.returncode == 0, result.stderr
    assert "With unit tests" in result.stdout
    seen = visit(tiny / "out.html")
    page = seen.page
    assert page.title().startswith("13b:1 or 7b:2?")
    assert page.locator("table.ranking tbody th.arm").count() == 2
    assert "With unit tests" in page.locator("#advice").inner_text()
    assert page.locator("#cost svg.main-svg").first.is_visible()
    # What one comparison does not have is not there.
    assert not page.locator("#candidates").is_visible()
    assert not page.get_by_role("link", name="Candidates").is_visible()
    assert seen.complaints == []
    assert [url for url in seen.requests if not url.startswith("data:")] == [(tiny / "out.html").as_uri()]
    text = (tiny / "out.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| `13b:1` |")]
    assert len(rows) == 1
    score = re.search(r"\d\.\d{3} \[\d\.\d{3}, \d\.\d{3}\]", rows[0])
    assert score is not None
    assert score[0] in result.stdout


def test_the_page_shows_curves_at_total_cost_with_named_crossings(compare, visit, tiny: Path) -> None:
    for name in ("big", "small"):
        rows = [row | {"prompt_tokens": 10, "output_tokens": 100} for row in read_rows(tiny / f"{name}.jsonl")]
        (tiny / f"{name}.jsonl").write_text(jsonl(rows))
    arms = ("13b:1", "7b:3", "7b:1,13b:1")
    result = compare(*arms, *BOTH, "--ranker", "examples", "--report", "out.html", "--json")
    assert result.returncode in (0, 1), result.stderr
    answer = json.loads(result.stdout.splitlines()[-1])
    seen = visit(tiny / "out.html")
    page = seen.page
    headlines = page.locator("#headline .headline")
    assert headlines.count() == len(answer["effects"]) == 2
    for shown, effect in zip(headlines.all_inner_texts(), answer["effects"], strict=True):
        points, low, high = (100 * effect[name] for name in ("difference", "low", "high"))
        assert f"{points:+.1f} points" in shown
        assert f"95 % interval [{low:+.1f}, {high:+.1f}]" in shown
        assert f"{effect['arm']} against {effect['other']}" in shown
        assert f"for {effect['cost_ratio']:.2f} of its FLOPs" in shown
    curves = page.locator("#curves")
    curves.scroll_into_view_if_needed()
    assert curves.locator(".legend label").all_inner_texts() == ["7b", "13b", "7b:1,13b:1"]
    assert curves.locator(".legend input:checked").count() == 3
    assert curves.locator(".xtitle").text_content() == "total FLOPs per task"
    assert curves.locator(".ytitle").text_content() == "pass@k, share of tasks solved"
    for axis, form in (("x", r"[\d.]+ [GT]"), ("y", r"\d+%")):
        ticks = curves.locator(f".{axis}tick text").all_text_contents()
        assert len(ticks) > 1
        assert all(re.fullmatch(form, tick) for tick in ticks), ticks
    # Two of the small model's programs cost more than the cascade, and less than one of the large model's.
    architecture = find_model("7b").architecture
    two = prefill_flops(architecture, 10) + 2 * decode_flops(architecture, 10, 100)
    (crossing,) = curves.locator("ul.crossings li").all_inner_texts()
    assert crossing.startswith("A pass_flops@f: 7b (x2) overtakes 7b:1,13b:1 (x2) from")
    assert format_budget("flops", two) in crossing
    (mark,) = curves.locator(".scatterlayer .textpoint").all_text_contents()
    assert mark.startswith("A: 7b overtakes 7b:1,13b:1from")
    assert "Pairs without a crossing (2)" in curves.inner_text()
    cost = answer["arms"][1]["realised"]["flops"]
    rows = curves.locator("details.data tbody tr")
    budget = page.evaluate("cost => codebudget.format.cost('flops', cost)", cost)
    cells = [row.locator("th, td").all_text_contents()[:3] for row in rows.all()]
    assert ["7b", "3", budget] in cells
    assert seen.complaints == []
    assert [url for url in seen.requests if not url.startswith("data:")] == [(tiny / "out.html").as_uri()]


def test_writes_what_json_prints(compare, tiny: Path) -> None:
    table = compare("13b:1", "7b:2", *BOTH, "--report", "out.json")
    assert "With unit tests" in table.stdout
    printed = json.loads(compare("13b:1", "7b:2", *BOTH, "--json").stdout)
    written = json.loads((tiny / "out.json").read_text())
    for answer in (printed, written):
        for arm in answer["arms"]:
            # Seconds of ranking are measured anew.
            for score in arm["rankers"].values():
                score["cost_s"] = None
    assert written == printed


@pytest.mark.parametrize(
    ("name", "message"),
    [("out.pdf", "use a file name ending in .html, .md or .json"), ("no/out.md", "does not exist; create it")],
)
def test_a_report_that_cannot_be_written_is_one_line_before_any_work(compare, name: str, message: str) -> None:
    result = compare("13b:1", "7b:2", *BOTH, "--report", name)
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert message in line
    assert not result.stdout
