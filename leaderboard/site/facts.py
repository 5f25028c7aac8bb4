"""A manifest's account of how its run was made, as lines for people. It is shown, never computed with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ...report.page_data import Fact, RunNotes
    from ..results_file import BenchmarkScores
    from .scored_runs import ScoredRun

_DIGITS = 12


def facts_of(run: ScoredRun) -> list[Fact]:
    """List labels and values; what the manifest lacks is left out."""
    manifest = run.manifest
    code, sandbox, hardware = (_object(manifest, name) for name in ("codebudget", "sandbox", "hardware"))
    conformance = _object(sandbox, "conformance")
    facts = {
        "Run": _brief(manifest.get("run_id")),
        "Started": run.timings.get("started_at"),
        "codebudget": _joined(code.get("version"), _commit(code)),
        "Python": _joined(manifest.get("python"), manifest.get("platform")),
        "Hardware": _joined(
            hardware.get("cpu"),
            hardware.get("cores") and f"{hardware['cores']} cores",
            *_list(hardware, "accelerators"),
        ),
        "Sandbox": sandbox.get("launcher"),
        "Sandbox check": _brief(conformance.get("result_hash")) if conformance else "not run",
        "Seed": manifest.get("seed"),
        "Command": " ".join(str(word) for word in _list(manifest, "argv")),
    }
    shown = [(label, str(value)) for label, value in facts.items() if value not in (None, "")]
    for model in _list(manifest, "models"):
        if isinstance(model, dict):
            how = _joined(
                model.get("model"),
                model.get("precision"),
                model.get("engine"),
                model.get("revision") and f"revision {_brief(model['revision'])}",
                model.get("source"),
            )
            shown.append((f"{model.get('arm')} on {model.get('benchmark')}", how))
    return shown


def notes_of(place: int, benchmark: BenchmarkScores) -> RunNotes:
    """Collect a run's benchmark notes."""
    return {
        "run": place,
        "advice": [benchmark.verdict.with_tests, benchmark.verdict.without_tests],
        "warnings": list(benchmark.warnings),
        "left_out": [f"{task}: {reason}" for task, reason in benchmark.left_out.items()],
    }


def _object(found: dict[str, Any], name: str) -> dict[str, Any]:
    value = found.get(name)
    return value if isinstance(value, dict) else {}


def _list(found: dict[str, Any], name: str) -> list[Any]:
    value = found.get(name)
    return value if isinstance(value, list) else []


def _brief(digest: object) -> str:
    return "" if digest is None else str(digest)[:_DIGITS]


def _commit(code: dict[str, Any]) -> str:
    dirty = " with changes" if code.get("dirty") else ""
    return f"commit {_brief(code['commit'])}{dirty}" if code.get("commit") else ""


def _joined(*parts: object) -> str:
    return ", ".join(str(part) for part in parts if part)
