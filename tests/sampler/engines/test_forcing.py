"""Tokens as they are: greedy continuations of a fixed length, and choices along a given text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from codebudget.errors import UserError

if TYPE_CHECKING:
    from .conftest import Reference

PROMPTS = ("def f(x):", "abc", "a much longer prompt than the others", "zz")
TOKENS = 20


@pytest.fixture
def tokens_of(engine: Any) -> Any:
    if not hasattr(engine, "choices"):
        pytest.skip("a server gives no token ids")
    return engine


def test_continues_by_exactly_as_many_tokens_whatever_ends(tokens_of: Any, reference: Reference) -> None:
    ids = tokens_of.prompt_ids(PROMPTS, TOKENS)
    assert ids == [reference.tokenizer.encode(prompt) for prompt in PROMPTS]
    found = tokens_of.continue_greedily(ids, TOKENS)
    for prompt, drawn in zip(ids, found, strict=True):
        text = list(prompt)
        for token in drawn:
            logits = reference.logits(text)[-1]
            # Batches round differently, so that a near tie may go either way.
            assert logits[token] >= logits.max() - 1e-3
            text.append(token)
        assert len(drawn) == TOKENS


def test_choices_are_those_of_one_plain_pass(tokens_of: Any, reference: Reference) -> None:
    prompts = tokens_of.prompt_ids(PROMPTS, TOKENS)
    # A text that the model would not write.
    texts = [(prompt, [5, 9, 0, 12, 7, 33][: 3 + place]) for place, prompt in enumerate(prompts)]
    for most_rows in (None, 1, 3):
        for (before, after), found in zip(texts, tokens_of.choices(texts, most_rows=most_rows), strict=True):
            known = reference.logits([*before, *after])[len(before) - 1 : -1].log_softmax(dim=-1)
            assert found.logprobs == pytest.approx(
                [float(row[token]) for row, token in zip(known, after, strict=True)], abs=1e-3
            )
            for row, token in zip(known, found.ids, strict=True):
                assert row[token] >= row.max() - 1e-3
    assert tokens_of.vocabulary() == tokens_of.vocabulary()


def test_refuses_a_prompt_that_leaves_no_room(tokens_of: Any) -> None:
    with pytest.raises(UserError, match="has room for 160"):
        tokens_of.prompt_ids(["x" * 100], 61)
    assert len(tokens_of.prompt_ids(["x" * 99], 60)[0]) == 99
