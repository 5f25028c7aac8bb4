"""codebudget in Python: the commands as functions; see docs/python.md."""

from .calls import compare, curve, diverge, execute, plan, rank
from .results import ComparisonResult, CurveResult, DivergenceOutcome, ExecutionResult, Plans, RankingResult

__all__ = [
    "ComparisonResult",
    "CurveResult",
    "DivergenceOutcome",
    "ExecutionResult",
    "Plans",
    "RankingResult",
    "compare",
    "curve",
    "diverge",
    "execute",
    "plan",
    "rank",
]
