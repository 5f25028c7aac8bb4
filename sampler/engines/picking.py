"""Picking the next token of many samples at once, each by its own random number."""

from __future__ import annotations

import importlib
import math
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_CANDIDATES: Final = 64
"""Tokens sorted at first; for a row with a larger top-p set, the whole vocabulary is sorted."""


def uniform_numbers(seeds: Sequence[int], count: int, device: str) -> Any:
    """Make a row of numbers in [0, 1) per seed, dependent on that seed only: a tensor (seeds, count)."""
    torch = importlib.import_module("torch")
    rows = [torch.rand(count, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    return torch.stack(rows).to(device)


def pick_tokens(logits: Any, uniform: Any, temperature: float, top_p: float) -> Any:
    """Pick each row's next token: the inverse of the cumulative distribution at its number.

    The distribution is nucleus sampling's (Holtzman et al. 2020, arXiv 1904.09751, section 3.1): the fewest tokens
    whose probability at the temperature reaches `top_p`, renormalised. Temperature 0 picks the likeliest token.

    Args:
        logits: (rows, vocabulary), in 32 bits.
        uniform: (rows,), in [0, 1).
        temperature: 0 or more.
        top_p: Above 0, at most 1.

    Returns:
        (rows,) token ids.
    """
    torch = importlib.import_module("torch")
    if temperature == 0:
        return logits.argmax(dim=-1)
    probabilities = torch.softmax(logits / temperature, dim=-1)
    if top_p == 1:
        cumulative = probabilities.cumsum(dim=-1)
        return _at(cumulative, torch.full_like(uniform, logits.shape[-1] - 1, dtype=torch.long), uniform)
    likeliest, order = probabilities.topk(min(_CANDIDATES, logits.shape[-1]), dim=-1)
    tokens = _from_nucleus(likeliest, order, uniform, top_p)
    wide = (likeliest.sum(dim=-1) < top_p).nonzero()[:, 0]
    if len(wide):
        everything, order = probabilities[wide].sort(dim=-1, descending=True)
        tokens[wide] = _from_nucleus(everything, order, uniform[wide], top_p)
    return tokens


def _from_nucleus(probabilities: Any, order: Any, uniform: Any, top_p: float) -> Any:
    """Pick tokens of rows in descending probability; `order` has each token."""
    cumulative = probabilities.cumsum(dim=-1)
    last = (cumulative < top_p).sum(dim=-1).clamp(max=cumulative.shape[-1] - 1)
    return order.gather(1, _at(cumulative, last, uniform)[:, None])[:, 0]


def _at(cumulative: Any, last: Any, uniform: Any) -> Any:
    """Find each row's number in its cumulative distribution, which ends at the place `last`."""
    torch = importlib.import_module("torch")
    kept = cumulative.gather(1, last[:, None])
    place = torch.searchsorted(cumulative, uniform[:, None] * kept, right=True)
    return torch.minimum(place, last[:, None])[:, 0]


def chosen_logprobs(logits: Any, tokens: Any) -> Any:
    """Take the natural log of the probability of each row's token at temperature 1: (rows,)."""
    return logits.gather(-1, tokens[..., None])[..., 0] - logits.logsumexp(dim=-1)


def certainty(logits: Any) -> Any:
    """Return the Kullback-Leibler divergence KL(U || p) of the uniform U and each row's p, in nats: (rows,).

    It is -(1/V) sum_j ln(V p_j) over the V tokens of the vocabulary (Kang et al. 2025, arXiv 2502.18581, section 3).
    """
    return logits.logsumexp(dim=-1) - logits.mean(dim=-1) - math.log(logits.shape[-1])
