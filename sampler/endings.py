"""How texts ended: servers' words for it in ours, and the lines that a user must read of an arm's samples."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

from .thinking import split_thought

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..records import Candidate
    from .prompting import Settings

_WORDS: Final = {
    "stop": "stop eos eos_token end_of_text end_turn stop_sequence stop_string stop_str stop_token complete completed "
    "finished done end",
    "length": "length max_tokens max_length max_new_tokens max_output_tokens model_length token_limit",
    "content_filter": "content_filter content_filtered filter filtered safety sensitive refusal blocked recitation "
    "prohibited_content blocklist spii moderation guardrail_intervened",
    "tool_calls": "tool_calls tool_call tool_use function_call",
}
_MEANINGS: Final = {word: meaning for meaning, words in _WORDS.items() for word in words.split()}
"""Words of OpenAI, vLLM, TGI, Anthropic, Mistral, Gemini, GLM and Bedrock."""

_OTHER: Final = re.compile(r"[^a-z0-9]+")
_MOST_CHARACTERS: Final = 40
_SHOWN: Final = 3


def read_finish_reason(word: object) -> str | None:
    """Read a server's or a file's word for how a text ended; an unknown word stays, null and empty ones are None."""
    if not isinstance(word, str):
        return None
    plain = _OTHER.sub("_", word.lower()).strip("_")[:_MOST_CHARACTERS]
    return _MEANINGS.get(plain, plain) or None


class Lost(NamedTuple):
    """A sample that came to nothing, and why, in one line."""

    task_id: str
    place: int
    reason: str


def count_cut(candidates: Iterable[Candidate]) -> int:
    """Count samples that the token limit ended."""
    return sum(candidate.finish_reason == "length" for candidate in candidates)


def notes_of_samples(
    spec: str, candidates: Sequence[Candidate], lost: Sequence[Lost], settings: Settings
) -> tuple[str, ...]:
    """Say, a line each, what an arm's samples lack: those that are none, and those that answer nothing.

    Args:
        spec: The arm as typed.
        candidates: All that it has.
        lost: Those that were asked for now and came to nothing.
        settings: Of drawing.
    """
    lines = []
    reasons = _grouped((one.reason, f"{one.task_id} #{one.place}") for one in lost)
    for reason, places in reasons[:_SHOWN]:
        lines.append(f"{spec}: missing: {_samples(places)}, since {reason}; the same command requests them again")
    others = [place for _, places in reasons[_SHOWN:] for place in places]
    if others:
        lines.append(
            f"{spec}: missing: {_samples(others)}, for {len(reasons) - _SHOWN} other reasons, listed in --json"
        )
    odd = [(name, f"{one.task_id} #{one.index}") for one in candidates if (name := _oddity(one, settings)) is not None]
    for name, places in _grouped(odd):
        lines.append(f"{spec}: {name}: {_samples(places)}; stored and graded unchanged")
    cut = [one for one in candidates if one.finish_reason == "length" and not _answer(one, settings)]
    if cut and len(cut) == len(candidates):
        lines.append(
            f"{spec}: cut off by the limit of {settings.max_tokens} tokens before an answer: all {len(cut)} samples; "
            "raise `max_tokens`"
        )
    elif cut:
        places = [f"{one.task_id} #{one.index}" for one in cut]
        lines.append(
            f"{spec}: cut off by the limit of {settings.max_tokens} tokens before an answer: {_samples(places)}"
        )
    thoughts = sum(bool(one.thinking_tokens) for one in candidates)
    if settings.thinking is False and thoughts:
        lines.append(f"{spec}: thinking should be off, but {thoughts} of {len(candidates)} samples have a thought")
    return tuple(lines)


def _oddity(candidate: Candidate, settings: Settings) -> str | None:
    """Name what is odd about a sample's end; None where nothing is."""
    reason = candidate.finish_reason
    if reason == "content_filter":
        return "ended by the server's content filter"
    if reason == "tool_calls":
        return "ended in a tool call"
    if reason not in ("stop", "length", None):
        return f"ended for the server's reason '{reason}'"
    if reason != "length" and not _answer(candidate, settings):
        return "empty"
    return None


def _answer(candidate: Candidate, settings: Settings) -> str:
    """Take what answers; a text that continues its prompt may well begin with white space alone."""
    return split_thought(candidate.raw).answer.strip() if settings.is_chat else candidate.raw


def _grouped(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, list[str]]]:
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for name, place in pairs:
        groups[name].append(place)
    return sorted(groups.items(), key=lambda group: -len(group[1]))


def _samples(places: Sequence[str]) -> str:
    some = ", ".join(places[:_SHOWN]) + (", ..." if len(places) > _SHOWN else "")
    return f"{len(places)} sample{'' if len(places) == 1 else 's'} ({some})"
