"""`codebudget verifier`: train a ranker that learns which programs are right."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .._util.outputs import check_output, write_text
from ..settings import Grading, Running, Selecting, Settings, option
from .arguments import JSON, AskedOnEach, Ks, parse_ks
from .options import only, options
from .progress import print_json, shown_progress, warn

app = typer.Typer(no_args_is_help=True, help="Train the ranker verifier, which learns which programs are right.")


class Output(Settings):
    """Options of the output."""

    out: str = option("verifier.json", "Write the coefficients, as JSON.", metavar="FILE")
    as_json: bool = JSON


@app.command("train")
@options
def train(
    samples: Annotated[
        list[str],
        typer.Argument(
            metavar="SAMPLES", help="Each file, folder or glob is one pool: the samples of one model and setting."
        ),
    ],
    asked: Annotated[AskedOnEach, only("benchmark", "field", "part")],
    selecting: Annotated[Selecting, only("tests")],
    grading: Grading,
    running: Annotated[Running, only("family", "seed", "store", "fresh")],
    output: Output,
    k: Ks = None,
) -> None:
    """Train a verifier on recorded samples, and score it on tasks that it has not seen.

    The samples are graded by the benchmark's hidden tests. Scores come from nested cross-validation over tasks; with
    several benchmarks also from leaving out each. Rank with it by --ranker verifier,model=FILE.
    """
    from ..experiment.verifier import train_verifier
    from ..report.verifier import print_trained, trained_as_json

    path = Path(output.out)
    check_output(path, typed=True)
    benchmarks = asked.load_each(running.family)
    ks = parse_ks(k, (5, 20))
    with shown_progress() as progress:
        trained = train_verifier(samples, benchmarks, ks, selecting.tests, grading, running, progress)
    write_text(path, trained.coefficients.text())
    for note in trained.notes:
        warn(note)
    if output.as_json:
        print_json(trained_as_json(trained, path))
    else:
        print_trained(trained, path)
