"""Between texts and tokens: prompts and chats in, finished texts out, and the search for stop strings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ...errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..engine import Draw, Prompt

_CONTEXT_TOKENS: Final = 8
"""Prompt tokens that an output is decoded behind: some tokenizers drop a text's leading space."""

_SHOWN: Final = 40
_BROKEN: Final = "\N{REPLACEMENT CHARACTER}"


class TokenCodec:
    """A transformers tokenizer, used alike by every engine that has one here."""

    def __init__(self, tokenizer: Any, model: str, max_model_tokens: int | None) -> None:
        self._tokenizer = tokenizer
        self._model = model
        self._max_model_tokens = max_model_tokens
        self._pieces: list[str] | None = None

    def prompt_ids(self, prompt: Prompt) -> list[int]:
        """Tokenize a prompt, with what the tokenizer puts before a text; a chat goes through its template.

        Raises:
            UserError: The tokenizer has no chat template, or nothing is left to continue.
        """
        if isinstance(prompt, str):
            ids = self._encode(prompt, special=True)
        elif getattr(self._tokenizer, "chat_template", None) is None:
            raise UserError(
                f"{self._model} has no chat template: draw completions instead of chats, or choose a chat model"
            )
        else:
            text = self._tokenizer.apply_chat_template(
                [message._asdict() for message in prompt], add_generation_prompt=True, tokenize=False
            )
            ids = self._encode(text, special=False)
        if not ids:
            raise UserError(f"{self._model} cannot continue an empty prompt")
        return ids

    def draws_ids(self, draws: Iterable[Draw]) -> list[list[int]]:
        """Tokenize each draw's prompt; draws of the same prompt share one list.

        Raises:
            UserError: As `prompt_ids`, or a prompt leaves no room for an output.
        """
        known: dict[Prompt, list[int]] = {}
        found = []
        for draw in draws:
            ids = known.get(draw.prompt)
            if ids is None:
                ids = known[draw.prompt] = self.prompt_ids(draw.prompt)
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

    def text(self, prompt_ids: Sequence[int], output_ids: Sequence[int]) -> str:
        """Decode an output, with the white space it has behind its prompt."""
        context = list(prompt_ids[-_CONTEXT_TOKENS:])
        before, whole = self._decode(context), self._decode([*context, *output_ids])
        return whole[len(before) :] if whole.startswith(before) else self._decode(output_ids)

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

    def _encode(self, text: str, *, special: bool) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=special))

    def _decode(self, ids: Sequence[int]) -> str:
        return str(self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))


def cut_at_stop(text: str, stop: Iterable[str]) -> str | None:
    """Cut a text at the first stop string; None where it holds none."""
    places = [place for place in (text.find(string) for string in stop) if place >= 0]
    return text[: min(places)] if places else None
