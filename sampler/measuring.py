"""Seconds that transformers takes to prefill and to decode, with random weights: what a calibration is fitted to.

Weights are random because seconds do not depend on them, so nothing is downloaded.
"""

from __future__ import annotations

import importlib
import json
import statistics
import time
import tomllib
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import budgets
from ..budgets.calibration import Measurement
from ..errors import MachineError, UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..budgets.models import Model

DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
"""Precisions that can be measured, and torch's names of them."""


class Point(NamedTuple):
    """One setting: `batch` prompts side by side."""

    batch: int
    prompt_tokens: int
    output_tokens: int


FITTED_POINTS = tuple(
    Point(batch, prompt, output) for batch in (1, 2, 8, 16) for prompt, output in ((32, 32), (128, 16), (512, 8))
)
"""Points that coefficients are fitted to."""

HELD_OUT_POINTS = tuple(Point(batch, prompt, 24) for batch in (1, 4, 12) for prompt in (64, 256))
"""Points that they are judged by; none is among those fitted to."""


def measure(
    model: Model,
    precision: str,
    points: Sequence[Point],
    *,
    device: str,
    rounds: int = 5,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Measurement, ...]:
    """Time a model at each point: the median of some rounds over all points, so that a disturbance hits few of one.

    Prefill is what generating one token takes, decode what the others add to it.

    Args:
        model: The model.
        precision: One of `DTYPES`.
        points: What to time.
        device: A device of torch: `cpu`, `cuda`.
        rounds: Times that each point is measured.
        progress: Called with the points done and all points, over all rounds.

    Raises:
        UserError: The precision cannot be measured.
        MachineError: torch or transformers is missing, there is no such device, or the model does not fit it.
    """
    if precision not in DTYPES:
        raise UserError(f"transformers is measured at {' '.join(DTYPES)}, not {precision}; write {model.name}@bf16")
    torch, _ = _libraries()
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise MachineError("torch finds no GPU here; use --device cpu")
    try:
        network = _network(model, precision, device)
        seconds: list[list[tuple[float, float]]] = [[] for _ in points]
        _timed(network, points[0], points[0].output_tokens, device)
        for turn in range(rounds):
            for place, point in enumerate(points):
                first = _timed(network, point, 1, device)
                seconds[place].append((first, _timed(network, point, point.output_tokens, device) - first))
                if progress is not None:
                    progress(turn * len(points) + place + 1, rounds * len(points))
    except torch.OutOfMemoryError as error:
        raise MachineError(f"{model.name}@{precision} does not fit {device}: measure a smaller model") from error
    return tuple(
        Measurement(
            model=model.name,
            precision=precision,
            batch=point.batch,
            prompt_tokens=point.prompt_tokens,
            output_tokens=point.output_tokens,
            prefill_s=statistics.median(prefill for prefill, _ in timed),
            decode_s=max(statistics.median(decode for _, decode in timed), 1e-9),
        )
        for point, timed in zip(points, seconds, strict=True)
    )


def choose_device(name: str) -> str:
    """The device that a name stands for: `auto` is the GPU where torch finds one, else the CPU.

    Raises:
        MachineError: torch or transformers is missing.
    """
    torch, _ = _libraries()
    if name != "auto":
        return name
    return "cuda" if torch.cuda.is_available() else "cpu"


def describe_engine() -> str:
    """The engine and its version.

    Raises:
        MachineError: torch or transformers is missing.
    """
    torch, transformers = _libraries()
    return f"transformers {transformers.__version__}, torch {torch.__version__}"


def describe_machine(device: str) -> str:
    """The device by its own name.

    Raises:
        MachineError: torch or transformers is missing.
    """
    torch, _ = _libraries()
    if device.startswith("cuda"):
        return str(torch.cuda.get_device_name(device))
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "CPU")
    return f"{name}, {torch.get_num_threads()} threads"


def _timed(network: Any, point: Point, output_tokens: int, device: str) -> float:
    torch, _ = _libraries()
    ids = torch.randint(3, network.config.vocab_size, (point.batch, point.prompt_tokens), device=device)
    _wait(torch, device)
    start = time.perf_counter()
    network.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        do_sample=True,
        min_new_tokens=output_tokens,
        max_new_tokens=output_tokens,
        pad_token_id=0,
    )
    _wait(torch, device)
    return time.perf_counter() - start


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
    """The `config.json` that a model's architecture was read from."""
    if model.path is not None:
        path = Path(model.path)
        parsed: dict[str, Any] = json.loads((path / "config.json" if path.is_dir() else path).read_text("utf-8"))
        return parsed
    for file in (resources.files(budgets) / "catalogue").iterdir():
        if file.name.endswith(".toml"):
            for entry in tomllib.loads(file.read_text(encoding="utf-8"))["models"]:
                if entry["name"] == model.name:
                    return dict(entry["config"])
    raise UserError(f"{model.name} has no config.json here; name a local folder that holds it")


def _libraries() -> tuple[Any, Any]:
    try:
        return importlib.import_module("torch"), importlib.import_module("transformers")
    except ImportError as error:
        raise MachineError(
            f"measuring needs torch and transformers ({error}): pip install torch transformers"
        ) from error
