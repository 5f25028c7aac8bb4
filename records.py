"""The frozen types passed between the folders and written to disk.

Units are in names: `_s` seconds, `_bytes` bytes, `flops` floating-point operations (a multiply-add counts two), `usd`
United States dollars. Scores and rates are fractions in [0, 1]. A value that cannot be known is `None`, never 0.
"""

from __future__ import annotations

import json
from typing import Annotated, Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, model_validator

SCHEMA_VERSION: Final = 1

Status = Literal["passed", "wrong", "crashed", "timeout", "memory", "output", "invalid", "tampered", "sandbox_error"]
"""Outcome of grading. Only `sandbox_error` is about the machine; all others are about the candidate."""

Integrity = Literal["split", "shared"]
"""`split`: tests and candidate never share a process. `shared`: they do, which a candidate can abuse."""

NonNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]

FinishReason = Annotated[str, Field(pattern=r"^[a-z0-9_]{1,40}$")]
"""End of a text: `stop`, `length` (the token limit), `content_filter`, `tool_calls`, or a server's own word."""


LATER: Final = "later"
"""Marks, in `Annotated`, a field added after version 1: it enters keys only where it differs from its default."""


class Record(BaseModel):
    """Base of all records: frozen and closed.

    Older files have a version in every value; it is read, and written in a `FileRecord` alone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = Field(default=SCHEMA_VERSION, exclude=True, repr=False)


class FileRecord(Record):
    """Base of records that fill a file, which states its version."""

    schema_version: Literal[1] = SCHEMA_VERSION


class Example(Record):
    """One visible example of a task, as source text.

    `call` is an expression that calls the entry point; `expected` is a literal.
    """

    call: str
    expected: str


class HiddenTests(Record):
    """Test code that decides a verdict, hidden from candidates and rankers.

    `check`: the code defines `check(candidate)`, like HumanEval's. `asserts`: the code is statements that name the
    entry point, like MBPP's `test_list`. Either way the entry point's name is bound to the candidate. `pairs`: the code
    defines `pairs`, a list of (arguments, expected result), and each call's result must equal the expected one, or be
    within `tolerance` of it where that is a float or a sequence of floats. `unittest`: the code defines test cases of
    `unittest` that name the entry point, like BigCodeBench's; all their methods are run.
    """

    style: Literal["check", "asserts", "pairs", "unittest"]
    code: str
    tolerance: NonNegative = 0.0


class IoCase(Record):
    """One input and the output that is right for it.

    Of a script both are texts, of standard input and standard output. Of a function, `input` is a JSON array of its
    arguments and `output` its result in JSON.
    """

    input: str
    output: str


Rule = Literal["apps", "livecodebench", "tokens", "exact", "equal"]
"""How an output is compared with the right one; `sandbox/rules.py` has them. `equal` is for results of functions."""


class IoTests(Record):
    """Inputs with right outputs that decide a verdict, hidden from candidates and rankers.

    `stdio`: the program runs as a script, one process per input. `call`: its function, or its class's method, is called
    with each input. `case_s` and `memory_bytes` are the board's own limits for one input, and `program_s` for all of
    them together; None where it has none. Times are processor time in seconds. `every`: all cases are run whatever
    fails, since the board also counts the share that holds. `preamble` is source, imports mostly, that the board's
    grader runs before each program.
    """

    style: Literal["stdio", "call"]
    cases: Annotated[tuple[IoCase, ...], Field(min_length=1)]
    rule: Rule
    case_s: Annotated[float, Field(gt=0)] | None = None
    program_s: Annotated[float, Field(gt=0)] | None = None
    memory_bytes: Annotated[int, Field(ge=1)] | None = None
    every: bool = False
    preamble: str = ""


class PublicTask(Record):
    """Part of a task shown to rankers.

    `is_script`: a program reads standard input and writes standard output; it has no entry point, and `cases` are its
    visible examples. `rule` and `preamble` are those of its tests; None and empty where these are Python code.
    """

    id: str
    prompt: str
    entry_point: str
    examples: tuple[Example, ...] = ()
    is_script: Annotated[bool, LATER] = False
    cases: Annotated[tuple[IoCase, ...], LATER] = ()
    rule: Annotated[Rule | None, LATER] = None
    preamble: Annotated[str, LATER] = ""


class Task(Record):
    """One problem of a benchmark.

    `prompt` is Python source that ends where a completion begins, or prose where a whole program is wanted;
    `reference` is a whole program that solves it. `entry_point` is a function, a method `Class.name`, or empty where
    the program is a script. `cases` are visible examples in the form of `IoTests`.
    """

    id: str
    benchmark: str
    prompt: str
    entry_point: str
    examples: tuple[Example, ...] = ()
    tests: HiddenTests | IoTests | None = None
    reference: str | None = None
    stop: tuple[str, ...] = ()
    cases: Annotated[tuple[IoCase, ...], LATER] = ()

    @model_validator(mode="after")
    def _check_cases(self) -> Task:
        if not self.is_script:
            for case in self.cases:
                example_of_call(self.entry_point, case)
        return self

    @property
    def is_script(self) -> bool:
        """Whether a program of it reads standard input and writes standard output."""
        return not self.entry_point

    @property
    def is_gradable(self) -> bool:
        """Whether it has tests, and what times follow from: a solution, or a limit of the board's own."""
        has_limit = isinstance(self.tests, IoTests) and self.tests.case_s is not None
        return self.tests is not None and (has_limit or self.reference is not None)

    def public(self) -> PublicTask:
        """Return the part that rankers see; a function's cases are among its examples."""
        tests = self.tests if isinstance(self.tests, IoTests) else None
        shown = () if self.is_script else (example_of_call(self.entry_point, case) for case in self.cases)
        return PublicTask(
            id=self.id,
            prompt=self.prompt,
            entry_point=self.entry_point,
            examples=tuple(dict.fromkeys((*self.examples, *shown))),
            is_script=self.is_script,
            cases=self.cases if self.is_script else (),
            rule=None if tests is None else tests.rule,
            preamble="" if tests is None else tests.preamble,
        )


def example_of_call(entry_point: str, case: IoCase) -> Example:
    """Write a function's case as an example, which calls a method of a new instance.

    Raises:
        ValueError: it is not in JSON, or its arguments are no array.
    """
    arguments, result = json.loads(case.input), json.loads(case.output)
    if not isinstance(arguments, list):
        raise ValueError("the arguments of a case are no JSON array")
    call = f"{called_name(entry_point)}({', '.join(map(repr, arguments))})"
    return Example(call=call, expected=repr(result))


def called_name(entry_point: str) -> str:
    """Write what is called in an expression: `f`, or `Class().f` of a method."""
    owner, _, name = entry_point.rpartition(".")
    return f"{owner}().{name}" if owner else name


class Arm(Record):
    """One side of a comparison: a model at a precision, drawn k times per task (`k` open: None).

    `name` is the model as typed (`70b`, `codellama-13b`, a path); `spec` is the whole arm as typed (`13b@int4:5`).
    `precision` is None until the family's default is filled in. `thinking` is None where the arm does not say whether
    the model thinks before it answers. A greedy arm is one sample at temperature 0.

    A cascade (`7b:5,34b:1`) has `stages`, each an arm with a k, of which a later one is drawn only where those before
    it do not suffice; its own `k` counts all their samples, and its `name` lists their models.
    """

    spec: str
    name: str
    precision: str | None = None
    thinking: bool | None = None
    k: Annotated[int, Field(ge=1)] | None = None
    greedy: bool = False
    stages: Annotated[tuple[Arm, ...], LATER] = ()


class Cost(Record):
    """Cost of something per task. None where it cannot be known."""

    flops: NonNegative | None = None
    runtime_s: NonNegative | None = None
    memory_bytes: NonNegative | None = None
    usd: NonNegative | None = None


class Budget(Cost):
    """Limits per task; None where there is no limit."""


BudgetKind = Literal["flops", "runtime", "memory", "usd"]


class Workload(Record):
    """Tokens per sample, and how a plan counts them.

    `tokens`: the prompt is prefilled once per task and shared by its samples, then each sample decodes
    `output_tokens`. `paper`: one forward pass over 128 tokens per sample (Hassid et al. 2024, section 3.2).
    `source` says where the counts come from, and `estimated` whether some were estimated from text.
    """

    convention: Literal["tokens", "paper"]
    prompt_tokens: Annotated[int, Field(ge=0)]
    output_tokens: Annotated[int, Field(ge=0)]
    source: str
    estimated: bool = False


class Plan(Record):
    """Number of samples an arm gets and their cost per task.

    `budget_ratio` is the cost over the first arm's (or over the budget). `matched`: the cost is at most the first
    arm's plus the tolerance, and one more sample would cost more than the first arm's. `equal`: within the tolerance
    on both sides. `leftover` is what the limits leave unused, and `workload` what the cost was counted for.

    A cascade has the plans of its `stages`, each with the cost for a task that reaches it, and the share of tasks
    `reached` by each. Its own cost is that at these shares; `least` is the cost of a task that goes no further than the
    first stage, and `most` that of one that goes through all.

    `tests` is the number of texts of tests that are drawn for each task to pick by; they are in its cost. It is less
    than `tests_asked` where the limit has no room for those beside two programs.
    """

    arm: Arm
    model: str
    precision: str
    k: Annotated[int, Field(ge=1)]
    cost: Cost
    budget_ratio: Cost
    matched: bool
    equal: bool
    binding: BudgetKind | None
    leftover: Cost
    workload: Workload | None = None
    stages: tuple[Plan, ...] = ()
    reached: tuple[Share, ...] = ()
    least: Cost | None = None
    most: Cost | None = None
    tests: int = 0
    tests_asked: int = 0

    @property
    def single(self) -> tuple[Plan, ...]:
        """The plans of single models that it consists of: its stages', or itself."""
        return self.stages or (self,)

    @property
    def shown_k(self) -> str:
        """Its k for tables: a number, `greedy`, those of its stages as `5 + greedy`, or with tests `5, 8 tests`."""
        ks = " + ".join("greedy" if plan.arm.greedy else str(plan.k) for plan in self.single)
        return f"{ks}, {self.tests} tests" if self.tests else ks


class Usage(Record):
    """Actual usage of a piece of work. None where not measured.

    `wall_s` is the total; for `busy_s` of it an engine was at work. `thinking_tokens` are a part of the output tokens.
    `weight_bytes` are the weights resident there, and `kv_bytes` the most that its key-value cache held. `estimated`:
    some token counts, and so the FLOPs, are estimated from text.
    """

    prompt_tokens: NonNegative | None = None
    output_tokens: NonNegative | None = None
    thinking_tokens: NonNegative | None = None
    prefill_flops: NonNegative | None = None
    decode_flops: NonNegative | None = None
    wall_s: NonNegative | None = None
    busy_s: NonNegative | None = None
    peak_memory_bytes: int | None = None
    weight_bytes: int | None = None
    kv_bytes: int | None = None
    usd: NonNegative | None = None
    estimated: bool = False


class Candidate(Record):
    """One sample of an arm for a task: the raw text and the program extracted from it.

    `index` is its place among the arm's samples of the task. `stratum` names the setting it was drawn with where one
    arm holds several (the file it came from), and `prompt` the prompt it was drawn from where that is not the
    benchmark's. `logprobs` has one natural logarithm per output token. `thinking_tokens` counts the output tokens that
    the model thought with before it answered. `stage` is the place of the cascade's stage that it was drawn for; None
    outside of cascades.
    """

    task_id: str
    arm: str
    index: Annotated[int, Field(ge=0)]
    raw: str
    program: str
    seed: int | None = None
    stratum: str | None = None
    prompt: str | None = None
    finish_reason: FinishReason | None = None
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    thinking_tokens: int | None = None
    logprobs: tuple[float, ...] | None = None
    stage: Annotated[int | None, LATER] = None


LEAST_CPU_S: Final = 0.5
UNITTEST_LEAST_CPU_S: Final = 10.0
"""Of a program that is tested by `unittest`: BigCodeBench's `min_time_limit`, in `untrusted_check`."""
REFERENCE_CPU_FACTOR: Final = 10.0


class Limits(Record):
    """Limits on one candidate while it is graded.

    Times count only the candidate's own work: loading its program and answering calls, not waiting for the tests.
    `cpu_s` is processor time, which does not depend on what else the machine does; `wall_s` ends programs that wait.
    Times left None are derived from the reference solution by `resolve`.
    """

    cpu_s: Annotated[float, Field(gt=0)] | None = None
    wall_s: Annotated[float, Field(gt=0)] | None = None
    memory_bytes: Annotated[int, Field(gt=0)] = 1 << 30
    output_bytes: Annotated[int, Field(gt=0)] = 1 << 20
    processes: Annotated[int, Field(gt=0)] = 32
    open_files: Annotated[int, Field(gt=0)] = 256
    file_bytes: Annotated[int, Field(gt=0)] = 64 << 20

    def for_tests(self, tests: HiddenTests | IoTests | None) -> Limits:
        """Take a board's own limit for a case where neither time is set."""
        if not isinstance(tests, IoTests) or self.cpu_s is not None or self.wall_s is not None:
            return self
        return self.model_copy(update={"cpu_s": tests.case_s})

    def resolve(self, reference_cpu_s: float, least_cpu_s: float = LEAST_CPU_S) -> Limits:
        """Fill in both times.

        Without either, a program gets `least_cpu_s` of processor time, doubled until it is ten times what the reference
        solution took: steps this coarse come out the same when the reference is measured again. `wall_s` is four times
        `cpu_s` and a second. With `wall_s` alone `cpu_s` is the same.
        """
        if self.cpu_s is not None:
            cpu_s = self.cpu_s
        elif self.wall_s is not None:
            cpu_s = self.wall_s
        else:
            cpu_s = least_cpu_s
            while cpu_s < REFERENCE_CPU_FACTOR * reference_cpu_s:
                cpu_s *= 2
        return self.model_copy(update={"cpu_s": cpu_s, "wall_s": self.wall_s or 4 * cpu_s + 1})


class Verdict(Record):
    """The sandbox's findings about one program.

    `tests_run` counts the assert statements of the test code that were reached and held, or the methods of its test
    cases that held; `tests_expected` is how many the reference reaches. Of inputs and outputs they count the cases that
    hold, and all of them. `detail` is one printable line. `second_look` says what a program took that came near its
    time limit and was run again, alone, in which case the verdict is about that run; else it is empty.
    """

    status: Status
    integrity: Integrity
    tests_run: int = 0
    tests_expected: int = 0
    cpu_s: NonNegative = 0.0
    wall_s: NonNegative = 0.0
    peak_bytes: int = 0
    detail: str = ""
    second_look: str = ""


class ReferenceCheck(Record):
    """Result of running a task's own reference solution, before any candidate is seen.

    A task that is not `ok` is left out of every score. `integrity` is how the task can be graded, and `sites` are the
    assert statements of the test code, or the pairs or cases, that hold for the reference: a candidate passes only if
    all do. `calls` counts the calls its tests make. Where cases have limits of their own, `cpu_s` and `wall_s` are the
    slowest case's. `detail` says why the task is not `ok`, why it cannot be `split`, or that no reference has verified
    its cases.
    """

    task_id: str
    ok: bool
    integrity: Integrity = "split"
    mutates_arguments: bool = False
    sites: tuple[int, ...] = ()
    calls: int = 0
    cpu_s: NonNegative = 0.0
    wall_s: NonNegative = 0.0
    detail: str = ""


class Outcome(Record):
    """Outcome of evaluating one expression against a candidate, or of running a script on one input.

    `value` is a canonical text of the value, equal for equal values, or of an output's words, line by line; None where
    there was none, and then `error` says why: the name of an exception, or `timeout`, `memory`, `output`, `crashed`,
    `invalid`, `tampered`. `wall_s` is the time it took; loading the program counts towards the first expression of a
    run. `is_right`: an output is right by the task's rule; None where no right output was given.
    """

    value: str | None = None
    error: str | None = None
    wall_s: NonNegative = 0.0
    is_right: Annotated[bool | None, LATER] = None


class Ranking(Record):
    """Scores of a task's candidates in the order given; higher is better, equal scores are ties.

    `usage` is the cost of ranking all of them, and `tests_usage` the cost that does not depend on their number: drawing
    tests for the task, None where it used none. `executions` counts the programs it ran.
    """

    scores: tuple[float, ...]
    usage: Usage = Usage()
    tests_usage: Usage | None = None
    executions: int = 0


class GeneratedTests(Record):
    """Texts of asserts that a model was to write for a task, and the usage of drawing them all.

    `prompt_tokens` is the length of the prompt of one of them; None where it is not known.
    """

    samples: tuple[str, ...] = ()
    usage: Usage = Usage()
    prompt_tokens: NonNegative | None = None


PASS_AT_K: Final = "pass_at_k"
"""Name of that metric where others are named after rankers."""


class Interval(Record):
    """An estimate with its 95 % confidence interval; all None where the estimate is undefined."""

    value: float | None
    low: float | None
    high: float | None


class LeftScore(Interval):
    """A score at the k left of a budget: the mean over tasks, where they differ."""

    k: float


class RankerScore(Interval):
    """Rank-score@k of one ranker over an arm's candidates, and the cost of ranking per task at the arm's k.

    `left` is the score at the smaller k left when ranking is paid for out of the arm's FLOPs; None where the cost of
    ranking is not known. `gap_closed` is how much of the gap from a blind pick to one sample of the first arm the
    ranker closes at the arm's k; None for the first arm, and where the gap's interval holds 0. `uses_tests`: drawing
    generated tests is in the cost, and `cost_estimated`: their tokens were estimated from text. `total_flops` is
    the cost of drawing the arm's k samples and of ranking them, and `total_ratio` that over the first arm's samples, or
    over the budget.
    """

    cost_flops: NonNegative | None = None
    cost_s: NonNegative | None = None
    left: LeftScore | None = None
    gap_closed: float | None = None
    cost_estimated: bool = False
    uses_tests: bool = False
    total_flops: NonNegative | None = None
    total_ratio: NonNegative | None = None


class StratumScore(Record):
    """pass@1 of an arm's samples drawn with one setting."""

    name: str
    n: int
    pass_at_1: Interval


class Realised(Record):
    """Actual cost of an arm's samples per task at its k, compared with the first arm's.

    FLOPs are None where the samples carry no token counts; seconds, memory and dollars where nobody measured them.
    `usage` is where the cost comes from, also per task at the arm's k, and `deviations` are lines that explain what is
    more than a tenth off the plan. `leftover` is what the limit leaves in the kinds that are known, and
    `flops_over_tasks` the 10th and the 90th percentile of the tasks' FLOPs. A cascade's cost is the sum over its
    stages, each at the share of tasks that it `reached`. `tests_flops` is the part of its FLOPs that drew tests to pick
    by; None where none were planned for.
    """

    cost: Cost = Cost()
    budget_ratio: Cost = Cost()
    matched: bool | None = None
    equal: bool | None = None
    usage: Usage = Usage()
    deviations: tuple[str, ...] = ()
    leftover: Cost = Cost()
    flops_over_tasks: tuple[NonNegative, NonNegative] | None = None
    reached: tuple[Share, ...] = ()
    tests_flops: NonNegative | None = None


class Spread(Record):
    """Mean over prompts with its 95 % interval, and quartiles; bounds are None where one prompt gives none."""

    mean: float
    low: float | None
    high: float | None
    p25: float
    median: float
    p75: float


class Divergence(Record):
    """Divergent token metrics of a model against the original; see compression/divergence.py.

    `fdt` is the place of the first divergent token, counted from 0, or `tokens` where none diverges; `sdt` the number
    of divergent tokens; `never` the share of prompts where none diverges; `dppl` the divergent perplexity: the
    exponential of the mean negative logprob, per token, that the model gives to the original's continuation.
    """

    prompts: int
    tokens: int
    fdt: Spread
    sdt: Spread
    never: Spread
    dppl: Spread


class Compression(Record):
    """A compressed arm beside its model at 16 bits.

    `divergence` is that of its choices along the original's greedy continuations of the tasks' prompts, `floor` the
    original's own in batches of another shape, and `within_floor` names the metrics that cannot be told from it.
    `flops` is what comparing took, both models included. `recovery_percent` is 100 x pass@1 over that of the
    original's arm, where there is one.
    """

    divergence: Divergence
    floor: Divergence
    within_floor: tuple[str, ...]
    flops: NonNegative | None = None
    recovery_percent: Interval | None = None


class Escalation(Record):
    """The rule by which a cascade went on to its next stage, and how many of the scored tasks show examples.

    Where a task shows examples, candidates suffice if one holds all of them, and at least the share `shown` of the
    others agree with the most common behaviour of such; elsewhere, if at least the share `bare` agree. `tuned`: the
    shares were chosen by the hidden tests of these tasks.
    """

    shown: Share
    bare: Share
    tasks_shown: int
    tasks_bare: int
    tuned: bool = False

    @property
    def words(self) -> str:
        """Say where a cascade goes on: `where none of them holds all visible examples`."""
        said = []
        if self.tasks_shown:
            said.append("none of them holds all visible examples")
            if self.shown:
                said.append(f"less than {self.shown:.0%} of the others agree with one that does")
        if self.tasks_bare:
            where = "where a task shows none, " if self.tasks_shown else ""
            said.append(f"{where}less than {self.bare:.0%} of the others agree with one")
        return f"where {', or '.join(said)}{' (tuned with tests)' if self.tuned else ''}"


class AnsweredShare(Record):
    """The share of tasks answered where at least this agreement is asked for, and the error rate among them.

    `agreement` is None where it is that of the rule, and `error` where nothing is answered.
    """

    agreement: Share | None
    answered: Share
    error: Share | None


class Abstention(Record):
    """An arm that answers only where its candidates agree, by its rule and by several agreements.

    At the first of `by_agreement` every task is answered; from the second on, where a task shows examples, a candidate
    must hold all of them. `ranker` picks the answers.
    """

    by_rule: AnsweredShare
    by_agreement: tuple[AnsweredShare, ...]
    ranker: str


class ArmResult(Record):
    """One arm of a comparison.

    `n` is the number of samples per task, the smallest where tasks differ; `samples` is the total. `estimate` is the
    cost of its k samples as planned before anything was measured, None if nothing was. `pilot_k` is the k that its
    pilot gave, and `k_note` says why it was changed. `compression` is that of an arm drawn from a recipe's checkpoint.
    `per_task` holds the scores at k of every scored task, in the benchmark's order: pass@k and each ranker's.
    `escalation` is a cascade's rule; its `n` is the fewest samples of its first stage, and its pass@k the chance that
    one of those that it draws passes. `abstention` is the arm answering only where it is sure, if that was asked for.
    """

    plan: Plan
    n: int
    samples: int
    pass_at_k: Interval
    rankers: dict[str, RankerScore]
    realised: Realised
    statuses: dict[Status, int]
    strata: tuple[StratumScore, ...] = ()
    estimate: Cost | None = None
    pilot_k: int | None = None
    k_note: str = ""
    compression: Compression | None = None
    escalation: Escalation | None = None
    abstention: Abstention | None = None
    per_task: dict[str, tuple[float, ...]] = {}

    @property
    def cost(self) -> Cost:
        """The cost of its samples per task: realised if known, else planned."""
        known = {name: value for name, value in self.realised.cost if name != "schema_version" and value is not None}
        return self.plan.cost.model_copy(update=known)

    @property
    def drawing_flops(self) -> float | None:
        """FLOPs of its samples alone, without those of tests that its plan counts on."""
        flops = self.cost.flops
        return None if flops is None else flops - (self.realised.tests_flops or 0.0)

    @property
    def ratio(self) -> Cost:
        """`cost` over the first arm's or the budget."""
        ratios = self.realised.budget_ratio
        known = {name: value for name, value in ratios if name != "schema_version" and value is not None}
        return self.plan.budget_ratio.model_copy(update=known)

    @property
    def matched(self) -> bool:
        """Whether it is matched by its realised cost, or by the planned one if that is unknown."""
        return self.plan.matched if self.realised.matched is None else self.realised.matched

    @property
    def equal(self) -> bool:
        """As `matched`."""
        return self.plan.equal if self.realised.equal is None else self.realised.equal


class PairedResult(Record):
    """Arm `a` minus arm `b` on one metric, over the same tasks; `p_value` is Holm-adjusted over all pairs reported."""

    a: str
    b: str
    metric: str
    difference: float
    low: float
    high: float
    p_value: float


class Effect(Record):
    """What an advised arm gains over another, in short: the paired difference of their scores, and what it costs.

    `arm` and `other` are named with their k, `metric` is that of the scores, and `difference` has its 95 % interval.
    `cost_ratio` is the advised arm's total cost over the other's, in `unit`, None where one is unknown; `counted` says
    what the costs hold besides drawing, or leave out.
    """

    arm: str
    other: str
    metric: str
    difference: float
    low: float
    high: float
    cost_ratio: float | None
    unit: str
    counted: str = ""


class VerdictSentences(Record):
    """Advice for those whose tests can select, and for those without tests.

    `effects` has each sentence's effect: on the large model's greedy answer where there is one, else on the arm that
    the advised one is compared with. It is empty where nothing is advised, or there is nothing to compare with.
    """

    with_tests: str
    without_tests: str
    effects: tuple[Effect, ...] = ()


class ArmCurve(Record):
    """An arm's scores at several k, and its total cost per task at each.

    Both are by metric, `pass_at_k` and the rankers: costs are of drawing, of the tests that the plan counts on, and of
    ranking. A cascade, and a greedy arm, have one point, which holds at every larger budget (`lasts`).
    """

    name: str
    ks: tuple[int, ...]
    scores: dict[str, tuple[Interval, ...]]
    costs: dict[str, tuple[Cost, ...]]
    lasts: bool = False


By = Literal["flops", "runtime", "usd"]
"""The limited quantity: FLOPs, seconds or dollars, per task."""


class Crossing(Record):
    """The lead between two arms on one metric over the budgets where both have samples.

    An arm *overtakes* from the smallest budget from which it is strictly ahead at every larger one, if the other was
    strictly ahead at a smaller one. Budgets are FLOPs, seconds or dollars per task, as the curve says.

    Attributes:
        metric: `pass_at_k`, or a ranker.
        a: An arm.
        b: Another.
        outcome: `overtakes`: `leader` does. `ahead`: `leader` is ahead at the largest common budget and never behind.
            `level`: the two are equal at the largest common budget. `apart`: there is no common budget.
        leader: The arm that is ahead in the end.
        budget: From which it stays ahead; None unless it overtakes.
        low: Lower end of the 95 % interval of `budget`; None if it lies below the common budgets.
        high: Upper end; None if it lies above them.
        previous: The largest budget looked at below `budget`; there it is not ahead.
        leader_k: Samples of the leader at `budget`.
        other_k: Samples of the other at `budget`.
        common_low: The smallest common budget looked at.
        common_high: The largest.
        lead_changes: How often the lead goes from one to the other: more than 1 if steps make it waver.
        share: Of resamples of the tasks, those in which `leader` overtakes; if none does in the data, those in which
            either of the two does. None with a single task or, then, a single budget.
        sentence: All this in words.
    """

    metric: str
    a: str
    b: str
    outcome: Literal["overtakes", "ahead", "level", "apart"]
    leader: str | None = None
    budget: float | None = None
    low: float | None = None
    high: float | None = None
    previous: float | None = None
    leader_k: int | None = None
    other_k: int | None = None
    common_low: float | None = None
    common_high: float | None = None
    lead_changes: int = 0
    share: float | None = None
    sentence: str = ""


class FoundCrossing(Record):
    """A crossing of two arms by one kind of cost."""

    by: By
    crossing: Crossing


class Comparison(Record):
    """The answer: arms with costs and scores, paired differences, and two sentences.

    `tasks` were scored; `left_out` says why others were not. `decisive_ranker` is the one that advises those without
    tests, named beforehand. `warnings` are lines that a reader must see; `sandbox_errors` counts programs that the
    machine failed to grade; `doubts` says why no advice is given, where none is. `curves`, one per arm, and `crossings`
    are there if they were asked for.
    """

    benchmark: str
    workload: Workload
    sandbox: str
    tasks: int
    left_out: dict[str, str]
    arms: tuple[ArmResult, ...]
    paired: tuple[PairedResult, ...]
    decisive_ranker: str
    verdict: VerdictSentences
    warnings: tuple[str, ...]
    sandbox_errors: int
    doubts: tuple[str, ...] = ()
    curves: tuple[ArmCurve, ...] = ()
    crossings: tuple[FoundCrossing, ...] = ()


class MacroArm(Record):
    """One arm over several benchmarks, each of which counts the same.

    Scores are means over benchmarks of the means over their tasks, and so are costs per task and those of ranking,
    None where one is unknown; memory is the largest. `matched`: on every benchmark.
    """

    spec: str
    model: str
    precision: str
    pass_at_k: Interval
    rankers: dict[str, RankerScore]
    cost: Cost
    matched: bool


class MacroComparison(Record):
    """The answer over several benchmarks: a comparison on each, means over them, and two sentences by the means.

    Lines of `warnings` and `doubts` start with a benchmark's name.
    """

    benchmarks: tuple[Comparison, ...]
    arms: tuple[MacroArm, ...]
    paired: tuple[PairedResult, ...]
    decisive_ranker: str
    verdict: VerdictSentences
    warnings: tuple[str, ...]
    doubts: tuple[str, ...] = ()

    @property
    def sandbox_errors(self) -> int:
        """Programs that the machine failed to grade."""
        return sum(one.sandbox_errors for one in self.benchmarks)


class Reward(NamedTuple):
    """A model's opinion of one answer to a prompt; higher is better.

    `flops` of reading both, None where the model's architecture is unknown, and the seconds that it took when it was
    done.
    """

    value: float
    flops: float | None
    wall_s: float


class Likelihood(NamedTuple):
    """A text's likelihood by a model.

    Attributes:
        logprobs: The natural logarithm of the probability of each token, given the prompt and the tokens before.
        certainty: The mean over the tokens of the Kullback-Leibler divergence from the uniform distribution over the
            vocabulary to the model's, in nats; None where the engine does not report it.
        prompt_tokens: Tokens of the prompt; None where not reported.
    """

    logprobs: tuple[float, ...]
    certainty: float | None = None
    prompt_tokens: int | None = None
