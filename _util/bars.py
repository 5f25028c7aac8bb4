"""Progress bars of other libraries, kept off the terminal."""

from __future__ import annotations

import importlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def hidden_bars() -> Iterator[None]:
    """Hide the bars of tqdm meanwhile, also where a library asks for them: it has no switch for that."""
    bar = importlib.import_module("tqdm.std").tqdm
    shown = bar.__init__

    def hidden(self: Any, *arguments: Any, **chosen: Any) -> None:
        shown(self, *arguments, **{**chosen, "disable": True})

    bar.__init__ = hidden
    try:
        yield
    finally:
        bar.__init__ = shown
