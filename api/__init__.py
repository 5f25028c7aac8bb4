"""codebudget in Python: the commands as functions; see docs/python.md."""

from .calls import compare, curve, execute, plan, quantise, rank
from .results import CheckpointResult, ComparisonResult, CurveResult, ExecutionResult, Plans, RankingResult

__all__ = [
    "CheckpointResult",
    "ComparisonResult",
    "CurveResult",
    "ExecutionResult",
    "Plans",
    "RankingResult",
    "compare",
    "curve",
    "execute",
    "plan",
    "quantise",
    "rank",
]
