"""The page of a study in a real browser: its front, its answers, and names that are no markup."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codebudget.experiment.study.result import StudyResult
from codebudget.report.study import write_report

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HOSTILE = "</script><img src=http://192.0.2.1/x onerror=window.hacked=1><b>%{x}\u202e\x1b[31m"


def interval(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.1, "high": value + 0.1}


def line(recipe: str, size: int, value: float) -> dict[str, Any]:
    return {
        "label": f"m{HOSTILE}@{recipe}",
        "model": f"m{HOSTILE}",
        "parameters": 100,
        "recipe": recipe,
        "form": "stored",
        "planned_bytes": size,
        "tensor_bytes": size,
        "file_bytes": size,
        "size_bytes": size,
        "effective_bits": 4.0,
        "perplexity": 2.0,
        "perplexity_increase": 0.0,
        "sensitivity": "class-1",
        "pass_at": {1: interval(value), 4: interval(value + 0.1)},
        "agreement": interval(0.5),
        "recovery_percent": interval(90.0),
        "sample_flops": 1.0,
        "wall_s": 3.0,
        "seeds": [],
    }


def result() -> StudyResult:
    lines = [line("bf16", 2_000_000, 0.6), line("w4a16", 600_000, 0.5), line("w8a16", 1_000_000, 0.4)]
    labels = [one["label"] for one in lines]
    answers = [{"question": "recommendation", "sentence": f"keep {HOSTILE}"}]
    return StudyResult.model_validate(
        {
            "name": f"study {HOSTILE}",
            "description": HOSTILE,
            "benchmark_tasks": 10,
            "left_out": {},
            "samples": 4,
            "ks": [1, 4],
            "table": lines,
            "front": {1: [labels[1], labels[0]], 4: [labels[1], labels[0]]},
            "answers": answers,
            "complete": True,
            "failures": {},
            "sandbox_errors": 0,
        }
    )


def test_it_shows_the_front_the_answers_and_the_table(visit: Callable[..., Any], tmp_path: Path) -> None:
    file = tmp_path / "study.html"
    write_report(result(), file)
    visited = visit(file)
    page = visited.page
    assert visited.complaints == []
    assert visited.requests == [file.as_uri()]
    assert page.evaluate("window.hacked") is None
    assert page.locator("#title").inner_text().startswith("study </script><img")
    assert page.locator("#table tbody tr").count() == 3
    on_front = page.locator("#front tbody tr", has_text="yes")
    assert on_front.count() == 2
    assert "keep" in page.locator("#answers").inner_text()
    assert page.locator("#front .errorbars .errorbar, #front .errorbar").count() >= 3
    page.select_option("select[name=k]", "4")
    assert "pass@4" in page.locator("#front figure").inner_text()
    assert visited.complaints == []
