"""MBPP, sanitized (Austin et al. 2021), from the Hugging Face hub."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .datasets_loader import load_dataset_benchmark

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .benchmark import Benchmark

HUB_ID = "google-research-datasets/mbpp:sanitized"


def load_mbpp(fields: Mapping[str, str] | None = None) -> Benchmark:
    """Load MBPP's test split (sanitized), 257 tasks; the other splits are for few-shot prompts and training.

    Raises:
        MachineError: If the hub does not answer and no copy is cached.
    """
    return load_dataset_benchmark(HUB_ID, fields, name="mbpp", split="test", id_prefix="Mbpp")
