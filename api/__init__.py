"""codebudget in Python: the commands as functions; see docs/python.md."""

from .calls import compare, components, curve, diverge, execute, outliers, plan, quantise, rank
from .results import (
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
)

__all__ = [
    "CheckpointResult",
    "ComparisonResult",
    "ComponentsResult",
    "CurveResult",
    "DivergenceResult",
    "ExecutionResult",
    "MacroComparisonResult",
    "OutliersResult",
    "Plans",
    "RankingResult",
    "compare",
    "components",
    "curve",
    "diverge",
    "execute",
    "outliers",
    "plan",
    "quantise",
    "rank",
]
