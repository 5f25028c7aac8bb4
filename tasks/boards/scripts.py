"""What tasks share whose programs read standard input: how they are put, and where a completion of one ends."""

from __future__ import annotations

from typing import Final

SCRIPT_STOP: Final = ("\nQUESTION:", "\nANSWER:", "\n### ", "\n-----")
"""Ends of a program that follows an example: the next question, or a rule across the page."""


def script_prompt(question: str, starter: str = "") -> str:
    """Put a question with its starter code, if there is any, as prose."""
    text = question.strip()
    return f"{text}\n\nStart with this code:\n\n```python\n{starter.strip()}\n```\n" if starter.strip() else f"{text}\n"
