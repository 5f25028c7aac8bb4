"""How well fitted coefficients predict seconds that they were not fitted to; prints tables and writes a JSON file.

python benchmarks/budgets/calibration.py cpu OUT.json      # small Llama models at fp32, minutes
python benchmarks/budgets/calibration.py cuda OUT.json     # 7B, 13B and 34B at bf16, on a GPU of 80 GB

Coefficients are fitted to some points of all models but the last; they are judged by the held-out points of those
models, and by all points of the last, which only coefficients of the other models can predict. On a GPU that the
catalogue has (third argument: its name) the roofline before calibration is judged by the same points.
"""

import json
import sys
import tempfile
from pathlib import Path

from codebudget.budgets.calibration import Calibration, MeasuredModel, Measurement, fit_sweep, predicted_s
from codebudget.budgets.hardware import find_machine
from codebudget.budgets.measuring import describe_engine, describe_machine, measure, sweep_for
from codebudget.budgets.models import Model, find_model
from codebudget.budgets.runtime import Roofline
from codebudget.budgets.work import decode_work, prefill_work

# layers, hidden size, heads, key-value heads, FFN size, vocabulary
SMALL = {
    "llama-15m": (6, 288, 6, 6, 768, 16000),
    "llama-43m": (8, 512, 8, 8, 1376, 16000),
    "llama-68m": (10, 576, 9, 3, 1536, 32000),
    "llama-27m": (8, 384, 6, 6, 1024, 16384),
}
LARGE = ("codellama-7b", "codellama-34b", "codellama-13b")
ROUNDS = 6
FIELDS = (
    *("num_hidden_layers", "hidden_size", "num_attention_heads", "num_key_value_heads"),
    *("intermediate_size", "vocab_size"),
)


def small_models(folder: Path) -> list[Model]:
    models = []
    for name, sizes in SMALL.items():
        (folder / name).mkdir()
        config = {"model_type": "llama", **dict(zip(FIELDS, sizes, strict=True))}
        (folder / name / "config.json").write_text(json.dumps(config))
        models.append(find_model(str(folder / name)).model_copy(update={"name": name}))
    return models


def share(errors: list[float], quantile: float) -> float:
    ordered = sorted(errors)
    return round(ordered[min(int(quantile * len(ordered)), len(ordered) - 1)], 4)


def roofline_s(model: Model, point: Measurement, hardware: str) -> float:
    pace = Roofline.of(find_machine(hardware), model.architecture, point.precision)
    prefill = prefill_work(model.architecture, point.precision, point.prompt_tokens, point.batch)
    lengths = (point.prompt_tokens, point.output_tokens, point.batch)
    return pace.prefill_s(prefill) + pace.decode_s(decode_work(model.architecture, point.precision, *lengths))


def judge(
    calibration: Calibration, name: str | None, entry: MeasuredModel, hardware: str | None
) -> list[dict[str, object]]:
    fit = next(fit for fit in calibration.fits if fit.model == name)
    rows: list[dict[str, object]] = []
    for point in entry.measurements:
        prefill_s, decode_s = predicted_s(fit, entry.model, point)
        measured_s = point.prefill_s + point.decode_s
        row = {
            "model": entry.model.name,
            "fitted_to": name or "the other models",
            "batch": point.batch,
            "prompt_tokens": point.prompt_tokens,
            "output_tokens": point.output_tokens,
            "measured_s": round(measured_s, 4),
            "predicted_s": round(prefill_s + decode_s, 4),
            "error": round((prefill_s + decode_s) / measured_s - 1, 4),
        }
        if hardware is not None:
            row["roofline_s"] = round(roofline_s(entry.model, point, hardware), 4)
            row["roofline_error"] = round(roofline_s(entry.model, point, hardware) / measured_s - 1, 4)
        rows.append(row)
    return rows


def summary(rows: list[dict[str, object]], key: str = "error") -> dict[str, object]:
    errors = [abs(float(str(row[key]))) for row in rows]
    return {"points": len(errors), "median": share(errors, 0.5), "p90": share(errors, 0.9)}


def main() -> None:
    device, out, hardware = sys.argv[1], Path(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else None
    sweep = sweep_for(device)
    precision = "fp32" if device == "cpu" else "bf16"
    with tempfile.TemporaryDirectory() as folder:
        models = small_models(Path(folder)) if device == "cpu" else [find_model(name) for name in LARGE]
        timed = []
        for model in models:
            points = measure(model, precision, sweep.fitted + sweep.held_out, device=device, rounds=ROUNDS)
            timed.append(MeasuredModel(model, points))
            print(f"measured {model.name}", file=sys.stderr)
    fitted = [MeasuredModel(model, points[: len(sweep.fitted)]) for model, points in timed[:-1]]
    calibration = fit_sweep(
        fitted, engine=describe_engine(), machine=describe_machine(device), source="benchmarks/budgets/calibration.py"
    )
    seen: list[dict[str, object]] = []
    for model, points in timed[:-1]:
        held_out = MeasuredModel(model, points[len(sweep.fitted) :])
        seen += judge(calibration, model.name, held_out, hardware)
    unseen = judge(calibration, None, timed[-1], hardware)
    report = {
        "machine": calibration.machine,
        "engine": calibration.engine,
        "precision": precision,
        "held_out_points": summary(seen),
        "held_out_model": summary(unseen),
        **({"roofline": summary(seen + unseen, "roofline_error")} if hardware else {}),
        "rows": seen + unseen,
        "fits": [fit.model_dump() for fit in calibration.fits],
        "points": [point.model_dump() for _, points in timed for point in points],
    }
    out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    for row in seen + unseen:
        print(*(f"{row[key]!s:>16}" for key in row))
    print(json.dumps({key: report[key] for key in ("machine", "held_out_points", "held_out_model")}))


if __name__ == "__main__":
    main()
