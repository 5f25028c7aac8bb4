"""What a user should know while something runs: the logger `codebudget`, which prints to standard error by default."""

from __future__ import annotations

import logging

_LOGGER = logging.getLogger("codebudget")


def notice(line: str) -> None:
    """Tell whoever listens, at level WARNING."""
    _LOGGER.warning("%s", line)
