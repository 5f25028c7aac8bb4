"""The thought that a reasoning model writes before its answer, and where it ends in a text."""

from __future__ import annotations

from typing import Final, NamedTuple

TAGS: Final = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("[THINK]", "[/THINK]"),
    ("<seed:think>", "</seed:think>"),
    ("◁think▷", "◁/think▷"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|channel|>analysis<|message|>", "<|channel|>final<|message|>"),
)
"""What encloses a thought: Qwen's, DeepSeek's and most others', Magistral's, Seed-OSS', Kimi's, Command A's,
harmony's (gpt-oss)."""

MARKERS: Final = frozenset(
    (*(tag for pair in TAGS for tag in pair), "<|channel|>", "<|message|>", "<|start|>", "<|end|>")
)
"""Tokens that a tokenizer may hold for special, and so would leave out of a text, but that say where a thought ends."""


class Parts(NamedTuple):
    """A text's thought, with its tags, and the answer behind it; `is_whole` is false if the thought never ended."""

    thought: str
    answer: str
    is_whole: bool = True


def split_thought(text: str) -> Parts:
    """Split a text behind its thought; a closing tag alone ends one that the prompt began."""
    start = text.lstrip()
    for opening, closing in TAGS:
        before, found, answer = text.partition(closing)
        if found and (start.startswith(opening) or opening not in before):
            return Parts(before + closing, answer)
        if start.startswith(opening):
            return Parts(text, "", is_whole=False)
    return Parts("", text)


def opened_thought(prompt: str) -> str:
    """Find the tag with which a chat's rendered prompt has begun the answer's thought; empty if it has not."""
    end = prompt.rstrip()
    return next((opening for opening, _ in TAGS if end.endswith(opening)), "")


def closing_of(thought: str) -> str:
    """Find what ends a thought that is still open, in its own tags."""
    start = thought.lstrip()
    opening, closing = next((pair for pair in TAGS if start.startswith(pair[0])), TAGS[0])
    return f"<|end|><|start|>assistant{closing}" if opening.startswith("<|") else f"\n{closing}\n\n"


def with_thought(thought: str, answer: str) -> str:
    """Join a thought that a server gave apart from its answer."""
    opening, closing = TAGS[0]
    return f"{opening}\n{thought}\n{closing}\n\n{answer}" if answer else f"{opening}\n{thought}"
