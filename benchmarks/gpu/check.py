"""What only a GPU shows: vLLM on CUDA, tensor parallel, a quantised arm, and plans beside what was realised.

    python benchmarks/gpu/check.py --hardware h100 --calibration calibration.json --out gpu.json

Draws HumanEval's first tasks with vLLM, the model at 16 bits, quantised, and over two GPUs where there are two, each
in a process of its own. Planned seconds and bytes of weights must be within 10 % of the realised ones: seconds are
those of `--calibration` (codebudget calibrate on this machine), or else of the roofline of `--hardware`. Prints one
table, writes one JSON file, and exits 0 if all holds, 1 if something does not, 3 if this machine cannot run it.

`--rehearse` goes through the same steps on the CPU, with transformers and a small model of the package. It shows that
the script works, and nothing about a GPU.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from codebudget._util.machine import cpu_name, nvidia_smi
from codebudget.budgets.calibration import load_calibration
from codebudget.budgets.costs import Conditions, cost_of_arm
from codebudget.budgets.hardware import Machine, find_machine
from codebudget.budgets.memory import weight_bytes
from codebudget.budgets.models import Model, find_model, weights_of
from codebudget.budgets.notation import parse_arm
from codebudget.errors import CodebudgetError
from codebudget.records import Workload
from codebudget.sampler.drawing import DrawRequest, draw_samples
from codebudget.sampler.engines import EngineOptions, choose_engine, pick_engine
from codebudget.sampler.prompting import preset_settings
from codebudget.sampler.store import open_store
from codebudget.tasks import load_benchmark

TOLERANCE = 0.10
CANNOT = 3


class Case(NamedTuple):
    """One process: a model at a precision on some GPUs."""

    name: str
    arm: str
    family: str
    gpus: int


class CannotError(Exception):
    """This machine cannot run the check; the message says why and what to do."""


def gpus_here() -> list[str]:
    """The GPUs by name, or why there are none."""
    try:
        rows = nvidia_smi("name", "memory.total", units=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise CannotError(
            f"no GPU here: nvidia-smi fails ({error}); run this on a machine with an NVIDIA GPU"
        ) from None
    if not rows:
        raise CannotError("no GPU here: nvidia-smi lists none; use a machine with an NVIDIA GPU")
    return [", ".join(row) for row in rows]


def check_vllm() -> str:
    """How vLLM is installed, or why it is not."""
    try:
        return pick_engine("vllm").reason
    except CodebudgetError as error:
        raise CannotError(str(error)) from None


def model_of(case: Case) -> tuple[Model, str]:
    arm = parse_arm(case.arm)
    model = find_model(arm.name, case.family)
    return model, arm.precision or model.default_precision or "bf16"


def draw(case: Case, engine: str, tasks: int, samples: int) -> dict[str, Any]:
    """Draw a case's samples in this process, and say what that took."""
    model, precision = model_of(case)
    benchmark = load_benchmark("nano" if case.family == "nano" else "humaneval").first(tasks)
    choice = choose_engine(engine, weights_of(model), precision, EngineOptions(gpus=case.gpus or None))
    try:
        with tempfile.TemporaryDirectory() as folder, open_store(Path(folder) / "store.sqlite") as store:
            # The first pass compiles kernels and captures graphs.
            warm = DrawRequest(case.arm, model.name, precision, 1, architecture=model.architecture, seed=1)
            settings = preset_settings("completion", benchmark.name)
            draw_samples(benchmark.tasks, warm, choice.engine, settings, store)
            request = warm._replace(k=samples, seed=0)
            drawn = draw_samples(benchmark.tasks, request, choice.engine, settings, store)
            description = choice.engine.describe()
    finally:
        choice.engine.close()
    tally, usage = drawn.series.tally, drawn.series.tally.usage
    return {
        "engine": choice.reason,
        "device": description.device,
        "samples": tally.samples,
        "prompts": tally.prompts,
        "prompt_tokens": usage.prompt_tokens,
        "output_tokens": usage.output_tokens,
        "with_logprobs": sum(one.logprobs is not None for one in drawn.candidates),
        "busy_s": usage.busy_s,
        "weight_bytes": usage.weight_bytes,
        "kv_bytes": usage.kv_bytes,
        "peak_memory_bytes": usage.peak_memory_bytes,
    }


def drawn_apart(case: Case, arguments: argparse.Namespace) -> dict[str, Any]:
    """Draw a case in a process of its own, so that its memory is its own."""
    engine = "transformers" if arguments.rehearse else "vllm"
    words = [sys.executable, __file__, "--case", json.dumps([*case, engine, arguments.tasks, arguments.samples])]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=False, env=dict(os.environ))
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        return {"failed": f"exit code {done.returncode}; its messages are above"}
    found: dict[str, Any] = json.loads(lines[-1])
    return found


def planned(case: Case, took: dict[str, Any], samples: int, arguments: argparse.Namespace) -> dict[str, float | None]:
    """Plan the same samples at their realised lengths: seconds per task, and bytes of weights per GPU."""
    model, precision = model_of(case)
    workload = Workload(
        convention="tokens",
        prompt_tokens=round(took["prompt_tokens"] / took["prompts"]),
        output_tokens=round(took["output_tokens"] / took["samples"]),
        source="realised",
    )
    machine, calibration = None, None
    if arguments.calibration is not None and case.gpus <= 1:
        calibration = load_calibration(arguments.calibration)
    elif arguments.hardware is not None:
        machine = Machine(hardware=find_machine(arguments.hardware).hardware, count=max(1, case.gpus))
    conditions = Conditions(machine=machine, calibration=calibration)
    cost = cost_of_arm(model, workload, conditions, None, precision)(samples)
    return {
        "runtime_s": cost.runtime_s,
        "weight_bytes": weight_bytes(model.architecture, precision) / max(1, case.gpus),
    }


def row_of(case: Case, arguments: argparse.Namespace) -> dict[str, Any]:
    """Draw a case and compare it with its plan."""
    took = drawn_apart(case, arguments)
    row: dict[str, Any] = {"name": case.name, "arm": case.arm, "gpus": case.gpus, "realised": took}
    if "failed" in took:
        return row | {"holds": False, "why": [took["failed"]]}
    plan = planned(case, took, arguments.samples, arguments)
    realised = {
        "runtime_s": took["busy_s"] / took["prompts"],
        "weight_bytes": took["weight_bytes"],
    }
    ratios = {
        name: realised[name] / plan[name] if plan[name] and realised[name] is not None else None for name in realised
    }
    why = []
    if took["samples"] != arguments.tasks * arguments.samples:
        why.append(f"{took['samples']} samples instead of {arguments.tasks * arguments.samples}")
    if took["with_logprobs"] != took["samples"]:
        why.append(f"{took['samples'] - took['with_logprobs']} samples have no logprobs")
    for name, ratio in ratios.items():
        if ratio is None:
            why.append(f"{name} is not known on both sides")
        elif abs(ratio - 1) > TOLERANCE:
            why.append(f"{name} is {ratio:.2f} of the plan")
    return row | {"planned": plan, "per_task": realised, "ratio": ratios, "holds": not why, "why": why}


def table(rows: list[dict[str, Any]]) -> str:
    """The rows in Markdown."""
    lines = [
        "| case | GPUs | samples | s per task, planned | realised | ratio | GiB of weights, planned | realised | ratio "
        "| peak GiB | holds |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]

    def number(value: float | None, unit: float = 1.0) -> str:
        return "-" if value is None else f"{value / unit:.3g}"

    for row in rows:
        took, plan, ratio = row["realised"], row.get("planned", {}), row.get("ratio", {})
        mine = row.get("per_task", {})
        cells = (
            row["name"], str(row["gpus"]), str(took.get("samples", "-")),
            number(plan.get("runtime_s")), number(mine.get("runtime_s")), number(ratio.get("runtime_s")),
            number(plan.get("weight_bytes"), 2**30), number(mine.get("weight_bytes"), 2**30),
            number(ratio.get("weight_bytes")), number(took.get("peak_memory_bytes"), 2**30),
            "yes" if row["holds"] else "no: " + "; ".join(row["why"]),
        )  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> int:
    """Run the check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="7b", help="arm at 16 bits, in --family")
    parser.add_argument(
        "--quantised", default="Qwen/Qwen2.5-Coder-7B-Instruct-GPTQ-Int4", help="a quantised checkpoint"
    )
    parser.add_argument("--family", default="qwen2.5-coder")
    parser.add_argument("--hardware", help="the GPU's name in codebudget hardware list")
    parser.add_argument("--calibration", help="a file of codebudget calibrate")
    parser.add_argument("--tasks", type=int, default=32)
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--out", default="gpu.json")
    parser.add_argument("--rehearse", action="store_true")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case is not None:
        *case, engine, tasks, samples = json.loads(arguments.case)
        print(json.dumps(draw(Case(*case), engine, tasks, samples)))
        return 0
    try:
        if arguments.rehearse:
            gpus, engine = [], "transformers on the CPU"
            cases = [Case("16 bits", "1m", "nano", 0), Case("another precision", "1m@bf16", "nano", 0)]
        else:
            gpus, engine = gpus_here(), check_vllm()
            if arguments.hardware is None and arguments.calibration is None:
                raise CannotError("nothing to plan seconds with: give --calibration FILE, --hardware NAME, or both")
            family = arguments.family
            cases = [Case("16 bits", arguments.model, family, 1), Case("quantised", arguments.quantised, family, 1)]
            if len(gpus) > 1:
                cases.append(Case("tensor parallel", arguments.model, family, 2))
    except CannotError as error:
        print(f"check.py: {error}", file=sys.stderr)
        return CANNOT
    rows = [row_of(case, arguments) for case in cases]
    print(table(rows))
    answer = {
        "rehearsal": arguments.rehearse,
        "gpus": gpus,
        "cpu": cpu_name(),
        "engine": engine,
        "tolerance": TOLERANCE,
        "rows": rows,
        "left_out": [] if len(gpus) > 1 else ["tensor parallel: needs two GPUs"],
    }
    Path(arguments.out).write_text(json.dumps(answer, indent=1) + "\n")
    return 0 if all(row["holds"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
