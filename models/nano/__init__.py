"""The nano family: four small language models that ship with the package, and everything used to make them."""

from __future__ import annotations

from pathlib import Path

from ...errors import UserError

NAMES = ("250k", "1m", "2m", "4m")


def nano_path(name: str) -> Path:
    """Find a model's folder, as transformers and vLLM load it.

    Args:
        name: `250k`, `1m`, `2m` or `4m`, also with the family's name before it, as in `nano-4m`.

    Raises:
        UserError: There is no such model.
    """
    alias = name.lower().removeprefix("nano-")
    if alias not in NAMES:
        raise UserError(f"no nano model {name!r}; there are {', '.join(NAMES)}")
    return Path(__file__).parent / alias
