"""The site in a real browser: it opens from a file, is worked by keyboard, and runs nothing of a candidate's."""

from __future__ import annotations

import gzip
import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest
from codebudget._util.progress import silent
from codebudget.leaderboard.site.build import build_site

from support.rows import jsonl
from support.synthetic_runs import make_run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HOSTILE = (
    "</script><script>window.hacked=1</script><img src=http://192.0.2.1/x onerror=window.hacked=1>"
    "<a href='javascript:window.hacked=1'>here</a><style>body{display:none}</style>&lt;b&gt;%{x}"
    "\"'`\u2028\u2029\x00\x1b[31mred\x1b]8;;http://192.0.2.1\x07\u202eesrever\ufeff"
)
"""HTML, templates of the plot library, line ends of JavaScript, NUL, ANSI and an override of direction."""

SECTIONS = ("ranking", "cost", "curves", "rankers", "tasks", "candidates", "runs")


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a site of three runs."""
    folder = tmp_path_factory.mktemp("site")
    runs = [folder / f"run-{number}" for number in range(3)]
    for number, path in enumerate(runs):
        make_run(path, number, arms=2, tasks=12, samples=10)
    build_site(runs, folder / "site", title=None, progress=silent)
    return folder / "site" / "index.html"


def poisoned(value: Any) -> Any:
    """JSON in which every free text ends in `HOSTILE`."""
    free = {
        "name",
        "description",
        "spec",
        "arm",
        "model",
        "precision",
        "task_id",
        "detail",
        "raw",
        "program",
        "stratum",
    }
    free |= {
        "prompt",
        "cpu",
        "launcher",
        "source",
        "with_tests",
        "without_tests",
        "a",
        "b",
        "ranker",
        "decisive_ranker",
    }
    lists = {"tasks", "warnings", "argv", "rankers"}
    if isinstance(value, list):
        return [poisoned(item) for item in value]
    if not isinstance(value, dict):
        return value
    changed = {}
    for key, item in value.items():
        if key in free and isinstance(item, str):
            changed[key] = item + HOSTILE
        elif key in lists and isinstance(item, list):
            changed[key] = [text + HOSTILE for text in item]
        elif key in ("rankers", "left_out") and isinstance(item, dict):
            changed[key] = {name + HOSTILE: poisoned(inner) for name, inner in item.items()}
        else:
            changed[key] = poisoned(item)
    return changed


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run in which every text attacks the page."""
    folder = tmp_path_factory.mktemp("hostile")
    run = folder / "run"
    make_run(run, 0, arms=2, tasks=5, samples=6)
    for name in ("candidates", "verdicts", "rankings"):
        path = run / f"{name}.jsonl.gz"
        rows = [poisoned(json.loads(line)) for line in gzip.decompress(path.read_bytes()).splitlines()]
        if name == "candidates":
            rows = [row | {"prompt": HOSTILE, "stratum": HOSTILE} for row in rows]
        path.write_bytes(gzip.compress(jsonl(rows).encode()))
    for name in ("results.json", "manifest.json"):
        found = poisoned(json.loads((run / name).read_text()))
        if name == "results.json":
            section = found["benchmarks"][0]
            section.update(benchmark="synthetic", left_out={f"T/9{HOSTILE}": HOSTILE}, warnings=[HOSTILE])
        (run / name).write_text(json.dumps(found))
    build_site([run], folder / "site", title=f"Board {HOSTILE}", progress=silent)
    return folder / "site" / "index.html"


def walk(page: Any) -> None:
    """Bring every section near, so that those that wait are drawn."""
    for section in SECTIONS:
        page.evaluate("id => document.getElementById(id).scrollIntoView()", section)
        page.wait_for_timeout(100)
    page.wait_for_selector("#candidates .sample", timeout=60_000)


def until(page: Any, expression: str) -> None:
    """Wait for a truth of the page. The policy forbids playwright's own way, which evaluates text in the page."""
    for _ in range(600):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"never true: {expression}")


def state(page: Any) -> dict[str, list[str]]:
    return parse_qs(page.evaluate("location.hash.slice(1)"))


def test_opens_from_a_file_and_asks_for_nothing_else(visit: Callable[..., Any], index: Path) -> None:
    seen = visit(index)
    walk(seen.page)
    assert seen.complaints == []
    assert all(url.startswith((index.parent.as_uri(), "data:")) for url in seen.requests)
    for section in SECTIONS:
        assert seen.page.locator(f"#{section}").is_visible()
    assert seen.page.locator(".plot svg.main-svg").count() >= 2
    # Candidates are loaded one by one, not all at once.
    assert sum("/candidates/" in url for url in seen.requests) == 1


def test_arms_that_share_a_rank_are_one_group(visit: Callable[..., Any], index: Path) -> None:
    page = visit(index).page
    groups = page.eval_on_selector_all(
        "table.ranking tbody", "all => all.map(g => [parseInt(g.querySelector('.rank').textContent), g.rows.length])"
    )
    ranks = [rank for rank, _ in groups]
    assert ranks == sorted(set(ranks))
    assert sum(size for _, size in groups) == 6
    assert ranks[0] == 1
    expected = page.evaluate(
        """() => {
            const { board } = codebudget.current;
            const better = board.entries.map(() => 0);
            for (const [a, b, , low, high] of board.pairs.pass_at_k) {
                if (low > 0) better[b] += 1;
                if (high < 0) better[a] += 1;
            }
            return better.map((count) => count + 1).sort((a, b) => a - b);
        }"""
    )
    assert [rank for rank, size in groups for _ in range(size)] == expected
    assert [page.locator(".tied").count()] == [sum(size > 1 for _, size in groups)]


def test_filters_are_kept_in_the_address(visit: Callable[..., Any], index: Path) -> None:
    page = visit(index).page
    page.locator("select[name=score]").focus()
    page.keyboard.type("picked by maj")
    until(page, "location.hash.includes('score=majority')")
    page.get_by_text("More filters").press("Enter")
    page.get_by_role("checkbox", name="int4", exact=True).uncheck()
    until(page, "document.getElementById('shown').textContent.includes('4 of 6')")
    kept = page.evaluate("location.hash")
    again = visit(index, kept).page
    assert again.locator("select[name=score]").input_value() == "majority"
    assert "4 of 6 arms" in again.locator("#shown").inner_text()
    assert "majority" in again.locator("table.ranking caption").inner_text()
    again.get_by_role("button", name="Reset").press("Enter")
    until(again, "document.getElementById('shown').textContent.includes('6 of 6')")


def test_the_matrix_is_walked_by_keys_and_opens_candidates(visit: Callable[..., Any], index: Path) -> None:
    page = visit(index).page
    walk(page)
    assert page.locator('.matrix td[tabindex="0"]').count() == 1
    page.locator('.matrix td[tabindex="0"]').focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "ArrowLeft", "ArrowRight"):
        page.keyboard.press(key)
    cell = page.evaluate("({ arm: document.activeElement.dataset.arm, task: document.activeElement.dataset.task })")
    page.keyboard.press("Enter")
    until(page, "location.hash.includes('task=')")
    assert state(page)["arm"] == [cell["arm"]]
    assert state(page)["task"] == [cell["task"]]
    until(page, f"document.querySelector('#candidates').textContent.includes({json.dumps(cell['task'])})")


def test_a_candidate_shows_program_verdict_ranks_and_raw_text(visit: Callable[..., Any], index: Path) -> None:
    page = visit(index, "#sample=3&by=examples").page
    walk(page)
    sample = page.locator(".sample")
    assert sample.get_by_role("heading").inner_text() == "Sample 3"
    assert "def solve_0" in sample.locator("pre").first.inner_text()
    sample.get_by_text("Raw text of the model").click()
    assert "def helper_3" in sample.locator("pre").nth(1).inner_text()
    heads = page.locator(".samples thead th").all_inner_texts()
    assert heads[:2] == ["Sample", "Verdict"]
    assert {"examples", "majority", "random"} <= set(heads)
    # All are equal for the ranker that picks blindly.
    assert "1\u201310" in page.locator(".samples tbody tr").first.inner_text()
    page.get_by_role("button", name="5", exact=True).press("Enter")
    until(page, "document.querySelector('.sample h3').textContent === 'Sample 5'")


def test_nothing_of_a_run_is_run_or_fetched(visit: Callable[..., Any], hostile: Path) -> None:
    seen = visit(hostile)
    page = seen.page
    walk(page)
    for plot in page.locator(".plot").all():
        plot.scroll_into_view_if_needed()
        for point in plot.locator(".scatterlayer .point").all()[:4]:
            point.hover(force=True)
            page.wait_for_timeout(80)
        assert plot.locator("a, img, script, style").count() == 0
    page.evaluate("document.querySelectorAll('details').forEach((fold) => { fold.open = true; })")
    assert page.evaluate("window.hacked") is None
    assert seen.complaints == []
    assert all(url.startswith((hostile.parent.as_uri(), "data:")) for url in seen.requests)
    assert page.locator("body img, body a[href^='javascript'], body style, main script").count() == 0
    assert page.locator("body").is_visible()
    for place in ("#title", ".ranking .arm", ".matrix tbody th", ".sample pre", "#runs .run", ".legend label"):
        text = page.locator(place).first.text_content()
        assert "<img src=http://192.0.2.1/x onerror=window.hacked=1>" in text
        assert "\\x1b[31mred" in text
        assert "\\u202eesrever" in text
    assert page.locator(".sample pre mark").first.inner_text().startswith("\\")
    whole = page.evaluate("document.documentElement.textContent + document.title")
    assert not {"\x00", "\x1b", "\u202e", "\u2028", "\ufeff"} & set(whole)


def test_the_policy_stops_what_would_slip_through(visit: Callable[..., Any], index: Path) -> None:
    seen = visit(index)
    failed = []
    seen.page.on("requestfailed", lambda request: failed.append((request.url, request.failure)))
    seen.page.evaluate(
        """() => {
            document.body.insertAdjacentHTML("beforeend", "<img src='http://192.0.2.1/x' onerror='window.hacked = 1'>");
            const script = document.createElement("script");
            script.textContent = "window.hacked = 2";
            document.body.append(script);
            const frame = "<iframe srcdoc='<script>parent.hacked = 3</script>'></iframe>";
            document.body.insertAdjacentHTML("beforeend", frame);
        }"""
    )
    seen.page.wait_for_timeout(200)
    assert seen.page.evaluate("window.hacked") is None
    assert failed == [(url, "csp") for url in seen.requests if url.startswith("http")]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_plots_and_page_follow_the_readers_colours(visit: Callable[..., Any], index: Path, scheme: str) -> None:
    page = visit(index, color_scheme=scheme).page
    page_colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    text = page.evaluate("getComputedStyle(document.querySelector('.plot .xtick text')).fill")
    darkness = [sum(map(int, colour.strip("rgba()").split(",")[:3])) for colour in (page_colour, text)]
    assert (darkness[0] < darkness[1]) == (scheme == "dark")


def test_a_phone_shows_all_without_scrolling_sideways(visit: Callable[..., Any], index: Path) -> None:
    page = visit(index, viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True).page
    walk(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    small = page.eval_on_selector_all(
        "select, button", "all => all.filter(e => e.offsetParent && e.offsetHeight < 32).map(e => e.outerHTML)"
    )
    assert small == []


def test_print_draws_every_section_on_white(visit: Callable[..., Any], index: Path) -> None:
    page = visit(index, color_scheme="dark").page
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.wait_for_selector("table.matrix", state="attached")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator("#filters").is_visible()
    assert page.locator("table.ranking").is_visible()
    assert len(page.pdf()) > 20_000


def test_headings_tables_and_controls_have_names(visit: Callable[..., Any], index: Path) -> None:
    page = visit(index).page
    walk(page)
    unnamed = page.evaluate(
        """() => [
            ...[...document.querySelectorAll("table")].filter((t) => !t.caption?.textContent),
            ...[...document.querySelectorAll("thead th")].filter((t) => t.scope !== "col" || !t.textContent),
            ...[...document.querySelectorAll("tbody th")].filter((t) => !t.scope.startsWith("row")),
            ...[...document.querySelectorAll("select, input")].filter((c) => !c.labels.length),
            ...[...document.querySelectorAll("button, summary")].filter((b) => !b.textContent.trim()),
            ...[...document.querySelectorAll(".plot, [role=region]")].filter((f) => !f.getAttribute("aria-label")),
            ...[...document.querySelectorAll("[tabindex]")].filter((t) => t.tabIndex > 0),
        ].map((element) => element.outerHTML.slice(0, 200))"""
    )
    assert unnamed == []
    levels = page.eval_on_selector_all("h1, h2, h3, h4", "all => all.map((h) => Number(h.tagName[1]))")
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
