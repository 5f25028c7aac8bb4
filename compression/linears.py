"""The linear components of a transformers model's layers: what a recipe quantises and pruning makes sparse."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..errors import UserError

if TYPE_CHECKING:
    from torch import Tensor


ROUTERS: Final = frozenset({"gate", "router"})
"""Names of modules that pick experts; they are small, and recipes leave them alone. A gated FFN has a `gate_proj`."""

_NOT_TEXT: Final = frozenset({"vision_tower", "vision_model", "visual", "audio_tower", "encoder"})


class Component(NamedTuple):
    """One linear module of a layer; `kind` is its name within the layer, such as `self_attn.q_proj`."""

    name: str
    layer: int
    kind: str
    module: Any

    @property
    def weights(self) -> int:
        """Number of its weights, biases not counted."""
        return int(self.module.weight.numel())

    @property
    def is_transposed(self) -> bool:
        """Whether its weight is stored as (inputs, outputs), as in GPT-2."""
        return not isinstance(self.module, importlib.import_module("torch").nn.Linear)

    @property
    def inputs(self) -> int:
        """Inputs of the product."""
        return int(self.module.weight.shape[0 if self.is_transposed else 1])

    @property
    def outputs(self) -> int:
        """Outputs of the product."""
        return int(self.module.weight.shape[1 if self.is_transposed else 0])

    def weight(self) -> Tensor:
        """View the weight as (outputs, inputs)."""
        weight: Tensor = self.module.weight.data
        return weight.t() if self.is_transposed else weight

    def put(self, weight: Tensor) -> None:
        """Replace the weight's values by those of a tensor (outputs, inputs)."""
        self.module.weight.data.copy_(weight.t() if self.is_transposed else weight)


class Other(NamedTuple):
    """A matrix of a layer that is no linear module's, such as a router's or all experts' in one tensor, and its owner.

    `name` is the parameter's, `kind` the owning module's within the layer.
    """

    name: str
    layer: int
    kind: str
    module: Any


class Linears(NamedTuple):
    """All linear components of a model, layer by layer, and the matrices of its layers beside them."""

    layers: tuple[Any, ...]
    components: tuple[Component, ...]
    others: tuple[Other, ...]

    @property
    def beside(self) -> str:
        """Names of the first matrices beside the components, and how many there are; empty where there are none."""
        if not self.others:
            return ""
        names = ", ".join(other.name for other in self.others[:2])
        return f"{len(self.others)} ({names}{', ...' if len(self.others) > 2 else ''})"


def find_layers(network: Any) -> tuple[str, tuple[Any, ...]]:
    """Find a decoder's layers.

    Returns:
        The name of the list that holds them, such as `model.layers`, and the layers in order.

    Raises:
        UserError: The model has no list of layers.
    """
    torch = importlib.import_module("torch")
    count = getattr(network.config.get_text_config(), "num_hidden_layers", None)
    lists = [
        (name, module)
        for name, module in network.named_modules()
        if isinstance(module, torch.nn.ModuleList) and _NOT_TEXT.isdisjoint(name.split("."))
    ]
    fitting = [(name, module) for name, module in lists if len(module) == count] or lists
    # Lists inside of layers, such as experts, have longer names.
    fitting.sort(key=lambda item: item[0].count("."))
    if not fitting or not len(fitting[0][1]):
        raise UserError(f"{type(network).__name__} has no list of layers to look into: it is no decoder known here")
    name, layers = fitting[0]
    return name, tuple(layers)


def find_linears(network: Any) -> Linears:
    """Find the linear components of a decoder's layers; embeddings, the output head and routers are none.

    Raises:
        UserError: The model has no layers, or no linear modules in them.
    """
    prefix, layers = find_layers(network)
    kinds = _kinds()
    components, seen = [], set()
    for place, layer in enumerate(layers):
        for kind, module in layer.named_modules():
            if isinstance(module, kinds) and ROUTERS.isdisjoint(kind.split(".")):
                components.append(Component(f"{prefix}.{place}.{kind}", place, kind, module))
                seen.add(id(module.weight))
    if not components:
        raise UserError(f"{type(network).__name__} has no linear modules in its layers, so nothing can be compressed")
    others = [
        Other(f"{prefix}.{place}.{kind}.{name}", place, kind, module)
        for place, layer in enumerate(layers)
        for kind, module in layer.named_modules()
        for name, parameter in module.named_parameters(recurse=False)
        if parameter.ndim >= 2 and id(parameter) not in seen
    ]
    return Linears(layers, tuple(components), tuple(others))


def _kinds() -> tuple[type[Any], ...]:
    linear: type[Any] = importlib.import_module("torch").nn.Linear
    transposed: type[Any] = importlib.import_module("transformers.pytorch_utils").Conv1D
    return linear, transposed
