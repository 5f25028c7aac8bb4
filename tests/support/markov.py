"""A small language model that needs nothing but Python: characters by the three before them, as a sampling engine.

It draws for real, with seeds, temperature, top-p, stop strings, a limit and logprobs, several texts side by side so
that they finish out of order.
"""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from codebudget.errors import UserError
from codebudget.records import Likelihood
from codebudget.sampler.engine import Description, Draw, EngineMemory, Generation, MayStart, Prompt, Sampling

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

ORDER = 3
END = ""


class Markov:
    """Implements `codebudget.sampler.engine.Engine`."""

    def __init__(self, corpus: Iterable[str], *, revision: str = "1", abreast: int = 4, counts: bool = True) -> None:
        self.drawn: list[Draw] = []
        self.scored: list[tuple[Prompt, str]] = []
        self._abreast = abreast
        self._has_counts = counts
        self._revision = revision
        self._next: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for text in corpus:
            for place in range(len(text) + 1):
                following = text[place] if place < len(text) else END
                for order in range(ORDER + 1):
                    self._next[text[max(0, place - order) : place]][following] += 1

    def describe(self) -> Description:
        return Description(
            engine="markov",
            engine_version="1",
            model="markov",
            revision=self._revision,
            precision="fp32",
            device="cpu",
            exact=True,
        )

    def check(self) -> str:
        return "self-check: none"

    def generate(
        self, draws: Sequence[Draw], sampling: Sampling, may_start: MayStart | None = None
    ) -> Iterator[tuple[int, Generation]]:
        waiting = list(enumerate(draws))[::-1]
        running: list[tuple[int, Iterator[Generation | None]]] = []
        while waiting or running:
            while waiting and len(running) < self._abreast:
                place, draw = waiting.pop()
                self.drawn.append(draw)
                running.append((place, self._text(draw, sampling)))
            for pair in list(running):
                finished = next(pair[1])
                if finished is not None:
                    running.remove(pair)
                    yield pair[0], finished

    def score(self, texts: Sequence[tuple[Prompt, str]]) -> list[Likelihood]:
        self.scored += texts
        return [
            Likelihood(
                tuple(self._logprob(plain(prompt) + text[:place], after) for place, after in enumerate(text)),
                prompt_tokens=len(plain(prompt)),
            )
            for prompt, text in texts
        ]

    def memory(self) -> EngineMemory:
        return EngineMemory("host")

    def close(self) -> None:
        self._next.clear()

    def _choices(self, context: str) -> Counter[str]:
        return next(
            self._next[context[len(context) - order :]]
            for order in range(min(ORDER, len(context)), -1, -1)
            if context[len(context) - order :] in self._next
        )

    def _logprob(self, context: str, following: str) -> float:
        choices = self._choices(context)
        return math.log(choices[following] / choices.total()) if choices[following] else -math.inf

    def _text(self, draw: Draw, sampling: Sampling) -> Iterator[Generation | None]:
        prompt = plain(draw.prompt)
        if not prompt:
            raise UserError("an empty prompt")
        randomness = random.Random(draw.seed)
        text, logprobs, reason = "", [], "length"
        while len(logprobs) < sampling.max_tokens:
            choices = self._choices(prompt + text)
            following = pick(choices, sampling, randomness)
            logprobs.append(math.log(choices[following] / choices.total()))
            text += following
            stop = next((string for string in sampling.stop if string in text), None)
            if following == END or stop is not None:
                reason = "stop"
                text = text if stop is None else text.partition(stop)[0]
                break
            yield None
        yield Generation(
            text,
            "stop" if reason == "stop" else "length",
            len(prompt) if self._has_counts else None,
            len(logprobs) if self._has_counts else None,
            tuple(logprobs) if sampling.logprobs else None,
        )


def plain(prompt: Prompt) -> str:
    """A prompt as text, with the template of a model that has none."""
    return prompt if isinstance(prompt, str) else "\n".join(message.content for message in prompt) + "\n"


def pick(choices: Counter[str], sampling: Sampling, randomness: random.Random) -> str:
    """One of the choices, at a temperature and cut to the smallest likeliest set of at least top-p."""
    ordered = sorted(choices.items(), key=lambda choice: (-choice[1], choice[0]))
    if sampling.temperature == 0:
        return ordered[0][0]
    weights = [count ** (1 / sampling.temperature) for _, count in ordered]
    kept, total = 0, 0.0
    while total < sampling.top_p * sum(weights) and kept < len(weights):
        total += weights[kept]
        kept += 1
    return randomness.choices([text for text, _ in ordered[:kept]], weights[:kept])[0]
