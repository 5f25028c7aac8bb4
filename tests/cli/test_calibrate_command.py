import importlib.util
import json
import sys
from pathlib import Path

import pytest
import typer
from codebudget.budgets.calibration import load_calibration
from codebudget.cli.calibrate import calibrate
from codebudget.errors import MachineError, UserError
from codebudget.experiment.planning import plan
from codebudget.settings import Planning
from typer.testing import CliRunner, Result

TINY = {
    "model_type": "llama",
    "num_hidden_layers": 2,
    "hidden_size": 32,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 64,
    "vocab_size": 200,
    "dtype": "float32",
}
HAS_TORCH = bool(importlib.util.find_spec("torch") and importlib.util.find_spec("transformers"))


def run(*arguments: str) -> Result:
    app = typer.Typer()
    app.command()(calibrate)
    result = CliRunner().invoke(app, list(arguments))
    if isinstance(result.exception, UserError | MachineError):
        raise result.exception
    return result


@pytest.fixture
def tiny(tmp_path: Path) -> str:
    (tmp_path / "config.json").write_text(json.dumps(TINY))
    return str(tmp_path)


@pytest.mark.skipif(not HAS_TORCH, reason="needs torch and transformers")
def test_a_measured_machine_gives_plans_their_runtime(tiny: str, tmp_path: Path) -> None:
    file = tmp_path / "here.json"
    result = run(tiny, "--device", "cpu", "--rounds", "1", "--out", str(file), "--json")
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout.splitlines()[-1])
    assert answer["file"] == str(file)
    assert answer["held_out"]["points"] > 0
    calibration = load_calibration(str(file))
    assert calibration.points
    assert "torch" in calibration.engine
    settings = Planning(prompt_tokens=32, output_tokens=16, calibration=str(file))
    (planned,) = plan([f"{tiny}:3"], settings).plans
    assert planned.cost.runtime_s is not None
    assert 0 < planned.cost.runtime_s < 10


def test_a_machine_without_torch_cannot_measure(tiny: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MachineError, match="pip install torch transformers"):
        run(tiny)


def test_what_cannot_be_measured_is_said_before_anything_runs(tiny: str) -> None:
    with pytest.raises(UserError, match="without a number of samples"):
        run(f"{tiny}:3")
    with pytest.raises(UserError, match="one precision"):
        run(f"{tiny}@fp32", f"{tiny}@bf16")
    with pytest.raises(UserError, match=r"can be measured at fp32 bf16 fp16, not int4"):
        run(f"{tiny}@int4")
