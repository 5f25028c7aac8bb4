"""A model whose weights have the values that rounding to nearest leaves, in 16 bits: for scoring without few bits.

Whatever loads the model loads this: no format of few bits is needed. Only its bytes are not those of the recipe.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from .._util.hashing import key_of
from .._util.outputs import replacing_folder
from .._util.progress import Progress, silent
from ..errors import UserError
from .lorc import low_rank_factors
from .quantise import check_recipe, load, quantised_layers, save
from .rtn import fake_quantise

if TYPE_CHECKING:
    from pathlib import Path

    from .quantise import Source
    from .recipes import Recipe

RECORD: Final = "codebudget-folded.json"


def key_of_folded(source: Source, recipe: Recipe) -> str:
    """Get the key of what `fold` makes of these."""
    return key_of("folded", source.revision, recipe.key)


def fold(source: Source, recipe: Recipe, out: Path, progress: Progress = silent) -> Path:
    """Write a model with rounded weights in 16 bits, low-rank factors added, or find the one that was written before.

    It is there as a whole or not at all, and nothing is overwritten.

    Args:
        source: The model.
        recipe: Of weights alone, by rounding to nearest.
        out: Its folder.
        progress: Told how far it is.

    Raises:
        UserError: The recipe does not fit the model, or needs more than rounding; or `out` holds something else.
        MachineError: The model cannot be loaded, or the disk is full.
    """
    key = key_of_folded(source, recipe)
    if out.exists() or out.is_symlink():
        if _key_at(out) != key:
            raise UserError(f"{out} is there already, and is something else: move it away")
        return out
    check_recipe(source, recipe)
    if recipe.method != "rtn" or recipe.activation_bits != 16:
        raise UserError(f"recipe {recipe.key} is more than rounding weights to nearest, and cannot be folded")
    with replacing_folder(out) as partial:
        model, tokenizer = load(source)
        layers = quantised_layers(source, model, recipe)
        for done, (name, layer) in enumerate(layers.items(), 1):
            weight = layer.weight.detach()
            rounded = fake_quantise(weight, recipe, name)
            if recipe.lorc_rank:
                up, down = low_rank_factors(weight.float() - rounded.float(), recipe.lorc_rank, name)
                # Factors are stored in 16 bits, as an adapter's are.
                added = up.to(weight.dtype).float() @ down.to(weight.dtype).float()
                rounded = (rounded.float() + added).to(weight.dtype)
            layer.weight.data = rounded
            progress("rounding", done, len(layers))
        save(model, tokenizer, partial)
        (partial / RECORD).write_text(json.dumps({"key": key, "recipe": recipe.key}) + "\n", encoding="utf-8")
    return out


def _key_at(folder: Path) -> object:
    try:
        found = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found.get("key") if isinstance(found, dict) else None
