"""Where a thought ends, what arms and presets say of thinking, and what of it keys a sample."""

from __future__ import annotations

import pytest
from codebudget._util.hashing import record_text
from codebudget.budgets.notation import parse_arm
from codebudget.errors import UserError
from codebudget.sampler.engine import Sampling
from codebudget.sampler.prompting import asserts_of_answer, preset_settings, settings_for_tests
from codebudget.sampler.thinking import opened_thought, split_thought


@pytest.mark.parametrize(
    ("text", "answer", "is_whole"),
    [
        ("def f(): ...", "def f(): ...", True),
        ("<think>a</think>b", "b", True),
        ("\n<think>\na\n</think>\n\nb", "\n\nb", True),
        ("a</think>b", "b", True),
        ("<thinking>a</thinking>b", "b", True),
        ("[THINK]a[/THINK]b", "b", True),
        ("<seed:think>a</seed:think>b", "b", True),
        ("<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>b", "b", True),
        ("<think>a", "", False),
        ("<|channel|>analysis<|message|>a", "", False),
        # The answer's own text is no thought.
        ('print("<think>a</think>")', 'print("<think>a</think>")', True),
    ],
)
def test_a_thought_ends_where_its_tag_does(text: str, answer: str, is_whole: bool) -> None:
    parts = split_thought(text)
    assert (parts.answer, parts.is_whole) == (answer, is_whole)
    assert parts.thought + parts.answer == text


def test_a_prompt_may_begin_the_thought() -> None:
    assert opened_thought("<|im_start|>assistant\n<think>\n") == "<think>"
    assert opened_thought("<think>\n\n</think>\n\n") == ""


def test_tests_are_not_taken_out_of_a_thought() -> None:
    assert asserts_of_answer("<think>assert f(1) == 2?</think>\n```python\nassert f(1) == 3\n```") == "f(1) == 3"
    assert asserts_of_answer("<think>assert f(1) == 2?") == ""


@pytest.mark.parametrize(
    ("text", "name", "precision", "thinking", "k"),
    [
        ("qwen3-8b+think:4", "qwen3-8b", None, True, 4),
        ("qwen3-8b@int4+nothink", "qwen3-8b", "int4", False, None),
        ("a/b+Think:greedy", "a/b", None, True, 1),
        ("c++:2", "c++", None, None, 2),
    ],
)
def test_an_arm_may_say_it(text: str, name: str, precision: str | None, thinking: bool | None, k: int | None) -> None:
    arm = parse_arm(text)
    assert (arm.spec, arm.name, arm.precision, arm.thinking, arm.k) == (text, name, precision, thinking, k)


def test_an_arm_of_thinking_alone_names_no_model() -> None:
    with pytest.raises(UserError, match="has no model"):
        parse_arm("+think:4")


def test_the_key_of_what_says_nothing_is_as_before() -> None:
    # The text that keys had before thinking could be chosen.
    assert record_text(Sampling()) == (
        '{"schema_version":1,"temperature":0.8,"top_p":0.95,"max_tokens":512,"stop":[],"logprobs":true}'
    )
    assert '"thinking":false' in record_text(Sampling(thinking=False))
    assert '"max_thinking_tokens":9' in record_text(Sampling(max_thinking_tokens=9))


def test_the_preset_for_reasoning_models() -> None:
    settings = preset_settings("reasoning", "humaneval")
    assert (settings.style, settings.temperature, settings.top_p, settings.max_tokens) == ("chat", 0.6, 0.95, 32768)
    tests = settings_for_tests("reasoning")
    assert (tests.style, tests.max_tokens, tests.logprobs) == ("chat-tests", 32768, False)
