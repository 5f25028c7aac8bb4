"""What one session of drawing takes, counted as its samples come in."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from ..budgets.flops import decode_flops, prefill_flops
from ..records import Usage
from .origins import Series, Tally
from .peak import PeakMemory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..budgets.architecture import Architecture
    from .engine import Generation
    from .origins import TaskKeys
    from .stopping import Meter

_SUMS = ("prompt_tokens", "output_tokens", "prefill_flops", "decode_flops", "wall_s", "busy_s", "usd")


class Counts(NamedTuple):
    """A session so far; token counts, FLOPs and dollars are None where they cannot be known of every sample."""

    samples: int
    prompts: int
    prompt_tokens: int | None
    output_tokens: int | None
    prefill_flops: int | None
    decode_flops: int | None
    usd: float | None
    wall_s: float
    busy_s: float
    peak_bytes: int | None


class Counter:
    """Counts a session.

    Args:
        series: What is drawn, with what earlier sessions took.
        architecture: What FLOPs are counted by.
        usd: Dollars of (prompt tokens, output tokens, seconds).
        meter: The whole run's, told of every sample.
    """

    def __init__(
        self,
        series: Series,
        architecture: Architecture | None,
        usd: Callable[[int, int, float], float] | None,
        meter: Meter,
    ) -> None:
        self._series = series
        self._architecture = architecture
        self._usd = usd
        self._meter = meter
        self._peak = PeakMemory(series.origin.description.device, series.tally.usage.peak_memory_bytes)
        self._prefilled: set[str] = set()
        self._samples = self._prompt_tokens = self._output_tokens = 0
        self._prefill_flops = self._decode_flops = 0
        self._dollars = self._busy_s = 0.0
        self._is_counted = True
        self._since = time.monotonic()

    def timed(self, finished: Iterator[tuple[int, Generation]]) -> Iterator[tuple[int, Generation]]:
        """What an engine yields, with the time that it took counted as busy."""
        while True:
            start = time.monotonic()
            item = next(finished, None)
            self._busy_s += time.monotonic() - start
            if item is None:
                return
            yield item

    def add(self, keys: TaskKeys, generation: Generation) -> Counts:
        """Count a sample; the session with it.

        Raises:
            UserError: the meter's limit is on something that is not known of it.
        """
        self._samples += 1
        self._peak.look()
        prompt, output = generation.prompt_tokens, generation.output_tokens
        is_first = keys.prefix not in self._prefilled
        self._prefilled.add(keys.prefix)
        flops = usd = None
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
            if self._usd is not None:
                total = self._usd(self._prompt_tokens, self._output_tokens, time.monotonic() - self._since)
                usd, self._dollars = total - self._dollars, total
        self._meter.add(flops=flops, output_tokens=output, usd=usd)
        return self.counts()

    def counts(self) -> Counts:
        """The session so far."""
        has_tokens = self._is_counted
        has_flops = has_tokens and self._architecture is not None
        return Counts(
            samples=self._samples,
            prompts=len(self._prefilled),
            prompt_tokens=self._prompt_tokens if has_tokens else None,
            output_tokens=self._output_tokens if has_tokens else None,
            prefill_flops=self._prefill_flops if has_flops else None,
            decode_flops=self._decode_flops if has_flops else None,
            usd=self._dollars if has_tokens and self._usd is not None else None,
            wall_s=time.monotonic() - self._since,
            busy_s=self._busy_s,
            peak_bytes=self._peak.bytes,
        )

    def series_with(self, counts: Counts) -> Series:
        """The series with what earlier sessions and this one took; what one does not know, the sum does not."""
        before = self._series.tally
        usage: dict[str, float | None] = {}
        for field in _SUMS:
            took, earlier = getattr(counts, field), getattr(before.usage, field)
            if before.sessions and (took is None or earlier is None):
                usage[field] = None
            else:
                usage[field] = took if not before.sessions else took + earlier
        tally = Tally(
            samples=before.samples + counts.samples,
            prompts=before.prompts + counts.prompts,
            sessions=before.sessions + 1,
            usage=Usage.model_validate(usage | {"peak_memory_bytes": counts.peak_bytes}),
        )
        return self._series.model_copy(update={"tally": tally})
