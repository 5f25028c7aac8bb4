"""timings.json: what a clock or the system measured while a run was made."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from ..records import Realised  # noqa: TC001 (pydantic reads it)

Seconds = Annotated[float, Field(ge=0)]
Bytes = Annotated[int, Field(ge=0)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class RankerTimings(_Part):
    """Seconds of ranking per task, at the arm's k."""

    cost_s: Seconds


class ArmTimings(_Part):
    """One arm on one benchmark; `verdicts` has `(cpu_s, wall_s, peak_bytes)` of every program, by task."""

    benchmark: str
    arm: str
    realised: Realised
    rankers: dict[str, RankerTimings]
    verdicts: dict[str, tuple[tuple[Seconds, Seconds, Bytes], ...]]


class Timings(_Part):
    """The whole file: when the run was made, seconds by step, and each arm's."""

    schema_version: Literal[1]
    started_at: str
    steps: dict[str, Seconds]
    arms: tuple[ArmTimings, ...]
