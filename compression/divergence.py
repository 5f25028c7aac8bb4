"""Divergent token metrics: how a compressed model's choices differ from the original's, token by token.

The original F continues each of P prompts greedily by N tokens; the end of a text is a token like any other. The
compressed F' reads prompt and continuation in one pass, and at each of the N places its likeliest token is compared
with the original's (Deiseroth et al. 2024, "Divergent Token Metrics", arXiv 2311.01544, section 3; no code of theirs is
public). Up to the first difference both models have seen the same text, so the first divergent token found in that pass
is the one that F' on its own would have written. Everything here follows from stored ids and logprobs; no model is
needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from ..errors import UserError
from ..estimators import mean_interval, unbounded_mean_interval
from ..records import Divergence, Record, Spread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from ..estimators import BoolArray, FloatArray, IntArray

METRICS: Final = ("fdt", "sdt", "never", "dppl")
_HIGHER_IS_WORSE: Final = {"fdt": False, "sdt": True, "never": False, "dppl": True}


class Along(Record):
    """Choices along the original's continuations, told by where they differ from it.

    `differing` has, by prompt, each place (from 0) where the likeliest token is another, with that token's id;
    `mean_logprobs` the mean natural logprob that the original's tokens of each prompt are given.
    """

    differing: tuple[tuple[tuple[int, int], ...], ...]
    mean_logprobs: tuple[float, ...]


class BaseTokens(Record):
    """Greedy continuations by an unquantised model, one per prompt and all of the same length.

    `prompt_tokens` counts each prompt's. `floor` has the model's own choices along them in batches of another shape,
    the noise floor, and `vocabulary` keys its tokenizer.
    """

    prompt_tokens: tuple[int, ...]
    ids: tuple[tuple[int, ...], ...]
    floor: Along
    vocabulary: str


class PerPrompt(NamedTuple):
    """Metrics of each prompt: arrays [prompts]."""

    fdt: IntArray | FloatArray
    sdt: IntArray | FloatArray
    never: BoolArray | FloatArray
    dppl: FloatArray
    tokens: int


def per_prompt(base_ids: ArrayLike, other_ids: ArrayLike, other_logprobs: ArrayLike) -> PerPrompt:
    """Compute the metrics of each prompt.

    Args:
        base_ids: The original's greedy continuations, [prompts, tokens].
        other_ids: The other model's likeliest token at each of these places, given the original's text before it.
        other_logprobs: The other model's natural logprobs of `base_ids`.

    Raises:
        UserError: The shapes differ or nothing is there, or a logprob is above 0 or not a number.
    """
    base, other = np.asarray(base_ids, np.int64), np.asarray(other_ids, np.int64)
    logprobs = np.asarray(other_logprobs, np.float64)
    if base.ndim != 2 or base.size == 0 or not base.shape == other.shape == logprobs.shape:
        raise UserError(
            "divergence needs ids and logprobs of the same prompts and tokens, [prompts, tokens], not arrays shaped "
            f"{base.shape}, {other.shape} and {logprobs.shape}"
        )
    # Rounding may leave a certain token a trace above 0.
    if not bool(np.all(logprobs < 1e-4)):
        raise UserError("divergence needs logprobs of at most 0, and some are larger or not numbers")
    differs = base != other
    tokens = base.shape[1]
    diverges = differs.any(axis=1)
    first = np.where(diverges, differs.argmax(axis=1), tokens)
    perplexity = np.exp(np.maximum(-logprobs, 0.0).mean(axis=1))
    return PerPrompt(first, differs.sum(axis=1), ~diverges, perplexity, tokens)


def along(base_ids: ArrayLike, other_ids: ArrayLike, other_logprobs: ArrayLike) -> Along:
    """Keep of a model's choices what `per_prompt_along` needs; see `per_prompt` for the arguments.

    Raises:
        UserError: As `per_prompt`.
    """
    per_prompt(base_ids, other_ids, other_logprobs)
    base, other = np.asarray(base_ids, np.int64), np.asarray(other_ids, np.int64)
    return Along(
        differing=tuple(
            tuple((int(place), int(ids[place])) for place in np.flatnonzero(ids != original))
            for original, ids in zip(base, other, strict=True)
        ),
        mean_logprobs=tuple(np.asarray(other_logprobs, np.float64).mean(axis=1).tolist()),
    )


def per_prompt_along(base_ids: ArrayLike, found: Along) -> PerPrompt:
    """Compute the metrics of each prompt from the original's tokens and where a model's choices differ.

    Raises:
        UserError: They are not of the same prompts, a place is beyond the tokens, or as `per_prompt`.
    """
    base = np.asarray(base_ids, np.int64)
    other = base.copy()
    if base.ndim != 2 or not len(base) == len(found.differing) == len(found.mean_logprobs):
        raise UserError("the tokens and the choices along them are of different prompts")
    for ids, differing in zip(other, found.differing, strict=True):
        for place, token in differing:
            if not 0 <= place < len(ids) or ids[place] == token:
                raise UserError(f"no token can differ at place {place}: the choices belong to other tokens")
            ids[place] = token
    return per_prompt(base, other, np.repeat(np.array(found.mean_logprobs, np.float64)[:, None], base.shape[1], axis=1))


def averaged(runs: Sequence[PerPrompt]) -> PerPrompt:
    """Average several runs' metrics prompt by prompt, such as those of checkpoints with different calibration."""
    fdt, sdt, never, dppl = (
        np.asarray(np.mean([np.asarray(getattr(run, metric), np.float64) for run in runs], axis=0), np.float64)
        for metric in METRICS
    )
    return PerPrompt(fdt, sdt, never, dppl, runs[0].tokens)


def summarise(values: PerPrompt, *, seed: int = 0) -> Divergence:
    """Summarise over prompts; intervals are those of `estimators`, with the prompt as the unit."""
    scale = float(values.tokens)
    return Divergence(
        prompts=len(values.fdt),
        tokens=values.tokens,
        fdt=_spread(values.fdt, scale, seed),
        sdt=_spread(values.sdt, scale, seed),
        never=_spread(values.never, 1.0, seed),
        dppl=_spread(values.dppl, None, seed),
    )


def divergence(base_ids: ArrayLike, other_ids: ArrayLike, other_logprobs: ArrayLike, *, seed: int = 0) -> Divergence:
    """Compute the metrics over prompts; see `per_prompt` for the arguments.

    Raises:
        UserError: As `per_prompt`.
    """
    return summarise(per_prompt(base_ids, other_ids, other_logprobs), seed=seed)


def within_noise(values: PerPrompt, floor: PerPrompt, *, seed: int = 0) -> tuple[str, ...]:
    """Name the metrics in which a model does not differ from the original's own noise.

    The floor is the original against itself in batches of another shape, whose sums are rounded differently. A metric
    lies within it where the mean over prompts of how much worse it is than the floor cannot be told from 0 or less: the
    95 % interval of the paired difference does not lie above 0.

    Raises:
        UserError: They are not of the same prompts.
    """
    if len(values.fdt) != len(floor.fdt) or values.tokens != floor.tokens:
        raise UserError("the noise floor must be of the same prompts and as many tokens")
    within = []
    for metric in METRICS:
        sign = 1.0 if _HIGHER_IS_WORSE[metric] else -1.0
        ours, noise = (np.asarray(getattr(one, metric), np.float64) for one in (values, floor))
        low = unbounded_mean_interval(sign * (ours - noise), seed=seed).low
        if low is None or low <= 0:
            within.append(metric)
    return tuple(within)


def _spread(values: IntArray | BoolArray | FloatArray, scale: float | None, seed: int) -> Spread:
    """Describe values in [0, scale], or without an upper bound where `scale` is None."""
    numbers = np.asarray(values, np.float64)
    if scale is None:
        found = unbounded_mean_interval(numbers, seed=seed)
        low, high = found.low, found.high
    else:
        found = mean_interval(numbers / scale, seed=seed)
        low, high = (None if bound is None else bound * scale for bound in (found.low, found.high))
    p25, median, p75 = (float(value) for value in np.quantile(numbers, [0.25, 0.5, 0.75]))
    return Spread(mean=float(numbers.mean()), low=low, high=high, p25=p25, median=median, p75=p75)
