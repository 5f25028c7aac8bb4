"""A language model that recites: for each prompt one text by heart, as long as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codebudget.sampler.engine import Generation

from support.markov import Markov, plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from codebudget.sampler.engine import Draw, Sampling


class Reciter(Markov):
    """Draws the text of a prompt, of as many tokens as it has characters."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        super().__init__(texts.values())
        self._texts = texts

    def generate(self, draws: Sequence[Draw], sampling: Sampling) -> Iterator[tuple[int, Generation]]:
        for place, draw in enumerate(draws):
            prompt = plain(draw.prompt)
            text = self._texts[prompt]
            logprobs = (0.0,) * len(text) if sampling.logprobs else None
            yield place, Generation(text, "stop", len(prompt), len(text), logprobs)
