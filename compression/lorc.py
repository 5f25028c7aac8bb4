"""LoRC: the low-rank factors of what quantisation lost (Yao et al. 2023, arXiv 2303.08302, Low Rank Compensation).

With E = W - Wq = U S V', the factors of rank m are U_m S_m^1/2 and S_m^1/2 V_m'. They are written as a LoRA adapter in
PEFT's format, in a folder of the checkpoint, so that what serves a base with an adapter serves them as they are.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from ..errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import torch
    from torch import Tensor


class Factors(NamedTuple):
    """Two factors whose product `up @ down` is the best approximation of an error by their rank.

    `up` has the shape (outputs, rank), `down` (rank, inputs).
    """

    up: Tensor
    down: Tensor


def low_rank_factors(error: Tensor, rank: int, layer: str | None = None) -> Factors:
    """Factor an error of weights; the singular values are shared evenly between both factors.

    Args:
        error: W - Wq, of shape (outputs, inputs).
        rank: Singular values to keep.
        layer: The name of its layer, for the message.

    Returns:
        The factors in 32 bits, or 64 if the error has them.

    Raises:
        UserError: The matrix has fewer singular values.
    """
    import torch

    most = min(error.shape)
    if rank > most:
        raise UserError(
            f"LoRC of rank {rank} needs more singular values than {layer or 'a layer'} has: write -lorc{most} or less"
        )
    exact = error if error.dtype == torch.float64 else error.float()
    left, values, right = torch.linalg.svd(exact, full_matrices=False)
    roots = values[:rank].sqrt()
    return Factors(left[:, :rank] * roots, roots.unsqueeze(1) * right[:rank])


def write_adapter(folder: Path, factors: Mapping[str, Factors], base: str, dtype: torch.dtype) -> int:
    """Write factors as a LoRA adapter in PEFT's format.

    Args:
        folder: Where its two files go.
        factors: By the name of their layer in the model; all of one rank.
        base: The model it belongs to, as the adapter's file names it.
        dtype: Type that the factors are rounded to.

    Returns:
        Bytes of the factors.
    """
    from safetensors.torch import save_file

    ranks = {one.down.shape[0] for one in factors.values()}
    if len(ranks) != 1:
        raise ValueError(f"factors of one adapter have one rank, not {sorted(ranks)}")
    rank = ranks.pop()
    tensors: dict[str, Tensor] = {}
    for layer, (up, down) in sorted(factors.items()):
        tensors[f"base_model.model.{layer}.lora_A.weight"] = down.to(dtype).contiguous().cpu()
        tensors[f"base_model.model.{layer}.lora_B.weight"] = up.to(dtype).contiguous().cpu()
    # PEFT multiplies by lora_alpha / r, which is 1 here.
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "inference_mode": True,
        "r": rank,
        "lora_alpha": rank,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": sorted({layer.rpartition(".")[2] for layer in factors}),
    }
    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
