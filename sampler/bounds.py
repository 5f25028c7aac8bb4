"""Upper bounds on what a sample can use, from what earlier samples used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..budgets.flops import decode_flops, prefill_flops
from .stopping import Spent

if TYPE_CHECKING:
    from ..budgets.architecture import Architecture
    from ..budgets.dollars import TokenPrice
    from .engine import Generation, Prompt
    from .series import TaskKeys

_OVERHEAD_TOKENS: Final = 64
"""Tokens that a template may add around one message."""

_THINKING: Final = 4
"""Bound on an output, in multiples of the longest so far, for servers whose reasoning goes beyond `max_tokens`."""


class Bounds:
    """Bounds of samples' tokens, FLOPs and dollars.

    A prompt has at most as many tokens as bytes, and an output as many as allowed, unless earlier ones had more.

    Args:
        architecture: Used to count FLOPs.
        price: Of tokens.
    """

    def __init__(self, architecture: Architecture | None, price: TokenPrice | None) -> None:
        self._architecture = architecture
        self._price = price
        self._prompts: dict[str, int] = {}
        self._overhead = self._longest = 0
        self._thinks = False
        self._dearest_usd = 0.0

    def see(self, keys: TaskKeys, generation: Generation, usd: float | None) -> None:
        """Note a sample, and its dollars if they are known."""
        prompt, output, charged = generation.prompt_tokens, generation.output_tokens, generation.charged
        self._dearest_usd = max(self._dearest_usd, usd or 0.0)
        if prompt is not None:
            self._prompts[keys.prefix] = prompt
            self._overhead = max(self._overhead, prompt - _bytes(keys.prompt))
        if output is not None:
            self._longest = max(self._longest, output)
            thought = charged is not None and charged.reasoning_tokens > 0
            self._thinks = self._thinks or thought or output > keys.sampling.max_tokens

    def most(self, keys: TaskKeys) -> Spent:
        """Bound what a task's next sample uses."""
        prompt = self._prompts.get(keys.prefix)
        if prompt is None:
            messages = 1 if isinstance(keys.prompt, str) else len(keys.prompt)
            prompt = _bytes(keys.prompt) + max(_OVERHEAD_TOKENS * messages, self._overhead)
        output = max(keys.sampling.max_tokens, _THINKING * self._longest if self._thinks else 0)
        flops = usd = 0.0
        if self._architecture is not None:
            flops = float(prefill_flops(self._architecture, prompt) + decode_flops(self._architecture, prompt, output))
        if self._price is not None:
            usd = max(_dearest(self._price, prompt, output), self._dearest_usd)
        return Spent(0.0, flops, output, usd)


def _bytes(prompt: Prompt) -> int:
    texts = [prompt] if isinstance(prompt, str) else [message.content for message in prompt]
    return sum(len(text.encode("utf-8", "replace")) for text in texts)


def _dearest(price: TokenPrice, prompt_tokens: int, output_tokens: int) -> float:
    """Price tokens of whichever kind is dearest."""
    return max(
        price.usd(prompt_tokens, output_tokens, cached=cached, reasoning=reasoning)
        for cached in (0, prompt_tokens)
        for reasoning in (0, output_tokens)
    )
