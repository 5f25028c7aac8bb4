"""A real engine that needs no weights, and tasks for it."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from codebudget.records import HiddenTests, Task


@pytest.fixture(scope="session")
def markov_module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("markov", Path(__file__).parent.parent / "markov.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["markov"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def tasks() -> tuple[Task, ...]:
    """Twelve tasks that add a number."""
    return tuple(
        Task(
            id=f"add/{number}",
            benchmark="adding",
            prompt=f'def add_{number}(x):\n    """Add {number}."""\n',
            entry_point=f"add_{number}",
            tests=HiddenTests(style="check", code=f"def check(candidate):\n    assert candidate(1) == {number + 1}\n"),
            reference=f'def add_{number}(x):\n    """Add {number}."""\n    return x + {number}\n',
            stop=("\ndef", "\nprint"),
        )
        for number in range(12)
    )


@pytest.fixture
def markov(markov_module: ModuleType, tasks: tuple[Task, ...]) -> Callable[..., Any]:
    """Makes an engine that has seen the tasks' references."""
    return lambda **options: markov_module.Markov([task.reference or "" for task in tasks], **options)
