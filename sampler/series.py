"""The making of a set of samples: the key of each in the store, and the usage of drawing them."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pydantic import ValidationError

from .._util.hashing import key_of, record_text
from .._util.machine import nvidia_smi
from ..budgets.flops import decode_flops, prefill_flops
from ..errors import UserError
from ..records import Record, Usage
from .bounds import Bounds
from .engine import Charged, Description, EngineMemory
from .prompting import Settings, prompt_key, prompt_of_task, sampling_of_task
from .store import DRAWN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..budgets.architecture import Architecture
    from ..budgets.dollars import TokenPrice
    from ..records import Task
    from .engine import Generation, Outcome, Prompt, Sampling
    from .stopping import Meter, Spent
    from .store import Store

KIND: Final = DRAWN
"""The kind of the store's records that hold a `Series`."""

SEED_BITS: Final = 53
"""Bits of an integer that survives every JSON on the way to a server."""


class Origin(Record):
    """All that decides an arm's samples of every task but their index.

    `seed` is the run's; None at temperature 0, where a task has one sample whatever the seed.
    """

    description: Description
    settings: Settings
    seed: int | None


class Bill(Record):
    """Requests and tokens that a server bills; see `engine.Charged`."""

    requests: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    unanswered: int = 0

    def plus(self, charged: Charged) -> Bill:
        """Add further charges."""
        return Bill.model_validate({name: getattr(self, name) + count for name, count in charged._asdict().items()})

    @property
    def charged(self) -> Charged:
        """The same, to be added to another bill."""
        return Charged(*(getattr(self, name) for name in Charged._fields))


class Tally(Record):
    """Usage of drawing over all sessions; `prompts` counts prefills, one per task and session.

    `usage` counts a prompt's tokens and FLOPs once per prefill; `bill` counts its tokens with every request, as servers
    do. `bill` is None if nobody bills, or if a server did not always report its counts.
    """

    samples: int = 0
    prompts: int = 0
    sessions: int = 0
    usage: Usage = Usage()
    bill: Bill | None = None

    def plus(self, other: Tally) -> Tally:
        """Add what other machines took for other samples; a sum with an unknown part is unknown.

        The same numbers of seconds mean the same drawing, which counts once.
        """
        if not self.sessions or not other.sessions or self == other:
            return self if self.sessions else other
        mine, its = self.usage, other.usage
        usage: dict[str, float | None] = {}
        for field in _SUMS:
            one, two = getattr(mine, field), getattr(its, field)
            usage[field] = None if one is None or two is None else one + two
        for field in _MAXIMA:
            usage[field] = _larger(getattr(mine, field), getattr(its, field))
        bill = None if self.bill is None or other.bill is None else self.bill.plus(other.bill.charged)
        return Tally(
            samples=self.samples + other.samples,
            prompts=self.prompts + other.prompts,
            sessions=self.sessions + other.sessions,
            usage=Usage.model_validate(usage),
            bill=bill,
        )

    def per_task(self, k: int) -> Usage:
        """Average the seconds and dollars of k samples of a task; gives the memory too, whatever k is."""

        def share(total: float | None) -> float | None:
            return None if total is None or not self.samples else total / self.samples * k

        usage = self.usage
        return Usage(
            wall_s=share(usage.wall_s),
            busy_s=share(usage.busy_s),
            usd=share(usage.usd),
            peak_memory_bytes=usage.peak_memory_bytes,
            weight_bytes=usage.weight_bytes,
            kv_bytes=usage.kv_bytes,
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
        return key_of(KIND, self.model, self.precision, self.benchmark, record_text(self.origin))


class TaskKeys(NamedTuple):
    """A task under an origin: the engine's input, and the start of the samples' keys."""

    task: Task
    prompt: Prompt
    sampling: Sampling
    prefix: str

    def key(self, index: int) -> str:
        """The key of sample `index`."""
        return f"{self.prefix}{index}"


def keys_of_task(task: Task, origin: Origin) -> TaskKeys:
    """Make a task's prompt and keys under an origin.

    A sample's key is the SHA-256 over the engine's description (name, version, model, revision, precision, device), the
    prompt, the sampling parameters, the run's seed and the task's id; then its index. It does not include the number of
    samples.
    """
    prompt = prompt_of_task(task, origin.settings)
    sampling = sampling_of_task(task, origin.settings)
    digest = key_of(
        "candidate",
        record_text(origin.description),
        record_text(sampling),
        origin.seed,
        task.id,
        *prompt_key(prompt),
    )
    return TaskKeys(task, prompt, sampling, f"{digest}/")


def sample_seed(run_seed: int | None, task_id: str, prompt: Prompt, index: int) -> int:
    """Derive the seed of a task's sample `index`: the first 53 bits of a SHA-256 over the arguments.

    It depends neither on how many samples are asked for nor on what else is drawn. A greedy arm (`run_seed` None) has
    seeds too, since engines take one; they decide nothing there.
    """
    digest = key_of("seed", run_seed, task_id, *prompt_key(prompt), index)
    return int(digest[:16], 16) >> (64 - SEED_BITS)


def stored_series(store: Store) -> Iterator[Series]:
    """Yield the store's series."""
    for value in store.all_records(KIND).values():
        yield _series(store, value)


def stored_tally(store: Store, series: Series) -> Tally:
    """Return a series' drawing usage so far."""
    found: dict[str, Any] = store.records(KIND, [series.key])
    return _series(store, found[series.key]).tally if found else Tally()


def _series(store: Store, value: Any) -> Series:
    """Read a record of the store, which may be of anybody's making."""
    try:
        return Series.model_validate(value)
    except ValidationError as error:
        why = str(error).splitlines()[0]
        raise UserError(
            f"{store.path} is damaged (the description of what made its samples cannot be read: {why}); move it "
            "away, or choose another store with `store`"
        ) from None


_SUMS = (
    "prompt_tokens",
    "output_tokens",
    "thinking_tokens",
    "prefill_flops",
    "decode_flops",
    "wall_s",
    "busy_s",
    "usd",
)

_MAXIMA = ("peak_memory_bytes", "weight_bytes", "kv_bytes")


class Counts(NamedTuple):
    """A session so far; token counts, FLOPs and dollars are None where not known for every sample."""

    samples: int
    prompts: int
    prompt_tokens: int | None
    output_tokens: int | None
    thinking_tokens: int | None
    prefill_flops: int | None
    decode_flops: int | None
    usd: float | None
    charged: Charged | None
    wall_s: float
    busy_s: float
    memory: EngineMemory


class Pricing(NamedTuple):
    """Prices of a session: of tokens, else of each second; neither if dollars are unknown."""

    tokens: TokenPrice | None = None
    usd_per_s: float | None = None


class UsageCounter:
    """Session counter.

    Args:
        series: What is drawn, with what earlier sessions took.
        architecture: Used to count FLOPs.
        pricing: The session's prices.
        meter: The whole run's, told of every sample.
        memory: Tells the engine's memory.
        machines: Tells on how many machines it draws at once; seconds at work and dollars count each.
    """

    def __init__(
        self,
        series: Series,
        architecture: Architecture | None,
        pricing: Pricing,
        meter: Meter,
        memory: Callable[[], EngineMemory],
        machines: Callable[[], int] = lambda: 1,
    ) -> None:
        self._machines = machines
        self._series = series
        self._architecture = architecture
        self._pricing = pricing
        self._meter = meter
        earlier = series.tally.usage
        self._memory = MemoryWatch(
            memory, EngineMemory(None, earlier.weight_bytes, earlier.kv_bytes, earlier.peak_memory_bytes)
        )
        self._prefilled: set[str] = set()
        self._samples = self._prompt_tokens = self._output_tokens = self._thinking_tokens = 0
        self._knows_thinking = True
        self._prefill_flops = self._decode_flops = 0
        self._dollars = self._busy_s = 0.0
        self._is_counted = self._is_charged = self._is_priced = True
        self._charged = Charged()
        self._bounds = Bounds(architecture, pricing.tokens)
        self._since = time.monotonic()

    def timed(self, finished: Iterator[tuple[int, Outcome]]) -> Iterator[tuple[int, Outcome]]:
        """Yield an engine's results, counting the time taken as busy."""
        while True:
            start = time.monotonic()
            item = next(finished, None)
            self._busy_s += (time.monotonic() - start) * self._machines()
            if item is None:
                return
            yield item

    def add(self, keys: TaskKeys, generation: Generation) -> Counts:
        """Add a sample; return the session. The meter's `check` tells whether its limit could be counted."""
        self._samples += 1
        self._thinking_tokens += generation.thinking_tokens or 0
        self._knows_thinking &= generation.thinking_tokens is not None
        self._memory.look()
        prompt, output = generation.prompt_tokens, generation.output_tokens
        is_first = keys.prefix not in self._prefilled
        self._prefilled.add(keys.prefix)
        flops = None
        if prompt is None or output is None:
            self._is_counted = False
        else:
            prefilled = prompt if is_first else 0
            self._prompt_tokens += prefilled
            self._output_tokens += output
            if self._architecture is not None:
                prefill = prefill_flops(self._architecture, prefilled)
                decode = decode_flops(self._architecture, prompt, output)
                self._prefill_flops += prefill
                self._decode_flops += decode
                flops = float(prefill + decode)
        usd = self._charge(generation)
        self._bounds.see(keys, generation, usd)
        self._meter.add(flops=flops, output_tokens=output, usd=usd)
        return self.counts()

    def look(self) -> None:
        """Look at the engine's memory once more, at the end."""
        self._memory.look(now=True)

    @property
    def has_counted(self) -> bool:
        """Whether anything was drawn or billed."""
        return bool(self._samples) or self._charged != Charged()

    def charge(self, charged: Charged) -> None:
        """Add what is billed for no sample."""
        self._charged = self._charged.plus(charged)
        if self._pricing.tokens is not None:
            usd = _usd_of(self._pricing.tokens, charged)
            self._dollars += usd
            self._meter.charge(usd)

    def most(self, keys: TaskKeys) -> Spent:
        """Bound what a task's next sample uses."""
        return self._bounds.most(keys)

    def _charge(self, generation: Generation) -> float | None:
        """Count what is billed for a sample, and return its dollars; None if they are unknown."""
        charged, prices = generation.charged, self._pricing
        if charged is None:
            self._is_charged = False
            if generation.prompt_tokens is not None and generation.output_tokens is not None:
                # Drawn on this machine, priced like a server that takes one request per sample.
                charged = Charged(1, generation.prompt_tokens, 0, generation.output_tokens)
        else:
            self._charged = self._charged.plus(charged)
        usd = None
        if prices.tokens is not None:
            usd = None if charged is None else _usd_of(prices.tokens, charged)
        elif prices.usd_per_s is not None:
            # A machine that was lost meanwhile gives nothing back.
            usd = max(0.0, prices.usd_per_s * (time.monotonic() - self._since) * self._machines() - self._dollars)
        self._dollars += usd or 0.0
        self._is_priced = self._is_priced and usd is not None
        return usd

    def counts(self) -> Counts:
        """The session so far."""
        has_tokens = self._is_counted
        has_flops = has_tokens and self._architecture is not None
        return Counts(
            samples=self._samples,
            prompts=len(self._prefilled),
            prompt_tokens=self._prompt_tokens if has_tokens else None,
            output_tokens=self._output_tokens if has_tokens else None,
            thinking_tokens=self._thinking_tokens if self._knows_thinking else None,
            prefill_flops=self._prefill_flops if has_flops else None,
            decode_flops=self._decode_flops if has_flops else None,
            usd=self._dollars if self._is_priced and self._pricing != Pricing() else None,
            charged=self._charged if self._is_charged else None,
            wall_s=time.monotonic() - self._since,
            busy_s=self._busy_s,
            memory=self._memory.most,
        )

    def series_with(self, counts: Counts) -> Series:
        """Add this session's usage to the series' earlier ones; a sum with an unknown part is unknown."""
        before = self._series.tally
        usage: dict[str, float | None] = {}
        for field in _SUMS:
            took, earlier = getattr(counts, field), getattr(before.usage, field)
            if before.sessions and (took is None or earlier is None):
                usage[field] = None
            else:
                usage[field] = took if not before.sessions else took + earlier
        bill = None
        if counts.charged is not None and (not before.sessions or before.bill is not None):
            bill = (before.bill or Bill()).plus(counts.charged)
        if usage["usd"] is None and bill is not None and self._pricing.tokens is not None:
            # An earlier session had no price, but the tokens billed for it are known.
            usage["usd"] = _usd_of(self._pricing.tokens, bill)
        tally = Tally(
            samples=before.samples + counts.samples,
            prompts=before.prompts + counts.prompts,
            sessions=before.sessions + 1,
            usage=Usage.model_validate(
                usage
                | {
                    "peak_memory_bytes": counts.memory.peak_bytes,
                    "weight_bytes": counts.memory.weight_bytes,
                    "kv_bytes": counts.memory.kv_bytes,
                }
            ),
            bill=bill,
        )
        return self._series.model_copy(update={"tally": tally})


def _usd_of(price: TokenPrice, charged: Charged | Bill) -> float:
    return price.usd(
        charged.prompt_tokens,
        charged.output_tokens,
        cached=charged.cached_tokens,
        reasoning=charged.reasoning_tokens,
    )


_DEVICE_EVERY_S = 5.0
_PROCESSES_EVERY_S = 0.2


class MemoryWatch:
    """The most memory in use, over the looks taken.

    What the engine does not tell of the peak is measured: where its model is in main memory, the memory of this process
    and its children, and on an NVIDIA device what is in use there, other programs included.

    Args:
        memory: Tells the engine's memory.
        earlier: An earlier session's.
    """

    def __init__(self, memory: Callable[[], EngineMemory], earlier: EngineMemory) -> None:
        self.most = earlier
        self._memory = memory
        self._next = 0.0

    def look(self, *, now: bool = False) -> None:
        """Take a look, unless the last one was a moment ago and it need not be `now`."""
        moment = time.monotonic()
        if moment < self._next and not now:
            return
        seen, most = self._memory(), self.most
        peak = seen.peak_bytes
        if peak is None and seen.place is not None:
            peak = _resident_bytes() if seen.place == "host" else _device_bytes()
        self._next = moment + (_DEVICE_EVERY_S if seen.place == "device" else _PROCESSES_EVERY_S)
        self.most = EngineMemory(
            seen.place,
            _larger(seen.weight_bytes, most.weight_bytes),
            _larger(seen.kv_bytes, most.kv_bytes),
            _larger(peak, most.peak_bytes),
        )


def _larger(one: int | None, other: int | None) -> int | None:
    known = [value for value in (one, other) if value is not None]
    return max(known, default=None)


def _resident_bytes() -> int | None:
    """Sum the memory of this process and those it started; None where the system is silent."""
    total, waiting = 0, [os.getpid()]
    while waiting:
        process = Path(f"/proc/{waiting.pop()}")
        try:
            total += int((process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            for thread in (process / "task").iterdir():
                waiting += map(int, (thread / "children").read_text().split())
        except (OSError, ValueError, IndexError):
            continue
    return total or None


def _device_bytes() -> int | None:
    """Measure memory in use on the fullest visible NVIDIA device: plans count bytes per device."""
    try:
        used = nvidia_smi("memory.used", devices=os.environ.get("CUDA_VISIBLE_DEVICES", ""))
        return max(int(mebibytes) for (mebibytes,) in used) << 20
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
