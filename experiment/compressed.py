"""Arms drawn from a recipe's checkpoint, beside their model at 16 bits: where the tokens leave the original's."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from .._util.hashing import key_of
from .._util.progress import Progress, notice, silent
from ..budgets.mixed import split_mixed
from ..budgets.models import find_model, weights_of
from ..budgets.plan import planned_model
from ..compression.divergence import Along, BaseTokens, along, per_prompt_along, summarise, within_noise
from ..errors import CodebudgetError, UserError
from ..records import Compression, Record
from ..sampler.engines.checkpoint import DTYPES
from ..sampler.late import circumstances
from .quantising import checkpoint_of_arm, makes_checkpoint
from .spending import drawing_flops, reading_flops
from .subjects import Subject, open_subject

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..records import Plan
    from ..sampler.engine import Choices, TokenEngine
    from ..sampler.store import Store
    from ..settings import Running
    from .samples import ArmSamples

TOKENS: Final = 100
"""Length of the greedy continuations that are compared, as Deiseroth et al. 2024 take."""

UNQUANTISED: Final = frozenset(DTYPES)
"""Precisions of weights that nothing has quantised."""

_Kept = TypeVar("_Kept", bound=Record)

_LOCAL: Final = ("transformers", "vllm")
"""Engines that load checkpoints here."""

_KIND: Final = "compared tokens"
_OF_BASE: Final = "bf16"


def base_tokens(engine: TokenEngine, texts: Sequence[str], length: int) -> BaseTokens:
    """Continue texts greedily with an unquantised model, and read them again in batches of another shape.

    Raises:
        UserError: A text leaves no room in the model's context.
        EngineError: The engine failed.
    """
    prompts = engine.prompt_ids(texts, length)
    ids = engine.continue_greedily(prompts, length)
    # Steps through a cache are one shape, a pass over whole texts is another, and so is half a batch.
    floor = engine.choices(list(zip(prompts, ids, strict=True)), most_rows=max(1, len(texts) // 2))
    return BaseTokens(
        prompt_tokens=tuple(map(len, prompts)),
        ids=tuple(ids),
        floor=_along(ids, floor),
        vocabulary=engine.vocabulary(),
    )


def choices_along(base: BaseTokens, engine: TokenEngine, texts: Sequence[str], name: str) -> Along:
    """Read an original's continuations of texts with its compressed form.

    Args:
        base: The continuations.
        engine: The compressed form.
        texts: The prompts.
        name: That of the compressed form, for messages.

    Raises:
        UserError: It has another tokenizer, or as `base_tokens`.
        EngineError: The engine failed.
    """
    if base.vocabulary != engine.vocabulary():
        raise UserError(
            f"{name} has another tokenizer than the model it was made of, so their tokens cannot be compared"
        )
    prompts = engine.prompt_ids(texts, len(base.ids[0]))
    return _along(base.ids, engine.choices(list(zip(prompts, base.ids, strict=True))))


class Comparing(NamedTuple):
    """What comparing tokens needs.

    Attributes:
        texts: The prompts.
        store: Where tokens are kept, so that they are drawn once.
        running: How checkpoints are found.
        progress: Told what is compared.
    """

    texts: Sequence[str]
    store: Store
    running: Running
    progress: Progress = silent


class ComparedTokens(NamedTuple):
    """What the comparison of a compressed arm with its original follows from, without a model.

    Attributes:
        base: The original's continuations.
        along: The compressed arm's choices along them.
    """

    base: BaseTokens
    along: Along

    def compression(self, plan: Plan, seed: int = 0) -> Compression:
        """Compute the comparison; its FLOPs are unknown if the plan's model is.

        Raises:
            UserError: The two do not belong together.
        """
        values = per_prompt_along(self.base.ids, self.along)
        noise = per_prompt_along(self.base.ids, self.base.floor)
        model = planned_model(plan)
        architecture = None if model is None else model.architecture
        prompts, length = [range(count) for count in self.base.prompt_tokens], len(self.base.ids[0])
        drawing, reading = (flops(architecture, prompts, length) for flops in (drawing_flops, reading_flops))
        return Compression(
            divergence=summarise(values, seed=seed),
            floor=summarise(noise, seed=seed),
            within_floor=within_noise(values, noise, seed=seed),
            # The floor and the compressed form each read all texts once.
            flops=None if drawing is None or reading is None else drawing + 2 * reading,
        )


def compared_tokens(arms: Sequence[ArmSamples], comparing: Comparing) -> dict[str, ComparedTokens]:
    """Compare the arms that were drawn here from a recipe's checkpoint with their models at 16 bits, by their specs.

    Where that fails, such as for prompts that leave no room in the context, a notice says why, and the samples still
    count.
    """
    found = {}
    for arm in arms:
        spec = arm.plan.arm.spec
        try:
            engine = _engine_of(arm)
            if engine is not None:
                found[spec] = _compare(arm.plan, engine, comparing)
        except CodebudgetError as error:
            notice(f"{spec}: its tokens are not compared with its model's at 16 bits: {error}")
    return found


def _engine_of(arm: ArmSamples) -> str | None:
    """Find the engine that drew an arm from a checkpoint made here; None if none did."""
    is_mixed = split_mixed(arm.plan.model)[1] is not None
    if arm.series is None or (arm.plan.precision in UNQUANTISED and not is_mixed):
        return None
    engine = arm.series.origin.description.engine
    if engine not in _LOCAL:
        return None
    weights = weights_of(find_model(arm.plan.model))
    return engine if makes_checkpoint(arm.plan.model, weights, arm.plan.precision, engine) else None


def _compare(plan: Plan, engine: str, comparing: Comparing) -> ComparedTokens:
    model, spec = find_model(plan.model), plan.arm.spec
    made = checkpoint_of_arm(plan.model, plan.precision, comparing.running)
    base = Subject(f"{plan.model}@{_OF_BASE}", model.name, weights_of(model), _OF_BASE, None, model.architecture)
    other = Subject(spec, model.name, str(made.path), plan.precision, None, model.architecture)
    texts, length = comparing.texts, TOKENS
    base_key = key_of("base", circumstances(engine, base.weights, base.precision), length, *texts)
    key = key_of("along", base_key, circumstances(engine, other.weights, other.precision))

    def of_base() -> BaseTokens:
        with closing(open_subject(base, engine)) as opened:
            return base_tokens(opened, texts, length)

    def of_other() -> Along:
        with closing(open_subject(other, engine)) as opened:
            return choices_along(tokens, opened, texts, spec)

    doing = f"comparing tokens of {spec}"
    comparing.progress(doing, 0, 2)
    tokens = _kept(comparing.store, base_key, BaseTokens, of_base)
    comparing.progress(doing, 1, 2)
    found = _kept(comparing.store, key, Along, of_other)
    comparing.progress(doing, 2, 2)
    return ComparedTokens(tokens, found)


def _kept(store: Store, key: str, kind: type[_Kept], make: Callable[[], _Kept]) -> _Kept:
    """Get a record from the store, or make and keep it."""
    known = store.records(_KIND, [key])
    if key in known:
        return kind.model_validate(known[key])
    made = make()
    store.put_records(_KIND, {key: made.model_dump(mode="json")})
    return made


def _along(base_ids: Sequence[Sequence[int]], choices: Sequence[Choices]) -> Along:
    return along(base_ids, [one.ids for one in choices], [one.logprobs for one in choices])
