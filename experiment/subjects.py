"""Models to look into: an arm's weights, and the recipe to apply to them once loaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .._util.bounded import parse_json, read_whole
from .._util.hashing import key_of, record_text
from .._util.progress import Progress, notice, silent
from ..budgets.mixed import PREFIX, MixedRecipe, load_mixed, split_mixed
from ..budgets.models import config_precision, find_model, hub_config_file, looks_like_hub_id, weights_of
from ..budgets.notation import parse_single
from ..budgets.recipe import Recipe, is_recipe, parse_recipe
from ..compression.linears import find_linears
from ..compression.mixed import apply_mixed
from ..compression.probing import Probe, Row
from ..compression.simulating import is_simulated, simulate
from ..errors import UserError
from ..sampler.engines.checkpoint import DTYPES, find_checkpoint
from .quantising import quantise

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from ..budgets.architecture import Architecture
    from ..sampler.engine import TokenEngine
    from ..sampler.engines.transformers_engine import TransformersEngine
    from ..settings import Running

_DIGITS: Final = 12


class Subject(NamedTuple):
    """A model as typed.

    Attributes:
        spec: As typed.
        model: Its name.
        weights: A folder or hub id.
        precision: What its weights are loaded at.
        recipe: What is then applied to them; None for nothing.
        mixed: What is applied to some of their components instead; None for nothing.
        architecture: For counting FLOPs; None where its kind is not known here.
    """

    spec: str
    model: str
    weights: str
    precision: str
    recipe: Recipe | None
    architecture: Architecture | None
    mixed: MixedRecipe | None = None

    @property
    def altered_precision(self) -> str:
        """Name the precision that it has once something is applied; a mixed recipe is known by its content."""
        applied = None if self.recipe is None else self.recipe.key
        if self.mixed is not None:
            applied = f"{PREFIX}{key_of(record_text(self.mixed))[:_DIGITS]}"
        return self.precision if applied is None else f"{applied}, applied on loading"

    @property
    def is_altered(self) -> bool:
        """Whether something is applied to the loaded weights."""
        return self.recipe is not None or self.mixed is not None


def find_subject(spec: str, running: Running, progress: Progress = silent) -> Subject:
    """Find the weights of `MODEL[@PRECISION]` or `MODEL@recipe:FILE.toml`, and what is to be made of them.

    A precision that unquantised weights do not have is a recipe. Rounding to nearest is applied after loading; for any
    other, the checkpoint is found, or made where llm-compressor can be reached.

    Raises:
        UserError: The model is unknown, or has a sample count or a word on thinking; or the recipe does not fit it.
        MachineError: Its weights or its checkpoint should be here but are not, and cannot be made.
    """
    family = running.family
    original, file = split_mixed(spec)
    if file is not None:
        mixed, subject = load_mixed(Path(file)), find_subject(original, running)
        if subject.is_altered:
            raise UserError(f"{spec}: a mixed recipe is applied to the original; give the model without another recipe")
        return subject._replace(spec=spec, mixed=mixed)
    arm = parse_single(spec)
    if (arm.k is not None and not arm.greedy) or arm.thinking is not None:
        raise UserError(f"{spec}: texts are greedy and one per prompt; write MODEL[@PRECISION] alone")
    try:
        model = find_model(arm.name, family)
        name, weights, architecture = model.name, weights_of(model), model.architecture
        own: str | None = model.default_precision
    except UserError:
        # Engines load more kinds of models than plans can count.
        if not (Path(arm.name) / "config.json").is_file() and not looks_like_hub_id(arm.name):
            raise
        name, weights, architecture, own = arm.name, arm.name, None, _stated_precision(arm.name)
    asked = arm.precision
    is_quantised = find_checkpoint(weights).quantisation is not None
    if asked is None or asked in DTYPES or is_quantised or not is_recipe(asked):
        return Subject(spec, name, weights, asked or own or "bf16", None, architecture)
    recipe = parse_recipe(asked)
    if not is_simulated(recipe):
        made = quantise(arm.name, recipe.key, running, progress=progress)
        return Subject(spec, name, str(made.path), recipe.key, None, architecture)
    return Subject(spec, name, weights, own if own in DTYPES else "bf16", recipe, architecture)


def _stated_precision(model: str) -> str | None:
    """Read the precision in a model's config.json; None where it states none."""
    local = Path(model) / "config.json"
    file = str(local) if local.is_file() else hub_config_file(model)
    config = None if file is None else parse_json(read_whole(Path(file)), file, is_computed=True)
    return config_precision(config) if isinstance(config, dict) else None


def engine_for(name: str, subjects: list[Subject]) -> str:
    """Choose the engine that reads tokens of all subjects: the named one, or for `auto` one that can.

    Raises:
        UserError: The named one gives no token ids, or cannot apply a recipe.
        EngineError: It is not installed.
    """
    from ..sampler.engines import pick_engine

    if name not in ("auto", "transformers", "vllm"):
        raise UserError(f"`engine` {name} does not tell which tokens a model would pick: use transformers or vllm")
    for subject in subjects:
        if not subject.is_altered:
            continue
        if name == "vllm":
            way = "" if subject.recipe is None else f" (codebudget quantise {subject.model} {subject.recipe.key})"
            raise UserError(
                f"{subject.spec}: vllm cannot compress a model that it has loaded: use `engine` transformers, or give "
                f"the folder of a checkpoint{way}"
            )
    if any(subject.is_altered for subject in subjects):
        name = "transformers"
    return pick_engine(name).name


def open_subject(subject: Subject, engine: str, texts: Sequence[str] = ()) -> TokenEngine:
    """Load a model, have the engine check itself on it, and apply its recipe.

    Args:
        subject: The model.
        engine: vllm or transformers.
        texts: For a mixed recipe with Wanda: what inputs are measured on.

    Raises:
        UserError: The precision is wrong.
        EngineError: The model cannot be loaded, or the self-check fails.
        MachineError: The model cannot be fetched.
    """
    if engine == "vllm":
        from ..sampler.engines.vllm_engine import VllmEngine

        served: Any = VllmEngine(subject.weights, subject.precision)
        notice(f"{subject.spec}: {served.check()}")
        return served  # type: ignore[no-any-return]
    loaded = open_network(subject, texts)
    notice(f"{subject.spec}: {loaded.check()}")
    return loaded


def open_network(subject: Subject, texts: Sequence[str] = ()) -> TransformersEngine:
    """Load a model with transformers and apply its recipe; see `open_subject`.

    Raises:
        UserError: The precision is wrong.
        EngineError: The model cannot be loaded.
        MachineError: The model cannot be fetched.
    """
    from ..sampler.engines.transformers_engine import TransformersEngine

    engine = TransformersEngine(subject.weights, subject.precision)
    recipe, mixed = subject.recipe, subject.mixed
    try:
        if recipe is not None:
            engine.alter(lambda network: simulate(network, recipe), subject.altered_precision)
        if mixed is not None:
            norms = _norms(engine, texts) if mixed.pruning == "wanda" else {}
            engine.alter(lambda network: apply_mixed(network, mixed, norms), subject.altered_precision)
    except BaseException:
        engine.close()
        raise
    return engine


def _norms(engine: TransformersEngine, texts: Sequence[str]) -> Mapping[str, Tensor]:
    rows = [Row(tuple(ids[:1]), tuple(ids[1:]), 0, 0) for ids in engine.prompt_ids(texts, 0) if len(ids) > 1]
    return Probe(engine.network, find_linears(engine.network), [rows], engine.choices).input_norms()
