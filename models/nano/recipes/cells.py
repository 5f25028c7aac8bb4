"""The cells of the study: which settings each model is trained with.

Ahmadian et al. 2023 (arXiv 2305.19268) vary weight decay, dropout, gradient clipping and precision of models of 6
billion parameters, and find that they decide whether outlier dimensions appear. Here the same factors are crossed at
250 thousand parameters, with two further seeds for the two cells that should be farthest apart.
"""

from __future__ import annotations

import itertools
from typing import Final, NamedTuple

WEIGHT_DECAYS: Final = (0.001, 0.1)
DROPOUTS: Final = (0.0, 0.1)
CLIPS: Final = (None, 1.0)
BF16: Final = (False, True)
MORE_SEEDS: Final = (1, 2)


class Cell(NamedTuple):
    """Settings of one training run; `clip` is the largest norm of the gradient, None for any."""

    weight_decay: float
    dropout: float
    clip: float | None
    bf16: bool
    seed: int = 0

    @property
    def name(self) -> str:
        """A name for files, such as `wd0.1-do0-clip1-bf16-s0`."""
        clip = "none" if self.clip is None else f"{self.clip:g}"
        kind = "bf16" if self.bf16 else "fp32"
        return f"wd{self.weight_decay:g}-do{self.dropout:g}-clip{clip}-{kind}-s{self.seed}"


ROUGHEST: Final = Cell(0.001, 0.1, None, False)
"""What the paper finds to favour outliers: little decay, dropout, no clipping. Its third precision, fp16, is left out:
a CPU does not train in it."""

SMOOTHEST: Final = Cell(0.1, 0.0, 1.0, True)


def cells() -> tuple[Cell, ...]:
    """List all runs: the 16 crossings, then the further seeds of the two extreme cells."""
    crossed = [Cell(*settings) for settings in itertools.product(WEIGHT_DECAYS, DROPOUTS, CLIPS, BF16)]
    again = [extreme._replace(seed=seed) for extreme in (ROUGHEST, SMOOTHEST) for seed in MORE_SEEDS]
    return (*crossed, *again)
