"""Builds a site of many runs and opens it in Chromium: what that takes, and how long a reader waits.

    python tests/support/synthetic_runs.py --runs 20 --tasks 164 --samples 100 --rankers 10 --out runs/
    python benchmarks/leaderboard/site_scale.py runs/* --site site/ --out benchmarks/leaderboard/site_scale.json

Processor time is given beside wall time, which others on the same machine stretch. Waits are from the reader's act to
the end of what the page does about it, the median of five.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page

BUILD = "import sys; from codebudget.cli.main import main; sys.argv[0] = 'codebudget'; main()"
REPEATS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--site", type=Path, required=True)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    measured = {
        "runs": len(options.runs),
        **build(options.runs, options.site),
        "page": read(options.site, options.chromium),
    }
    options.out.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(measured, indent=1))


def build(runs: list[str], site: Path) -> dict[str, Any]:
    """Time, peak memory and size of `leaderboard build`."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    command = [sys.executable, "-c", BUILD, "leaderboard", "build", *runs, "--out", str(site), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    wall_s = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "build_wall_s": round(wall_s, 1),
        "build_cpu_s": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1),
        "build_peak_mib": round(after.ru_maxrss / 1024),
        "site": {key: value for key, value in json.loads(done.stdout.splitlines()[-1]).items() if key != "page"},
        "load_average": os.getloadavg()[0],
        "cores": os.cpu_count(),
    }


def read(site: Path, chromium: str) -> dict[str, Any]:
    """How long a reader of the site waits."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        start = time.perf_counter()
        page.goto((site / "index.html").absolute().as_uri())
        page.wait_for_selector("html[data-drawn]", timeout=120_000)
        first_s = time.perf_counter() - start
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable")
        scores = page.eval_on_selector_all("select[name=score] option", "options => options.map((o) => o.value)")
        page.evaluate("document.getElementById('tasks').scrollIntoView()")
        page.wait_for_selector("table.matrix")
        waits = {
            "another_score": [_wait(page, f"score={score}") for score in (scores * REPEATS)[1 : REPEATS + 1]],
            "hardest_tasks_first": [
                _wait(page, f"order={order}") for order in ("hardest", "apart", "benchmark", "hardest", "apart")
            ],
        }
        page.evaluate("document.getElementById('candidates').scrollIntoView()")
        page.wait_for_selector(".sample")
        names = page.evaluate("codebudget.current.board.tasks")
        waits["candidates_of_a_task"] = [_wait(page, f"task={names[place + 1]}") for place in range(REPEATS)]
        waits["another_sample"] = [_wait(page, f"task={names[1]}&sample={place + 1}") for place in range(REPEATS)]
        metrics = {entry["name"]: entry["value"] for entry in session.send("Performance.getMetrics")["metrics"]}
        browser.close()
    return {
        "first_drawn_s": round(first_s, 2),
        "waits_ms": {
            name: {"median": round(statistics.median(ms)), "longest": round(max(ms))} for name, ms in waits.items()
        },
        "js_heap_mib": round(metrics["JSHeapUsedSize"] / 2**20),
        "nodes": int(metrics["Nodes"]),
    }


def _wait(page: Page, hash_: str) -> float:
    """Milliseconds from a change of the view to the frame after everything is drawn."""
    return page.evaluate(
        """async (hash) => {
            const root = document.documentElement;
            const before = root.dataset.drawn;
            const start = performance.now();
            location.hash = hash;
            while (root.dataset.drawn === before) await new Promise((done) => setTimeout(done));
            await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
            return performance.now() - start;
        }""",
        hash_,
    )


if __name__ == "__main__":
    main()
