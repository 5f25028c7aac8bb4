"""Sampling engines as what rankers score texts with: for all threads, and never the same text twice."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from .._util.hashing import key_of
from ..budgets.flops import forward_flops
from ..rankers import Likelihood
from ..sampler.late import StaleDescriptionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..budgets.architecture import Architecture
    from ..sampler.engine import Engine, Scored
    from ..sampler.store import Store

KIND = "likelihood"
"""The kind of the store's records that hold what a model makes of one text."""

_BATCH = 512

Text = tuple[str, str]
"""A prompt and a completion."""


class _Work(NamedTuple):
    """What scoring one text took; tokens are None where the engine does not tell."""

    prompt_tokens: int | None
    tokens: int
    wall_s: float


class EngineScorer:
    """Implements `rankers.Scorer` by an engine, which threads may share through it.

    What was scored is kept in the store, under what the engine is and the text, so that ranking again scores nothing.

    Args:
        engine: Scores; it is not closed here.
        store: Where likelihoods are kept.
        architecture: What FLOPs are counted by; None leaves them unknown.
        lock: Shared by the scorers of engines that cannot work at the same time.
    """

    def __init__(
        self, engine: Engine, store: Store, architecture: Architecture | None = None, lock: threading.Lock | None = None
    ) -> None:
        self._engine = engine
        self._store = store
        self._architecture = architecture
        self._lock = lock or threading.Lock()
        self._work: dict[Text, _Work] = {}

    def score(self, texts: Sequence[Text]) -> list[Likelihood]:
        """See `rankers.Scorer.score`.

        Raises:
            UserError: a prompt with its completion is longer than the model's context.
            EngineError: the engine cannot score, or failed.
        """
        distinct = list(dict.fromkeys(texts))
        with self._lock:
            try:
                found = self._found(distinct)
            except StaleDescriptionError:
                # The engine has started since, and says what it is by itself.
                found = self._found(distinct)
        return [found[text] for text in texts]

    def flops(self, texts: Sequence[Text]) -> float | None:
        """The FLOPs of one forward pass over each prompt with its completion; None where they cannot be known.

        The output head is applied at the completion's tokens alone.
        """
        unknown = [text for text in texts if text not in self._work]
        if unknown:
            self.score(unknown)
        total = 0
        for text in texts:
            work = self._work[text]
            if not work.tokens:
                continue
            if self._architecture is None or work.prompt_tokens is None:
                return None
            total += forward_flops(self._architecture, work.prompt_tokens + work.tokens, logit_positions=work.tokens)
        return float(total)

    def seconds(self, text: Text) -> float | None:
        """What scoring a text took, whenever that was; None where it was not asked for."""
        work = self._work.get(text)
        return None if work is None else work.wall_s

    def _found(self, texts: Sequence[Text]) -> dict[Text, Likelihood]:
        description = self._engine.describe().model_dump_json()
        keys = {text: key_of(KIND, description, *text) for text in texts}
        kept = self._store.records(KIND, keys.values())
        found = {text: self._taken(text, kept[key]) for text, key in keys.items() if key in kept}
        missing = [text for text in texts if text not in found]
        for start in range(0, len(missing), _BATCH):
            some = missing[start : start + _BATCH]
            since = time.perf_counter()
            scored = self._engine.score(some)
            took = time.perf_counter() - since
            records = {keys[text]: row for text, row in zip(some, _records(scored, took), strict=True)}
            self._store.put_records(KIND, records)
            found |= {text: self._taken(text, records[keys[text]]) for text in some}
        return found

    def _taken(self, text: Text, record: dict[str, Any]) -> Likelihood:
        logprobs = tuple(record["logprobs"])
        self._work[text] = _Work(record["prompt_tokens"], len(logprobs), record["wall_s"])
        return Likelihood(logprobs, record["certainty"])


def _records(scored: Sequence[Scored], took: float) -> list[dict[str, Any]]:
    """What is kept of each text; its seconds are its share of the tokens."""
    tokens = [(one.prompt_tokens or 0) + len(one.logprobs) for one in scored]
    total = max(1, sum(tokens))
    return [
        {
            "logprobs": one.logprobs,
            "certainty": one.certainty,
            "prompt_tokens": one.prompt_tokens,
            "wall_s": took * count / total,
        }
        for one, count in zip(scored, tokens, strict=True)
    ]
