"""codebudget in Python: the commands as functions; see docs/python.md."""

from .calls import compare, components, curve, diverge, execute, outliers, plan, rank
from .results import (
    ComparisonResult,
    ComponentsOutcome,
    CurveResult,
    DivergenceOutcome,
    ExecutionResult,
    OutliersOutcome,
    Plans,
    RankingResult,
)

__all__ = [
    "ComparisonResult",
    "ComponentsOutcome",
    "CurveResult",
    "DivergenceOutcome",
    "ExecutionResult",
    "OutliersOutcome",
    "Plans",
    "RankingResult",
    "compare",
    "components",
    "curve",
    "diverge",
    "execute",
    "outliers",
    "plan",
    "rank",
]
