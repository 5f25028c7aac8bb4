"""`dedupe=true`: programs that are the same but for their names have one vote together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .forms import form
from .protocol import uses_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..records import Candidate, PublicTask, Ranking
    from .protocol import Context, Need, Ranker

PARAMETER = "dedupe"
"""What any ranker may be given, beside its own parameters."""


class Distinct:
    """Ranks one candidate of each form, by another ranker; the others get its score.

    Of a form, the one whose text comes first in alphabetical order stands for all.
    """

    pointwise = False

    def __init__(self, ranker: Ranker) -> None:
        self.links = (ranker,)
        self.name = f"{ranker.name},{PARAMETER}=true"
        self.version = ranker.version
        self.needs: frozenset[Need] = ranker.needs
        self.uses: frozenset[Need] = uses_of(ranker)

    def rank(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> Ranking:
        """Score by the other ranker."""
        forms = [form(candidate.program, task.entry_point) for candidate in candidates]
        standing: dict[str, Candidate] = {}
        for candidate, one in zip(candidates, forms, strict=True):
            known = standing.get(one)
            if known is None or (candidate.program, candidate.index) < (known.program, known.index):
                standing[one] = candidate
        ranking = self.links[0].rank(task, list(standing.values()), context)
        score = dict(zip(standing, ranking.scores, strict=True))
        return ranking.model_copy(update={"scores": tuple(score[one] for one in forms)})
