"""What answers say they are billed for, as hosts write it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from codebudget.sampler.engine import Charged
from codebudget.sampler.engines.usage import charged_of


def usage(prompt: Any, output: Any, total: Any = None, cached: Any = None, reasoning: Any = None) -> dict[str, Any]:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": output,
        "total_tokens": total,
        "prompt_tokens_details": None if cached is None else {"cached_tokens": cached},
        "completion_tokens_details": None if reasoning is None else {"reasoning_tokens": reasoning},
    }


@pytest.mark.parametrize(
    ("said", "charged"),
    [
        (usage(100, 20, 120), Charged(1, 100, 0, 20, 0)),
        (usage(100, 20), Charged(1, 100, 0, 20, 0)),
        # Parts of the whole, as OpenAI's own.
        (usage(100, 20, 120, cached=64, reasoning=15), Charged(1, 100, 64, 20, 15)),
        # Thoughts beside the output.
        (usage(100, 20, 170, reasoning=50), Charged(1, 100, 0, 70, 50)),
        (usage(100, 20, reasoning=50), Charged(1, 100, 0, 70, 50)),
        (usage(100, 20, 130, cached=64, reasoning=10), Charged(1, 100, 64, 30, 10)),
        # Thoughts in the total alone.
        (usage(100, 20, 170), Charged(1, 100, 0, 70, 50)),
        # Cached tokens beside the prompt's.
        (usage(36, 20, 120, cached=64), Charged(1, 100, 64, 20, 0)),
        (usage(36, 20, cached=64), Charged(1, 100, 64, 20, 0)),
        (usage(36, 20, 170, cached=64, reasoning=50), Charged(1, 100, 64, 70, 50)),
        ({**usage(100, 20, 120), "prompt_cache_hit_tokens": 64}, Charged(1, 100, 64, 20, 0)),
        ({**usage(100, 20, 120), "cached_tokens": 64, "reasoning_tokens": 5}, Charged(1, 100, 64, 20, 5)),
        (usage(100, 0, 100), Charged(1, 100, 0, 0, 0)),
        (usage(100, 20, 50, cached=-3, reasoning=True), Charged(1, 100, 0, 20, 0)),
        (usage(0, 0, 0), None),
        (usage(None, 20), None),
        (usage("100", 20), None),
        (usage(-1, 20), None),
        (None, None),
        ("free", None),
    ],
)
def test_each_token_counts_once(said: Any, charged: Charged | None) -> None:
    assert charged_of(said) == charged
    if isinstance(said, dict):
        assert charged_of(SimpleNamespace(**said)) == charged


def test_requests_without_an_answer_cost_what_the_one_that_came_does_uncached() -> None:
    assert Charged(1, 100, 64, 20, 5).with_unanswered(2) == Charged(3, 300, 64, 60, 15, 2)
    assert Charged(1, 100, 64, 20, 5).with_unanswered(0) == Charged(1, 100, 64, 20, 5)
