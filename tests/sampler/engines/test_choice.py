"""Which engine is taken, and what is said where there is none."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest
from codebudget.errors import EngineError, UserError
from codebudget.sampler.engines import ENGINES, choose_engine, pick_engine

if TYPE_CHECKING:
    from pathlib import Path

MODULES = {"vllm": ["vllm"], "transformers": ["torch", "transformers"], "openai": ["openai"]}


def hide(monkeypatch: pytest.MonkeyPatch, *engines: str) -> None:
    """As if they were not installed."""
    for engine in engines:
        for module in MODULES[engine]:
            monkeypatch.setitem(sys.modules, module, None)


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_that_is_there_is_taken(name: str) -> None:
    if not all(map(find_spec, MODULES[name])):
        pytest.skip(f"needs {name}")
    assert pick_engine(name).name == name


@pytest.mark.parametrize("name", ENGINES)
def test_the_installation_of_one_that_is_not_there_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, name)
    with pytest.raises(EngineError, match=rf'is not installed.*pip install "codebudget\[{name}\]"'):
        choose_engine(name, "any", "bf16")


def test_auto_without_any_names_both(monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, *ENGINES)
    with pytest.raises(EngineError, match=r"codebudget\[vllm\].*codebudget\[transformers\]"):
        pick_engine("auto")


def test_auto_says_which_and_why() -> None:
    if not any(all(map(find_spec, MODULES[name])) for name in ("vllm", "transformers")):
        pytest.skip("needs vllm or transformers")
    picked = pick_engine("auto")
    assert picked.name in ("vllm", "transformers")
    assert picked.reason.startswith(picked.name)
    assert picked.name == "vllm" or "since vllm" in picked.reason


def test_an_unknown_engine_is_the_users_mistake() -> None:
    with pytest.raises(UserError, match="choose from auto, vllm, transformers, openai"):
        pick_engine("tgi")


@pytest.mark.parametrize("unfit", [["torchvision"], ["torchvision", "torchaudio", "torchcodec"]])
def test_companions_that_do_not_fit_torch_are_named_with_the_mend(tmp_path: Path, unfit: list[str]) -> None:
    """As PyPI's torchvision beside PyTorch's build for the CPU: vLLM imports it, and that fails."""
    for name in unfit:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text('raise RuntimeError("operator torchvision::nms does not exist")')
    (tmp_path / "vllm").mkdir()
    (tmp_path / "vllm" / "__init__.py").write_text("import torchvision")
    command = [sys.executable, "-m", "codebudget.sampler.engines.libraries", "vllm"]
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    (line,) = done.stdout.splitlines()
    assert "operator torchvision::nms does not exist" in line
    assert line.endswith(f"pip uninstall -y {' '.join(unfit)}")


def test_the_modules_need_no_engine() -> None:
    names = (
        "choice",
        "checkpoint",
        "libraries",
        "selfcheck",
        "decoding",
        "tokens",
        "transformers_engine",
        "vllm_engine",
        "openai_engine",
        "answers",
        "in_flight",
        "refusals",
    )
    imports = "; ".join(f"import codebudget.sampler.engines.{name}" for name in names)
    heavy = "{'torch', 'transformers', 'vllm', 'openai'}"
    code = f"import sys; {imports}; sys.exit(bool({heavy} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
