"""Seconds that transformers takes to prefill and decode with random weights, for fitting a calibration.

Weights are random because seconds do not depend on them, so nothing is downloaded.
"""

from __future__ import annotations

import importlib
import itertools
import math
import time
import tomllib
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import budgets
from .._util.bounded import parse_json, read_whole
from .._util.machine import cpu_name
from ..errors import MachineError, UserError
from .calibration import Measurement
from .models import config_of_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .models import Model

DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
"""Measurable precisions, with torch's names for them."""


class Point(NamedTuple):
    """One setting: `batch` prompts side by side."""

    batch: int
    prompt_tokens: int
    output_tokens: int


class Sweep(NamedTuple):
    """Points to fit coefficients to, and others to judge them by."""

    fitted: tuple[Point, ...]
    held_out: tuple[Point, ...]


CPU_SWEEP = Sweep(
    fitted=(
        *(Point(1, 32, 24), Point(1, 128, 24), Point(1, 512, 16)),
        *(Point(2, 64, 24), Point(4, 32, 24), Point(4, 128, 16)),
        *(Point(8, 32, 24), Point(8, 64, 16), Point(16, 32, 16)),
    ),
    held_out=(Point(1, 64, 32), Point(1, 256, 16), Point(3, 128, 20), Point(6, 48, 20), Point(12, 32, 16)),
)
GPU_SWEEP = Sweep(
    fitted=tuple(Point(batch, prompt, 64) for batch in (1, 2, 8, 32, 64) for prompt in (64, 256, 1024)),
    held_out=tuple(Point(batch, prompt, 96) for batch in (1, 4, 16, 48) for prompt in (128, 512)),
)


def measure(
    model: Model,
    precision: str,
    points: Sequence[Point],
    *,
    device: str,
    rounds: int = 5,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Measurement, ...]:
    """Time a model at each point: every pass at its fastest of some rounds, since disturbances only add.

    A pass ends when its logits are ready. The first is the prefill; the others decode, including the sampling of the
    token they read.

    Args:
        model: The model.
        precision: One of `DTYPES`.
        points: Points to time.
        device: A torch device: `cpu`, `cuda`.
        rounds: Times to measure each point.
        progress: Called with the points done and all points, over all rounds.

    Raises:
        UserError: The precision cannot be measured.
        MachineError: torch or transformers is missing, there is no such device, or the model does not fit it.
    """
    check_measurable(model, precision)
    torch, _ = _libraries()
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise MachineError("torch finds no GPU on this machine; use `device` cpu")
    try:
        network = _network(model, precision, device)
        fastest = [[math.inf] * point.output_tokens for point in points]
        _pass_times(network, points[0], device)
        for turn in range(rounds):
            for place, point in enumerate(points):
                fastest[place] = list(map(min, fastest[place], _pass_times(network, point, device)))
                if progress is not None:
                    progress(turn * len(points) + place + 1, rounds * len(points))
    except torch.OutOfMemoryError as error:
        raise MachineError(f"{model.name}@{precision} does not fit on {device}: measure a smaller model") from error
    return tuple(
        Measurement(
            model=model.name,
            precision=precision,
            batch=point.batch,
            prompt_tokens=point.prompt_tokens,
            output_tokens=point.output_tokens,
            prefill_s=passes[0],
            decode_s=sum(passes[1:]),
        )
        for point, passes in zip(points, fastest, strict=True)
    )


def check_measurable(model: Model, precision: str) -> None:
    """Refuse a precision that cannot be measured.

    Raises:
        UserError: It is none of `DTYPES`.
    """
    if precision not in DTYPES:
        raise UserError(f"transformers can be measured at {' '.join(DTYPES)}, not {precision}; write {model.name}@bf16")


def choose_device(name: str) -> str:
    """Choose the device for a name: `auto` is the GPU if torch finds one, else the CPU.

    Raises:
        MachineError: torch or transformers is missing.
    """
    torch, _ = _libraries()
    if name != "auto":
        return name
    return "cuda" if torch.cuda.is_available() else "cpu"


def sweep_for(device: str) -> Sweep:
    """Pick the points to measure a device at."""
    return GPU_SWEEP if device.startswith("cuda") else CPU_SWEEP


def describe_engine() -> str:
    """Name engine and version.

    Raises:
        MachineError: torch or transformers is missing.
    """
    torch, transformers = _libraries()
    return f"transformers {transformers.__version__}, torch {torch.__version__}"


def describe_machine(device: str) -> str:
    """Give the device's own name.

    Raises:
        MachineError: torch or transformers is missing.
    """
    torch, _ = _libraries()
    if device.startswith("cuda"):
        return str(torch.cuda.get_device_name(device))
    threads = torch.get_num_threads()
    return f"{cpu_name()}, {threads} thread{'' if threads == 1 else 's'}"


def _pass_times(network: Any, point: Point, device: str) -> list[float]:
    """Time each pass of generating `output_tokens` tokens, the prefill first."""
    torch, _ = _libraries()
    ids = torch.randint(3, network.config.vocab_size, (point.batch, point.prompt_tokens), device=device)
    ends: list[float] = []

    def note_end(_: Any, scores: Any) -> Any:
        _wait(torch, device)
        ends.append(time.perf_counter())
        return scores

    _wait(torch, device)
    start = time.perf_counter()
    network.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        do_sample=True,
        min_new_tokens=point.output_tokens,
        max_new_tokens=point.output_tokens,
        logits_processor=[note_end],
        pad_token_id=0,
    )
    return [end - before for before, end in itertools.pairwise((start, *ends))]


def _wait(torch: Any, device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


def _network(model: Model, precision: str, device: str) -> Any:
    torch, transformers = _libraries()
    config = transformers.AutoConfig.for_model(**_config(model))
    config.eos_token_id = None
    torch.manual_seed(0)
    with torch.device(device):
        network = transformers.AutoModelForCausalLM.from_config(config, dtype=getattr(torch, DTYPES[precision]))
    return network.eval()


def _config(model: Model) -> dict[str, Any]:
    """Load the `config.json` behind a model's architecture."""
    if model.path is not None and model.family is None:
        path = Path(model.path)
        chosen = path / "config.json" if path.is_dir() else path
        parsed: dict[str, Any] = parse_json(read_whole(chosen), str(chosen), is_computed=True)
        return parsed
    for file in (resources.files(budgets) / "catalogue").iterdir():
        if file.name.endswith(".toml"):
            for entry in tomllib.loads(file.read_text(encoding="utf-8"))["models"]:
                if entry["name"] == model.name:
                    return config_of_entry(entry)
    raise UserError(f"{model.name} has no local config.json; give a local folder that contains one")


def _libraries() -> tuple[Any, Any]:
    try:
        return importlib.import_module("torch"), importlib.import_module("transformers")
    except ImportError as error:
        raise MachineError(
            f"measuring needs torch and transformers ({error}): pip install torch transformers"
        ) from error
