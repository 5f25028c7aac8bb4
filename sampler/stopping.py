"""`--stop-after`: a limit on what one run may draw, and the meter checked against it."""

from __future__ import annotations

import math
import re
import time
from typing import TYPE_CHECKING, Literal, NamedTuple

from ..budgets.notation import format_amount, parse_amount
from ..errors import UserError
from ..records import Record

if TYPE_CHECKING:
    from collections.abc import Callable

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

    def add(self, *, flops: float | None, output_tokens: int | None, usd: float | None) -> None:
        """Count a sample.

        Raises:
            UserError: The limit is on something not known of it.
        """
        amounts = {"flops": flops, "tokens": output_tokens, "usd": usd}
        if self.limit is not None and self.limit.kind in amounts and amounts[self.limit.kind] is None:
            raise UserError(_UNKNOWN[self.limit.kind])
        self._flops += flops or 0.0
        self._output_tokens += output_tokens or 0
        self._usd += usd or 0.0

    @property
    def spent(self) -> Spent:
        """Return the usage so far."""
        return Spent(self._clock() - self._since, self._flops, self._output_tokens, self._usd)

    def is_reached(self) -> bool:
        """Whether the run must end."""
        return self.limit is not None and self._of_kind(self.limit.kind) >= self.limit.amount

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
        spent = self.spent
        return {
            "runtime": spent.runtime_s,
            "flops": spent.flops,
            "tokens": float(spent.output_tokens),
            "usd": spent.usd,
        }[kind]


_UNKNOWN = {
    "flops": "`stop_after` FLOPs cannot be counted: the engine reports no token counts; give seconds, such as 60s",
    "tokens": "`stop_after` tokens cannot be counted: the engine reports no token counts; give seconds, such as 60s",
    "usd": "`stop_after` dollars needs a price (`usd_per_mtok` IN,OUT, or `usd_per_hour` with `hardware`), and token "
    "counts from the engine",
}
