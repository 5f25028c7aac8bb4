"""Samples of one arm that were made with different settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..records import Candidate

CandidatesByTask = dict[str, list["Candidate"]]


def pool_common_strata(
    specs: Sequence[str], by_arm: Sequence[CandidatesByTask]
) -> tuple[list[CandidatesByTask], list[str]]:
    """Keep the strata that all arms have, where arms have strata.

    Settings shift scores, so arms that were drawn with different ones are not told apart by size alone. Where no
    stratum is common to all arms, all samples are kept and the warning says that they are pooled.

    Args:
        specs: The arms, for the warnings.
        by_arm: Their candidates by task id.

    Returns:
        The candidates to compare by, and warnings for a reader.
    """
    names = [
        {candidate.stratum for rows in candidates.values() for candidate in rows} - {None} for candidates in by_arm
    ]
    if not any(names):
        return list(by_arm), []
    common = set.intersection(*names)
    if not common:
        listed = "; ".join(
            f"{spec}: {', '.join(sorted(map(str, found))) or 'one file'}"
            for spec, found in zip(specs, names, strict=True)
        )
        return list(by_arm), [f"the arms' files share no setting by name, so all samples are pooled ({listed})"]
    warnings = [
        f"{spec}: left out {', '.join(sorted(map(str, found - common)))}, which not every arm has"
        for spec, found in zip(specs, names, strict=True)
        if found - common
    ]
    kept = [
        {task_id: [candidate for candidate in rows if candidate.stratum in common] for task_id, rows in arm.items()}
        for arm in by_arm
    ]
    return kept, warnings
