"""Training of one cell: AdamW for every parameter, on the same data in the same order whatever the seed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import dropout

from ..sizes import BATCH_TOKENS, SIZES
from ..train import Recipe, Trainer

if TYPE_CHECKING:
    from pathlib import Path

    from ..corpus import Batch
    from .cells import Cell

SIZE = "250k"
LEARNING_RATE = 0.003
"""AdamW's for the matrices too, which Muon trains at twice that."""

DATA_SEED = 0


class CellTrainer(Trainer):
    """A run of the study. Weights stay in 32 bits; `bf16` computes products in 16, as mixed precision does."""

    def __init__(self, cell: Cell, tokens: int | None, out: Path) -> None:
        super().__init__(
            Recipe(
                size=SIZE,
                tokens=tokens or SIZES[SIZE].tokens,
                out=out,
                seed=cell.seed,
                device="cpu",
                batch_tokens=BATCH_TOKENS,
                learning_rate=LEARNING_RATE,
                bf16=cell.bf16,
                compiled=False,
                checkpoint_s=60.0,
            )
        )
        # The seed has made the initial weights; the data are the same for all.
        self.seed = DATA_SEED
        self._clip = cell.clip
        self.optimizers = [
            torch.optim.AdamW(
                self.model.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.95), weight_decay=cell.weight_decay
            )
        ]
        if cell.dropout:
            for layer in self.model.model.layers:
                # Llama has none of its own: what each half adds to the residual stream is thinned out.
                layer.self_attn.o_proj.register_forward_hook(_dropping(cell.dropout))
                layer.mlp.down_proj.register_forward_hook(_dropping(cell.dropout))

    def _update(self, batch: Batch) -> float:
        for group in self.optimizers[0].param_groups:
            group["lr"] = self.learning_rate * self._rate()
        self.model.train()
        with torch.autocast(self.device, torch.bfloat16, enabled=self.bf16):
            loss = self._loss(torch.from_numpy(batch.tokens), torch.from_numpy(batch.targets))
        loss.backward()
        if self._clip is not None:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self._clip)
        self.optimizers[0].step()
        self.optimizers[0].zero_grad(set_to_none=True)
        self.step += 1
        self.done += batch.tokens.size
        return float(loss.item())


def _dropping(share: float) -> Any:
    def drop(module: Any, _inputs: Any, output: torch.Tensor) -> torch.Tensor:
        return dropout(output, share, training=module.training)

    return drop
