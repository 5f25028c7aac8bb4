"""Models to look into: an arm's weights, and the recipe to apply to them once loaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .._util.bounded import parse_json, read_whole
from .._util.progress import notice
from ..budgets.models import config_precision, find_model, hub_config_file, looks_like_hub_id, weights_of
from ..budgets.notation import parse_arm
from ..budgets.recipe import Recipe, is_recipe, parse_recipe
from ..compression.simulating import check_simulated, simulate
from ..errors import UserError
from ..sampler.engines.checkpoint import DTYPES, find_checkpoint

if TYPE_CHECKING:
    from ..budgets.architecture import Architecture
    from ..sampler.engine import TokenEngine
    from ..sampler.engines.transformers_engine import TransformersEngine


class Subject(NamedTuple):
    """A model as typed.

    Attributes:
        spec: As typed.
        model: Its name.
        weights: A folder or hub id.
        precision: What its weights are loaded at.
        recipe: What is then applied to them; None for nothing.
        architecture: For counting FLOPs; None where its kind is not known here.
    """

    spec: str
    model: str
    weights: str
    precision: str
    recipe: Recipe | None
    architecture: Architecture | None

    @property
    def resulting(self) -> str:
        """The precision that it has in the end."""
        return self.precision if self.recipe is None else self.recipe.key


def find_subject(spec: str, family: str) -> Subject:
    """Find the weights of `MODEL[@PRECISION]`, and what is to be made of them.

    A precision that unquantised weights do not have becomes a recipe, applied after loading.

    Raises:
        UserError: The model is unknown, or has a sample count or a word on thinking; or a recipe needs a checkpoint.
        MachineError: Its weights should be here but are not.
    """
    arm = parse_arm(spec)
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
    simulated = next((subject for subject in subjects if subject.recipe is not None), None)
    if simulated is not None and simulated.recipe is not None:
        if name == "vllm":
            raise UserError(
                f"{simulated.spec}: vllm cannot round a model that it has loaded: use `engine` transformers, or give "
                f"the folder of a checkpoint (codebudget quantise {simulated.model} {simulated.recipe.key})"
            )
        check_simulated(simulated.recipe)
        name = "transformers"
    return pick_engine(name).name


def open_subject(subject: Subject, engine: str) -> TokenEngine:
    """Load a model, apply its recipe, and have the engine check itself on the result.

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
    loaded = open_network(subject)
    notice(f"{subject.spec}: {loaded.check()}")
    return loaded


def open_network(subject: Subject) -> TransformersEngine:
    """Load a model with transformers and apply its recipe.

    Raises:
        UserError: The precision is wrong.
        EngineError: The model cannot be loaded.
        MachineError: The model cannot be fetched.
    """
    from ..sampler.engines.transformers_engine import TransformersEngine

    engine = TransformersEngine(subject.weights, subject.precision)
    recipe = subject.recipe
    if recipe is not None:
        try:
            engine.alter(lambda network: simulate(network, recipe), f"{recipe.key}, applied on loading")
        except BaseException:
            engine.close()
            raise
    return engine
