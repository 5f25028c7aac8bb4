"""Small transformers models in folders of their own, in 32 bits, with the tokenizer of the models that ship."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


def nano_folder(folder: Path, change: Any = None, size: str = "250k") -> Path:
    """A copy of a nano model whose network was changed."""
    from codebudget.models.nano import nano_path
    from transformers import AutoModelForCausalLM, AutoTokenizer

    path = nano_path(size)
    network = AutoModelForCausalLM.from_pretrained(path).float()
    if change is not None:
        change(network)
    network.save_pretrained(folder)
    AutoTokenizer.from_pretrained(path).save_pretrained(folder)
    return folder


def random_folder(folder: Path, network: Any) -> Path:
    """A model as given, with nano's tokenizer."""
    from codebudget.models.nano import nano_path
    from transformers import AutoTokenizer

    network.float().save_pretrained(folder)
    AutoTokenizer.from_pretrained(nano_path("250k")).save_pretrained(folder)
    return folder
