"""`codebudget compare --report`: a page of its own, and Markdown for a pull request."""

import json
import re
from pathlib import Path

import pytest

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
