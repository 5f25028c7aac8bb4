"""codebudget in Python: the commands as functions; see docs/python.md."""

from .calls import compare, curve, execute, plan, rank
from .results import ComparisonResult, CurveResult, ExecutionResult, Plans, RankingResult

__all__ = [
    "ComparisonResult",
    "CurveResult",
    "ExecutionResult",
    "Plans",
    "RankingResult",
    "compare",
    "curve",
    "execute",
    "plan",
    "rank",
]
