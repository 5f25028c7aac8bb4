import json
import os
from pathlib import Path

import pytest
from codebudget.budgets.architecture import Architecture
from codebudget.budgets.calibration import (
    Calibration,
    Fit,
    MeasuredModel,
    Measurement,
    PassCost,
    fit_sweep,
    held_out_errors,
    load_calibration,
)
from codebudget.budgets.costs import Conditions
from codebudget.budgets.models import Model, find_model
from codebudget.budgets.notation import parse_arm
from codebudget.budgets.plan import plan_arms
from codebudget.budgets.runtime import Regime
from codebudget.budgets.work import decode_work, prefill_work
from codebudget.errors import UserError
from codebudget.records import Plan, Workload

TOKENS = Workload(convention="tokens", prompt_tokens=150, output_tokens=200, source="test")
TRUTH = PassCost(
    s_per_flop=2e-11,
    s_per_weight_byte=1e-10,
    s_per_packed_byte=2e-11,
    s_per_kv_byte=3e-10,
    s_per_stream_byte=0,
    s_per_layer_pass=1e-4,
    s_per_pass=0,
)


def small(name: str, layers: int, hidden: int) -> Model:
    sizes = {"layers": layers, "hidden_size": hidden, "heads": 4, "kv_heads": 2, "head_dim": hidden // 4}
    shape = Architecture.model_validate({**sizes, "ffn_size": 3 * hidden, "vocab_size": 1000})
    return Model(name=name, architecture=shape, source="test", default_precision="fp32")


def swept(model: Model, batches: tuple[int, ...]) -> MeasuredModel:
    """Points whose seconds are exactly what `TRUTH` gives."""
    points = []
    for batch in batches:
        for prompt, output in ((16, 40), (100, 20), (400, 5)):
            prefill = prefill_work(model.architecture, "fp32", prompt, batch)
            decode = decode_work(model.architecture, "fp32", prompt, output, batch)
            points.append(
                Measurement(
                    model=model.name,
                    precision="fp32",
                    batch=batch,
                    prompt_tokens=prompt,
                    output_tokens=output,
                    prefill_s=TRUTH.seconds(prefill),
                    decode_s=TRUTH.seconds(decode),
                )
            )
    return MeasuredModel(model, points)


def planned(*arms: str, calibration: Calibration, regime: Regime = "throughput") -> tuple[Plan, ...]:
    return plan_arms(
        [parse_arm(arm) for arm in arms],
        family="codellama",
        workload=TOKENS,
        match="runtime",
        conditions=Conditions(calibration=calibration, regime=regime),
    )


def test_the_papers_seconds_buy_fourteen_eight_and_one() -> None:
    plans = planned("70b:1", "7b", "13b", "34b", calibration=load_calibration("paper"))
    assert [plan.k for plan in plans] == [1, 14, 8, 1]
    assert [plan.cost.runtime_s for plan in plans] == pytest.approx([5.605, 14 * 0.395, 8 * 0.667, 2.994])
    with pytest.raises(UserError, match="`regime` throughput"):
        planned("70b:1", "7b", calibration=load_calibration("paper"), regime="latency")
    with pytest.raises(UserError, match=r"7b@int4: .*does not cover codellama-7b@int4.*codebudget calibrate"):
        planned("70b:1", "7b@int4", calibration=load_calibration("paper"))


def test_a_fit_predicts_what_it_was_not_fitted_to() -> None:
    one, other, third = small("one", 3, 64), small("other", 6, 128), small("third", 4, 96)
    calibration = fit_sweep(
        [swept(one, (1, 2, 8)), swept(other, (1, 2, 8))], engine="test", machine="test", source="test"
    )
    assert [fit.model for fit in calibration.fits] == ["one", "other", None]
    errors = held_out_errors(calibration, [swept(one, (4,)), swept(other, (6,))])
    assert errors.points == 6
    assert errors.p90 < 1e-6
    # Two models cannot tell apart all that differs between models.
    assert held_out_errors(calibration, [swept(third, (1, 3))]).p90 < 0.05
    assert all(rate >= 0 for fit in calibration.fits for rate in fit.decode.model_dump().values())


def test_a_fit_has_no_negative_coefficient_even_where_one_would_fit_better() -> None:
    model = small("one", 3, 64)
    points = swept(model, (1, 2, 4, 8)).measurements
    bent = [point.model_copy(update={"decode_s": point.decode_s * point.batch**-0.8}) for point in points]
    calibration = fit_sweep([MeasuredModel(model, bent)], engine="test", machine="test", source="test")
    assert len(calibration.fits) == 1
    costs = calibration.fits[0].decode.model_dump()
    assert all(rate >= 0 for rate in costs.values())
    assert any(rate > 0 for rate in costs.values())


def test_plans_use_a_models_own_fit_then_that_of_all() -> None:
    def fit(model: str | None, scale: float) -> Fit:
        rates = {name: scale * rate for name, rate in TRUTH.model_dump().items()}
        cost = PassCost.model_validate(rates)
        return Fit(model=model, precision="bf16", max_batch=16, prefill=cost, decode=cost)

    calibration = Calibration(
        source="test", engine="test", machine="test", fits=(fit(None, 1.0), fit("codellama-13b", 2.0))
    )
    doubled = calibration.model_copy(update={"fits": (fit(None, 2.0),)})
    own, pooled = (planned("13b:1", calibration=held)[0].cost.runtime_s for held in (calibration, doubled))
    assert own == pooled
    latency = [planned(f"7b:{k}", calibration=calibration, regime="latency")[0].cost.runtime_s for k in (1, 16, 17, 32)]
    assert latency == sorted(latency)
    assert latency[2] - latency[1] == pytest.approx(latency[0] - _prefill_s(calibration), rel=0.01)


def _prefill_s(calibration: Calibration) -> float:
    return calibration.fits[0].prefill_s(prefill_work(find_model("7b").architecture, "bf16", 150, 1))


def test_a_calibration_is_read_back_from_its_file(tmp_path: Path) -> None:
    calibration = fit_sweep([swept(small("one", 3, 64), (1, 4))], engine="test", machine="test", source="test")
    file = tmp_path / "calibration.json"
    file.write_text(calibration.model_dump_json())
    assert load_calibration(str(file)) == calibration


def test_mistakes_are_the_users(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read the calibration.*or paper"):
        load_calibration(str(tmp_path / "none.json"))
    sample = {"model": "m", "seconds": 1.0, "samples": 1}
    made = dict.fromkeys(("source", "engine", "machine"), "x")
    for text, message in (
        ("{", "not a calibration"),
        (json.dumps({"fits": 1}), "not a calibration: source"),
        ("[" * 100_000, r"not a calibration.*nested too deeply"),
        (" " * 5_000_000, "longer than 4 MiB"),
        (json.dumps({"x" * 10**6: 1}), r"not a calibration: [\w.]{1,200}: "),
        *(
            (json.dumps(made | {"measured": [sample | {"seconds": value}]}), why)
            for value, why in (
                (10**400, r"1e\+18"),
                (float("inf"), "not a number"),
                (1e300, r"1e\+18"),
                ("1", "valid number"),
            )
        ),
    ):
        (tmp_path / "broken.json").write_text(text)
        with pytest.raises(UserError, match=message):
            load_calibration(str(tmp_path / "broken.json"))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="not a regular file"):
        load_calibration(str(tmp_path / "pipe"))
    model = small("one", 3, 64)
    mixed = [
        point.model_copy(update={"precision": name})
        for point, name in zip(swept(model, (1,)).measurements, ("fp32", "bf16", "fp32"), strict=True)
    ]
    for points in ([], mixed):
        with pytest.raises(UserError, match="points for every model, all at the same precision"):
            fit_sweep([MeasuredModel(model, points)], engine="test", machine="test", source="test")


def test_a_file_states_its_version_once_and_older_ones_with_many_are_read(tmp_path: Path) -> None:
    cost = PassCost.model_validate(TRUTH.model_dump())
    fits = (Fit(model=None, precision="bf16", max_batch=16, prefill=cost, decode=cost),)
    calibration = Calibration(source="test", engine="test", machine="test", fits=fits)
    written = calibration.model_dump_json()
    assert written.count("schema_version") == 1
    older = json.loads(written)
    for part in (*older["fits"], older["fits"][0]["decode"], older["fits"][0]["prefill"]):
        part["schema_version"] = 1
    file = tmp_path / "calibration.json"
    file.write_text(json.dumps(older), encoding="utf-8")
    assert load_calibration(str(file)) == calibration
    file.write_text(json.dumps(older | {"schema_version": 2}), encoding="utf-8")
    with pytest.raises(UserError):
        load_calibration(str(file))
