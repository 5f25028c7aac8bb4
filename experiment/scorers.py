"""Sampling engines as scorers of rankers' texts: for all threads, and never the same text twice."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from .._util.hashing import key_of, record_text
from ..budgets.flops import forward_flops
from ..budgets.notation import parse_single
from ..errors import UserError
from ..records import Likelihood
from ..sampler.late import LateEngine, StaleDescriptionError, circumstances
from ..settings import OWN_MODEL, RECORDED
from .drawing import starter
from .targets import target_of_arm, with_checkpoints
from .workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ..budgets.architecture import Architecture
    from ..rankers import Scorer
    from ..sampler.engine import Engine
    from ..sampler.store import Store
    from ..settings import Drawing, Running

KIND = "likelihood"
"""The kind of store records that hold a model's likelihood of one text."""

_BATCH = 512

Text = tuple[str, str]
"""A prompt and a completion."""


class _Work(NamedTuple):
    """The cost of scoring one text; tokens are None if the engine does not tell."""

    prompt_tokens: int | None
    tokens: int
    wall_s: float


class EngineScorer:
    """Implements `rankers.Scorer` by an engine, which threads may share through it.

    Scores are kept in the store, under the engine's identity and the text, so that ranking again scores nothing.

    Args:
        engine: Scores; it is not closed here.
        store: Where likelihoods are kept.
        architecture: Basis for counting FLOPs; None leaves them unknown.
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
                # The engine has started since, and identifies itself.
                found = self._found(distinct)
        return [found[text] for text in texts]

    def flops(self, texts: Sequence[Text]) -> float | None:
        """Count FLOPs of one forward pass over each prompt with its completion; None if they cannot be known.

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
        """Get the time to score a text, whenever that was; None if not asked for."""
        work = self._work.get(text)
        return None if work is None else work.wall_s

    def _found(self, texts: Sequence[Text]) -> dict[Text, Likelihood]:
        description = record_text(self._engine.describe())
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
        return Likelihood(logprobs, record["certainty"], record["prompt_tokens"])


def _records(scored: Sequence[Likelihood], took: float) -> list[dict[str, Any]]:
    """Make each text's record; its seconds are its share of the tokens."""
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


@contextmanager
def open_scorers(
    scorer: str | None, specs: Sequence[str], drawing: Drawing, running: Running
) -> Iterator[dict[str, Scorer]]:
    """Open a scorer for each of some arms; none if no scorer is named.

    No model is loaded before a text must be scored, and only one at a time.

    Args:
        scorer: An arm, or `self` for each arm's own model.
        specs: The arms as typed.
        drawing: Its engine scores.
        running: Where short names are looked up, and where likelihoods are kept.

    Raises:
        UserError: The arm cannot be read, its model is unknown, or no engine that scores is named.
        MachineError: Its weights should be here but are not, or the store cannot be used.
    """
    if scorer is None or not specs:
        yield {}
        return
    engine, family = drawing.engine, running.family
    if engine == RECORDED:
        raise UserError(f"`scorer` {scorer}: `engine` {RECORDED} cannot score; choose one that can, such as auto")
    named = {spec: spec if scorer == OWN_MODEL else scorer for spec in specs}
    targets = {text: target_of_arm(parse_single(text), family, served=engine == "openai") for text in named.values()}
    made = with_checkpoints(list(targets.values()), engine, running)
    targets = dict(zip(targets, made, strict=True))
    if scorer != OWN_MODEL and any(target.arm.thinking is not None for target in targets.values()):
        raise UserError(f"`scorer` {scorer}: a scorer reads texts and does not think; remove +think or +nothink")
    lates: list[LateEngine] = []
    lock, announced = threading.Lock(), set[str]()
    with open_workspace(running.store) as opened, ExitStack() as stack:
        scorers: dict[str, Scorer] = {}
        for text, target in targets.items():
            key = circumstances(engine, target.weights, target.precision, running.base_url)
            start = starter(engine, target, announced, "scoring", base_urls=running.base_url)
            late = LateEngine(_alone(start, lates), opened, key)
            lates.append(late)
            stack.callback(late.close)
            scorers[text] = EngineScorer(late, opened, target.architecture, lock)
        yield {spec: scorers[text] for spec, text in named.items()}


@contextmanager
def open_scorer(scorer: str | None, drawing: Drawing, running: Running) -> Iterator[Scorer | None]:
    """Open the scorer of candidates whose model nobody named; None if no scorer is named.

    Raises:
        UserError: As `open_scorers`, or it should be the candidates' own model.
        MachineError: As `open_scorers`.
    """
    if scorer == OWN_MODEL:
        raise UserError(
            f"`scorer` {OWN_MODEL}: the model that drew these samples is unknown; name one, such as 7b@fp16"
        )
    with open_scorers(scorer, ["samples"], drawing, running) as found:
        yield found.get("samples")


def _alone(start: Callable[[], Engine], lates: Sequence[LateEngine]) -> Callable[[], Engine]:
    """Start an engine once the others are closed: two may not fit one device."""

    def run() -> Engine:
        for late in lates:
            late.close()
        return start()

    return run
