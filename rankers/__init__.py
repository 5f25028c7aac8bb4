"""Ways to pick among a task's candidates without its hidden tests, and the contract for adding one."""

from ..records import Likelihood
from .check.contract import Finding, check_contract
from .offers import Offers, RememberingRunner, RememberingScorer, check_offered, check_scripts
from .protocol import Context, Need, Ranker, Rewarder, Runner, Scorer, ranks_scripts, uses_of
from .registry import RankerDetails, RankerInfo, available, details, identity_of, is_foreign, load_ranker
from .scoring import RankedPool, TaskScore, score_task

__all__ = [
    "Context",
    "Finding",
    "Likelihood",
    "Need",
    "Offers",
    "RankedPool",
    "Ranker",
    "RankerDetails",
    "RankerInfo",
    "RememberingRunner",
    "RememberingScorer",
    "Rewarder",
    "Runner",
    "Scorer",
    "TaskScore",
    "available",
    "check_contract",
    "check_offered",
    "check_scripts",
    "details",
    "identity_of",
    "is_foreign",
    "load_ranker",
    "ranks_scripts",
    "score_task",
    "uses_of",
]
