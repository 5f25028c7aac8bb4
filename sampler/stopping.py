"""`--stop-after`: a limit on what one run may draw, and the meter checked against it."""

from __future__ import annotations

import math
import re
import time
from typing import TYPE_CHECKING, Generic, Literal, NamedTuple, TypeVar

from ..budgets.notation import format_amount, parse_amount
from ..errors import UserError
from ..records import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

T = TypeVar("T")

StopKind = Literal["runtime", "flops", "tokens", "usd"]

_TOKENS = re.compile(r"(\d+\.?\d*(?:e\d+)?)\s*tokens?", re.IGNORECASE)


class StopAfter(Record):
    """End of a run: after seconds, FLOPs, output tokens or dollars."""

    kind: StopKind
    amount: float

    def format(self, amount: float) -> str:
        """Format such an amount with its unit."""
        return f"{amount:.4g} tokens" if self.kind == "tokens" else format_amount(self.kind, amount)


class Spent(NamedTuple):
    """Usage of a run so far."""

    runtime_s: float
    flops: float
    output_tokens: int
    usd: float


class Stopped(Record):
    """A run's usage against its limit; `overshoot` is how far the run exceeded it, 0 where it stayed within."""

    limit: StopAfter
    spent: float
    reached: bool

    @property
    def overshoot(self) -> float:
        """Amount spent beyond the limit."""
        return max(0.0, self.spent - self.limit.amount)


def parse_stop_after(text: str) -> StopAfter:
    """Read `60s`, `5min`, `1e15flops`, `1e6tokens` or `2usd`.

    Raises:
        UserError: It is none of these.
    """
    bare = text.strip()
    tokens = _TOKENS.fullmatch(bare)
    if tokens:
        amount = float(tokens[1])
        if not math.isfinite(amount) or amount <= 0:
            raise UserError(f"`stop_after` {text}: give more than 0 tokens, such as 1e6tokens")
        return StopAfter(kind="tokens", amount=amount)
    kinds: tuple[Literal["usd", "flops", "runtime"], ...] = ("usd", "flops", "runtime")
    for kind in kinds:
        # A bare number could be FLOPs or dollars.
        if bare.replace(".", "").isdigit():
            break
        try:
            return StopAfter(kind=kind, amount=parse_amount(kind, bare))
        except UserError:
            continue
    raise UserError(f"cannot read `stop_after` {text!r}; write it like 60s, 1e15flops, 1e6tokens or 2usd")


class Meter:
    """Counter of what a run draws, over all its arms, from its creation on.

    Args:
        limit: When to stop; None never does.
        clock: Seconds.
    """

    def __init__(self, limit: StopAfter | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self._clock = clock
        self._since = clock()
        self._flops = 0.0
        self._output_tokens = 0
        self._usd = 0.0
        self._end_s: float | None = None
        self._is_blind = False

    def add(self, *, flops: float | None, output_tokens: int | None, usd: float | None) -> None:
        """Count a sample, noting for `check` if the limit is on something unknown of it."""
        amounts = {"flops": flops, "tokens": output_tokens, "usd": usd}
        if self.limit is not None and self.limit.kind in amounts and amounts[self.limit.kind] is None:
            self._is_blind = True
        self._flops += flops or 0.0
        self._output_tokens += output_tokens or 0
        self._usd += usd or 0.0

    def charge(self, usd: float) -> None:
        """Count dollars that belong to no sample."""
        self._usd += usd

    def check(self, *, priced: bool = True) -> None:
        """Refuse to go on if it is unknown how far the run is from its limit.

        Args:
            priced: Whether dollars are counted.

        Raises:
            UserError: The limit is on something unknown of a sample, or on dollars that are not counted.
        """
        if self.limit is not None and (self._is_blind or (self.limit.kind == "usd" and not priced)):
            raise UserError(_UNKNOWN[self.limit.kind])

    def has_room(self, in_flight: Iterable[Spent]) -> bool:
        """Whether the limit stays unreached if each sample in flight uses the amount given for it."""
        if self.limit is None:
            return True
        kind = self.limit.kind
        return self._of_kind(kind) + sum(_amount(one, kind) for one in in_flight) < self.limit.amount

    @property
    def spent(self) -> Spent:
        """Return the usage so far."""
        return Spent(self._clock() - self._since, self._flops, self._output_tokens, self._usd)

    def is_reached(self) -> bool:
        """Whether the run must end: at the limit, or if it is unknown how far it is."""
        return self.limit is not None and (self._is_blind or self._of_kind(self.limit.kind) >= self.limit.amount)

    def result(self) -> Stopped | None:
        """Compare the run with its limit; None without one."""
        if self.limit is None:
            return None
        spent = self._of_kind(self.limit.kind) if self._end_s is None else self._end_s
        return Stopped(limit=self.limit, spent=spent, reached=spent >= self.limit.amount)

    def end(self) -> None:
        """End the run: what follows, such as grading, takes none of its seconds."""
        if self.limit is not None:
            self._end_s = self._of_kind(self.limit.kind)

    def _of_kind(self, kind: StopKind) -> float:
        return _amount(self.spent, kind)


def _amount(spent: Spent, kind: StopKind) -> float:
    return {
        "runtime": spent.runtime_s,
        "flops": spent.flops,
        "tokens": float(spent.output_tokens),
        "usd": spent.usd,
    }[kind]


class Gate(Generic[T]):
    """Decides which draws may start, for engines that are billed for every draw they start.

    It keeps so few in flight that the limit is overshot by at most one of them. If there is a limit, the first draw
    runs alone, to show whether the server keeps to `max_tokens`.

    Args:
        meter: The run's.
        draws: The draws, by place.
        most: Bounds what one of them can use, from what is known so far.
    """

    def __init__(self, meter: Meter, draws: Sequence[T], most: Callable[[T], Spent]) -> None:
        self._meter = meter
        self._draws = draws
        self._most = most
        self._in_flight: set[int] = set()
        self._is_closed = self._is_measured = False
        self.was_asked = False

    def __call__(self, place: int) -> bool:
        """Whether the draw at a place may start now; it is counted as started if so."""
        self.was_asked = True
        if self._is_closed or self._meter.is_reached() or not self._has_room():
            return False
        self._in_flight.add(place)
        return True

    @property
    def in_flight(self) -> int:
        """Number of draws started and not finished; 0 for an engine that does not ask."""
        return len(self._in_flight)

    def finish(self, place: int) -> None:
        """Count the draw at a place as finished; its use must reach the meter before the next one asks."""
        self._in_flight.discard(place)
        self._is_measured = True

    def close(self) -> None:
        """Stop further draws from starting."""
        self._is_closed = True

    def _has_room(self) -> bool:
        limit = self._meter.limit
        if limit is None or limit.kind == "runtime" or not self._in_flight:
            return True
        return self._is_measured and self._meter.has_room(self._most(self._draws[place]) for place in self._in_flight)


_UNKNOWN = {
    "flops": "`stop_after` FLOPs cannot be counted: the engine reports no token counts; give seconds, such as 60s",
    "tokens": "`stop_after` tokens cannot be counted: the engine reports no token counts; give seconds, such as 60s",
    "usd": "`stop_after` dollars needs a price (`usd_per_mtok` IN,OUT, or `usd_per_hour` with `hardware`), and token "
    "counts from the engine",
}
