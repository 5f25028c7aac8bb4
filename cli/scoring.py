"""`--scorer ARM|self`: the model that rankers ask how likely it finds a text."""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import UserError
from .drawing import RECORDED, starter, target_of_arm
from .stores import open_workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ..rankers import Scorer
    from ..sampler.engine import Engine
    from ..sampler.late import LateEngine
    from .drawing import Target

OWN = "self"
"""The scorer that is each arm's own model."""

ScorerOption = Annotated[
    str | None,
    typer.Option(
        "--scorer",
        metavar=f"ARM|{OWN}",
        help="The model that rankers ask how likely a text is, such as 13b@int4; self asks each arm's own.",
    ),
]


@contextmanager
def open_scorers(
    scorer: str | None, specs: Sequence[str], *, family: str, engine: str, store: str | None
) -> Iterator[dict[str, Scorer]]:
    """A scorer for each of some arms; none where the option is not given.

    No model is loaded before a text must be scored, and of several models one at a time.

    Args:
        scorer: As typed.
        specs: The arms as typed.
        family: That short names are of.
        engine: As typed.
        store: Where likelihoods are kept.

    Raises:
        UserError: the arm cannot be read, its model is unknown, or no engine is named that scores.
        MachineError: its weights should be here and are not, or the store cannot be used.
    """
    if scorer is None or not specs:
        yield {}
        return
    from ..budgets.arms import parse_arm

    if engine == RECORDED:
        raise UserError(f"--scorer {scorer}: nothing scores with --engine {RECORDED}; name one that does, such as auto")
    typed = {spec: spec if scorer == OWN else scorer for spec in specs}
    targets = {text: target_of_arm(parse_arm(text), family, served=engine == "openai") for text in typed.values()}
    from ..experiment.scorers import EngineScorer
    from ..sampler.late import LateEngine, circumstances

    lates: list[LateEngine] = []
    lock, said = threading.Lock(), set[str]()
    with open_workspace(store) as opened, ExitStack() as stack:
        scorers: dict[str, Scorer] = {}
        for text, target in targets.items():
            key = circumstances(engine, target.weights, target.precision)
            late = LateEngine(_alone(engine, target, said, lates), opened, key)
            lates.append(late)
            stack.callback(late.close)
            scorers[text] = EngineScorer(late, opened, target.architecture, lock)
        yield {spec: scorers[text] for spec, text in typed.items()}


@contextmanager
def open_scorer(scorer: str | None, *, family: str, engine: str, store: str | None) -> Iterator[Scorer | None]:
    """The scorer of candidates whose model nobody named; None where the option is not given.

    Raises:
        UserError: as `open_scorers`, or it is to be the candidates' own model.
        MachineError: as `open_scorers`.
    """
    if scorer == OWN:
        raise UserError(f"--scorer {OWN}: which model drew these samples is not known here; name it, such as 7b@fp16")
    with open_scorers(scorer, ["samples"], family=family, engine=engine, store=store) as found:
        yield found.get("samples")


def _alone(name: str, target: Target, said: set[str], lates: Sequence[LateEngine]) -> Callable[[], Engine]:
    """Starts an engine once the others are closed: two may not fit one device."""
    start = starter(name, target, said, "scoring")

    def run() -> Engine:
        for late in lates:
            late.close()
        return start()

    return run
