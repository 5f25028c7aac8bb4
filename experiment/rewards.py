"""Reward models that rankers name: loaded when first needed, one at a time, and never asked twice."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .._util.hashing import key_of
from ..errors import EngineError, UserError
from ..rankers.combine import Composite
from ..rankers.reward import ENGINES, REWARD
from ..records import Reward
from ..sampler.engines.checkpoint import find_checkpoint
from ..sampler.engines.libraries import INSTALL, missing
from ..sampler.late import circumstances
from .workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ..rankers import Ranker
    from ..sampler.engines.classifier import Classifier
    from ..sampler.store import Store
    from ..settings import Running

KIND: Final = "reward"
"""The kind of store records that hold a reward model's opinion of one answer."""

_BATCH: Final = 512


class StoredRewarder:
    """Implements `rankers.Rewarder` by transformers and vLLM, for all threads.

    Rewards are kept in the store under the model's files, the engine, the device, the packages' versions and the texts.

    Args:
        store: Where they are kept.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._loaded: tuple[tuple[str, str], Classifier] | None = None

    def rate(
        self, model: str, label: str, answers: Sequence[tuple[str, str]], engine: str = ENGINES[0]
    ) -> list[Reward]:
        """See `rankers.Rewarder.rate`."""
        with self._lock:
            made_by = key_of(KIND, circumstances(f"classifier by {engine}", model, ""), label)
            keys = {answer: key_of(made_by, *answer) for answer in answers}
            kept = self._store.records(KIND, keys.values())
            fresh = [answer for answer, key in keys.items() if key not in kept]
            for start in range(0, len(fresh), _BATCH):
                some = fresh[start : start + _BATCH]
                rated = self._classifier(model, engine).rate(label, some)
                records = {keys[answer]: reward._asdict() for answer, reward in zip(some, rated, strict=True)}
                self._store.put_records(KIND, records)
                kept |= records
            return [Reward(**kept[keys[answer]]) for answer in answers]

    def close(self) -> None:
        """Free the memory of the model that is loaded, if any."""
        if self._loaded is not None:
            self._loaded[1].close()
            self._loaded = None

    def _classifier(self, model: str, engine: str) -> Classifier:
        # Torch and transformers take seconds to import.
        from ..sampler.engines.classifier import Classifier

        if self._loaded is None or self._loaded[0] != (model, engine):
            self.close()
            self._loaded = (model, engine), Classifier(model, engine)
        return self._loaded[1]


def check_rewards(rankers: Iterable[Ranker]) -> None:
    """Find a reward model that is missing before anything is drawn or graded; none is loaded.

    Raises:
        UserError: A ranker names none, or one that is neither a folder with a model nor a hub id.
        MachineError: It cannot be fetched, or its engine is missing.
    """
    for ranker in rankers:
        for link in _links(ranker):
            model = getattr(link, "reward_model", None)
            if not isinstance(model, str):
                continue
            if not model:
                raise UserError(f"ranker {REWARD!r} needs a reward model: write {REWARD},model=ID")
            # Transformers reads the texts for either.
            for engine in dict.fromkeys((getattr(link, "reward_engine", ENGINES[0]), ENGINES[0])):
                problem = missing(engine)
                if problem is not None:
                    raise EngineError(f"ranker {REWARD!r}: {engine} {problem}: {INSTALL[engine]}")
            # Of a folder's weights, which may be large, no hash is needed yet.
            if not (Path(model) / "config.json").is_file():
                find_checkpoint(model)


@contextmanager
def open_rewarder(running: Running) -> Iterator[StoredRewarder]:
    """Open what loads reward models; the one that is loaded is closed at the end.

    Raises:
        MachineError: The store cannot be used.
    """
    with open_workspace(running.store) as store, rewarder_of(store) as rewarder:
        yield rewarder


@contextmanager
def rewarder_of(store: Store) -> Iterator[StoredRewarder]:
    """As `open_rewarder`, on a store that is open."""
    rewarder = StoredRewarder(store)
    try:
        yield rewarder
    finally:
        rewarder.close()


def revisions(ranker: Ranker) -> dict[str, str]:
    """Map the reward models that a ranker or its links name to their revisions: hub's commits, or hashes of folders.

    Raises:
        UserError: There is no such model.
        MachineError: It cannot be fetched.
    """
    return {model: find_checkpoint(model).revision for model in reward_models(ranker)}


def reward_models(ranker: Ranker) -> list[str]:
    """List the reward models that a ranker or its links name; nothing is looked up."""
    named = (getattr(link, "reward_model", None) for link in _links(ranker))
    return [model for model in dict.fromkeys(named) if isinstance(model, str)]


def _links(ranker: Ranker) -> Iterator[Ranker]:
    if isinstance(ranker, Composite):
        for link in ranker.links:
            yield from _links(link)
    else:
        yield ranker
