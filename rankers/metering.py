"""What a ranker's use of a scorer and of generated tests costs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .protocol import Likelihood, Scorer


@runtime_checkable
class _Timed(Protocol):
    """Knows what scoring a text took when that was done, which may be long ago."""

    def seconds(self, text: tuple[str, str]) -> float | None: ...


class RememberingScorer:
    """Hands to another scorer what it has not been asked before, and counts what that cost.

    As with `RememberingRunner`, one in front of another is an account of its own: what the shared one already knows is
    still charged.
    """

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self._known: dict[tuple[str, str], Likelihood] = {}
        self._seconds: dict[tuple[str, str], float] = {}
        self.waited_s = 0.0
        """Seconds spent in the scorer behind."""

    @property
    def charged_flops(self) -> float | None:
        """FLOPs of all that was asked; None where they cannot be known."""
        return self._scorer.flops(list(self._known)) if self._known else 0.0

    @property
    def charged_s(self) -> float:
        """Seconds that scoring all of it took, whenever that was."""
        return sum(self._seconds.values())

    def score(self, texts: Sequence[tuple[str, str]]) -> list[Likelihood]:
        """See `Scorer.score`."""
        fresh = [text for text in dict.fromkeys(texts) if text not in self._known]
        if fresh:
            start = time.perf_counter()
            found = self._scorer.score(fresh)
            took = time.perf_counter() - start
            self.waited_s += took
            behind = self._scorer
            for text, likelihood in zip(fresh, found, strict=True):
                self._known[text] = likelihood
                known = behind.seconds(text) if isinstance(behind, _Timed) else None
                self._seconds[text] = took / len(fresh) if known is None else known
        return [self._known[text] for text in texts]

    def flops(self, texts: Sequence[tuple[str, str]]) -> float | None:
        """See `Scorer.flops`."""
        return self._scorer.flops(texts)

    def seconds(self, text: tuple[str, str]) -> float | None:
        """What scoring a text took; None where it was not asked for."""
        return self._seconds.get(text)
