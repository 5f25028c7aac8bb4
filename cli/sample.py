"""`codebudget sample`: draw candidates into the store, and from it into files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from ..errors import EngineError
from ..settings import RECORDED, Drawing, Planning, Running, Settings, Sharding, option
from .arguments import JSON, TASKS, Arms, Asked
from .options import only, options
from .progress import print_json, shown_progress, warn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..experiment.drawing import DrawnArms
    from ..experiment.targets import Target
    from ..records import Task


class Output(Settings):
    """Options of drawing and its output."""

    tasks: int | None = TASKS
    tests: bool = option(False, "Draw asserts, or pairs for scripts, not solutions: for rankers that use tests.")
    out: str | None = option(
        None, "Write the samples: .jsonl, .jsonl.gz or, without --tests, .parquet.", metavar="FILE"
    )
    as_json: bool = JSON


@options
def sample(
    arms: Arms,
    asked: Asked,
    drawing: Drawing,
    planning: Annotated[Planning, only("hardware", "usd_per_hour", "usd_per_mtok", "prices")],
    running: Annotated[
        Running, only("family", "seed", "base_url", "store", "ray", "fresh", "stop_after", "compress_python")
    ],
    sharding: Sharding,
    output: Output,
) -> None:
    """Draw k samples of every task from each model and store them.

    Stored samples are not drawn again: a stopped run continues where it was, and a larger k draws only what is missing.
    An arm without :K gets as many samples as the first arm's cost pays for. With --tests the model writes asserts
    instead of solutions, as in CodeT; rank and compare read them with --tests FILE.
    """
    from ..experiment.drawing import draw_arms, session_of
    from ..experiment.planning import conditions_of
    from ..experiment.samples import with_ways
    from ..experiment.shards import check_given, parse_shard
    from ..experiment.targets import check_engine, targets_of
    from ..experiment.workspace import open_workspace
    from ..report.samples import print_samples, samples_as_json
    from ..sampler.generated_tests import check_tests_file
    from ..sampler.transfer import check_samples_file

    path = None if output.out is None else Path(output.out)
    if path is not None:
        (check_tests_file if output.tests else check_samples_file)(path)
    conditions = conditions_of(planning)
    # A plan is for the tokens of all tasks, whatever is drawn now.
    whole = asked.load(running.family)
    shard = parse_shard(sharding.shard)
    chosen = whole if output.tasks is None else whole.first(output.tasks)
    tasks = (chosen if shard is None else shard.of(chosen)).tasks
    served = drawing.engine == "openai"
    targets = targets_of(arms, running.family, whole, conditions=conditions, served=served)
    if shard is not None:
        check_given(shard, [target.arm for target in targets])
    try:
        check_engine(drawing.engine)
    except EngineError as error:
        raise with_ways(error, f"Or use what the store has, with `engine` {RECORDED}") from None
    with open_workspace(running.store) as store, shown_progress() as progress:
        session = session_of(drawing, running, store, tests=output.tests)
        drawn = draw_arms(targets, tasks, session, conditions, progress)
    if path is not None:
        _write(path, targets, drawn, tasks, tests=output.tests)
    for line in drawn.notes:
        warn(line)
    if output.as_json:
        print_json(samples_as_json(targets, drawn, path, tasks if output.tests else None))
    else:
        print_samples(targets, drawn, path, tasks if output.tests else None)


def _write(path: Path, targets: Sequence[Target], drawn: DrawnArms, tasks: Sequence[Task], *, tests: bool) -> None:
    from ..sampler.generated_tests import rows_of_tests, write_test_rows
    from ..sampler.transfer import write_samples

    if not tests:
        write_samples(path, [(arm.series, arm.candidates) for arm in drawn.arms])
        return
    pairs = zip(targets, drawn.arms, strict=True)
    rows = (
        row for target, arm in pairs for row in rows_of_tests(tasks, arm.series, arm.candidates, target.architecture)
    )
    write_test_rows(path, rows)
