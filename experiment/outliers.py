"""Outlier dimensions of a model that an arm names."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from .._util.progress import Progress, notice, silent
from ..compression.linears import find_linears
from ..compression.outliers import Outliers, measure_outliers
from ..records import Cost, Record
from .prompts import load_prompts
from .spending import NO_RATE, Rate, reading_flops, timed
from .subjects import find_subject, open_network

if TYPE_CHECKING:
    from ..settings import Prompting, Running

_PASSES = 2


class FoundOutliers(Record):
    """Outlier dimensions of a model, on the texts of `source`, and what it took to find them."""

    model: str
    source: str
    outliers: Outliers
    cost: Cost


def find_outliers(
    spec: str, prompting: Prompting, running: Running, rate: Rate = NO_RATE, progress: Progress = silent
) -> FoundOutliers:
    """Look for outlier dimensions in what enters a model's linear modules.

    Args:
        spec: The model, `MODEL[@PRECISION]` or a folder.
        prompting: The texts it reads.
        running: The family.
        rate: Price of the machine.
        progress: Told how far it is.

    Raises:
        UserError: The model is unknown or of no kind that can be looked into, or a text does not fit its context.
        MachineError: It cannot be loaded here.
    """
    subject = find_subject(spec, running, progress)
    prompts = load_prompts(prompting.prompts, running.family)
    with closing(open_network(subject, prompts.texts)) as engine:
        texts = engine.prompt_ids(prompts.texts, 0)
        beside = find_linears(engine.network).beside
        if beside:
            notice(f"{spec}: matrices of layers that are not linear modules have no spectral norms here: {beside}")
        found, took = timed(lambda: measure_outliers(engine.network, texts, progress))
    flops = reading_flops(subject.architecture, texts, 0)
    cost = rate.cost(None if flops is None else _PASSES * flops, took)
    return FoundOutliers(model=spec, source=prompts.name, outliers=found, cost=cost)
