"""codebudget in Python: the commands as functions; see docs/python.md."""

from .calls import compare, curve, diverge, execute, outliers, plan, rank
from .results import (
    ComparisonResult,
    CurveResult,
    DivergenceOutcome,
    ExecutionResult,
    OutliersOutcome,
    Plans,
    RankingResult,
)

__all__ = [
    "ComparisonResult",
    "CurveResult",
    "DivergenceOutcome",
    "ExecutionResult",
    "OutliersOutcome",
    "Plans",
    "RankingResult",
    "compare",
    "curve",
    "diverge",
    "execute",
    "outliers",
    "plan",
    "rank",
]
