"""Ways to pick among a task's candidates without its hidden tests, and the contract for adding one."""

from .execution import RememberingRunner
from .protocol import Context, Need, Ranker, Runner
from .registry import RankerInfo, available, load_ranker
from .scoring import RankedPool, TaskScore, score_task

__all__ = [
    "Context",
    "Need",
    "RankedPool",
    "Ranker",
    "RankerInfo",
    "RememberingRunner",
    "Runner",
    "TaskScore",
    "available",
    "load_ranker",
    "score_task",
]
