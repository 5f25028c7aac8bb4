"""A sweep over the components of a model that an arm names."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Literal

from .._util.progress import Progress, notice, silent
from ..budgets.flops import forward_flops
from ..budgets.recipe import parse_recipe
from ..compression.components import PrunedComponents, QuantisedComponents, prune_components, quantise_components
from ..compression.linears import find_linears
from ..compression.probing import Probe, Row
from ..compression.pruning import PRUNINGS
from ..compression.simulating import check_simulated
from ..errors import UserError
from ..records import Cost, Record
from .prompts import load_prompts
from .spending import NO_RATE, Rate, drawing_flops, timed
from .subjects import find_subject, open_network

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..budgets.architecture import Architecture
    from ..budgets.mixed import MixedRecipe
    from ..budgets.recipe import Recipe
    from ..sampler.engine import Choices
    from ..sampler.engines.transformers_engine import TransformersEngine
    from ..settings import Running, Sweeping
    from .prompts import Prompts


class Passes(Record):
    """How often all texts were read in a sweep, and in how many whole passes' worth of layers; seconds of one pass."""

    reads: float
    equivalent: float
    pass_s: float


class Swept(Record):
    """A sweep over a model's components: rounded, or pruned by each method.

    Perplexity is that of a benchmark's reference solutions, or else of the prompts. `costs` are totals: of `base` (its
    continuations) and of `components`.
    """

    model: str
    source: str
    prompts: int
    tokens: int
    perplexity_of: Literal["references", "prompts"]
    quantised: QuantisedComponents | None
    pruned: tuple[PrunedComponents, ...]
    passes: Passes
    costs: dict[str, Cost]

    def mixed(self) -> MixedRecipe:
        """Make the recipe that the sweep ends with: of the pruning whose first divergence is later, if pruned.

        Raises:
            UserError: Nothing was converted.
        """
        if self.quantised is not None:
            if not self.quantised.converted:
                raise UserError("a mixed recipe needs a share of the model to compress: give `target`, such as 0.8")
            return self.quantised.mixed()
        return max(self.pruned, key=lambda one: one.choices[0].divergence.fdt.mean).mixed()


def sweep_components(
    spec: str, sweeping: Sweeping, running: Running, rate: Rate = NO_RATE, progress: Progress = silent
) -> Swept:
    """Compress each linear component of a model alone and measure its divergence; then as much as is asked for.

    Args:
        spec: The model, `MODEL[@PRECISION]` or a folder.
        sweeping: What is done, to how much, and the prompts.
        running: The family and the seed.
        rate: Price of the machine.
        progress: Told how far it is.

    Raises:
        UserError: A model or setting is wrong, a recipe does not fit, or a prompt does not fit the context.
        MachineError: The model cannot be loaded here, or its layers cannot be looked at one by one.
    """
    if sweeping.recipe is None and sweeping.sparsity is None:
        raise UserError("say what to do to each component: `recipe` w8a8, or `sparsity` 0.5")
    recipe = None if sweeping.recipe is None else parse_recipe(sweeping.recipe)
    if recipe is not None:
        check_simulated(recipe)
    subject = find_subject(spec, running, progress)
    if subject.is_altered:
        raise UserError(f"{spec}: components are compressed from the original; give the model without a recipe")
    prompts = load_prompts(sweeping.prompts, running.family)
    with closing(open_network(subject)) as engine:
        ids = engine.prompt_ids(prompts.texts, sweeping.tokens)
        continued, base_s = timed(lambda: engine.continue_greedily(ids, sweeping.tokens))
        linears = find_linears(engine.network)
        if linears.beside:
            notice(f"{spec}: matrices of layers that are not linear modules are left as they are: {linears.beside}")
        rows = _rows(ids, continued, _references(prompts, engine))
        places = engine.batches([(row.before, row.after) for row in rows])
        batches = [[rows[place] for place in some] for some in places]

        def read(some: Sequence[tuple[Sequence[int], Sequence[int]]]) -> list[Choices]:
            return engine.choices(some)

        probe = Probe(engine.network, linears, batches, read)
        # The first pass also warms up.
        pass_s = min(timed(lambda: probe.together([]))[1] for _ in range(2))
        (quantised, pruned), swept_s = timed(lambda: _swept(probe, recipe, sweeping, running.seed, progress))
    flops = _sweep_flops(subject.architecture, probe)
    return Swept(
        model=spec,
        source=prompts.name,
        prompts=len(ids),
        perplexity_of="prompts" if prompts.references is None else "references",
        tokens=sweeping.tokens,
        quantised=quantised,
        pruned=pruned,
        passes=Passes(reads=probe.reads, equivalent=probe.equivalent, pass_s=pass_s),
        costs={
            "base": rate.cost(drawing_flops(subject.architecture, ids, sweeping.tokens), base_s),
            "components": rate.cost(flops, swept_s),
        },
    )


def _swept(
    probe: Probe, recipe: Recipe | None, sweeping: Sweeping, seed: int, progress: Progress
) -> tuple[QuantisedComponents | None, tuple[PrunedComponents, ...]]:
    """Round all components, or prune them by each method."""
    if recipe is not None:
        return quantise_components(probe, recipe, sweeping.target, seed=seed, progress=progress), ()
    share = sweeping.sparsity or 0.0
    return None, tuple(prune_components(probe, share, method, seed=seed, progress=progress) for method in PRUNINGS)


def _references(prompts: Prompts, engine: TransformersEngine) -> list[tuple[int, ...]] | None:
    """Tokenize what the references of a benchmark's tasks add to their prompts; None for texts without."""
    added = prompts.references
    if added is None:
        return None
    return [
        tuple(engine.scored_ids(prompt, text)[1]) if text else ()
        for prompt, text in zip(prompts.texts, added, strict=True)
    ]


def _rows(
    prompts: Sequence[Sequence[int]],
    continued: Sequence[tuple[int, ...]],
    references: Sequence[tuple[int, ...]] | None,
) -> list[Row]:
    """Make the texts to read: continuations, and for the perplexity references, or else the prompts themselves."""
    if references is None:
        return [
            Row(tuple(prompt[:1]), (*prompt[1:], *drawn), len(drawn), len(prompt) - 1)
            for prompt, drawn in zip(prompts, continued, strict=True)
        ]
    rows = [Row(tuple(prompt), drawn, len(drawn), 0) for prompt, drawn in zip(prompts, continued, strict=True)]
    return rows + [
        Row(tuple(prompt), text, 0, len(text)) for prompt, text in zip(prompts, references, strict=True) if text
    ]


def _sweep_flops(architecture: Architecture | None, probe: Probe) -> float | None:
    """Count the layers that were run, and the output head of every pass at the tokens after; None if unknown."""
    if architecture is None:
        return None
    rows = [(len(row.before) + len(row.after), len(row.after)) for row in probe.texts]
    layers = sum(forward_flops(architecture, length, logit_positions=0) for length, _ in rows)
    whole = sum(forward_flops(architecture, length, logit_positions=after) for length, after in rows)
    return float(layers * probe.equivalent + (whole - layers) * probe.reads)
