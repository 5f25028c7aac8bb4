"""Billed tokens as reported by an answer of OpenAI's API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..engine import Charged

if TYPE_CHECKING:
    from collections.abc import Mapping


_TOO_MANY: Final = 1 << 53


def charged_of(usage: object) -> Charged | None:
    """Read an answer's `usage`; None if it has no counts, or all of them are 0.

    Tokens found in the server's cache (`prompt_tokens_details.cached_tokens`, or `cached_tokens` and
    `prompt_cache_hit_tokens` as some hosts call them) are part of the prompt's, and reasoning tokens
    (`completion_tokens_details.reasoning_tokens`) part of the output's. Some hosts report either in addition to them,
    or count reasoning only in the total: `total_tokens` shows which, and each token counts once.
    """
    fields = _fields(usage)
    prompt, output = (
        _count(fields, "prompt_tokens", "input_tokens"),
        _count(fields, "completion_tokens", "output_tokens"),
    )
    if prompt is None or output is None or not prompt + output:
        return None
    cached = _first(
        _count(_fields(fields.get("prompt_tokens_details") or fields.get("input_tokens_details")), "cached_tokens"),
        _count(fields, "cached_tokens"),
        _count(fields, "prompt_cache_hit_tokens"),
    )
    details = fields.get("completion_tokens_details") or fields.get("output_tokens_details")
    reasoning = _first(_count(_fields(details), "reasoning_tokens"), _count(fields, "reasoning_tokens"))
    beside = (_count(fields, "total_tokens") or 0) - prompt - output
    if beside > 0:
        if beside == cached and beside != reasoning:
            prompt += cached
        elif beside == cached + reasoning:
            prompt, output = prompt + cached, output + reasoning
        else:
            output += beside
            reasoning = max(reasoning, beside)
    # Without a total that shows it, a part larger than the whole must be counted in addition.
    prompt += cached if cached > prompt else 0
    output += reasoning if reasoning > output else 0
    return Charged(1, prompt, cached, output, reasoning)


def _first(*counts: int | None) -> int:
    return next((count for count in counts if count), 0)


def _fields(value: object) -> Mapping[str, Any]:
    """Get the fields of a part of an answer: the SDK makes objects of those it knows, and leaves others unchanged."""
    if isinstance(value, dict):
        return value
    extra = getattr(value, "model_extra", None)
    known = getattr(value, "__dict__", {})
    return {**known, **extra} if isinstance(extra, dict) else known


def _count(fields: Mapping[str, Any], *names: str) -> int | None:
    for name in names:
        value = fields.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _TOO_MANY:
            return int(value)
    return None
