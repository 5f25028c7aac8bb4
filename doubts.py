"""What makes scores unfit to act on: arms that pass nothing, were cut by the token limit, or wrote no programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .records import Candidate

CUT_SHARE: Final = 0.2
"""More samples than this share, cut by the token limit, and the scores are those of the limit."""

INVALID_SHARE: Final = 0.5
"""More programs than this share that do not even parse, and something reads the answers wrongly."""


def doubts_of_statuses(name: str, statuses: Mapping[str, int]) -> list[str]:
    """What is doubtful about how the programs of `name` ended, one line each; none where nothing was graded."""
    graded = sum(count for status, count in statuses.items() if status != "sandbox_error")
    if not graded:
        return []
    found = []
    if not statuses.get("passed"):
        found.append(f"{name} passes nothing: 0 of {graded} programs")
    invalid = statuses.get("invalid", 0)
    if invalid > INVALID_SHARE * graded:
        found.append(f"{invalid} of {graded} programs of {name} are invalid, so its answers may be read wrongly")
    return found


def doubts_of_lengths(name: str, candidates: Sequence[Candidate]) -> list[str]:
    """Whether the token limit cut too many of an arm's samples, of those that say how they ended."""
    reasons = [candidate.finish_reason for candidate in candidates if candidate.finish_reason is not None]
    cut = reasons.count("length")
    if cut <= CUT_SHARE * len(reasons):
        return []
    return [f"the token limit cut {cut} of {len(reasons)} samples of {name}: raise --max-tokens"]
