"""A real engine that needs no weights, and tasks for it."""

from collections.abc import Callable

import pytest
from codebudget.records import HiddenTests, Task

from support.markov import Markov


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
def markov(tasks: tuple[Task, ...]) -> Callable[..., Markov]:
    """Makes an engine that has seen the tasks' references."""
    return lambda **options: Markov([task.reference or "" for task in tasks], **options)
