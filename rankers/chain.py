"""Rankers one after another: the next breaks the ties of the one before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..records import Candidate, PublicTask, Ranking
from .protocol import uses_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .protocol import Context, Need, Ranker


class Chain:
    """The first ranker's order, with ties broken by the second, what is left by the third, and so on.

    Each link is asked about all candidates, and no more once none are tied.
    """

    def __init__(self, links: Sequence[Ranker]) -> None:
        self.links = tuple(links)
        self.name = "+".join(link.name for link in links)
        self.version = "+".join(link.version for link in links)
        self.needs: frozenset[Need] = frozenset().union(*(link.needs for link in links))
        self.uses: frozenset[Need] = frozenset().union(*(uses_of(link) for link in links))
        self.pointwise = all(link.pointwise for link in links)

    def rank(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> Ranking:
        """Score by place in the common order: the best tied group highest."""
        keys: list[tuple[float, ...]] = [() for _ in candidates]
        for link in self.links:
            ranking = link.rank(task, candidates, context)
            keys = [(*key, score) for key, score in zip(keys, ranking.scores, strict=True)]
            if len(set(keys)) == len(keys):
                break
        places = {key: float(place) for place, key in enumerate(sorted(set(keys)))}
        return Ranking(scores=tuple(places[key] for key in keys))
