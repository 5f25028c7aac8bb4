"""What made a set of samples: what keys each of them in the store, and what drawing them took."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pydantic import ValidationError

from ..errors import UserError
from ..hashing import key_of
from ..records import Record, Usage
from .engine import Description  # noqa: TC001 (pydantic reads it)
from .prompting import Settings, prompt_key, prompt_of_task, sampling_of_task
from .store import DRAWN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..records import Task
    from .engine import Prompt, Sampling
    from .store import Store

KIND: Final = DRAWN
"""The kind of the store's records that hold a `Series`."""

SEED_BITS: Final = 53
"""Whole numbers up to this size survive every JSON on the way to a server."""


class Origin(Record):
    """What decides an arm's samples of every task, but for their index.

    `seed` is the run's; None at temperature 0, where a task has one sample whatever the seed.
    """

    description: Description
    settings: Settings
    seed: int | None


class Tally(Record):
    """What drawing took in all sessions together; `prompts` counts prefills, one per task and session."""

    samples: int = 0
    prompts: int = 0
    sessions: int = 0
    usage: Usage = Usage()

    def per_task(self, k: int) -> Usage:
        """Seconds and dollars that k samples of a task take in the mean, and the peak memory."""

        def share(total: float | None) -> float | None:
            return None if total is None or not self.samples else total / self.samples * k

        usage = self.usage
        return Usage(
            wall_s=share(usage.wall_s),
            busy_s=share(usage.busy_s),
            usd=share(usage.usd),
            peak_memory_bytes=usage.peak_memory_bytes,
        )


class Series(Record):
    """An origin's samples of one benchmark, as the store lists them."""

    model: str
    precision: str
    benchmark: str
    origin: Origin
    tally: Tally = Tally()

    @property
    def key(self) -> str:
        """The key of the store's record."""
        return key_of(KIND, self.model, self.precision, self.benchmark, self.origin.model_dump_json())


class TaskKeys(NamedTuple):
    """A task under an origin: what the engine is given, and what the samples' keys begin with."""

    task: Task
    prompt: Prompt
    sampling: Sampling
    prefix: str

    def key(self, index: int) -> str:
        """The key of sample `index`."""
        return f"{self.prefix}{index}"


def keys_of_task(task: Task, origin: Origin) -> TaskKeys:
    """How a task's samples are drawn and kept under an origin.

    A sample's key is the SHA-256 over the engine's description (name, version, model, revision, precision, device), the
    prompt, the sampling parameters, the run's seed and the task's id; then its index. How many samples are asked for is
    no part of it.
    """
    prompt = prompt_of_task(task, origin.settings)
    sampling = sampling_of_task(task, origin.settings)
    digest = key_of(
        "candidate",
        origin.description.model_dump_json(),
        sampling.model_dump_json(),
        origin.seed,
        task.id,
        *prompt_key(prompt),
    )
    return TaskKeys(task, prompt, sampling, f"{digest}/")


def sample_seed(run_seed: int | None, task_id: str, prompt: Prompt, index: int) -> int:
    """The seed of sample `index` of a task: the first 53 bits of a SHA-256 over all that is named here.

    It depends neither on how many samples are asked for nor on what else is drawn. A greedy arm (`run_seed` None) has
    seeds too, since engines take one; they decide nothing there.
    """
    digest = key_of("seed", run_seed, task_id, *prompt_key(prompt), index)
    return int(digest[:16], 16) >> (64 - SEED_BITS)


def stored_series(store: Store) -> Iterator[Series]:
    """All series that the store has."""
    for value in store.all_records(KIND).values():
        yield _series(store, value)


def stored_tally(store: Store, series: Series) -> Tally:
    """What drawing a series has taken so far."""
    found: dict[str, Any] = store.records(KIND, [series.key])
    return _series(store, found[series.key]).tally if found else Tally()


def _series(store: Store, value: Any) -> Series:
    """What a record of the store says, which may be of anybody's making."""
    try:
        return Series.model_validate(value)
    except ValidationError as error:
        why = str(error).splitlines()[0]
        raise UserError(
            f"{store.path} is damaged (what made its samples cannot be read: {why}); move it away, or name another "
            "store with --store FILE"
        ) from None
