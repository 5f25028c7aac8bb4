"""`codebudget calibrate`: measure this machine, so that plans can say what runtime really is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .._util.outputs import check_output, write_text
from ..errors import UserError
from ..settings import Running
from .arguments import Json
from .options import only, options
from .progress import print_json

DEFAULT_OUT = "calibration.json"


@options
def calibrate(
    models: Annotated[
        list[str], typer.Argument(metavar="MODEL...", help="Models, with an optional @fp32, @bf16 or @fp16: 7b@bf16")
    ],
    running: Annotated[Running, only("family")],
    device: Annotated[str, typer.Option(help="PyTorch device: cpu, cuda, or auto (a GPU if there is one).")] = ("auto"),
    rounds: Annotated[int, typer.Option(min=1, help="Measurements per point.")] = 5,
    out: Annotated[
        str | None, typer.Option("--out", metavar="FILE", help="File to write.", show_default=DEFAULT_OUT)
    ] = None,
    as_json: Json = False,
) -> None:
    """Time models with random weights on this machine and fit what plans need; then use plan --calibration FILE."""
    import datetime

    from ..budgets.calibration import MeasuredModel, fit_sweep, held_out_errors
    from ..budgets.measuring import (
        check_measurable,
        choose_device,
        describe_engine,
        describe_machine,
        measure,
        sweep_for,
    )
    from ..budgets.models import find_model
    from ..budgets.notation import parse_single

    path = Path(out or DEFAULT_OUT)
    check_output(path, typed=out is not None)
    chosen = []
    for text in models:
        arm = parse_single(text)
        model = find_model(arm.name, running.family)
        precision = arm.precision or model.default_precision
        if arm.k is not None or precision is None:
            raise UserError(f"cannot calibrate {text!r}: write {arm.name}@fp32 or @bf16, without a number of samples")
        chosen.append((model, precision))
    if len({precision for _, precision in chosen}) > 1:
        raise UserError("a calibration covers one precision; give all models the same one, such as @bf16")
    for model, precision in chosen:
        check_measurable(model, precision)
    place, engine = choose_device(device), describe_engine()
    sweep = sweep_for(place)
    fitted, held_out = [], []
    for model, precision in chosen:

        def show(done: int, total: int, name: str = model.name) -> None:
            typer.echo(f"\rmeasuring {name}: {done}/{total}", nl=done == total, err=True)

        points = measure(model, precision, sweep.fitted + sweep.held_out, device=place, rounds=rounds, progress=show)
        fitted.append(MeasuredModel(model, points[: len(sweep.fitted)]))
        held_out.append(MeasuredModel(model, points[len(sweep.fitted) :]))
    calibration = fit_sweep(
        fitted,
        engine=engine,
        machine=describe_machine(place),
        source=f"codebudget calibrate, {datetime.date.today().isoformat()}",
    )
    errors = held_out_errors(calibration, held_out)
    write_text(path, calibration.model_dump_json(indent=1) + "\n", typed=out is not None)
    if as_json:
        answer = {"file": str(path), "machine": calibration.machine, "engine": engine, "held_out": errors._asdict()}
        print_json(answer)
        return
    typer.echo(
        f"{path}: {calibration.machine}, {engine}; on {errors.points} held-out points the median error is "
        f"{errors.median:.1%} and the 90th percentile {errors.p90:.1%}"
    )
