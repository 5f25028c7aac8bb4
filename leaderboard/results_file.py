"""The schema of results.json, which a run writes, and a site and a report read.

A field that files of version 1 did not always have has a default, and an unknown field is skipped, so that older and
newer files can be read. Numbers have `files.DIGITS` significant digits, however they are made.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ..records import (
    BudgetKind,
    Compression,
    Cost,
    Interval,
    MacroComparison,
    PairedResult,
    Status,
    VerdictSentences,
    Workload,
)
from .files import rounded

MOST_SAMPLES: Final = 100_000
"""Most samples of an arm and task: the time to estimate pass@k grows with them."""

MOST_AMOUNT: Final = 1e300
"""Most FLOPs, seconds, bytes or dollars: results of larger ones may not be finite."""

_rounded = BeforeValidator(rounded)

Number = Annotated[float, _rounded]
Share = Annotated[float, Field(ge=0, le=1), _rounded]
Amount = Annotated[float, Field(ge=0, le=MOST_AMOUNT), _rounded]
Count = Annotated[int, Field(ge=0, le=2**53)]
Samples = Annotated[int, Field(ge=0, le=MOST_SAMPLES)]
K = Annotated[int, Field(ge=1, le=MOST_SAMPLES)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Spread(_Part):
    """A score with its 95 % interval; all None if it is undefined."""

    value: Share | None
    low: Share | None
    high: Share | None

    @classmethod
    def of(cls, found: Interval) -> Spread:
        """Convert a record."""
        return cls(value=found.value, low=found.low, high=found.high)

    def interval(self) -> Interval:
        """Convert to a record."""
        return Interval(value=self.value, low=self.low, high=self.high)


class RecoverySpread(_Part):
    """A percentage with its 95 % interval; all None if it is undefined."""

    value: Number | None
    low: Number | None
    high: Number | None


class LeftSpread(Spread):
    """A score at the k left of a budget if ranking is paid for out of it."""

    k: Number


class Amounts(_Part):
    """A cost per task, a limit, or the ratio of two; None if it cannot be known."""

    flops: Amount | None = None
    runtime_s: Amount | None = None
    memory_bytes: Amount | None = None
    usd: Amount | None = None

    @classmethod
    def of(cls, cost: Cost) -> Amounts:
        """Convert a record."""
        return cls(flops=cost.flops, runtime_s=cost.runtime_s, memory_bytes=cost.memory_bytes, usd=cost.usd)

    def cost(self) -> Cost:
        """Convert to a record."""
        return Cost(flops=self.flops, runtime_s=self.runtime_s, memory_bytes=self.memory_bytes, usd=self.usd)


class WorkloadPart(_Part):
    """Tokens per sample that were planned for before anything was measured; see `records.Workload`."""

    convention: Literal["tokens", "paper"]
    prompt_tokens: Count
    output_tokens: Count
    source: str
    estimated: bool = False

    @classmethod
    def of(cls, workload: Workload) -> WorkloadPart:
        """Convert a record."""
        return cls(
            convention=workload.convention,
            prompt_tokens=workload.prompt_tokens,
            output_tokens=workload.output_tokens,
            source=workload.source,
            estimated=workload.estimated,
        )


class PlannedCost(_Part):
    """An arm's planned cost per task, its comparison with the limit, and what is left over.

    `workload` has the lengths that it is planned for: its pilot's, or those of its files.
    """

    cost: Amounts
    budget_ratio: Amounts
    leftover: Amounts
    matched: bool
    equal: bool
    binding: BudgetKind | None
    workload: WorkloadPart | None = None


class RealisedCost(_Part):
    """The cost of an arm's samples per task by their token counts; `estimated`: from bytes, if some have none.

    `usd` uses the board's token prices, each sample being a request; `budget_ratio` is that of the FLOPs.
    `flops_over_tasks` are the 10th and the 90th percentile of the tasks' FLOPs, and `leftover` what the limit leaves.
    `tests_flops` are those of the tests that the limit pays for, which `flops` holds too.
    """

    flops: Amount | None = None
    usd: Amount | None = None
    budget_ratio: Amount | None = None
    matched: bool | None = None
    equal: bool | None = None
    prompt_tokens: Amount | None = None
    output_tokens: Amount | None = None
    prefill_flops: Amount | None = None
    decode_flops: Amount | None = None
    leftover: Amount | None = None
    flops_over_tasks: tuple[Amount, Amount] | None = None
    tests_flops: Amount | None = None
    estimated: bool = False


class StagePart(_Part):
    """A stage of a cascade: its model, its k, and the shares of tasks planned to reach it, and that did."""

    spec: str
    model: str
    k: K
    planned: Share
    reached: Share


class EscalationPart(_Part):
    """The rule by which a cascade went on; see `records.Escalation`."""

    shown: Share
    bare: Share
    tasks_shown: Count
    tasks_bare: Count
    tuned: bool


class StratumPart(_Part):
    """pass@1 of an arm's samples made with one setting."""

    name: str
    n: Count
    pass_at_1: Spread


class RankerScores(_Part):
    """One ranker's scores of an arm by k, and what ranking costs per task at the arm's k.

    `total_flops` are those of the samples and of ranking, tests included, and `total_ratio` is that over the limit.
    """

    cost_flops: Amount | None
    gap_closed: Number | None = None
    left: LeftSpread | None = None
    executions: Number
    rank_score_at_k: dict[K, Spread]
    total_flops: Amount | None = None
    total_ratio: Amount | None = None


class TaskScores(_Part):
    """Lists by task, in the order of the benchmark's tasks; scores are those at the arm's k."""

    n: tuple[Samples, ...]
    passed: tuple[Samples, ...]
    pass_at_k: tuple[Share, ...]
    rankers: dict[str, tuple[Share, ...]]


class TokenSpread(_Part):
    """A divergent token metric over prompts: see `records.Spread`."""

    mean: Number
    low: Number | None
    high: Number | None
    p25: Number
    median: Number
    p75: Number


class DivergencePart(_Part):
    """Divergent token metrics of a model against another: see `records.Divergence`."""

    prompts: Count
    tokens: Count
    fdt: TokenSpread
    sdt: TokenSpread
    never: TokenSpread
    dppl: TokenSpread


class CompressionPart(_Part):
    """A compressed arm beside its model at 16 bits: see `records.Compression`."""

    divergence: DivergencePart
    floor: DivergencePart
    within_floor: tuple[str, ...]
    flops: Amount | None
    recovery_percent: RecoverySpread | None

    @classmethod
    def of(cls, found: Compression) -> CompressionPart:
        """Convert a record."""
        return cls.model_validate(found.model_dump())


class ArmScores(_Part):
    """One arm on one benchmark. `n` is the smallest number of samples per task, `samples` that of all of them.

    `tests` is the number of texts of tests that its limit pays for.
    """

    spec: str
    model: str
    precision: str
    k: K
    greedy: bool
    parameters: Count | None
    plan: PlannedCost
    realised: RealisedCost
    n: Samples
    samples: Count
    statuses: dict[Status, Count]
    strata: tuple[StratumPart, ...]
    ks: Annotated[tuple[K, ...], Field(max_length=1000)]
    costs: dict[K, Amounts]
    pass_at_k: dict[K, Spread]
    rankers: Annotated[dict[str, RankerScores], Field(max_length=100)]
    per_task: TaskScores
    pilot_k: K | None = None
    tests: K | None = None
    compression: CompressionPart | None = None
    stages: Annotated[tuple[StagePart, ...], Field(max_length=100)] = ()
    escalation: EscalationPart | None = None

    @property
    def shown_k(self) -> str:
        """Its k for tables: a number, or those of a cascade's stages."""
        if not self.stages:
            return str(self.k)
        return " + ".join("greedy" if one.spec.endswith(":greedy") else str(one.k) for one in self.stages)

    @property
    def cost(self) -> Amounts:
        """The cost of the samples per task: realised FLOPs if known, else planned ones."""
        return _overruled(self.plan.cost, self.realised.flops)

    @property
    def ratio(self) -> Amounts:
        """`cost` over the limit."""
        return _overruled(self.plan.budget_ratio, self.realised.budget_ratio)

    @property
    def matched(self) -> bool:
        """Whether the arm is matched, by its realised cost if known."""
        return self.plan.matched if self.realised.matched is None else self.realised.matched

    @property
    def equal(self) -> bool:
        """As `matched`."""
        return self.plan.equal if self.realised.equal is None else self.realised.equal


def _overruled(planned: Amounts, flops: float | None) -> Amounts:
    return planned if flops is None else planned.model_copy(update={"flops": flops})


class PairPart(_Part):
    """Arm `a` minus arm `b` on one metric; see `records.PairedResult`."""

    a: str
    b: str
    metric: str
    difference: Number | None
    low: Number | None
    high: Number | None
    p_value: Number | None

    @classmethod
    def of(cls, pair: PairedResult) -> PairPart:
        """Convert a record."""
        return cls.model_validate(pair.model_dump(exclude={"schema_version"}))


class Sentences(_Part):
    """Advice for those whose tests can select, and for those who have none."""

    with_tests: str
    without_tests: str

    @classmethod
    def of(cls, verdict: VerdictSentences) -> Sentences:
        """Convert a record."""
        return cls(with_tests=verdict.with_tests, without_tests=verdict.without_tests)


class GradingPart(_Part):
    """How some of the scored tasks were graded: see `records.HiddenTests` and `records.IoTests` for styles and rules.

    `rule` is None where tests are Python code.
    """

    style: str
    rule: str | None
    integrity: str
    tasks: Count


class BenchmarkScores(_Part):
    """One benchmark of a run: the tasks that were scored, and every arm's scores over them."""

    benchmark: str
    content_hash: str
    total_tasks: Count
    workload: WorkloadPart
    match: BudgetKind | None
    budget: Amounts | None
    tolerance: Number
    tasks: Annotated[tuple[str, ...], Field(min_length=1)]
    left_out: dict[str, str]
    grading: Annotated[tuple[GradingPart, ...], Field(max_length=100)] = ()
    warnings: tuple[str, ...]
    sandbox_errors: Count
    arms: Annotated[tuple[ArmScores, ...], Field(min_length=1, max_length=100)]
    paired: tuple[PairPart, ...]
    verdict: Sentences


class MeanRanker(Spread):
    """One ranker's mean score at each benchmark's k, and what ranking costs per task."""

    cost_flops: Amount | None


class MeanArm(_Part):
    """One arm over all benchmarks; see `records.MacroArm`."""

    spec: str
    model: str
    precision: str
    cost: Amounts
    matched: bool
    pass_at_k: Spread
    rankers: Annotated[dict[str, MeanRanker], Field(max_length=100)]


class MeanScores(_Part):
    """Means over a run's benchmarks, each of which counts the same, and the advice by them."""

    arms: Annotated[tuple[MeanArm, ...], Field(min_length=1, max_length=100)]
    paired: tuple[PairPart, ...]
    verdict: Sentences

    @classmethod
    def of(cls, found: MacroComparison) -> MeanScores:
        """Convert a record."""
        return cls(
            arms=tuple(
                MeanArm(
                    spec=arm.spec,
                    model=arm.model,
                    precision=arm.precision,
                    cost=Amounts.of(arm.cost),
                    matched=arm.matched,
                    pass_at_k=Spread.of(arm.pass_at_k),
                    rankers={
                        name: MeanRanker(value=score.value, low=score.low, high=score.high, cost_flops=score.cost_flops)
                        for name, score in arm.rankers.items()
                    },
                )
                for arm in found.arms
            ),
            paired=tuple(PairPart.of(pair) for pair in found.paired),
            verdict=Sentences.of(found.verdict),
        )


class Results(_Part):
    """The whole file. `mean` is there if there are several benchmarks."""

    schema_version: Literal[1]
    name: str
    description: str
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    rankers: tuple[str, ...]
    decisive_ranker: str
    benchmarks: Annotated[tuple[BenchmarkScores, ...], Field(min_length=1, max_length=50)]
    mean: MeanScores | None = None

    @property
    def sandbox_errors(self) -> int:
        """Programs that the machine failed to grade."""
        return sum(benchmark.sandbox_errors for benchmark in self.benchmarks)

    def value(self) -> dict[str, Any]:
        """Convert to JSON, unknowns as null: `files.json_bytes` writes it, and a verifier compares it."""
        return self.model_dump(mode="json", exclude={"mean"} if self.mean is None else None)
