"""codebudget: which code model, how many samples, and how to pick among them, for the same compute."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import (
        CheckpointResult,
        ComparisonResult,
        ComponentsResult,
        CurveResult,
        DivergenceResult,
        ExecutionResult,
        MacroComparisonResult,
        OutliersResult,
        Plans,
        RankingResult,
        compare,
        components,
        curve,
        diverge,
        execute,
        outliers,
        plan,
        quantise,
        rank,
    )
    from .errors import CodebudgetError, EngineError, MachineError, RankerError, SandboxError, UserError
    from .records import Candidate, Comparison, MacroComparison, Plan, Ranking, Task, Verdict
    from .sandbox import Job, Sandbox, choose_launcher
    from .settings import (
        Charting,
        Diverging,
        Drawing,
        Grading,
        Planning,
        Prompting,
        Running,
        Selecting,
        Sweeping,
    )
    from .tasks import Benchmark, load_benchmark

__version__ = "0.1.0"

_PLACES = {
    "api": (
        *("plan", "compare", "execute", "rank", "curve", "quantise", "diverge", "outliers", "components"),
        *("Plans", "ComparisonResult", "ExecutionResult", "RankingResult", "CurveResult", "CheckpointResult"),
        *("DivergenceResult", "OutliersResult", "ComponentsResult", "MacroComparisonResult"),
    ),
    "errors": ("CodebudgetError", "UserError", "MachineError", "EngineError", "SandboxError", "RankerError"),
    "records": ("Candidate", "Comparison", "MacroComparison", "Plan", "Ranking", "Task", "Verdict"),
    "sandbox": ("Job", "Sandbox", "choose_launcher"),
    "settings": (
        *("Planning", "Drawing", "Grading", "Selecting", "Charting", "Running"),
        *("Prompting", "Diverging", "Sweeping"),
    ),
    "tasks": ("Benchmark", "load_benchmark"),
}
"""Public names by the module that has them, which is imported when one is first asked for."""

_MODULES = {name: module for module, names in _PLACES.items() for name in names}

__all__ = [
    "Benchmark",
    "Candidate",
    "Charting",
    "CheckpointResult",
    "CodebudgetError",
    "Comparison",
    "ComparisonResult",
    "ComponentsResult",
    "CurveResult",
    "DivergenceResult",
    "Diverging",
    "Drawing",
    "EngineError",
    "ExecutionResult",
    "Grading",
    "Job",
    "MachineError",
    "MacroComparison",
    "MacroComparisonResult",
    "OutliersResult",
    "Plan",
    "Planning",
    "Plans",
    "Prompting",
    "RankerError",
    "Ranking",
    "RankingResult",
    "Running",
    "Sandbox",
    "SandboxError",
    "Selecting",
    "Sweeping",
    "Task",
    "UserError",
    "Verdict",
    "__version__",
    "choose_launcher",
    "compare",
    "components",
    "curve",
    "diverge",
    "execute",
    "load_benchmark",
    "outliers",
    "plan",
    "quantise",
    "rank",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_MODULES[name]}", __name__), name)


def __dir__() -> list[str]:
    return list(__all__)
