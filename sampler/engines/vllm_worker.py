"""A method that vLLM's workers get from `worker_extension_cls`: the memory each one holds.

It runs in the worker's process, so that this module imports nothing of codebudget's beyond its packages.
"""

from __future__ import annotations

import importlib
from typing import Any


class MemoryReport:
    """Mixed into vLLM's worker class, whose attributes it reads."""

    def codebudget_memory(self) -> dict[str, int]:
        """Measure bytes: of the weights, of the key-value cache that was set up, and the most that torch reserved."""
        worker: Any = self
        torch: Any = importlib.import_module("torch")
        model = worker.get_model()
        weights = {one.data_ptr(): one.nbytes for one in (*model.parameters(), *model.buffers())}
        on_gpu = torch.cuda.is_available() and torch.cuda.is_initialized()
        return {
            "on_gpu": int(on_gpu),
            "weight_bytes": sum(weights.values()) + sum(map(_repacked_bytes, model.modules())),
            "kv_bytes": _tensor_bytes(getattr(worker.model_runner, "kv_caches", ()), torch.Tensor),
            "peak_bytes": torch.cuda.max_memory_reserved() if on_gpu else 0,
        }


def _repacked_bytes(layer: Any) -> int:
    """Count the weights of a linear layer that the CPU's kernels hold in a form of their own, leaving an empty one."""
    weight = getattr(layer, "weight", None)
    inputs: int | None = getattr(layer, "input_size_per_partition", None)
    outputs: int | None = getattr(layer, "output_size_per_partition", None)
    if weight is None or weight.numel() or inputs is None or outputs is None:
        return 0
    return inputs * outputs * int(weight.element_size())


def _tensor_bytes(caches: Any, tensor: type[Any]) -> int:
    """Sum the tensors of the layers; layers that share one count it once."""
    found: dict[int, int] = {}
    waiting = list(caches)
    while waiting:
        one = waiting.pop()
        if isinstance(one, tensor):
            found[one.untyped_storage().data_ptr()] = one.untyped_storage().nbytes()
        elif isinstance(one, list | tuple):
            waiting += one
    return sum(found.values())
