"""The rows of a run: candidates, verdicts, rankings and timings, as records and as JSON."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .._util.printable import one_line
from ..compression.divergence import Along, BaseTokens
from ..experiment.compressed import ComparedTokens
from ..experiment.ranking import RankedTask, Walk, ranking_cost
from ..records import Candidate, FinishReason, GeneratedTests, Integrity, Ranking, Realised, Status, Usage, Verdict
from . import strict_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..records import Task

MACHINE_DECIDES: Final = frozenset({"timeout", "memory", "output"})
"""Statuses of programs that were cut off: how far they got, and which limit cut them, depends on the machine."""

_ADDRESS: Final = re.compile(r"0x[0-9a-f]{6,}")
# What a double holds exactly, and numpy's integers: larger ones overflow in computations.
_COUNT = Annotated[int, Field(ge=0, le=2**53)]
_PLACE = Annotated[int, Field(ge=0, lt=2**31)]
_COST = Annotated[float, Field(ge=0, le=1e300)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class RunRow(_Part):
    """The common part of rows: their place."""

    benchmark: str
    arm: str
    task_id: str

    def dump(self) -> dict[str, Any]:
        """Convert to JSON without unknown values."""
        return self.model_dump(mode="json", exclude_none=True)


class CandidateRow(RunRow):
    """One sample. `arm` is the arm as typed; see `records.Candidate` for the rest. A logprob may be "-inf"."""

    index: _PLACE
    raw: str
    program: str
    seed: int | None = None
    stratum: str | None = None
    prompt: str | None = None
    finish_reason: FinishReason | None = None
    prompt_tokens: _COUNT | None = None
    output_tokens: _COUNT | None = None
    thinking_tokens: _COUNT | None = None
    logprobs: tuple[float | Literal["-inf"], ...] | None = None
    stage: Annotated[int, Field(ge=0, lt=100)] | None = None

    @classmethod
    def of(cls, benchmark: str, arm: str, candidate: Candidate) -> CandidateRow:
        """Make a candidate's row."""
        fields = candidate.model_dump(exclude={"arm", "logprobs"})
        logprobs = candidate.logprobs
        if logprobs is not None:
            # JSON has no infinity; a probability of 0 is none.
            fields["logprobs"] = tuple(value if math.isfinite(value) else "-inf" for value in logprobs)
        return cls(benchmark=benchmark, arm=arm, **fields)

    def candidate(self) -> Candidate:
        """Get a row's candidate."""
        fields = self.model_dump(exclude={"benchmark", "logprobs"})
        logprobs = None if self.logprobs is None else tuple(map(float, self.logprobs))
        return Candidate(**fields, logprobs=logprobs)


class VerdictRow(RunRow):
    """The verdict on one candidate; `tests_run` and `detail` are left out if the machine's speed decides them."""

    index: _PLACE
    status: Status
    integrity: Integrity
    tests_run: _COUNT | None = None
    tests_expected: _COUNT
    detail: str | None = None

    @classmethod
    def of(cls, benchmark: str, arm: str, candidate: Candidate, verdict: Verdict) -> VerdictRow:
        """Make a verdict's row."""
        is_cut_off = verdict.status in MACHINE_DECIDES
        return cls(
            benchmark=benchmark,
            arm=arm,
            task_id=candidate.task_id,
            index=candidate.index,
            status=verdict.status,
            integrity=verdict.integrity,
            tests_run=None if is_cut_off else verdict.tests_run,
            tests_expected=verdict.tests_expected,
            # Memory addresses differ from run to run.
            detail=None if is_cut_off else _ADDRESS.sub("0x...", verdict.detail) or None,
        )

    def verdict(self) -> Verdict:
        """Get a row's verdict, without measurements."""
        fields = self.model_dump(exclude={"benchmark", "arm", "task_id", "index"}, exclude_none=True)
        return Verdict(**fields)


_SHARE = Annotated[float, Field(ge=0, le=1)]


class WalkPart(_Part):
    """The way of a task through a cascade; see `experiment.ranking.Walk`."""

    reached: Annotated[tuple[_SHARE, ...], Field(min_length=2, max_length=100)]
    passing: _SHARE
    ranked: _COST
    shown: bool
    least: _SHARE
    lacking: _SHARE

    @classmethod
    def of(cls, walk: Walk) -> WalkPart:
        """Convert a walk."""
        return cls(**walk._asdict())

    def walk(self) -> Walk:
        """Convert to a walk."""
        return Walk(**self.model_dump())


class LeftPart(_Part):
    """The k left if ranking is paid for out of the arm's FLOPs, and rank-score@k at it."""

    k: _PLACE
    score: Annotated[float, Field(ge=0, le=1)]


_ID = Annotated[int, Field(ge=0, lt=2**31)]
_LOGPROB = Annotated[float, Field(ge=-1e9, le=1e-4)]
_Differing = Annotated[tuple[tuple[_PLACE, _ID], ...], Field(max_length=10_000)]


class TokenRow(RunRow):
    """One prompt, along which a compressed arm is compared with its model at 16 bits.

    `base_ids` are that model's greedy tokens. `differing` has the places and ids of the arm's choices that differ from
    these, and `mean_logprob` the mean natural logprob that it gives them; `floor_differing` and `floor_mean_logprob`
    are the model's own in batches of another shape.
    """

    prompt_tokens: _PLACE
    base_ids: Annotated[tuple[_ID, ...], Field(min_length=1, max_length=10_000)]
    differing: _Differing
    mean_logprob: _LOGPROB
    floor_differing: _Differing
    floor_mean_logprob: _LOGPROB

    @classmethod
    def all_of(cls, benchmark: str, arm: str, tasks: Sequence[Task], tokens: ComparedTokens) -> list[TokenRow]:
        """Make an arm's rows, in the order of the tasks."""
        base, floor, along = tokens.base, tokens.base.floor, tokens.along
        return [
            cls(
                benchmark=benchmark,
                arm=arm,
                task_id=task.id,
                prompt_tokens=base.prompt_tokens[place],
                base_ids=base.ids[place],
                differing=along.differing[place],
                mean_logprob=along.mean_logprobs[place],
                floor_differing=floor.differing[place],
                floor_mean_logprob=floor.mean_logprobs[place],
            )
            for place, task in enumerate(tasks)
        ]


def tokens_of_rows(rows: Sequence[TokenRow]) -> ComparedTokens:
    """Get an arm's tokens back from its rows, but for the tokenizer's key."""
    floor = Along(
        differing=tuple(row.floor_differing for row in rows),
        mean_logprobs=tuple(row.floor_mean_logprob for row in rows),
    )
    base = BaseTokens(
        prompt_tokens=tuple(row.prompt_tokens for row in rows),
        ids=tuple(row.base_ids for row in rows),
        floor=floor,
        vocabulary="",
    )
    along = Along(differing=tuple(row.differing for row in rows), mean_logprobs=tuple(row.mean_logprob for row in rows))
    return ComparedTokens(base, along)


class TestsRow(RunRow):
    """The texts of tests that an arm is picked by on a task, and what its limit paid for them.

    Token counts and FLOPs are of all texts together, but for `prompt_tokens`, the length of each one's prompt; FLOPs
    leave out what the arm's programs paid for already.
    """

    texts: Annotated[tuple[str, ...], Field(max_length=10_000)]
    prompt_tokens: _COST | None = None
    output_tokens: _COST | None = None
    prefill_flops: _COST | None = None
    decode_flops: _COST | None = None
    usd: _COST | None = None
    estimated: bool = False

    @classmethod
    def of(cls, benchmark: str, arm: str, task_id: str, tests: GeneratedTests) -> TestsRow:
        """Make a task's row."""
        usage = tests.usage
        return cls(
            benchmark=benchmark,
            arm=arm,
            task_id=task_id,
            texts=tests.samples,
            prompt_tokens=tests.prompt_tokens,
            output_tokens=usage.output_tokens,
            prefill_flops=usage.prefill_flops,
            decode_flops=usage.decode_flops,
            usd=usage.usd,
            estimated=usage.estimated,
        )

    def tests(self) -> GeneratedTests:
        """Get a row's tests."""
        usage = Usage(
            output_tokens=self.output_tokens,
            prefill_flops=self.prefill_flops,
            decode_flops=self.decode_flops,
            usd=self.usd,
            estimated=self.estimated,
        )
        return GeneratedTests(samples=self.texts, usage=usage, prompt_tokens=self.prompt_tokens)


class RankingRow(RunRow):
    """One ranker's scores of a task's candidates, in the order of their verdicts; `at_k` is rank-score@k by k.

    `flops` is the cost of ranking all of them and `tests_flops` that of drawing tests for the task, both None if a
    part of it is unknown; `tests_estimated`: from text.
    """

    ranker: str
    scores: tuple[float, ...]
    flops: _COST | None = None
    tests_flops: _COST | None = None
    tests_estimated: Literal[True] | None = None
    executions: _COUNT
    at_k: dict[Annotated[int, Field(ge=1, lt=2**31)], Annotated[float, Field(ge=0, le=1)]]
    left: LeftPart | None = None
    walk: WalkPart | None = None

    @classmethod
    def of(cls, benchmark: str, arm: str, task_id: str, ranker: str, ranked: RankedTask) -> RankingRow:
        """Make a ranking's row."""
        ranking, cost = ranked.ranking, ranking_cost(ranked.ranking)
        return cls(
            benchmark=benchmark,
            arm=arm,
            task_id=task_id,
            ranker=ranker,
            scores=ranking.scores,
            flops=None if cost is None else cost.per_candidate_flops * max(1, len(ranking.scores)),
            tests_flops=None if cost is None else cost.fixed_flops,
            tests_estimated=True if ranking.tests_usage is not None and ranking.tests_usage.estimated else None,
            executions=ranking.executions,
            at_k=ranked.at_k,
            left=None if ranked.left is None else LeftPart(k=ranked.left[0], score=ranked.left[1]),
            walk=None if ranked.walk is None else WalkPart.of(ranked.walk),
        )

    def ranked(self) -> RankedTask:
        """Get a row's ranking, without measurements."""
        tests = _used(self.tests_flops).model_copy(update={"estimated": self.tests_estimated is not None})
        ranking = Ranking(
            scores=self.scores,
            usage=_used(self.flops),
            # Without tests nothing was paid for any.
            tests_usage=None if self.tests_flops == 0 else tests,
            executions=self.executions,
        )
        left = None if self.left is None else (self.left.k, self.left.score)
        return RankedTask(ranking, dict(self.at_k), left, None if self.walk is None else self.walk.walk())


def _used(flops: float | None) -> Usage:
    return Usage() if flops is None else Usage(prefill_flops=0.0, decode_flops=flops)


AnyRow = TypeVar("AnyRow", CandidateRow, VerdictRow, RankingRow, TokenRow, TestsRow)


def parse_row(line: bytes, kind: type[AnyRow]) -> AnyRow:
    """Parse a row's line.

    Raises:
        ValueError: It is not such a row; the message says which field, or that it is not JSON.
    """
    try:
        return strict_json.read_as(line, kind)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = one_line(".".join(map(str, first["loc"]))) or "the row"
        raise ValueError(f"{field}: {first['msg']}") from None


Seconds = Annotated[float, Field(ge=0)]
Bytes = Annotated[int, Field(ge=0)]


class _TimedPart(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class RankerTimings(_TimedPart):
    """Seconds of ranking per task, at the arm's k."""

    cost_s: Seconds


class ArmTimings(_TimedPart):
    """One arm on one benchmark; `verdicts` has `(cpu_s, wall_s, peak_bytes)` of every program, by task."""

    benchmark: str
    arm: str
    realised: Realised
    rankers: dict[str, RankerTimings]
    verdicts: dict[str, tuple[tuple[Seconds, Seconds, Bytes], ...]]


class Timings(_TimedPart):
    """The whole file: when the run was made, seconds by step, and each arm's."""

    schema_version: Literal[1]
    started_at: str
    steps: dict[str, Seconds]
    arms: tuple[ArmTimings, ...]

    def value(self) -> dict[str, Any]:
        """Convert to JSON, unknowns as null."""
        return self.model_dump(mode="json")
