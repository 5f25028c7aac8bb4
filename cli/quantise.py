"""`codebudget quantise`: a model and a recipe to a checkpoint of fewer bits."""

from __future__ import annotations

from typing import Annotated

import typer

from ..settings import Running, Settings, option
from .arguments import JSON
from .options import only, options
from .progress import print_json, shown_progress


class Output(Settings):
    """Options of calibration and output."""

    calibration: str = option(
        "prompts",
        "Texts that methods other than rtn look at: a text file or .jsonl with a field text, the prompts of the "
        "benchmark, or self, which the model itself draws.",
        metavar="FILE|prompts|self",
    )
    out: str | None = option(
        None, "Folder of the checkpoint.", metavar="DIR", shown="one of its own in .codebudget/checkpoints"
    )
    as_json: bool = JSON


@options
def quantise(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Name, Hugging Face id or folder.")],
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="Such as w4a16-g128-gptq, w8a8, w3a16-g64-asym-lorc8 or fp8.")
    ],
    running: Annotated[Running, only("family", "seed", "compress_python")],
    output: Output,
) -> None:
    """Quantise a model's layers by a recipe and write a checkpoint of compressed-tensors, through llm-compressor.

    A recipe is w<bits>a<bits>, then what is wanted of -g<group>, -asym, a method (-gptq -awq -smoothquant -autoround)
    and -lorc<rank>; unsaid are one scale per output channel, symmetric, rounding to nearest, and activations per token.
    A checkpoint that is there is found again, never overwritten.
    """
    from ..experiment.quantising import quantise as make
    from ..report.checkpoints import checkpoint_as_json, print_checkpoint

    with shown_progress() as progress:
        made = make(model, recipe, running, calibration=output.calibration, out=output.out, progress=progress)
    if output.as_json:
        print_json(checkpoint_as_json(made))
    else:
        print_checkpoint(made)
