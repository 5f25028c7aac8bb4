"""Which engine is taken, and what is said where there is none."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest
from codebudget.errors import EngineError, UserError
from codebudget.sampler.engines import ENGINES, choose_engine, pick_engine

MODULES = {"vllm": ["vllm"], "transformers": ["torch", "transformers"], "openai": ["openai"]}


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_is_taken_or_its_installation_named(name: str) -> None:
    if all(map(find_spec, MODULES[name])):
        assert pick_engine(name).name == name
        return
    with pytest.raises(EngineError, match=rf'pip install "codebudget\[{name}\]"'):
        choose_engine(name, "any", "bf16")


def test_auto_says_which_and_why() -> None:
    if not any(all(map(find_spec, MODULES[name])) for name in ("vllm", "transformers")):
        with pytest.raises(EngineError, match=r"codebudget\[vllm\].*codebudget\[transformers\]"):
            pick_engine("auto")
        return
    picked = pick_engine("auto")
    assert picked.name in ("vllm", "transformers")
    assert picked.reason.startswith(picked.name)
    assert picked.name == "vllm" or "since vllm" in picked.reason


def test_an_unknown_engine_is_the_users_mistake() -> None:
    with pytest.raises(UserError, match="choose auto, vllm, transformers, openai"):
        pick_engine("tgi")


def test_the_modules_need_no_engine() -> None:
    names = (
        "choice",
        "checkpoint",
        "machine",
        "picking",
        "tokens",
        "transformers_engine",
        "vllm_engine",
        "openai_engine",
    )
    imports = "; ".join(f"import codebudget.sampler.engines.{name}" for name in names)
    heavy = "{'torch', 'transformers', 'vllm', 'openai'}"
    code = f"import sys; {imports}; sys.exit(bool({heavy} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
