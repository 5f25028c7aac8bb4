"""Sparse weights: which of a matrix become zero, by magnitude alone or with the size of what they are multiplied by."""

from __future__ import annotations

import contextlib
import importlib
from typing import TYPE_CHECKING, Any, Final, get_args

from ..budgets.mixed import Pruning
from ..errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from .linears import Component

PRUNINGS: Final = get_args(Pruning)


def prune(weight: Tensor, sparsity: float, method: Pruning, input_norms: Tensor | None = None) -> Tensor:
    """Set a share of a weight to zero; returns another tensor.

    `magnitude` takes the smallest of the whole matrix. `wanda` takes, in each output, the smallest products of
    magnitude and input norm (Sun et al. 2023, arXiv 2306.11695, section 3).

    Args:
        weight: Of shape (outputs, inputs).
        sparsity: The share, from 0 to 1; the number of zeros is rounded to a whole one, per output for `wanda`.
        method: Which ones.
        input_norms: For `wanda`, the Euclidean norm of each input over the positions of some texts: (inputs,).

    Raises:
        UserError: The share is out of range, or the norms are missing.
    """
    torch = importlib.import_module("torch")
    if not 0 <= sparsity <= 1:
        raise UserError(f"a sparsity is a share from 0 to 1, not {sparsity:g}")
    size = weight.detach().abs().float()
    if method == "wanda":
        if input_norms is None:
            raise UserError("wanda needs the norms of inputs over some texts")
        size = size * input_norms.to(size.device).float()
    else:
        size = size.reshape(1, -1)
    zeros = round(sparsity * size.shape[1])
    mask = torch.ones_like(size, dtype=torch.bool)
    mask.scatter_(1, size.topk(zeros, dim=1, largest=False).indices, False)
    pruned: Tensor = weight.detach() * mask.reshape(weight.shape).to(weight.dtype)
    return pruned


@contextlib.contextmanager
def summing_inputs(components: Sequence[Component]) -> Iterator[dict[str, Tensor]]:
    """Sum the squares of each input of components over all that a network reads meanwhile, by component name.

    Their roots are the norms that Wanda multiplies magnitudes with.
    """
    sums: dict[str, Any] = {}

    def summing(component: Component) -> Any:
        def add(_module: Any, inputs: tuple[Any, ...]) -> None:
            rows = inputs[0].reshape(-1, inputs[0].shape[-1]).float()
            sums[component.name] = sums.get(component.name, 0.0) + (rows * rows).sum(dim=0)

        return component.module.register_forward_pre_hook(add)

    handles = [summing(component) for component in components]
    try:
        yield sums
    finally:
        for handle in handles:
            handle.remove()
