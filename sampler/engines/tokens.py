"""Between texts and tokens: prompts and chats in, finished texts out, and the search for stop strings."""

from __future__ import annotations

import bisect
from typing import TYPE_CHECKING, Any, Final

from ..._util.hashing import key_of
from ...errors import UserError
from ..thinking import MARKERS, TAGS, closing_of, opened_thought, split_thought

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..engine import Draw, Message, Prompt

_CONTEXT_TOKENS: Final = 8
"""Prompt tokens that an output is decoded behind: some tokenizers drop a text's leading space."""

THINKING_SWITCHES: Final = ("enable_thinking", "thinking")
"""Names of the switch for thinking in chat templates: that of Qwen3, GLM-4.5 and most, and DeepSeek-V3.1's."""

_NO_BUDGET: Final = {"thinking_budget": 0}
"""How Seed-OSS' template switches it off."""

_CHANNEL: Final = "<|channel|>"
_TAG_TOKENS: Final = 24
"""Prompt tokens that a tag at its end takes at most, one per character where a tokenizer has no larger ones."""

_SHOWN: Final = 40
_BROKEN: Final = "\N{REPLACEMENT CHARACTER}"


class TokenCodec:
    """A transformers tokenizer, used alike by every engine that has one here."""

    def __init__(self, tokenizer: Any, model: str, max_model_tokens: int | None) -> None:
        self._tokenizer = tokenizer
        self._model = model
        self._max_model_tokens = max_model_tokens
        self._pieces: list[str] | None = None
        vocabulary = tokenizer.get_added_vocab()
        special = set(tokenizer.all_special_tokens)
        self._markers = {vocabulary[name]: name for name in MARKERS if name in vocabulary and name in special}
        self._vocabulary = vocabulary

    def prompt_ids(self, prompt: Prompt, thinking: bool | None = None) -> list[int]:
        """Tokenize a prompt, with what the tokenizer puts before a text; a chat goes through its template.

        Args:
            prompt: A text or a chat.
            thinking: Switches a chat's thinking on or off; None leaves the template's default.

        Raises:
            UserError: The tokenizer has no chat template, or it knows no such switch, or nothing is left to continue.
        """
        if isinstance(prompt, str):
            ids = self._encode(prompt, special=True)
        elif getattr(self._tokenizer, "chat_template", None) is None:
            raise UserError(
                f"{self._model} has no chat template: draw completions instead of chats, or choose a chat model"
            )
        else:
            text = self._rendered(prompt, thinking)
            if thinking is not None and text == self._rendered(prompt, not thinking):
                raise UserError(
                    f"the chat template of {self._model} cannot switch thinking on or off: remove "
                    "`thinking`, and +think or +nothink from the arm"
                )
            ids = self._encode(text, special=False)
        if not ids:
            raise UserError(f"{self._model} cannot continue an empty prompt")
        return ids

    def draws_ids(self, draws: Iterable[Draw], thinking: bool | None = None) -> list[list[int]]:
        """Tokenize each draw's prompt; draws of the same prompt share one list.

        Raises:
            UserError: As `prompt_ids`, or a prompt leaves no room for an output.
        """
        known: dict[Prompt, list[int]] = {}
        found = []
        for draw in draws:
            ids = known.get(draw.prompt)
            if ids is None:
                ids = known[draw.prompt] = self.prompt_ids(draw.prompt, thinking)
                self._check_room(draw.prompt, len(ids) + 1)
            found.append(ids)
        return found

    def scored_ids(self, prompt: Prompt, completion: str, *, room: int = 0) -> tuple[list[int], list[int]]:
        """Tokenize a prompt and a completion separately, as when the completion was drawn.

        Args:
            prompt: The text before.
            completion: The text to score.
            room: Tokens that must be left in the context beyond both.

        Raises:
            UserError: As `prompt_ids`, or both together are longer than the context.
        """
        before, after = self.prompt_ids(prompt), self._encode(completion, special=False)
        self._check_room(prompt, len(before) + len(after) + room)
        return before, after

    def roomy_ids(self, prompt: str, tokens: int) -> list[int]:
        """Tokenize a prompt that `tokens` more will follow.

        Raises:
            UserError: As `prompt_ids`, or the context has no room for them.
        """
        ids = self.prompt_ids(prompt)
        self._check_room(prompt, len(ids) + tokens)
        return ids

    def vocabulary_key(self) -> str:
        """Key the tokens with their ids."""
        vocabulary: dict[str, int] = self._tokenizer.get_vocab()
        return key_of(*(f"{token}={number}" for token, number in sorted(vocabulary.items(), key=lambda item: item[1])))

    def text(self, prompt_ids: Sequence[int], output_ids: Sequence[int]) -> str:
        """Decode a whole output, as `piece` does.

        A thought that the chat's prompt has begun gets its opening tag, without which it would pass for an answer.
        """
        text = self.piece(prompt_ids, output_ids)
        end = self._tokenizer.decode(list(prompt_ids[-_TAG_TOKENS:]), skip_special_tokens=False)
        opening = opened_thought(str(end))
        return f"{opening}{text}" if opening else text

    def piece(self, ids_before: Sequence[int], ids: Sequence[int]) -> str:
        """Decode tokens, with the white space they have behind those before."""
        context = list(ids_before[-_CONTEXT_TOKENS:])
        before, whole = self._decode(context), self._decode([*context, *ids])
        return whole[len(before) :] if whole.startswith(before) else self._decode(ids)

    def thinking_tokens(self, prompt_ids: Sequence[int], output_ids: Sequence[int], text: str) -> int:
        """Count an output's tokens up to the end of its thought; `text` is what they decode to."""
        parts = split_thought(text)
        if not parts.thought:
            return 0
        if not parts.is_whole:
            return len(output_ids)
        return bisect.bisect_left(
            range(len(output_ids)),
            True,
            key=lambda count: self._has_thought(prompt_ids, output_ids[:count]),
        )

    def ending_thought(self, prompt_ids: Sequence[int], output_ids: Sequence[int]) -> list[int]:
        """Find the tokens that end the output's thought; none if it is not in one."""
        parts = split_thought(self.text(prompt_ids, output_ids))
        return [] if parts.is_whole else self._encode(closing_of(parts.thought), special=False)

    def thought_tags(self) -> tuple[str, str]:
        """Find the tags of this model's thoughts.

        Raises:
            UserError: It has none that are known.
        """
        template = str(getattr(self._tokenizer, "chat_template", None) or "")
        for opening, closing in TAGS:
            first = opening.partition("analysis")[0]
            if closing in self._vocabulary or closing in template or first in self._vocabulary:
                return opening, closing
        raise UserError(
            f"{self._model} has no tags for thoughts in its vocabulary or chat template, so nothing can be limited: "
            "leave `max_thinking_tokens` out"
        )

    def finishing_ids(self, stop: Iterable[str]) -> frozenset[int] | None:
        """Find tokens that can finish a stop string, so that only these prompt a search; None: any can."""
        ends = {string[-1] for string in stop}
        if any(end.isspace() and end != "\n" for end in ends):
            # Some tokenizers decode a lone token without its leading space.
            return None
        if self._pieces is None:
            ids = [[token] for token in range(len(self._tokenizer))]
            self._pieces = self._tokenizer.batch_decode(ids, clean_up_tokenization_spaces=False)
        return frozenset(
            token for token, piece in enumerate(self._pieces) if _BROKEN in piece or not ends.isdisjoint(piece)
        )

    def _check_room(self, prompt: Prompt, tokens: int) -> None:
        if self._max_model_tokens is not None and tokens > self._max_model_tokens:
            text = prompt if isinstance(prompt, str) else prompt[-1].content
            raise UserError(
                f"the prompt {text[:_SHOWN]!r}... needs {tokens} tokens, but {self._model} has room for "
                f"{self._max_model_tokens}: shorten it, or choose a model with a longer context"
            )

    def _rendered(self, prompt: tuple[Message, ...], thinking: bool | None) -> str:
        switches: dict[str, Any] = {} if thinking is None else dict.fromkeys(THINKING_SWITCHES, thinking)
        switches |= _NO_BUDGET if thinking is False else {}
        messages = [message._asdict() for message in prompt]
        return str(
            self._tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False, **switches)
        )

    def _has_thought(self, prompt_ids: Sequence[int], output_ids: Sequence[int]) -> bool:
        parts = split_thought(self.text(prompt_ids, output_ids))
        return bool(parts.thought) and parts.is_whole

    def _encode(self, text: str, *, special: bool) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=special))

    def _decode(self, ids: Sequence[int]) -> str:
        """Decode without special tokens, but for those that say where a thought ends."""
        names = {name for token in ids if (name := self._markers.get(token)) is not None}
        if _CHANNEL not in names:
            # Without channels, an end is one of a turn.
            names = {name for name in names if not name.startswith("<|")}
        parts, start = [], 0
        for place, token in enumerate(ids) if names else ():
            if self._markers.get(token) in names:
                parts += [self._plain(ids[start:place]), self._markers[token]]
                start = place + 1
        return "".join([*parts, self._plain(ids[start:])])

    def _plain(self, ids: Sequence[int]) -> str:
        return str(self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))


def cut_at_stop(text: str, stop: Iterable[str]) -> str | None:
    """Cut a text at the first stop string; None where it holds none."""
    places = [place for place in (text.find(string) for string in stop) if place >= 0]
    return text[: min(places)] if places else None
